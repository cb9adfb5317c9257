"""A line of `items` as books keep it: its bytes, and beside them what it is found, compared and counted by.

The journal of a run and the catalog keep the same row, so that one is copied from the other.

>>> row_of(line).status  # doctest: +SKIP
'captured'
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from archiver.model.items import ItemLine
from archiver.model.stamp import stamp_of

__all__ = ["COLUMNS", "AlikeRows", "ItemRow", "RowsElsewhere", "RowsInOrder", "row_of"]

_KEPT: Final = frozenset({"captured", "unchanged", "damaged"})


class ItemRow(NamedTuple):
    """The row of a line. `tbl`, `size` and `sha256` are those of an item whose bytes are kept whole, None of others."""

    item: str
    source: str
    path: str
    status: str
    line: bytes
    tbl: str | None
    size: int | None
    sha256: str | None
    stamp: str | None
    marked: int | None
    """1 where the line has marks, None where it has none."""


class RowsElsewhere(NamedTuple):
    """Rows of another SQLite file, for whoever copies them without looking at each.

    `query` gives the `COLUMNS` of `ItemRow`, `file` being attached as `books`; `words` are its values.
    """

    file: Path
    query: str
    words: tuple[str | int, ...]


class AlikeRows(NamedTuple):
    """Rows that have some columns of `ItemRow` in `common`, by name; of each its `rows` give the columns `names`.

    What is in neither is None.
    """

    common: dict[str, str]
    names: tuple[str, ...]
    rows: Iterable[tuple[object, ...]]


class RowsInOrder(NamedTuple):
    """Rows of which some are in another SQLite file and may be copied; `stretches` gives those beside each other."""

    file: Path
    stretches: Callable[[], Generator[RowsElsewhere | AlikeRows, None, None]]


COLUMNS: Final = ItemRow._fields


def row_of(line: ItemLine) -> ItemRow:
    """Return the row of a line."""
    item = line.item
    tbl, size, sha256 = (line.table, line.size, line.sha256) if line.status in _KEPT else (None, None, None)
    marked = 1 if line.marks else None
    stamp = stamp_of(line)
    return ItemRow(item.text(), item.source, item.path, line.status, line.encode(), tbl, size, sha256, stamp, marked)
