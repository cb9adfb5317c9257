"""A fresh folder that files are restored into, and out of which nothing ever leads.

The laws:

1. Every name is opened relative to a folder that was opened before it, never following a link, so no path can lead
   outside, whatever stands in it and whoever changes the folder meanwhile.
2. A file is written under `.restoring`, which no source can be called, and appears under its own name whole, checked
   and with its mode and times, or not at all. Nothing is ever replaced.
3. A name that this file system does not take is a `NameRefusedError` about that item; a full disk stops the whole.

>>> with open_tree(Path("restored")) as tree:
...     tree.folder((b"mail", b"2026"))
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archiver.errors import ArchiverError, EvidenceError, UsageError, WorldError

__all__ = ["NameRefusedError", "Parts", "Tree", "check_target", "join_tree", "open_tree"]

Parts = tuple[bytes, ...]
"""Components of a path below the target; none of them is empty, `.` or `..`."""

_STAGING: Final = b".restoring"
_BESIDE: Final = b"beside"  # in it; what lies there otherwise is called by numbers
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_ALL_RIGHTS: Final = 0o7777
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class NameRefusedError(EvidenceError):
    """A file system cannot hold an item under its name."""


def check_target(target: Path) -> None:
    """Refuse a target that holds anything: nothing is overwritten, and nothing is mixed with what is there."""
    try:
        names = [path.name for path in target.iterdir()]
    except FileNotFoundError:
        return
    except OSError as problem:
        raise UsageError(
            "target-refused",
            f"{target}: expected a new or an empty folder, found: {problem.strerror}",
            hint="name a folder that does not exist yet",
        ) from problem
    if names:
        raise UsageError(
            "target-not-empty",
            f"{target}: expected a new or an empty folder, found {len(names)} names in it",
            hint="name a folder that does not exist yet; nothing is ever written over",
        )


@contextmanager
def open_tree(target: Path) -> Iterator[Tree]:
    """Make the target, which must be absent or empty, and open it."""
    check_target(target)
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as problem:
        raise _world(problem, target) from problem
    tree = None
    try:
        tree = Tree(root, target)
        yield tree
    finally:
        if tree is not None:
            tree.close()
        os.close(root)


def join_tree(target: Path, identity: tuple[int, int]) -> Tree | None:
    """Open a target that another process has made, to write beside it; None where the same folder is not there.

    It is never closed: the other process removes what was not finished.
    """
    try:
        root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return Tree(root, target, beside=True) if _identity(root) == identity else None
    except (OSError, ArchiverError):
        return None


class Tree:
    """An open target."""

    def __init__(self, root: int, target: Path, *, beside: bool = False) -> None:
        """Begin in an empty folder that is open as `root`, or `beside` a process that began there."""
        self._root = root
        self._target = target
        self._here: tuple[Parts, int] | None = None
        self._here_joined = b""
        self._has_links = True
        self._count = 0
        with self._named((_STAGING,)):
            if not beside:
                os.mkdir(_STAGING, 0o700, dir_fd=root)
            self._staging = os.open(_STAGING, _FOLDER, dir_fd=root)
            if beside:
                self._staging = self._step(self._staging, _BESIDE, (_STAGING, _BESIDE), create=True)

    def close(self) -> None:
        """Remove what was not finished, here and beside."""
        self._leave()
        with contextlib.suppress(FileNotFoundError):
            beside = os.open(_BESIDE, _FOLDER, dir_fd=self._staging)
            _empty(beside)
            os.rmdir(_BESIDE, dir_fd=self._staging)
        _empty(self._staging)
        os.rmdir(_STAGING, dir_fd=self._root)

    @property
    def identity(self) -> tuple[int, int]:
        """Which folder of this machine it is, for as long as it is open."""
        return _identity(self._root)

    # Folders

    def folder(self, parts: Parts, *, create: bool = True) -> int:
        """Return a descriptor of a folder, made on the way where it is missing; it stays open until the next call."""
        if self._here is not None and self._here[0] == parts:
            return self._here[1]
        start: tuple[Parts, int] = ((), os.dup(self._root))
        if self._here is not None and parts[: len(self._here[0])] == self._here[0]:
            os.close(start[1])
            start, self._here = self._here, None
        self._leave()
        path, descriptor = start
        for name in parts[len(path) :]:
            descriptor = self._step(descriptor, name, parts, create=create)
        self._here, self._here_joined = (parts, descriptor), b"/".join(parts)
        return descriptor

    def _step(self, parent: int, name: bytes, parts: Parts, *, create: bool) -> int:
        try:
            with self._named(parts):
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=parent)
                return os.open(name, _FOLDER, dir_fd=parent)
        finally:
            os.close(parent)

    def _leave(self) -> None:
        if self._here is not None:
            os.close(self._here[1])
        self._here = None

    # Files

    def begin(self) -> bytes:
        """Make an unfinished file and return what it is called."""
        self._count += 1
        name = b"%d" % self._count
        with self._named((_STAGING, name)):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._staging))
        return name

    @contextmanager
    def fresh(self) -> Iterator[tuple[bytes, int]]:
        """Make an unfinished file and hold it open for writing; yields what it is called, and its descriptor."""
        self._count += 1
        name = b"%d" % self._count
        with self._named((_STAGING, name)):
            descriptor = os.open(name, _NEW, 0o600, dir_fd=self._staging)
        try:
            with self._named((_STAGING, name)):
                yield name, descriptor
        finally:
            os.close(descriptor)

    def whole(self, place: bytes, data: memoryview, mode: int, times: tuple[int, int]) -> int | None:
        """Write a file at one go, as `fresh`, the giving back of mode and times, and `finish` do one after the other.

        Return its time of modification as this file system keeps it; None where any step was refused, and then nothing
        is left: whoever takes the steps one by one learns which it was and why.
        """
        if not self._has_links:
            return None
        self._count += 1
        name = b"%d" % self._count
        try:
            # `.restoring` is closed to others, so that the file may have its own rights from the beginning on.
            descriptor = os.open(name, _NEW, mode, dir_fd=self._staging)
        except OSError:
            return None
        found = None
        try:
            try:
                written = os.write(descriptor, data)
                os.utime(descriptor, ns=times)
                there = os.fstat(descriptor)
                if there.st_mode & _ALL_RIGHTS != mode:  # a umask took some away
                    os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)
            if written == len(data) and self._linked(name, place):
                found = there.st_mtime_ns
        except (OSError, OverflowError):
            pass  # taken step by step, each says what it means
        with contextlib.suppress(OSError):  # `close` takes it away
            os.unlink(name, dir_fd=self._staging)
        return found

    def _linked(self, name: bytes, place: bytes) -> bool:
        """Give a file that is whole its own name; False where that is refused."""
        folder, _, final = place.rpartition(b"/")
        try:
            here = self._here[1] if self._here and folder == self._here_joined else self.folder((*folder.split(b"/"),))
            self._link(name, here, final)
        except OSError as problem:
            self._has_links = problem.errno not in _NO_LINKS
        except ValueError:
            pass  # a NUL, which no name here can hold
        else:
            return True
        return False

    @contextmanager
    def unfinished(self, name: bytes) -> Iterator[int]:
        """Open an unfinished file for reading and writing."""
        with self._named((_STAGING, name)):
            descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._staging)
        try:
            with self._named((_STAGING, name)):
                yield descriptor
        finally:
            os.close(descriptor)

    def finish(self, name: bytes, parts: Parts) -> None:
        """Give a file that is whole its own name."""
        folder = self.folder(parts[:-1])
        with self._named(parts):
            self._move(name, folder, parts[-1])
        # A kill before this line leaves a finished file and a second name for it under `.restoring`.

    def drop(self, name: bytes) -> None:
        """Forget an unfinished file."""
        os.unlink(name, dir_fd=self._staging)

    def link(self, parts: Parts, again: Parts) -> bool:
        """Give a restored file another name; False where this file system has no hard links."""
        folder = os.dup(self.folder(parts[:-1]))
        try:
            other = self.folder(again[:-1])
            with self._named(again):
                try:
                    os.link(parts[-1], again[-1], src_dir_fd=folder, dst_dir_fd=other, follow_symlinks=False)
                except OSError as problem:
                    if problem.errno in _NO_LINKS:
                        return False
                    raise
        finally:
            os.close(folder)
        return True

    def _link(self, name: bytes, folder: int, final: bytes) -> None:
        os.link(name, final, src_dir_fd=self._staging, dst_dir_fd=folder, follow_symlinks=False)

    def _move(self, name: bytes, folder: int, final: bytes) -> None:
        try:
            self._link(name, folder, final)
        except OSError as problem:
            if problem.errno not in _NO_LINKS:
                raise
            self._rename(name, folder, final)
        else:
            os.unlink(name, dir_fd=self._staging)

    def _rename(self, name: bytes, folder: int, final: bytes) -> None:
        """Move a file where there are no hard links; the folder was made by this run, so the name is free or ours."""
        try:
            os.lstat(final, dir_fd=folder)
        except FileNotFoundError:
            os.rename(name, final, src_dir_fd=self._staging, dst_dir_fd=folder)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    @contextmanager
    def _named(self, parts: Parts) -> Iterator[None]:
        """Tell what a system error means: about this name, or about the disk."""
        try:
            yield
        except ValueError as problem:  # a NUL, which no name here can hold
            raise _refused(parts, "a character that no name here can hold") from problem
        except OSError as problem:
            if problem.errno in _DISK:
                raise _world(problem, self._target) from problem
            raise _refused(parts, problem.strerror or str(problem)) from problem


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _empty(folder: int) -> None:
    """Remove the files of an open folder, and close it."""
    for name in os.listdir(folder):
        os.unlink(name, dir_fd=folder)
    os.close(folder)


def _refused(parts: Parts, why: str) -> NameRefusedError:
    shown = b"/".join(parts).decode("utf-8", "backslashreplace")
    return NameRefusedError("name-refused", f"{shown[:200]}: expected a name that this file system takes, found: {why}")


def _world(problem: OSError, target: Path) -> WorldError:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorldError(
            "disk-full", f"{target}: no space left on this disk", hint="restore to a larger disk, or less of it"
        )
    return WorldError("disk-error", f"{target}: {problem.strerror or problem}", hint="restore to another folder")
