"""The catalog's doors: statements and item lines in, answers out.

It implements what the log's writer needs to remember (`writer.append.LogBook`) and answers `status`, `list` and the
question that makes a second snapshot quick: what was this item when it was last seen?
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from threading import Lock

from archiver.catalog import unfinished
from archiver.catalog.item_index import ItemIndex
from archiver.catalog.log_index import LogIndex
from archiver.catalog.schema import SCHEMA, VERSION
from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.statement import ArchivePredicate, PolicyPredicate, ReceiptPredicate, Statement, parse_statement
from archiver.model.statement_holds import HoldPredicate, ReleasePredicate
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate
from archiver.model.statement_words import ReceiptWords
from archiver.proof import dsse, entry, merkle

__all__ = ["UNCONFIRMED", "BatchRow", "Catalog"]


@dataclass(frozen=True)
class BatchRow:
    """A batch as the catalog knows it; `retain_until` is the highest lock that a statement reports."""

    id: str
    snapshot: str
    source: str
    table: str
    number: int
    records: int
    items: int
    raw_bytes: int
    object_key: str
    object_version: str | None
    object_size: int
    object_sha256: str
    retain_until: str
    host: str
    at: str


_NEVER = "1970-01-01T00:00:00Z"
"""Until when a batch is locked for which no receipt of this destination is known yet."""
UNCONFIRMED = "1970-01-01T00:00:01Z"
"""Batches `below` this have no receipt of this destination; one whose receipt has no date is held until it."""
_BATCH = (
    "id, snapshot, source, tbl, number, records, items, raw_bytes, object_key, object_version, object_size, "
    "object_sha256, retain_until, host, at"
)
_BATCH_OF = ", ".join(f"batches.{name}" for name in _BATCH.split(", "))

_OF_THE_LOG = ("meta", "entries", "statements", "batches", "snapshots")
_IN_NO_FILE = (Path(), Path(":memory:"))
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class _OtherVersionError(sqlite3.DatabaseError):
    """The index is one that another version of the program made."""


class Catalog(ItemIndex, LogIndex):
    """The index of one archive."""

    def __init__(
        self,
        path: Path | str,
        *,
        read_only: bool = False,
        mine: Callable[[ReceiptWords], bool] = lambda _receipt: True,
    ) -> None:
        """Open or create the index at `path`; `":memory:"` and `""` (a temporary file) are SQLite's own.

        `mine` says which receipts speak about the destination whose log this is.
        """
        self.path = Path(path)
        self._mine = mine
        self._turn = Lock()
        target = f"{Path(path).absolute().as_uri()}?mode=ro" if read_only else str(path)
        try:
            with ExitStack() as opened:
                self._db = sqlite3.connect(target, uri=read_only or not target, isolation_level=None)
                opened.callback(self._db.close)
                self._refuse_other_version(read_only=read_only)
                if not read_only:
                    self._db.executescript(SCHEMA)
                    self._db.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", [str(VERSION)])
                    unfinished.keep(self._db)
                opened.pop_all()  # what fails before this leaves no file open
        except _OtherVersionError as problem:
            raise WorldError(
                "catalog-version",
                f"{path}: {problem}",
                hint="run `archiver catalog rebuild`, it loses nothing; the next snapshot does it by itself",
            ) from problem
        except sqlite3.DatabaseError as problem:
            if isinstance(problem, sqlite3.OperationalError) and problem.sqlite_errorcode & 0xFF in _OF_THE_DISK:
                raise  # no fault of the index: who opens the state folder says what is wrong with its disk
            raise WorldError(
                "catalog-unreadable", f"{path}: {problem}", hint="run `archiver catalog rebuild`, it loses nothing"
            ) from problem

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def copied(self) -> Catalog:
        """Return a copy in a temporary file, which may go on from here; what was last said of items is not in it.

        These may be a million, and the log is all that a copy is for. One that lies in no file has few.
        """
        fresh = Catalog("")
        if self.path in _IN_NO_FILE:
            self._db.backup(fresh._db)
            return fresh
        with ExitStack() as opened:
            opened.callback(fresh.close)
            fresh._db.execute("ATTACH ? AS known", [f"{self.path.absolute().as_uri()}?mode=ro"])
            with fresh.block():  # one look at the other file, whoever writes there
                for table in _OF_THE_LOG:
                    fresh._db.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM known.{table}")  # noqa: S608 - constants
            fresh._db.execute("DETACH known")
            opened.pop_all()
        return fresh

    # What the log says

    def absorb(self, index: int, data: bytes, statement: Statement | None, envelope: bytes) -> None:
        """Take in the entry at `index`, which must be the next one, and what its statement says."""
        if index != self.log_size():
            raise WorldError("catalog-order", f"catalog: expected entry {self.log_size()}, found {index}")
        key, _ = entry.decode(data)
        frontier = self.frontier()
        frontier.append(merkle.leaf_hash(data))
        with self.block(), closing(self._db.cursor()) as cursor:
            cursor.execute("INSERT INTO entries VALUES (?, ?, ?)", [index, key, data])
            hashes = json.dumps([value.hex() for value in frontier.hashes])
            cursor.execute("INSERT OR REPLACE INTO meta VALUES ('frontier', ?)", [hashes])
            unfinished.kept(cursor, index + 1)
            if statement is not None:
                self._absorb_statement(cursor, index, statement, envelope)

    def _absorb_statement(self, cursor: sqlite3.Cursor, index: int, statement: Statement, envelope: bytes) -> None:
        predicate = statement.predicate
        if isinstance(predicate, BatchPredicate):
            _insert_batch(cursor, index, statement, next(filter(self._mine, predicate.receipts), None))
            unfinished.began(cursor, predicate.snapshot, index, predicate.by.host)
            return
        payload = dsse.open_envelope(envelope).payload
        cursor.execute(
            "INSERT INTO statements VALUES (?, ?, ?, ?, ?)",
            [index, statement.kind, statement.id, predicate.at, payload],
        )
        if isinstance(predicate, SnapshotPredicate):
            row = [predicate.id, index, predicate.status, predicate.finished]
            cursor.execute("INSERT INTO snapshots (id, position, status, finished) VALUES (?, ?, ?, ?)", row)
            unfinished.ended(cursor, predicate.id)
        if isinstance(predicate, ReceiptPredicate):
            self._take_receipts(cursor, predicate.receipts)

    def _take_receipts(self, cursor: sqlite3.Cursor, receipts: Iterable[ReceiptWords]) -> None:
        """Take in what a destination confirmed later: a raised lock, or that it has the object at all."""
        known = (
            (one.retain_until or UNCONFIRMED, one.version, one.size, one.key, one.retain_until or UNCONFIRMED)
            for one in receipts
            if self._mine(one)
        )
        cursor.executemany(
            "UPDATE batches SET retain_until = ?, object_version = ifnull(object_version, ?), "
            "object_size = max(object_size, ?) WHERE object_key = ? AND retain_until < ?",
            known,
        )

    # Holds

    def holds(self, *, of_all: bool = False) -> dict[str, str]:
        """Return the latest date of each matter that a `hold` statement has extended, or one whose scope is `all`."""
        found: dict[str, str] = {}
        for _, statement in self.statements("hold"):
            if isinstance(statement.predicate, HoldPredicate) and (not of_all or statement.predicate.scope == "all"):
                one = statement.predicate
                found[one.matter] = max(one.to, found.get(one.matter, ""))
        return found

    def releases(self) -> dict[str, ReleasePredicate]:
        """Return the newest release of each matter that was released."""
        return {
            statement.predicate.matter: statement.predicate
            for _, statement in self.statements("release")
            if isinstance(statement.predicate, ReleasePredicate)
        }

    def absorb_receipts(self, position: int, receipts: Iterable[ReceiptWords]) -> None:
        """Take in the receipts of a report that the statement at `position` is about."""
        with self.block(), closing(self._db.cursor()) as cursor:
            self._take_receipts(cursor, receipts)
            cursor.execute("INSERT OR REPLACE INTO meta VALUES ('reports-known', ?)", [str(position)])

    def receipt_reports(self) -> list[tuple[int, str, str]]:
        """Return position, key and SHA-256 of the reports of receipts that have not been taken in, in log order."""
        known = int(self._one("SELECT value FROM meta WHERE name = 'reports-known'", default=-1))
        return [
            (position, statement.subject[0].name, statement.subject[0].digest.sha256)
            for position, statement in self.statements("receipt", first=known + 1)
            if statement.subject[0].name.startswith(layout.REPORTS)
        ]

    def committed(self, key: str) -> str | None:
        """Return the SHA-256 that the log states for an entry, a statement or a batch; None for anything else."""
        if key.startswith(layout.ENTRIES):
            found = self.entries(int(key.removeprefix(layout.ENTRIES)), 1) if layout.is_archive_key(key) else []
            return sha256(found[0]).hexdigest() if found else None
        row = self._db.execute("SELECT entry FROM entries WHERE key = ?", [key]).fetchone()
        if row is not None:
            return entry.decode(bytes(row[0])).sha256
        row = self._db.execute("SELECT object_sha256 FROM batches WHERE object_key = ?", [key]).fetchone()
        return None if row is None else str(row[0])

    def is_named(self, key: str) -> bool:
        """Say whether any statement but those of batches has a key among its words; of the newest it is known soon."""
        found = self._db.execute(
            "SELECT 1 FROM statements WHERE instr(payload, CAST(? AS BLOB)) ORDER BY position DESC LIMIT 1", [key]
        )
        return found.fetchone() is not None

    # Statements

    def counts_by_status(self) -> dict[str, int]:
        """Return how many items of the newest finished snapshot have each status, as its statement says."""
        newest = self.last_snapshot()
        found: Counter[str] = Counter()
        for source in newest.sources if newest else ():
            found.update({name: count for name, count in source.counts.model_dump().items() if name != "seen"})
        return {name: count for name, count in sorted(found.items()) if count}

    def archive(self) -> ArchivePredicate | None:
        """Return the archive's own statement."""
        predicate = self._newest_predicate("archive")
        return predicate if isinstance(predicate, ArchivePredicate) else None

    def policy(self) -> PolicyPredicate | None:
        """Return the policy statement in force."""
        predicate = self._newest_predicate("policy")
        return predicate if isinstance(predicate, PolicyPredicate) else None

    def last_snapshot(self) -> SnapshotPredicate | None:
        """Return the newest snapshot that was finished, complete or not."""
        row = self._db.execute(
            "SELECT id FROM snapshots WHERE status != 'aborted' ORDER BY position DESC LIMIT 1"
        ).fetchone()
        return self.snapshot(row[0]) if row else None

    def last_success(self) -> SnapshotPredicate | None:
        """Return the newest snapshot that was complete."""
        query = "SELECT id FROM snapshots WHERE status = 'complete' ORDER BY position DESC LIMIT 1"
        row = self._db.execute(query).fetchone()
        return self.snapshot(row[0]) if row else None

    def snapshot(self, identity: str) -> SnapshotPredicate | None:
        """Return a snapshot's statement."""
        row = self._db.execute(
            "SELECT payload FROM statements JOIN snapshots USING (position) WHERE snapshots.id = ?", [identity]
        ).fetchone()
        predicate = parse_statement(bytes(row[0])).predicate if row else None
        return predicate if isinstance(predicate, SnapshotPredicate) else None

    def statements(
        self, kind: str | None = None, *, first: int = 0, newest_first: bool = False
    ) -> Iterator[tuple[int, Statement]]:
        """Yield the known statements except those of batches, from a position on, in log order or from its end."""
        order = "DESC" if newest_first else "ASC"
        which, of_kind = ("", []) if kind is None else ("kind = ? AND", [kind])
        query = f"SELECT position, payload FROM statements WHERE {which} position >= ? ORDER BY position {order}"  # noqa: S608 - constants
        for position, payload in self._db.execute(query, [*of_kind, first]):
            yield position, parse_statement(bytes(payload))

    def dates_ever(self) -> dict[str, str]:
        """Return the latest date that a policy in this log ever named for each matter, also for one that is gone."""
        found: dict[str, str] = {}
        for _, statement in self.statements("policy"):
            if isinstance(statement.predicate, PolicyPredicate):
                for one in statement.predicate.matters:
                    found[one.id] = max(one.retain_until, found.get(one.id, ""))
        return found

    def sources_ever(self) -> set[str]:
        """Return the ids of all sources that a policy in this log ever had."""
        predicates = (statement.predicate for _, statement in self.statements("policy"))
        return {
            source.id
            for predicate in predicates
            if isinstance(predicate, PolicyPredicate)
            for source in predicate.sources
        }

    # Batches

    def batches(self, snapshot: str | None = None) -> Iterator[BatchRow]:
        """Yield batches in log order."""
        which, of_snapshot = ("", []) if snapshot is None else ("WHERE snapshot = ?", [snapshot])
        query = f"SELECT {_BATCH} FROM batches {which} ORDER BY position"  # noqa: S608 - constants
        for row in self._db.execute(query, of_snapshot):
            yield BatchRow(*row)

    def batch(self, identity: str) -> BatchRow | None:
        """Return one batch."""
        row = self._db.execute(f"SELECT {_BATCH} FROM batches WHERE id = ?", [identity]).fetchone()  # noqa: S608 - a constant
        return BatchRow(*row) if row else None

    def knows_object(self, key: str) -> bool:
        """Say whether a batch statement names this object."""
        return self._db.execute("SELECT 1 FROM batches WHERE object_key = ?", [key]).fetchone() is not None

    def unfinished_snapshots(self) -> dict[str, str]:
        """Return the snapshots that have batches and no statement of their own, with the host that wrote last."""
        return unfinished.unfinished(self._db)

    def below(self, retain_until: str) -> list[BatchRow]:
        """Return the batches whose reported lock ends before an instant."""
        query = f"SELECT {_BATCH} FROM batches WHERE retain_until < ? ORDER BY position"  # noqa: S608 - a constant
        return [BatchRow(*row) for row in self._db.execute(query, [retain_until])]

    def below_each(self, retain_until: Mapping[str, str]) -> list[BatchRow]:
        """Return the batches of these sources whose reported lock ends before an instant of each."""
        query = (
            f"SELECT {_BATCH_OF} FROM json_each(?) AS asked CROSS JOIN batches"  # noqa: S608 - a constant
            " ON batches.source = asked.key AND batches.retain_until < asked.value ORDER BY position"
        )
        return [BatchRow(*row) for row in self._db.execute(query, [json.dumps(retain_until)])]

    def totals(self) -> dict[str, int]:
        """Return numbers of batches, records, raw bytes and stored bytes."""
        row = self._db.execute(
            "SELECT count(*), ifnull(sum(records), 0), ifnull(sum(raw_bytes), 0), ifnull(sum(object_size), 0) "
            "FROM batches"
        ).fetchone()
        return dict(zip(("batches", "records", "raw_bytes", "stored_bytes"), row, strict=True))

    def _newest_predicate(self, kind: str) -> object:
        row = self._db.execute(
            "SELECT payload FROM statements WHERE kind = ? ORDER BY position DESC LIMIT 1", [kind]
        ).fetchone()
        return parse_statement(bytes(row[0])).predicate if row else None

    def _refuse_other_version(self, *, read_only: bool) -> None:
        """Look before anything is made: what this version would add to another's tables helps nobody."""
        is_there = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is not None
        found = self._one("SELECT value FROM meta WHERE name = 'version'", default="") if is_there else ""
        if found != str(VERSION) and (found or read_only):
            raise _OtherVersionError(f"expected version {VERSION}, found {found or 'none'}")


def _insert_batch(cursor: sqlite3.Cursor, index: int, statement: Statement, receipt: ReceiptWords | None) -> None:
    predicate = statement.predicate
    assert isinstance(predicate, BatchPredicate)
    held = predicate.hold.retain_until if not predicate.receipts else _NEVER
    held = receipt.retain_until or predicate.hold.retain_until if receipt else held
    row = [
        predicate.id, index, predicate.snapshot, predicate.source, predicate.table, predicate.number, predicate.records,
        predicate.items, predicate.raw_bytes, statement.subject[0].name, receipt.version if receipt else None,
        receipt.size if receipt else 0, statement.subject[0].digest.sha256, held, predicate.by.host, predicate.at,
    ]  # fmt: skip
    cursor.execute(f"INSERT INTO batches VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - placeholders only
