r"""The leaves of a batch's rows, and the Merkle root over them.

Rows come in their order and may be taken back from the end. Many rows of one item, as logs have them, are hashed by a
process beside this one once there is enough to hash; who hashes them makes no difference to the root. Memory is 32
bytes a row.

>>> leaves = Leaves(salt)
>>> leaves.add(item_digest(text), 0, Rows.of([b"one\n", b"two"]))
>>> len(leaves), leaves.root()
(2, b'...')
"""

from __future__ import annotations

import itertools
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Self

from archiver.model.leaf import Salts, leaves_of_digests, row_digests
from archiver.model.rows import Rows
from archiver.proof import merkle
from archiver.writer.leaves_apart import LeavesApart, Trees, Words, Work, fits, pieces

__all__ = ["Beside", "Leaves"]

_LEAF: Final = 32
_MANY: Final = 64
"""Rows whose subtrees are made when they are added: at the end of a batch nothing else is there to be done."""
_BEGIN: Final = 32 << 20
"""Bytes of rows before a process is started: they are hashed here in less time than that takes."""


class Beside:
    """The process that hashes beside this one, if one may be started; it serves one batch after the other."""

    def __init__(self, processes: int, *, begin: int = _BEGIN) -> None:
        """Start nothing yet: with `processes` none ever, otherwise one behind so many bytes of rows."""
        self._may_start = processes > 0
        self._begin = begin
        self._bytes = 0
        self.process: LeavesApart | None = None

    def expect(self, size: int) -> None:
        """Say that so many bytes of rows will come: the process that they are worth is there when they do."""
        if self._may_start and self._bytes + size > self._begin:
            self._start()

    def for_rows(self, rows: int, size: int) -> LeavesApart | None:
        """Return the process that shall hash so many rows of so many bytes; None where they are hashed here."""
        self._bytes += size
        self.expect(0)
        if self.process is None or self.process.has_ended or not fits(rows, size):
            return None
        return self.process

    def _start(self) -> None:
        self._may_start = False
        try:
            self.process = LeavesApart()
        except OSError:  # no more processes, files or memory: it takes longer, and that is all
            self.process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.close()
            self.process = None


class Leaves:
    """The leaves of one batch."""

    def __init__(self, salt: bytes, beside: Beside | None = None) -> None:
        """Begin with none; without `beside` all are hashed here."""
        self._salt = salt
        self._salts = Salts(salt)
        self._beside = beside or Beside(0)
        self._bytes = bytearray()
        self._waiting: deque[tuple[LeavesApart, Work]] = deque()
        self._trees: list[tuple[int, int, Trees]] = []
        """First row, number of rows, and the subtrees over them, of rows that were added at one go; in any order."""

    def __len__(self) -> int:
        return len(self._bytes) // _LEAF

    @property
    def are_made_apart(self) -> bool:
        """Say whether another process makes them, so that it takes no time here to add rows."""
        return self._beside.process is not None and not self._beside.process.has_ended

    def add(self, item: bytes, offset: int, rows: Rows) -> None:
        """Add rows beside each other of one item, the first at `offset`, given the digest of its text."""
        for some in pieces(rows):
            self._add(item, offset, some)
            offset += len(some.data)

    def _add(self, item: bytes, offset: int, rows: Rows) -> None:
        """Add rows that another process may hash at one go, if there is one."""
        first = len(self)
        apart = self._beside.for_rows(len(rows), len(rows.data)) if len(rows) > 1 else None
        if apart is None:
            offsets = itertools.accumulate(rows.lengths[:-1], initial=offset)
            digests = row_digests(rows.data, rows.lengths)
            self.add_digests(itertools.repeat(item), list(offsets), rows.lengths, digests)
            return
        self._waiting.append((apart, apart.begin(Words(first, offset, item, self._salt), rows)))
        self._bytes += bytes(_LEAF * len(rows))  # where they will be
        while self._waiting and self._waiting[0][1].leaves is not None:
            self._settle_one()

    def add_digests(
        self, items: Iterable[bytes], offsets: Sequence[int], lengths: Sequence[int], digests: Sequence[bytes]
    ) -> None:
        """Add rows given the SHA-256 of each, and of the texts of their items."""
        first, count = len(self), len(digests)
        leaves = leaves_of_digests(items, offsets, lengths, self._salts.rows(first, count), digests)
        self._bytes += b"".join(leaves)
        if count >= _MANY:
            self._trees.append((first, count, merkle.subtrees(first, leaves)))

    def take_back(self, rows: int) -> None:
        """Forget all but the first `rows` rows."""
        self._settle()
        del self._bytes[rows * _LEAF :]
        self._trees = [one for one in self._trees if one[0] + one[1] <= rows]

    def root(self) -> bytes:
        """Return the root over the leaves of all rows."""
        self._settle()
        if not self._trees:
            return merkle.root_of(self._between(0, len(self)))
        tree = merkle.Frontier()
        for first, rows, trees in [*sorted(self._trees), (len(self), 0, [])]:
            for height, root in itertools.chain(merkle.subtrees(tree.size, self._between(tree.size, first)), trees):
                tree.graft(height, root)
            if tree.size != first + rows:
                raise RuntimeError(f"leaves: expected a tree of {first + rows}, found {tree.size}")
        return tree.root()

    def _settle(self) -> None:
        """Wait for what is hashed elsewhere."""
        while self._waiting:
            self._settle_one()

    def _settle_one(self) -> None:
        apart, work = self._waiting.popleft()
        first = work.words.first
        self._bytes[first * _LEAF : (first + work.rows) * _LEAF] = apart.finish(work)
        self._trees.append((first, work.rows, work.trees))

    def _between(self, first: int, after: int) -> list[bytes]:
        some = self._bytes[first * _LEAF : after * _LEAF]
        return [leaf for (leaf,) in struct.iter_unpack(f"{_LEAF}s", some)]
