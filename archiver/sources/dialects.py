"""The fast reader of log dialects: derived columns of a whole block of records at once.

Law: `project` gives, row for row and column for column, what `model.dialect_reference.derive` gives. Three readers are
asked, each slower than the one before and able to read more. `dialect_arrow` reads a block of which the records are all
alike enough, and most logs are of such blocks. DuckDB answers the records whose answer is provably the same. Every
other record is read by the reference and put in its place. What sends a record there: bytes that are not UTF-8,
anything DuckDB cannot parse or parses more leniently than RFC 8259, repeated names on the way to a mapped path, a value
that does not fit its column, deep nesting. Slow is right, too.

One engine has one in-memory DuckDB connection, opened when a block first comes to it: no extensions, no files, no
network, a memory limit, a fixed number of threads. A block is handed over in slices, because the parser keeps 2,048
records in memory at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Self

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.late import pattern
from archiver.model.csv_table import CsvTable
from archiver.model.dialect import DERIVED_FIELDS, FIELDS, INNER, Dialect, LinePattern
from archiver.model.dialect_reference import derive_all
from archiver.model.line_pattern import as_json, read_lines
from archiver.model.strict_json import MAX_RECORD
from archiver.model.tables import schema_of
from archiver.sources.dialect_arrow import ArrowReader
from archiver.sources.dialect_sql import Names, compile_names_query, compile_query, names_of, objects_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb


__all__ = ["DERIVED_SCHEMA", "Engine", "project", "schema_for", "shared_engine", "slices"]

DERIVED_SCHEMA: Final = pa.schema([schema_of("model_logs").field(name) for name, _ in DERIVED_FIELDS])
"""The derived columns of `model_logs`, in their order, as they are written today."""

_SCHEMAS: Final = {
    version: pa.schema([schema_of("model_logs", version).field(name) for name, _ in fields])
    for version, fields in FIELDS.items()
}
_INNER: Final = pa.field(INNER, pa.large_string())

_FEW: Final = 100  # records that the reference has read before DuckDB has planned its query
_FEW_BYTES: Final = 1 << 20
_SLICE: Final = 16 << 20  # bytes of raw per query: measured as fast as larger ones, and memory stays small
_CONSTANT: Final = r"-?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)[ \t\r\n]*[,}\]]"
_LENIENT: Final = (
    rf",[ \t\r\n]*(?:[}}\]]|{_CONSTANT})",  # four patterns, each with a literal first byte, are faster than one
    rf":[ \t\r\n]*{_CONSTANT}",
    rf"\[[ \t\r\n]*{_CONSTANT}",
)
"""What DuckDB's parser takes and RFC 8259 does not: trailing commas, NaN, Infinity. May also match inside a string."""

_SCALED: Final = pattern(r"-?[0-9]{1,13}e-?[0-9]+")


def schema_for(dialect: Dialect) -> pa.Schema:
    """Return the schema of what a dialect derives: the derived columns, of a carrier also the text it carries."""
    schema = _SCHEMAS[dialect.table_version]
    return schema.append(_INNER) if dialect.is_carrier else schema


_NAME: Final = "\x00"
_OBJECT: Final = "\x01"
_NO_OBJECT: Final = "\x02"


class Engine:
    """One DuckDB connection that computes derived columns; close it, or use it in a `with` statement."""

    def __init__(self, *, threads: int = 1, memory_limit: str = "512MB", few: int = _FEW) -> None:
        """Open an in-memory database that can reach nothing outside; up to `few` records it is not asked."""
        self._few = few
        self._settings = {"threads": threads, "memory_limit": memory_limit}
        self._arrow = ArrowReader()
        self._names: dict[Dialect, Names] = {}
        self._queries: dict[tuple[Dialect, Names, bool], duckdb.DuckDBPyRelation] = {}
        self._malformed: set[Dialect] = set()
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the database's memory back."""
        if "_connection" in vars(self):
            self._connection.close()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # noqa: PLC0415 - takes 0.2 s to load and to open, and most logs need none

        connection = duckdb.connect(":memory:", config=self._settings)
        for name in ("autoinstall_known_extensions", "autoload_known_extensions"):
            connection.execute(f"SET {name} = false")
        connection.execute("SET temp_directory = ''")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def project(
        self, dialect: Dialect, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None = None
    ) -> pa.RecordBatch:
        """Return the derived columns of records given with their terminators.

        `whole` is false for the pieces of a record that is cut over several rows; without it every record is whole.
        """
        if not dialect.is_read:
            return self._opaque(dialect, len(raw), whole)
        schema = schema_for(dialect)
        if not self._is_few(raw) and (answer := self._arrow.read(dialect, raw, whole, schema)) is not None:
            fast, odd = answer
            return _one_batch([_with_reference(dialect, raw, whole, fast, odd)], schema)
        answers = []
        for start, length in slices(raw):
            flags = None if whole is None else whole.slice(start, length)
            answers.append(self._slice(dialect, raw.slice(start, length), flags))
        return _one_batch(answers, schema)

    def _is_few(self, raw: pa.LargeBinaryArray) -> bool:
        return len(raw) <= self._few and raw.nbytes <= _FEW_BYTES

    def _opaque(self, dialect: Dialect, rows: int, whole: pa.BooleanArray | None) -> pa.RecordBatch:
        schema = schema_for(dialect)
        columns = {field.name: pa.nulls(rows, field.type) for field in schema}
        columns["dialect"] = pc.repeated(dialect.id, rows)
        columns["parse_status"] = pc.repeated("opaque", rows)
        unknown = pc.repeated("unknown", rows)
        columns["content_status"] = unknown if whole is None else pc.if_else(whole, unknown, "fragment")
        return pa.RecordBatch.from_pydict(columns, schema=schema)

    def _slice(self, dialect: Dialect, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None) -> pa.Table:
        if not dialect.is_plain or self._is_few(raw):
            return _by_reference(dialect, raw, whole, range(len(raw)))
        text = _as_text(raw) if dialect.pattern is None else _lines_as_json(dialect.pattern, raw)
        if whole is not None:
            text = _only(text, whole)
        text = _only(text, pc.less_equal(pc.binary_length(raw), MAX_RECORD))
        import duckdb  # noqa: PLC0415 - see `_connection`

        try:
            answer, single = self._ask(dialect, text)
        except duckdb.OutOfMemoryException:  # slower, and it needs less
            return _by_reference(dialect, raw, whole, range(len(raw)))
        strict = pc.invert(pc.fill_null(_is_lenient(text), fill_value=True))
        plain = pc.and_(pc.and_(answer["plain"], strict), single)
        fast = _filled(dialect, answer)
        odd = pc.indices_nonzero(pc.invert(pc.fill_null(plain, fill_value=False))).to_pylist()
        return _with_reference(dialect, raw, whole, fast, odd)

    def _ask(self, dialect: Dialect, text: pa.LargeStringArray) -> tuple[pa.Table, pa.BooleanArray]:
        """Return the query's answer, and of each record whether no object on a mapped path repeats a name."""
        numbers = pa.array(range(self._asked, self._asked + len(text)), pa.int64())
        self._asked += len(text)
        self._connection.register("block", pa.table({"n": numbers, "raw": text}))
        names = self._names.get(dialect) or self._learn(dialect)
        answer = self._run(dialect, names)
        shapes = _shapes(answer["keys"])
        if not _names_in(shapes, objects_of(dialect, names)) & _mapped(dialect) <= names:
            names = self._learn(dialect)
            answer = self._run(dialect, names)
            shapes = _shapes(answer["keys"])
        self._connection.unregister("block")
        if not answer["n"].combine_chunks().equals(numbers):
            raise RuntimeError("duckdb answered other rows than it was asked, or in another order")
        return answer, _has_single_names(shapes, len(objects_of(dialect, names)))

    def _run(self, dialect: Dialect, names: Names) -> pa.Table:
        """Run the query over the block; it is planned anew by DuckDB, but parsed once.

        Until a record of the dialect turns out to be malformed all are taken to be JSON, which is a good deal faster.
        """
        well_formed = dialect not in self._malformed
        words = (dialect, names, well_formed)
        import duckdb  # noqa: PLC0415 - see `_connection`

        if words not in self._queries:
            self._queries[words] = self._connection.sql(compile_query(dialect, names, well_formed=well_formed))
        try:
            return self._queries[words].to_arrow_table()
        except (duckdb.InvalidInputException, UnicodeDecodeError):  # its message may cut a character in two
            if not well_formed:
                raise
        self._malformed.add(dialect)
        return self._run(dialect, names)

    def _learn(self, dialect: Dialect) -> Names:
        """Look which names of the dialect the records have, and keep them for the records that follow."""
        shapes = self._connection.sql(compile_names_query(dialect)).to_arrow_table()["keys"]
        found = _names_in(_shapes(shapes), objects_of(dialect)) & _mapped(dialect)
        self._names[dialect] = self._names.get(dialect, frozenset()) | found
        return self._names[dialect]


@cache
def shared_engine(threads: int = 1) -> Engine:
    """Return this process's one engine."""
    return Engine(threads=threads)


def project(
    dialect: Dialect, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None = None, *, threads: int = 1
) -> pa.RecordBatch:
    """Return the derived columns of records, from this process's one engine; see `Engine.project`."""
    return shared_engine(threads).project(dialect, raw, whole)


def slices(raw: pa.LargeBinaryArray) -> Iterator[tuple[int, int]]:
    """Cut a block into runs of rows of about `_SLICE` bytes, a longer row alone."""
    offsets = memoryview(raw.buffers()[1]).cast("q")[raw.offset : raw.offset + len(raw) + 1] if len(raw) else ()
    start = 0
    while start < len(raw):
        end = max(start + 1, bisect_right(offsets, offsets[start] + _SLICE) - 1)
        yield start, min(end, len(raw)) - start
        start = end


def _as_text(raw: pa.LargeBinaryArray) -> pa.LargeStringArray:
    """Return the records as text, null where the bytes are not UTF-8: such bytes must never enter DuckDB."""
    try:
        return pc.cast(raw, pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([_decoded(record) for record in raw.to_pylist()], pa.large_string())


def _decoded(record: bytes | None) -> str | None:
    try:
        return None if record is None else record.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _only(text: pa.LargeStringArray, wanted: pa.BooleanArray) -> pa.LargeStringArray:
    """Return the texts that are wanted, the others null; where all are, which is the rule, nothing is copied."""
    return text if pc.all(wanted, skip_nulls=False).as_py() else pc.if_else(wanted, text, pa.scalar(None, text.type))


def _lines_as_json(pattern: LinePattern | CsvTable, raw: pa.LargeBinaryArray) -> pa.LargeStringArray:
    """Return the objects that lines stand for, null where one does not match."""
    return pa.array([as_json(members) for members in read_lines(pattern, raw.to_pylist())], pa.large_string())


def _is_lenient(text: pa.LargeStringArray) -> pa.BooleanArray:
    verdicts = [pc.match_substring_regex(text, pattern) for pattern in _LENIENT]
    return pc.or_(pc.or_(verdicts[0], verdicts[1]), verdicts[2])


@cache
def _mapped(dialect: Dialect) -> Names:
    """Return the names that the dialect's paths want, each with its object."""
    return names_of(dialect.paths())


def _shapes(keys: pa.ChunkedArray) -> pa.DictionaryArray:
    """Tell lists of names apart: a log has few shapes of records, and each is looked at once.

    A shape is the names of each object behind each other. A name that has a separator in it makes pieces of itself,
    never fewer of others: repeated names stay repeated, and an object too many is noticed.
    """
    rows = keys.combine_chunks()
    joined = pc.fill_null(pc.binary_join(pc.list_flatten(rows), _NAME), _NO_OBJECT)
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(rows), 0))
    offsets = pa.concat_arrays([pa.array([0], ends.type), ends])
    shapes = pc.binary_join(pa.ListArray.from_arrays(offsets, joined), _OBJECT)
    return pc.dictionary_encode(pc.if_else(pc.is_valid(rows), shapes, pa.scalar(None, shapes.type)))


def _objects(shape: str) -> list[list[str]]:
    """Return the names of each object of a shape, none of an object that is not there."""
    return [[] if names == _NO_OBJECT else names.split(_NAME) for names in shape.split(_OBJECT)]


def _names_in(shapes: pa.DictionaryArray, objects: Sequence[str]) -> Names:
    found = [_objects(shape) for shape in shapes.dictionary.to_pylist()]
    return frozenset(
        (place, name)
        for names_of_each in found
        if len(names_of_each) == len(objects)
        for place, names in zip(objects, names_of_each, strict=True)
        for name in names
    )


def _has_single_names(shapes: pa.DictionaryArray, objects: int) -> pa.BooleanArray:
    single = pa.array([_is_single(_objects(shape), objects) for shape in shapes.dictionary.to_pylist()], pa.bool_())
    return pc.fill_null(pc.take(single, shapes.indices), fill_value=False)


def _is_single(names_of_each: list[list[str]], objects: int) -> bool:
    return len(names_of_each) == objects and all(len(set(names)) == len(names) for names in names_of_each)


def _filled(dialect: Dialect, answer: pa.Table) -> pa.Table:
    """Return all derived columns of plain records: those of the answer, the constant ones, the others null."""
    rows = len(answer)
    constant = {"dialect": pc.repeated(dialect.id, rows), "parse_status": pc.repeated("ok", rows)}
    columns = [
        _taken(answer[field.name], field.type)
        if field.name in answer.column_names
        else constant.get(field.name, pa.nulls(rows, field.type))
        for field in schema_for(dialect)
    ]
    return pa.table(columns, schema=schema_for(dialect))


def _taken(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not pa.types.is_decimal(kind):
        return pc.cast(column, kind)
    return pa.chunked_array([[_decimal(text) for text in column.to_pylist()]], kind)


def _decimal(text: str | None) -> Decimal | None:
    """Return the number that the query wrote as a whole one with its exponent; null in rows that are not plain."""
    match = _SCALED.fullmatch(text or "")
    return Decimal(text) if text and match else None


def _by_reference(
    dialect: Dialect, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None, rows: Sequence[int]
) -> pa.Table:
    flags = [True] * len(rows) if whole is None else pc.take(whole, pa.array(rows)).to_pylist()
    records = pc.take(raw, pa.array(rows)).to_pylist()
    derived = derive_all(dialect, records, flags)
    schema = schema_for(dialect)
    columns = {field.name: pa.array([one[field.name] for one in derived], field.type) for field in schema}
    return pa.table(columns, schema=schema)


def _with_reference(
    dialect: Dialect, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None, fast: pa.Table, odd: Sequence[int]
) -> pa.Table:
    """Put the reference's answers where the fast one means nothing."""
    return _patched(fast, odd, _by_reference(dialect, raw, whole, odd)) if odd else fast


def _patched(fast: pa.Table, rows: Sequence[int], slow: pa.Table) -> pa.Table:
    """Put the reference's answers in their places."""
    places = list(range(len(fast)))
    for place, row in enumerate(rows):
        places[row] = len(fast) + place
    return pc.take(pa.concat_tables([fast, slow]), pa.array(places, pa.int64()))


def _one_batch(answers: Sequence[pa.Table], schema: pa.Schema) -> pa.RecordBatch:
    if not answers:
        return pa.RecordBatch.from_pylist([], schema=schema)
    return pa.concat_tables(answers).combine_chunks().to_batches()[0]
