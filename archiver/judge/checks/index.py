"""Check 7, `--only index`: the index columns derived anew from the rows, by whatever the caller brings to do it.

The judge has no engine of its own, so the derivation is passed in. Without one the index is said to be unchecked.
"""

from __future__ import annotations

import pyarrow.parquet as pq

from archiver.judge import batches
from archiver.judge.case import Case
from archiver.model.finding import Severity
from archiver.model.statement import BatchPredicate

__all__ = ["check_index"]


def check_index(case: Case, file: pq.ParquetFile, predicate: BatchPredicate, key: str) -> None:
    """Compare the columns that `derive` can speak about."""
    if case.derive is None:
        return
    first = 0
    for rows in batches.record_batches(file):
        case.subjects["index"] += rows.num_rows
        for name, derived in case.derive(predicate, rows).items():
            column = rows.column(name)
            if derived is None:
                actual = "a dialect that this version does not know"
                case.say("index-differs", key, f"{name} derived anew", actual, severity=Severity.UNKNOWN)
                return
            if column.equals(derived):
                continue
            wrong = next((place for place in range(len(column)) if column[place] != derived[place]), 0)
            case.say("index-differs", f"{key} record {first + wrong}, {name}", str(derived[wrong]), str(column[wrong]))
        first += rows.num_rows
