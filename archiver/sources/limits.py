"""Limits of a process that reads what this one does not trust itself with: memory, time, and what it may write.

>>> limit(0, memory=2 << 30, seconds=60, output=0)
"""

from __future__ import annotations

import resource

__all__ = ["limit"]


def limit(process: int, *, memory: int, seconds: int, output: int) -> None:
    """Limit a process, 0 for this one: bytes of address space, seconds of processor, bytes of each file it writes."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, output),
    ):
        resource.prlimit(process, what, (most, most))
