"""What a snapshot signs: a statement about each of its batches, and one that accounts for all that was seen.

>>> SnapshotPredicate.model_validate(words).sources[0].counts.seen
50
"""

from typing import Annotated, Literal

from archiver.model import layout
from archiver.model.checked import Field
from archiver.model.selected import Selected
from archiver.model.statement_words import (
    Count,
    HoldWords,
    Instant,
    MatterId,
    Predicate,
    ReceiptWords,
    Sha256,
    SnapshotId,
    SourceId,
    Words,
)
from archiver.model.unjudged import UnjudgedItems

__all__ = ["BatchPredicate", "Counts", "Excluded", "SnapshotPredicate", "SnapshotSource"]


class BatchPredicate(Predicate):
    """A batch was written, locked and read back. `source` is empty for the table `items`, which serves all sources."""

    source: SourceId | Literal[""]
    snapshot: SnapshotId
    table: Annotated[str, Field(pattern=rf"^{layout.TABLE}$")]
    table_version: Annotated[int, Field(ge=1, lt=1 << 16)]
    number: Annotated[int, Field(ge=0, lt=100_000_000)]
    records: Annotated[int, Field(ge=1, lt=1 << 53)]
    items: Annotated[int, Field(ge=1, lt=1 << 53)]
    raw_bytes: Count
    merkle_root: Sha256
    collected_from: Instant
    collected_to: Instant
    parquet_writer: str
    encryption: Literal["none"]
    policy_sha256: Sha256
    matters: list[MatterId]
    hold: HoldWords
    receipts: list[ReceiptWords]


class Counts(Words):
    """Counts of items without members; seen is the sum of the six that follow it."""

    seen: Count
    captured: Count
    unchanged: Count
    changed_during_read: Count
    failed: Count
    excluded: Count
    recorded: Count
    absent: Count


class Excluded(Words):
    """What one rule kept out: `rule` is a glob, or `include` for what no include matches."""

    rule: str
    reason: str
    items: Annotated[int, Field(ge=1, lt=1 << 53)]
    bytes: Count


class SnapshotSource(Words):
    """What a snapshot found in one source; `bytes` counts all content, `new_bytes` that of items not unchanged.

    `selected` is there where a rule selects records of its logs: what it kept and passed over, and why. `unjudged` is
    there where documents were kept because a rule could not judge them.
    """

    id: SourceId
    location: str
    device: str | None
    counts: Counts
    excluded: list[Excluded]
    bytes: Count
    new_bytes: Count
    selected: Annotated[list[Selected], Field(min_length=1)] = Field(default=[], exclude_if=lambda value: not value)
    unjudged: Annotated[list[UnjudgedItems], Field(min_length=1)] = Field(
        default=[], exclude_if=lambda value: not value
    )


class SnapshotPredicate(Predicate):
    """A run over the sources ended; also when nothing was new."""

    previous: SnapshotId | None
    started: Instant
    finished: Instant
    log_size_at_start: Count
    status: Literal["complete", "incomplete", "aborted"]
    sources: list[SnapshotSource]
    batches: dict[Annotated[str, Field(pattern=rf"^{layout.TABLE}$")], Annotated[int, Field(ge=1, lt=1 << 53)]]
