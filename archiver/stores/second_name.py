"""A finished spool file that becomes the object itself, by a second name instead of a second copy.

It halves what a disk has to write. The laws, beside those of `scratch`; where one cannot be shown, bytes are copied:

1. The file is regular, this user's alone (as spool files are made), on the file system of the archive, and has one
   name: of two destinations on one disk, each keeps bytes of its own.
2. Nobody has it open for writing, from before it is read back until it has its name. The kernel says so: it gives a
   read lease on a file only then, tells when somebody opens it for writing after all, and has him wait. The lease is
   asked for behind the chmod that makes the file read-only, and kept; a file that was opened in spite of both gets no
   name.
3. What follows is the same as for a copy: it is made durable, dropped from the cache, read back and hashed before it
   gets its name, all of it and now. Reading it back piece by piece while it is written would be done sooner and show
   less: what somebody writes into a piece that was read already is told by no time of a file whose writer goes on, nor
   by a lease where other machines write to the file system, too.

The spool file's own name is taken away by whoever made it; nobody opens a spool file for writing twice.

>>> with second_name(root, Path("spool/a.parquet")) as fresh:
...     fresh is None or fresh.sha256()
"""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from archiver.stores.scratch import Scratch, new_name, open_folder

__all__ = ["second_name"]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS = 0o077


@contextmanager
def second_name(root: int, spool: Path) -> Iterator[Scratch | None]:
    """Give a spool file a second, hidden name in the archive; None where it has to be copied instead."""
    with ExitStack() as stack:
        yield _taken(root, spool, stack)


def _taken(root: int, spool: Path, stack: ExitStack) -> Scratch | None:
    """Return the file under its hidden name, to be let go by the stack."""
    try:
        if not stat.S_ISREG(os.lstat(spool).st_mode):
            return None  # to open it may be seen: who writes to a FIFO would take this for its reader
        file = os.open(spool, _READ)
        stack.callback(os.close, file)
        folder = open_folder(root)
        stack.callback(os.close, folder)
        if not _is_ours(os.fstat(file), os.fstat(folder)):
            return None
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as every file here, so that nobody sweeps it away
        name = new_name()
        os.link(spool, name, dst_dir_fd=folder, follow_symlinks=False)
        stack.callback(os.unlink, name, dir_fd=folder)
        if not _is_same(os.fstat(file), os.stat(name, dir_fd=folder, follow_symlinks=False)):
            return None
        os.fchmod(file, 0o444)
        return Scratch(folder, name, file, leased=True) if _is_leased(file) else None
    except OSError:
        return None  # another disk, no hard links, no such file: copying it works, or says why not


def _is_ours(file: os.stat_result, folder: os.stat_result) -> bool:
    mode = file.st_mode
    alone = stat.S_ISREG(mode) and file.st_nlink == 1 and file.st_uid == os.geteuid() and not mode & _OTHERS
    return alone and file.st_dev == folder.st_dev


def _is_same(file: os.stat_result, named: os.stat_result) -> bool:
    """Say whether this file has the new name, and no third one that somebody gave it in between."""
    return (file.st_dev, file.st_ino, file.st_nlink) == (named.st_dev, named.st_ino, 2)


def _is_leased(file: int) -> bool:
    """Say whether nobody can write to a file through a descriptor that is open; the lease ends with this one."""
    if sys.platform != "linux":
        return False
    fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # an open that meets the lease would end this process with SIGIO
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    return True
