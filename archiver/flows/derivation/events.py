"""The rows of a derived table: made of a batch for the first time, and made again as the table itself says.

Which dialect reads a run of records is a choice, made here from its first lines; what the dialect then reads is not.
So a table names the dialect of every row, and who derives it again takes these names and compares everything else.

>>> for rows in Choosing(LogReader(dialects), lambda source: "auto", silent).rows(predicate, read):
...     rows.num_rows
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache

import pyarrow as pa

from archiver.errors import EvidenceError
from archiver.events import Advanced, Listener
from archiver.flows.derivation.records import Records, records_of
from archiver.judge.batch_error import BatchError
from archiver.model.dialect import OPAQUE
from archiver.model.dialect_bundle import read_bundle
from archiver.model.dialect_recognise import SAMPLE_BYTES, SAMPLE_LINES
from archiver.model.statement_snapshot import BatchPredicate
from archiver.sources.exploded import Block, Exploder
from archiver.sources.reading_logs import LogReader, first_lines

__all__ = ["Choosing", "rederive"]

Read = Callable[[], Iterator[pa.RecordBatch]]


class Choosing:
    """Derives batch after batch with dialects that are chosen here; `policy` names the dialect of a source, or auto.

    `listener` hears of every record whose rows have been made.
    """

    def __init__(self, reader: LogReader, policy: Callable[[str], str], listener: Listener) -> None:
        """Begin before the first batch."""
        self._reader = reader
        self._policy = policy
        self._listener = listener
        self._ending: tuple[str, str, int, str] | None = None  # snapshot, item, where it goes on, dialect

    def rows(self, predicate: BatchPredicate, read: Read) -> Iterator[pa.RecordBatch]:
        """Yield the derived rows of a batch, which is read twice: for the first lines of its runs, and for all."""
        starts, names = array("Q"), list[str]()
        for start, name in self._runs(predicate, read):
            starts.append(start)
            names.append(name)
        exploder, last = Exploder(self._reader), None
        for some in records_of(read()):
            numbers = range(some.first, some.first + len(some.items))
            dialects = [names[bisect_right(starts, number) - 1] for number in numbers]
            yield from exploder.take(predicate.id, _block(some, dialects))
            self._listener(Advanced(len(some.items)))
            last = (some, dialects[-1])
        if last is not None:
            some, name = last
            self._ending = (predicate.snapshot, some.items[-1], some.end, name)

    def _runs(self, predicate: BatchPredicate, read: Read) -> Iterator[tuple[int, str]]:
        """Yield the first record of each run, and the dialect of the run."""
        for start, item, offset, named, head in _heads(read()):
            yield start, self._choose(predicate, (item, offset), named, head)

    def _choose(self, predicate: BatchPredicate, begins: tuple[str, int], named: str | None, head: list[bytes]) -> str:
        """Return what reads a run: as it was read in the batch before, or what its first lines look like.

        Where these look like nothing, or are not the log's first, the dialect stays that the batch names.
        """
        if self._ending is not None and self._ending[:3] == (predicate.snapshot, *begins):
            return self._ending[3]
        old = named if named is not None and self._reader.knows(named) and named != OPAQUE else None
        if old is not None and begins[1] > 0:
            return old
        found = self._reader.recogniser(self._policy(predicate.source))(first_lines(b"".join(head)))
        return old if found == OPAQUE and old is not None else found


def rederive(
    bundle: bytes, predicate: BatchPredicate, batches: Iterator[pa.RecordBatch], dialects: Iterator[str | None]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a derived table again, from the dialects that it names for each record of its batch.

    Raises `UsageError("dialect-file")` for dialects that this version does not understand, and
    `BatchError("derived-source")` for what is no bundle of dialects, or a record whose dialect is not in it.
    """
    reader = _reader(bundle)
    exploder = Exploder(reader)
    for some in records_of(batches):
        names = list(itertools.islice(dialects, len(some.items)))
        for place, name in enumerate(names):
            if some.raw[place].is_valid and not reader.knows(name):
                number, found = some.first + place, "none" if name is None else name[:200]
                raise BatchError("derived-source", f"a dialect of the statement in record {number}", found)
        # The dialect of a record without bytes reads nothing, whatever it is.
        yield from exploder.take(predicate.id, _block(some, [name or OPAQUE for name in names]))


@lru_cache(maxsize=4)
def _reader(bundle: bytes) -> LogReader:
    """Return what reads with some dialects; many tables are derived with the same ones."""
    try:
        return LogReader(read_bundle(bundle))
    except EvidenceError as problem:
        raise BatchError("derived-source", "dialects as published", problem.message) from problem


def _block(some: Records, dialects: list[str]) -> Block:
    return Block(some.first, some.runs, dialects, some.raw, some.pieces)


def _heads(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, str, int, str | None, list[bytes]]]:
    """Yield of each run its first record, item, offset, named dialect and first lines."""
    run, size = -1, 0
    begun: tuple[int, str, int, str | None, list[bytes]] | None = None
    for some in records_of(batches):
        for place, number in enumerate(some.runs):
            if number != run:
                if begun is not None:
                    yield begun
                run, size = number, 0
                begun = (some.first + place, some.items[place], some.offsets[place], some.named[place], [])
            if begun is not None and len(begun[4]) < SAMPLE_LINES and size < SAMPLE_BYTES and some.raw[place].is_valid:
                begun[4].append(some.raw[place].as_py())
                size += len(begun[4][-1])
    if begun is not None:
        yield begun
