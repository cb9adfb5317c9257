"""Before much is locked for good: a person types the archive's name, or `--yes-lock` has said how much it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archiver.cli.context import Run
from archiver.cli.words import size
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.model.policy import Policy

__all__ = ["YES_LOCK", "Bytes", "agree_to_lock"]


class Bytes(click.ParamType[int]):
    """A number of bytes, as in the policy: 500000000 or 100GiB."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or say what was expected."""
        from archiver.model.size import parse_size  # noqa: PLC0415 - loaded when called

        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except ValueError as problem:
            self.fail(f"found {value!r}; write {problem}", param, ctx)


YES_LOCK = click.option(
    "--yes-lock", type=Bytes(), metavar="BYTES", help="Agree to lock up to so much, such as 200GiB (for cron)."
)


def agree_to_lock(run: Run, policy: Policy, command: str, planned: int, agreed: int | None, *, look: str) -> None:
    """Ask before more bytes are locked than the policy allows without a question; `look` shows what they are."""
    if agreed is not None and planned > agreed:
        raise UsageError(
            "lock-not-agreed",
            f"{command}: expected to lock at most {agreed} bytes (--yes-lock), found {planned} to be read",
            hint=f"look at `{look}`; if all of it is meant, say --yes-lock {planned}",
        )
    if agreed is not None or planned <= policy.limits.confirm_above_bytes:
        return
    from archiver.cli.opening import where  # noqa: PLC0415 - loaded when called
    from archiver.flows.session import destination_store  # noqa: PLC0415

    places = [destination_store(policy, run.clock, one).destination for one in policy.destinations if not one.ended]
    place = next((one for one in places if one.enforces_locks), places[0])
    if not place.enforces_locks:
        return
    until = policy.retain_until().strftime("%Y-%m-%d")
    words = f"up to {size(planned)} would be locked in {where(place)} until {until}, and nobody could undo that"
    if not run.talk.terminal or run.talk.quiet:
        raise UsageError(
            "confirm-needed",
            f"{command}: {words}; expected a person or --yes-lock, found neither",
            hint=f"look at `{look}`, then say --yes-lock {planned}, or raise limits.confirm_above_bytes",
        )
    run.talk.say(words)
    if run.talk.ask(f"type the archive's name ({policy.archive}) to go on:") != policy.archive:
        raise UsageError("not-confirmed", f"{command}: expected {policy.archive!r} to be typed, found something else")
