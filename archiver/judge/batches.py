r"""The rows of a batch: its Parquet object opened strictly, read a few MiB at a time (FORMAT.md, Tables and Parquet).

Laws: the columns are exactly the published ones, for Arrow and for every other Parquet reader, in name, type and order;
the key-value metadata is exactly what the statement says, each key once; page checksums are checked; a row group has as
many rows as the footer says; no more than some rows are in memory, one of which may have 64 MiB.

>>> for rows in slices(open_parquet(stream, predicate)):
...     rows.first, rows.data[rows.bounds[0] : rows.bounds[1]]
(0, b'{"model":"grok-4"}\n')
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Iterator, Sequence
from hashlib import sha256
from operator import sub
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.judge.ahead import ahead
from archiver.judge.batch_error import BatchError, told
from archiver.judge.columns import integers_of, raw_of, spelled_of
from archiver.judge.footer import check_once
from archiver.late import dataclass
from archiver.model import tables
from archiver.model.leaf import SALT_BYTES

if TYPE_CHECKING:
    from archiver.model.statement import Statement
    from archiver.model.statement_snapshot import BatchPredicate

__all__ = [
    "ARROW_SCHEMA",
    "BatchWords",
    "Rows",
    "check_schema",
    "is_published",
    "made_ahead",
    "open_again",
    "open_parquet",
    "predicate_of",
    "record_batches",
    "salt_of",
    "slices",
    "slices_of",
    "stated_size",
]

_Value = TypeVar("_Value")

_TARGET_BYTES: Final = 4 << 20  # what is decoded is hashed while it is in the cache
_MOST_ROWS: Final = 8192
_PAGES_OF: Final = 1024
"""Rows of which pages hold a multiple. Who reads them by such numbers has them copied once; across the end of a page
what was decoded is copied again, into a larger place: a tenth of what it takes to verify logs."""
_BUFFER: Final = 1 << 18  # what is decompressed is still in the cache: a quarter faster than with 4 MiB
_EVIDENCE: Final = [field.name for field in tables.EVIDENCE]
ARROW_SCHEMA: Final = "ARROW:schema"
_KEYS: Final = ("format", "archive_id", "table", "table_version", "batch", "salt")


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows, the first numbered `first`; raw of row i is `data[bounds[i]:bounds[i + 1]]`.

    `withheld` has the SHA-256 of rows whose bytes are not here; their lengths stand in `lengths`. `opened` are rows
    whose bytes came out of a sealed object.
    """

    first: int
    texts: list[str]
    digests: list[bytes]
    offsets: list[int]
    lengths: list[int]
    data: memoryview
    bounds: list[int]
    withheld: dict[int, bytes]
    opened: frozenset[int] = frozenset()

    @functools.cached_property
    def raws(self) -> list[bytes]:
        """SHA-256 of raw of each row, computed from its bytes; of a withheld row what stands in their place."""
        data = self.data
        raws = [sha256(data[first:after]).digest() for first, after in itertools.pairwise(self.bounds)]
        for place, digest in self.withheld.items():
            raws[place] = digest
        return raws


class BatchWords(NamedTuple):
    """What a statement says of a batch, as far as its rows are judged by it: for processes that read no statements."""

    id: str
    archive_id: str
    table: str
    table_version: int
    snapshot: str
    source: str
    records: int
    merkle_root: str

    @classmethod
    def of(cls, predicate: BatchPredicate) -> BatchWords:
        """Return these words of a predicate."""
        return cls(*(getattr(predicate, name) for name in cls._fields))


class _Column(NamedTuple):
    path: str
    physical: str
    logical: str
    length: int
    definition: int
    repetition: int


def predicate_of(statement: Statement) -> BatchPredicate:
    """Return the predicate of a batch statement."""
    from archiver.model.statement_snapshot import BatchPredicate  # noqa: PLC0415 - who reads rows alone reads no statements

    if not isinstance(statement.predicate, BatchPredicate):
        raise TypeError(f"statement: expected a batch, found a {statement.kind}")
    return statement.predicate


def stated_size(statement: Statement) -> int | None:
    """Return the size of a batch's object by its own receipt, None when it has none."""
    subject = statement.subject[0]
    receipts = predicate_of(statement).receipts
    return next((one.size for one in receipts if one.sha256 in (None, subject.digest.sha256)), None)


def open_parquet(stream: BinaryIO, predicate: BatchPredicate | BatchWords) -> pq.ParquetFile:
    """Open a batch whose bytes were checked; raises `BatchError("record-schema")` unless it is as published."""
    with told("record-schema", "a readable Parquet object"):
        file = _parquet(stream)
        found = file.schema_arrow
        published = tables.VERSIONS.get((predicate.table, predicate.table_version))
        if published is None:  # a later table: the evidence columns are the same in all of them
            found, published = pa.schema(list(found)[: len(tables.EVIDENCE)]), pa.schema(tables.EVIDENCE)
        check_schema(file, found, published)
        _check_metadata(file, predicate)
        check_once(stream, [*(f"archiver.{name}" for name in _KEYS), "archiver.merkle_root", ARROW_SCHEMA])
    if file.metadata.num_rows != predicate.records:
        raise BatchError("record-order", f"{predicate.records} records", f"{file.metadata.num_rows} records")
    return file


def open_again(stream: BinaryIO, checked: pq.FileMetaData) -> pq.ParquetFile:
    """Open a batch whose very bytes `open_parquet` has opened before, by what it found and checked then."""
    with told("record-schema", "a readable Parquet object"):
        return _parquet(stream, checked)


def _parquet(stream: BinaryIO, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    return pq.ParquetFile(
        stream, metadata=metadata, page_checksum_verification=True, buffer_size=_BUFFER, pre_buffer=False
    )


def is_published(predicate: BatchPredicate) -> bool:
    """Say whether this version knows the table of a batch."""
    return (predicate.table, predicate.table_version) in tables.VERSIONS


def record_batches(
    file: pq.ParquetFile, *, columns: Sequence[str] | None = None, groups: range | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an opened batch, or of some row groups, as Arrow record batches of a few MiB, in order."""
    names = None if columns is None else list(columns)
    for group in range(file.metadata.num_row_groups) if groups is None else groups:
        with told("record-root", f"row group {group} readable"):
            size, stated, read = _rows_at_once(file, group), file.metadata.row_group(group).num_rows, 0
            for rows in file.iter_batches(batch_size=size, row_groups=[group], columns=names, use_threads=False):
                yield rows
                read += rows.num_rows
        if read != stated:  # shares, and who looks for one row, count by what the footer says
            raise BatchError("record-order", f"{stated} rows in row group {group}", f"{read} rows")


def made_ahead(file: pq.ParquetFile, found: Iterator[_Value]) -> Iterator[_Value]:
    """Yield what is made of the rows of an opened batch, the next while the caller works, if not all come at once."""
    metadata = file.metadata
    at_once = metadata.num_row_groups == 1 and metadata.num_rows <= _rows_at_once(file, 0)
    return found if at_once else ahead(found)  # a thread that has nothing to do takes as long as a small batch


def slices(file: pq.ParquetFile) -> Iterator[Rows]:
    """Yield the evidence of a batch's rows; raises `BatchError` for what is not as published."""
    return _slices(made_ahead(file, record_batches(file, columns=_EVIDENCE)), 0)


def slices_of(file: pq.ParquetFile, groups: range, first: int) -> Iterator[Rows]:
    """Yield the evidence of the rows of some row groups, the first of them numbered `first`: cut as `slices` does."""
    return _slices(record_batches(file, columns=_EVIDENCE, groups=groups), first)


def _slices(found: Iterator[pa.RecordBatch], first: int) -> Iterator[Rows]:
    for batch in found:
        with told("record-order", f"rows from {first} on as published"):
            rows = _rows(batch, first)
        yield rows
        first += batch.num_rows


def salt_of(file: pq.ParquetFile) -> bytes:
    """Return the salt of an opened batch, 32 bytes."""
    metadata = file.metadata.metadata or {}
    return bytes.fromhex(metadata[b"archiver.salt"].decode())


def check_schema(file: pq.ParquetFile, found: pa.Schema, published: pa.Schema) -> None:
    """Refuse columns that are not the published ones, for Arrow and for every other reader of Parquet."""
    if not found.remove_metadata().equals(published):
        raise BatchError("record-schema", "exactly the published columns", _schema_difference(found, published))
    wanted = _published_columns(published)
    columns = _columns(file)[: len(wanted) if len(published) == len(tables.EVIDENCE) else None]
    if columns != wanted:  # what readers other than Arrow see
        differing = [f"{one}" for one, other in zip(columns, wanted, strict=False) if one != other]
        raise BatchError("record-schema", "the Parquet columns that Arrow sees", "; ".join(differing[:3]) or "others")


def _check_metadata(file: pq.ParquetFile, predicate: BatchPredicate | BatchWords) -> None:
    found = {key: value for key, value in (file.metadata.metadata or {}).items() if key != ARROW_SCHEMA.encode()}
    expected = {
        "format": "1",
        "archive_id": predicate.archive_id,
        "table": predicate.table,
        "table_version": str(predicate.table_version),
        "batch": predicate.id,
    }
    if found.pop(b"archiver.merkle_root", None) != predicate.merkle_root.encode():
        raise BatchError("record-root", f"archiver.merkle_root = {predicate.merkle_root}", "another")
    if found.keys() != {f"archiver.{name}".encode() for name in _KEYS}:
        names = b", ".join(sorted(found)).decode("utf-8", "backslashreplace")
        raise BatchError("record-schema", "exactly the members archiver.* of the format", names or "none")
    for name, value in expected.items():
        actual = found[f"archiver.{name}".encode()]
        if actual != value.encode():
            raise BatchError("record-schema", f"archiver.{name} = {value}", actual.decode("utf-8", "backslashreplace"))
    salt = found[b"archiver.salt"].decode("ascii", "replace")
    if len(salt) != 2 * SALT_BYTES or not set(salt) <= set("0123456789abcdef"):
        raise BatchError("record-schema", "archiver.salt of 64 hex digits", salt[:80])


def _columns(file: pq.ParquetFile) -> list[_Column]:
    schema = file.schema
    return [
        _Column(
            column.path,
            column.physical_type,
            str(column.logical_type),
            column.length,
            column.max_definition_level,
            column.max_repetition_level,
        )
        for column in (schema.column(place) for place in range(len(schema)))
    ]


@functools.cache
def _published_columns(published: pa.Schema) -> list[_Column]:
    """Return the Parquet columns that Arrow writes for a published schema."""
    sink = io.BytesIO()
    pq.write_table(published.empty_table(), sink)
    sink.seek(0)
    return _columns(pq.ParquetFile(sink))


def _schema_difference(found: pa.Schema, published: pa.Schema) -> str:
    if found.names != published.names:
        missing = [name for name in published.names if name not in found.names]
        more = [name for name in found.names if name not in published.names]
        return f"missing {missing}, more {more}" if missing or more else "another order"
    differing = [f"{one}" for one, other in zip(found, published, strict=True) if not one.equals(other)]
    return "; ".join(differing[:3])


def _rows_at_once(file: pq.ParquetFile, group: int) -> int:
    """Return how many rows of a row group make at most about 4 MiB, and as a rule whole pages."""
    facts = file.metadata.row_group(group)
    average = max(1, facts.total_byte_size // max(1, facts.num_rows))
    rows = int(max(1, min(_MOST_ROWS, _TARGET_BYTES // average)))
    return rows if rows < _PAGES_OF else rows - rows % _PAGES_OF


def _rows(batch: pa.RecordBatch, first: int) -> Rows:
    count = batch.num_rows
    numbers = _uint64(batch.column("record"))
    if numbers != list(range(first, first + count)):
        wrong = next(place for place, number in enumerate(numbers) if number != first + place)
        raise BatchError("record-order", f"record {first + wrong}", f"record {numbers[wrong]}")
    data, bounds = raw_of(batch.column("raw"))
    lengths = list(map(sub, itertools.islice(bounds, 1, None), bounds))
    withheld = _withheld(batch, first, lengths)
    texts, digests = _items(batch.column("item"))
    return Rows(first, texts, digests, _uint64(batch.column("offset")), lengths, data, bounds, withheld)


def _withheld(batch: pa.RecordBatch, first: int, lengths: list[int]) -> dict[int, bytes]:
    """Return the digests of withheld rows and put their lengths in; exactly one of raw and withheld is set."""
    raw, column = batch.column("raw"), batch.column("withheld")
    if raw.null_count == 0 and column.null_count == batch.num_rows:
        return {}
    found = {}
    for place in range(batch.num_rows):
        words = column[place].as_py()
        if (words is None) != raw[place].is_valid:
            actual = "neither" if words is None else "both"
            raise BatchError("record-order", f"raw or withheld in record {first + place}", actual)
        if words is not None:
            found[place] = bytes(words["sha256"])
            lengths[place] = int(words["length"])
    return found


def _items(column: pa.DictionaryArray) -> tuple[list[str], list[bytes]]:
    """Return item text and its SHA-256 for each row, each different text decoded and hashed once."""
    _no_nulls(column, "item")
    codes = integers_of(column.indices, "i")
    used = sorted(set(codes))
    spelled = spelled_of(column.dictionary, used)
    texts, digests = [one.decode() for one in spelled], [sha256(one).digest() for one in spelled]
    if len(used) == 1:
        return texts * len(codes), digests * len(codes)
    if used == codes:
        return texts, digests
    places = {code: place for place, code in enumerate(used)}
    wanted = [places[code] for code in codes]
    return [texts[place] for place in wanted], [digests[place] for place in wanted]


def _uint64(column: pa.UInt64Array) -> list[int]:
    _no_nulls(column, "record or offset")
    return integers_of(column, "Q")


def _no_nulls(column: pa.Array, name: str) -> None:
    if column.null_count:
        raise BatchError("record-order", f"a value in every row of {name}", f"{column.null_count} nulls")
