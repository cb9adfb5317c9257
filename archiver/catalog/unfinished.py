"""Which snapshots have batches and no statement of their own: kept while statements come in, as nearly all have one.

They lie in `meta`, a row each, and beside them of how many entries that is so. Where the catalog knows others, another
release has written to it: then all batches are asked, and whoever opens it for writing begins anew (`keep`).

>>> began(cursor, "20261123T120000Z-0a1b2c")
>>> unfinished(database)
{'20261123T120000Z-0a1b2c': 'host'}
"""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["began", "ended", "keep", "kept", "unfinished"]

_KEPT_OF: Final = "unfinished-kept"
_NAME: Final = "unfinished "
_KEPT: Final = "SELECT substr(name, 12) FROM meta WHERE name > 'unfinished ' AND name < 'unfinished!'"
_OF_ALL: Final = (
    "WITH RECURSIVE one(id) AS (SELECT min(snapshot) FROM batches UNION ALL "
    "SELECT (SELECT min(snapshot) FROM batches WHERE snapshot > one.id) FROM one WHERE one.id IS NOT NULL) "
    "SELECT one.id FROM one WHERE one.id IS NOT NULL EXCEPT SELECT snapshots.id FROM snapshots"
)
"""From one snapshot to the next: there are many batches to each."""


def keep(database: sqlite3.Connection) -> None:
    """Keep them from now on, if that is not done already."""
    if _are_kept(database):
        return
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM meta WHERE name > 'unfinished ' AND name < 'unfinished!'")
    database.execute(f"INSERT INTO meta SELECT ? || id, '' FROM ({_OF_ALL})", [_NAME])  # noqa: S608 - constants
    database.execute(
        "INSERT OR REPLACE INTO meta SELECT ?, ifnull(max(position), -1) + 1 FROM entries",
        [_KEPT_OF],
    )
    database.execute("COMMIT")


def began(cursor: sqlite3.Cursor, snapshot: str) -> None:
    """Take in that a snapshot has a batch."""
    cursor.execute(
        "INSERT OR IGNORE INTO meta SELECT ?, '' WHERE NOT EXISTS (SELECT 1 FROM snapshots WHERE id = ?)",
        [_NAME + snapshot, snapshot],
    )


def ended(cursor: sqlite3.Cursor, snapshot: str) -> None:
    """Take in that a snapshot has its statement."""
    cursor.execute("DELETE FROM meta WHERE name = ?", [_NAME + snapshot])


def kept(cursor: sqlite3.Cursor, size: int) -> None:
    """Note that they are kept for so many entries, the last of which is being taken in."""
    cursor.execute("UPDATE meta SET value = ? WHERE name = ? AND value = ?", [str(size), _KEPT_OF, str(size - 1)])


def unfinished(database: sqlite3.Connection) -> dict[str, str]:
    """Return them with the host that wrote the last batch of each, in the order of these batches."""
    which = _KEPT if _are_kept(database) else _OF_ALL
    query = (
        f"SELECT snapshot, host, max(position) AS last FROM batches WHERE snapshot IN ({which}) "  # noqa: S608 - constants
        "GROUP BY snapshot ORDER BY last"
    )
    return {snapshot: host for snapshot, host, _ in database.execute(query)}


def _are_kept(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT value FROM meta WHERE name = ?", [_KEPT_OF]).fetchone()
    size: int = database.execute("SELECT ifnull(max(position), -1) + 1 FROM entries").fetchone()[0]
    return found is not None and found[0] == str(size)
