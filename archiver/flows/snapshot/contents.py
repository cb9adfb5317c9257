"""Where the bytes of a content are already, so that the same bytes are stored once (FORMAT.md, `of` of a part).

Asked of a size first, since a file is hashed before it is stored only where something of that size is archived. What
earlier snapshots kept is found in the catalog, what this run keeps in a temporary file of its own. Rows are shared
among sources that serve the same matters, so that a lock is never shorter than an item that relies on it.

>>> contents.find("documents", 48123, digest, source)
ItemLine(item=Item(source='mail', path='a.eml', ...), ...)
"""

from __future__ import annotations

import itertools
import mmap
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self

from archiver.catalog.catalog import Catalog
from archiver.errors import WorldError
from archiver.model.items import ItemLine
from archiver.model.policy import Source
from archiver.writer.journal import Line
from archiver.writer.rows import disk_error

__all__ = ["Contents"]

_SCHEMA: Final = """
PRAGMA cache_size = -8000;
PRAGMA journal_mode = OFF;
PRAGMA secure_delete = OFF;
CREATE TABLE contents (digest INTEGER NOT NULL, kind INTEGER NOT NULL, place INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (digest, kind)) WITHOUT ROWID;
"""
"""Narrow rows for what comes in no order, so that their pages stay in memory; lines are in a file, as they come."""
_AT_ONCE: Final = 16_384
"""Lines that are gathered before they are written, by their digests: most of them wait for their batch anyway."""
_DIGITS: Final = 6
"""Of each digest that is added so many are remembered, in 16 MiB: most that are new need not be looked for."""
_LONG_DIGITS: Final = 15
_SIZES: Final = 1 << 21
"""Of each size a mark is remembered in so many places; that of another size at the same one costs a hash."""

_Key = tuple[int, int]


class Contents:
    """What is archived, by its bytes."""

    def __init__(self, catalog: Catalog, sources: Iterable[Source], folder: Path) -> None:
        """Begin with what the catalog knows; what is added goes to files without a name, that of lines in `folder`."""
        self._catalog = catalog if catalog.has_content() else None
        self._matters = {source.id: _spell(source) for source in sources}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")  # one transaction for all: the file is dropped with the connection
        self._kinds: dict[tuple[str | None, str], int] = {}
        self._fresh: dict[_Key, bytes] = {}
        self._file = folder / "contents"
        """What messages call the file of lines."""
        try:
            self._lines = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed with the database
        except OSError as problem:
            self._db.close()
            raise disk_error(problem, self._file) from problem
        self._written = 0
        """Bytes of lines in the file."""
        self._begun, self._sizes = _blank(1 << 4 * _DIGITS), _blank(_SIZES)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the temporary file back."""
        self._db.close()
        self._lines.close()

    def add(self, line: Line) -> None:
        """Take in what this run has stored, in rows that are on record no later than any line that shares them."""
        matters = self._matters.get(line.source)
        if line.status != "captured" or line.sha256 is None or line.size is None or matters is None:
            return
        self._add(self._kind(line.tbl, matters), [line.size], [line.sha256], [line.line])

    def add_plain(
        self, table: str, source: Source, sizes: Iterable[int], digests: Iterable[str], lines: Iterable[bytes]
    ) -> None:
        """Take in lines of new contents of a source, as `add` does one by one."""
        self._add(self._kind(table, self._matters[source.id]), sizes, digests, lines)

    def _add(self, kind: int, sizes: Iterable[int], digests: Iterable[str], lines: Iterable[bytes]) -> None:
        begun, marks, fresh = self._begun, self._sizes, self._fresh
        for size, digest, line in zip(sizes, digests, lines, strict=True):
            fresh.setdefault((int(digest[:_LONG_DIGITS], 16), kind), line)
            begun[_place(digest)] = 1
            marks[size % _SIZES] = 1
        if len(fresh) >= _AT_ONCE:
            self._write()

    def are_new(self, table: str, sizes: Sequence[int], digests: Sequence[str]) -> list[bool]:
        """Say of each of some contents that nothing can have its bytes: neither what is archived, nor one before it.

        Where that is not sure, `find` knows it.
        """
        begun, catalog = self._begun, self._catalog
        seen, new = set[str](), list[bool]()
        for size, digest in zip(sizes, digests, strict=True):
            is_known = begun[_place(digest)] or digest in seen
            new.append(not is_known and (catalog is None or not catalog.with_content(table, size, digest)))
            seen.add(digest)
        return new

    def has_size(self, table: str, size: int) -> bool:
        """Say whether anything of this size may be archived."""
        return bool(self._sizes[size % _SIZES]) or (self._catalog is not None and self._catalog.has_size(table, size))

    def find(self, table: str, size: int, sha256: str, source: Source) -> ItemLine | None:
        """Return an item with these bytes whose rows another item of this source may share."""
        matters = self._matters.get(source.id) or _spell(source)
        own = self._own(table, size, sha256, matters) if self._begun[_place(sha256)] else None
        if own is not None:
            return own
        known = self._catalog.with_content(table, size, sha256) if self._catalog is not None else []
        return next((line for line in known if self._matters.get(line.item.source) == matters), None)

    def _own(self, table: str, size: int, sha256: str, matters: str) -> ItemLine | None:
        """Return a line of this run."""
        key = self._key(table, sha256, matters)
        raw = self._fresh.get(key)
        if raw is None:
            row = self._db.execute("SELECT place, size FROM contents WHERE digest = ? AND kind = ?", key).fetchone()
            raw = None if row is None else self._line_at(*row)
        line = None if raw is None else ItemLine.own(raw)
        return line if line is not None and (line.size, line.sha256) == (size, sha256) else None

    def _key(self, table: str | None, sha256: str, matters: str) -> _Key:
        return int(sha256[:_LONG_DIGITS], 16), self._kind(table, matters)

    def _kind(self, table: str | None, matters: str) -> int:
        return self._kinds.setdefault((table, matters), len(self._kinds))

    def _write(self) -> None:
        """Move what was gathered to the files; of the same bytes the first line stays."""
        sizes = list(map(len, self._fresh.values()))
        places = itertools.accumulate(sizes, initial=self._written)  # one more than there are lines
        keys = [(*key, place, size) for key, place, size in zip(self._fresh, places, sizes, strict=False)]
        self._db.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?)", sorted(keys))
        left = memoryview(b"".join(self._fresh.values()))
        self._written += len(left)
        try:
            while left:
                left = left[self._lines.write(left) :]
        except OSError as problem:
            raise disk_error(problem, self._file) from problem
        self._fresh = {}

    def _line_at(self, place: int, size: int) -> bytes:
        try:
            found = os.pread(self._lines.fileno(), size, place)
        except OSError as problem:
            raise disk_error(problem, self._file) from problem
        if len(found) != size:
            raise WorldError("spool-short", f"{self._file}: expected {size} bytes at {place}, found {len(found)}")
        return found


def _blank(size: int) -> mmap.mmap:
    """Return so many zeros. The system makes the pages that are written to; a bytearray would write to all of them."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)


def _place(sha256: str) -> int:
    return int(sha256[:_DIGITS], 16)


def _spell(source: Source) -> str:
    return "\n".join(sorted(source.matters))
