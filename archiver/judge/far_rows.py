"""The rows of a batch with their numbers, those far from what somebody wants left out.

What was hashed as a whole need not be decompressed as a whole: one file out of a large batch is in one row group.

>>> [first for first, _ in numbered(file, spans=[(20_000, 20_001)])]
[16384]
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.judge.batches import record_batches

__all__ = ["numbered"]


def numbered(
    file: pq.ParquetFile, *, columns: Sequence[str] | None = None, spans: Sequence[tuple[int, int]] | None = None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield record batches, each with the number of its first row.

    With `spans`, of rows from one to before another, in order and apart, only row groups that have some of these.
    """
    first = 0
    for group in range(file.metadata.num_row_groups):
        end = first + file.metadata.row_group(group).num_rows
        place = 0 if spans is None else bisect_right(spans, first, key=itemgetter(1))
        if spans is None or (place < len(spans) and spans[place][0] < end):
            number = first
            for rows in record_batches(file, columns=columns, groups=range(group, group + 1)):
                yield number, rows
                number += rows.num_rows
        first = end
