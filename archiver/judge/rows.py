r"""One pass over the rows of a batch: every row's leaf, the root over them in row order, and what items they are of.

Some rows at a time are judged by themselves, by whichever process; what came of them is added up in their order.

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
from operator import ne
from typing import TYPE_CHECKING, NamedTuple

from archiver.errors import EvidenceError
from archiver.judge.batch_error import BatchError
from archiver.judge.batches import BatchWords, Rows
from archiver.model.item import are_usual_of, items_item, source_of
from archiver.model.leaf import Salts, leaves_of_digests, leaves_of_one_item
from archiver.proof import merkle

if TYPE_CHECKING:
    from archiver.model.statement_snapshot import BatchPredicate

__all__ = ["RowJudge", "Slice", "SliceJudge", "Sums"]


class Slice(NamedTuple):
    """What came of some rows: the trees that they fill, the items at which a run of rows begins, the offsets."""

    first: int
    records: int
    raw_bytes: int
    subtrees: list[tuple[int, bytes]]
    new_items: list[bytes]
    first_offset: int
    end_offset: int


class SliceJudge:
    """Judges rows of one batch, some at a time; raises `BatchError` at the first row that cannot be."""

    def __init__(self, predicate: BatchPredicate | BatchWords, salts: Salts) -> None:
        """Begin before any row."""
        self._predicate = predicate
        self._salts = salts
        self._last = b""

    def take(self, rows: Rows) -> Slice:
        """Judge rows; those of a run of one item are told from the rows that were taken before."""
        count = len(rows.lengths)
        subtrees = merkle.subtrees(rows.first, self._leaves(rows, count))
        new_items = self._items(rows)
        size = sum(rows.lengths)
        if self._predicate.table == "items":
            _check_running(rows)
        start = rows.offsets[0] if count else 0
        return Slice(rows.first, count, size, subtrees, new_items, start, start + size)

    def _leaves(self, rows: Rows, count: int) -> list[bytes]:
        if count and rows.digests.count(rows.digests[0]) == count:  # the usual slice of a log
            salts = self._salts.joined(rows.first, count)
            return leaves_of_one_item(rows.digests[0], rows.offsets, rows.lengths, salts, rows.raws)
        each = self._salts.rows(rows.first, count)
        return leaves_of_digests(rows.digests, rows.offsets, rows.lengths, each, rows.raws)

    def _items(self, rows: Rows) -> list[bytes]:
        last = self._last
        if rows.digests.count(last) == len(rows.digests):
            return []  # as usual
        before = itertools.chain((last,), rows.digests)
        places = list(itertools.compress(itertools.count(), map(ne, rows.digests, before)))
        texts = [rows.texts[place] for place in places]
        if self._predicate.table == "items" or not are_usual_of(self._predicate.source, texts):
            for place, text in zip(places, texts, strict=True):
                self._check_item(text, rows.first + place)
        self._last = rows.digests[-1]
        return [rows.digests[place] for place in places]

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


class Sums:
    """What the slices of one batch amount to."""

    def __init__(self, table: str) -> None:
        """Begin before the first row."""
        self._table = table
        self._tree = merkle.Frontier()
        self.raw_bytes = 0
        self.first_offset = 0
        self.end_offset = 0

    def add(self, judged: Slice) -> None:
        """Add the next rows; raises `BatchError` when these or lines do not follow those before without gap."""
        if judged.first != self.records:
            raise BatchError("record-order", f"record {self.records}", f"record {judged.first}")
        if self._table == "items":
            if judged.first == 0:
                self.first_offset = judged.first_offset
            elif judged.first_offset != self.end_offset:
                raise _not_running(judged.first, self.end_offset, judged.first_offset)
            self.end_offset = judged.end_offset
        for height, root in judged.subtrees:
            self._tree.graft(height, root)
        self.raw_bytes += judged.raw_bytes

    def root(self) -> bytes:
        """Return the root over all rows so far."""
        return self._tree.root()

    @property
    def records(self) -> int:
        """Number of rows so far."""
        return self._tree.size


class RowJudge(Sums):
    """What one batch's rows amount to; raises `BatchError` at the first row that cannot be."""

    def __init__(self, predicate: BatchPredicate | BatchWords, salt: bytes) -> None:
        """Begin before the first row."""
        super().__init__(predicate.table)
        self._slices = SliceJudge(predicate, Salts(salt, predicate.records))

    def take(self, rows: Rows) -> Slice:
        """Take the next rows in."""
        judged = self._slices.take(rows)
        self.add(judged)
        return judged


def _check_running(rows: Rows) -> None:
    """Check that lines follow each other without gap."""
    running = list(itertools.accumulate(rows.lengths, initial=rows.offsets[0]))
    if running[:-1] != rows.offsets:
        wrong = next(place for place, offset in enumerate(rows.offsets) if offset != running[place])
        raise _not_running(rows.first + wrong, running[wrong], rows.offsets[wrong])


def _not_running(row: int, expected: int, found: int) -> BatchError:
    return BatchError("item-parts", f"offset {expected} in record {row}", f"offset {found}")
