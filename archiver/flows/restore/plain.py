"""Plain files: captured whole as one row, with bytes, mode and times and nothing else to give back; most files are.

They are planned in groups: files whose lines follow each other, and whose rows do, too. Whoever writes a group compares
each file with its row and writes what is as its line says, and nothing else. What is left out goes the long way, which
says why.

>>> [plain.paths for plain, _ in plain_or_lines([one_line, next_line])]
[(b'a.txt', b'b.txt')]
>>> write_plain(tree, rows)
['', '', None]
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain, groupby, pairwise
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from archiver.errors import ArchiverError
from archiver.flows.restore.facts import kept_time, rights_of
from archiver.flows.restore.places import is_source
from archiver.flows.restore.tree import Tree
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.usual_line import LONGEST, Told, UsualFiles, usual_files

__all__ = ["Plain", "PlainRows", "line_of", "plain_of", "plain_or_lines", "runs", "write_plain"]

_RIGHTS: Final = 0o1777
_TIMES: Final = range(-(2**63), 2**63)
_DIGEST: Final = 32
_LF: Final = b"\n"

_Key = TypeVar("_Key")


class Plain(NamedTuple):
    """All that it takes to write plain files of one source whose rows of a batch follow each other, `first` the first.

    `paths` are below the source, `items` the texts that the rows must have, `sha256s` the digests one after the other.
    """

    source: str
    status: str
    batch: str
    first: int
    paths: Sequence[bytes]
    items: Sequence[bytes]
    sizes: Sequence[int]
    sha256s: bytes
    modes: Sequence[int]
    atimes: Sequence[int]
    mtimes: Sequence[int]

    @property
    def length(self) -> int:
        """How many files they are."""
        return len(self.paths)

    @property
    def end(self) -> int:
        """The row behind their last one."""
        return self.first + len(self.paths)

    @property
    def places(self) -> list[bytes]:
        """Their paths below the folder that is restored to."""
        before = self.source.encode() + b"/"
        return [before + path for path in self.paths]

    def cut(self, begin: int, end: int) -> Self:
        """Return some of them."""
        if (begin, end) == (0, self.length):
            return self
        few = slice(begin, end)
        return self._replace(
            first=self.first + begin,
            paths=self.paths[few],
            items=self.items[few],
            sizes=self.sizes[few],
            sha256s=self.sha256s[_DIGEST * begin : _DIGEST * end],
            modes=self.modes[few],
            atimes=self.atimes[few],
            mtimes=self.mtimes[few],
        )

    def is_followed_by(self, other: Plain) -> bool:
        """Say whether the rows of others follow on these."""
        return (*self[:3], self.end) == other[:4]

    @classmethod
    def joined(cls, groups: Sequence[Self]) -> Self:
        """Return groups that follow each other as one."""
        first = groups[0]
        return first if len(groups) == 1 else cls(*first[:4], *map(_joined, list(zip(*groups, strict=True))[4:]))


class PlainRows(NamedTuple):
    """Plain files, and what their rows hold: the bytes of each between bounds. Items and sizes were compared."""

    files: Plain
    bounds: Sequence[int]
    data: memoryview | bytes

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return self.bounds[-1] - self.bounds[0]


def plain_or_lines(lines: Sequence[bytes]) -> Iterator[tuple[Plain | None, Sequence[bytes]]]:
    """Yield what lines say of plain files, and these lines; None with those that are to be looked at one by one."""
    joined = b"".join(lines)
    if not _are_lines(lines, joined):
        yield None, lines
        return
    place = 0
    for some in usual_files(joined):
        few = lines[place : place + some.number]
        place += some.number
        if some.told is None:
            yield None, few
        else:
            yield from _of_usual(some.told, some, few)


def _are_lines(lines: Sequence[bytes], joined: bytes) -> bool:
    """Say whether each is no longer than a usual line and has one line feed, which is its last byte."""
    is_short = max(map(len, lines)) <= LONGEST
    return is_short and joined.count(_LF) == len(lines) and {line[-1:] for line in lines} == {_LF}


def _of_usual(told: Told, some: UsualFiles, lines: Sequence[bytes]) -> Iterator[tuple[Plain | None, Sequence[bytes]]]:
    """Yield the same of usual lines, which have source and batch in common."""
    firsts, sizes, modes, atimes, mtimes = (
        tuple(map(int, one)) for one in (some.firsts, some.sizes, some.modes, some.atimes, some.mtimes)
    )
    good = _are_plain(told.source, some.nlinks, modes, atimes, mtimes)
    plain = Plain(
        told.source,
        told.status,
        told.batch,
        0,
        some.paths,
        some.items,
        sizes,
        unhexlify(b"".join(some.sha256s)),
        modes,
        atimes,
        mtimes,
    )
    # Of rows that follow each other the number less the place is the same.
    rows = enumerate(zip(firsts, good, strict=True))
    for key, few in runs([first - nth if is_good else None for nth, (first, is_good) in rows]):
        found = None if key is None else plain.cut(few.start, few.stop)._replace(first=firsts[few.start])
        yield found, lines[few]


def _are_plain(
    source: str, nlinks: Sequence[bytes], modes: Sequence[int], atimes: Sequence[int], mtimes: Sequence[int]
) -> list[bool]:
    """Say of each file of a source whether it has one name, plain rights, and times that a file can have."""
    if not is_source(source):
        return [False] * len(modes)
    plain = {mode for mode in set(modes) if not rights_of(mode) & ~_RIGHTS}
    return [
        links == b"1" and mode in plain and accessed in _TIMES and modified in _TIMES
        for links, mode, accessed, modified in zip(nlinks, modes, atimes, mtimes, strict=True)
    ]


def runs(keys: Sequence[_Key]) -> Iterator[tuple[_Key, slice]]:
    """Yield where the same key follows itself."""
    begin = 0
    for key, same in groupby(keys):
        end = begin + len(list(same))
        yield key, slice(begin, end)
        begin = end


def plain_of(line: ItemLine) -> Plain | None:
    """Return what a plain file is; None for one of which more is to be given back or said."""
    file, item = line.file, line.item
    if file is None or len(line.parts) != 1 or line.status not in ("captured", "unchanged") or line.object is not None:
        return None
    part = line.parts[0]
    is_alone = part.count == 1 and part.of is None and not item.members and item.version is None
    if not is_alone or file["holes"] or file["xattrs"] or file["atime_ns"] is None or file["mtime_ns"] is None:
        return None
    path, modes = item.relative_bytes(), (cast("int", file["mode"]),)
    atimes, mtimes = ((int(str(file[name])),) for name in ("atime_ns", "mtime_ns"))
    if (
        b"\0" in path
        or None in (line.size, line.sha256)
        or _are_plain(item.source, (b"1",), modes, atimes, mtimes) != [True]
    ):
        return None
    text, sizes, digest = item.text().encode(), (line.size or 0,), bytes.fromhex(line.sha256 or "")
    said = item.source, line.status, part.batch, part.first
    return Plain(*said, (path,), (text,), sizes, digest, modes, atimes, mtimes)


def line_of(plain: Plain, nth: int) -> ItemLine:
    """Return what the line of a plain file says, as far as somebody asks who gives the file back or tells why not."""
    times = {"atime_ns": str(plain.atimes[nth]), "mtime_ns": str(plain.mtimes[nth])}
    return ItemLine(
        Item.parse(plain.items[nth].decode()),
        kind="file",
        table=None,
        status=plain.status,
        observed_at="",
        size=plain.sizes[nth],
        sha256=plain.sha256s[_DIGEST * nth : _DIGEST * (nth + 1)].hex(),
        parts=(Part(plain.batch, plain.first + nth, 1),),
        file={"mode": plain.modes[nth], **times, "holes": [], "xattrs": {}},
    )


def write_plain(tree: Tree, rows: PlainRows) -> list[str | None]:
    """Write plain files, each checked before it is written; return what is to be remarked of each, None for not done.

    Of what is not done nothing is left: a row is not that of its line, or a step was refused.
    """
    data, files = memoryview(rows.data), rows.files
    pieces = [data[begin:end] for begin, end in pairwise(rows.bounds)]
    digests = [sha256(piece).digest() for piece in pieces]
    if b"".join(digests) == files.sha256s:
        good = [True] * len(pieces)
    else:
        good = [one == files.sha256s[_DIGEST * nth : _DIGEST * (nth + 1)] for nth, one in enumerate(digests)]
    return [
        _write(tree, place, piece, rights_of(mode), times) if is_good else None
        for is_good, place, piece, mode, times in zip(
            good, files.places, pieces, files.modes, zip(files.atimes, files.mtimes, strict=True), strict=True
        )
    ]


def _write(tree: Tree, place: bytes, data: memoryview, mode: int, times: tuple[int, int]) -> str | None:
    try:
        found = tree.whole(place, data, mode, times)
    except ArchiverError:
        return None  # a folder on the way: taken step by step, it says what is wrong with it
    if found is None or found == times[1]:
        return None if found is None else ""
    return kept_time(times[1], found)


def _joined(members: tuple[Any, ...]) -> Any:
    return b"".join(members) if isinstance(members[0], bytes) else tuple(chain.from_iterable(members))
