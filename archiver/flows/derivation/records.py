"""The records of a batch as dialects read them: in runs of one item, and which rows are parts of a longer record.

A run is rows of one item whose offsets go on without gap. A row of exactly 64 MiB is a part of a record, and so is the
row behind it in its run. What the row before the batch was, the batch's own columns say.

>>> for some in records_of(archive.batch_rows(statement, columns=COLUMNS)):
...     some.first, some.runs
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.late import dataclass
from archiver.model.leaf import LOG_ROW

__all__ = ["COLUMNS", "Records", "records_of"]

COLUMNS: Final = ["record", "item", "offset", "raw", "withheld", "dialect", "parse_status", "content_status"]
"""What of a batch is read to derive from it."""


@dataclass(frozen=True)
class Records:
    """Some records that follow each other; `named` are the dialects that the batch says they have.

    `end` is where the item of the last one goes on.
    """

    first: int
    items: list[str]
    offsets: list[int]
    runs: list[int]
    pieces: list[bool]
    raw: pa.LargeBinaryArray
    named: list[str | None]
    end: int


def records_of(batches: Iterator[pa.RecordBatch]) -> Iterator[Records]:
    """Yield the records of a batch from its Arrow record batches, which have all of `COLUMNS`."""
    first, run = 0, -1
    last, end, before = "", -1, False
    for batch in batches:
        items, offsets, lengths = _texts(batch), batch["offset"].to_pylist(), _lengths(batch)
        if first == 0 and offsets[0] > 0:
            last, end, before = items[0], offsets[0], _is_part(batch)
        runs, pieces = [], []
        for text, offset, length in zip(items, offsets, lengths, strict=True):
            goes_on = text == last and offset == end
            run += not goes_on or run < 0
            runs.append(run)
            pieces.append(length == LOG_ROW or (goes_on and before))
            last, end, before = text, offset + length, length == LOG_ROW
        yield Records(first, items, offsets, runs, pieces, batch["raw"], batch["dialect"].to_pylist(), end)
        first += batch.num_rows


def _is_part(batch: pa.RecordBatch) -> bool:
    """Say whether the first row is named as a part of a record: nothing was read in it."""
    return bool(batch["parse_status"][0].as_py() == "opaque" and batch["content_status"][0].as_py() == "fragment")


def _texts(batch: pa.RecordBatch) -> list[str]:
    names = batch["item"].dictionary.to_pylist()
    return [names[code] for code in batch["item"].indices.to_pylist()]


def _lengths(batch: pa.RecordBatch) -> list[int]:
    withheld = pc.struct_field(batch["withheld"], "length")
    lengths: list[int] = pc.coalesce(pc.cast(pc.binary_length(batch["raw"]), pa.uint64()), withheld).to_pylist()
    return lengths
