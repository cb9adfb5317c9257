"""Row groups of an open batch: where they are cut, and what is known of the rows in them.

A group is cut by the lengths of the rows alone, so it is known as soon as the row behind it is: its columns can be
derived and written while further rows come in. Raw stays in the scratch file until somebody asks for it, unless its
rows pass (`OpenBatch.add`): they are in the group itself.
"""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import pyarrow as pa

from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.model.rows import Rows
from archiver.writer.rows import Facts, OpenBatch

__all__ = ["GROUPS", "Cutter", "Indexer", "Most", "RowGroup", "Run", "column_over", "group_of", "rows_over"]

_AT_ONCE: Final = 8192
"""Lengths that are added up at one go."""


class Most(NamedTuple):
    """How many rows a group has, and bytes of raw where it has more than one row."""

    rows: int = 65_536
    size: int = 16 << 20


GROUPS: Final = {"documents": Most(), "model_logs": Most(), "items": Most(rows=8192)}
"""Of each table. What is left of a batch when its last row is there are some groups, one compressed after the other
while nothing else is to be done: they are small. All `items` of a run come at one go, and are compressed while those
behind are hashed."""


class Run(NamedTuple):
    """Rows of one item beside each other: the item's number among `items`, what the rows say of it, how many."""

    item: int
    facts: Facts
    rows: int


@dataclass(frozen=True)
class RowGroup:
    """What an indexer sees; small enough to be sent to another process, which reads raw by itself.

    `first` is the group's first row in the batch, `start` the place of its raw bytes in the scratch file; `continued`
    are those rows, counted from `first`, that are pieces of a record which is longer than a row can be. `places` are
    offsets in the stream that an item was selected from.
    """

    scratch: Path
    start: int
    first: int
    offsets: array[int]
    places: array[int]
    lengths: array[int]
    texts: list[str]
    item_paths: list[str]
    runs: list[Run]
    continued: frozenset[int]
    hidden: frozenset[int] = frozenset()
    """Rows, counted from `first`, whose bytes are withheld."""
    passing: list[tuple[int, Rows]] = field(default_factory=list)
    """Rows that are not in the scratch file, each with the number of its first one; none once `raw` is there."""
    _fetching: Lock = field(default_factory=Lock, repr=False, compare=False)
    """Of whoever makes `raw`, which takes `passing` apart: one thread derives from it while another one writes it."""

    def __len__(self) -> int:
        return len(self.lengths)

    def __getstate__(self) -> dict[str, object]:
        """Return what is sent to another process: nothing of raw, which a thread may be fetching here meanwhile."""
        state = vars(self).copy()  # at one go, where a look at member after member could meet it half done
        for name in ("_raw", "_fetching"):
            state.pop(name, None)
        return state | {"passing": []}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take what another process sent."""
        vars(self).update(state, _fetching=Lock())

    @property
    def raw(self) -> pa.LargeBinaryArray:
        """The rows, laid over one buffer, beside each other."""
        with self._fetching:
            return self._raw

    @cached_property
    def _raw(self) -> pa.LargeBinaryArray:
        """The rows, fetched by one thread: from Python 3.12 on nothing else keeps a second one away.

        The buffer is of Arrow's own pool, whose pages are there already: fresh ones cost more than reading into them.
        """
        if len(self.passing) == 1 and len(self.passing[0][1]) == len(self):  # as a row of many MiB is: it lies there
            return rows_over(self.passing.pop()[1].data, self.lengths)
        ends = list(itertools.accumulate(self.lengths, initial=0))
        data = pa.allocate_buffer(ends[-1])
        with memoryview(data).cast("B") as view:
            # Whoever reads the next rows has the memory of each piece at once.
            for first, after, rows in self._stretches(_taken(self.passing)):
                if rows is None:
                    self._read(view[ends[first] : ends[after]], ends[first])
                else:
                    view[ends[first] : ends[after]] = rows.data
        return rows_over(data, self.lengths)

    @property
    def raw_in_pieces(self) -> pa.ChunkedArray:
        """The rows, laid over what they are in: those that pass are not copied."""
        pieces = list[pa.LargeBinaryArray]()
        for first, after, rows in self._stretches(self.passing):
            if rows is None:
                kept = pa.allocate_buffer(sum(self.lengths[first:after]))
                self._read(memoryview(kept), sum(self.lengths[:first]))
                pieces.append(rows_over(kept, self.lengths[first:after]))
            else:
                pieces.append(rows_over(rows.data, rows.lengths))
        return pa.chunked_array(pieces, pa.large_binary())

    def _stretches(self, passing: Iterable[tuple[int, Rows]]) -> Iterator[tuple[int, int, Rows | None]]:
        """Yield all rows, from a number to before another, as they are beside each other: passing, or in the file."""
        row = 0
        for first, rows in passing:
            if first > row:
                yield row, first, None
            row = first + len(rows)
            yield first, row, rows
        if row < len(self):
            yield row, len(self), None

    def _read(self, view: memoryview, place: int) -> None:
        """Read from the scratch file, from a place among the group's bytes on."""
        found, size, start = 0, len(view), self.start + place
        with self.scratch.open("rb", buffering=0) as file:
            while found < size and (more := os.preadv(file.fileno(), [view[found:]], start + found)):
                found += more
        if found != size:
            raise WorldError("spool-short", f"{self.scratch}: expected {size} bytes at {start}, found {found}")

    @property
    def facts(self) -> list[Facts]:
        """One value per row."""
        if len(self.runs) == len(self):
            return [run.facts for run in self.runs]
        return list(itertools.chain.from_iterable([run.facts] * run.rows for run in self.runs))

    @property
    def paths(self) -> list[str]:
        """The path of each row's item."""
        if len(self.runs) == len(self):
            return [self.item_paths[run.item] for run in self.runs]
        return list(itertools.chain.from_iterable([self.item_paths[run.item]] * run.rows for run in self.runs))

    @property
    def pieces(self) -> list[bool]:
        """Say of each row whether it is a piece of a longer record or document."""
        pieces = [False] * len(self)
        for row in self.continued:
            pieces[row] = True
        return pieces

    @property
    def items(self) -> pa.DictionaryArray:
        """The evidence column `item`."""
        if len(self.runs) == len(self):
            ordinals = array("i", [run.item for run in self.runs])
        else:
            ordinals = array("i", itertools.chain.from_iterable([run.item] * run.rows for run in self.runs))
        return pa.DictionaryArray.from_arrays(column_over(ordinals, pa.int32()), pa.array(self.texts, pa.string()))


def _taken(passing: list[tuple[int, Rows]]) -> Iterator[tuple[int, Rows]]:
    while passing:
        yield passing.pop(0)


def column_over(numbers: array[int], kind: pa.DataType) -> pa.Array:
    """Return numbers as the column that they are already, not copied one by one; the array must stay as it is."""
    if numbers.itemsize * 8 != kind.bit_width:
        raise ValueError(f"column: expected numbers of {kind.bit_width} bits, found of {numbers.itemsize * 8}")
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def rows_over(data: bytes | pa.Buffer, lengths: Sequence[int]) -> pa.LargeBinaryArray:
    """Return rows laid over the bytes that they are, one behind the other."""
    ends = array("q", itertools.accumulate(lengths, initial=0))
    buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(lengths), buffers)


Indexer = Callable[[RowGroup], list[pa.Array]]
"""Derives the index columns of a table from rows; the arrays in the order of the published schema."""


class Cutter:
    """Finds the row groups of a batch whose rows are still coming in.

    >>> cutter = Cutter(array("Q", [100, 1, 2]), Most(size=100))
    >>> list(cutter.closed(3)), cutter.rest()
    ([(0, 1, 0)], (1, 2, 100))
    """

    def __init__(self, lengths: array[int], most: Most) -> None:
        """Watch the lengths of a batch's rows."""
        self._lengths = lengths
        self._most = most
        self._first = self._start = 0
        self._seen = self._size = 0

    @property
    def cut(self) -> int:
        """Rows in groups that were given out."""
        return self._first

    def closed(self, rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield the groups that the first `rows` rows close: first row, number of rows, place of their raw bytes."""
        while self._seen < rows:
            count = self._seen - self._first
            if count >= self._most.rows:
                yield self._give(count)
            some = self._lengths[self._seen : min(rows, self._first + self._most.rows, self._seen + _AT_ONCE)]
            size = self._size + sum(some)
            if size <= self._most.size:  # then no row of these begins a group: nobody looks at each
                self._seen, self._size = self._seen + len(some), size
                continue
            for length in some:
                if self._seen > self._first and self._size + length > self._most.size:
                    yield self._give(self._seen - self._first)
                    break
                self._size += length
                self._seen += 1

    def rest(self) -> tuple[int, int, int] | None:
        """Return the last group, whose end is the batch's; call it after `closed` with all rows."""
        count = self._seen - self._first
        return self._give(count) if count else None

    def look_again(self) -> None:
        """Forget the rows behind the last cut: some of them were taken back."""
        self._seen, self._size = self._first, 0

    def _give(self, count: int) -> tuple[int, int, int]:
        group = (self._first, count, self._start)
        self._first += count
        self._start += self._size
        self._size = 0
        return group


def group_of(
    batch: OpenBatch, first: int, count: int, start: int, passing: Sequence[tuple[int, Rows]] = ()
) -> RowGroup:
    """Describe some rows of a batch, as far as they are known now; some of them may be `passing`."""
    after = first + count
    runs, texts, paths, withheld = _runs_of_wholes(batch, first, after) or _runs_of(batch, first, after)
    if batch.row_facts:
        runs = list(_with_facts(runs, batch.row_facts[first:after]))
    return RowGroup(
        scratch=batch.scratch,
        start=start,
        first=first,
        offsets=batch.offsets[first:after],
        places=batch.places[first:after],
        lengths=batch.lengths[first:after],
        texts=texts,
        item_paths=paths,
        runs=runs,
        continued=frozenset(row - first for row in batch.pieces if first <= row < after),
        hidden=frozenset({row - first for row in batch.hidden_between(first, after)} | withheld),
        passing=list(passing),
    )


_Runs = tuple[list[Run], list[str], list[str], set[int]]
"""Runs of rows, texts and paths of their items, and the rows of those that are withheld as a whole."""


def _runs_of_wholes(batch: OpenBatch, first: int, after: int) -> _Runs | None:
    """Return what `_runs_of` does, where each row is all of an item of which there is nothing more to be said."""
    member, count = batch.member_of(first), after - first
    members = batch.members[member : member + count]
    if len(members) < count:
        return None
    texts, paths, firsts, facts, lasts, withheld = zip(*members, strict=True)
    if firsts != tuple(range(first, after)) or batch.after(member + count - 1) != after or any(lasts) or any(withheld):
        return None
    return list(map(Run, range(count), facts, itertools.repeat(1))), list(texts), list(paths), set()


def _runs_of(batch: OpenBatch, first: int, after: int) -> _Runs:
    runs: list[Run] = []
    texts: list[str] = []
    paths: list[str] = []
    withheld = set[int]()
    for member in range(batch.member_of(first), len(batch.members)):
        one = batch.members[member]
        begin, end = max(first, one.first), min(batch.after(member), after)
        if begin >= after:
            break
        if end <= begin:
            continue
        others, last = batch.facts_of(member)
        if others is not last and end == batch.after(member):
            runs += [Run(len(texts), others, end - begin - 1)] * (end - begin > 1) + [Run(len(texts), last, 1)]
        else:
            runs.append(Run(len(texts), others, end - begin))
        if one.withheld:
            withheld.update(range(begin - first, end - first))
        texts.append(one.text)
        paths.append(one.path)
    return runs, texts, paths, withheld


def _with_facts(runs: list[Run], facts: list[Facts]) -> Iterator[Run]:
    """Yield the runs of rows that have facts of their own: those beside each other that have the very same."""
    coming = iter(facts)
    for run in runs:
        for _, same in itertools.groupby(itertools.islice(coming, run.rows), key=id):
            found = list(same)
            yield Run(run.item, found[0], len(found))
