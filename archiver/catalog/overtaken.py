"""Lines that come late: of a snapshot behind which, in the log, the lines of another one were taken in before.

A run takes in its own lines as it ends, and those of a snapshot that another host finished meanwhile when the next run
begins. The law: in whatever order snapshots are taken in, the catalog knows what it would know after a rebuild, which
takes them in in the order of the log. That order is one for all hosts; times in lines are words of each one's clock. So
a late line counts where no later one is known of its item; and where that one says nothing of content, a late line
that does is what is archived of the item (`kept`), unless a later such line is known, too.

>>> if overtaken.is_so(cursor, snapshot):
...     overtaken.enter(cursor, snapshot, rows)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from archiver.catalog.schema import SAID, replacing
from archiver.model.item_row import COLUMNS, ItemRow, RowsElsewhere

__all__ = ["copy", "enter", "is_so"]

_ONE: Final = f"VALUES ({', '.join('?' * len(COLUMNS))})"
_FOUND: Final = f"WITH found ({', '.join(COLUMNS)}) AS ({{}})"
_PLACE: Final = "(SELECT position FROM snapshots WHERE id = {}.snapshot)"
_IS_LATER: Final = f"{_PLACE.format('excluded')} > {_PLACE.format('{}')}"
_KEPT: Final = ("tbl", "size", "sha256", "line", "snapshot")
_LATEST: Final = (
    f"{_FOUND} INSERT INTO latest ({', '.join(COLUMNS)}, snapshot) SELECT found.*, ? FROM found WHERE true "  # noqa: S608 - constants
    f"{replacing(SAID)} WHERE {_IS_LATER.format('latest')}"
)
_ARCHIVED: Final = (
    f"{_FOUND} INSERT INTO kept (source, path, item, {', '.join(_KEPT)}) "  # noqa: S608 - constants
    "SELECT source, path, item, found.tbl, found.size, found.sha256, found.line, late.id "
    "FROM found CROSS JOIN (SELECT id, position FROM snapshots WHERE id = ?) AS late CROSS JOIN latest "
    "USING (source, path, item) WHERE found.tbl IS NOT NULL AND latest.tbl IS NULL "
    f"AND {_PLACE.format('latest')} > late.position {replacing(_KEPT)} WHERE {_IS_LATER.format('kept')}"
)


def is_so(cursor: sqlite3.Cursor, snapshot: str) -> bool:
    """Say whether the lines of a snapshot come late."""
    later = (
        "SELECT 1 FROM snapshots WHERE items_known = 1 AND position > "
        "(SELECT position FROM snapshots WHERE id = ?) LIMIT 1"
    )
    return cursor.execute(later, [snapshot]).fetchone() is not None


def enter(cursor: sqlite3.Cursor, snapshot: str, rows: Sequence[ItemRow]) -> None:
    """Take in late lines."""
    words = [(*row, snapshot) for row in rows]
    for made in (_LATEST, _ARCHIVED):
        cursor.executemany(made.format(_ONE), words)


def copy(cursor: sqlite3.Cursor, snapshot: str, elsewhere: RowsElsewhere) -> None:
    """Take in late lines that are in another file, which is attached."""
    for made in (_LATEST, _ARCHIVED):
        cursor.execute(made.format(elsewhere.query), [*elsewhere.words, snapshot])
