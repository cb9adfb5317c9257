"""Exports of other systems that lie unpacked in a folder: how their manifests agree with the files beside them.

What is said is inside the first manifest of the folder, when that is read; as long as it stays what it was, so does
what was said. Exports in a zip are looked at where zips are (`inside`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from archiver.flows.snapshot.inside import Inside, Walk
from archiver.flows.snapshot.sight import Sight
from archiver.late import dataclass
from archiver.model.items import ItemLine
from archiver.sources import files
from archiver.sources.base import ReadProblem
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack import exports
from archiver.sources.unpack.base import Budget
from archiver.sources.unpack.exports_checked import checked

__all__ = ["Exported"]

_MOST_FILES: Final = 100_000
_ENDS: Final = (b".csv", b".xml", b".json", b".dat", b".md5", b"md5sums", b"md5sums.txt")
"""How manifests end, but for lists of checksums."""
_LINE_ENDS: Final = tuple(end + b"\n" for end in _ENDS)
Blocks = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Exported:
    """The exports of a source that lies in a folder."""

    inside: Inside
    folder: Path

    @staticmethod
    def may_be_said_by(path: bytes) -> bool:
        """Say whether a file has the name of a manifest; hardly any has."""
        lowered = path.lower()
        if not lowered.endswith(_ENDS) and (
            b"checksum" not in lowered or b"checksum" not in lowered.rpartition(b"/")[2]
        ):
            return False
        return exports.is_sign(os.fsdecode(path))

    @staticmethod
    def may_be_said_by_some(paths: Iterable[bytes]) -> bool:
        """Say whether any of some files may have the name of one: False where `may_be_said_by` says so of each."""
        lowered = b"\n".join((*paths, b"")).lower()
        return b"checksum" in lowered or any(end in lowered for end in _LINE_ENDS)

    def lines(self, sight: Sight) -> Iterator[ItemLine]:
        """Account for what an export says whose first manifest this file is; nothing for any other file."""
        name = os.fsdecode(sight.found.path)
        wanted = "zip" in self.inside.source.unpack and sight.decision == "read" and sight.found.kind == "file"
        if not wanted or not exports.is_sign(name) or not self.folder.is_dir():
            return
        counted = Budget(self.inside.limits, self.inside.limits.total).counted
        below, _, base = name.rpartition("/")
        if not exports.is_one_of_several(base) and exports.read({base: partial(self._blocks, name, counted)}) is None:
            return
        shelf = self._shelf(below, counted)
        export = exports.read(shelf)
        own = [one for one in (*export.manifests, *export.tables) if "/" not in one] if export is not None else []
        if export is None or base != min(own, default=""):
            return
        walk = Walk(self.inside, sight, lambda: True, Budget(self.inside.limits, self.inside.limits.total))
        yield from walk.members(sight.item, "export", lambda: checked(export, shelf, self.inside.scratch), 1)

    def _shelf(self, below: str, counted: Callable[[Iterable[bytes]], Iterable[bytes]]) -> dict[str, Blocks]:
        """Return the files of a folder and of those in it, and the mailboxes in its zips."""
        found: dict[str, Blocks] = {}
        for place, folders, names in os.walk(self.folder / below):
            folders.sort()
            for name in sorted(names):
                path = os.path.relpath(os.path.join(place, name), self.folder / below)  # noqa: PTH118
                found[path] = partial(self._blocks, f"{below}/{path}".lstrip("/"), counted)
                if path == name and name.lower().endswith(".zip"):
                    zipped = exports.shelf_of_zip(_OnDisk(Path(place) / name), counted, every=True)
                    found |= {f"{name}/{one}": read for one, read in zipped.items() if one.lower().endswith(".mbox")}
            if len(found) > _MOST_FILES:
                return {}
        return found

    def _blocks(self, path: str, counted: Callable[[Iterable[bytes]], Iterable[bytes]]) -> Iterator[bytes]:
        try:
            with files.open_file(self.folder, os.fsencode(path)) as opened:
                yield from counted(opened.blocks())
        except ReadProblem as problem:
            raise StoppedError(problem.problem.reason, problem.problem.detail) from problem


class _OnDisk:
    """A file beside a manifest, to be read at any place; it is opened for each piece, no link followed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.size = path.lstat().st_size
        except OSError:
            self.size = 0

    def read_at(self, offset: int, size: int) -> bytes:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as problem:
            raise StoppedError("unreadable", f"{self._path.name}: {problem.strerror}") from problem
        try:
            return os.pread(descriptor, size, offset)
        except OSError as problem:
            raise StoppedError("unreadable", f"{self._path.name}: {problem.strerror}") from problem
        finally:
            os.close(descriptor)
