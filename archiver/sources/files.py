"""The local file system as a source, under one name.

`walk` finds, `open_file` reads, `unchanged_since` compares two looks, `device` says what a location lies on. Their laws
stand in `walk`, `opening` and `facts`.

    for found in walk(location):
        if found.kind == "file" and found.error is None:
            with open_file(location, found.path) as opened: ...
"""

from __future__ import annotations

import os
from pathlib import Path

from archiver.sources.facts import unchanged_since
from archiver.sources.opening import Opened, Openings, anchored, open_file, unavailable
from archiver.sources.walk import GoesPastIn, walk

__all__ = ["GoesPastIn", "Opened", "Openings", "anchored", "device", "open_file", "unchanged_since", "walk"]


def device(location: Path) -> str:
    """Return what a location lies on: "major:minor", and where the system tells, file system type and mounted source.

    "254:0 ext4 /dev/vda", "0:45 nfs4 server:/export".
    """
    try:
        number = location.stat().st_dev
    except OSError as error:
        raise unavailable(location, error) from error
    numbers = f"{os.major(number)}:{os.minor(number)}"
    return " ".join([numbers, *_mounted(numbers)])


def _mounted(numbers: str) -> list[str]:
    """Return type and source of the file system with these device numbers, as proc_pid_mountinfo(5) tells."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "backslashreplace").splitlines()
    except OSError:  # not Linux
        return []
    for line in lines:
        fields, separator, rest = line.partition(" - ")
        if separator and fields.split(" ")[2] == numbers:
            return rest.split(" ")[:2]
    return []
