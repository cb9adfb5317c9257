"""What happened, told to whoever listens.

Flows report progress through a `Listener`; the command line draws it, tests record it, `silent` ignores it.
Nothing in the program depends on an event being heard.
"""

from __future__ import annotations

from collections.abc import Callable

from archiver.late import dataclass

__all__ = ["Advanced", "Event", "Listener", "Paused", "Said", "Stage", "silent"]


@dataclass(frozen=True)
class Stage:
    """A stretch of work begins; `total` bytes or things are expected, None when nobody knows."""

    name: str
    total: int | None = None
    unit: str = "items"


@dataclass(frozen=True)
class Advanced:
    """Work went on by `amount` units of the current stage."""

    amount: int = 1


@dataclass(frozen=True)
class Said:
    """One line for a person, `severity` being "info", "warning" or "error"."""

    text: str
    severity: str = "info"


@dataclass(frozen=True)
class Paused:
    """What comes wants nobody else at work in this process; who draws rests until the work goes on."""


Event = Stage | Advanced | Said | Paused
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore the event."""
