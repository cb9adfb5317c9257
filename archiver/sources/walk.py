"""Walking a location: every name, in an order that depends on the names alone.

The laws:

1. Depth first, the names of a directory in byte order, a directory before its content. The location itself is not an
   item; a location that is a file is one item with the name as it was written.
2. Every step is relative to an open directory and follows no link, so a link swapped in for a directory during the walk
   leads nowhere: the directory is reported as `replaced`.
3. Other file systems are entered; `facts.dev` shows it.
4. Three descriptors, whatever the depth; paths longer than PATH_MAX work. In memory are the names not yet visited of
   the directories between the location and here, nothing else.
5. What fails is found too, with its `error`. Only a location that cannot be listed at all raises `SourceUnavailable`.

6. Who has enough of regular files by their `lstat` goes past them before anything else is made of them: asked for each
   folder, by its path, and then to go on from wherever the walk is in it. What it takes is not found here.

    for found in walk(Path("evidence")):
        print(found.path, found.kind, found.error)
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from archiver.late import dataclass
from archiver.sources.base import FileFacts, Found, Problem
from archiver.sources.facts import closer_facts, facts_at, facts_of, kind_of, problem_of
from archiver.sources.opening import O_PATH, anchored, enter, open_quietly, unavailable

__all__ = ["GoesPast", "GoesPastIn", "walk"]

_CODEC = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
"""What `os.fsencode` goes by."""
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

GoesPast: TypeAlias = Callable[[list[bytes], int], os.stat_result | None]
"""Takes what it has enough of off the end of the names of an open folder, one after the other (law 6).

It stops at the first name that it does not take, and returns its `lstat`, None if that has none or no name is left.
"""
GoesPastIn: TypeAlias = Callable[[bytes], GoesPast]
"""Returns what goes past the files of a folder, by the folder's path; again when the walk comes back to it."""


def walk(location: Path, *, quick: bool = False, past: GoesPastIn | None = None) -> Iterator[Found]:
    """Yield everything below `location` but what `past` goes past, or the one item that it is itself.

    A `quick` walk asks for nothing but the `lstat` of each name: no attributes, no time of birth. They can be asked for
    as long as the walk stands there: `Found.seen_closer`.
    """
    with anchored(location) as anchor:
        if anchor.real is not None and anchor.path is not None:
            found = _looked_at(anchor.descriptor, anchor.real, anchor.path, None)
            yield found if quick else found.seen_closer()
            return
        try:
            root = _list(anchor.descriptor, b".")
        except OSError as error:
            raise unavailable(location, error) from error
        yield from _Walk(anchor.descriptor, root, past, quick=quick).run()


@dataclass(frozen=True)
class _Listed:
    """A directory that is open and whose names were read; `names` in reverse order, as they are taken off the end."""

    descriptor: int
    facts: FileFacts
    names: list[bytes]


@dataclass(frozen=True)
class _Level:
    """A directory between the location and here: its own name, which one it is, and the names not yet visited."""

    name: bytes
    facts: FileFacts
    names: list[bytes]


class _Walk:
    """Where the walk stands: one open directory, and the way back."""

    def __init__(self, anchor: int, root: _Listed, past: GoesPastIn | None, *, quick: bool) -> None:
        """Begin in the location; its anchor stays the caller's, the listed descriptor is ours from here."""
        self._anchor = anchor
        self._past = past
        self._quick = quick
        self._here: int | None = root.descriptor
        self._lost = Problem("vanished", "the directory is no longer where it was")
        self._path = b""
        self._levels = [_Level(b"", root.facts, root.names)]

    def run(self) -> Iterator[Found]:
        """Yield what is below, and close what is open in the end."""
        try:
            while self._levels:
                names = self._levels[-1].names
                status = self._go_past(names) if names else None
                if names:
                    yield self._visit(names.pop(), status)
                else:
                    self._leave()
        finally:
            self._hold(None)

    def _go_past(self, names: list[bytes]) -> os.stat_result | None:
        """Go past the names that somebody takes, up to one that is not; return its `lstat`, None if nobody knows it."""
        if self._past is None or self._here is None:
            return None
        return self._past(self._path)(names, self._here)

    def _visit(self, name: bytes, status: os.stat_result | None) -> Found:
        """Look at one name of the present directory, and step into it if it is a directory."""
        path = self._path + b"/" + name if self._path else name
        if self._here is None:
            return Found(path, "file", None, None, self._lost)
        found = _looked_at(self._here, name, path, status)
        if not self._quick:
            found = found.seen_closer()
        if found.kind != "directory":
            return found
        try:
            listed = _list(self._here, name)
        except OSError as error:
            return found._replace(error=problem_of(error, path))
        self._hold(listed.descriptor)
        self._levels.append(_Level(name, listed.facts, listed.names))
        self._path = path
        return Found(path, "directory", listed.facts, None)

    def _leave(self) -> None:
        """Go back to the directory above; if it cannot be reached any more, its remaining names are lost (law 5)."""
        left = self._levels.pop()
        if not self._levels:
            return
        self._path = self._path[: -len(left.name) - 1] if len(self._levels) > 1 else b""
        if self._up(self._levels[-1].facts):
            return
        self._hold(None)
        try:
            self._here = enter(self._anchor, [level.name for level in self._levels[1:]])
        except OSError as error:
            self._lost = problem_of(error, self._path)

    def _up(self, wanted: FileFacts) -> bool:
        """Take the short way back, `..`, if it leads where we came from: a directory may have been moved meanwhile."""
        if self._here is None:
            return False
        try:
            above = os.open("..", O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._here)
        except OSError:  # not searchable, or gone; the way from the location is tried next
            return False
        if not _is_same(above, wanted):
            os.close(above)
            return False
        self._hold(above)
        return True

    def _hold(self, descriptor: int | None) -> None:
        """Stand in another directory and let go of the present one."""
        if self._here is not None:
            os.close(self._here)
        self._here = descriptor


def _looked_at(directory: int, name: bytes, path: bytes, status: os.stat_result | None) -> Found:
    """Return what can be said about a name at a quick look, without opening it; `status` is its `lstat` if known."""
    try:
        if status is None:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        facts = facts_at(directory, name, status)
    except OSError as error:
        return Found(path, "file", None, None, problem_of(error, path))
    kind = kind_of(status.st_mode)
    closer = functools.partial(closer_facts, directory, name, facts)
    return Found(path, kind, facts, facts.size if kind == "file" else None, None, None, True, closer)  # noqa: FBT003 - has content


def _list(directory: int, name: bytes) -> _Listed:
    """Open a directory and read all its names."""
    descriptor = open_quietly(name, _LIST, directory)
    try:
        names = [name.encode(*_CODEC) for name in os.listdir(descriptor)]  # noqa: PTH208 - a Path has no descriptor
        names.sort(reverse=True)
        return _Listed(descriptor, facts_of(descriptor), names)
    except OSError:
        os.close(descriptor)
        raise


def _is_same(descriptor: int, wanted: FileFacts) -> bool:
    """Say whether an open directory is the one of these facts."""
    try:
        status = os.fstat(descriptor)
    except OSError:  # a file server forgot it
        return False
    return (status.st_dev, status.st_ino) == (wanted.dev, wanted.ino)
