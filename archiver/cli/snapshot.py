"""`archiver snapshot`: the main job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.locking import YES_LOCK, agree_to_lock
from archiver.cli.marks import counts_of
from archiver.cli.options import with_policy
from archiver.cli.timestamp import taken, words_of
from archiver.cli.words import columns, count, indented, listed, short, size
from archiver.errors import UsageError
from archiver.events import silent

if TYPE_CHECKING:
    from archiver.cli.answers_writing import Snapshotted
    from archiver.flows.setup import Made
    from archiver.flows.snapshot.snapshot import Snapshot
    from archiver.flows.snapshot.survey import Survey
    from archiver.flows.snapshot.tally import Tally
    from archiver.model.policy import Policy

__all__ = ["command"]

_CLAIMS = ("count-differs", "hash-differs", "manifest-unread", "unlisted")
"""Reasons of lines where what a store or an export says of itself is not so."""

_EXAMPLES = 5
_BECAME = {
    "grown": "grew: only what is new was stored",
    "rotated": "have another name since they were rotated: nothing was stored twice",
    "duplicate": "have the bytes of another item: stored once",
}


@click.command("snapshot")
@click.option("--source", "only", metavar="ID", multiple=True, help="Take only this source; may be given again.")
@YES_LOCK
@click.option("--stdin", "pipe", metavar="ID", help="Take what is piped in as an item of this source, and only that.")
@click.option("--accept-narrowing", is_flag=True, help="Agree that rules now pass over items that were kept before.")
@click.option("--rehash", is_flag=True, help="Read every file again, also those whose size and times are the same.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=None,
    metavar="N",
    help="Work in N processes, 1 for this one alone; not given: as many as there are processors read small documents, "
    "and one reads the columns of logs.",
)
@with_policy
@click.pass_obj
def command(
    run: Run,
    only: tuple[str, ...],
    yes_lock: int | None,
    pipe: str | None,
    *,
    accept_narrowing: bool,
    rehash: bool,
    jobs: int | None,
) -> Answer:
    """Collect, sign, lock and log everything that the policy names.

    What has not changed is not stored again. A run that was killed is finished by the same command.
    """
    from archiver.cli.opening import open_policy  # noqa: PLC0415 - loaded when called
    from archiver.flows.snapshot.received import waits  # noqa: PLC0415
    from archiver.flows.snapshot.snapshot import snapshot  # noqa: PLC0415

    policy = open_policy(run)
    if pipe is not None:
        only = _received(run, policy, only, pipe)
    confirm = _confirm(run, policy, yes_lock)
    made = _keys(run, policy, only, confirm)

    def take() -> Snapshot:
        return snapshot(
            policy,
            clock=run.clock,
            random=run.random,
            environ=run.environ,
            listener=run.talk.hear,
            only=only,
            accept_narrowing=accept_narrowing,
            rehash=rehash,
            jobs=jobs,
            processors=len(os.sched_getaffinity(0)),
            confirm=confirm,
        )

    done = take()
    if pipe is not None and waits(policy.source(pipe)):  # what a killed run had begun was finished instead
        _say(run, done)
        done = take()
    _say(run, done)
    if made is not None:
        _say_demo(run, made)
    run.talk.say("\nnext: archiver verify")
    return Answer(done.exit, lambda: _members(done, made))


def _received(run: Run, policy: Policy, only: tuple[str, ...], identity: str) -> tuple[str, ...]:
    """Keep standard input on the disk, whatever comes after; return the one source to be taken."""
    from archiver.flows.snapshot.received import keep  # noqa: PLC0415 - loaded when called

    if only:
        raise UsageError("stdin-and-source", "--stdin: expected no --source beside it, found one", hint="leave it out")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "stdin-no-pipe",
            "--stdin: expected a pipe as standard input, found " + ("none" if sys.stdin is None else "a terminal"),
            hint=f"write PROGRAM | archiver snapshot --stdin {identity}",
        )
    got = keep(policy, identity, sys.stdin.fileno(), clock=run.clock, random=run.random)
    run.talk.say(
        f"read {size(got.size)} from standard input to its end, kept as {identity}/{got.name}\n"
        "a pipe does not tell whether the program before it ended well: `set -o pipefail` makes the shell tell"
    )
    return (identity,)


def _keys(run: Run, policy: Policy, only: tuple[str, ...], confirm: Callable[[Survey], None]) -> Made | None:
    """Make demo keys on the first run, where nothing can be locked for real and nothing will be refused."""
    from archiver.flows.setup import can_set_up_quietly, is_set_up, set_up  # noqa: PLC0415 - loaded when called

    known = {source.id for source in policy.sources}
    if is_set_up(policy) or not can_set_up_quietly(policy) or not known.issuperset(only):
        return None
    from archiver.flows.snapshot.plan import plan  # noqa: PLC0415 - the first run alone
    from archiver.flows.snapshot.survey import check_limits  # noqa: PLC0415
    from archiver.flows.state import StateFolder  # noqa: PLC0415

    if not StateFolder(policy.state).exists:
        seen = plan(policy, clock=run.clock, listener=silent).survey
        check_limits(policy, seen, accept_narrowing=False)
        confirm(seen)
    made = set_up(policy, clock=run.clock, random=run.random, environ=run.environ, demo=True)
    run.talk.say(f"made demo keys in {made.trust_file.parent}, as there were none")
    return made


def _confirm(run: Run, policy: Policy, agreed: int | None) -> Callable[[Survey], None]:
    """Return the question that is asked before much is locked for good."""
    return lambda found: agree_to_lock(run, policy, "snapshot", found.new_bytes, agreed, look="archiver plan")


def _say(run: Run, done: Snapshot) -> None:
    lines = ["", f"snapshot {done.id} is {done.status}"]
    for one in done.tallies:
        lines += _source(one)
    lines += _new(done)
    if done.changes:
        lines += ["", "the policy changed, and the change is signed:", *indented(done.changes)]
    lines += _locks(done)
    if done.recovered:
        lines.append(f"finished first: {count(done.recovered, 'step')} that an earlier run had left")
    if done.strangers:
        lines.append(f"in the way, and left as it was: {listed(done.strangers)}")
    lines.append(f"log: {count(done.log_size, 'entry', 'entries')}, root {short(done.root)}")
    run.talk.say("\n".join(lines))
    for line in words_of(done.timestamps):
        run.talk.say(line)
    for late in done.behind:
        number = count(len(late.waiting), "statement")
        run.talk.say(f"destination {late.id} lacks {number} with what they are about; the next run brings them there")
    if done.reasons:
        run.talk.say("\n".join(["", f"exit {int(done.exit)}, because"]))
        for reason in done.reasons:
            run.talk.say(reason, "warning")
        for status in _worth_a_look(done):
            run.talk.say(f"details: archiver list items --status {status}")


def _locks(done: Snapshot) -> list[str]:
    lines = []
    if done.locks_raised:
        lines.append(f"raised the locks of {count(done.locks_raised, 'earlier batch', 'earlier batches')} to the hold")
    if done.ends_earlier:
        number = count(len(done.ends_earlier), "earlier batch", "earlier batches")
        lines += [
            f"locked below the hold: {number} that no item of this run needs; `archiver hold extend` raises all",
            *indented([f"{key} until {until}" for key, until in done.ends_earlier[:_EXAMPLES]]),
        ]
        more = len(done.ends_earlier) - _EXAMPLES
        lines += [f"  and {more:,} more, in `archiver status --json`"] if more > 0 else []
    return lines


def _worth_a_look(done: Snapshot) -> list[str]:
    numbers = [one.counts.model_dump() for one in done.tallies]
    return [name for name in ("failed", "changed_during_read", "absent") if any(one[name] for one in numbers)]


def _new(done: Snapshot) -> list[str]:
    content = {table: number for table, number in done.batches.items() if table != "items"}
    if not content:
        return ["nothing new: this account of it is signed and logged all the same"]
    records = sum(one.records for one in done.tallies)
    batches = ", ".join(f"{number} of {table}" for table, number in sorted(done.batches.items()))
    number = count(sum(done.batches.values()), "batch")
    return [f"new: {size(done.stored_bytes)} in {count(records, 'record')}; {number} ({batches})"]


def _source(one: Tally) -> list[str]:
    from archiver.model.selected import sentence  # noqa: PLC0415 - loaded when called

    counts, logs = one.counts, sum(account.items for account in one.selected)
    words = [
        (counts.captured, "captured"),
        (counts.unchanged, "unchanged"),
        (counts.changed_during_read, "changed while read"),
        (counts.failed, "failed"),
        (counts.recorded - logs, "on record without content (folders, links and the like)"),
        (logs, "selected from"),
        (counts.excluded, "passed over"),
        (counts.absent, "gone since last time"),
    ]
    rows = [(f"{number:,}", text) for number, text in words if number]
    lines = [f"source {one.source}: {count(counts.seen, 'item')} seen", *indented(columns(rows, right=(0,)))]
    for rule, (items, total) in sorted(one.rules.items()):
        lines.append(f"    {count(items, 'item')}, {size(total)}: {rule}")
    for reason, text in _BECAME.items():
        if one.became.get(reason):
            lines.append(f"    {count(one.became[reason], 'of these', 'of these')} {text}")
    lines += [f"  selected from {count(account.items, 'log')}: {sentence(account)}" for account in one.selected]
    lines += [
        f"  kept, since {by.rule} could not judge {count(by.items, 'item')} ({size(by.bytes)}): {by.reason}"
        for by in one.unjudged
    ]
    if one.lost:
        lines.append("  not as archived any more, what was archived stays:")
        lines += indented(indented(one.lost))
    lines += indented(_inside(one))
    if one.marked:
        lines.append(f"  marked: {counts_of(one.marked)}")
    if one.open_before:
        number = count(one.open_before, "item")
        lines.append(f"  belong into quarantine and were stored in the open before, which no lock lets go: {number}")
    if one.known_trouble:
        lines.append(f"  {count(one.known_trouble, 'failure')} that the policy accepts")
    return lines


def _inside(one: Tally) -> list[str]:
    """Say what came of containers, compressed logs among them."""
    lines = [f"{count(one.inside, 'more was', 'more were')} found inside containers"] if one.inside else []
    if one.damaged:
        lines.append(f"{count(one.damaged, 'member')} of containers could be read in part only; the files are whole")
    claims = {reason: number for reason, number in one.closed.items() if reason in _CLAIMS}
    closed = {reason: number for reason, number in one.closed.items() if reason not in _CLAIMS}
    if closed:
        opened = count(sum(closed.values()), "member")
        lines.append(f"{opened} of containers could not be opened ({_by_reason(closed)}); the files are whole")
    if claims:
        lines.append(
            f"containers are not as they say themselves in {count(sum(claims.values()), 'place')}"
            f" ({_by_reason(claims)}); see `archiver list items --status failed`"
        )
    return lines


def _by_reason(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in numbers.items())


def _say_demo(run: Run, made: Made) -> None:
    log_key = made.log_key.rpartition("/")[2]
    run.talk.say(
        "\n".join(
            [
                "",
                "the keys of this archive are demo keys, made on the way, and every statement says so",
                f"  keys        {made.statement_key} and {log_key}; back them up outside the archive",
                f"  trust file  {made.trust_file}; hand it to the auditor by another way than the archive",
                f"  SHA-256     {_digest(made)}",
                "for real use: run `archiver init` with a fresh folder for keys, state and archive",
            ]
        )
    )


def _digest(made: Made) -> str:
    from archiver.model.trust import groups  # noqa: PLC0415 - loaded when called

    return groups(made.trust_sha256)


def _members(done: Snapshot, made: Made | None) -> Snapshotted:
    from archiver.cli import answers_selection, answers_shared, answers_writing  # noqa: PLC0415 - loaded when called
    from archiver.cli.init import made_keys  # noqa: PLC0415

    return answers_writing.Snapshotted(
        snapshot=done.id,
        status=done.status,
        nothing_new=set(done.batches) <= {"items"},
        sources=[
            answers_writing.SnapshotSource(
                id=one.source,
                counts=answers_writing.Counts(**one.counts.model_dump()),
                excluded=[answers_writing.SnapshotRule(rule, *words) for rule, words in sorted(one.rules.items())],
                bytes=one.bytes,
                new_bytes=one.new_bytes,
                records=one.records,
                damaged=one.damaged,
                inside=one.inside,
                closed=one.closed,
                trouble=one.trouble,
                known_trouble=one.known_trouble,
                examples=list(one.examples),
                became=one.became,
                lost=list(one.lost),
                unseen=list(one.unseen),
                marked=one.marked,
                selected=[answers_selection.SelectedLogs.of(account, account.items) for account in one.selected],
                unjudged=[answers_selection.UnjudgedDocuments(**by.model_dump()) for by in one.unjudged],
                exposed=one.exposed,
                open_before=one.open_before,
            )
            for one in done.tallies
        ],
        batches=done.batches,
        new_bytes=sum(one.new_bytes for one in done.tallies),
        stored_bytes=done.stored_bytes,
        changes=list(done.changes),
        reasons=list(done.reasons),
        recovered=done.recovered,
        log=answers_shared.Position(done.log_size, done.root),
        strangers=list(done.strangers),
        locks_raised=done.locks_raised,
        ends_earlier=[answers_writing.BelowHold(key, until) for key, until in done.ends_earlier],
        timestamps=taken(done.timestamps).timestamps,
        left_behind=[
            answers_writing.LeftBehind(one.id, one.problem, int(one.exit), list(one.waiting)) for one in done.behind
        ],
        made_keys=None if made is None else made_keys(made),
    )
