"""What a restore has to do, in the order in which batches are read: each of them once (a temporary SQLite file).

A file's rows are listed in its line as ranges of batches. Batches are read in the order of their ids, so a file whose
ranges stand in that order is written as its batches come by. The few others are `alone`: they are read one by one.
Plain files whose lines and rows follow each other are one range, with all that it takes to write them. Files that were
hard links of each other, with the same content, are written once and linked.

>>> plan.batches()
['20261123T120000Z-0a1b2c-documents-00000000']
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from archiver.flows.number_set import NumberSet
from archiver.flows.restore.plain import Plain, line_of, plain_of
from archiver.late import dataclass
from archiver.model.items import ItemLine

__all__ = ["Plan", "Range"]

_BLOCK: Final = 1000
_TOGETHER: Final = 256
_MOST_SPANS: Final = 10_000
_CACHE_KIB: Final = 16 << 10
_SCHEMA: Final = """
CREATE TABLE files(number INTEGER PRIMARY KEY, line BLOB NOT NULL, leader INTEGER);
CREATE TABLE ranges(batch TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, number INTEGER NOT NULL,
    plain BLOB);
CREATE TABLE folders(source TEXT NOT NULL, path TEXT NOT NULL, depth INTEGER NOT NULL, chosen INTEGER NOT NULL,
    line BLOB NOT NULL, PRIMARY KEY(source, path)) WITHOUT ROWID;
CREATE TABLE links(dev TEXT NOT NULL, ino TEXT NOT NULL, sha256 TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY(dev, ino, sha256)) WITHOUT ROWID;
"""
_INDEXES: Final = """
CREATE INDEX IF NOT EXISTS ranges_by_batch ON ranges(batch, first);
CREATE INDEX IF NOT EXISTS ranges_by_number ON ranges(number) WHERE plain IS NOT NULL;
"""


@dataclass(frozen=True)
class Range:
    """Rows of a batch that belong to a file, which the plan knows by its number.

    Or to plain files with numbers from this one on, one for each row: `plain`.
    """

    first: int
    count: int
    number: int
    plain: Plain | None = None

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
        self.plain = 0
        self.bytes = 0
        self._files: list[tuple[object, ...]] = []
        self._ranges: list[tuple[object, ...]] = []
        self._plain: list[Plain] = []  # those that follow each other, up to here
        self._together = 0  # how many these are
        self._done = NumberSet()
        self._refused = NumberSet()

    def close(self) -> None:
        """Forget the plan."""
        self._db.close()

    def add_folder(self, line: ItemLine, *, chosen: bool) -> None:
        """Take in a folder; one that is not `chosen` is only made on the way to something that is."""
        self._db.execute(
            "INSERT OR REPLACE INTO folders VALUES(?, ?, ?, ?, ?)",
            [line.item.source, line.item.path, line.item.path.count("/"), chosen, line.encode()],
        )

    def add_plain(self, plain: Plain) -> None:
        """Take in plain files."""
        if self._plain and not self._plain[-1].is_followed_by(plain):
            self._end_plain()
        begin = 0
        while begin < plain.length:
            end = min(plain.length, begin + _TOGETHER - self._together)
            self._plain.append(plain.cut(begin, end))
            self._together += end - begin
            self.files += end - begin
            if self._together == _TOGETHER:
                self._end_plain()
            begin = end
        self.plain += plain.length
        self.bytes += sum(plain.sizes)

    def _end_plain(self) -> None:
        """Note the plain files that follow each other, up to here."""
        if self._plain:
            whole = Plain.joined(self._plain)
            number = self.files - whole.length + 1
            self._ranges.append((whole.batch, whole.first, whole.length, number, marshal.dumps([*whole])))
            self._plain, self._together = [], 0
        if len(self._ranges) * _TOGETHER >= _BLOCK:
            self._write()

    def add_file(self, line: ItemLine) -> None:
        """Take in an item that has bytes."""
        leader = self._leader(line, self.files + 1)
        plain = plain_of(line) if leader is None else None
        if plain is not None:
            self.add_plain(plain)
            return
        self._end_plain()
        self.files += 1
        self.bytes += line.size or 0
        parts = line.parts
        ascending = len(parts) == 1 or all((a.batch, a.first) < (b.batch, b.first) for a, b in pairwise(parts))
        self._files.append((self.files, line.encode(), leader))
        if leader is None and ascending:
            self._ranges += [(part.batch, part.first, part.count, self.files, None) for part in line.parts]
        if len(self._files) >= _BLOCK:
            self._write()

    def _write(self) -> None:
        """Write down what was gathered."""
        self._db.executemany("INSERT INTO files VALUES(?, ?, ?)", self._files)
        self._db.executemany("INSERT INTO ranges VALUES(?, ?, ?, ?, ?)", self._ranges)
        self._files, self._ranges = [], []

    def _leader(self, line: ItemLine, number: int) -> int | None:
        """Return the file that this one is a hard link of, None for the first of a group and for all others."""
        file = line.file
        if file is None or not isinstance(file["nlink"], int) or file["nlink"] < 2 or line.item.members:  # noqa: PLR2004 - itself and another
            return None
        name = [file["dev"], file["ino"], line.sha256]
        if None in name:
            return None
        row = self._db.execute("SELECT number FROM links WHERE dev = ? AND ino = ? AND sha256 = ?", name).fetchone()
        if row is None:
            self._db.execute("INSERT INTO links VALUES(?, ?, ?, ?)", [*name, number])
        return None if row is None else int(row[0])

    def batches(self) -> list[str]:
        """Return the batches to be read, in order; the plan is complete now."""
        self._end_plain()
        self._write()
        for one in _INDEXES.strip().splitlines():
            self._db.execute(one)
        return [row[0] for row in self._db.execute("SELECT DISTINCT batch FROM ranges ORDER BY batch")]

    def ranges(self, batch: str) -> Iterator[Range]:
        """Yield what is wanted of a batch, by the first row."""
        for first, count, number, packed in self._db.execute(
            "SELECT first, count, number, plain FROM ranges WHERE batch = ? ORDER BY batch, first", [batch]
        ):
            if packed is None:
                yield Range(first, count, number)
            else:
                yield Range(first, count, number, _unpacked(packed))

    def spans(self, batch: str) -> list[tuple[int, int]]:
        """Return which rows of a batch are wanted, from one to before another, in order and apart."""
        found = list[tuple[int, int]]()
        for first, end in self._db.execute(
            "SELECT first, first + count FROM ranges WHERE batch = ? ORDER BY batch, first", [batch]
        ):
            if found and (first <= found[-1][1] or len(found) >= _MOST_SPANS):
                found[-1] = found[-1][0], max(end, found[-1][1])
            else:
                found.append((first, end))
        return found

    def line(self, number: int) -> ItemLine:
        """Return the line of a file."""
        found = self._db.execute("SELECT line FROM files WHERE number = ?", [number]).fetchone()
        if found is not None:
            return ItemLine.own(found[0])
        first, packed = self._db.execute(
            "SELECT number, plain FROM ranges WHERE plain IS NOT NULL AND number <= ? ORDER BY number DESC LIMIT 1",
            [number],
        ).fetchone()
        return line_of(_unpacked(packed), number - first)

    def mark(self, number: int, count: int = 1) -> None:
        """Note that files from this one on are restored, or that it was said why not."""
        self._done.update(range(number, number + count))

    def refuse(self, number: int) -> None:
        """Note that it was said why a file is not restored."""
        self.mark(number)
        self._refused.update([number])

    def is_done(self, number: int) -> bool:
        """Say whether a file was marked."""
        return number in self._done

    def is_restored(self, number: int) -> bool:
        """Say whether a file was written: then what has its name is this file, and no other item of that name."""
        return number in self._done and number not in self._refused

    def links(self) -> Iterator[tuple[int, int, ItemLine]]:
        """Yield files that were hard links, each after the number of the file that is written for it."""
        number = 0
        while row := self._db.execute(
            "SELECT number, line, leader FROM files WHERE leader IS NOT NULL AND number > ? ORDER BY number LIMIT 1",
            [number],
        ).fetchone():
            number = int(row[0])
            yield number, int(row[2]), ItemLine.own(row[1])

    def left(self) -> Iterator[tuple[int, ItemLine]]:
        """Yield the files that are not done, in order."""
        for number in self._done.missing(1, self.files + 1):
            yield number, self.line(number)

    def chosen_folders(self) -> Iterator[ItemLine]:
        """Yield the folders that were asked for, outer ones first."""
        for (line,) in self._db.execute("SELECT line FROM folders WHERE chosen ORDER BY depth, source, path"):
            yield ItemLine.own(line)

    def folders_inside_out(self) -> Iterator[ItemLine]:
        """Yield all known folders, inner ones first: what they hold must be finished before their times are set."""
        for (line,) in self._db.execute("SELECT line FROM folders ORDER BY depth DESC, source, path"):
            yield ItemLine.own(line)


def _unpacked(packed: bytes) -> Plain:
    return Plain(*marshal.loads(packed))  # noqa: S302 - written above
