"""What the log of one destination has and that of another has not, by their catalogs.

A log only grows. So how far a catalog is known to have all that another has is noted in it (`note_all_known`), beside
the entry that stands there: of a log of many years, only what came since is compared.

>>> [entry.decode(data).key for data in missing(second, first)]
['statements/batch/20261123T120000Z-0a1b2c-documents-00000000.json']
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from archiver.errors import WorldError
from archiver.proof import merkle

__all__ = ["head_of", "missing", "note_all_known"]

_NOTED: Final = "SELECT value FROM late.meta WHERE name = ?"
_ENTRY: Final = "SELECT entry FROM entries WHERE position = ?"


def missing(late: Path, ahead: Path) -> Iterator[bytes]:
    """Yield the entries of the catalog `ahead` whose statements `late` does not know, in the order of their log.

    Those that nobody wants there (`note_all_known`) are only among them when they are new. A catalog that does not
    exist yet knows nothing.
    """
    if ahead.exists():
        with _compared(late, ahead) as database:
            for _, data in _missing(database, is_known=late.exists(), since=_noted(database, late, ahead)):
                yield data


def note_all_known(late: Path, ahead: Path, is_wanted: Callable[[bytes], bool]) -> None:
    """Note in a catalog up to where it knows all entries of another that are wanted there."""
    if not (late.exists() and ahead.exists()):
        return
    with _compared(late, ahead) as database:
        since = _noted(database, late, ahead)
        (size,) = database.execute("SELECT ifnull(max(position), -1) + 1 FROM entries").fetchone()
        found = (place for place, data in _missing(database, is_known=True, since=since) if is_wanted(data))
        place: int = next(found, size)
        found.close()
        if place > since:
            row = database.execute(_ENTRY, [place - 1]).fetchone()
            words = json.dumps([place, sha256(bytes(row[0])).hexdigest()])
            with closing(sqlite3.connect(late, isolation_level=None)) as noting:
                noting.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_name(ahead), words])


@contextmanager
def _compared(late: Path, ahead: Path) -> Iterator[sqlite3.Connection]:
    """Open one catalog, and beside it the other where there is one, for reading only."""
    try:
        with closing(sqlite3.connect(_read_only(ahead), uri=True)) as database:
            if late.exists():
                database.execute("ATTACH ? AS late", [_read_only(late)])
            yield database
    except sqlite3.DatabaseError as problem:
        raise WorldError(
            "catalog-unreadable", f"{ahead}, {late}: {problem}", hint="run `archiver catalog rebuild`, it loses nothing"
        ) from problem


def _missing(database: sqlite3.Connection, *, is_known: bool, since: int) -> Iterator[tuple[int, bytes]]:
    known = "AND key NOT IN (SELECT key FROM late.entries)" if is_known else ""
    query = f"SELECT position, entry FROM entries WHERE position >= ? {known} ORDER BY position"  # noqa: S608 - one of two constants
    for place, data in database.execute(query, [since]):
        yield place, bytes(data)


def _noted(database: sqlite3.Connection, late: Path, ahead: Path) -> int:
    """Return up to where all is known to be known; 0 where that was noted of another log."""
    row = database.execute(_NOTED, [_name(ahead)]).fetchone() if late.exists() else None
    if row is None:
        return 0
    place, digest = json.loads(row[0])
    last = database.execute(_ENTRY, [place - 1]).fetchone()
    return place if last is not None and sha256(bytes(last[0])).hexdigest() == digest else 0


def _name(ahead: Path) -> str:
    return f"has-all-of {ahead.name}"


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
