"""What tells at a stat that a file is as it was when it was read: its stamp, which books keep beside its line.

The law: a line has a stamp only when all of the file's bytes are in the archive, and its times were so old when it was
looked at that they speak for its content. A file whose stamp is that of its line has not changed, as far as its file
system tells; one whose line has no stamp may be unchanged all the same, and is compared member by member.

>>> spell_stamp(48123, 1767225600000000000, 1767225600000000001, 1043)
'48123 1767225600000000000 1767225600000000001 1043'
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Final

from archiver.model import instant
from archiver.model.items import ItemLine

__all__ = ["SETTLED", "is_settled", "settled_before_ns", "spell_stamp", "stamp_of"]

SETTLED: Final = timedelta(seconds=2)
"""A file whose times are younger than this when it is read may change again without a trace in its times."""


def spell_stamp(size: int, mtime_ns: int | str, ctime_ns: int | str, ino: int | str) -> str:
    """Return the stamp of a file of `size` bytes with these times, in ns, and this inode."""
    return f"{size} {mtime_ns} {ctime_ns} {ino}"


def stamp_of(line: ItemLine) -> str | None:
    """Return the stamp that a line gives its file, None where there is none."""
    file = line.file
    if file is None or line.size is None or line.status not in ("captured", "unchanged") or not is_settled(line):
        return None
    return spell_stamp(line.size, str(file["mtime_ns"]), str(file["ctime_ns"]), str(file["ino"]))


def is_settled(line: ItemLine) -> bool:
    """Say whether the file's times were old enough, when it was last looked at, to speak for its content."""
    if line.file is None:
        return False
    before = settled_before_ns(line.observed_at)
    return int(str(line.file["mtime_ns"])) <= before and int(str(line.file["ctime_ns"])) <= before


@lru_cache(maxsize=256)  # a second has many items
def settled_before_ns(observed_at: str) -> int:
    """Return how young times may be at most that are settled at an instant."""
    return int((instant.parse_instant(observed_at) - SETTLED).timestamp()) * 1_000_000_000
