"""The rows of a derived table: every event of every record of a batch, in their order (FORMAT.md, Derived tables).

Laws: every record has a row at least. One that is a batch has a row for each event, with its place; one that holds no
event, or whose bytes are withheld, has one without a number. Where a carrier cut a text into several records, each has
its own row as a piece, and that of the record which ends the text has what the whole text says and names them all.

Columns are read in blocks by the fast reader; records that are batches, or pieces, are read one by one, and so are the
lists of every record (`record_lists`). Memory: a block, a few thousand events of 16 MiB together (a record may be that
long by itself), and of texts that are not at their end 64 MiB.

>>> for rows in Exploder(LogReader()).take("20261123T120000Z-0a1b2c-model_logs-00000000", block):
...     rows.schema.names[:5]
['batch', 'record', 'event', 'pointer', 'records']
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Final

import pyarrow as pa

from archiver.late import dataclass
from archiver.model import tables
from archiver.model.dialect import DERIVED_FIELDS, EVENT_COUNT
from archiver.model.dialect_chain import Chain
from archiver.model.dialect_events import Event
from archiver.model.dialect_pieces import Piece, events_of_joined, piece_of
from archiver.model.leaf import LOG_ROW
from archiver.model.list_columns import LIST_COLUMNS
from archiver.model.record_lists import Lists, lists_of
from archiver.sources.reading_logs import LogReader

__all__ = ["Block", "Exploder"]

_MOST: Final = 4096
"""Events that are read before they are handed on; each is a dictionary of some kilobytes."""

_MOST_BYTES: Final = 16 << 20
"""Bytes of records that are read before their rows are handed on."""

_NO_LISTS: Final[Lists] = {field.name: None for field in LIST_COLUMNS}
_SCHEMA: Final = tables.DERIVED[tables.EVENTS]
_NAMES: Final = [name for name, _ in DERIVED_FIELDS]


@dataclass(frozen=True)
class Block:
    """Some records that follow each other: the first one's number, and of each its run, dialect, bytes.

    Records of one run follow each other in one item. `dialects` are names that the reader knows; `pieces` are rows that
    hold only a part of a record.
    """

    first: int
    runs: Sequence[int]
    dialects: Sequence[str]
    raw: pa.LargeBinaryArray
    pieces: Sequence[bool]


@dataclass
class _Rows:
    """Derived rows under way: where each stands, and where its columns come from.

    `source` is a place among those of the fast reader, below 0 one in `slow` from -1 on, None where nothing is read.
    """

    record: list[int] = field(default_factory=list)
    event: list[int | None] = field(default_factory=list)
    pointer: list[str | None] = field(default_factory=list)
    records: list[list[int] | None] = field(default_factory=list)
    source: list[int | None] = field(default_factory=list)
    lists: list[Lists] = field(default_factory=list)
    slow: list[Event] = field(default_factory=list)
    size: int = 0

    def take(self, record: int, source: int | None, *, records: list[int] | None = None) -> None:
        """Take what the fast reader made of a record without events; nothing, where it has no bytes."""
        self._place(record, None, None, records)
        self.lists.append(_NO_LISTS)
        self.source.append(source)

    def take_event(self, record: int, source: int, lists: Lists) -> None:
        """Take what the fast reader made of a record that is one event, and its lists."""
        self._place(record, 0, "", None)
        self.lists.append(lists)
        self.source.append(source)

    def explode(self, record: int, number: int, event: Event, records: list[int] | None) -> None:
        """Take one event of a record that was read by itself."""
        self._place(record, number, event.pointer, records)
        self.slow.append(event)
        self.lists.append(lists_of(event))
        self.source.append(-len(self.slow))

    @property
    def is_full(self) -> bool:
        """Say whether these rows are to be handed on."""
        return len(self.record) >= _MOST or self.size >= _MOST_BYTES

    def _place(self, record: int, event: int | None, pointer: str | None, records: list[int] | None) -> None:
        self.record.append(record)
        self.event.append(event)
        self.pointer.append(pointer)
        self.records.append(records)


@dataclass
class _Held:
    """Pieces of one stream whose end has not come; none where they grew too long to be joined."""

    numbers: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    size: int = 0
    is_given_up: bool = False


_Joined = tuple[list[int], list[Piece]]


@dataclass(frozen=True)
class _Run:
    """Records of one run and one dialect, as the fast reader sees them; `there` has the places of those with bytes."""

    batch: str
    first: int
    chain: Chain
    dialect: str
    raw: pa.LargeBinaryArray
    pieces: Sequence[bool]
    there: dict[int, int]
    columns: dict[str, pa.Array]


class Exploder:
    """Derives the rows of one batch, block after block."""

    def __init__(self, reader: LogReader) -> None:
        """Begin before the first record."""
        self._reader = reader
        self._key: tuple[int, str] = (-1, "")
        self._held: dict[tuple[object, ...], _Held] = {}
        self._size = 0

    def take(self, batch: str, block: Block) -> Iterator[pa.RecordBatch]:
        """Yield the derived rows of the next records."""
        start = 0
        for key, run in itertools.groupby(zip(block.runs, block.dialects, strict=True)):
            count = sum(1 for _ in run)
            if key != self._key:
                self._key, self._held, self._size = key, {}, 0
            yield from self._explode(self._read(batch, block, start, count))
            start += count

    def _read(self, batch: str, block: Block, start: int, count: int) -> _Run:
        dialect, raw = block.dialects[start], block.raw.slice(start, count)
        chain = self._reader.chain(dialect)
        if chain is None:
            raise ValueError(f"no dialect {dialect}")
        pieces = block.pieces[start : start + count]
        places = [place for place in range(count) if raw[place].is_valid]
        seen = raw if len(places) == count else raw.take(pa.array(places, pa.int64()))
        columns = self._reader.project(dialect, seen, [pieces[place] for place in places])
        there = {place: number for number, place in enumerate(places)}
        return _Run(
            batch, block.first + start, chain, dialect, raw, pieces, there, dict(zip(_NAMES, columns, strict=True))
        )

    def _explode(self, run: _Run) -> Iterator[pa.RecordBatch]:
        several, cut = run.columns[EVENT_COUNT].to_pylist(), run.columns["content_status"].to_pylist()
        rows = _Rows()
        for place in range(len(run.raw)):
            if rows.is_full:
                yield _batch_of(run, rows)
                rows = _Rows()
            record, source = run.first + place, run.there.get(place)
            if source is None:
                rows.take(record, None)
                continue
            raw, joined = run.raw[place].as_py(), None
            rows.size += len(raw)
            if not run.pieces[place] and len(run.chain) > 1 and (self._held or cut[source] == "fragment"):
                joined = self._join(run.chain, record, raw)
            if joined is None and several[source] is None:
                rows.take_event(record, source, self._lists(run, raw, is_whole=not run.pieces[place]))
                continue
            numbers, number = None if joined is None else joined[0], 0
            for event in self._events(run, raw, joined):
                rows.explode(record, number, event, numbers)
                number += 1
                if rows.is_full:
                    yield _batch_of(run, rows)
                    rows = _Rows()
            if number == 0:
                rows.take(record, source, records=numbers)
        if rows.record:
            yield _batch_of(run, rows)

    def _lists(self, run: _Run, raw: bytes, *, is_whole: bool) -> Lists:
        """Return the lists of a record that is one event; a part of a record has none, nor has what nothing reads."""
        if not is_whole or not run.chain[0].is_read:
            return _NO_LISTS
        return next(map(lists_of, self._reader.events(run.dialect, raw)), _NO_LISTS)

    def _events(self, run: _Run, raw: bytes, joined: _Joined | None) -> Iterator[Event]:
        if joined is not None:
            return events_of_joined(run.chain, joined[1])
        return self._reader.events(run.dialect, raw)

    def _join(self, chain: Chain, record: int, raw: bytes) -> _Joined | None:
        """Hold a piece back; of a record that ends a text, return its number and itself behind those of its pieces."""
        piece = piece_of(chain, raw)
        if piece is None:
            return None
        if piece.goes_on:
            self._hold(record, piece)
            return None
        held = self._held.pop(piece.stream, _Held())
        self._size -= held.size
        return ([*held.numbers, record], [*held.pieces, piece]) if held.pieces else None

    def _hold(self, record: int, piece: Piece) -> None:
        held, size = self._held.setdefault(piece.stream, _Held()), len(piece.text.encode())
        if held.is_given_up or self._size + size > LOG_ROW:
            self._size -= held.size
            self._held[piece.stream] = _Held(is_given_up=True)
            return
        held.numbers.append(record)
        held.pieces.append(piece)
        held.size += size
        self._size += size


def _batch_of(run: _Run, rows: _Rows) -> pa.RecordBatch:
    """Return derived rows as they are written."""
    count, fast = len(rows.record), len(run.there)
    order = [source if source is None or source >= 0 else fast - 1 - source for source in rows.source]
    is_plain = not rows.slow and order == list(range(fast))
    places = pa.array(order, pa.int64())

    def column(name: str, kind: pa.DataType) -> pa.Array:
        read = run.columns[name]
        if is_plain:
            return read
        if rows.slow:
            read = pa.concat_arrays([read, pa.array([event.row[name] for event in rows.slow], kind)])
        return read.take(places)

    where = [
        pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([run.batch])),
        pa.array(rows.record, pa.uint64()),
        pa.array(rows.event, pa.uint64()),
        pa.array(rows.pointer, pa.string()),
        pa.array(rows.records, _SCHEMA.field("records").type),
    ]
    read = [column(name, _SCHEMA.field(name).type) for name in _NAMES]
    lists = [pa.array([one[kind.name] for one in rows.lists], kind.type) for kind in LIST_COLUMNS]
    return pa.RecordBatch.from_arrays([*where, *read, *lists], schema=_SCHEMA)
