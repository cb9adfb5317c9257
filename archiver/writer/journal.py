"""What a run had done when it was killed (state folder, `journal.sqlite`).

The journal belongs to one unfinished snapshot. A batch enters it in one transaction with the lines of the items that
its rows complete, after its spool file is on disk; so whatever the journal names, exists. A batch is never rebuilt:
its spool file is put again until the log has it. Lines keep the order in which they were entered.
"""

from __future__ import annotations

import functools
import itertools
import json
import operator
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from archiver.model.item_row import COLUMNS, AlikeRows, ItemRow, RowsElsewhere, RowsInOrder, row_of
from archiver.model.items import ItemLine
from archiver.writer import line_packs, said_again
from archiver.writer.journal_words import Count, JournaledBatch, Line, Progress, Run
from archiver.writer.line_packs import LinePack, LinePacks, Packed, in_packs
from archiver.writer.said_again import SaidAgain

__all__ = ["Journal"]

_SCHEMA: Final = (
    """
PRAGMA page_size = 16384;
PRAGMA secure_delete = OFF;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS run (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), words TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, words TEXT NOT NULL, logged INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS envelopes (
    key TEXT PRIMARY KEY, place INTEGER NOT NULL, envelope BLOB NOT NULL, logged INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS envelopes_of (key TEXT PRIMARY KEY, destination TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item_lines (
    place INTEGER PRIMARY KEY, item TEXT NOT NULL UNIQUE, source TEXT NOT NULL, path TEXT NOT NULL,
    status TEXT NOT NULL, line BLOB NOT NULL, tbl TEXT, size INTEGER, sha256 TEXT, stamp TEXT, marked INTEGER,
    observed_at TEXT NOT NULL, batch TEXT, records INTEGER NOT NULL, mime TEXT, custodian TEXT,
    new_bytes INTEGER NOT NULL, known_by TEXT);
CREATE TABLE IF NOT EXISTS progress (item TEXT PRIMARY KEY, words TEXT NOT NULL);
"""
    + said_again.SCHEMA
    + line_packs.SCHEMA
)


class Journal:
    """The journal of one state folder."""

    def __init__(self, path: Path) -> None:
        """Open or create it."""
        self._path = path
        with ExitStack() as opened:
            self._db = sqlite3.connect(path, isolation_level=None)
            opened.callback(self._db.close)
            self._db.executescript(_SCHEMA)
            self._widen_lines()
            self._take_in_former_lines()
            self._may_progress = self._db.execute("SELECT 1 FROM progress LIMIT 1").fetchone() is not None
            opened.pop_all()  # what fails before this leaves no file open
        self.said_again = SaidAgain(self._db)
        self._packs = LinePacks(self._db)
        self._packed_to = self._packs.after()
        self.may_pack = False
        """Whether lines may be entered in packs: where nobody asks for a single one."""

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def run(self) -> Run | None:
        """Return the unfinished snapshot, None when there is none."""
        row = self._db.execute("SELECT words FROM run").fetchone()
        return Run(**json.loads(row[0])) if row else None

    def begin(self, run: Run) -> None:
        """Begin a snapshot; the journal has nothing but lines of what was looked at for it."""
        self._db.execute("INSERT INTO run VALUES (1, ?)", [json.dumps(asdict(run))])

    def clear(self) -> None:
        """Forget the snapshot, after its statement is in the log; what waits for a destination stays."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            for table in ("run", "batches", "item_lines", "packs", "line_packs", "progress"):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
            cursor.execute("DELETE FROM envelopes WHERE logged = 1")
            cursor.execute("DELETE FROM envelopes_of WHERE key NOT IN (SELECT key FROM envelopes)")
            cursor.execute("COMMIT")
        self._packed_to, self.may_pack = 0, False

    def take_packs_apart(self) -> None:
        """Make rows of all lines that are in packs, so that they are found."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            for place, pack in self._packs.all():
                cursor.executemany(_ENTER_AT, ((at, *line) for at, line in enumerate(pack.lines(), place)))
            cursor.executemany(_ENTER, self._packed())
            self._packs.forget()
            self.said_again.forget()
            cursor.execute("COMMIT")

    def forget_absent(self) -> None:
        """Forget which items were not there; an account of that which is on its way already stays as it is."""
        if not self.count("items"):
            self._db.execute("DELETE FROM item_lines WHERE status = 'absent'")

    def enter(
        self, batch: JournaledBatch | None, lines: Iterable[Line | Packed], progress: Progress | None = None
    ) -> None:
        """Enter a finished batch, the items it completes and the item it ends in, all or nothing."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            if batch is not None:
                cursor.execute(
                    "INSERT INTO batches (id, place, words) SELECT ?, count(*), ? FROM batches",
                    [batch.id, json.dumps(asdict(batch))],
                )
            for some in in_packs(lines, makes=self.may_pack):
                if isinstance(some, Packed):
                    place = self._next_place()
                    self._packs.enter(place, some)
                    self._packed_to = place + some.items
                else:
                    self._enter_rows(cursor, some)
            # The one item that may be in both has just been entered; progress never holds more than a handful.
            cursor.execute(
                "DELETE FROM progress WHERE EXISTS (SELECT 1 FROM item_lines AS one WHERE one.item = progress.item)"
            )
            if progress is not None:
                self._may_progress = True
                words = json.dumps(asdict(progress))
                cursor.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", [progress.item, words])
            cursor.execute("COMMIT")

    def _enter_rows(self, cursor: sqlite3.Cursor, lines: Iterable[Line]) -> None:
        coming = iter(lines)
        if self._packed_to:  # the places of the others follow from that of the first
            place = self._next_place()
            cursor.executemany(_ENTER_AT, [(place, *one) for one in itertools.islice(coming, 1)])
        for is_common, some in itertools.groupby(coming, _is_common):
            if is_common:
                cursor.executemany(_ENTER_COMMON, map(_COMMON_OF, some))
            else:
                cursor.executemany(_ENTER, some)

    def _next_place(self) -> int:
        """Return the place behind all lines."""
        last: int = self._db.execute("SELECT coalesce(max(place), 0) FROM item_lines").fetchone()[0]
        return max(last + 1, self._packed_to)

    def has_line(self, item: str) -> bool:
        """Say whether an item is accounted for already."""
        return self._db.execute("SELECT 1 FROM item_lines WHERE item = ?", [item]).fetchone() is not None

    def without_lines(self, items: Iterable[str]) -> list[str]:
        """Return those of some items that are not accounted for, in their order."""
        asked = json.dumps(list(items))
        query = (
            "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM item_lines WHERE item = value) ORDER BY key"
        )
        return [text for (text,) in self._db.execute(query, [asked])]

    def line(self, item: str) -> Line | None:
        """Return the line of an item."""
        row = self._db.execute(f"SELECT {_LINE} FROM item_lines WHERE item = ?", [item]).fetchone()  # noqa: S608 - a constant
        return Line(*row) if row else None

    def take_back(self, item: str) -> None:
        """Forget the line of an item whose bytes have changed since: the rows that it names are leftovers now."""
        self._db.execute("DELETE FROM item_lines WHERE item = ?", [item])

    def lines(self) -> Iterator[Line]:
        """Yield all lines in the order of their entry, those that are said again in packs behind the others."""
        for first, after, pack in _stretches(self._packs):
            query = f"SELECT {_LINE} FROM item_lines WHERE place >= ? AND place < ? ORDER BY place"  # noqa: S608 - a constant
            yield from map(Line._make, self._db.execute(query, [first, after]))
            yield from () if pack is None else pack.lines()
        yield from self._packed()

    def indexed(self, most: int) -> Iterator[tuple[Sequence[bytes], *tuple[Sequence[Any], ...]]]:
        """Yield all lines but those that are said again, in the order of their entry, at most so many at once.

        Raw, type, custodian, and when each was looked at.
        """
        query = (
            "SELECT line, mime, custodian, observed_at FROM item_lines WHERE place >= ? AND place < ? ORDER BY place"
        )
        for first, after, pack in _stretches(self._packs):
            found = self._db.execute(query, [first, after])
            while some := found.fetchmany(most):
                lines, *indexed = zip(*some, strict=True)
                yield (lines, *indexed)
            if pack is not None:
                yield pack.raws, pack.media, pack.custodians, pack.observed

    def lines_to_read(self) -> Iterator[Line]:
        """Yield the lines that are not plain, in the order of their entry."""
        query = f"SELECT {_LINE} FROM item_lines WHERE batch IS NULL ORDER BY place"  # noqa: S608 - a constant
        return map(Line._make, self._db.execute(query))

    def rows_for(self, destination: str | None) -> RowsElsewhere:
        """Return what the catalog of a destination keeps of all lines in no pack but those that it knows.

        Where none is named, no line is left out.
        """
        which, words = ("true", ()) if destination is None else ("known_by IS NOT ?", (destination,))
        query = f"SELECT {', '.join(COLUMNS)} FROM books.item_lines WHERE {which}"  # noqa: S608 - constants
        return RowsElsewhere(self._path, query, words)

    def packed_rows_for(self, destination: str | None) -> Iterator[ItemRow]:
        """Yield what it keeps of the lines in packs."""
        for _, pack in self._packs.all():
            yield from map(ItemRow._make, pack.rows())
        yield from (row_of(line) for line, _, _ in self.said_again.lines(but_known_by=destination))

    def all_rows_for(self, destination: str, but: Collection[bytes] = ()) -> RowsInOrder:
        """Return both in the order of their entry, where nothing is said again; another thread may ask for them.

        Packs of these digests are left out, which must all be here.
        """
        return RowsInOrder(self._path, functools.partial(_rows_in_order, self._path, self.rows_for(destination), but))

    def plain_counts(self, snapshot: str) -> list[Count]:
        """Return the counts of the plain lines; records are own to the snapshot whose batches hold them."""
        found = self._db.execute(
            "SELECT source, status, count(*), sum(size), sum(new_bytes), "
            "sum(CASE WHEN status = 'captured' AND substr(batch, 1, ?) = ? THEN records ELSE 0 END) "
            "FROM item_lines WHERE batch IS NOT NULL GROUP BY source, status",
            [len(snapshot), snapshot],
        )
        again = (Count(source, "unchanged", items, size, 0, 0) for source, items, size in self.said_again.sums())
        return [*(Count(*row) for row in found), *map(Count._make, self._packs.counts(snapshot)), *again]

    def plain_batches(self) -> set[str]:
        """Return the batches that plain lines name."""
        rows = self._db.execute("SELECT DISTINCT batch FROM item_lines WHERE batch IS NOT NULL")
        return {batch for (batch,) in rows} | self._packs.batches() | self.said_again.batches()

    @property
    def may_progress(self) -> bool:
        """Say whether any item may be unfinished."""
        return self._may_progress

    def progress(self, item: str) -> Progress | None:
        """Return how far an unfinished item had come."""
        if not self._may_progress:  # the rule: asked of every item
            return None
        row = self._db.execute("SELECT words FROM progress WHERE item = ?", [item]).fetchone()
        return Progress(**json.loads(row[0])) if row else None

    def drop_progress(self, item: str) -> None:
        """Forget an item's finished rows: its bytes have changed since, and the rows are leftovers now."""
        self._db.execute("DELETE FROM progress WHERE item = ?", [item])

    def unlogged_batches(self) -> list[JournaledBatch]:
        """Return the batches that are not in the log yet, oldest first."""
        rows = self._db.execute("SELECT words FROM batches WHERE logged = 0 ORDER BY place").fetchall()
        return [JournaledBatch(**json.loads(words)) for (words,) in rows]

    def batch_logged(self, batch: str) -> None:
        """Note that the log has the batch."""
        self._db.execute("UPDATE batches SET logged = 1 WHERE id = ?", [batch])

    def keep(self, key: str, envelope: bytes, *, only: str | None = None) -> bytes:
        """Keep a signed envelope and return the one that counts: a statement is signed once, and put as those bytes.

        `only` names the one destination whose log it is for.
        """
        if only is not None:
            self._db.execute("INSERT OR IGNORE INTO envelopes_of VALUES (?, ?)", [key, only])
        self._db.execute(
            "INSERT INTO envelopes (key, place, envelope) SELECT ?, count(*), ? FROM envelopes WHERE true "
            "ON CONFLICT DO NOTHING",
            [key, envelope],
        )
        return bytes(self._db.execute("SELECT envelope FROM envelopes WHERE key = ?", [key]).fetchone()[0])

    def kept(self, key: str) -> bytes | None:
        """Return the kept envelope of a statement."""
        row = self._db.execute("SELECT envelope FROM envelopes WHERE key = ?", [key]).fetchone()
        return bytes(row[0]) if row else None

    def unlogged_envelopes(self) -> list[tuple[str, bytes, str | None]]:
        """Return the envelopes that are not in the log yet, oldest first, each with the one destination it is for."""
        return list(
            self._db.execute(
                "SELECT key, envelope, destination FROM envelopes LEFT JOIN envelopes_of USING (key) "
                "WHERE logged = 0 ORDER BY place"
            )
        )

    def envelope_logged(self, key: str) -> None:
        """Note that the log has the statement."""
        self._db.execute("UPDATE envelopes SET logged = 1 WHERE key = ?", [key])

    def count(self, table: str) -> int:
        """Return the number of batches of a table so far, which is the next one's number."""
        return int(
            self._db.execute("SELECT count(*) FROM batches WHERE id LIKE ?", [f"%-{table}-________"]).fetchone()[0]
        )

    def _packed(self) -> Iterator[Line]:
        for line, custodian, known_by in self.said_again.lines():
            yield Line.of(line, custodian=custodian)._replace(known_by=known_by)

    def _widen_lines(self) -> None:
        """Add the column that an earlier version did not have."""
        if "known_by" not in {row[1] for row in self._db.execute("PRAGMA table_info(item_lines)")}:
            self._db.execute("ALTER TABLE item_lines ADD COLUMN known_by TEXT")

    def _take_in_former_lines(self) -> None:
        """Move the lines of a run that an earlier version began, which had fewer columns."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lines'").fetchone():
            return
        former = self._db.execute("SELECT line, mime, custodian, new_bytes FROM lines ORDER BY place").fetchall()
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(
                _ENTER,
                (
                    Line.of(ItemLine.own(raw), mime=mime, custodian=custodian, new_bytes=new_bytes)
                    for raw, mime, custodian, new_bytes in former
                ),
            )
            cursor.execute("DROP TABLE lines")
            cursor.execute("COMMIT")


_BEHIND_ALL: Final = (1 << 63) - 1
_LINE: Final = ", ".join(Line._fields)
_ENTER: Final = f"INSERT INTO item_lines ({_LINE}) VALUES ({', '.join('?' * len(Line._fields))})"  # noqa: S608 - a constant

_ENTER_AT: Final = f"INSERT INTO item_lines (place, {_LINE}) VALUES ({', '.join('?' * (1 + len(Line._fields)))})"  # noqa: S608 - a constant

_RARE: Final = ("marked", "custodian", "known_by")
_COMMON: Final = tuple(name for name in Line._fields if name not in _RARE)
"""What a line has that has nothing rare: to give `sqlite3` a None takes several times what a text takes."""
_COMMON_OF: Final = operator.itemgetter(*map(Line._fields.index, _COMMON))
_ENTER_COMMON: Final = f"INSERT INTO item_lines ({', '.join(_COMMON)}) VALUES ({', '.join('?' * len(_COMMON))})"  # noqa: S608 - a constant


def _is_common(line: Line) -> bool:
    return line.marked is None and line.custodian is None and line.known_by is None


def _stretches(packs: LinePacks, but: Collection[bytes] = ()) -> Iterator[tuple[int, int, LinePack | None]]:
    """Yield the rows beside each other by their places, and behind them the pack that follows, but for some packs."""
    begun = 0
    for place, pack in packs.all(but):
        yield begun, place, pack
        begun = place + len(pack.raws)
    yield begun, _BEHIND_ALL, None


def _rows_in_order(
    path: Path, rows: RowsElsewhere, but: Collection[bytes]
) -> Generator[RowsElsewhere | AlikeRows, None, None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        packs = LinePacks(database)
        for first, after, pack in _stretches(packs, but):
            query = f"{rows.query} AND place >= ? AND place < ? ORDER BY place"
            yield rows._replace(query=query, words=(*rows.words, first, after))
            if pack is not None:
                yield pack.alike()
