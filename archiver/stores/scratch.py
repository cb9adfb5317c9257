"""Finished files out of unfinished ones: the hidden `.tmp` folder of a folder store.

Laws: an object is written here, flushed, made read-only and read back before it gets its name; a name is given by
link(2), which never replaces anything; whatever happens, the file here goes away: by its writer, or by the next one
when that was killed. A file being written is flocked, so that nobody sweeps away what is in use.

>>> with scratch(root) as handle:
...     os.write(handle.file, b"abc"); handle.finish(); handle.link_to(folder, b"name")
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from archiver.late import dataclass

__all__ = ["SCRATCH", "Scratch", "new_name", "open_folder", "scratch", "sweep"]

SCRATCH: Final = ".tmp"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK: Final = 1 << 20
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Scratch:
    """A file being written: the handle of the hidden folder, the file's name there, its own handle.

    `leased` says that the kernel gave a read lease on it.
    """

    folder: int
    name: str
    file: int
    leased: bool = False

    def finish(self) -> None:
        """Make what was written read-only and durable, and drop it from the cache: reading back asks the disk."""
        os.fchmod(self.file, 0o444)
        os.fsync(self.file)
        os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_DONTNEED)

    def sha256(self) -> tuple[str, int]:
        """Read what was finished from its beginning; return SHA-256 and size."""
        digest, size = hashlib.sha256(), 0
        while block := os.pread(self.file, _BLOCK, size):
            digest.update(block)
            size += len(block)
        return digest.hexdigest(), size

    def was_opened(self) -> bool:
        """Say whether somebody has opened a leased file for writing; he waits until it is closed here."""
        return self.leased and fcntl.fcntl(self.file, fcntl.F_GETLEASE) != fcntl.F_RDLCK

    def facts(self) -> os.stat_result:
        """Return what the system says of the file now."""
        return os.fstat(self.file)

    def link_to(self, folder: int, name: bytes) -> None:
        """Give the finished file its name, durably; raises `FileExistsError` when something has it."""
        os.link(self.name, name, src_dir_fd=self.folder, dst_dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)


@contextmanager
def scratch(root: int) -> Iterator[Scratch]:
    """Open a new hidden file; it is gone at the end, its contents only if it was not linked."""
    folder = open_folder(root)
    try:
        name, file = _new_file(folder)
        try:
            yield Scratch(folder, name, file)
        finally:
            os.unlink(name, dir_fd=folder)
            os.close(file)
    finally:
        os.close(folder)


def sweep(root: int) -> None:
    """Remove what killed writers left in the hidden folder; files in use stay."""
    folder = open_folder(root)
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - by its handle
            _sweep_one(folder, name)
    finally:
        os.close(folder)


def open_folder(root: int) -> int:
    """Return a descriptor of the hidden folder, made where it is missing."""
    with suppress(FileExistsError):
        os.mkdir(SCRATCH, 0o700, dir_fd=root)
    return os.open(SCRATCH, _FOLDER, dir_fd=root)


def new_name() -> str:
    """Return a name that nobody else has in the hidden folder."""
    return secrets.token_hex(16)  # no part of any evidence


def _new_file(folder: int) -> tuple[str, int]:
    """Create and flock a file; one that a sweeper took in between has no links left and is given up."""
    while True:
        name = new_name()
        file = os.open(name, _NEW, 0o600, dir_fd=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            os.unlink(name, dir_fd=folder)
            os.close(file)
            raise
        if os.fstat(file).st_nlink:
            return name, file
        os.close(file)


def _sweep_one(folder: int, name: str) -> None:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return  # gone, a link or a folder: nothing that was left here by this program
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except (BlockingIOError, FileNotFoundError, IsADirectoryError):
        pass  # in use, or another sweeper was faster
    finally:
        os.close(file)
