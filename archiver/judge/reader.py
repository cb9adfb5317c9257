"""An archive as its log describes it, read from the store alone: what `verify` judges and what other flows read.

Laws: nothing in the archive is trusted but through the trust file; the content of a key is what the log commits to;
bytes are hashed before anything parses them; memory does not grow with the archive, everything long lies in a scratch
folder that goes with the archive. What was found wrong is in `findings`; `demand` raises the first of it.

>>> with open_archive(store, trusted) as archive:
...     archive.demand()
...     for line in archive.items("20261123T120000Z-0a1b2c"):
...         print(line.status, line.item.path)
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import EvidenceError, WorldError
from archiver.events import Listener, Stage, silent
from archiver.judge import batches
from archiver.judge.batches import Rows
from archiver.judge.brackets import Brackets
from archiver.judge.columns import raws_of
from archiver.judge.content import Content, Matching
from archiver.judge.far_rows import numbered
from archiver.judge.inventory import Inventory, Role
from archiver.judge.log import Log, Seen, read_log
from archiver.judge.scratch import scratch_database
from archiver.judge.self_trust import trust_of
from archiver.judge.statements import Statements, read_statements
from archiver.judge.timestamps import read_tokens, stamps_of
from archiver.model import layout
from archiver.model.finding import Finding, Severity
from archiver.model.items import ItemLine
from archiver.model.statement import SealedPredicate, Statement
from archiver.model.statement_snapshot import BatchPredicate
from archiver.model.trust import TrustFile
from archiver.stores.base import Store

if TYPE_CHECKING:
    from archiver.judge.sealed import Filler, SealedPlace, Unsealer

__all__ = ["Archive", "open_archive"]


class Archive:
    """One archive, its log and statements read and checked; valid while its context is open."""

    def __init__(
        self,
        store: Store,
        trusted: TrustFile,
        database: sqlite3.Connection,
        folder: Path,
        *,
        unsafe_self_trust: bool,
        seen: Seen | None,
        sealed: SealedPlace | None,
        listener: Listener,
    ) -> None:
        """List the store, read log and statements; see `open_archive`."""
        self.store = store
        self.trusted = trusted
        self.unsafe_self_trust = unsafe_self_trust
        self.database = database
        self.folder = folder
        self.inventory = Inventory(database)
        listener(Stage("list the archive", None, "versions"))
        self.listed = self.inventory.fill(store, listener)
        self.content = Content(store, self.inventory, folder)
        # No statement speaks about README.txt: it is for people, and its oldest version is what it was.
        for place, listed in enumerate(self.inventory.versions(layout.README)):
            self.inventory.take(listed, Role.CACHE if place else Role.CONTENT)
        for group in self.inventory.under(layout.COSIGNATURES):
            for listed in group if layout.is_archive_key(group[0].key) else []:
                self.inventory.take(listed, Role.CACHE)
        listener(Stage("read the log", None, "entries"))
        self.log: Log = read_log(database, self.inventory, self.content, trusted, seen)
        self.tokens = read_tokens(self.inventory, self.content, self.log, trusted)
        self.brackets = Brackets(stamps_of(self.tokens))
        self._statements = read_statements(
            database, self.inventory, self.content, self.log, trusted, brackets=self.brackets
        )

        self.unsealer = None if sealed is None else self._unsealer(sealed, folder)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the log and its statements."""
        return [*self.log.findings, *self._statements.findings]

    def is_unread(self, kind: str | None = None) -> bool:
        """Say whether the log has statements, of a kind, that the store lists and does not hand out: more may exist."""
        below = "" if kind is None else layout.statement_key(kind, "").removesuffix(".json")
        is_unread = self.log.is_unread or self.log.is_unread_ahead
        return is_unread or any(key.startswith(below) for key in self._statements.unread)

    def demand(self) -> None:
        """Raise for the first failed finding about log and statements, and where one is unread: the door for gates."""
        for finding in self.findings:
            if finding.severity is Severity.FAILED:
                raise EvidenceError(
                    finding.code,
                    f"{finding.subject}: expected {finding.expected}, found {finding.actual}",
                    hint=finding.hint or "run `archiver verify` for all findings",
                )
        self.demand_read()

    def demand_read(self, kind: str | None = None) -> None:
        """Raise `WorldError` where something of the log, or of its statements of a kind, could not be read."""
        if self.is_unread(kind):
            finding = next(one for one in self.findings if one.code == "object-unreadable")
            raise WorldError(
                finding.code,
                f"{finding.subject}: expected {finding.expected}, found {finding.actual}",
                hint="look after the store, then run the same command again",
            )

    @property
    def table_of_statements(self) -> Statements:
        """The statements with what the judge keeps beside them."""
        return self._statements

    def statements(self, kind: str | None = None) -> Iterator[tuple[int, Statement, bytes]]:
        """Yield position, statement and envelope bytes of good statements, in log order."""
        return self._statements.all(kind)

    def statement(self, kind: str, identity: str) -> tuple[int, Statement, bytes] | None:
        """Return position, statement and envelope bytes of one good statement, None when the log has none."""
        return self._statements.one(kind, identity)

    def stated(self, batch: str) -> tuple[int, Statement, bytes]:
        """Return the good statement of a batch; raises `EvidenceError` for none, `WorldError` if that is not known."""
        found = self.statement("batch", batch)
        if found is None:
            self.demand_read()
            raise EvidenceError("statement-missing", f"batch {batch}: expected its statement in the log, found none")
        return found

    def object(self, key: str, sha256: str, size: int | None = None) -> AbstractContextManager[BinaryIO]:
        """Open the version of a key that has this SHA-256: checked, seekable; raises `EvidenceError`."""
        return self.content.object(key, sha256, size)

    def batch(self, statement: Statement) -> AbstractContextManager[BinaryIO]:
        """Open the Parquet object of a batch statement: checked, seekable; raises `EvidenceError`."""
        subject = statement.subject[0]
        return self.object(subject.name, subject.digest.sha256, batches.stated_size(statement))

    def matching(self, statement: Statement) -> AbstractContextManager[Matching]:
        """Do the same, and say also which version it is and where its bytes are."""
        subject = statement.subject[0]
        return self.content.matching(subject.name, subject.digest.sha256, batches.stated_size(statement))

    def begin(self, statement: Statement) -> None:
        """Read and hash the object of a batch statement beside what the caller does next; `batch` opens it then."""
        subject = statement.subject[0]
        self.content.begin(subject.name, subject.digest.sha256, batches.stated_size(statement))

    def batch_rows(self, statement: Statement, *, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a batch in order, a few MiB at a time; its schema and metadata were checked."""
        for _, rows in self.numbered_rows(statement, columns=columns):
            yield rows

    def numbered_rows(
        self,
        statement: Statement,
        *,
        columns: Sequence[str] | None = None,
        spans: Sequence[tuple[int, int]] | None = None,
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the same, each with the number of its first row; with `spans`, what of it is far from them is left out.

        They are of rows from one to before another, in order and apart. What is sealed is read as a whole.
        """
        predicate = batches.predicate_of(statement)
        with self.batch(statement) as stream, self._opened(predicate.id) as fill:
            file = batches.open_parquet(stream, predicate)
            found = numbered(file, columns=columns, spans=None if fill else spans)
            for first, rows in batches.made_ahead(file, found):
                yield first, (rows if fill is None or columns is not None else fill.batch(rows))

    def rows(self, file: pq.ParquetFile, batch: str) -> Iterator[Rows]:
        """Yield the evidence of an opened batch's rows; where there is a key, withheld ones with their bytes."""
        with self._opened(batch) as fill:
            for rows in batches.slices(file):
                yield rows if fill is None else fill(rows)

    def sealed(self, batch: str) -> SealedPredicate | None:
        """Return the good statement about the sealed object of a batch."""
        found = self.statement("sealed", batch)
        return found[1].predicate if found is not None and isinstance(found[1].predicate, SealedPredicate) else None

    def _unsealer(self, place: SealedPlace, folder: Path) -> Unsealer:
        from archiver.judge.sealed import Unsealer  # noqa: PLC0415 - few readers open what is sealed

        return Unsealer(place, self.sealed, folder)

    def _opened(self, batch: str) -> AbstractContextManager[Filler | None]:
        return nullcontext() if self.unsealer is None else self.unsealer.opened(batch)

    def items_batches(self, snapshot: str) -> list[Statement]:
        """Return the batch statements of a snapshot's items, in order of their numbers."""
        found = []
        number = 0
        while (one := self.statement("batch", f"{snapshot}-items-{number:08d}")) is not None:
            found.append(one[1])
            number += 1
        return found

    def items(self, snapshot: str) -> Iterator[ItemLine]:
        """Yield the lines of a snapshot's items in order; raises `EvidenceError` for one that is malformed."""
        yield from map(ItemLine.parse, self.item_lines(snapshot))

    def item_lines(self, snapshot: str) -> Iterator[bytes]:
        """Yield the lines of a snapshot's items as they are, in order: nobody looked yet whether they are lines."""
        for statement in self.items_batches(snapshot):
            for record_batch in self.batch_rows(statement, columns=["raw"]):
                yield from raws_of(record_batch.column("raw"))

    def batch_statements(self) -> Iterator[tuple[int, BatchPredicate, Statement]]:
        """Yield position, predicate and statement of every batch, in log order."""
        for position, statement, _ in self.statements("batch"):
            yield position, batches.predicate_of(statement), statement


@contextmanager
def open_archive(
    store: Store,
    trusted: TrustFile | None,
    *,
    scratch: Path | None = None,
    seen: Seen | None = None,
    sealed: SealedPlace | None = None,
    listener: Listener = silent,
) -> Iterator[Archive]:
    """Open the archive of a store for reading.

    Without a trust file the keys are taken from the archive's own first statement: that proves nothing against
    somebody who made the whole archive, and `Archive.unsafe_self_trust` says so. `scratch` takes temporary files (at
    most two batches and an index of the listing). Raises `EvidenceError("archive-empty")` when there is nothing to take
    keys from, and `WorldError` when the store does not answer.
    """
    unsafe_self_trust = trusted is None
    with tempfile.TemporaryDirectory(prefix="archiver-judge-", dir=scratch) as name:
        folder = Path(name)
        with scratch_database(folder) as database:
            archive = Archive(
                store,
                trusted or trust_of(store),
                database,
                folder,
                unsafe_self_trust=unsafe_self_trust,
                seen=seen,
                sealed=sealed,
                listener=listener,
            )
            with closing(archive.content):
                yield archive
