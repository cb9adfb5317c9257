"""What was last said of the items of one source, for whoever asks about them in roughly the order of their paths.

A question reads ahead: the answers of the paths that follow wait for theirs. How far depends on whether they are
asked for, so that the order of the questions costs or saves time and decides nothing. The catalog must not change
meanwhile.

>>> catalog.recall("mail").of(Item("mail", "a.eml")).line.status
'captured'
"""

from __future__ import annotations

import operator
import sqlite3
from typing import Final, TypeAlias

from archiver.model.item import Item
from archiver.model.items import ItemLine

__all__ = ["NOTHING", "Known", "Recall", "Row"]

Row: TypeAlias = tuple[str, bytes, str, str | None, int]
"""Item text; line, status, stamp and row, as `Known` has them."""

_FAR: Final = 512
"""Rows that are read ahead at most; up to four times as many wait."""
_GROWTH: Final = 4

_TEXT_OF: Final = operator.itemgetter(0)
_AHEAD: Final = (
    "SELECT item, line, status, stamp, id FROM latest WHERE source = ?1 AND (path, item) >= (?2, ?3) "
    "AND item >= '{\"path\"' ORDER BY path, item LIMIT ?4"
)
"""The text of an item inside another begins with `members`, which is less."""
_OUTER: Final = (
    "SELECT DISTINCT path FROM latest WHERE source = ?1 AND path >= ?2 AND path <= ?3 AND item < '{\"path\"'"
)

_END: Final = ("\U0010ffff", "")
"""Behind nearly all paths; of what is behind it, nothing is known without a question."""


class Known:
    """What was last said of an item: its line, None when it is new, and beside it what tells most without reading that.

    `stamp` is that of its file as it was then (`model.stamp`), `row` the catalog's number for the item; `has_inside`
    says whether anything was said of what is inside it.
    """

    __slots__ = ("_line", "has_inside", "raw", "row", "stamp", "status")

    def __init__(
        self,
        raw: bytes | None = None,
        status: str | None = None,
        stamp: str | None = None,
        row: int | None = None,
        *,
        has_inside: bool = False,
    ) -> None:
        """Keep the line as it is; it is read when somebody asks."""
        self.raw = raw
        self.status = status
        self.stamp = stamp
        self.row = row
        self.has_inside = has_inside
        self._line: ItemLine | None = None

    @property
    def line(self) -> ItemLine | None:
        """The line."""
        if self._line is None and self.raw is not None:
            self._line = ItemLine.own(self.raw)
        return self._line


NOTHING: Final = Known()
"""What is known of an item that is new."""


class Recall:
    """The items of one source, as a catalog remembers them."""

    def __init__(self, database: sqlite3.Connection, source: str) -> None:
        """Begin before the first question."""
        self._db = database
        self._source = source
        self._waiting: dict[str, Row] = {}
        self.outer: set[str] = set()
        """Paths of items inside which something is known, as far as their rows were read ahead."""
        self._ahead = self._unasked = 1
        self._first = self._last = ("", "")
        self._answered: set[str] = set()
        """Items that no longer wait; any other between the first and the last that were read ahead is new."""
        self.is_empty = self._db.execute("SELECT 1 FROM latest WHERE source = ? LIMIT 1", [source]).fetchone() is None

    def of(self, item: Item) -> Known:
        """Return what is known of an item of this source."""
        if self.is_empty:
            return NOTHING
        found = self.row(item.path, item.text())
        if found is None:
            return Known(has_inside=True) if item.path in self.outer else NOTHING
        return Known(*found[1:], has_inside=item.path in self.outer)

    def row(self, path: str, text: str) -> Row | None:
        """Return what is known of the item of this text, None when it is new; then `outer` says of its path, too."""
        found = self._waiting.pop(text, None)
        if found is None:
            if self.is_empty:
                return None
            if not self._first <= (path, text) <= self._last or text in self._answered:
                self._read_ahead(path, text)
                found = self._waiting.pop(text, None)
            if found is None:
                return None
        self._unasked -= 1
        self._answered.add(text)
        return found

    def give_back(self, text: str, row: Row) -> None:
        """Take back an answer for whoever asks about the item next."""
        self._waiting[text] = row
        self._unasked += 1
        self._answered.discard(text)

    def _read_ahead(self, path: str, text: str) -> None:
        """Fetch an item and those behind it: more than last time if most of them were asked for, or else it alone."""
        asked_for = self._unasked * 2 <= self._ahead
        self._ahead = min(self._ahead * _GROWTH, _FAR) if asked_for else 1
        if len(self._waiting) > 3 * _FAR:
            self._waiting, self.outer = {}, set()
        rows = self._db.execute(_AHEAD, [self._source, path, text, self._ahead]).fetchall()
        self._first = path, text
        last = Item.parse(rows[-1][0]).path if rows else ""
        self._last = (last, rows[-1][0]) if len(rows) == self._ahead else _END
        self._answered = set()
        self._waiting.update(zip(map(_TEXT_OF, rows), rows, strict=True))
        after = max(path, self._last[0], last)  # the last two may be behind the end
        self.outer.update(name for (name,) in self._db.execute(_OUTER, [self._source, path, after]))
        self._unasked = len(rows)
