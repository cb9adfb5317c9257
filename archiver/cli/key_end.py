"""`archiver key revoke` and `retire`: a key ends, and what that does is said before it is done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import with_policy
from archiver.cli.timestamp import say_at_end, taken
from archiver.cli.words import columns, count, indented, short
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_keys import KeyEffect
    from archiver.flows.key.effect import Effect
    from archiver.flows.key.end import Ended
    from archiver.model.key_uri import KeyUri
    from archiver.model.policy import Policy

__all__ = ["DRY_RUN", "counted", "hand_out", "plan", "retire_command", "revoke_command", "successor"]

DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what it would do to what the key has signed.")
_REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; it is signed and stays in the log.")


@click.command("revoke")
@click.argument("key")
@click.option(
    "--since",
    "text",
    required=True,
    metavar="T",
    help="Since when somebody else may have it, such as 2027-03-01T09:00:00Z.",
)
@click.option("--to", "uri", metavar="URI", help="Where its successor lies, when it is the statement key in place.")
@_REASON
@DRY_RUN
@with_policy
@click.pass_obj
def revoke_command(run: Run, key: str, text: str, uri: str | None, reason: str, *, dry_run: bool) -> Answer:
    """End a key that somebody else may have, in the log and in the trust file.

    What it signed counts afterwards only where a timestamp shows that it is older. The statement key in place gets a
    successor that does not rest on it; the log key is rotated instead.
    """
    from archiver.model.hold import NotAnInstantError, parse_offset_instant  # noqa: PLC0415 - loaded when called

    try:
        since = parse_offset_instant(text)
    except NotAnInstantError as problem:
        hint = f"write {problem.instead}" if problem.instead else ""
        raise UsageError("not-an-instant", f"--since {text}: {problem}", hint=hint) from problem
    return _end(run, key, since, reason, uri, dry_run=dry_run)


@click.command("retire")
@click.argument("key")
@_REASON
@DRY_RUN
@with_policy
@click.pass_obj
def retire_command(run: Run, key: str, reason: str, *, dry_run: bool) -> Answer:
    """End a key in good order, such as that of an approver who leaves; what it signed before stays good."""
    return _end(run, key, None, reason, None, dry_run=dry_run)


def _end(run: Run, key: str, since: datetime | None, reason: str, uri: str | None, *, dry_run: bool) -> Answer:
    from archiver.cli.answers_keys import EndedKey  # noqa: PLC0415 - loaded when called
    from archiver.cli.answers_shared import Position  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.key.end import end_key  # noqa: PLC0415
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    policy = open_policy(run)
    to = successor(policy, uri)
    effect = _effect(run, policy, key, since, must=dry_run) if dry_run or since is not None else None
    if dry_run and effect is not None:
        return _planned(policy, effect, since)
    if effect is not None:
        run.talk.say("\n".join([*plan(effect, since), ""]))
    done = end_key(
        policy,
        key,
        since,
        reason,
        to=to,
        clock=run.clock,
        random=run.random,
        environ=run.environ,
        listener=run.talk.hear,
    )
    say_at_end(run, done.timestamps)
    path = trust_path(policy)
    digest = digest_of(path.read_bytes())
    members = EndedKey(
        dry_run=False,
        effect=None if effect is None else counted(effect),
        keyid=done.keyid,
        role=done.role,  # type: ignore[arg-type] # of the model's roles
        state=done.state,  # type: ignore[arg-type] # one of the two
        since=done.since,
        finished=done.finished,
        statements=list(done.statements),
        timestamps=taken(done.timestamps.stamps).timestamps,
        trust_file=str(path),
        trust_sha256=digest,
        log=Position(done.log_size, done.root),
    )
    return Answer(done.timestamps.exit, members, "\n".join(_ended(done, digest, uri)))


def _effect(run: Run, policy: Policy, key: str, since: datetime | None, *, must: bool) -> Effect | None:
    """Count what it will do; None for a key that is not known here yet, which the log may name."""
    from archiver.flows.key.effect import effect_of  # noqa: PLC0415 - loaded when called

    try:
        return effect_of(policy, key, since, clock=run.clock, listener=run.talk.hear)
    except UsageError as problem:
        if must or problem.code != "no-such-key":
            raise
        return None


def counted(effect: Effect) -> KeyEffect:
    """Return an effect as `--json` has it."""
    from archiver.cli.answers_keys import KeyEffect  # noqa: PLC0415 - loaded when called

    return KeyEffect(effect.statements, effect.unknown, effect.failed)


def plan(effect: Effect, since: datetime | None) -> list[str]:
    """Say what the end of a key will do to what it signed."""
    from archiver.model.instant import format_instant  # noqa: PLC0415 - loaded when called

    unknown, failed = sum(effect.unknown.values()), sum(effect.failed.values())
    rows = [("signed", f"{count(effect.statements, 'statement')} in the log")]
    if since is not None:
        until = format_instant(since)
        rows += [("unknown then", f"{unknown:,}{_kinds(effect.unknown)}")] if unknown else []
        rows += [("failed then", f"{failed:,}{_kinds(effect.failed)}")] if failed else []
        rows += [("as they are", f"{effect.statements - unknown - failed:,}")]
        rows += [("", f"a timestamp must show that they are older than {until}")] if unknown else []
        rows += (
            [("", f"failed is what was made at {until} or later by its own words, or by a timestamp")] if failed else []
        )
    else:
        rows += [("as they are", f"{effect.statements:,}; what it signs after its end in the log will fail")]
    if effect.role not in {"statement", "approver"}:
        rows = [("signed", "no statement; its end changes none")]
    what = f"revoked since {format_instant(since)}" if since is not None else "ended"
    return [f"when the {effect.role} key {short(effect.keyid)} ({effect.state}) is {what}", *indented(columns(rows))]


def _kinds(counts: dict[str, int]) -> str:
    return " (" + ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items())) + ")"


def _planned(policy: Policy, effect: Effect, since: datetime | None) -> Answer:
    from archiver.cli.answers_keys import EndedKey  # noqa: PLC0415 - loaded when called
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.instant import format_instant  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    path = trust_path(policy)
    members = EndedKey(
        dry_run=True,
        effect=counted(effect),
        keyid=effect.keyid,
        role=effect.role,  # type: ignore[arg-type] # of the model's roles
        state=effect.state,  # type: ignore[arg-type] # of the flow's states
        since=None if since is None else format_instant(since),
        finished=False,
        statements=[],
        timestamps=[],
        trust_file=str(path),
        trust_sha256=digest_of(path.read_bytes()),
        log=None,
    )
    return Answer(Exit.OK, members, "\n".join([*plan(effect, since), "", "nothing was done"]), asked_for=True)


def _ended(done: Ended, digest: str, uri: str | None) -> list[str]:
    if not done.finished:
        return [
            f"{short(done.keyid)} has a successor in the trust file, and is not revoked yet",
            "",
            f'now write in the policy, under keys:  {done.role.replace("-", "_")}: "{uri}"',
            "then say the same command again without --to",
        ]
    lines = [f"the {done.role} key {short(done.keyid)} is {done.state}"]
    if done.role == "post-quantum":
        lines += ["  the trust file has forgotten it; its successor's signature covers everything before it"]
        return [*lines, "", *hand_out(digest)]
    lines += [f"  statement {one}" for one in done.statements] or ["  the log said so already"]
    if done.since is not None:
        lines.append(f"  what it signed counts only where a timestamp shows that it is older than {done.since}")
    return [*lines, "", *hand_out(digest)]


def successor(policy: Policy, uri: str | None) -> KeyUri | None:
    """Read where a successor lies."""
    from archiver.model.key_uri import BadKeyUriError, parse_key_uri, resolve_key_uri  # noqa: PLC0415

    try:
        return None if uri is None else resolve_key_uri(parse_key_uri(uri), policy.path.parent)
    except BadKeyUriError as problem:
        raise UsageError("key-uri", f"--to: {problem}", hint=f"write {problem.instead}") from problem


def hand_out(digest: str) -> list[str]:
    """Say that the trust file is another one now, and which."""
    from archiver.model.trust import groups  # noqa: PLC0415 - loaded when called

    digits = groups(digest).split(" ")
    return [
        "hand the trust file out again, by another way than the archive: archiver trust export -o FILE",
        "the operator's own copy now has the SHA-256",
        f"  {' '.join(digits[:4])}",
        f"  {' '.join(digits[4:])}",
    ]
