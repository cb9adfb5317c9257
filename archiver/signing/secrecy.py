"""What a process that holds secrets does about its own memory: it leaves none behind when it dies.

A core file has the private key in it, and lies where nobody looks for keys. So before the first secret is read the
limit for core files goes to 0, which children inherit, and on Linux the process is marked as one that is not dumped,
which also keeps core pipes (`core_pattern` with `|`, for which the limit does not count) and debuggers of the same
user away.

>>> keep_secrets()
"""

from __future__ import annotations

import ctypes
import resource
import sys
from functools import cache
from typing import Final

__all__ = ["keep_secrets"]

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


@cache
def keep_secrets() -> None:
    """Forbid core files of this process, once; what the system refuses is no reason not to sign."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
