"""Rows of a batch as pieces of a file.

>>> check_rows(rows, Item("mail", "a.eml"), offset=0)
"""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc

from archiver.errors import EvidenceError
from archiver.model.item import Item

__all__ = ["check_rows", "joined"]


def check_rows(rows: pa.RecordBatch, item: Item, offset: int) -> None:
    """Compare rows with what their part says: this item, without gap or overlap, nothing withheld."""
    raw = rows.column("raw")
    if raw.null_count:
        raise EvidenceError("withheld", f"{item.text()}: its bytes are withheld; --open KEYFILE opens a quarantine")
    lengths = pc.cast(pc.binary_length(raw), pa.int64())
    ends = pc.add(pc.cumulative_sum(lengths), pa.scalar(offset, pa.int64()))
    starts = pc.subtract(ends, lengths)
    if not starts.equals(pc.cast(rows.column("offset"), pa.int64())):
        raise EvidenceError(
            "item-parts", f"{item.text()}: expected rows from offset {offset} on without gap, found others"
        )
    texts = set(rows.column("item").unique().to_pylist())
    if texts != {item.text()}:
        raise EvidenceError(
            "item-parts", f"{item.text()}: expected rows of this item, found {sorted(map(str, texts))[:3]}"
        )


def joined(raw: pa.LargeBinaryArray) -> memoryview:
    """Return the bytes of all rows in one piece, where they lie."""
    _, offsets, data = raw.buffers()
    if data is None:
        return memoryview(b"")
    start, end = (struct.unpack_from("=q", offsets, 8 * place)[0] for place in (raw.offset, raw.offset + len(raw)))
    return memoryview(data)[start:end]
