"""What `derive` answers."""

from __future__ import annotations

from archiver.cli.answers_timestamp import StampedLog
from archiver.cli.answers_writing import LeftBehind
from archiver.late import dataclass

__all__ = ["DerivedTable", "DerivedTables"]


@dataclass(frozen=True)
class DerivedTable:
    """A batch and the table that was derived from it; null behind `--dry-run`."""

    batch: str
    source: str
    records: int
    raw_bytes: int
    id: str | None
    key: str | None
    rows: int | None
    size: int | None


@dataclass(frozen=True)
class DerivedTables:
    """Batches that were read with these dialects now, and how many had been before; `dialects` is their SHA-256.

    `disposed` batches were released and are not there any more.
    """

    dialects: str
    dry_run: bool
    derived: list[DerivedTable]
    before: int
    disposed: int
    timestamps: list[StampedLog]
    left_behind: list[LeftBehind]
