"""`archiver status`: how the archive stands, from local records, or with `--archive` from the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import counts_of
from archiver.cli.options import Place, reader
from archiver.cli.words import beside, columns, count, days_left, indented, instant, short, size
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_writing import Standing
    from archiver.flows.status.status import HoldStatus, StampedBy, Status
    from archiver.flows.witness.seen import SeenBy

__all__ = ["command"]

_MOST = 20  # lines of a list; all of them are in --json


@click.command("status")
@reader
@click.pass_obj
def command(run: Run, /, *, place: Place) -> Answer:
    """Say how the archive stands, and as of when.

    With a policy nothing is asked of the store, so this is quick. With --archive everything comes from the store, as
    its log tells it; `archiver verify` looks whether all of it is true.
    """
    found = _from_store(run, place) if place.archive is not None else _from_records(run, place)
    red = tuple(_until(run, one) for one in found.holds if one.soon)
    return Answer(found.exit, lambda: _members(found), "\n".join(_lines(run, found)), red=red)


def _from_records(run: Run, place: Place) -> Status:
    from archiver.cli.opening import policy_of  # noqa: PLC0415 - loaded when called
    from archiver.flows.status.status import status  # noqa: PLC0415

    if place.trust is not None:
        raise UsageError(
            "usage",
            "--trust: expected it with --archive, found it alone",
            hint="status with a policy asks local records, which need no trust file",
        )
    policy = policy_of(run, place)
    assert policy is not None
    return status(policy, clock=run.clock)


def _from_store(run: Run, place: Place) -> Status:
    from archiver.cli.reading import opened  # noqa: PLC0415 - loaded when called
    from archiver.flows.status.of_store import status_of_store  # noqa: PLC0415

    with opened(run, place) as reading:
        return status_of_store(reading, clock=run.clock, listener=run.talk.hear)


def _lines(run: Run, found: Status) -> list[str]:
    verdict = "all is well" if not found.reasons else f"needs a person (exit {int(found.exit)})"
    lines = [f"status: {verdict}", *(f"  - {reason}" for reason in found.reasons), "", *columns(_facts(found))]
    for hold in found.holds:
        lines += ["", *_hold(run, hold)]
    if found.failed:
        lines += [
            "",
            "items that need a look:",
            *indented(_some([f"{name}: {beside(name, why)}" for name, why in found.failed])),
        ]
    if found.below_hold:
        below = [f"{key} until {until}" for key, until in found.below_hold]
        lines += ["", "locked below the hold:", *indented(_some(below))]
    for place in found.destinations:
        if place.waiting or place.unconfirmed:
            late = [*place.waiting, *(f"{key}: its receipt" for key in place.unconfirmed)]
            lines += ["", f"waiting for {place.id}, {place.location}:", *indented(_some(late))]
    if found.demo_keys:
        lines += ["", "the keys are demo keys; for real use run `archiver init` in a fresh place"]
    return lines


def _facts(found: Status) -> list[tuple[str, str]]:
    totals = found.totals
    stored = f"{count(totals['batches'], 'batch')}, {count(totals['records'], 'record')}"
    sizes = f"{size(totals['raw_bytes'])} of evidence in {size(totals['stored_bytes'])}"
    statuses = [f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(found.counts.items())]
    return [
        ("as of", found.as_of or "no finished snapshot yet"),
        ("last complete", f"{found.last_success} at {found.last_success_at}" if found.last_success else "none"),
        ("last attempt", _attempt(found)),
        ("unfinished", found.unfinished or "nothing"),
        ("backlog", count(len(found.backlog), "object")),
        ("stored", f"{stored}; {sizes}"),
        ("log", f"{count(found.log_size, 'entry', 'entries')}, root {short(found.root)}"),
        ("items last time", ", ".join(statuses) or "none"),
        *((("marked", counts_of(found.marked)),) if found.marked else ()),
        ("below the hold", count(len(found.below_hold), "object")),
        *(("timestamps", _stamps(one)) for one in found.timestamps),
        *(("seen by", _seen(one)) for one in found.witnesses),
    ]


def _stamps(one: StampedBy) -> str:
    newest = f"newest {one.newest}, its certificate ends {one.certificate_until}" if one.newest else "none yet"
    left = f"{count(one.pending, 'statement')} pending since {one.since}" if one.pending else "nothing pending"
    return f"{one.authority}: {newest}; {left}"


def _seen(one: SeenBy) -> str:
    if one.at is None:
        return f"{one.name}: nothing yet"
    return f"{one.name}: {count(one.size, 'entry', 'entries')} at {one.at}"


def _attempt(found: Status) -> str:
    if found.last_attempt is None:
        return "none"
    return f"{found.last_attempt} at {found.last_attempt_at}, {found.last_attempt_status}"


def _hold(run: Run, hold: HoldStatus) -> list[str]:
    title = f", {hold.title}" if hold.title else ""
    lines = [f"hold {hold.matter}{title}", _until(run, hold)]
    if hold.soon and not hold.passed:
        from archiver.model.hold import extend_command  # noqa: PLC0415 - loaded with the answer

        lines.append(f"  this is soon: is the date still right? {extend_command(hold.matter)} moves it")
    if hold.named is not None:
        lines.append(
            f"  the policy names {instant(hold.named)}, earlier than this signed hold; write this date into it"
        )
    if hold.readings:
        lines.append("  the order's last day ends")
        lines += indented(columns([(instant(ends), name) for name, ends in hold.readings]), "    ")
    return lines


def _until(run: Run, hold: HoldStatus) -> str:
    """Return the line that counts down; it is red from 60 days on."""
    return f"  locked until {instant(hold.retain_until)}, {days_left(hold.retain_until, run.clock())}"


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST
    return [*lines[:_MOST], f"and {more:,} more, in `archiver status --json`"] if more > 0 else lines


def _members(found: Status) -> Standing:
    from archiver.cli import answers_shared, answers_timestamp, answers_writing  # noqa: PLC0415 - loaded when called

    success = attempt = None
    if found.last_success and found.last_success_at:
        success = answers_writing.Attempt(found.last_success, found.last_success_at, "complete")
    if found.last_attempt and found.last_attempt_at and found.last_attempt_status:
        attempt = answers_writing.Attempt(found.last_attempt, found.last_attempt_at, found.last_attempt_status)
    return answers_writing.Standing(
        as_of=found.as_of,
        demo_keys=found.demo_keys,
        log=answers_shared.Position(found.log_size, found.root),
        last_success=success,
        last_attempt=attempt,
        unfinished=found.unfinished,
        backlog=list(found.backlog),
        destinations=[
            answers_writing.DestinationStanding(
                id=one.id,
                origin=one.origin,
                location=one.location,
                log=answers_shared.Position(one.log_size, one.root),
                waiting=list(one.waiting),
                unconfirmed=list(one.unconfirmed),
            )
            for one in found.destinations
        ],
        counts=found.counts,
        trouble=[answers_writing.ItemTrouble(name, why) for name, why in found.failed],
        holds=[
            answers_writing.Hold(
                matter=one.matter,
                title=one.title,
                retain_until=instant(one.retain_until),
                days_left=one.days_left,
                passed=one.passed,
                soon=one.soon,
                policy_retain_until=None if one.named is None else instant(one.named),
                readings=[answers_writing.Reading(name, instant(ends)) for name, ends in one.readings],
            )
            for one in found.holds
        ],
        below_hold=[answers_writing.BelowHold(key, until) for key, until in found.below_hold],
        totals=found.totals,
        silent_hours=found.silent_hours,
        reasons=list(found.reasons),
        marked=dict(found.marked),
        timestamps=[answers_timestamp.StampedBy(**asdict(one)) for one in found.timestamps],
        witnesses=[answers_writing.SeenByWitness(one.name, one.vkey, one.size, one.at) for one in found.witnesses],
    )
