"""Asking by statx, which tells when a file was born (`os.stat` does not on Linux) and all the rest in one answer.

The law: the birth time is the kernel's answer or None; where the system call, the C function or the file system does
not offer it, nothing is guessed from the other times. A name that was exchanged since its `stat` gives None.

An answer comes as the bytes of the C structure. Two that are equal, byte for byte, tell of no change at all, and to
unpack one costs a third of an `os.stat_result`.

>>> birth_ns(-1, b"no descriptor, no birth", 0) is None
True
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Final

__all__ = [
    "ANSWER",
    "ITSELF",
    "MODE",
    "NAME",
    "STATX_BASIC",
    "STATX_BTIME",
    "STATX_TYPE",
    "Buffer",
    "birth_ns",
    "statx_function",
]

_AT_SYMLINK_NOFOLLOW, _AT_NO_AUTOMOUNT, _AT_EMPTY_PATH = 0x100, 0x800, 0x1000
NAME: Final = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT
"""Asks of a name in an open directory, what `lstat` does."""
ITSELF: Final = NAME | _AT_EMPTY_PATH
"""Asks of a descriptor, with no name."""
STATX_TYPE: Final = 0x1
STATX_BASIC: Final = 0x7FF
"""All that `stat` tells."""
STATX_BTIME: Final = 0x800
_STATX_INO: Final = 0x100
Buffer = ctypes.c_char * 256  # struct statx of linux/stat.h, the same on every architecture
ANSWER: Final = struct.Struct("=I12xIIIHxxQQQ8xqIxxxxqIxxxxqIxxxxqI12xII")
"""Mask, nlink, uid, gid, mode, ino, size, blocks; seconds and nanoseconds of atime, birth, ctime, mtime; dev in two."""
MODE: Final = struct.Struct("=28xH")
"""The mode alone, of which nothing but the type may have been asked for."""
_BIRTH: Final = struct.Struct("=I28xQ40xqI")  # mask, inode, seconds and nanoseconds of the birth


def birth_ns(directory: int, name: bytes, inode: int) -> int | None:
    """Return the birth time of `name` in an open directory (of the descriptor itself if `name` is empty) in ns."""
    statx = statx_function()
    if statx is None:
        return None
    answer = Buffer()
    if statx(directory, name, NAME if name else ITSELF, _STATX_INO | STATX_BTIME, answer) != 0:
        return None
    mask, found, seconds, nanoseconds = _BIRTH.unpack_from(answer)
    if not mask & STATX_BTIME or found != inode:
        return None
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


@cache
def statx_function() -> ctypes._NamedFuncPointer | None:
    """Return the C library's statx, None where there is none (old systems, other systems).

    It is given numbers, bytes without a zero and a `Buffer` (or a reference to one): such are passed as they are, and
    to declare their types would cost as much again as the call.
    """
    try:
        return ctypes.CDLL(None).statx
    except (AttributeError, OSError):
        return None
