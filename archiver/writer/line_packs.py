"""Lines of new documents, by the thousand: what a first run finds in its journal again by nothing but their order.

A pack is one row of the journal, at the place of the rows that its lines would have been: SQLite takes ten times as
long for those. Nobody finds a single line in it; who has to ask for one takes the packs apart, and has rows like all
others.

The law: a pack has lines only that say nothing but what is kept of them here, so that its lines are, field for field
and in their order, those that were entered.

>>> packs.enter(17, Packed.of(LinePack.of(lines)))
>>> [(place, pack.lines() == lines) for place, pack in packs.all()]
[(17, True)]
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import repeat
from typing import Final, NamedTuple

import orjson

from archiver.model.item_row import AlikeRows
from archiver.writer.journal_words import Line
from archiver.writer.packed import packed, unpacked

__all__ = ["FEWEST", "MOST", "SCHEMA", "LinePack", "LinePacks", "Packed", "in_packs"]

FEWEST, MOST = 64, 4096
"""Lines of a pack. Few are worth none; many are taken in and given out at once."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS line_packs (
    place INTEGER PRIMARY KEY, items INTEGER NOT NULL, source TEXT NOT NULL, tbl TEXT NOT NULL, batch TEXT NOT NULL,
    bytes INTEGER NOT NULL, words BLOB NOT NULL);
"""
_STATUS: Final = "captured"
_COLUMNS: Final = ("line", "item", "path", "size", "sha256", "stamp", "observed_at", "mime", "custodian")
"""The fields of a `Line` that are kept of each, in the order of a `LinePack`."""
_COMMON: Final = 3
"""So many fields of a `LinePack` are of all its lines."""


def _kind_of(line: Line) -> tuple[str, str, str] | None:
    """Return what all lines of a pack have in common: source, table and batch; None for a line that is for no pack."""
    if line.batch is None or line.tbl is None or line.size is None or line.sha256 is None:
        return None
    if line.status != _STATUS or line.marked is not None or line.known_by is not None:
        return None
    return (line.source, line.tbl, line.batch) if (line.records, line.new_bytes) == (1, line.size) else None


class LinePack(NamedTuple):
    """Lines beside each other that are for one pack, field by field: each of a new item of one row."""

    source: str
    tbl: str
    batch: str
    raws: Sequence[bytes]
    items: Sequence[str]
    paths: Sequence[str]
    sizes: Sequence[int]
    digests: Sequence[str]
    stamps: Sequence[str | None]
    observed: Sequence[str]
    media: Sequence[str | None]
    custodians: Sequence[str | None]

    @staticmethod
    def of(lines: Sequence[Line]) -> LinePack:
        """Return lines of one kind field by field."""
        first = lines[0]
        fields = dict(zip(first._fields, map(list, zip(*lines, strict=True)), strict=True))
        return LinePack(first.source, str(first.tbl), str(first.batch), *[fields[name] for name in _COLUMNS])

    @staticmethod
    def joined(packs: Sequence[LinePack]) -> LinePack:
        """Return lines that are all of one kind, one behind the other."""
        columns = zip(*(pack[_COMMON:] for pack in packs), strict=True)
        return LinePack._make((*packs[0].kind, *(list(itertools.chain.from_iterable(some)) for some in columns)))

    @property
    def kind(self) -> tuple[str, str, str]:
        """What lines of one pack have in common."""
        return self.source, self.tbl, self.batch

    def between(self, first: int, after: int | None) -> LinePack:
        """Return some of them."""
        return LinePack._make((*self.kind, *(column[first:after] for column in self[_COMMON:])))

    def alike(self) -> AlikeRows:
        """Return the same for whoever enters them in a table."""
        common = {"source": self.source, "status": _STATUS, "tbl": self.tbl}
        columns = self.items, self.paths, self.raws, self.sizes, self.digests, self.stamps
        return AlikeRows(common, ("item", "path", "line", "size", "sha256", "stamp"), zip(*columns, strict=True))

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield the rows of its lines, as `ItemRow` has them."""
        known = repeat(self.source), self.paths, repeat(_STATUS), self.raws, repeat(self.tbl)
        return zip(self.items, *known, self.sizes, self.digests, self.stamps, repeat(None), strict=False)

    def lines(self) -> Iterator[Line]:
        """Yield its lines."""
        more = self.observed, repeat(self.batch), repeat(1), self.media, self.custodians, self.sizes, repeat(None)
        for row, rest in zip(self.rows(), zip(*more, strict=False), strict=True):
            yield Line._make((*row, *rest))


class Packed(NamedTuple):
    """Lines beside each other as they are kept; `size` is the sum of their items'."""

    items: int
    source: str
    tbl: str
    batch: str
    size: int
    words: bytes

    @staticmethod
    def of(pack: LinePack) -> Packed:
        """Pack lines."""
        words = packed([orjson.dumps(pack[_COMMON + 1 :]), b"\n", *pack.raws])
        return Packed(len(pack.raws), pack.source, pack.tbl, pack.batch, sum(pack.sizes), words)

    def digest(self) -> bytes:
        """Return the SHA-256 of what is kept, by which a pack is known again."""
        return sha256(self.words).digest()


class LinePacks:
    """The packs of a journal."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Use the journal's own connection and transactions."""
        self._db = database

    def enter(self, place: int, pack: Packed) -> None:
        """Enter a pack at a place."""
        self._db.execute(
            "INSERT INTO line_packs (place, items, source, tbl, batch, bytes, words) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [place, *pack],
        )

    def all(self, but: Collection[bytes] = ()) -> Iterator[tuple[int, LinePack]]:
        """Yield the packs in the order of their places, each with the place of its first line.

        Those of some digests are left out, and all of these must be here.
        """
        left_out = set(but)
        found = self._db.execute("SELECT place, items, source, tbl, batch, words FROM line_packs ORDER BY place")
        for place, items, source, tbl, batch, words in found:
            if left_out and (digest := sha256(words).digest()) in left_out:
                left_out.remove(digest)
                continue
            data, *raws = unpacked(words).splitlines(keepends=True)  # a newline within a line is escaped
            columns = orjson.loads(data)
            if any(len(column) != items for column in (raws, *columns)):
                raise RuntimeError(f"journal: expected {items} lines in the pack at {place}, found {len(raws)}")
            yield place, LinePack(source, tbl, batch, raws, *columns)
        if left_out:
            raise RuntimeError(f"journal: expected {len(but)} packs of known digests, found {len(left_out)} fewer")

    def after(self) -> int:
        """Return the place behind the last of them, 0 when there is none."""
        found = self._db.execute("SELECT place + items FROM line_packs ORDER BY place DESC LIMIT 1").fetchone()
        return 0 if found is None else int(found[0])

    def counts(self, snapshot: str) -> Iterator[tuple[str, str, int, int, int, int]]:
        """Yield of each source: itself, the status, items, bytes, new ones, and the records of a snapshot."""
        return self._db.execute(
            "SELECT source, ?, sum(items), sum(bytes), sum(bytes), "
            "sum(CASE WHEN substr(batch, 1, ?) = ? THEN items ELSE 0 END) FROM line_packs GROUP BY source",
            [_STATUS, len(snapshot), snapshot],
        )

    def batches(self) -> set[str]:
        """Return the batches that hold the rows of the items."""
        return {batch for (batch,) in self._db.execute("SELECT DISTINCT batch FROM line_packs")}

    def forget(self) -> None:
        """Take all packs away."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("DELETE FROM line_packs")


def in_packs(lines: Iterable[Line | Packed], *, makes: bool = True) -> Iterator[Packed | list[Line]]:
    """Yield lines in their order: packs, or as many others as are beside each other; it `makes` more packs, or none."""
    others: list[Line] = []
    for kind, some in itertools.groupby(lines, _kind_or_pack if makes else _pack_alone):
        while chunk := list(itertools.islice(some, MOST)):
            own = [one for one in chunk if isinstance(one, Line)]
            if kind is None or len(own) in range(1, FEWEST):
                others += own
                continue
            if others:
                yield others
                others = []
            yield from [Packed.of(LinePack.of(own))] if own else [one for one in chunk if isinstance(one, Packed)]
    if others:
        yield others


def _kind_or_pack(one: Line | Packed) -> tuple[str, ...] | Packed | None:
    """Return what those have in common that may be in one pack: of a pack itself, which stays as it is, itself."""
    return one if isinstance(one, Packed) else _kind_of(one)


def _pack_alone(one: Line | Packed) -> Packed | None:
    return one if isinstance(one, Packed) else None
