"""When a file was born, which `os.stat` does not tell on Linux.

The law: the birth time is the kernel's answer or None; where the system call, the C function or the file system does
not offer it, nothing is guessed from the other times. A name that was exchanged since its `stat` gives None.

>>> birth_ns(-1, b"no descriptor, no birth", 0) is None
True
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache

__all__ = ["birth_ns"]

_AT_SYMLINK_NOFOLLOW, _AT_NO_AUTOMOUNT, _AT_EMPTY_PATH = 0x100, 0x800, 0x1000
_STATX_INO, _STATX_BTIME = 0x100, 0x800
_Buffer = ctypes.c_char * 256  # struct statx of linux/stat.h, the same on every architecture
_ANSWER = struct.Struct("=I28xQ40xqI")  # mask, inode, seconds and nanoseconds of the birth in it


def birth_ns(directory: int, name: bytes, inode: int) -> int | None:
    """Return the birth time of `name` in an open directory (of the descriptor itself if `name` is empty) in ns."""
    statx = _function()
    if statx is None:
        return None
    answer = _Buffer()
    flags = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT | (0 if name else _AT_EMPTY_PATH)
    if statx(directory, name, flags, _STATX_INO | _STATX_BTIME, answer) != 0:
        return None
    mask, found, seconds, nanoseconds = _ANSWER.unpack_from(answer)
    if not mask & _STATX_BTIME or found != inode:
        return None
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


@cache
def _function() -> ctypes._NamedFuncPointer | None:
    """Return the C library's statx, None where there is none (old systems, other systems)."""
    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except (AttributeError, OSError):
        return None
    statx.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    statx.restype = ctypes.c_int
    return statx
