"""Answers about timestamps, as `--json` gives them."""

from __future__ import annotations

from archiver.late import dataclass

__all__ = ["StampedBy", "StampedLog", "TimestampsTaken"]


@dataclass(frozen=True)
class StampedLog:
    """An authority and a destination's log: the token of this run, the statements that are pending, and why."""

    destination: str
    authority: str
    gen_time: str | None
    pending: int
    problem: str | None


@dataclass(frozen=True)
class TimestampsTaken:
    """How each authority stands with each log."""

    timestamps: list[StampedLog]


@dataclass(frozen=True)
class StampedBy:
    """An authority of the policy: the statements it has not stamped, since when, and its newest token."""

    authority: str
    pending: int
    since: str | None
    newest: str | None
    certificate_until: str | None
    late: bool
