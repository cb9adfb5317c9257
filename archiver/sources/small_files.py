"""Small files below a location that is held open, read with no more questions than the laws of `opening` need.

The law: what comes out is what `Openings.file` and `read_whole` would give, or None, and then these are asked. It is
None where a question fails, where there is a lease, where a file is long, changes, or gives less than it is asked for,
and where the system has no statx.

Seven calls of the system are made for a file, of nine. What is not asked, because it would tell nothing:

- fstat before the reading, beside statx, which alone tells the time of birth: one statx tells all of it.
- that reading shall wait. The file is open so that it does not; a reading that would have to wait fails then, and the
  other look is taken. What comes without waiting are the same bytes.

What stays: statx of the name (law 2: another kind is not opened), open, statx of the file, listxattr (nothing else
tells that there are none), read (of a byte more than there are: the end is seen), statx (the same state), close.

>>> SmallFiles(openings, shorter_than=1 << 20).read(b"a/b.txt")
(b"keep", (2049, 1043, 1, 33188, ...))
"""

from __future__ import annotations

import ctypes
import os
from stat import S_ISREG
from typing import Final

from archiver.sources.base import FactValues, ReadProblem
from archiver.sources.facts import BLOCK_BYTES, group_name, holes_of, owner_name, xattrs_of
from archiver.sources.opening import READ_AT_ONCE, Openings, open_quietly
from archiver.sources.statx import (
    ANSWER,
    ITSELF,
    MODE,
    NAME,
    STATX_BASIC,
    STATX_BTIME,
    STATX_TYPE,
    Buffer,
    statx_function,
)

__all__ = ["SmallFiles"]

_ALL: Final = STATX_BASIC | STATX_BTIME
_SECOND: Final = 1_000_000_000


class SmallFiles:
    """Reads files, one after the other."""

    def __init__(self, openings: Openings, *, shorter_than: int) -> None:
        """Bind to a location; the openings stay the caller's."""
        self._folder_of = openings.folder_of
        self._statx = statx_function()
        self._shorter_than = shorter_than
        self._first, self._last = Buffer(), Buffer()
        self._to_first, self._to_last = ctypes.byref(self._first), ctypes.byref(self._last)

    def read(self, path: bytes) -> tuple[bytes, FactValues] | None:
        """Return all bytes of the regular file at `path` and its facts; None where another look is to be taken."""
        statx = self._statx
        if statx is None:
            return None
        first, to_first = self._first, self._to_first
        try:
            folder, name = self._folder_of(path)
            if statx(folder, name, NAME, STATX_TYPE, to_first) or not S_ISREG(*MODE.unpack_from(first)):
                return None
            descriptor = open_quietly(name, READ_AT_ONCE, folder)
        except (OSError, ReadProblem):
            return None
        try:
            if statx(descriptor, b"", ITSELF, _ALL, to_first):
                return None
            said = ANSWER.unpack_from(first)
            mask, nlink, uid, gid, mode, ino, size, blocks, read, read_ns, born, born_ns = said[:12]
            if mask & STATX_BASIC != STATX_BASIC or not S_ISREG(mode) or size >= self._shorter_than:
                return None
            holes = holes_of(descriptor, size) if blocks * BLOCK_BYTES < size else ()
            xattrs = xattrs_of(descriptor)
            data = os.read(descriptor, size + 1)
            if len(data) != size or statx(descriptor, b"", ITSELF, _ALL, self._to_last):
                return None
        except OSError:
            return None
        finally:
            os.close(descriptor)
        if self._last.raw != first.raw:  # the time of access may be another
            now = ANSWER.unpack_from(self._last)
            if now[5:7] != said[5:7] or now[12:] != said[12:]:
                return None
            read, read_ns = now[8:10]
        changed, changed_ns, modified, modified_ns, major, minor = said[12:]
        return data, (
            os.makedev(major, minor),
            ino,
            nlink,
            mode,
            uid,
            gid,
            owner_name(uid),
            group_name(gid),
            read * _SECOND + read_ns,
            modified * _SECOND + modified_ns,
            changed * _SECOND + changed_ns,
            born * _SECOND + born_ns if mask & STATX_BTIME else None,
            size,
            None,
            holes,
            xattrs,
        )
