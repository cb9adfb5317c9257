"""What the operating system refuses, said in the words of the error tree.

Laws: each kind of refusal has a stable code; a full disk is named as such; nothing is swallowed.

>>> with told("archive", "README.txt"):
...     raise OSError(errno.ENOSPC, "No space left on device")
Traceback (most recent call last):
archiver.errors.WorldError: archive: README.txt: No space left on device
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from archiver.errors import NotStoredError, WorldError, printable
from archiver.stores.tree import NotRegularError

__all__ = ["ToldFile", "told", "world_error"]

_HINTS: Final[dict[str, str]] = {
    "disk-full": "free some space or enlarge the disk, then run the same command again: nothing half-written remains",
    "store-denied": "run as the user the archive belongs to, or give this one access",
    "store-read-only": "mount the archive's file system writable",
    "store-no-hard-links": "use a file system with hard links (ext4, xfs, btrfs, zfs, apfs, nfs)",
    "store-not-a-folder": "name another location, or move away what stands there",
    "store-error": "check the disk and the mount, then run the same command again",
}
_CODES: Final[dict[int, str]] = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EACCES: "store-denied",
    errno.EPERM: "store-denied",
    errno.EROFS: "store-read-only",
    errno.EOPNOTSUPP: "store-no-hard-links",
    errno.EMLINK: "store-no-hard-links",
    errno.ENOTDIR: "store-not-a-folder",
    errno.EEXIST: "store-not-a-folder",
    errno.ELOOP: "store-not-a-folder",
}


def world_error(error: OSError, location: str, key: str) -> WorldError:
    """Return what an `OSError` means for somebody who uses a folder store."""
    subject = f"{location}: {printable(key)}" if key else location
    if isinstance(error, NotRegularError):
        return NotStoredError("not-a-regular-file", f"{subject}: expected a regular file, found something else")
    if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
        return NotStoredError("not-stored", f"{subject}: expected an object, found none")
    code = _CODES.get(error.errno or 0, "store-error")
    return WorldError(code, f"{subject}: {error.strerror or error}", hint=_HINTS[code])


@contextmanager
def told(location: str, key: str = "") -> Iterator[None]:
    """Turn each `OSError` of a block into a `WorldError` about this key."""
    try:
        yield
    except OSError as error:
        raise world_error(error, location, key) from error


class ToldFile(io.FileIO):
    """An open file whose reading fails with `WorldError`, long after it was opened."""

    def __init__(self, handle: int, location: str, key: str) -> None:
        """Own the handle."""
        super().__init__(handle, "rb")
        self._location, self._key = location, key

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        """Read into a buffer."""
        try:  # not `told`, which takes as long as reading a small file
            return super().readinto(buffer)
        except OSError as error:
            raise world_error(error, self._location, self._key) from error

    def readall(self) -> bytes:
        """Read to the end."""
        with told(self._location, self._key):
            return super().readall()
