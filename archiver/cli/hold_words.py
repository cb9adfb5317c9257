"""What the commands of `hold` share: options, the question before it is too late, and how failures are spelled."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Run
from archiver.cli.words import indented, instant
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_holding import HeldFailure, HoldLocks
    from archiver.flows.hold.extend import Failure
    from archiver.flows.hold.sweep import Tally
    from archiver.model.policy import Policy

__all__ = ["FILE", "INSTRUMENT", "YES", "agree", "ask", "date", "failures", "locks", "named"]

_MOST = 20  # failures that are spelled out; all of them are in --json
FILE = click.Path(path_type=Path)
INSTRUMENT = click.option(
    "--instrument", required=True, type=FILE, metavar="FILE", help="The order or consent itself; it is archived."
)
YES = click.option("--yes", is_flag=True, help="Agree to the plan (for scripts).")


def agree(run: Run, policy: Policy, *, yes: bool, words: str, what: str) -> None:
    """Have a person type the archive's name, unless `--yes` was said."""
    question = f"{words}; type the archive's name ({policy.archive}) to go on:"
    ask(run, policy.archive, yes=yes, question=question, what=what)


def ask(run: Run, expected: str, *, yes: bool, question: str, what: str) -> None:
    """Have a person type a name, unless `--yes` was said."""
    if yes:
        return
    if not run.talk.terminal or run.talk.quiet:
        raise UsageError(
            "confirm-needed",
            f"{what}: expected a person at a terminal or --yes, found neither; nothing was done",
            hint="look at the plan, then say the same with --yes",
        )
    if run.talk.ask(question) != expected:
        raise UsageError("not-confirmed", f"{what}: expected {expected!r} to be typed, found something else")


def named(found: tuple[Failure, ...]) -> list[str]:
    """Spell failures, one line each."""
    lines = [f"{one.key}{f' version {one.version}' if one.version else ''}: {one.why}" for one in found[:_MOST]]
    more = len(found) - _MOST
    return ["", *indented(lines), *([f"  and {more:,} more, with --json"] if more > 0 else [])] if lines else []


def date(moment: datetime | None) -> str:
    """Spell a date that may not be there."""
    return "none" if moment is None else instant(moment)


def locks(found: Tally) -> HoldLocks:
    """Return what a pass has seen for `--json`."""
    from archiver.cli.answers_holding import HoldLocks  # noqa: PLC0415 - loaded when called

    return HoldLocks(
        objects=found.objects,
        bytes=found.bytes,
        below=found.below,
        unknown=found.unknown,
        earliest=None if found.earliest is None else instant(found.earliest),
        earliest_key=found.earliest_key,
        latest=None if found.latest is None else instant(found.latest),
    )


def failures(found: tuple[Failure, ...]) -> list[HeldFailure]:
    """Return failures for `--json`."""
    from archiver.cli.answers_holding import HeldFailure  # noqa: PLC0415 - loaded when called

    return [HeldFailure(one.key, one.version, one.why) for one in found]
