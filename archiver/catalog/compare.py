"""What the log of one destination has and that of another has not, by their catalogs.

>>> [entry.decode(data).key for data in missing(second, first)]
['statements/batch/20261123T120000Z-0a1b2c-documents-00000000.json']
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from archiver.errors import WorldError
from archiver.proof import merkle

__all__ = ["head_of", "missing"]


def missing(late: Path, ahead: Path) -> Iterator[bytes]:
    """Yield the entries of the catalog `ahead` whose statements `late` does not know, in the order of their log.

    A catalog that does not exist yet knows nothing.
    """
    if not ahead.exists():
        return
    try:
        with closing(sqlite3.connect(_read_only(ahead), uri=True)) as database:
            known = ""
            if late.exists():
                database.execute("ATTACH ? AS late", [_read_only(late)])
                known = "WHERE key NOT IN (SELECT key FROM late.entries)"
            for (data,) in database.execute(f"SELECT entry FROM entries {known} ORDER BY position"):  # noqa: S608 - one of two constants
                yield bytes(data)
    except sqlite3.DatabaseError as problem:
        raise WorldError(
            "catalog-unreadable", f"{ahead}, {late}: {problem}", hint="run `archiver catalog rebuild`, it loses nothing"
        ) from problem


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def head_of(path: Path) -> tuple[int, bytes] | None:
    """Return size and root of the log that an index knew, whatever version of the program made it.

    None where that cannot be read.
    """
    frontier = merkle.Frontier()
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True)) as index:
            for row in index.execute("SELECT entry FROM entries ORDER BY position"):
                frontier.append(merkle.leaf_hash(bytes(row[0])))
    except sqlite3.DatabaseError:
        return None
    return frontier.size, frontier.root()
