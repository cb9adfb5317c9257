"""Asking the file system about a name or an open file.

The laws:

1. Nothing is opened to learn facts, and no link is followed: a FIFO, a socket or a device is only looked at.
2. What was not offered is None or empty, never a default that looks like a fact.
3. Holes need an open descriptor, so only `facts_of` knows them; its file offset stays where it was.
4. Two looks at one file show the same state when device, inode, size, mtime and ctime are equal: the kernel sets ctime
   on every change.

>>> kind_of(0o010644)
'fifo'
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from functools import lru_cache

from archiver.sources.base import FileFacts, Problem
from archiver.sources.statx import birth_ns

__all__ = [
    "BLOCK_BYTES",
    "MAX_HOLES",
    "account_names",
    "closer_facts",
    "facts_at",
    "facts_of",
    "facts_of_file",
    "group_name",
    "holes_of",
    "kind_of",
    "owner_name",
    "problem_of",
    "unchanged_since",
    "xattrs_of",
]

BLOCK_BYTES = 512
"""What `st_blocks` counts, whatever the blocks of the file system are."""

MAX_HOLES = 10_000
"""So many holes of one file are listed; a line of `items` must stay readable. The bytes are kept either way."""

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo"}
_KINDS |= {stat.S_IFSOCK: "socket", stat.S_IFBLK: "device", stat.S_IFCHR: "device"}

_REASONS = {errno.ENOENT: "vanished", errno.ESTALE: "vanished", errno.EIO: "io-error"}
_REASONS |= {errno.EACCES: "permission-denied", errno.EPERM: "permission-denied"}
_REASONS |= dict.fromkeys((errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO), "replaced")


def kind_of(mode: int) -> str:
    """Return the kind that a st_mode stands for; what Linux does not know is a device, as it is not opened either."""
    return _KINDS.get(stat.S_IFMT(mode), "device")


def problem_of(error: OSError, path: bytes) -> Problem:
    """Return what went wrong with `path` as a fact of the item."""
    reason = _REASONS.get(error.errno or 0, "unreadable")
    return Problem(reason, f"{path.decode('utf-8', 'backslashreplace')}: {error.strerror or error}", error.errno)


def facts_at(directory: int, name: bytes, status: os.stat_result) -> FileFacts:
    """Return what `lstat` tells of `name` in an open directory: `status`; `OSError` if a link is gone since."""
    target = os.readlink(name, dir_fd=directory) if stat.S_ISLNK(status.st_mode) else None
    return _facts(status, None, target, (), ())


def facts_of_file(status: os.stat_result) -> FileFacts:
    """Return what `lstat` tells of a regular file: `status`."""
    return _facts(status, None, None, (), ())


def closer_facts(directory: int, name: bytes, facts: FileFacts) -> FileFacts:
    """Add to the facts of `name` in an open directory what `lstat` does not tell: attributes and the time of birth."""
    xattrs = xattrs_of(b"/proc/self/fd/%d/%b" % (directory, name))
    return facts._replace(btime_ns=birth_ns(directory, name, facts.ino), xattrs=xattrs)


def facts_of(descriptor: int, status: os.stat_result | None = None) -> FileFacts:
    """Return the facts of an open file or directory, by its `status` of this moment if somebody has that."""
    status = status or os.fstat(descriptor)
    birth = birth_ns(descriptor, b"", status.st_ino)
    is_sparse = stat.S_ISREG(status.st_mode) and status.st_blocks * BLOCK_BYTES < status.st_size
    holes = holes_of(descriptor, status.st_size) if is_sparse else ()
    return _facts(status, birth, None, holes, xattrs_of(descriptor))


def account_names(uid: int, gid: int) -> tuple[str | None, str | None]:
    """Return the names of owner and group, None for one that has none."""
    return owner_name(uid), group_name(gid)


def unchanged_since(before: FileFacts, after: FileFacts) -> bool:
    """Say whether the file is, as far as the file system tells, in the same state at both looks (law 4)."""
    return _state(before) == _state(after)


def _state(facts: FileFacts) -> tuple[int, int, int, int, int]:
    return facts.dev, facts.ino, facts.size, facts.mtime_ns, facts.ctime_ns


def _facts(
    status: os.stat_result,
    birth: int | None,
    target: bytes | None,
    holes: tuple[tuple[int, int], ...],
    xattrs: tuple[tuple[bytes, bytes], ...],
) -> FileFacts:
    return FileFacts(  # by position: a name costs as much as its value, and this is asked of every name twice
        status.st_dev,
        status.st_ino,
        status.st_nlink,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        owner_name(status.st_uid),
        group_name(status.st_gid),
        status.st_atime_ns,
        status.st_mtime_ns,
        status.st_ctime_ns,
        birth,
        status.st_size,
        target,
        holes,
        xattrs,
    )


@lru_cache(maxsize=4096)  # a directory service may answer in milliseconds; a share has few owners
def owner_name(uid: int) -> str | None:
    """Return the name of an account, None for one that has none."""
    try:
        return _text(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return None


@lru_cache(maxsize=4096)
def group_name(gid: int) -> str | None:
    """Return the name of a group, None for one that has none."""
    try:
        return _text(grp.getgrgid(gid).gr_name)
    except KeyError:
        return None


def _text(name: str) -> str:
    """Return an account's name without the lone surrogates that no JSON may hold."""
    return os.fsencode(name).decode("utf-8", "replace")


def xattrs_of(subject: int | bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the extended attributes that may be listed and read, in byte order of their names."""
    if not hasattr(os, "listxattr"):  # not on macOS
        return ()
    follow = isinstance(subject, int)  # a descriptor is no link
    try:
        names = os.listxattr(subject, follow_symlinks=follow)
    except OSError:  # a file system without them, no /proc, or gone: the next look at the name says so
        return ()
    if not names:
        return ()
    found = []
    for name in sorted(map(os.fsencode, names)):
        try:
            found.append((name, os.getxattr(subject, name, follow_symlinks=follow)))
        except OSError:  # taken away since, or listed to us but not readable
            continue
    return tuple(found)


def holes_of(descriptor: int, size: int) -> tuple[tuple[int, int], ...]:
    """Return offset and length of the first holes of a regular file, which is asked where one occupies less than that.

    How much it occupies is told in blocks of `BLOCK_BYTES`.
    """
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        return _seek_holes(descriptor, size)
    except OSError:  # the file system cannot tell
        return ()
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)


def _seek_holes(descriptor: int, size: int) -> tuple[tuple[int, int], ...]:
    holes: list[tuple[int, int]] = []
    data = 0
    while data < size and len(holes) < MAX_HOLES:
        hole = os.lseek(descriptor, data, os.SEEK_HOLE)
        if hole >= size:  # every file ends with a hole of no length
            break
        try:
            data = os.lseek(descriptor, hole, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = size  # no data after this hole
        holes.append((hole, data - hole))
    return tuple(holes)
