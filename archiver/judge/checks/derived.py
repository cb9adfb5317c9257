"""Check 7, derived tables: what they point at is there and as they say; `--only index` derives their rows anew.

    1  the batch is in the log before, with the object and the statement that the derivation names
    2  the table is as published, and has rows for every record of the batch
    3  with `--only index`: what the dialects kept in the archive make of the batch is what the table has

A derived table is no evidence. What is wrong with one is found and said, and says nothing about the batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import EvidenceError, UsageError, WorldError
from archiver.events import Advanced, Stage
from archiver.judge import batches
from archiver.judge.batches import predicate_of, record_batches
from archiver.judge.case import Case
from archiver.judge.checks.index import spelled
from archiver.judge.checks.objects import check_others
from archiver.judge.derived import aligned, open_derived, places
from archiver.model import layout, tables
from archiver.model.finding import Severity
from archiver.model.statement import DerivationPredicate, Statement
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof import dsse
from archiver.proof.digest import sha256_hex

__all__ = ["check_derived"]

_SOURCE: Final = "model_logs"


def check_derived(case: Case) -> None:
    """Check every derived table, and settle its object with that, as it is read anyway."""
    count = case.archive.table_of_statements.count("derivation")
    if count:
        case.listener(Stage("check the derived tables", count, "tables"))
    for position, statement, _ in case.archive.statements("derivation"):
        if isinstance(statement.predicate, DerivationPredicate):
            _check(case, position, statement, statement.predicate)
        case.listener(Advanced())


def _check(case: Case, position: int, statement: Statement, predicate: DerivationPredicate) -> None:
    case.subjects["derived"] += 1
    case.subjects["objects"] += 1
    batch, table = _source(case, position, statement, predicate), statement.subject[0]
    try:
        with case.archive.object(table.name, table.digest.sha256, predicate.size) as stream:
            if batch is not None and _is_known(case, table.name, predicate):
                _check_rows(case, stream, batch, predicate, table.name)
    except (EvidenceError, WorldError) as problem:
        case.say_object(table.name, problem)
    check_others(case, statement)


def _is_known(case: Case, key: str, predicate: DerivationPredicate) -> bool:
    if (predicate.table, predicate.table_version) in tables.DERIVED:
        return True
    name = f"{predicate.table} version {predicate.table_version}"
    hint = "its object is checked; verify with a later version of the program"
    case.say("record-schema", key, "a table that this version knows", name, hint=hint, severity=Severity.UNKNOWN)
    return False


def _check_rows(case: Case, stream: BinaryIO, batch: Statement, predicate: DerivationPredicate, key: str) -> None:
    file = open_derived(stream, predicate)
    for _ in places(file, predicate, predicate_of(batch).records):
        pass
    if case.options.wants("index"):
        _rederive(case, file, batch, predicate, key)


# 1


def _source(case: Case, position: int, statement: Statement, predicate: DerivationPredicate) -> Statement | None:
    """Return the statement of the batch that a derivation points at, None where it is not as it says."""
    found = case.archive.statement("batch", predicate.batch)
    if found is None or found[0] >= position:
        # One whose statement is damaged has its own finding, and may be what this one points at.
        damaged = found is None and predicate.batch in case.archive.table_of_statements.damaged_batches()
        actual = "one whose statement is not good" if damaged else "none"
        severity = Severity.UNKNOWN if damaged or case.archive.log.is_unread else None
        case.say(
            "derived-source",
            statement.key,
            f"the batch {predicate.batch} in the log before",
            actual,
            severity=severity,
        )
        return None
    stated = sha256_hex(dsse.open_envelope(found[2]).payload)
    told = {
        "object": (predicate.batch_sha256, found[1].subject[0].digest.sha256),
        "statement": (predicate.statement_sha256, stated),
        "table": (_SOURCE, predicate_of(found[1]).table),
    }
    for what, (said, there) in told.items():
        if said != there:
            case.say("derived-source", statement.key, f"the {what} {said} of {predicate.batch}", there)
    return found[1] if all(said == there for said, there in told.values()) else None


# 3


def _rederive(case: Case, file: pq.ParquetFile, batch: Statement, predicate: DerivationPredicate, key: str) -> None:
    """Derive a table again and compare; where that cannot be done, say so."""
    name, dialects = batch.subject[0].name, layout.dialects_key(predicate.dialects)
    lost = [one for one in (name, dialects) if not case.archive.inventory.is_content(one)]
    if predicate.batch in case.skipped_batches or name in case.disposed:
        return  # a sample was asked for, and leaves it out; or it was let go of, and is gone
    if case.rederive is None:
        _say_unknown(case, key, "nothing here that derives it")
    elif lost:
        _say_unknown(case, key, f"no bytes of {lost[0]} to derive them from")
    else:
        try:
            with case.archive.object(dialects, predicate.dialects) as stream:
                bundle = stream.read()
            _compare(case, file, bundle, (batch, predicate), key)
        except UsageError as problem:
            _say_unknown(case, key, f"dialects that this version does not understand: {problem.message}")


def _say_unknown(case: Case, key: str, actual: str) -> None:
    case.say("index-differs", key, "its rows derived anew", actual, severity=Severity.UNKNOWN)


def _compare(
    case: Case,
    file: pq.ParquetFile,
    bundle: bytes,
    about: tuple[Statement, DerivationPredicate],
    key: str,
) -> None:
    if case.rederive is None:
        return
    batch, predicate = predicate_of(about[0]), about[1]
    dialects = itertools.chain.from_iterable(places(file, predicate, batch.records))
    with case.archive.batch(about[0]) as stream:
        evidence = batches.open_parquet(stream, batch)
        derived = case.rederive(bundle, batch, _rows(evidence, batch), dialects)
        for one, other in aligned(derived, record_batches(file)):
            _say_difference(case, key, one, other)
            case.subjects["index"] += 0 if other is None else other.num_rows


def _rows(file: pq.ParquetFile, batch: BatchPredicate) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch, all columns; one of a later table has not the columns that are wanted."""
    if not batches.is_published(batch):
        raise UsageError("dialect-file", f"table {batch.table} version {batch.table_version} of {batch.id}")
    return record_batches(file)


def _say_difference(case: Case, key: str, derived: pa.RecordBatch | None, stored: pa.RecordBatch | None) -> None:
    """Say the first difference of each column in some rows."""
    if derived is None or stored is None:
        some = stored if derived is None else derived
        assert some is not None
        words = ("no more rows", "rows") if derived is None else ("rows", "no more")
        case.say("index-differs", f"{key} record {some.column('record')[0]}", *words)
        return
    for name in stored.schema.names[1:]:
        column, wanted = stored.column(name), derived.column(name)
        if not column.equals(wanted):
            wrong = next((place for place in range(len(column)) if column[place] != wanted[place]), 0)
            subject = f"{key} record {stored.column('record')[wrong]}, {name}"
            case.say("index-differs", subject, spelled(wanted[wrong]), spelled(column[wrong]))
