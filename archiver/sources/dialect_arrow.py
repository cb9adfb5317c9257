r"""The derived columns of records that are as most records of their log are, in one parse by Arrow's JSON reader.

Law: an answer is, row for row and column for column, what `model.dialect_reference.derive` gives, but for the rows that
it names as odd; or there is none, and the caller asks elsewhere. What kind of value stands where is learned from some
records. Arrow is told, and fails where a record has another.

Why an answer is exact.
1. Rows are records. Every row that is parsed begins with `{` and ends with `}` before its terminator, and all together
   parse as so many objects as there are rows. Between two rows is a line end, put there where an item ended without
   one. It is in no string (Arrow refuses control characters), so `}` and `{` around it are punctuation, between which
   only the end of one record and the begin of the next can be: each row is at least one whole object, and so exactly
   one. There is no byte 0, at which the parser would stop.
2. A row that parses is strict JSON: of what RFC 8259 forbids the parser takes only NaN and Inf, which are looked for.
   That the bytes are UTF-8 and not nested too deep is tested here.
3. No name on the way to a path is repeated: Arrow refuses that for every name it is told of, and it is told of all.
   A place where nothing was seen yet must stay null.
4. Integers, decimals and strings are converted exactly or refused; a double is the nearest one, as in Python.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Final

import pyarrow as pa
import pyarrow.json as pj

from archiver import arrow_functions as pc
from archiver.late import dataclass
from archiver.model.dialect import Dialect, LinePattern
from archiver.model.strict_json import MAX_NESTING, MAX_RECORD, NotJson, is_deep, parse
from archiver.sources.dialect_lines import records_of
from archiver.sources.dialect_shapes import Shapes
from archiver.sources.dialect_times import UnusualError
from archiver.sources.dialect_usual import Place, Usual, places_of

__all__ = ["ArrowReader"]

_MOST: Final = 256 << 20  # bytes that are parsed as one block
_SAMPLES: Final = 128
_MORE_SAMPLES: Final = 2048
_TOGETHER: Final = 16
_ODD_AT_MOST: Final = 3  # one row of so many: the reference takes up to three times as long as others
_FEW: Final = 32  # rows of a shape: as soon read one by one
_PIECES: Final = 8
_LONGEST_PAUSE: Final = 64
_ENDS: Final = (b"}\n", b"}\r\n", b"}")
_CONSTANTS: Final = (r"NaN[ \t\r\n]*[,}\]]", r"Inf(?:inity)?[ \t\r\n]*[,}\]]")
"""What Arrow's parser takes and RFC 8259 does not. May also match inside a string."""

Answer = tuple[pa.Table, list[int]]
"""The derived columns, and the rows where they mean nothing."""


@dataclass
class _Known:
    """What is known of a dialect's records; after failures it is not tried for some blocks."""

    root: Place
    failures: int = 0
    pause: int = 0
    shapes: Shapes | None = None
    """Of records that have not all the same one."""


class ArrowReader:
    """Reads records of any dialect, and remembers what they are like."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[Dialect, _Known | None] = {}

    def read(
        self, dialect: Dialect, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None, schema: pa.Schema
    ) -> Answer | None:
        """Return the derived columns of records and the rows that the reference must read; None: ask another reader."""
        known = self._knowledge(dialect, raw) if len(raw) else None
        if known is None:
            return None
        if known.pause:
            known.pause -= 1
            return None
        is_whole = whole is None or pc.all(whole, skip_nulls=False).as_py()
        answer = None
        if is_whole and isinstance(dialect.pattern, LinePattern):
            answer = _lines(dialect, dialect.pattern, known.root, raw, schema)
        elif is_whole:
            answer = _records(dialect, known, raw, schema) if known.shapes is None else None
            answer = answer or _shaped(dialect, known, raw, schema)
        known.failures = 0 if answer else known.failures + 1
        known.pause = 0 if answer else min(1 << known.failures, _LONGEST_PAUSE)
        return answer

    def _knowledge(self, dialect: Dialect, raw: pa.LargeBinaryArray) -> _Known | None:
        if dialect not in self._known:
            try:
                root = places_of(dialect)
                self._known[dialect] = _Known(root if dialect.pattern else _seen(root, raw, _SAMPLES))
            except UnusualError:
                self._known[dialect] = None
        return self._known[dialect]


def _records(dialect: Dialect, known: _Known, raw: pa.LargeBinaryArray, schema: pa.Schema) -> Answer | None:
    """Read the rows that begin and end as objects do; the others, where they are few, are odd."""
    if raw.null_count:
        return None
    are_objects = _are_objects(raw)
    others = pc.indices_nonzero(pc.invert(are_objects)).to_pylist()
    if _are_many(dialect, others, len(raw)):
        return None
    some = pc.filter(raw, are_objects) if others else raw
    block = _Block.of(_apart(some))
    answer = None if block is None else _learning(dialect, known, some, block, schema)
    return answer if answer is None or not others else _spread(answer, are_objects, others)


def _are_many(dialect: Dialect, odd: Sequence[int], rows: int) -> bool:
    """Say whether another reader is faster, as the reference reads all that is odd; some dialects have no other."""
    return len(odd) * _ODD_AT_MOST > rows if dialect.is_plain else len(odd) == rows


def _are_objects(raw: pa.LargeBinaryArray) -> pa.BooleanArray:
    ends = pc.ends_with(raw, _ENDS[0])
    for end in _ENDS[1:]:
        if not pc.all(ends).as_py():
            ends = pc.or_(ends, pc.ends_with(raw, end))
    return pc.and_(pc.starts_with(raw, b"{"), ends)


def _shaped(dialect: Dialect, known: _Known, raw: pa.LargeBinaryArray, schema: pa.Schema) -> Answer | None:
    """Read the records of each shape together; those of rare shapes, and what is none, are odd."""
    if raw.null_count:
        return None
    known.shapes = known.shapes or Shapes(dialect)
    are_objects = _are_objects(raw).to_pylist()
    rows = [row if is_object else None for row, is_object in zip(raw.to_pylist(), are_objects, strict=True)]
    shapes = known.shapes.sort(rows)
    tables: list[pa.Table] = []
    places: list[int | None] = [None] * len(raw)
    read = 0
    for root, numbers in shapes:
        read_some = partial(_some, dialect, root, raw, schema)
        for some, (table, odd) in _in_pieces(read_some, numbers):
            tables.append(table)
            for place, number in enumerate(some, read):
                places[number] = place
            for place in odd:
                places[some[place]] = None
            read += len(some)
    odd_rows = [row for row, place in enumerate(places) if place is None]
    if len(shapes) == 1 and not odd_rows:  # as most logs are, and quicker to be read so
        known.root, known.shapes = copy.deepcopy(shapes[0][0]), None
    if not tables or _are_many(dialect, odd_rows, len(raw)):
        known.shapes = None
        return None
    return pc.take(pa.concat_tables(tables).combine_chunks(), pa.array(places, pa.int64())), odd_rows


def _some(dialect: Dialect, root: Place, raw: pa.LargeBinaryArray, schema: pa.Schema, rows: list[int]) -> Answer | None:
    if len(rows) < _FEW:
        return None
    block = _Block.of(_apart(pc.take(raw, pa.array(rows, pa.int64()))))
    return None if block is None else _answer(dialect, root, block, schema)


def _in_pieces(
    read: Callable[[list[int]], Answer | None], rows: list[int], *, again: bool = False
) -> Iterator[tuple[list[int], Answer]]:
    """Yield answers about rows; where there is none about all together, those about pieces: few rows are at fault.

    Where no piece has one, they all are. With `again` it is known that there is none about all.
    """
    if not again and (answer := read(rows)) is not None:
        yield rows, answer
        return
    size = max(-(-len(rows) // _PIECES), _FEW)
    pieces = [rows[start : start + size] for start in range(0, len(rows), size)] if size < len(rows) else []
    answers = [read(piece) for piece in pieces]
    if any(answers):
        for piece, found in zip(pieces, answers, strict=True):
            if found is not None:
                yield piece, found
            else:
                yield from _in_pieces(read, piece, again=True)


def _apart(raw: pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    """Return rows between which there is a line end, as there mostly is: a string could go on in the next row else."""
    if pc.all(pc.ends_with(raw.slice(0, len(raw) - 1), b"\n")).as_py() is not False:
        return raw
    return pc.binary_join_element_wise(raw, *(pa.scalar(text, raw.type) for text in (b"\n", b"")))


def _spread(answer: Answer, places: pa.BooleanArray, others: list[int]) -> Answer:
    """Put the rows of an answer where they belong, with the others between them."""
    table, odd = answer
    numbers = pc.subtract(pc.cumulative_sum(pc.cast(places, pa.int64())), 1)
    order = pc.if_else(places, numbers, pa.scalar(None, pa.int64()))
    rows = pc.take(pc.indices_nonzero(places), pa.array(odd, pa.int64())).to_pylist()
    return pc.take(table, order), sorted([*others, *rows])


def _learning(
    dialect: Dialect, known: _Known, raw: pa.LargeBinaryArray, block: _Block, schema: pa.Schema
) -> Answer | None:
    """Read a block by what is known, and if that fails once more by what more of its records say.

    Where it is known already that they have several shapes, nothing is learned from them together.
    """
    if len(raw) > _MORE_SAMPLES and not known.root.is_usual:
        return None
    if (answer := _answer(dialect, known.root, block, schema)) is not None:
        return answer
    more = _seen(copy.deepcopy(known.root), raw, _MORE_SAMPLES)
    known.root = more if more.is_usual else _seen(places_of(dialect), raw, _MORE_SAMPLES)
    return _answer(dialect, known.root, block, schema)


def _seen(root: Place, raw: pa.LargeBinaryArray, samples: int) -> Place:
    """Look at records here and there."""
    for row in range(0, len(raw), -(-len(raw) // samples) or 1):
        body = raw[row].as_py() or b""
        try:
            root.see(parse(body.removesuffix(b"\n").removesuffix(b"\r")))
        except NotJson:
            continue
    return root


@dataclass(frozen=True)
class _Block:
    """Rows that may be records of one object each, their bytes beside each other."""

    text: pa.LargeStringArray
    data: pa.Buffer

    @classmethod
    def of(cls, raw: pa.LargeBinaryArray) -> _Block | None:
        """Look at the bytes of rows that begin and end as objects; None when they may be none."""
        try:
            text = pc.cast(raw, pa.large_string())
        except pa.ArrowInvalid:
            return None
        ends = memoryview(raw.buffers()[1]).cast("q")[raw.offset : raw.offset + len(raw) + 1]
        data = raw.buffers()[2].slice(ends[0], ends[-1] - ends[0])
        longest = pc.max(pc.binary_length(raw)).as_py()
        if len(data) > _MOST or longest > MAX_RECORD or _has(data, r"\x00"):
            return None
        if longest > 2 * MAX_NESTING and not _is_shallow(memoryview(raw.buffers()[2]), ends):  # each level has two ends
            return None
        return cls(text, data)

    def constants(self) -> list[pa.BooleanArray]:
        """Say of rows where there is something like NaN whether it is in them."""
        return [pc.match_substring_regex(self.text, word) for word in _CONSTANTS if _has(self.data, word)]


def _has(data: pa.Buffer, pattern: str) -> bool:
    """Say whether a pattern matches somewhere: over all rows as one text, since most of them have no such byte."""
    ends = pa.array([0, len(data)], pa.int64()).buffers()[1]
    whole = pa.LargeStringArray.from_buffers(1, ends, data)
    return bool(pc.match_substring_regex(whole, pattern)[0].as_py())


def _is_shallow(data: memoryview, ends: Sequence[int]) -> bool:
    """Say whether no row is nested deeper than a record may be; few rows together have more brackets than that."""
    for first in range(0, len(ends) - 1, _TOGETHER):
        some = ends[first : first + _TOGETHER + 1]
        if _brackets(bytes(data[some[0] : some[-1]])) > MAX_NESTING:
            rows = (bytes(data[start:end]) for start, end in pairwise(some))
            if any(is_deep(row.decode()) for row in rows):
                return False
    return True


def _brackets(data: bytes) -> int:
    """Count what opens an object or array, also in strings; taking them out is faster than counting them."""
    return 2 * len(data) - len(data.replace(b"{", b"")) - len(data.replace(b"[", b""))


def _answer(dialect: Dialect, root: Place, block: _Block, schema: pa.Schema) -> Answer | None:
    try:
        usual = Usual(dialect, root, _parsed(block, root), block.text)
        return _columns(dialect, usual, block.constants(), schema)
    except (UnusualError, pa.ArrowInvalid):
        return None


def _lines(
    dialect: Dialect, pattern: LinePattern, root: Place, raw: pa.LargeBinaryArray, schema: pa.Schema
) -> Answer | None:
    try:
        records, odd = records_of(pattern, root, raw)
        return _columns(dialect, Usual(dialect, root, records), [odd], schema)
    except UnusualError:
        return None


def _columns(dialect: Dialect, usual: Usual, odd: Sequence[pa.BooleanArray], schema: pa.Schema) -> Answer | None:
    columns = usual.columns()
    rows = _rows([*usual.odd, *odd])
    if _are_many(dialect, rows, len(usual)):
        return None
    return _table(dialect, columns, len(usual), schema), rows


def _parsed(block: _Block, root: Place) -> pa.StructArray:
    """Return the records as structs of the places that the dialect's paths lead to."""
    expected = root.type()
    if not pa.types.is_struct(expected):
        raise UnusualError
    table = pj.read_json(
        pa.BufferReader(block.data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(block.data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=pa.schema(list(expected)), unexpected_field_behavior="ignore"),
    )
    if table.num_rows != len(block.text):
        raise UnusualError
    columns = [column.combine_chunks() for column in table.columns]
    return pa.StructArray.from_arrays(columns, fields=list(table.schema))


def _rows(masks: Sequence[pa.BooleanArray]) -> list[int]:
    """Return the rows that some mask is true for."""
    rows = {row for mask in masks for row in pc.indices_nonzero(mask).to_pylist()}
    return sorted(rows)


def _table(dialect: Dialect, columns: Mapping[str, pa.Array], rows: int, schema: pa.Schema) -> pa.Table:
    """Return all derived columns: those found, the constant ones, the others null."""
    known = {"dialect": pc.repeated(dialect.id, rows), "parse_status": pc.repeated("ok", rows), **columns}
    nulls = {kind: pa.nulls(rows, kind) for kind in {one.type for one in schema if one.name not in known}}
    arrays = [_as(known[one.name], one.type) if one.name in known else nulls[one.type] for one in schema]
    return pa.table(arrays, schema=schema)


def _as(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return values if values.type == kind else pc.cast(values, kind)
