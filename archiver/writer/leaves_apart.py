"""Leaves of rows, hashed in a process of its own: rows lie in shared memory, and their leaves come back in it.

    python -m archiver.writer.leaves_apart DESCRIPTOR < requests > answers

Small hashes hold the interpreter: beside the threads that derive and compress, hashing hundreds of thousands of rows
would make all of them wait. In another process it disturbs nobody.

The memory is divided into slots. In one stand the bytes of some rows, then their lengths, and behind these there is
room for their leaves and for the full subtrees over them. What is said besides (`companion`) is what the leaves depend
on, and how many subtrees there are. What a process that was killed has not answered is hashed by the one who asked, by
the same function.

>>> with closing(LeavesApart()) as apart:
...     leaves = apart.finish(apart.begin(words, rows))
"""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from archiver import companion
from archiver.companion import Companion, EndedError
from archiver.model.leaf import Salts, leaves_of_one_item, row_digests
from archiver.model.rows import Rows
from archiver.proof.merkle import subtrees

__all__ = ["LeavesApart", "Trees", "Words", "Work", "fits", "main", "pieces"]

_SLOTS: Final = 8
_BYTES: Final = 2 << 20
_ROWS: Final = 1 << 15
_LEAF: Final = 32
_LENGTHS: Final = _BYTES
_LEAVES: Final = _LENGTHS + 4 * _ROWS
_TREES: Final = _LEAVES + _LEAF * _ROWS
_TREE: Final = struct.Struct(f"=B{_LEAF}s")
_SLOT: Final = _TREES + (4 << 10)
"""Full subtrees over so few rows are 32 at most."""
_ASKED: Final = struct.Struct("=IIIQQ32s32s")
_COUNT: Final = struct.Struct("=I")

Trees = list[tuple[int, bytes]]
"""Height and root of full subtrees beside each other."""


class Words(NamedTuple):
    """What leaves depend on besides their rows.

    The batch's salt, the first row's number in the batch and its offset in its item, and the digest of the item's text.
    """

    first: int
    offset: int
    item: bytes
    salt: bytes


class Work:
    """Rows whose leaves were asked for, and these when they are there."""

    __slots__ = ("leaves", "rows", "size", "slot", "trees", "words")

    def __init__(self, slot: int, rows: int, size: int, words: Words) -> None:
        """Know of no answer yet."""
        self.slot = slot
        self.rows = rows
        self.size = size
        self.words = words
        self.leaves: bytes | None = None
        """One behind the other."""
        self.trees: Trees = []
        """The full subtrees over them."""


def fits(rows: int, size: int) -> bool:
    """Say whether so many rows of so many bytes can be asked for at one go."""
    return rows <= _ROWS and size <= _BYTES


def pieces(rows: Rows) -> Iterator[Rows]:
    """Yield rows in their order, as many at once as fit, roughly; a row alone may not."""
    parts = max(-(-len(rows.data) // (_BYTES // 2)), -(-len(rows) // _ROWS), 1)
    if parts == 1 or fits(len(rows), len(rows.data)):
        yield rows
        return
    most = -(-len(rows) // parts)
    for first in range(0, len(rows), most):
        yield rows[first : first + most]


class LeavesApart:
    """A process that hashes, and the memory that it shares with this one."""

    def __init__(self) -> None:
        """Start it."""
        self._free = deque(range(_SLOTS))
        self._asked: deque[Work] = deque()
        self.has_ended = False
        """Whether it was killed; what it was asked for is hashed here."""
        self._companion = Companion("archiver.writer.leaves_apart", _SLOTS * _SLOT)
        self._memory = self._companion.memory

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._companion.pid

    def begin(self, words: Words, rows: Rows) -> Work:
        """Ask for the leaves of rows that fit; waits where no slot is free."""
        if not self._free:
            self._take()
        work = Work(self._free.popleft(), len(rows), len(rows.data), words)
        start = work.slot * _SLOT
        self._memory[start : start + work.size] = rows.data
        packed = array("I", rows.lengths).tobytes()
        self._memory[start + _LENGTHS : start + _LENGTHS + len(packed)] = packed
        self._asked.append(work)
        try:
            self._companion.ask(_ASKED.pack(work.slot, work.rows, work.size, *words))
        except EndedError:
            self.has_ended = True
        return work

    def finish(self, work: Work) -> bytes:
        """Wait for an answer and return the leaves; those before it are there then, too."""
        while work.leaves is None:
            self._take()
        return work.leaves

    def _take(self) -> None:
        """Take the answer to what was asked for first."""
        work = self._asked.popleft()
        try:
            (trees,) = _COUNT.unpack(self._companion.answer(_COUNT.size))
        except EndedError:
            self.has_ended = True
            trees = _hash(self._memory, work, Salts(work.words.salt))
        start = work.slot * _SLOT
        packed = self._memory[start + _TREES : start + _TREES + _TREE.size * trees]
        work.trees = list(_TREE.iter_unpack(packed))
        work.leaves = self._memory[start + _LEAVES : start + _LEAVES + _LEAF * work.rows]
        self._free.append(work.slot)

    def close(self) -> None:
        """End the process: what it was asked for is not wanted any more."""
        self._companion.close()


def _hash(memory: mmap.mmap, work: Work, salts: Salts) -> int:
    """Put leaves and subtrees where they belong, and return how many subtrees there are."""
    start, words = work.slot * _SLOT, work.words
    lengths = array("I")
    lengths.frombytes(memory[start + _LENGTHS : start + _LENGTHS + 4 * work.rows])
    if sum(lengths) != work.size:
        raise ValueError(f"leaves: expected rows of {work.size} bytes, found {sum(lengths)}")
    data = memory[start : start + work.size]
    raws = row_digests(data, lengths)
    offsets = list(accumulate(lengths, initial=words.offset))[:-1]
    leaves = leaves_of_one_item(words.item, offsets, lengths, salts.joined(words.first, work.rows), raws)
    memory[start + _LEAVES : start + _LEAVES + _LEAF * work.rows] = b"".join(leaves)
    trees = subtrees(words.first, leaves)
    packed = b"".join(_TREE.pack(height, root) for height, root in trees)
    memory[start + _TREES : start + _TREES + len(packed)] = packed
    return len(trees)


# In the other process


def main(descriptor: int) -> None:
    """Answer requests until there are no more."""
    memory = companion.shared(descriptor)
    salt, salts = b"", None
    for slot, rows, size, *words in map(_ASKED.unpack, companion.questions(_ASKED.size)):
        work = Work(slot, rows, size, Words._make(words))
        if salts is None or salt != work.words.salt:
            salt = work.words.salt
            salts = Salts(salt)
        companion.answer(_COUNT.pack(_hash(memory, work, salts)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
