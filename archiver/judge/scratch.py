"""The temporary database of a judgement: everything that grows with the archive lies in it, not in memory.

It is deleted with its folder, so it keeps no journal and is one long transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["make_tables", "scratch_database"]

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
