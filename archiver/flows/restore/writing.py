"""A file on its way: its pieces come in order, each is hashed and written, and at the end it is known what it is.

Large pieces are hashed and written by other threads, one piece at a time, while the caller decodes the next rows: none
of the three needs the interpreter. What goes wrong with a piece is raised where the next one comes, or at the end.

>>> writing = Writing(line, tree.begin(), holes_of(line.file))
>>> writing.take(data, tree, threads)
>>> writing.settle()
>>> writing.size, writing.digest.hexdigest()
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor, Future, wait
from dataclasses import field
from functools import partial
from typing import Final

from archiver.flows.restore.facts import write_at
from archiver.flows.restore.tree import Tree
from archiver.late import dataclass
from archiver.model.items import ItemLine

__all__ = ["Writing"]

_BIG: Final = 1 << 20


@dataclass
class Writing:
    """A file on its way: what it is called in the tree, and how far it has come."""

    line: ItemLine
    name: bytes
    holes: list[tuple[int, int]]
    size: int = 0
    ranges: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _under_way: list[Future[None]] = field(default_factory=list)

    def take(self, data: memoryview, tree: Tree, threads: Executor) -> None:
        """Hash the next piece and write it."""
        self.settle()
        steps = (partial(self.digest.update, data), partial(self._write, data, self.size, tree))
        if len(data) < _BIG:
            for step in steps:
                step()
        else:
            self._under_way = [threads.submit(step) for step in steps]
        self.size += len(data)

    def settle(self) -> None:
        """Wait until the last piece is hashed and written."""
        while self._under_way:
            self._under_way.pop().result()

    def give_up(self, tree: Tree) -> None:
        """Forget the file, whatever became of its last piece."""
        wait(self._under_way)
        tree.drop(self.name)

    def _write(self, data: memoryview, offset: int, tree: Tree) -> None:
        with tree.unfinished(self.name) as descriptor:
            write_at(descriptor, data, offset, self.holes)
