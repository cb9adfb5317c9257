"""The temporary database of a judgement: everything that grows with the archive lies in it, not in memory.

It is deleted with its folder, so it keeps no journal and is one long transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Distinct", "make_tables", "scratch_database"]

_CACHE_KIB: Final = 64 << 10


@contextmanager
def scratch_database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database in a folder that will be deleted."""
    database = sqlite3.connect(folder / "judge.sqlite", isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN")
        yield database
    finally:
        database.close()


def make_tables(database: sqlite3.Connection, schema: str) -> None:
    """Create tables without ending the transaction, as `executescript` would."""
    for statement in schema.split(";"):
        database.execute(statement)


class Distinct:
    """Counts different digests: in memory up to a number of them, and in the database beyond it.

    >>> distinct = Distinct(database)
    >>> distinct.add([b"one", b"other", b"one"])
    >>> distinct.count()
    2
    """

    def __init__(self, database: sqlite3.Connection, in_memory: int = 100_000) -> None:
        """Make the table."""
        self._db = database
        self._most = in_memory
        self._here: set[bytes] = set()
        self._spilled = False
        make_tables(database, "CREATE TABLE IF NOT EXISTS distincts(digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def clear(self) -> None:
        """Begin anew."""
        self._here.clear()
        if self._spilled:
            self._db.execute("DELETE FROM distincts")
        self._spilled = False

    def add(self, digests: Iterable[bytes]) -> None:
        """Take digests in."""
        self._here.update(digests)
        if len(self._here) > self._most:
            self._spill()

    def count(self) -> int:
        """Return how many different ones there were."""
        if not self._spilled:
            return len(self._here)
        self._spill()
        return int(self._db.execute("SELECT count(*) FROM distincts").fetchone()[0])

    def _spill(self) -> None:
        self._db.executemany("INSERT OR IGNORE INTO distincts VALUES(?)", [(one,) for one in self._here])
        self._here.clear()
        self._spilled = True
