"""Files that a person names, opened so that none of them can block: a FIFO or a device is refused, not waited for.

Every name from a command line or a policy is read through here: trust files, instruments, roots, requests, fonts. What
is no regular file is an `OSError` whose words say what it is, so that it is refused where a missing one is.

>>> read_named(Path("/dev/tty"), 65_536)
Traceback (most recent call last):
OSError: [Errno 22] a device, not a file: write it to a file first: '/dev/tty'
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["open_named", "read_named"]

_KINDS: Final = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def open_named(path: Path) -> BinaryIO:
    """Open a regular file for reading; raises `OSError` for anything else, at once."""
    _demand_file(path, path.stat().st_mode)  # before it is opened: opening alone makes some devices do something
    # not blocking: what was a file a moment ago may be a pipe now
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    file = os.fdopen(descriptor, "rb")
    try:
        _demand_file(path, os.fstat(descriptor).st_mode)
    except OSError:
        file.close()
        raise
    return file


def read_named(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file, of one that is longer than `limit` one byte more than that."""
    with open_named(path) as file:
        return file.read(limit + 1)


def _demand_file(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        what = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"{what}, not a file: write it to a file first", str(path))
