"""What a run had done when it was killed (state folder, `journal.sqlite`).

The journal belongs to one unfinished snapshot. A batch enters it in one transaction with the lines of the items that
its rows complete, after its spool file is on disk; so whatever the journal names, exists. A batch is never rebuilt:
its spool file is put again until the log has it. Lines keep the order in which they were entered.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Journal", "JournaledBatch", "Line", "Progress", "Run"]

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS run (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), words TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, words TEXT NOT NULL, logged INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS envelopes (
    key TEXT PRIMARY KEY, place INTEGER NOT NULL, envelope BLOB NOT NULL, logged INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS envelopes_of (key TEXT PRIMARY KEY, destination TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lines (
    place INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, path TEXT NOT NULL, item TEXT NOT NULL UNIQUE,
    line BLOB NOT NULL, mime TEXT, custodian TEXT, new_bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS progress (item TEXT PRIMARY KEY, words TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Run:
    """The unfinished snapshot: its id, when it began, under which policy, of which sources, and the log as it was."""

    snapshot: str
    started: str
    policy_sha256: str
    log_size_at_start: int
    previous: str | None
    sources: list[str]


@dataclass(frozen=True)
class JournaledBatch:
    """A batch whose spool file is finished; `words` are the statement's words that do not need a receipt."""

    id: str
    key: str
    spool: str
    sha256: str
    size: int
    predicate: dict[str, object]
    sealed: dict[str, Any] | None = None
    """The words of a `SealedFile`, where rows of the batch are withheld."""

    @property
    def files(self) -> set[str]:
        """Its files in the spool."""
        return {self.spool} if self.sealed is None else {self.spool, str(self.sealed["spool"])}


class Line(NamedTuple):
    """A line of the items table with the two index columns that are not in it."""

    source: str
    path: str
    item: str
    line: bytes
    mime: str | None
    custodian: str | None
    new_bytes: int = 0


@dataclass(frozen=True)
class Progress:
    """Rows of an item that are in finished batches while the item itself is not finished yet."""

    item: str
    rows: int
    size: int
    prefix_sha256: str
    parts: list[tuple[str, int, int, bool]]


class Journal:
    """The journal of one state folder."""

    def __init__(self, path: Path) -> None:
        """Open or create it."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._may_progress = self._db.execute("SELECT 1 FROM progress LIMIT 1").fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def run(self) -> Run | None:
        """Return the unfinished snapshot, None when there is none."""
        row = self._db.execute("SELECT words FROM run").fetchone()
        return Run(**json.loads(row[0])) if row else None

    def begin(self, run: Run) -> None:
        """Begin a snapshot; the journal must be clear."""
        self._db.execute("INSERT INTO run VALUES (1, ?)", [json.dumps(asdict(run))])

    def clear(self) -> None:
        """Forget the snapshot, after its statement is in the log; what waits for a destination stays."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            for table in ("run", "batches", "lines", "progress"):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
            cursor.execute("DELETE FROM envelopes WHERE logged = 1")
            cursor.execute("DELETE FROM envelopes_of WHERE key NOT IN (SELECT key FROM envelopes)")
            cursor.execute("COMMIT")

    def enter(self, batch: JournaledBatch | None, lines: Iterable[Line], progress: Progress | None = None) -> None:
        """Enter a finished batch, the items it completes and the item it ends in, all or nothing."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            if batch is not None:
                cursor.execute(
                    "INSERT INTO batches (id, place, words) SELECT ?, count(*), ? FROM batches",
                    [batch.id, json.dumps(asdict(batch))],
                )
            cursor.executemany(f"INSERT INTO lines ({_LINE}) VALUES (?, ?, ?, ?, ?, ?, ?)", lines)  # noqa: S608 - a constant
            # The one item that may be in both has just been entered; progress never holds more than a handful.
            cursor.execute("DELETE FROM progress WHERE EXISTS (SELECT 1 FROM lines WHERE lines.item = progress.item)")
            if progress is not None:
                self._may_progress = True
                words = json.dumps(asdict(progress))
                cursor.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", [progress.item, words])
            cursor.execute("COMMIT")

    def has_line(self, item: str) -> bool:
        """Say whether an item is accounted for already."""
        return self._db.execute("SELECT 1 FROM lines WHERE item = ?", [item]).fetchone() is not None

    def has_lines(self) -> bool:
        """Say whether any item is accounted for already."""
        return self._db.execute("SELECT 1 FROM lines LIMIT 1").fetchone() is not None

    def without_lines(self, items: Iterable[str]) -> list[str]:
        """Return those of some items that are not accounted for, in their order."""
        asked = json.dumps(list(items))
        query = "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM lines WHERE item = value) ORDER BY key"
        return [text for (text,) in self._db.execute(query, [asked])]

    def line(self, item: str) -> Line | None:
        """Return the line of an item."""
        row = self._db.execute(f"SELECT {_LINE} FROM lines WHERE item = ?", [item]).fetchone()  # noqa: S608 - a constant
        return Line(*row) if row else None

    def lines(self) -> Iterator[Line]:
        """Yield all lines in the order of their entry."""
        for row in self._db.execute(f"SELECT {_LINE} FROM lines ORDER BY place"):  # noqa: S608 - a constant
            yield Line(*row)

    def progress(self, item: str) -> Progress | None:
        """Return how far an unfinished item had come."""
        if not self._may_progress:  # the rule: asked of every item
            return None
        row = self._db.execute("SELECT words FROM progress WHERE item = ?", [item]).fetchone()
        return Progress(**json.loads(row[0])) if row else None

    def drop_progress(self, item: str) -> None:
        """Forget an item's finished rows: its bytes have changed since, and the rows are leftovers now."""
        self._db.execute("DELETE FROM progress WHERE item = ?", [item])

    def unlogged_batches(self) -> list[JournaledBatch]:
        """Return the batches that are not in the log yet, oldest first."""
        rows = self._db.execute("SELECT words FROM batches WHERE logged = 0 ORDER BY place").fetchall()
        return [JournaledBatch(**json.loads(words)) for (words,) in rows]

    def batch_logged(self, batch: str) -> None:
        """Note that the log has the batch."""
        self._db.execute("UPDATE batches SET logged = 1 WHERE id = ?", [batch])

    def keep(self, key: str, envelope: bytes, *, only: str | None = None) -> bytes:
        """Keep a signed envelope and return the one that counts: a statement is signed once, and put as those bytes.

        `only` names the one destination whose log it is for.
        """
        if only is not None:
            self._db.execute("INSERT OR IGNORE INTO envelopes_of VALUES (?, ?)", [key, only])
        self._db.execute(
            "INSERT INTO envelopes (key, place, envelope) SELECT ?, count(*), ? FROM envelopes WHERE true "
            "ON CONFLICT DO NOTHING",
            [key, envelope],
        )
        return bytes(self._db.execute("SELECT envelope FROM envelopes WHERE key = ?", [key]).fetchone()[0])

    def kept(self, key: str) -> bytes | None:
        """Return the kept envelope of a statement."""
        row = self._db.execute("SELECT envelope FROM envelopes WHERE key = ?", [key]).fetchone()
        return bytes(row[0]) if row else None

    def unlogged_envelopes(self) -> list[tuple[str, bytes, str | None]]:
        """Return the envelopes that are not in the log yet, oldest first, each with the one destination it is for."""
        return list(
            self._db.execute(
                "SELECT key, envelope, destination FROM envelopes LEFT JOIN envelopes_of USING (key) "
                "WHERE logged = 0 ORDER BY place"
            )
        )

    def envelope_logged(self, key: str) -> None:
        """Note that the log has the statement."""
        self._db.execute("UPDATE envelopes SET logged = 1 WHERE key = ?", [key])

    def count(self, table: str) -> int:
        """Return the number of batches of a table so far, which is the next one's number."""
        return int(
            self._db.execute("SELECT count(*) FROM batches WHERE id LIKE ?", [f"%-{table}-________"]).fetchone()[0]
        )


_LINE: Final = "source, path, item, line, mime, custodian, new_bytes"
