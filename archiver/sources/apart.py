"""Small documents, read in a process of its own: it is asked for some by their names, and they come in shared memory.

    python -m archiver.sources.apart DESCRIPTOR < requests > answers

The memory is divided into slots. In one stands what is asked for, a folder and documents below it, and then the answer:
the documents, back to back, and behind them, where the question was, what is known of them. What is said besides
(`companion`) are numbers: that of a slot and of the bytes there. The asking one looks when it wants to know.

What is known comes field by field (`Told`), so that whoever takes all documents of a request makes nothing of each.

>>> with closing(Apart(slots=2)) as apart:
...     document = apart.ask(Path("evidence"), frozenset(), [(b"a/b.txt", text, seen_at)]).document(0)
>>> document.media
'text/plain'
"""

from __future__ import annotations

import heapq
import marshal
import mmap
import os
import struct
import sys
from collections import deque
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from archiver import companion
from archiver.companion import Companion
from archiver.sources import files
from archiver.sources.base import FactValues, FileFacts, ReadProblem, SourceUnavailable
from archiver.sources.documents import AT_ONCE, Document, looked_at, read_whole
from archiver.sources.plain_words import PlainWords, plain_words
from archiver.sources.small_files import SmallFiles

__all__ = ["UNIT_BYTES", "Apart", "Asked", "Request", "Told", "main"]

UNIT_BYTES: Final = 1 << 20
"""So many bytes should be asked for at once, or those of one document."""
_ROOM: Final = UNIT_BYTES + AT_ONCE
_SLOT: Final = _ROOM + (256 << 10)
"""Behind the documents stands what is known of them: names of owners, attributes, holes are mostly few."""
_COUNT: Final = struct.Struct("=I")
_ASKED: Final = struct.Struct("=II")
"""A slot, and how many bytes of it ask."""

Asked = tuple[bytes, str, str]
"""A document to be read: its path below the folder, the text of its item, and when it was seen."""


class Told(NamedTuple):
    """What is known of the documents of a request: each field has a value of every one, in their order.

    Of one that is `plain` the line is spelled, and it is no container: `heads` to `items` are the members of its
    `PlainWords`. `others` is what only few are asked for, packed: facts and container of what was read.
    """

    ends: tuple[int, ...]
    plain: tuple[bool, ...]
    digests: tuple[bytes, ...]
    media: tuple[str | None, ...]
    modified: tuple[int, ...]
    heads: tuple[bytes, ...]
    tails: tuple[bytes, ...]
    stamps: tuple[str | None, ...]
    items: tuple[bytes, ...]
    others: bytes


_One = tuple[bool, bytes, str | None, int, bytes, bytes, str | None, bytes]
"""What is told of one document, but for where it ends and for the others."""
_UNSPELLED: Final = (b"", b"", None, b"")
_UNREAD: Final[_One] = (False, b"", None, 0, *_UNSPELLED)
_Others = list[tuple[FactValues, str | None] | None]
_MODIFIED: Final = FileFacts._fields.index("mtime_ns")


class Request:
    """Some documents that a process was asked for."""

    def __init__(self, apart: Apart, slot: int) -> None:
        """Bind to the slot that they come in."""
        self._apart = apart
        self._start = slot * _SLOT
        self.slot = slot
        self._is_told = False
        self._told: Told | None = None
        self._others: _Others | None = None

    def told(self) -> Told | None:
        """Return what is known of all of them, waited for; None where another look must be taken at each."""
        if not self._is_told:
            self._told = self._apart.answer(self)
            self._is_told = True
        return self._told

    def data(self, first: int, after: int) -> memoryview:
        """Return the bytes of documents beside each other, which were read, where they are: until its end."""
        told = self.told()
        if told is None or first >= after:
            return memoryview(b"")
        return self._apart.seen[self._start + _begin(told, first) : self._start + told.ends[after - 1]]

    def document(self, number: int) -> Document | None:
        """Return a document, waited for; None for one that another look must be taken at."""
        told = self.told()
        if told is None:
            return None
        if self._others is None:
            self._others = marshal.loads(told.others)  # noqa: S302 - of this program
        other = self._others[number]
        if other is None:
            return None
        facts, container = other
        words = told.heads[number], told.tails[number], told.stamps[number], told.items[number]
        plain = PlainWords._make(words) if told.plain[number] else None
        data = bytes(self.data(number, number + 1))
        return Document(data, told.digests[number], FileFacts._make(facts), told.media[number], container, plain)

    def end(self) -> None:
        """Say that no more is wanted of it; its slot is for another one."""
        self._apart.give_back(self)


class Apart:
    """A process that reads, and the memory that it shares with this one."""

    def __init__(self, slots: int, early: int = 0) -> None:
        """Start it, with so many slots, and more for those that are asked for early.

        These are used where no other is free, and the system has their memory back when they are given back.
        """
        self._free, self._usual = list(range(slots + early)), slots
        self._asked: deque[Request] = deque()
        self._companion = Companion("archiver.sources.apart", (slots + early) * _SLOT)
        self.memory = self._companion.memory
        self.seen = memoryview(self.memory).toreadonly()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._companion.pid

    @property
    def room(self) -> int:
        """How often more it can be asked."""
        return len(self._free)

    def ask(self, folder: Path, wanted: frozenset[str], documents: list[Asked]) -> Request:
        """Ask for documents below a folder; `wanted` are the containers that are to be recognised.

        Raises `EndedError`, as `answer` does.
        """
        request = Request(self, self._free[0])
        size = _put(self.memory, request.slot, marshal.dumps((os.fsencode(folder), wanted, documents)))
        self._companion.ask(_ASKED.pack(request.slot, size))
        self._asked.append(request)
        heapq.heappop(self._free)
        return request

    def answer(self, wanted: Request) -> Told | None:
        """Wait for the answer to a request; those before it are not waited for any more."""
        while True:
            (size,) = _COUNT.unpack(self._companion.answer(_COUNT.size))
            if self._asked.popleft() is wanted:
                return Told._make(marshal.loads(_words(self.memory, wanted.slot, size))) if size else None  # noqa: S302 - of this program

    def give_back(self, request: Request) -> None:
        """Use the slot of a request again."""
        heapq.heappush(self._free, request.slot)
        if request.slot >= self._usual:
            with suppress(OSError):  # then it is kept
                self.memory.madvise(mmap.MADV_REMOVE, request.slot * _SLOT, _SLOT)

    def close(self) -> None:
        """End the process: what it was reading is not wanted any more."""
        self._companion.close()


def _put(memory: mmap.mmap, slot: int, words: bytes) -> int:
    """Write words behind the documents of a slot and return how many bytes they are, 0 where there is no room."""
    start = slot * _SLOT + _ROOM
    size = len(words) if len(words) <= _SLOT - _ROOM else 0
    memory[start : start + size] = words[:size]
    return size


def _words(memory: mmap.mmap, slot: int, size: int) -> bytes:
    return memory[slot * _SLOT + _ROOM : slot * _SLOT + _ROOM + size]


def _begin(told: Told, number: int) -> int:
    return told.ends[number - 1] if number else 0


# In the other process


def main(descriptor: int) -> None:
    """Answer requests until there are no more."""
    memory = companion.shared(descriptor)
    with ExitStack() as held:
        last, openings = None, None
        for slot, asked in map(_ASKED.unpack, companion.questions(_ASKED.size)):
            size = 0  # then another look is taken at all of them
            if asked:
                folder, wanted, documents = marshal.loads(_words(memory, slot, asked))  # noqa: S302 - of the one who started this
                if folder != last or openings is None:
                    held.close()
                    last, openings = folder, _openings(held, folder)
                if openings is not None:
                    size = _put(memory, slot, _read(openings, wanted, documents, memory, slot * _SLOT))
            companion.answer(_COUNT.pack(size))


def _openings(held: ExitStack, folder: bytes) -> files.Openings | None:
    try:
        anchor = held.enter_context(files.anchored(Path(os.fsdecode(folder))))
    except SourceUnavailable:  # met again, and said, by whoever takes the other look
        return None
    return held.enter_context(closing(files.Openings(anchor)))


def _read(
    openings: files.Openings, wanted: frozenset[str], documents: list[Asked], memory: mmap.mmap, start: int
) -> bytes:
    """Read documents one behind the other; what there is no room for, and what has grown since, is left out.

    All are read before the first is looked at: one thing done many times costs a third less than many things in turn.
    Return what is told of them, packed.
    """
    read = SmallFiles(openings, shorter_than=AT_ONCE).read
    found: list[tuple[bytes, FactValues] | None] = []
    end, ends = 0, list[int]()
    for path, _, _ in documents:
        one = read(path) or _whole(openings, path)
        if one is not None and end + len(one[0]) <= _ROOM:
            end += len(one[0])
            found.append(one)
        else:
            found.append(None)
        ends.append(end)
    memory[start : start + end] = b"".join([one[0] for one in found if one is not None])
    told: list[_One] = []
    others: _Others = []
    for asked, one in zip(documents, found, strict=True):
        if one is None:
            told.append(_UNREAD)
            others.append(None)
        else:
            container, words = _told(asked, *one, wanted)
            told.append(words)
            others.append((one[1], container))
    return marshal.dumps((tuple(ends), *zip(*told, strict=True), marshal.dumps(others)))


def _whole(openings: files.Openings, path: bytes) -> tuple[bytes, FactValues] | None:
    try:
        with openings.file(path) as opened:
            found = read_whole(opened)
    except ReadProblem:  # met again, and said, by whoever takes the other look
        return None
    if found is None or not isinstance(found[1], FileFacts):
        return None
    return found[0], found[1][:]  # a plain tuple, which can be packed


def _told(asked: Asked, data: bytes, facts: FactValues, wanted: frozenset[str]) -> tuple[str | None, _One]:
    path, item, observed_at = asked
    digest = sha256(data).digest()
    media, container = looked_at(path, data, facts, wanted)
    words = None if container is not None else plain_words(item, facts, observed_at, digest.hex())
    return container, (words is not None, digest, media, facts[_MODIFIED], *(words or _UNSPELLED))


if __name__ == "__main__":
    main(int(sys.argv[1]))
