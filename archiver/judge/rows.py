r"""One pass over the rows of a batch: every row's leaf, the root over them in row order, and what items they are of.

How an item is cut into rows binds writers; a judge checks offsets and digests along the parts of items and does not
fail rows that are cut elsewhere. Rows outside any part are leftovers of an earlier read.

>>> judged = RowJudge(predicate, salt)
>>> for rows in slices(file):
...     judged.take(rows)
>>> judged.root().hex() == predicate.merkle_root
True
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from archiver.errors import EvidenceError
from archiver.judge.batches import BatchError, BatchWords, Rows
from archiver.model.item import items_item, source_of
from archiver.model.leaf import Salts, leaves_of_digests
from archiver.proof import merkle

if TYPE_CHECKING:
    from archiver.model.statement import BatchPredicate

__all__ = ["RowJudge"]


class RowJudge:
    """What one batch's rows amount to; raises `BatchError` at the first row that cannot be."""

    def __init__(self, predicate: BatchPredicate | BatchWords, salt: bytes) -> None:
        """Begin before the first row."""
        self._predicate = predicate
        self._salts = Salts(salt)
        self._tree = merkle.Frontier()
        self._last = b""
        self.raw_bytes = 0
        self.first_offset = 0
        self.end_offset = 0
        self.new_items: list[bytes] = []

    def take(self, rows: Rows) -> None:
        """Take the next rows in; `new_items` then holds the digests of item texts at which a run begins."""
        self._leaves(rows)
        self._items(rows)
        if self._predicate.table == "items":
            self._running(rows)
        self.raw_bytes += sum(rows.lengths)

    def root(self) -> bytes:
        """Return the root over all rows so far."""
        return self._tree.root()

    @property
    def records(self) -> int:
        """Number of rows so far."""
        return self._tree.size

    def _leaves(self, rows: Rows) -> None:
        salts = self._salts.rows(rows.first, len(rows.lengths))
        self._tree.extend(leaves_of_digests(rows.digests, rows.offsets, rows.lengths, salts, rows.raws))

    def _items(self, rows: Rows) -> None:
        self.new_items = []
        last = self._last
        if rows.digests.count(last) == len(rows.digests):
            return  # the usual slice of a log
        for place, digest in enumerate(rows.digests):
            if digest != last:
                self._check_item(rows.texts[place], rows.first + place)
                self.new_items.append(digest)
                last = digest
        self._last = last

    def _check_item(self, text: str, row: int) -> None:
        predicate = self._predicate
        if predicate.table == "items":
            if text != items_item(predicate.snapshot).text():
                raise BatchError(
                    "item-malformed", f"the items of {predicate.snapshot}", f"{text[:200]} in record {row}"
                )
            return
        try:
            source = source_of(text)
        except EvidenceError as problem:
            raise BatchError("item-malformed", f"a canonical item in record {row}", problem.message) from problem
        if source != predicate.source:
            raise BatchError("item-malformed", f"an item of {predicate.source} in record {row}", f"one of {source}")

    def _running(self, rows: Rows) -> None:
        """Check that the lines of a snapshot follow each other without gap; its first batch begins at 0."""
        if rows.first == 0:
            self.first_offset = self.end_offset = rows.offsets[0]
        running = list(itertools.accumulate(rows.lengths, initial=self.end_offset))
        if running[:-1] != rows.offsets:
            wrong = next(place for place, offset in enumerate(rows.offsets) if offset != running[place])
            expected = f"offset {running[wrong]} in record {rows.first + wrong}"
            raise BatchError("item-parts", expected, f"offset {rows.offsets[wrong]}")
        self.end_offset = running[-1]
