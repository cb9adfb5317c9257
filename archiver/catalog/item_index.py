"""What was last said of every item: a row each, found by item, path, size, content and status."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from archiver.catalog import laid_by, overtaken
from archiver.catalog.recall import Recall
from archiver.catalog.schema import BY_CONTENT, IS_TROUBLE, SAID, replacing
from archiver.model.item import Item
from archiver.model.item_row import COLUMNS, AlikeRows, ItemRow, RowsElsewhere, RowsInOrder, row_of
from archiver.model.items import ItemLine

__all__ = ["ItemIndex", "Numbers"]

_AT_ONCE: Final = 1000
_FEW: Final = 1 << 14
"""Rows that are put in order by themselves rather than found in the order of all."""
_MANY: Final = 8
"""To put an item into its place costs as much as to sort so many."""
_INTO: Final = f"INSERT INTO latest ({', '.join(COLUMNS)}, snapshot)"
_OR_REPLACE: Final = replacing(SAID)
_ENTER: Final = f"{_INTO} VALUES ({', '.join('?' * (len(COLUMNS) + 1))}) {_OR_REPLACE}"
_COPY: Final = f"{_INTO} SELECT found.*, ? FROM ({{}}) AS found WHERE true {_OR_REPLACE}"  # noqa: S608 - constants
_SAY_AGAIN: Final = (
    "UPDATE latest SET status = ?4, line = ?5, stamp = ?9, marked = ?10, snapshot = ?11 "
    "WHERE source = ?2 AND path = ?3 AND item = ?1 AND (tbl, size, sha256) IS (?6, ?7, ?8)"
)
"""Leaves alone what is found by content, which is most of the work; touches nothing where that has changed."""


@contextmanager
def _attached(cursor: sqlite3.Cursor, elsewhere: RowsElsewhere | None) -> Iterator[None]:
    """Attach the file of rows that are elsewhere, where some are."""
    if elsewhere is None:
        yield
        return
    cursor.execute("ATTACH ? AS books", [str(elsewhere.file)])
    try:
        yield
    finally:
        cursor.execute("DETACH books")


@contextmanager
def _sorted_by_content(cursor: sqlite3.Cursor, elsewhere: RowsElsewhere | None) -> Iterator[None]:
    """Make the index of contents anew behind many items that are taken in, within their transaction.

    They come in no order of their contents, so that one by one each would change another page of it.
    """
    made_anew = _are_many(cursor, elsewhere) and _without_index(cursor)
    yield
    if made_anew:
        cursor.execute(BY_CONTENT)


def _are_many(cursor: sqlite3.Cursor, elsewhere: RowsElsewhere | None) -> bool:
    """Say whether so many are coming that it takes less time to sort all that there will be."""
    known: int = cursor.execute("SELECT coalesce(max(id), 0) FROM latest").fetchone()[0]
    if not known or elsewhere is None:
        return not known
    coming: int = cursor.execute(f"SELECT count(*) FROM ({elsewhere.query})", elsewhere.words).fetchone()[0]  # noqa: S608 - of constants
    return coming * _MANY > known


def _without_index(cursor: sqlite3.Cursor) -> bool:
    """Take the index away; not while somebody has not read an answer of this catalog to its end."""
    try:
        cursor.execute("DROP INDEX latest_by_content")
    except sqlite3.OperationalError as problem:
        if problem.sqlite_errorcode != sqlite3.SQLITE_LOCKED:
            raise
        return False
    return True


def _enter(cursor: sqlite3.Cursor, snapshot: str, rows: Sequence[ItemRow]) -> None:
    some = [(*row, snapshot) for row in rows]
    known = [row for row in some if row[3] == "unchanged"]
    cursor.executemany(_SAY_AGAIN, known)
    if cursor.rowcount == len(known):
        some = [row for row in some if row[3] != "unchanged"]
    cursor.executemany(_ENTER, some)


def _copy(cursor: sqlite3.Cursor, snapshot: str, elsewhere: RowsElsewhere) -> None:
    cursor.execute(_COPY.format(elsewhere.query), [snapshot, *elsewhere.words])


class Numbers(Protocol):
    """A set of rows that can say which of all rows are not in it."""

    def __contains__(self, number: int, /) -> bool:
        """Say whether a row is in it."""
        ...

    def missing(self, first: int, after: int) -> Iterator[int]:
        """Yield the rows from `first` to before `after` that are not."""
        ...


class ItemIndex:
    """The part of the catalog that is about items."""

    _db: sqlite3.Connection
    _turn: Lock
    """Who writes: this connection, or what lays items by in another thread."""
    path: Path

    @contextmanager
    def block(self) -> Iterator[None]:
        """Make one transaction of all that is taken in meanwhile; within another block it is that one's."""
        if self._db.in_transaction:
            yield
            return
        with self._turn:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.OperationalError):  # where the disk is full, SQLite has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def absorb_items(self, snapshot: str, lines: Iterable[ItemLine]) -> None:
        """Take in all lines of a finished snapshot; they replace those of snapshots before it in the log."""
        self.absorb_rows(snapshot, map(row_of, lines))

    def absorb_rows(self, snapshot: str, rows: Iterable[ItemRow], elsewhere: RowsElsewhere | None = None) -> None:
        """Take in what `absorb_items` does, from the books of a run that keep it already."""
        coming = iter(rows)
        with (
            closing(self._db.cursor()) as cursor,
            _attached(cursor, elsewhere),
            self.block(),
            _sorted_by_content(cursor, elsewhere),
        ):
            is_late = overtaken.is_so(cursor, snapshot)
            enter, copy = (overtaken.enter, overtaken.copy) if is_late else (_enter, _copy)
            if elsewhere is not None:
                copy(cursor, snapshot, elsewhere)
            while some := list(itertools.islice(coming, _AT_ONCE)):
                enter(cursor, snapshot, some)
            cursor.execute("UPDATE snapshots SET items_known = 1 WHERE id = ?", [snapshot])

    def may_lay_by(self) -> bool:
        """Say whether the items of a snapshot may be laid by: where no item is known yet."""
        return laid_by.knows_none(self._db)

    def lay_by_some(self, snapshot: str, rows: AlikeRows, *, goes_on: bool) -> None:
        """Lay some rows of a run by, the first or, where it `goes_on`, more; as `lay_by` else, which does the rest."""
        laid_by.add(self.path, snapshot, rows, goes_on=goes_on, turn=self._turn)

    def lay_by(self, snapshot: str, rows: RowsInOrder, *, stop: Callable[[], bool], goes_on: bool = False) -> None:
        """Lay the rows of a run by, which changes no answer (`laid_by`); may be called by another thread."""
        laid_by.lay_by(self.path, snapshot, rows, stop=stop, turn=self._turn, goes_on=goes_on)

    def take_laid_by(self, snapshot: str) -> bool:
        """Take in what was laid by for a finished snapshot; say whether that could be."""
        return laid_by.take(self.path, snapshot)

    def forget_laid_by(self) -> None:
        """Take away what was laid by for a snapshot that did not come to its end here."""
        if laid_by.is_there(self._db):
            laid_by.forget(self.path)

    def snapshots_without_items(self) -> list[str]:
        """Return finished snapshots whose lines have not been taken in, in log order."""
        found = self._db.execute(
            "SELECT id FROM snapshots WHERE items_known = 0 AND status != 'aborted' ORDER BY position"
        )
        return [row[0] for row in found]

    def latest(self, item: Item) -> ItemLine | None:
        """Return what was last said of an item."""
        query = "SELECT line FROM latest WHERE source = ? AND path = ? AND item = ?"
        row = self._db.execute(query, [item.source, item.path, item.text()]).fetchone()
        return ItemLine.own(row[0]) if row else None

    def archived(self, item: Item) -> ItemLine | None:
        """Return what was last said of the content of an item, though it may have been seen without since."""
        query = (
            "SELECT line FROM latest WHERE source = ?1 AND path = ?2 AND item = ?3 AND tbl IS NOT NULL"
            " UNION ALL SELECT line FROM kept WHERE source = ?1 AND path = ?2 AND item = ?3 LIMIT 1"
        )
        row = self._db.execute(query, [item.source, item.path, item.text()]).fetchone()
        return ItemLine.own(row[0]) if row else None

    def recall(self, source: str) -> Recall:
        """Begin to ask about the items of a source, one after the other."""
        return Recall(self._db, source)

    def latest_inside(self, source: str, path: str) -> Iterator[ItemLine]:
        """Yield what was last said of everything found inside an item, itself left out; it may be a million."""
        itself = Item(source, path).text()
        found = self._db.execute(
            "SELECT line FROM latest WHERE source = ? AND path = ? AND item != ? ORDER BY item", [source, path, itself]
        )
        for (data,) in found:
            line = ItemLine.own(data)
            if line.item.members:
                yield line

    def latest_below(self, source: str, beginning: str, most: int) -> list[ItemLine]:
        """Return what was last said of the content of so many items whose path begins so, the largest first."""
        found = self._db.execute(
            "SELECT line, size FROM latest WHERE source = ?1 AND path >= ?2 AND path < ?3 AND tbl IS NOT NULL"
            " UNION ALL SELECT line, size FROM kept WHERE source = ?1 AND path >= ?2 AND path < ?3"
            " ORDER BY size DESC LIMIT ?4",
            [source, beginning, beginning + "\U0010ffff", most],
        )
        return [ItemLine.own(data) for data, _ in found]

    def has_content(self) -> bool:
        """Say whether the bytes of any item are archived."""
        query = "SELECT 1 FROM latest WHERE tbl IS NOT NULL UNION ALL SELECT 1 FROM kept LIMIT 1"
        return self._db.execute(query).fetchone() is not None

    def has_size(self, table: str, size: int) -> bool:
        """Say whether any item of a table had so many bytes when it was last seen with content."""
        query = (
            "SELECT 1 FROM latest WHERE tbl = ?1 AND size = ?2"
            " UNION ALL SELECT 1 FROM kept WHERE tbl = ?1 AND size = ?2 LIMIT 1"
        )
        return self._db.execute(query, [table, size]).fetchone() is not None

    def with_content(self, table: str, size: int, sha256: str) -> list[ItemLine]:
        """Return items of a table that had these bytes when they were last seen with content."""
        query = (
            "SELECT line, item FROM latest WHERE tbl = ?1 AND size = ?2 AND sha256 = ?3"
            " UNION ALL SELECT line, item FROM kept WHERE tbl = ?1 AND size = ?2 AND sha256 = ?3 ORDER BY item LIMIT 16"
        )
        return [ItemLine.own(data) for data, _ in self._db.execute(query, [table, size, sha256])]

    def present(self, source: str) -> Iterator[ItemLine]:
        """Yield everything that was last seen in a source and not said to be absent, in the order of item texts."""
        found = self._db.execute(
            "SELECT line FROM latest WHERE source = ? AND status != 'absent' ORDER BY path, item", [source]
        )
        for (data,) in found:
            yield ItemLine.own(data)

    def texts_present(self, source: str, but: Numbers) -> Iterator[list[str]]:
        """Yield the item texts of `present`, in the same order, but those of some rows (`Known.row`), many at once.

        Nothing is read of the rows that are left out, and where they are nearly all, the others alone are looked for.
        """
        last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM latest").fetchone()[0]
        few = list(itertools.islice(but.missing(1, last + 1), _FEW + 1))
        if len(few) <= _FEW:
            found = self._db.execute(
                "SELECT item FROM latest WHERE id IN (SELECT value FROM json_each(?)) AND +source = ?"
                " AND status != 'absent' ORDER BY path, item",
                [json.dumps(few), source],
            )
            while some := found.fetchmany(_AT_ONCE):
                yield [text for (text,) in some]
            return
        rows = self._db.execute("SELECT id FROM latest WHERE source = ? ORDER BY path, item", [source])
        wanted = (row for (row,) in rows if row not in but)
        while ids := list(itertools.islice(wanted, _AT_ONCE)):
            found = self._db.execute(
                "SELECT item FROM latest WHERE id IN (SELECT value FROM json_each(?)) AND status != 'absent'"
                " ORDER BY path, item",
                [json.dumps(ids)],
            )
            yield [text for (text,) in found]

    def counts_by_mark(self) -> dict[str, int]:
        """Return how many items, inner ones too, carry each mark as they were last seen; what is gone counts not."""
        found = self._db.execute(
            "SELECT json_extract(one.value, '$.mark') AS mark, count(*)"
            " FROM latest, json_each(CAST(latest.line AS TEXT), '$.marks') AS one"
            " WHERE latest.marked = 1 GROUP BY mark ORDER BY mark"
        )
        return {str(mark): int(number) for mark, number in found}

    def trouble_of(self, snapshot: str, status: str) -> Iterator[ItemLine]:
        """Yield the items of which a snapshot said a status that needs a look."""
        query = (
            f"SELECT line FROM latest WHERE snapshot = ? AND status = ? AND {IS_TROUBLE} ORDER BY source, path, item"  # noqa: S608 - constants
        )
        for (data,) in self._db.execute(query, [snapshot, status]):
            yield ItemLine.own(data)
