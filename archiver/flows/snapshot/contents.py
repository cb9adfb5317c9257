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
from archiver.writer.journal import Line

__all__ = ["Contents"]

_SCHEMA: Final = """
PRAGMA cache_size = -8000;
PRAGMA journal_mode = OFF;
CREATE TABLE contents (size INTEGER NOT NULL, tbl TEXT NOT NULL, sha256 TEXT NOT NULL, matters TEXT NOT NULL,
    line BLOB NOT NULL, PRIMARY KEY (size, tbl, sha256, matters)) WITHOUT ROWID;
"""
_AT_ONCE: Final = 1000
_DIGITS: Final = 6
"""Of each digest that is added so many are remembered, in 16 MiB: most that are new need not be looked for."""


class Contents:
    """What is archived, by its bytes."""

    def __init__(self, catalog: Catalog, sources: Iterable[Source]) -> None:
        """Begin with what the catalog knows; a temporary database takes what is added, 8 MB of it in memory."""
        self._catalog = catalog if catalog.has_content() else None
        self._matters = {source.id: _spell(source) for source in sources}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")  # one transaction for all: the file is dropped with the connection
        self._sizes: set[tuple[str | None, int | None]] = set()
        self._fresh: dict[tuple[int | None, str | None, str | None, str], bytes] = {}
        self._begun = bytearray(1 << 4 * _DIGITS)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the temporary file back."""
        self._db.close()

    def add(self, line: Line) -> None:
        """Take in what this run has stored, in rows that are on record no later than any line that shares them."""
        if line.status == "captured" and line.tbl is not None and line.source in self._matters:
            key = (line.size, line.tbl, line.sha256, self._matters[line.source])
            self._fresh.setdefault(key, line.line)
            self._sizes.add((line.tbl, line.size))
            self._begun[_place(str(line.sha256))] = 1
            if len(self._fresh) >= _AT_ONCE:
                self._write()

    def has_size(self, table: str, size: int) -> bool:
        """Say whether anything of this size is archived."""
        if (table, size) in self._sizes:
            return True
        query = "SELECT 1 FROM contents WHERE size = ? AND tbl = ? LIMIT 1"
        if self._db.execute(query, [size, table]).fetchone() is not None:
            return True
        return self._catalog is not None and self._catalog.has_size(table, size)

    def find(self, table: str, size: int, sha256: str, source: Source) -> ItemLine | None:
        """Return an item with these bytes whose rows another item of this source may share."""
        matters = self._matters.get(source.id) or _spell(source)
        own = self._own((size, table, sha256, matters)) if self._begun[_place(sha256)] else None
        if own is not None:
            return ItemLine.own(own)
        known = self._catalog.with_content(table, size, sha256) if self._catalog is not None else []
        return next((line for line in known if self._matters.get(line.item.source) == matters), None)

    def _own(self, key: tuple[int, str, str, str]) -> bytes | None:
        """Return a line of this run."""
        line = self._fresh.get(key)
        if line is not None:
            return line
        query = "SELECT line FROM contents WHERE size = ? AND tbl = ? AND sha256 = ? AND matters = ?"
        row = self._db.execute(query, key).fetchone()
        return None if row is None else bytes(row[0])

    def _write(self) -> None:
        """Move what was gathered to the file."""
        rows = [(*key, line) for key, line in self._fresh.items()]
        self._db.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?, ?)", rows)
        self._fresh = {}
        self._sizes.clear()


def _place(sha256: str) -> int:
    return int(sha256[:_DIGITS], 16)


def _spell(source: Source) -> str:
    return "\n".join(sorted(source.matters))
