"""Plain files: captured whole as one row, with bytes, mode and times and nothing else to give back; most files are.

They are planned in groups: files whose lines follow each other, and whose rows do, too. Whoever writes a group compares
each file with its row and writes what is as its line says, and nothing else. What is left out goes the long way, which
says why.

>>> write_plain(tree, group)
['', '', None]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from archiver.errors import ArchiverError
from archiver.flows.restore.facts import kept_time, rights_of
from archiver.flows.restore.places import is_source
from archiver.flows.restore.tree import Tree
from archiver.model.items import ItemLine
from archiver.model.usual_line import usual_file

__all__ = ["Plain", "PlainRows", "plain_of", "plain_of_usual", "write_plain"]

_RIGHTS: Final = 0o1777
_TIMES: Final = range(-(2**63), 2**63)


class Plain(NamedTuple):
    """All that it takes to write a plain file. `path` is below its source, `item` the text that its row must have."""

    source: str
    path: bytes
    item: str
    batch: str
    first: int
    size: int
    sha256: str
    mode: int
    atime_ns: int
    mtime_ns: int

    @property
    def place(self) -> bytes:
        """Its path below the folder that is restored to."""
        return self.source.encode() + b"/" + self.path


class PlainRows(NamedTuple):
    """Plain files, and what their rows hold: the item of each, and their bytes between bounds."""

    files: Sequence[Plain]
    items: list[str]
    bounds: list[int]
    data: memoryview | bytes

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return self.bounds[-1] - self.bounds[0]


def plain_of_usual(raw: bytes) -> Plain | None:
    """Return what a usual line says of a plain file that has no other name; None for any other line."""
    found = usual_file(raw)
    if found is None or found.nlink != 1:
        return None
    row = found.row
    return _plain(
        Plain(
            row.told.source,
            found.path,
            row.item.decode(),
            row.told.batch,
            row.first,
            row.size,
            row.sha256.decode(),
            found.mode,
            found.atime_ns,
            found.mtime_ns,
        )
    )


def plain_of(line: ItemLine) -> Plain | None:
    """Return what a plain file is; None for one of which more is to be given back or said."""
    file, item = line.file, line.item
    if file is None or len(line.parts) != 1 or line.status not in ("captured", "unchanged") or line.object is not None:
        return None
    part = line.parts[0]
    is_alone = part.count == 1 and part.of is None and not item.members and item.version is None
    if not is_alone or file["holes"] or file["xattrs"] or file["atime_ns"] is None or file["mtime_ns"] is None:
        return None
    size, sha256, mode = line.size or 0, line.sha256 or "", cast("int", file["mode"])
    times = int(str(file["atime_ns"])), int(str(file["mtime_ns"]))
    text, path = item.text(), item.relative_bytes()
    return _plain(Plain(item.source, path, text, part.batch, part.first, size, sha256, mode, *times))


def write_plain(tree: Tree, rows: PlainRows) -> list[str | None]:
    """Write plain files, each checked before it is written; return what is to be remarked of each, None for not done.

    Of what is not done nothing is left: a row is not that of its line, or a step was refused.
    """
    data = memoryview(rows.data)
    return [
        _write(tree, plain, item, data[rows.bounds[nth] : rows.bounds[nth + 1]])
        for nth, (plain, item) in enumerate(zip(rows.files, rows.items, strict=True))
    ]


def _write(tree: Tree, plain: Plain, item: str, data: memoryview) -> str | None:
    if item != plain.item or len(data) != plain.size:
        return None
    if hashlib.sha256(data).hexdigest() != plain.sha256:
        return None
    try:
        found = tree.whole(plain.place, data, rights_of(plain.mode), (plain.atime_ns, plain.mtime_ns))
    except ArchiverError:
        return None  # a folder on the way: taken step by step, it says what is wrong with it
    if found is None or found == plain.mtime_ns:
        return None if found is None else ""
    return kept_time(plain.mtime_ns, found)


def _plain(found: Plain) -> Plain | None:
    """Leave out what is no plain file after all."""
    if rights_of(found.mode) & ~_RIGHTS or not is_source(found.source) or b"\0" in found.path:
        return None
    return found if found.atime_ns in _TIMES and found.mtime_ns in _TIMES else None
