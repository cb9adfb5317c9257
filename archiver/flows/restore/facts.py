"""What a file system said of a file, given back to the restored one: mode, times, attributes, holes.

What cannot be given back is returned in words and never stops a restore. Owners are left alone: that takes an
administrator. The bits setuid and setgid are left off: a restored copy is evidence and should not gain rights.
"""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Iterator
from typing import Final, cast

from archiver.model.instant import parse_instant
from archiver.model.item import unescape_path
from archiver.model.items import ItemLine, Json

__all__ = ["give_all_back", "give_back", "give_time_back", "holes_of", "kept_time", "rights_of", "write_at"]

_RIGHTS: Final = 0o1777
_NEVER_MIND: Final = {b"security.selinux"}  # every system labels its own files


def write_at(descriptor: int, data: memoryview, offset: int, holes: list[tuple[int, int]]) -> None:
    """Write bytes at an offset, leaving out what was a hole and is zero; the caller sets the length at the end."""
    for start, end in _between(offset, offset + len(data), holes):
        _write(descriptor, data[start - offset : end - offset], start)
    for hole, length in holes:
        start, end = max(hole, offset), min(hole + length, offset + len(data))
        if start < end and bytes(data[start - offset : end - offset]).strip(b"\0"):
            _write(descriptor, data[start - offset : end - offset], start)


def holes_of(file: Json | None) -> list[tuple[int, int]]:
    """Return the holes of a file, in order and apart; none when the record of them is not that."""
    holes = [] if file is None else cast("list[list[int]]", file["holes"])
    found = [(offset, length) for offset, length in holes]
    place = 0
    for offset, length in found:
        if offset < place:
            return []
        place = offset + length
    return found


def give_all_back(descriptor: int, line: ItemLine) -> list[str]:
    """Set what a line tells of a file or of an object; return what could not be set."""
    remarks = [] if line.file is None else give_back(descriptor, line.file)
    return remarks if line.object is None else [*remarks, *give_time_back(descriptor, line.object)]


def give_back(descriptor: int, file: Json) -> list[str]:
    """Set attributes, mode and times of an open file or folder; return what could not be set."""
    return [*_attributes(descriptor, file), *_mode(descriptor, file), *_times(descriptor, file)]


def give_time_back(descriptor: int, thing: Json) -> list[str]:
    """Set the time at which an object was written, the only one that its store tells."""
    if thing.get("modified") is None:
        return []
    seconds = parse_instant(str(thing["modified"])).timestamp()
    try:
        os.utime(descriptor, (seconds, seconds))
    except (OSError, OverflowError) as problem:
        return [f"the time could not be set: {_why(problem)}"]
    return []


def rights_of(mode: int) -> int:
    """Return the bits of a mode that are not of the kind of a file; of any number, as a line may have."""
    return mode & 0o7777


def _attributes(descriptor: int, file: Json) -> Iterator[str]:
    for name, value in cast("dict[str, str]", file["xattrs"]).items():
        raw = unescape_path(name)
        if raw in _NEVER_MIND:
            continue
        try:
            os.setxattr(descriptor, raw, base64.b64decode(value))
        except (OSError, ValueError) as problem:
            yield f"the attribute {name} could not be set: {_why(problem)}"


def _mode(descriptor: int, file: Json) -> Iterator[str]:
    mode = rights_of(cast("int", file["mode"]))
    try:
        os.fchmod(descriptor, mode & _RIGHTS)
    except OSError as problem:
        yield f"the mode {mode:04o} could not be set: {_why(problem)}"
    if mode & ~_RIGHTS:
        yield f"the mode was {mode:04o}; setuid and setgid are left off"


def _times(descriptor: int, file: Json) -> Iterator[str]:
    if None in (file["atime_ns"], file["mtime_ns"]):
        yield "the times could not be set: they are not known"
        return
    accessed, modified = (int(str(file[name])) for name in ("atime_ns", "mtime_ns"))
    try:
        os.utime(descriptor, ns=(accessed, modified))
        found = os.fstat(descriptor).st_mtime_ns
    except (OSError, OverflowError) as problem:
        yield f"the times could not be set: {_why(problem)}"
        return
    if found != modified:
        yield kept_time(modified, found)


def kept_time(modified: int, found: int) -> str:
    """Say that a file system keeps another time of modification than it was given."""
    return f"the time of modification, {modified} ns, does not fit this file system, which keeps {found} ns"


def _between(start: int, end: int, holes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the runs of start .. end that lie in no hole."""
    for hole, length in holes:
        if hole >= end:
            break
        if hole + length <= start:
            continue
        if start < hole:
            yield start, hole
        start = max(start, hole + length)
    if start < end:
        yield start, end


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        data, offset = data[written:], offset + written


def _why(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)
