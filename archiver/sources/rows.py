r"""Cutting the bytes of an item into records.

The laws, section 4.2 of the format:

1. A log record ends with byte 0x0A, which belongs to it, or at the end of the item. A CR alone never ends one.
2. A document is cut in rows of exactly 8 MiB; a log record longer than 64 MiB in rows of exactly 64 MiB.
3. A row of exactly that length is always continued by the item's next row, an empty one if nothing is left.
4. An item of no bytes is one empty row. Joining an item's rows gives its bytes, always.
5. Lines of a CSV log whose quoted cell goes on are one row, as long as it ends with 0x0A and has at most 1 MiB.

The cuts depend on the bytes alone, never on the blocks they arrive in, so whoever continues an item after `n` rows
reads it again and drops the first `n`. Memory is bounded by two rows of the longest kind.

>>> [row for rows in log_rows([b"one\r\nt", b"wo\n\nend"]) for row in rows]
[b'one\r\n', b'two\n', b'\n', b'end']
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence

from archiver.model.csv_table import is_csv, joined
from archiver.model.rows import Rows

__all__ = ["BLOCK", "DOCUMENT_ROW", "LOG_ROW", "csv_rows", "document_rows", "is_continued", "log_rows", "rows_of"]

BLOCK = 1 << 20
"""How many bytes to read at a time: so few that they are still in the cache of the processor when they are hashed."""

DOCUMENT_ROW = 8_388_608
LOG_ROW = 67_108_864
CSV_ROW = 1_048_576

_CONTINUED = {"documents": DOCUMENT_ROW, "model_logs": LOG_ROW}


def is_continued(length: int, table: str) -> bool:
    """Say whether a row of this length is only the beginning of what the item's next row goes on with."""
    return length == _CONTINUED.get(table)


def document_rows(blocks: Iterable[bytes], *, limit: int = DOCUMENT_ROW) -> Iterator[list[bytes]]:
    """Cut a document into rows of exactly `limit` bytes and a shorter, perhaps empty, last one."""
    pending = bytearray()
    for block in blocks:
        if not pending and len(block) == limit:  # no copy where the reader reads in rows
            yield [block]
            continue
        pending += block
        if rows := _cut(pending, limit):
            yield rows
    yield [bytes(pending)]


def log_rows(blocks: Iterable[bytes], *, limit: int = LOG_ROW) -> Iterator[Rows]:
    """Cut a log into its records, in groups of about one block; records of `limit` bytes and more are cut (law 3).

    `limit` is at least 2. `BytesIO` splits on 0x0A alone, and a line whose length alone is asked for is gone before the
    next one is made: two to four times as fast as keeping them.
    """
    pending = bytearray()  # the beginning of a record whose end has not been seen
    due = True  # the item still owes a row: nothing came yet, or a cut record waits for its continuation
    for block in _capped(blocks, min(BLOCK, limit - 1)):  # so that a line inside one block needs no cut
        lengths = list(map(len, io.BytesIO(block)))
        tail = 0 if block.endswith(b"\n") else lengths.pop()
        if lengths:
            if due:
                cuts, rest = divmod(len(pending) + lengths[0], limit)
                lengths[:1] = [limit] * cuts + [rest]
            due = False
            yield Rows(_joined(pending, block, len(block) - tail), lengths)
            pending.clear()
        if tail:
            due = True
            pending += memoryview(block)[len(block) - tail :]
            if rows := _cut(pending, limit):
                yield Rows.of(rows)
    if due:
        yield Rows.of([bytes(pending)])


def csv_rows(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cut a CSV log into its records, in groups of about one block (law 5)."""
    group: list[bytes] = []
    size = 0
    for row in joined(itertools.chain.from_iterable(log_rows(blocks)), CSV_ROW):
        group.append(row)
        size += len(row)
        if size >= BLOCK:
            yield group
            group, size = [], 0
    if group:
        yield group


def rows_of(table: str, dialect: str | None, blocks: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut an item of a table; `dialect` is how a log's rows are going to be read."""
    if table == "documents":
        return document_rows(blocks)
    return csv_rows(blocks) if is_csv(dialect) else log_rows(blocks)


def _joined(pending: bytearray, block: bytes, size: int) -> bytes:
    """Return the bytes before a block and the first `size` of it, which is not copied where it is all."""
    if not pending and size == len(block):
        return block
    with memoryview(block) as view:
        return b"".join((pending, view[:size]))


def _cut(pending: bytearray, limit: int) -> list[bytes]:
    """Take the rows of exactly `limit` bytes off the front of `pending`."""
    rows = []
    while len(pending) >= limit:
        with memoryview(pending)[:limit] as view:
            rows.append(bytes(view))
        del pending[:limit]
    return rows


def _capped(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Pass blocks on in pieces of at most `size` bytes; empty ones fall away."""
    for block in blocks:
        if len(block) <= size:
            if block:
                yield block
            continue
        for start in range(0, len(block), size):
            yield block[start : start + size]
