"""Derived tables: the batches that dialects have not read yet are read, and what comes of each is stated (FORMAT.md).

    1  log and statements are read and checked; batches that were derived with these dialects before are left alone
    2  of each batch the derived rows are written to the spool, and the file is synced
    3  the dialects are kept in the journal, then the signed statement: from here on a kill loses nothing
    4  table and dialects are put, locked and read back; the statement is put and entered; the spool file goes

The evidence is read and never touched: whatever becomes of a derived table, its batch is as good as before.

>>> derive(policy, Wanted(dialects=Path("new")), clock=clock, ...).derived[0].rows
1200
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Final

from archiver.errors import Exit, UsageError
from archiver.events import Listener, Stage
from archiver.flows import backlog, deliver, recover
from archiver.flows.derivation.events import Choosing
from archiver.flows.derivation.records import COLUMNS
from archiver.flows.session import Session, destination_store, open_session, own_trust
from archiver.flows.timestamps.at_end import NO_STAMPS, AtEnd, stamp_at_end
from archiver.judge.disposal import Disposals
from archiver.judge.reader import Archive, open_archive
from archiver.late import dataclass
from archiver.model import layout, tables
from archiver.model.dialect_bundle import bundle_of, read_bundle, read_definitions
from archiver.model.policy import Policy
from archiver.model.statement import DerivationPredicate, Statement, Subject
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof import dsse
from archiver.proof.digest import sha256_hex
from archiver.sources.reading_logs import AUTO, LogReader
from archiver.writer.derived import WrittenTable, write_table

__all__ = ["Derivations", "Derived", "Wanted", "derive"]

_TABLE: Final = "model_logs"


@dataclass(frozen=True)
class Wanted:
    """What is to be derived: with the dialects of a path over those of the program, from which batches.

    `snapshots`, `sources` and `batches` name what is taken, all where they are empty; `again` also what was derived
    with the same dialects before.
    """

    dialects: Path | None = None
    sources: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Derived:
    """A batch, and its derived table; without key and rows where it was only looked what would be done."""

    batch: str
    source: str
    records: int
    raw_bytes: int
    id: str | None = None
    key: str | None = None
    rows: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class Derivations:
    """What was derived; `dialects` is the SHA-256 of all that were used.

    `before` batches had been derived with them already, `disposed` ones were released and are not there any more.
    """

    dialects: str
    derived: tuple[Derived, ...]
    before: int
    disposed: int
    left_behind: tuple[backlog.LeftBehind, ...]
    at_end: AtEnd

    @property
    def exit(self) -> Exit:
        """The worst of what came of it."""
        return Exit.worst([*(one.exit for one in self.left_behind), self.at_end.exit])


_Batch = tuple[BatchPredicate, Statement, str]
"""A batch to derive from; the third is the SHA-256 of its statement's payload."""


def derive(
    policy: Policy,
    wanted: Wanted,
    *,
    dry_run: bool,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
    confirm: Callable[[int], None] = lambda _planned: None,
) -> Derivations:
    """Derive what is wanted; a dry run reads the log and says which batches that would be.

    `confirm` is told how many bytes of evidence are read, about which what is written will be below, and may refuse.
    """
    bundle = bundle_of(read_definitions(wanted.dialects))
    reader = LogReader(read_bundle(bundle))
    digest = sha256_hex(bundle)
    if dry_run:
        with open_archive(destination_store(policy, clock), own_trust(policy), listener=listener) as archive:
            found = _choose(archive, wanted, digest, clock())
            named = tuple(_named(one) for one, _, _ in found.batches)
            return Derivations(digest, named, found.before, found.disposed, (), NO_STAMPS)
    with open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session:
        recover.take_logs(session)
        recover.finish_deliveries(session)
        with open_archive(session.store, session.trust, listener=listener) as archive:
            found = _choose(archive, wanted, digest, clock())
            confirm(sum(one.raw_bytes for one, _, _ in found.batches))
            listener(Stage("derive", sum(one.records for one, _, _ in found.batches), "records"))
            choosing = Choosing(reader, functools.partial(_dialect, policy, reader), listener)
            work = _Work(session, archive, bundle, digest, choosing)
            derived = [work.derive(one) for one in found.batches]
        at_end = stamp_at_end(session) if derived else NO_STAMPS
        behind = backlog.left_behind(session)
        return Derivations(digest, tuple(derived), found.before, found.disposed, behind, at_end)


def _dialect(policy: Policy, reader: LogReader, source: str) -> str:
    """Return the dialect that the policy names for a source, as far as it is one of those that are read with."""
    named = next((one.dialect for one in policy.sources if one.id == source), AUTO)
    return named if reader.knows(named) else AUTO


# 1


@dataclass
class _Found:
    """The batches to derive from, in log order, and how many of those that were meant are left alone."""

    batches: list[_Batch] = field(default_factory=list)
    before: int = 0
    disposed: int = 0


def _choose(archive: Archive, wanted: Wanted, dialects: str, now: datetime) -> _Found:
    """Say which batches to derive from, and which were derived so before or are gone."""
    archive.demand()
    done = {
        one.predicate.batch
        for _, one, _ in archive.statements("derivation")
        if isinstance(one.predicate, DerivationPredicate)
        and (one.predicate.dialects, one.predicate.table, one.predicate.table_version) == (dialects, *tables.EVENTS)
    }
    found, seen, disposals = _Found(), _Seen(), Disposals(archive, now)
    for _, statement, envelope in archive.statements("batch"):
        predicate = statement.predicate
        if not isinstance(predicate, BatchPredicate) or predicate.table != _TABLE:
            continue
        seen.take(predicate)
        if not _is_wanted(wanted, predicate):
            continue
        key = statement.subject[0].name
        if predicate.id in done and not wanted.again:
            found.before += 1
        elif not archive.inventory.versions(key) and disposals.may_be_gone(key):
            found.disposed += 1
        else:
            found.batches.append((predicate, statement, sha256_hex(dsse.open_envelope(envelope).payload)))
    seen.refuse_others(wanted)
    return found


class _Seen:
    """What batches there are to choose from, so that a name that means nothing is refused."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {"--source": set(), "--snapshot": set(), "--batch": set()}

    def take(self, predicate: BatchPredicate) -> None:
        for option, name in zip(self._names, (predicate.source, predicate.snapshot, predicate.id), strict=True):
            self._names[option].add(name)

    def refuse_others(self, wanted: Wanted) -> None:
        for option, named in zip(self._names, (wanted.sources, wanted.snapshots, wanted.batches), strict=True):
            for name in named:
                if name not in self._names[option]:
                    raise UsageError(
                        "no-such-batch",
                        f"{option} {name}: expected one with batches of {_TABLE}, found none",
                        hint="`archiver list batches` shows which there are",
                    )


def _is_wanted(wanted: Wanted, predicate: BatchPredicate) -> bool:
    choices = (
        (wanted.sources, predicate.source),
        (wanted.snapshots, predicate.snapshot),
        (wanted.batches, predicate.id),
    )
    return all(not named or name in named for named, name in choices)


def _named(predicate: BatchPredicate) -> Derived:
    return Derived(predicate.id, predicate.source, predicate.records, predicate.raw_bytes)


# 2 to 4


@dataclass(frozen=True)
class _Work:
    session: Session
    archive: Archive
    bundle: bytes
    dialects: str
    choosing: Choosing

    def derive(self, batch: _Batch) -> Derived:
        """Derive from one batch and bring what comes of it into the stores and the logs."""
        predicate, statement, payload = batch
        session, identity = self.session, self.session.seal.fresh_id()
        written = self._write(identity, predicate, statement)
        # A crash here leaves a spool file that nothing waits for; the next run sweeps it away.
        bundle_key = layout.dialects_key(self.dialects)
        session.journal.keep(bundle_key, self.bundle)
        key, envelope = self._seal(identity, statement, payload, written)
        envelope = session.keep(key, envelope)
        # A crash from here on leaves statement, dialects and table, of which the next run makes all that follows.
        session.everywhere(lambda vault: deliver.place_kept(session, vault, envelope))
        session.enter(key, envelope)
        # A crash here leaves a spool file that nothing waits for; the next run sweeps it away.
        written.file.path.unlink(missing_ok=True)
        named, file = _named(predicate), written.file
        derived_key = layout.derived_key(tables.EVENTS[0], identity)
        return Derived(
            named.batch, named.source, named.records, named.raw_bytes, identity, derived_key, written.rows, file.size
        )

    def _write(self, identity: str, predicate: BatchPredicate, statement: Statement) -> WrittenTable:
        def read() -> Iterator[object]:
            return self.archive.batch_rows(statement, columns=COLUMNS)

        table, version = tables.EVENTS
        metadata = {
            "archiver.format": "1",
            "archiver.archive_id": predicate.archive_id,
            "archiver.table": table,
            "archiver.table_version": str(version),
            "archiver.derivation": identity,
            "archiver.batch": predicate.id,
            "archiver.dialects": self.dialects,
        }
        path = self.session.state.spool / f"{identity}.parquet"
        return write_table(path, tables.DERIVED[tables.EVENTS], self.choosing.rows(predicate, read), metadata)

    def _seal(self, identity: str, statement: Statement, payload: str, written: WrittenTable) -> tuple[str, bytes]:
        table, version = tables.EVENTS
        predicate = DerivationPredicate(
            **self.session.seal.common(identity),
            batch=statement.id,
            batch_sha256=statement.subject[0].digest.sha256,
            statement_sha256=payload,
            table=table,
            table_version=version,
            rows=written.rows,
            size=written.file.size,
            dialects=self.dialects,
            parquet_writer=written.writer,
        )
        subjects = [
            Subject.of(layout.derived_key(table, identity), written.file.sha256),
            Subject.of(layout.dialects_key(self.dialects), self.dialects),
        ]
        return self.session.seal.seal("derivation", subjects, predicate)
