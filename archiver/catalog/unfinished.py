"""Which snapshots have batches and no statement of their own: kept while statements come in, as nearly all have one.

They lie in `meta`, a row each with the position and the host of its last batch, and beside them of how many entries
that is so. Where the catalog knows others, another release has written to it: then all batches are asked, and whoever
opens it for writing begins anew (`keep`).

>>> began(cursor, "20261123T120000Z-0a1b2c", 7, "host")
>>> unfinished(database)
{'20261123T120000Z-0a1b2c': 'host'}
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

__all__ = ["began", "ended", "keep", "kept", "unfinished"]

_KEPT_OF: Final = "unfinished-with-hosts"
_NAME: Final = "unfinished "
_OF_ALL: Final = (
    "WITH RECURSIVE one(id) AS (SELECT min(snapshot) FROM batches UNION ALL "
    "SELECT (SELECT min(snapshot) FROM batches WHERE snapshot > one.id) FROM one WHERE one.id IS NOT NULL) "
    "SELECT snapshot, max(position), host FROM batches "
    "WHERE snapshot IN (SELECT one.id FROM one EXCEPT SELECT snapshots.id FROM snapshots) GROUP BY snapshot"
)
"""From one snapshot to the next: there are many batches to each."""


def keep(database: sqlite3.Connection) -> None:
    """Keep them from now on, if that is not done already."""
    if _are_kept(database):
        return
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM meta WHERE name > 'unfinished ' AND name < 'unfinished!'")
    for snapshot, position, host in database.execute(_OF_ALL).fetchall():
        _note(database, snapshot, position, host)
    database.execute(
        "INSERT OR REPLACE INTO meta SELECT ?, ifnull(max(position), -1) + 1 FROM entries",
        [_KEPT_OF],
    )
    database.execute("COMMIT")


def began(cursor: sqlite3.Cursor, snapshot: str, position: int, host: str) -> None:
    """Take in that a snapshot has a batch, by the last one's position and host."""
    if cursor.execute("SELECT 1 FROM snapshots WHERE id = ?", [snapshot]).fetchone() is None:
        _note(cursor, snapshot, position, host)


def ended(cursor: sqlite3.Cursor, snapshot: str) -> None:
    """Take in that a snapshot has its statement."""
    cursor.execute("DELETE FROM meta WHERE name = ?", [_NAME + snapshot])


def kept(cursor: sqlite3.Cursor, size: int) -> None:
    """Note that they are kept for so many entries, the last of which is being taken in."""
    cursor.execute("UPDATE meta SET value = ? WHERE name = ? AND value = ?", [str(size), _KEPT_OF, str(size - 1)])


def unfinished(database: sqlite3.Connection) -> dict[str, str]:
    """Return them with the host that wrote the last batch of each, in the order of these batches."""
    found = _kept(database) if _are_kept(database) else database.execute(_OF_ALL)
    return {snapshot: host for snapshot, _, host in sorted(found, key=itemgetter(1))}


def _kept(database: sqlite3.Connection) -> Iterator[tuple[str, int, str]]:
    query = "SELECT name, value FROM meta WHERE name > 'unfinished ' AND name < 'unfinished!'"
    for name, value in database.execute(query):
        yield name.removeprefix(_NAME), *json.loads(value)


def _note(database: sqlite3.Connection | sqlite3.Cursor, snapshot: str, position: int, host: str) -> None:
    words = json.dumps([position, host])
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_NAME + snapshot, words])


def _are_kept(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT value FROM meta WHERE name = ?", [_KEPT_OF]).fetchone()
    size: int = database.execute("SELECT ifnull(max(position), -1) + 1 FROM entries").fetchone()[0]
    return found is not None and found[0] == str(size)
