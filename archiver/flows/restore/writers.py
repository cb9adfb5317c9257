"""Who writes plain files: this process and, where there are many, one beside it that does nothing else.

To make a small file is work of the system and takes longer than to read it from a batch. So groups of files go to the
process beside this one for as long as it has not enough to do, and else this one writes them itself.

The laws:

1. What is written and checked is the same in both, by the same function.
2. A file never overtakes one whose name some file system takes for its own, or for that of a folder on its way, nor one
   below it: of items that cannot all be there the same ones are restored every time.
3. What came of the groups is told in their order, whoever wrote them; and before anything is said of a later file.
4. The process beside opens the same folder, by its inode, or writes nothing. When it is killed, the restore ends as if
   it had been killed itself: whole files only.

>>> with Writers(tree, target, told, beside) as writers:
...     writers.write(group)
...     writers.settle()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

from archiver.flows.restore.beside import Beside
from archiver.flows.restore.plain import PlainRows, write_plain
from archiver.flows.restore.tree import Parts, Tree
from archiver.late import dataclass

__all__ = ["Group", "Writers"]

_FEW: Final = 8
_UNDER_WAY: Final = 2
_UNTOLD: Final = 8


@dataclass(frozen=True)
class Group:
    """Plain files, the first of which the plan knows by its number; `row` is its row among `rows`, for the long way."""

    number: int
    plain: PlainRows
    rows: Any
    row: int

    @cached_property
    def names(self) -> frozenset[str]:
        """How its files are called, as a file system may see it."""
        return frozenset(map(_alike, self.plain.files.places))

    @cached_property
    def folders(self) -> frozenset[str]:
        """How the folders on the way to its files are called."""
        return _folders(self.names)

    def is_in_the_way(self, names: frozenset[str], folders: frozenset[str]) -> bool:
        """Say whether one of its files and one of others, with their folders, cannot both be there."""
        return not (self.names.isdisjoint(names | folders) and self.folders.isdisjoint(names))


Told = Callable[[Group, list[str | None]], None]
"""Takes in what came of each file of a group, as `write_plain` says it."""


class Writers:
    """Writes groups of plain files into an open tree."""

    def __init__(self, tree: Tree, target: Path, told: Told, beside: Beside) -> None:
        """Let the process beside this one open the target, too; `told` takes in what came of each group."""
        self._tree = tree
        self._told = told
        self._beside = beside
        self._untold: deque[tuple[Group, Future[list[str | None]]]] = deque()
        self._is_telling = False
        beside.join(target, tree)

    def write(self, group: Group) -> None:
        """Have a group written, now or soon."""
        under_way = [one for one, done in self._untold if not done.done()]
        done = None
        if group.plain.files.length >= _FEW and len(under_way) < _UNDER_WAY:
            done = self._beside.begin(group.plain)
        if done is None:
            if under_way:
                self._wait(group.names, group.folders)
            done = Future()
            done.set_result(write_plain(self._tree, group.plain))
        self._untold.append((group, done))
        while self._untold and (self._untold[0][1].done() or len(self._untold) > _UNTOLD):
            self._tell()

    def wait(self, where: Parts) -> None:
        """Wait until no file is under way that is in the way of this one: what is written next comes behind."""
        if self._untold:
            names = frozenset([_alike(b"/".join(where))])
            self._wait(names, _folders(names))

    def _wait(self, names: frozenset[str], folders: frozenset[str]) -> None:
        for group, done in self._untold:
            if not done.done() and group.is_in_the_way(names, folders):
                self._beside.answer(done)

    def settle(self) -> None:
        """Wait until all is written, and told; what is told now comes before what would have to be waited for."""
        while self._untold and not self._is_telling:
            self._tell()

    def _tell(self) -> None:
        group, done = self._untold.popleft()
        remarks = self._beside.answer(done)
        self._is_telling = True
        self._told(group, remarks)
        self._is_telling = False


def _alike(place: bytes) -> str:
    """Return what is the same for all names that a file system may take for one: in any case, composed or not."""
    text = place.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text.lower()
    return normalize("NFKD", normalize("NFKD", text).casefold())


def _folders(names: frozenset[str]) -> frozenset[str]:
    found = set[str]()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(found)
