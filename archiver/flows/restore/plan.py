"""What a restore has to do, in the order in which batches are read: each of them once (a temporary SQLite file).

A file's rows are listed in its line as ranges of batches. Batches are read in the order of their ids, so a file whose
ranges stand in that order is written as its batches come by. The few others are `alone`: they are read one by one.
Files that were hard links of each other, with the same content, are written once and linked.

>>> plan.batches()
['20261123T120000Z-0a1b2c-documents-00000000']
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple, cast

from archiver.flows.restore.places import is_source
from archiver.late import dataclass
from archiver.model.items import ItemLine

__all__ = ["Plain", "Plan", "Range"]

_BLOCK: Final = 1000
_CACHE_KIB: Final = 16 << 10
_RIGHTS: Final = 0o1777
_TIMES: Final = range(-(2**63), 2**63)
_SCHEMA: Final = """
CREATE TABLE files(number INTEGER PRIMARY KEY, line BLOB NOT NULL, alone INTEGER NOT NULL, leader INTEGER,
    done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE ranges(batch TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, number INTEGER NOT NULL,
    place BLOB, item TEXT, size INTEGER, sha256 TEXT, mode INTEGER, atime_ns INTEGER, mtime_ns INTEGER);
CREATE TABLE folders(source TEXT NOT NULL, path TEXT NOT NULL, depth INTEGER NOT NULL, chosen INTEGER NOT NULL,
    line BLOB NOT NULL, PRIMARY KEY(source, path)) WITHOUT ROWID;
CREATE TABLE links(dev TEXT NOT NULL, ino TEXT NOT NULL, sha256 TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY(dev, ino, sha256)) WITHOUT ROWID;
"""


class Plain(NamedTuple):
    """All that it takes to write a plain file, so that nobody reads its line again: one row that carries the file.

    Such a file was captured whole, with bytes, mode and times and nothing else to give back. `place` is its path below
    the folder, `item` the text that its row must have.
    """

    place: bytes
    item: str
    size: int
    sha256: str
    mode: int
    atime_ns: int
    mtime_ns: int


@dataclass(frozen=True)
class Range:
    """Rows of a batch that belong to a file, which the plan knows by its number."""

    first: int
    count: int
    number: int
    plain: Plain | None

    @property
    def end(self) -> int:
        """The first row behind it."""
        return self.first + self.count


class Plan:
    """The files and folders of one restore."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("BEGIN")  # one transaction for all: the file is dropped with the connection
        self.files = 0
        self.bytes = 0
        self._files: list[tuple[object, ...]] = []
        self._ranges: list[tuple[object, ...]] = []
        self._done: set[int] = set()

    def close(self) -> None:
        """Forget the plan."""
        self._db.close()

    def add_folder(self, line: ItemLine, *, chosen: bool) -> None:
        """Take in a folder; one that is not `chosen` is only made on the way to something that is."""
        self._db.execute(
            "INSERT OR REPLACE INTO folders VALUES(?, ?, ?, ?, ?)",
            [line.item.source, line.item.path, line.item.path.count("/"), chosen, line.encode()],
        )

    def add_file(self, line: ItemLine) -> None:
        """Take in an item that has bytes."""
        self.files += 1
        self.bytes += line.size or 0
        number, leader = self.files, self._leader(line)
        parts = line.parts
        ascending = len(parts) == 1 or all((a.batch, a.first) < (b.batch, b.first) for a, b in pairwise(parts))
        self._files.append((number, line.encode(), not ascending, leader))
        if leader is None and ascending:
            plain = _plain(line) or _NOT_PLAIN
            self._ranges += [(part.batch, part.first, part.count, number, *plain) for part in line.parts]
        if len(self._files) >= _BLOCK:
            self._write()

    def _write(self) -> None:
        """Write down what was gathered."""
        self._db.executemany("INSERT INTO files(number, line, alone, leader) VALUES(?, ?, ?, ?)", self._files)
        self._db.executemany("INSERT INTO ranges VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._ranges)
        self._db.executemany("UPDATE files SET done = 1 WHERE number = ?", [(number,) for number in self._done])
        self._files, self._ranges, self._done = [], [], set()

    def _leader(self, line: ItemLine) -> int | None:
        """Return the file that this one is a hard link of, None for the first of a group and for all others."""
        file = line.file
        if file is None or not isinstance(file["nlink"], int) or file["nlink"] < 2 or line.item.members:  # noqa: PLR2004 - itself and another
            return None
        name = [file["dev"], file["ino"], line.sha256]
        row = self._db.execute("SELECT number FROM links WHERE dev = ? AND ino = ? AND sha256 = ?", name).fetchone()
        if row is None:
            self._db.execute("INSERT INTO links VALUES(?, ?, ?, ?)", [*name, self.files])
        return None if row is None else int(row[0])

    def batches(self) -> list[str]:
        """Return the batches to be read, in order."""
        self._write()
        return [row[0] for row in self._db.execute("SELECT DISTINCT batch FROM ranges ORDER BY batch")]

    def ranges(self, batch: str) -> Iterator[Range]:
        """Yield what is wanted of a batch, by the first row."""
        self._write()
        self._db.execute("CREATE INDEX IF NOT EXISTS ranges_by_batch ON ranges(batch, first)")
        for first, count, number, *plain in self._db.execute(
            "SELECT first, count, number, place, item, size, sha256, mode, atime_ns, mtime_ns FROM ranges "
            "WHERE batch = ? ORDER BY batch, first",
            [batch],
        ):
            yield Range(first, count, number, None if plain[0] is None else Plain(*plain))

    def line(self, number: int) -> ItemLine:
        """Return the line of a file."""
        return ItemLine.own(self._db.execute("SELECT line FROM files WHERE number = ?", [number]).fetchone()[0])

    def mark(self, number: int) -> None:
        """Note that a file is restored, or that it was said why not."""
        self._done.add(number)
        if len(self._done) >= _BLOCK:
            self._write()

    def is_done(self, number: int) -> bool:
        """Say whether a file was marked."""
        if number in self._done:
            return True
        return bool(self._db.execute("SELECT done FROM files WHERE number = ?", [number]).fetchone()[0])

    def links(self) -> Iterator[tuple[int, ItemLine, ItemLine]]:
        """Yield files that were hard links, each after the line of the file that was written for it."""
        self._write()
        rows = self._db.execute(
            "SELECT f.number, f.line, l.line FROM files f JOIN files l ON f.leader = l.number ORDER BY f.number"
        ).fetchall()
        for number, line, leader in rows:
            yield int(number), ItemLine.own(leader), ItemLine.own(line)

    def left(self) -> Iterator[tuple[int, ItemLine]]:
        """Yield the files that are not done, in order."""
        self._write()
        number = 0
        while row := self._db.execute(
            "SELECT number, line FROM files WHERE NOT done AND number > ? ORDER BY number LIMIT 1", [number]
        ).fetchone():
            number = int(row[0])
            yield number, ItemLine.own(row[1])

    def chosen_folders(self) -> Iterator[ItemLine]:
        """Yield the folders that were asked for, outer ones first."""
        for (line,) in self._db.execute("SELECT line FROM folders WHERE chosen ORDER BY depth, source, path"):
            yield ItemLine.own(line)

    def folders_inside_out(self) -> Iterator[ItemLine]:
        """Yield all known folders, inner ones first: what they hold must be finished before their times are set."""
        for (line,) in self._db.execute("SELECT line FROM folders ORDER BY depth DESC, source, path"):
            yield ItemLine.own(line)


_NOT_PLAIN: Final = (None,) * len(Plain._fields)


def _plain(line: ItemLine) -> Plain | None:
    """Return what a plain file is; None for one of which more is to be given back or said."""
    file = line.file
    if file is None or len(line.parts) != 1 or line.status not in ("captured", "unchanged") or line.object is not None:
        return None
    part, item, mode = line.parts[0], line.item, cast("int", file["mode"])
    is_alone = part.count == 1 and part.of is None and not item.members and item.version is None
    is_bare = not file["holes"] and not file["xattrs"] and stat.S_IMODE(mode) & ~_RIGHTS == 0
    atime, mtime = int(str(file["atime_ns"])), int(str(file["mtime_ns"]))
    if not (is_alone and is_bare and is_source(item.source) and atime in _TIMES and mtime in _TIMES):
        return None
    where = item.source.encode() + b"/" + item.relative_bytes()
    return Plain(where, item.text(), line.size or 0, line.sha256 or "", stat.S_IMODE(mode), atime, mtime)
