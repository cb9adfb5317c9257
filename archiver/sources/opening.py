"""Opening what the walk found, and nothing else.

The laws:

1. The location itself is as the operator wrote it and may be a link; below it, every component is opened relative to
   its parent's descriptor and no link is followed, whatever was swapped in since the walk.
2. Only a regular file is read. Another kind is not opened if a look at the name tells, and an open that raced does not
   block (O_NONBLOCK) and is closed again once fstat tells.
3. A read goes on until the system says that it is the end; the size is not believed (files under /proc have none).
4. Reading leaves atime alone where the system allows it. Every failure is a `ReadProblem` with the error number.

    with open_file(Path("evidence"), b"logs/a.jsonl") as opened:
        for block in opened.blocks():
            ...
        intact = unchanged_since(opened.first, opened.stat_now())
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from archiver.late import dataclass
from archiver.sources.base import FileFacts, Problem, ReadProblem, SourceUnavailable
from archiver.sources.facts import closer_facts, facts_of, problem_of
from archiver.sources.rows import BLOCK

__all__ = ["READ_AT_ONCE", "Anchor", "Opened", "Openings", "anchored", "enter", "open_file", "open_quietly"]

O_NOATIME: int = getattr(os, "O_NOATIME", 0)  # Linux
O_PATH: int = getattr(os, "O_PATH", os.O_RDONLY)  # Linux: needs no right to read, only to pass
_PASS = O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ELSEWHERE = frozenset({b"", b".", b".."})
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
READ_AT_ONCE = _READ | os.O_NONBLOCK
"""Neither opening nor reading waits (law 2)."""


@dataclass(frozen=True)
class Anchor:
    """A location held by a descriptor: of the folder, or, if the location is no folder, of its parent.

    `real` is then the name in that parent, links resolved, and `path` the item's path, the name as it was written.
    """

    descriptor: int
    path: bytes | None
    real: bytes | None


@contextmanager
def anchored(location: Path) -> Iterator[Anchor]:
    """Hold a location open; `SourceUnavailable` if it is not there or may not be passed."""
    try:
        real = Path(os.path.realpath(location, strict=True))  # Path.resolve has no OSError for a circle of links
        folder = stat.S_ISDIR(real.lstat().st_mode)
        descriptor = os.open(real if folder else real.parent, _PASS)
    except OSError as error:
        raise unavailable(location, error) from error
    try:
        if folder:
            yield Anchor(descriptor, None, None)
        else:
            yield Anchor(descriptor, os.fsencode(location.name), os.fsencode(real.name))
    finally:
        os.close(descriptor)


def unavailable(location: Path, error: OSError) -> SourceUnavailable:
    """Return the error for a location that nothing can be learnt of."""
    problem = problem_of(error, os.fsencode(location))
    return SourceUnavailable(
        "source-unavailable",
        f"source location: expected a folder or file that can be read, found {problem.detail}",
        hint="check that the share is mounted and that this user may read it",
    )


class Opened:
    """A regular file, open for one reading, in a `with` statement. `first` holds its facts before the first byte."""

    def __init__(self, descriptor: int, status: os.stat_result, path: bytes) -> None:
        """Look closer at the file before it is read, and take its descriptor over; `status` is what fstat tells now."""
        self._descriptor = descriptor
        self._path = path
        try:
            self.first: FileFacts = facts_of(descriptor, status)
        except OSError as error:
            os.close(descriptor)
            raise ReadProblem(problem_of(error, path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        try:
            return os.read(self._descriptor, size)
        except OSError as error:
            raise ReadProblem(problem_of(error, self._path)) from error

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield what is left of the file, block by block."""
        while block := self.read(size):
            yield block

    def rewind(self, offset: int = 0) -> None:
        """Go back to the first byte, for the one reread of a file that changed, or to the first that is new."""
        try:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
        except OSError as error:
            raise ReadProblem(problem_of(error, self._path)) from error

    def stat_now(self) -> FileFacts:
        """Look at the open file again; compare with `first` to learn whether it changed while it was read."""
        try:
            return facts_of(self._descriptor)
        except OSError as error:
            raise ReadProblem(problem_of(error, self._path)) from error

    def facts_if_still(self) -> FileFacts | None:
        """Return the facts as of now if the file is in the state of `first`, None when it has changed.

        Whatever changes attributes, mode or holes sets ctime, so they are those of the first look.
        """
        try:
            now = os.fstat(self._descriptor)
        except OSError as error:
            raise ReadProblem(problem_of(error, self._path)) from error
        first = self.first
        state = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        if state != (first.dev, first.ino, first.size, first.mtime_ns, first.ctime_ns):
            return None
        return first if now.st_atime_ns == first.atime_ns else first._replace(atime_ns=now.st_atime_ns)


class Openings:
    """A location held open for many files; the folder of the last one stays open, as the next one mostly lies there.

    >>> with anchored(location) as anchor, closing(Openings(anchor)) as openings, openings.file(b"a/b.txt") as opened:
    ...     opened.read(5)
    """

    def __init__(self, anchor: Anchor) -> None:
        """Begin at the location; the anchor stays the caller's."""
        self._anchor = anchor
        self._parents = b""
        """The path of the folder that is open, with the stroke behind it."""
        self._folder: int | None = None

    def close(self) -> None:
        """Let the last folder go."""
        if self._folder is not None:
            os.close(self._folder)
        self._folder = None

    def file(self, path: bytes) -> Opened:
        """Open the regular file at `path`, as `open_file` does."""
        return Opened(*self._open(path), path)

    def closer_facts(self, path: bytes, facts: FileFacts) -> FileFacts:
        """Return the facts of a name with what a quick look left out, as far as it can still be learnt."""
        try:
            folder, name = self.folder_of(path)
        except (OSError, ReadProblem):  # it is not where it was; what was seen is what is known
            return facts
        return closer_facts(folder, name, facts)

    def _open(self, path: bytes) -> tuple[int, os.stat_result]:
        try:
            return _open_regular(*self.folder_of(path), path)
        except OSError as error:
            raise ReadProblem(problem_of(error, path)) from error

    def folder_of(self, path: bytes) -> tuple[int, bytes]:
        """Return the open folder that a name is in, and the name there; raises `OSError` and `ReadProblem`."""
        anchor = self._anchor
        if anchor.real is not None and path == anchor.path:
            return anchor.descriptor, anchor.real
        cut = path.rfind(b"/") + 1
        name = path[cut:]
        if self._folder is None or path[:cut] != self._parents or name in _ELSEWHERE or b"\0" in name:
            *parents, name = _components(path)
            self.close()
            self._folder, self._parents = enter(anchor.descriptor, parents), path[:cut]
        return self._folder, name


def open_file(location: Path | Openings, path: bytes) -> Opened:
    """Open the regular file at `path` of a location, as `walk` reported it; the location may be held open."""
    if isinstance(location, Openings):
        return location.file(path)
    with anchored(location) as anchor:
        return Opened(*_open_item(anchor, path), path)


def _open_item(anchor: Anchor, path: bytes) -> tuple[int, os.stat_result]:
    """Return a descriptor of the item's file and its status; `ReadProblem` for anything else."""
    try:
        if anchor.real is not None and path == anchor.path:
            return _open_regular(anchor.descriptor, anchor.real, path)
        *parents, name = _components(path)
        directory = enter(anchor.descriptor, parents)
        try:
            return _open_regular(directory, name, path)
        finally:
            os.close(directory)
    except OSError as error:
        raise ReadProblem(problem_of(error, path)) from error


def _components(path: bytes) -> list[bytes]:
    """Return the names along a path; one that could lead elsewhere is refused."""
    names = path.split(b"/")
    if b"\0" in path or not _ELSEWHERE.isdisjoint(names):
        raise ReadProblem(Problem("unreadable", f"{path!r}: not a path below its location"))
    return names


def enter(descriptor: int, names: list[bytes]) -> int:
    """Return a new descriptor of the folder reached through `names`, no link followed; the caller closes it."""
    here = os.dup(descriptor)
    for name in names:
        try:
            below = os.open(name, _PASS, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def _open_regular(directory: int, name: bytes, path: bytes) -> tuple[int, os.stat_result]:
    """Open `name` for reading if it is a regular file, before the open and after it (law 2); return its status, too."""
    _demand_regular(os.stat(name, dir_fd=directory, follow_symlinks=False), path)
    try:
        descriptor = open_quietly(name, READ_AT_ONCE, directory)
    except BlockingIOError:  # a lease (a file server's oplock) has to be broken first, which takes a blocking open
        descriptor = _open_leased(directory, name, path)
    try:
        status = os.fstat(descriptor)
        _demand_regular(status, path)
        os.set_blocking(descriptor, True)
    except (OSError, ReadProblem):
        os.close(descriptor)
        raise
    return descriptor, status


def _open_leased(directory: int, name: bytes, path: bytes) -> int:
    """Open a regular file and wait for its lease; what is opened is the very inode that was looked at."""
    pinned = os.open(name, O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        _demand_regular(os.fstat(pinned), path)
        return os.open(f"/proc/self/fd/{pinned}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(pinned)


def _demand_regular(status: os.stat_result, path: bytes) -> None:
    if not stat.S_ISREG(status.st_mode):
        text = path.decode("utf-8", "backslashreplace")
        raise ReadProblem(Problem("replaced", f"{text}: expected a regular file, found another kind of thing"))


def open_quietly(name: bytes | str, flags: int, directory: int) -> int:
    """Open without touching atime where that is allowed (to the owner and to root)."""
    try:
        return os.open(name, flags | O_NOATIME, dir_fd=directory)
    except PermissionError:
        return os.open(name, flags, dir_fd=directory)
