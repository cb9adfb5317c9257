"""Check 7, `--only index`: the index columns derived anew from the rows, by whatever the caller brings to do it.

The judge has no engine of its own, so the derivation is passed in. Without one the index is said to be unchecked.
"""

from __future__ import annotations

import functools

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.judge import batches
from archiver.judge.case import Case
from archiver.model.finding import Severity
from archiver.model.statement_snapshot import BatchPredicate

__all__ = ["check_index", "spelled"]


def check_index(case: Case, file: pq.ParquetFile, predicate: BatchPredicate, key: str) -> None:
    """Compare the columns that `derive` can speak about; the first difference of a column in some rows is said."""
    if case.derive is None:
        return
    first = 0
    unknown: set[str] = set()
    for rows, columns in case.derive(predicate, functools.partial(batches.record_batches, file)):
        case.subjects["index"] += rows.num_rows
        for name, derived in columns.items():
            if derived is None:
                unknown.add(name)
            elif (wrong := _first_difference(rows.column(name), derived)) is not None:
                subject = f"{key} record {first + wrong}, {name}"
                case.say("index-differs", subject, spelled(derived[wrong]), spelled(rows.column(name)[wrong]))
        first += rows.num_rows
    for name in sorted(unknown):
        actual = "rows of a dialect that this version does not know"
        case.say("index-differs", key, f"{name} derived anew", actual, severity=Severity.UNKNOWN)


def _first_difference(column: pa.Array, derived: pa.Array) -> int | None:
    if column.equals(derived):
        return None
    return next((place for place in range(len(column)) if column[place] != derived[place]), 0)


def spelled(value: pa.Scalar) -> str:
    """Spell a value for people; no time of Python's holds nanoseconds."""
    if not value.is_valid:
        return "no value"
    return str(value.cast(pa.string()) if pa.types.is_timestamp(value.type) else value)
