"""`archiver timestamp`: stamp what is pending, or everything once more before certificates end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.options import with_policy
from archiver.cli.words import count
from archiver.errors import ArchiverError, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_timestamp import TimestampsTaken
    from archiver.flows.timestamps.at_end import AtEnd
    from archiver.flows.timestamps.stamping import Stamped

__all__ = ["command", "say_at_end", "taken", "words_of"]


@click.group("timestamp", cls=Group, invoke_without_command=True)
@with_policy
@click.pass_context
def command(context: click.Context) -> Answer | None:
    """Let the authorities of the policy stamp what they have not stamped yet.

    Every snapshot does this by itself, at its start, hourly and at its end, and so do holds and keys when they end;
    this makes up for what failed.
    """
    if context.invoked_subcommand is not None:
        return None
    return _stamp(context.find_root().obj, again=False)


@command.command("renew")
@click.option("--before", metavar="DATE", help="Only where the newest token's certificate ends before it: YYYY-MM-DD.")
@with_policy
@click.pass_obj
def renew(run: Run, before: str | None) -> Answer:
    """Stamp the whole log once more, which renews every older token in it.

    Do it before certificates end, or when an algorithm of an older token grows weak: that the old tokens were there in
    time is then proved by the new ones.
    """
    return _stamp(run, again=True, before=_instant(before))


def _stamp(run: Run, *, again: bool, before: str | None = None) -> Answer:
    from archiver.cli.opening import open_policy  # noqa: PLC0415 - loaded when called
    from archiver.flows.timestamps.timestamp import stamp  # noqa: PLC0415

    policy = open_policy(run)
    if not policy.timestamps.authorities:
        raise UsageError(
            "no-authorities",
            "timestamps: expected authorities in the policy, found none",
            hint="name them: timestamps: {required: 1, authorities: [{url: https://..., roots: keys/tsa-roots.pem}]}",
        )
    done = stamp(
        policy,
        again=again,
        before=before,
        clock=run.clock,
        random=run.random,
        environ=run.environ,
        listener=run.talk.hear,
    )
    run.talk.say("\n".join(words_of(done.stamps) or ["nothing to stamp: every certificate lasts beyond that date"]))
    for reason in done.reasons:
        run.talk.say(reason, "warning")
    return Answer(done.exit, taken(done.stamps))


def taken(stamps: tuple[Stamped, ...]) -> TimestampsTaken:
    """Return what came of it for `--json`."""
    from archiver.cli.answers_timestamp import StampedLog, TimestampsTaken  # noqa: PLC0415 - loaded when called

    return TimestampsTaken(
        [StampedLog(one.destination, one.authority, one.gen_time, one.pending, one.problem) for one in stamps]
    )


def say_at_end(run: Run, done: AtEnd) -> None:
    """Say what was stamped at the end of another command, and what is missing."""
    if done.stamps:
        run.talk.say("\n".join(words_of(done.stamps)))
    for reason in done.reasons:
        run.talk.say(reason, "warning")


def words_of(stamps: tuple[Stamped, ...]) -> list[str]:
    """Say how each authority stands."""
    several = len({one.destination for one in stamps}) > 1
    return [
        f"timestamp by {one.authority}{f' over {one.destination}' if several else ''}: "
        + (f"{one.gen_time}" if one.gen_time else "none now")
        + (f"; {count(one.pending, 'statement')} pending" if one.pending else "")
        + (f": {one.problem}" if one.problem else "")
        for one in stamps
    ]


def _instant(day: str | None) -> str | None:
    from archiver.model.instant import parse_instant  # noqa: PLC0415 - loaded when called

    if day is None:
        return None
    try:
        parse_instant(f"{day}T00:00:00Z")
    except ArchiverError as problem:
        raise UsageError(
            "usage", f"--before {day}: expected a day, found none", hint="write it as 2027-01-31"
        ) from problem
    return f"{day}T00:00:00Z"
