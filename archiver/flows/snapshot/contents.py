"""Where the bytes of a content are already, so that the same bytes are stored once (FORMAT.md, `of` of a part).

Asked of a size first, since a file is hashed before it is stored only where something of that size is archived. What
earlier snapshots kept is found in the catalog, what this run keeps in a temporary file of its own. Rows are shared
among sources that serve the same matters, so that a lock is never shorter than an item that relies on it.

>>> contents.find("documents", 48123, digest, source)
ItemLine(item=Item(source='mail', path='a.eml', ...), ...)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final, Self

from archiver.catalog.catalog import Catalog
from archiver.model.items import ItemLine
from archiver.model.policy import Source

__all__ = ["Contents"]

_SCHEMA: Final = """
PRAGMA cache_size = -8000;
PRAGMA journal_mode = OFF;
CREATE TABLE contents (size INTEGER NOT NULL, tbl TEXT NOT NULL, sha256 TEXT NOT NULL, matters TEXT NOT NULL,
    line BLOB NOT NULL, PRIMARY KEY (size, tbl, sha256, matters)) WITHOUT ROWID;
"""


class Contents:
    """What is archived, by its bytes."""

    def __init__(self, catalog: Catalog, sources: Iterable[Source]) -> None:
        """Begin with what the catalog knows; a temporary database takes what is added, 8 MB of it in memory."""
        self._catalog = catalog
        self._matters = {source.id: _spell(source) for source in sources}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")  # one transaction for all: the file is dropped with the connection

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the temporary file back."""
        self._db.close()

    def add(self, line: ItemLine) -> None:
        """Take in what this run has stored, in rows that are on record no later than any line that shares them."""
        if line.status == "captured" and line.parts and line.item.source in self._matters:
            words = (line.size, line.table, line.sha256, self._matters[line.item.source], line.encode())
            self._db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?, ?)", words)

    def has_size(self, table: str, size: int) -> bool:
        """Say whether anything of this size is archived."""
        query = "SELECT 1 FROM contents WHERE size = ? AND tbl = ? LIMIT 1"
        return self._db.execute(query, [size, table]).fetchone() is not None or self._catalog.has_size(table, size)

    def find(self, table: str, size: int, sha256: str, source: Source) -> ItemLine | None:
        """Return an item with these bytes whose rows another item of this source may share."""
        matters = _spell(source)
        query = "SELECT line FROM contents WHERE size = ? AND tbl = ? AND sha256 = ? AND matters = ?"
        row = self._db.execute(query, [size, table, sha256, matters]).fetchone()
        if row is not None:
            return ItemLine.own(row[0])
        known = self._catalog.with_content(table, size, sha256)
        return next((line for line in known if self._matters.get(line.item.source) == matters), None)


def _spell(source: Source) -> str:
    return "\n".join(sorted(source.matters))
