"""What became of a log whose archived bytes are not in the file of its name any more: an event of its own.

    replaced    another file has the name now, as inode or time of birth tells
    truncated   the same file is shorter
    rewritten   the same file is as long, or longer

>>> loss_of(known, opened.stat_now())
('truncated', '48123 bytes were archived under this name at 2026-11-26T02:00:00Z')
"""

from __future__ import annotations

from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.sources.base import Facts, FileFacts

__all__ = ["is_another_file", "loss_of", "what_remains"]


def loss_of(known: ItemLine | None, now: Facts) -> tuple[str, str] | None:
    """Return reason and detail for a log that has none of what was last `known` of it, None where that was nothing.

    `now` is what its system says of it.
    """
    if known is None or known.status not in CONTENT_STATUSES or not known.size:
        return None
    was = f"{known.size} bytes were archived under this name at {known.observed_at}"
    if is_another_file(known, now):
        return "replaced", f"another file has this name now; {was}"
    return what_remains(known.size, now.size), was


def what_remains(was: int, now: int) -> str:
    """Return the reason of the same file with other bytes, by its sizes."""
    return "truncated" if now < was else "rewritten"


def is_another_file(known: ItemLine, now: Facts) -> bool:
    """Say whether a file system says that a name is another file's since it was known. An inode may come again."""
    if known.file is None or not isinstance(now, FileFacts):
        return False
    born = known.file["btime_ns"], None if now.btime_ns is None else str(now.btime_ns)
    return known.file["ino"] != str(now.ino) or (None not in born and born[0] != born[1])
