"""The batches of a stream, one after the other: the open one, the file that follows it, and what it is when sealed.

The file of a batch grows while its rows come in. Until the journal names it, it is the next run's to sweep away; from
then on it is delivered. What is withheld lies beside it, in an object sealed for its recipients.

>>> batches.open().begin(item, facts)
>>> batches.offer()
>>> batches.build()
JournaledBatch(identity='20261126T020000Z-2357ea-model_logs-00000000', ...)
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from archiver.flows.snapshot.batch_words import Words, predicate
from archiver.late import dataclass
from archiver.model import layout
from archiver.writer.engine import Engine
from archiver.writer.groups import Indexer
from archiver.writer.hashed_file import Spool
from archiver.writer.journal_words import JournaledBatch
from archiver.writer.leaves import Beside
from archiver.writer.parquet import BatchFile
from archiver.writer.rows import OpenBatch

if TYPE_CHECKING:
    from archiver.writer.sealed import Recipients

__all__ = ["Batches", "Limits"]


@dataclass(frozen=True)
class Limits:
    """When a batch is full."""

    raw_bytes: int
    records: int


class Batches:
    """The open batch of a stream, if there is one, and how it becomes a file in the spool."""

    def __init__(
        self,
        words: Words,
        *,
        number: Callable[[], int],
        spool: Spool,
        limits: Limits,
        random: Callable[[int], bytes],
        index: Indexer,
        engine: Engine,
        beside: Beside | None,
        recipients: Recipients | None,
    ) -> None:
        """Begin with none; `number` says which number the next one has, `random` gives its salt.

        Rows of logs are hashed `beside` this process where that is given and there are many. What is withheld is sealed
        for `recipients`.
        """
        self._words = words
        self._number = number
        self._spool = spool
        self._limits = limits
        self._random = random
        self._index = index
        self._engine = engine
        self._beside = beside
        self._recipients = recipients
        self._compress = ThreadPoolExecutor(1, "compress")
        self._file: BatchFile | None = None
        self.now: OpenBatch | None = None
        """The open batch."""
        self.identity = ""
        """The name of the batch that was opened last."""

    def open(self) -> OpenBatch:
        """Return the open batch, a new one where there is none."""
        if self.now is None:
            self.now = OpenBatch(
                self._spool.folder / f"{self._words.table}.raw",
                salt=self._random(32),
                max_bytes=self._limits.raw_bytes,
                max_rows=self._limits.records,
                beside=self._beside,
            )
            self.identity = layout.batch_id(self._words.snapshot, self._words.table, self._number())
        return self.now

    def offer(self, *, but: int = 0) -> None:
        """Let the row groups that are closed be derived and compressed while further rows come in.

        The last rows of all, as many as `but` says, are not yet as they will be.
        """
        batch = self.now
        if batch is not None:
            batch.flush()
            self._file_of(batch).offer(batch.rows - but)
            batch.hash()  # while groups of these rows are derived and compressed

    def take_back(self, rows: int) -> None:
        """Say that the open batch has only its first `rows` rows now."""
        if self._file is not None:
            self._file.take_back(rows)

    def build(self) -> JournaledBatch | None:
        """Write the open batch to its end, and return what the journal says of it; None where it has no rows."""
        batch = self.now
        if batch is None or not batch.rows:
            self._abandon()
            return None
        batch.flush()
        built = self._file_of(batch).finish(identity=self.identity, archive_id=self._words.archive_id)
        self._file = None  # whole, and from now on the next run's to sweep away, unless the journal names it
        return JournaledBatch.of(
            built.file,
            identity=self.identity,
            key=layout.batch_key(self._words.table, self.identity),
            predicate=predicate(self._words, layout.parse_batch_id(self.identity).number, built),
            sealed=self._sealed(batch),
        )

    def close(self) -> None:
        """Let go of the open batch, which is on record or is given up."""
        if self.now is not None:
            self.now.close()
            self.now = None

    def end(self) -> None:
        """Give an open batch up; no other one follows."""
        self._abandon()
        self._compress.shutdown()
        self.close()

    def _file_of(self, batch: OpenBatch) -> BatchFile:
        """Return the file that follows the open batch."""
        if self._file is None:
            self._file = BatchFile(
                batch,
                self._spool.folder / f"{self.identity}.parquet",
                table=self._words.table,
                index=self._index,
                engine=self._engine,
                thread=self._compress,
                md5=self._spool.md5,
            )
        return self._file

    def _sealed(self, batch: OpenBatch) -> dict[str, object] | None:
        """Seal what is withheld of a batch, and return what the journal says of it."""
        if self._recipients is None:
            return None
        from archiver.writer.sealed import seal_rows  # noqa: PLC0415 - few policies know a quarantine

        place = self._spool.folder / f"{self.identity}.sealed"
        sealed = seal_rows(batch, place, self._recipients, identity=self.identity, archive_id=self._words.archive_id)
        return None if sealed is None else asdict(sealed)

    def _abandon(self) -> None:
        if self._file is not None:
            self._file.abandon()
            self._file = None
