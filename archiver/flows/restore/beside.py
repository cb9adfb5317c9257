"""A process that writes plain files beside this one, started when there is enough for it to do.

It opens the same folder, by its inode, or writes nothing. When it is killed, the restore ends as if it had been killed
itself: whole files only.

A copy of this process, where one is safe, is there at once, and finds the bytes of the files where this one put them:
in memory that both see, in a place of their own until it is told what came of them. One that had to be started afresh
is sent them. What is written and checked is the same.

>>> with Beside() as beside:
...     beside.copy(100_000)
...     beside.join(target, tree)
...     done = beside.begin(rows)
"""

from __future__ import annotations

import mmap
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from archiver.errors import WorldError
from archiver.flows.restore.plain import PlainRows, write_plain
from archiver.flows.restore.tree import Tree, join_tree

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = ["Beside"]

_Answer = TypeVar("_Answer")
_MANY: Final = 3000
"""Files from which on a process is worth its start afresh, which takes as long as to write so many."""
_MANY_BY_COPY: Final = 500
_PLACE: Final = 8 << 20
"""Bytes that both see for one group of files; what does not fit, as one file may not, is sent."""
_PLACES: Final = 2


class Beside:
    """A process that writes plain files, or none."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool: ProcessPoolExecutor | None = None
        self._joined: Future[bool] | None = None
        self._shared: mmap.mmap | None = None
        self._used: list[Future[list[str | None]] | None] = [None] * _PLACES

    def copy(self, files: int) -> None:
        """Start it as a copy of this one, where so many files and the cores are worth it, and where that is safe.

        It must be done before this process has threads of its own.
        """
        if files < _MANY_BY_COPY:
            return
        from archiver.workers import cores, forked_pool  # noqa: PLC0415 - what starts processes is loaded when wanted

        if cores() > 1:
            with suppress(OSError, NotImplementedError):  # where no process can be started, this one writes all
                self._shared = mmap.mmap(-1, _PLACES * _PLACE)
                _shared[:] = [self._shared]  # the copy finds it there
                self._pool = forked_pool(1)
            _shared.clear()
            if self._pool is None:
                self._forget()

    def start(self, files: int) -> None:
        """Start it afresh, where so many plain files and the cores are worth it, and there is none yet."""
        if self._pool is not None or files < _MANY:
            return
        from archiver.workers import cores, pool_of  # noqa: PLC0415 - the same

        if cores() > 1:
            with suppress(OSError, NotImplementedError):
                pool = pool_of(1, __name__)
                pool.submit(int)  # it is started by the first work, and loads what it needs
                self._pool = pool

    def join(self, target: Path, tree: Tree) -> None:
        """Let it open the target; until it has, it takes nothing."""
        if self._pool is not None:
            try:
                self._joined = self._pool.submit(_join, target.absolute(), tree.identity)
            except BrokenExecutor as problem:
                raise _killed() from problem

    def begin(self, rows: PlainRows) -> Future[list[str | None]] | None:
        """Let it write some files; None where it does not take them."""
        if self._pool is None or self._joined is None or not self._joined.done() or not self.answer(self._joined):
            return None
        place = self._put(rows.data)
        sent = bytes(rows.data) if place is None else b""
        try:
            done = self._pool.submit(_write, rows._replace(data=sent), place)
        except BrokenExecutor as problem:
            raise _killed() from problem
        if place is not None:
            self._used[place] = done
        return done

    def answer(self, done: Future[_Answer]) -> _Answer:
        """Return what came of some work; raises `WorldError` when the process was killed over it."""
        try:
            if self._pool is None or done.done():  # as all is that this process wrote itself
                return done.result()
            from archiver.workers import answer_of  # noqa: PLC0415 - the same

            return answer_of(done, self._pool)
        except BrokenExecutor as problem:
            raise _killed() from problem

    def _put(self, data: memoryview | bytes) -> int | None:
        """Put bytes where both see them; return the place, None where there is none for them."""
        if self._shared is None or len(data) > _PLACE:
            return None
        for place, used in enumerate(self._used):
            if used is None or used.done():
                self._shared[place * _PLACE : place * _PLACE + len(data)] = data
                return place
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until it has ended; no more than that when it has."""
        if self._pool is not None:
            from archiver.workers import shut_down  # noqa: PLC0415 - the same

            shut_down(self._pool)
        self._forget()

    def _forget(self) -> None:
        if self._shared is not None:
            self._shared.close()
        self._shared = None


def _killed() -> WorldError:
    return WorldError(
        "workers-killed",
        "a process that wrote files beside this one was killed; what is in the folder is whole, and not all",
        hint="look whether memory runs out, and restore into another folder",
    )


_shared: Final[list[mmap.mmap]] = []

# In the process beside

_joined: Final[list[Tree]] = []


def _join(target: Path, identity: tuple[int, int]) -> bool:
    tree = join_tree(target, identity)
    _joined[:] = [] if tree is None else [tree]
    return tree is not None


def _write(rows: PlainRows, place: int | None) -> list[str | None]:
    if place is None:
        return write_plain(_joined[0], rows)
    begin = place * _PLACE
    with memoryview(_shared[0])[begin : begin + rows.size] as data:
        return write_plain(_joined[0], rows._replace(data=data))
