"""Parts of answers that commands share: where an archive is, and how far its log."""

from __future__ import annotations

from typing import Literal

from archiver.late import dataclass

__all__ = [
    "Destination",
    "ItemMark",
    "NamedDestination",
    "Position",
]


@dataclass(frozen=True)
class Destination:
    """Where the archive is. `enforces_locks` is false where a lock is recorded but stops no administrator."""

    kind: Literal["folder", "s3"]
    location: str
    endpoint: str | None
    bucket: str
    prefix: str
    enforces_locks: bool
    versioned: bool


@dataclass(frozen=True)
class ItemMark:
    """A mark of an item: what it is suspected or known to be, the rule that said so, why, and how it is kept.

    `records` is how many records of a log it is for, null where it is for the whole item.
    """

    mark: str
    by: str
    reason: str
    handling: Literal["mark", "quarantine"]
    records: int | None


@dataclass(frozen=True)
class NamedDestination:
    """A destination of the policy."""

    id: str
    destination: Destination


@dataclass(frozen=True)
class Position:
    """The newest checkpoint: number of entries and root."""

    size: int
    root: str
