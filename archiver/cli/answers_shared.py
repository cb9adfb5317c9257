"""Parts of answers that commands share: where an archive is, and how far its log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Destination",
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
class NamedDestination:
    """A destination of the policy."""

    id: str
    destination: Destination


@dataclass(frozen=True)
class Position:
    """The newest checkpoint: number of entries and root."""

    size: int
    root: str
