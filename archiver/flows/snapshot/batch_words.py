"""What a batch says of itself: the members of its statement that are known before it is stored.

>>> predicate(words, 3, built)["records"]
65536
"""

from __future__ import annotations

from archiver.late import dataclass
from archiver.model import tables
from archiver.writer.parquet import Built

__all__ = ["Words", "predicate"]


@dataclass(frozen=True)
class Words:
    """What all batches of a stream say of themselves."""

    archive_id: str
    snapshot: str
    source: str
    table: str
    policy_sha256: str
    matters: tuple[str, ...]


def predicate(words: Words, number: int, built: Built) -> dict[str, object]:
    """Return the members of a batch statement that are known before the batch is stored."""
    return {
        "source": words.source,
        "snapshot": words.snapshot,
        "table": words.table,
        "table_version": tables.TABLES[words.table],
        "number": number,
        "records": built.records,
        "items": built.items,
        "raw_bytes": built.raw_bytes,
        "merkle_root": built.merkle_root,
        "collected_from": built.collected_from,
        "collected_to": built.collected_to,
        "parquet_writer": built.writer,
        "encryption": "none",
        "policy_sha256": words.policy_sha256,
        "matters": list(words.matters),
    }
