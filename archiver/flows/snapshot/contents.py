"""Where the bytes of a content are already, so that the same bytes are stored once (FORMAT.md, `of` of a part).

Asked of a size first, since a file is hashed before it is stored only where something of that size is archived. What
earlier snapshots kept is found in the catalog, what this run keeps in two temporary files of its own: its lines, and
an entry for each of them that leads to the entry before it whose digest hashes alike. So adding costs one look at
memory, however many there are, and what is in memory does not grow. Rows are shared among sources that serve the same
matters, so that a lock is never shorter than an item that relies on it.

>>> contents.find("documents", 48123, digest, source)
ItemLine(item=Item(source='mail', path='a.eml', ...), ...)
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, NamedTuple, Self

from archiver.catalog.catalog import Catalog
from archiver.errors import WorldError
from archiver.model.items import ItemLine
from archiver.model.policy import Source
from archiver.writer.journal_words import Line
from archiver.writer.rows import disk_error

__all__ = ["Contents"]

_LINES_AT_ONCE: Final = 4 << 20
_ENTRIES_AT_ONCE: Final = 16 << 20
"""So many bytes are gathered before they are written; most lines wait for their batch anyway."""
_HEADS: Final = 1 << 22
"""So many chains of entries, by four bytes each: one entry in each when four million contents are new."""
_ENTRY: Final = struct.Struct("=32sIIQI")
_SIZES: Final = 1 << 21
"""Of each size a mark is remembered in so many places; that of another size at the same one costs a hash."""


class _Entry(NamedTuple):
    """A content, the number of the entry before it in its chain, 0 for none, and where its line is in the file."""

    digest: bytes
    kind: int
    before: int
    place: int
    size: int


class Contents:
    """What is archived, by its bytes."""

    def __init__(self, catalog: Catalog, sources: Iterable[Source], folder: Path) -> None:
        """Begin with what the catalog knows; what is added goes to files without a name in `folder`."""
        self._catalog = catalog if catalog.has_content() else None
        self._matters = {source.id: _spell(source) for source in sources}
        self._kinds: dict[tuple[str | None, str], int] = {}
        self._file = folder / "contents"
        """What messages call the files."""
        with ExitStack() as opened:
            try:
                self._entries, self._lines = (opened.enter_context(_temporary(folder)) for _ in range(2))
            except OSError as problem:
                raise disk_error(problem, self._file) from problem
            self._opened = opened.pop_all()
        self._count = self._size = 0
        """Entries and bytes of lines that are in the files."""
        self._new_entries = bytearray()
        self._new_lines: list[bytes] = []
        self._new_size = 0
        self._heads = memoryview(_blank(4 * _HEADS)).cast("I")
        """The last entry of each chain. Python's own hash chooses the chain, so nobody can make one long."""
        self._sizes = _blank(_SIZES)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the temporary files back."""
        self._opened.close()

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
        """Take in lines; of the same bytes the first one stays."""
        heads, marks, entries, kept = self._heads, self._sizes, self._new_entries, self._new_lines
        pack, number = _ENTRY.pack, self._count + len(entries) // _ENTRY.size
        place = self._size + self._new_size
        for size, sha256, line in zip(sizes, digests, lines, strict=True):
            chain, digest = hash(sha256) % _HEADS, bytes.fromhex(sha256)
            before = heads[chain]
            if before and self._entry(before, digest, kind) is not None:
                continue
            number += 1
            heads[chain] = number
            entries += pack(digest, kind, before, place, len(line))
            kept.append(line)
            place += len(line)
            marks[size % _SIZES] = 1
        self._new_size = place - self._size
        if self._new_size >= _LINES_AT_ONCE:
            self._write_lines()
        if len(entries) >= _ENTRIES_AT_ONCE:
            self._write(self._entries, entries)
            self._count, self._new_entries = number, bytearray()

    def are_new(self, table: str, sizes: Sequence[int], digests: Sequence[str]) -> list[bool]:
        """Say of each of some contents that nothing can have its bytes: neither what is archived, nor one before it.

        Where that is not sure, `find` knows it.
        """
        heads, catalog = self._heads, self._catalog
        seen, new = set[str](), list[bool]()
        for size, sha256 in zip(sizes, digests, strict=True):
            last = heads[hash(sha256) % _HEADS]
            is_known = sha256 in seen or (last and self._entry(last, bytes.fromhex(sha256)) is not None)
            new.append(not is_known and (catalog is None or not catalog.with_content(table, size, sha256)))
            seen.add(sha256)
        return new

    def has_size(self, table: str, size: int) -> bool:
        """Say whether anything of this size may be archived."""
        return bool(self._sizes[size % _SIZES]) or (self._catalog is not None and self._catalog.has_size(table, size))

    def find(self, table: str, size: int, sha256: str, source: Source) -> ItemLine | None:
        """Return an item with these bytes whose rows another item of this source may share."""
        matters = self._matters.get(source.id) or _spell(source)
        own = self._own(table, size, sha256, matters)
        if own is not None:
            return own
        return next(self._known(table, size, sha256, matters), None)

    def known(self, table: str, size: int, sha256: str, source: Source) -> Iterator[ItemLine]:
        """Yield the items of earlier snapshots with these bytes whose rows another item of this source may share."""
        return self._known(table, size, sha256, self._matters.get(source.id) or _spell(source))

    def _known(self, table: str, size: int, sha256: str, matters: str) -> Iterator[ItemLine]:
        found = self._catalog.with_content(table, size, sha256) if self._catalog is not None else ()
        return (line for line in found if self._matters.get(line.item.source) == matters)

    def _own(self, table: str, size: int, sha256: str, matters: str) -> ItemLine | None:
        """Return a line of this run."""
        last = self._heads[hash(sha256) % _HEADS]
        entry = self._entry(last, bytes.fromhex(sha256), self._kind(table, matters)) if last else None
        if entry is None:
            return None
        if entry.place >= self._size:
            self._write_lines()
        line = ItemLine.own(self._read(self._lines, entry.place, entry.size))
        return line if (line.size, line.sha256) == (size, sha256) else None

    def _kind(self, table: str | None, matters: str) -> int:
        return self._kinds.setdefault((table, matters), len(self._kinds))

    def _entry(self, last: int, digest: bytes, kind: int | None = None) -> _Entry | None:
        """Return the entry of a content, of any kind if none is named, in the chain that has this last entry."""
        number = last
        while number:
            if number > self._count:
                words = _ENTRY.unpack_from(self._new_entries, (number - self._count - 1) * _ENTRY.size)
            else:
                words = _ENTRY.unpack(self._read(self._entries, (number - 1) * _ENTRY.size, _ENTRY.size))
            entry = _Entry._make(words)
            if entry.digest == digest and kind in (None, entry.kind):
                return entry
            number = entry.before
        return None

    def _write_lines(self) -> None:
        """Move the lines that were gathered to their file."""
        self._write(self._lines, b"".join(self._new_lines))
        self._size += self._new_size
        self._new_lines, self._new_size = [], 0

    def _write(self, file: IO[bytes], words: bytes | bytearray) -> None:
        left = memoryview(words)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as problem:
            raise disk_error(problem, self._file) from problem

    def _read(self, file: IO[bytes], place: int, size: int) -> bytes:
        try:
            found = os.pread(file.fileno(), size, place)
        except OSError as problem:
            raise disk_error(problem, self._file) from problem
        if len(found) != size:
            raise WorldError("spool-short", f"{self._file}: expected {size} bytes at {place}, found {len(found)}")
        return found


def _temporary(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def _blank(size: int) -> mmap.mmap:
    """Return so many zeros. The system makes the pages that are written to; a bytearray would write to all of them."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)


def _spell(source: Source) -> str:
    return "\n".join(sorted(source.matters))
