"""A derived table: its object opened strictly, and its rows held against the batch that they are about.

    1  columns and metadata are exactly as published, and as its statement says
    2  every record of the batch has rows, in order: of its events, numbered from 0, or one without a number
    3  a row that names several records names its own last, behind earlier ones

Nothing here says that what was read is right: that is derived again by whoever has the means (`checks.derived`).

>>> for dialects in places(file, predicate, records=5):
...     dialects
['openai.chat', 'openai.chat', None, 'cri.log>openai.chat', 'cri.log>openai.chat']
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.judge.batch_error import BatchError, told
from archiver.judge.batches import ARROW_SCHEMA, check_schema, record_batches
from archiver.judge.footer import check_once
from archiver.model import tables
from archiver.model.statement import DerivationPredicate

__all__ = ["aligned", "open_derived", "places"]

_BUFFER: Final = 1 << 20
_PLACE: Final = ["batch", "record", "event", "pointer", "records", "dialect"]


def open_derived(stream: BinaryIO, predicate: DerivationPredicate) -> pq.ParquetFile:
    """Open a derived table whose bytes were checked; raises `BatchError` unless it is as published."""
    with told("record-schema", "a readable Parquet object"):
        file = pq.ParquetFile(stream, page_checksum_verification=True, buffer_size=_BUFFER, pre_buffer=False)
        check_schema(file, file.schema_arrow, tables.DERIVED[predicate.table, predicate.table_version])
        check_once(stream, [*(f"archiver.{name}" for name in _metadata(predicate)), ARROW_SCHEMA])
    found = {key: value for key, value in (file.metadata.metadata or {}).items() if key != ARROW_SCHEMA.encode()}
    wanted = {f"archiver.{name}".encode(): value.encode() for name, value in _metadata(predicate).items()}
    if found != wanted:
        differing = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        names = b", ".join(differing).decode("utf-8", "backslashreplace")
        raise BatchError("record-schema", "exactly the metadata that its statement says", f"others: {names}")
    if file.metadata.num_rows != predicate.rows:
        raise BatchError("record-order", f"{predicate.rows} rows", f"{file.metadata.num_rows} rows")
    return file


def _metadata(predicate: DerivationPredicate) -> dict[str, str]:
    return {
        "format": "1",
        "archive_id": predicate.archive_id,
        "table": predicate.table,
        "table_version": str(predicate.table_version),
        "derivation": predicate.id,
        "batch": predicate.batch,
        "dialects": predicate.dialects,
    }


def places(file: pq.ParquetFile, predicate: DerivationPredicate, records: int) -> Iterator[list[str | None]]:
    """Yield the dialects of the records of a batch, some at a time; raises `BatchError` for rows that do not fit.

    Of the dialects of a record's events the first is meant: they have but one, as they are read from one record.
    """
    last, event, read = -1, None, 0
    for batch in record_batches(file, columns=_PLACE):
        with told("record-order", f"rows behind record {last} as published"):
            if set(batch.column("batch").dictionary.to_pylist()) - {predicate.batch}:
                raise BatchError("record-order", f"rows of {predicate.batch}", "rows of another batch")
            rows = zip(*(batch.column(name).to_pylist() for name in _PLACE[1:]), strict=True)
        dialects: list[str | None] = []
        for row in rows:
            _check_row(row, last, event)
            if row[0] != last:
                dialects.append(row[4])
            last, event = row[0], row[1]
        read += batch.num_rows
        yield dialects
    if read != predicate.rows:  # row groups may have other rows than the footer counts
        raise BatchError("record-order", f"{predicate.rows} rows", f"{read} rows")
    if last + 1 != records:
        raise BatchError("record-order", f"rows of all {records} records", f"of {last + 1}")


def _check_row(row: tuple[Any, ...], last: int, event: int | None) -> None:
    """Refuse a row that neither is the next event of its record nor begins the next record."""
    record, number, pointer, records, _ = row
    begins = record == last + 1 and number in (0, None)
    goes_on = record == last and event is not None and number == event + 1
    if not begins and not goes_on:
        raise BatchError(
            "record-order", f"the next event of record {last}, or record {last + 1}", f"event {number} of {record}"
        )
    if (pointer is None) != (number is None):
        raise BatchError("record-order", f"a pointer in record {record} where there is an event", str(pointer))
    joined = records if records is not None else [record]
    rises = all(one is not None and one < other for one, other in itertools.pairwise(joined))
    if not joined or joined[-1] != record or not rises or (records is not None and len(joined) == 1):
        raise BatchError("record-order", f"records that end with {record}, in order", str(records)[:200])


def aligned(
    derived: Iterator[pa.RecordBatch], stored: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    """Yield pieces of two tables side by side, as many rows of each; one is None where only the other goes on."""
    one, other = next(derived, None), next(stored, None)
    while one is not None and other is not None:
        count = min(one.num_rows, other.num_rows)
        if count:
            yield one.slice(0, count), other.slice(0, count)
        one = one.slice(count) if count < one.num_rows else next(derived, None)
        other = other.slice(count) if count < other.num_rows else next(stored, None)
    if one is not None or other is not None:
        yield one, other
