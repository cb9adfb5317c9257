"""The items of a first snapshot, laid by for their catalog before anybody may see them there.

A catalog that knows no item yet gets them in a table of their own, step by step while the run that finds them is at
work, and at the end the last of its indexes. When the statement of the run is in the log that table takes the place of
the empty one: one small transaction, however many items there are. Until then the catalog says what it said before, and
whatever becomes of the run, what was laid by is nobody's: the next run takes it away, and takes the items in as it does
from any other.

All of this is done on connections of its own: in another thread, and beside questions of the catalog that nobody has
read to their end. Who else writes to the catalog has its turn between two steps.

>>> laid_by.add(path, snapshot, pack.alike(), goes_on=False, turn=turn)
>>> laid_by.lay_by(path, snapshot, journal.all_rows_for("vault", but=[pack]), goes_on=True, stop=stop, turn=turn)
>>> laid_by.take(path, snapshot)
True
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from archiver.catalog.schema import KEEPING, LATEST, indexes_on
from archiver.model.item_row import COLUMNS, AlikeRows, RowsElsewhere, RowsInOrder

__all__ = ["TABLE", "add", "forget", "is_there", "knows_none", "lay_by", "take"]

Turn: TypeAlias = AbstractContextManager[object]
"""Entered for every transaction: nobody else of this process writes to the catalog meanwhile."""

TABLE: Final = "latest_laid_by"
_LAST: Final = "latest_by_content"
"""The index that nearly all rows are in, in no order of theirs: it is made when all are there."""
_AT_ONCE: Final = 512
"""Rows of one statement: behind each this thread waits for the interpreter, which the run has in use."""
_BESIDE: Final = "BEGIN"
"""Not IMMEDIATE, which would lock the books, too."""
_WITH_THE_NEXT: Final = "NORMAL"
"""What is laid by is on disk when what is written behind it is, the taking of it at the latest."""
_LOOK_AGAIN: Final = 10_000_000
"""Steps of SQLite's machine, a fraction of a second, after which it is asked whether it is to stop."""


def add(path: Path, snapshot: str, rows: AlikeRows, *, goes_on: bool, turn: Turn) -> None:
    """Lay some rows of a snapshot by: the first of them, unless it `goes_on`; `lay_by` does so with the last."""
    with closing(_connected(path, _WITH_THE_NEXT)) as database:
        if not goes_on:
            with turn, _transaction(database):
                _begin(database)
        with turn, _transaction(database):
            _enter(database, snapshot, rows)


def lay_by(
    path: Path, snapshot: str, rows: RowsInOrder, *, stop: Callable[[], bool], turn: Turn, goes_on: bool = False
) -> None:
    """Lay the rows of a snapshot by, which must be of one item each, or all that are left of them where it `goes_on`.

    What is not laid by to the end, as when it is to `stop`, cannot be taken.
    """
    with closing(_connected(path, _WITH_THE_NEXT)) as database:
        database.set_progress_handler(stop, _LOOK_AGAIN)
        database.execute("ATTACH ? AS books", [str(rows.file)])
        if not goes_on:
            with turn, _transaction(database, _BESIDE):
                _begin(database)
        with closing(rows.stretches()) as stretches:
            for some in stretches:
                with turn, _transaction(database, _BESIDE):
                    _enter(database, snapshot, some)
                if stop():  # a short statement does not ask
                    raise sqlite3.OperationalError("interrupted")
        with turn, _transaction(database, _BESIDE):
            _move_index(database, _LAST)


def take(path: Path, snapshot: str) -> bool:
    """Let the catalog know what was laid by for a snapshot that it has the statement of, if that is all it knows.

    What cannot be taken is gone: whoever takes the items in otherwise finds their table with its indexes.
    """
    with closing(_connected(path)) as database, _transaction(database):
        if not is_there(database):
            return False
        if not (_is_whole(database) and _is_for(database, snapshot) and knows_none(database)):
            _forget(database)
            return False
        database.execute("DROP TABLE latest")
        database.execute(f"ALTER TABLE {TABLE} RENAME TO latest")
        for made in KEEPING:  # those of the table that is gone are gone with it
            database.execute(made)
        database.execute("UPDATE snapshots SET items_known = 1 WHERE id = ?", [snapshot])
    return True


def forget(path: Path) -> None:
    """Take away what a run has laid by that did not come to its end."""
    with closing(_connected(path)) as database, _transaction(database):
        _forget(database)


def _forget(database: sqlite3.Connection) -> None:
    """Give the indexes back to the items that are known: their names are those of what was laid by."""
    _make_room(database)
    for made in indexes_on("latest").values():
        database.execute(made)


def _enter(database: sqlite3.Connection, snapshot: str, some: RowsElsewhere | AlikeRows) -> None:
    if isinstance(some, RowsElsewhere):
        into = f"INSERT INTO {TABLE} (snapshot, {', '.join(COLUMNS)})"
        database.execute(f"{into} SELECT ?, found.* FROM ({some.query}) AS found", [snapshot, *some.words])  # noqa: S608 - constants
        return
    common = {"snapshot": snapshot, **some.common}
    words = [database.execute("SELECT quote(?)", [text]).fetchone()[0] for text in common.values()]
    into = f"INSERT INTO {TABLE} ({', '.join([*common, *some.names])})"
    values = f"({', '.join([*words, *'?' * len(some.names)])})"  # to give a value takes as long as to keep it
    coming = iter(some.rows)
    while rows := list(itertools.islice(coming, _AT_ONCE)):
        database.execute(f"{into} VALUES {', '.join([values] * len(rows))}", list(itertools.chain.from_iterable(rows)))


def _connected(path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA synchronous = {synchronous}")
    return database


@contextmanager
def _transaction(database: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Make one transaction; closing the connection takes back what was not committed."""
    database.execute(begin)
    yield
    database.execute("COMMIT")


def _begin(database: sqlite3.Connection) -> None:
    """Make the table, with the indexes that have few of its rows: to look for those in all of them takes longer."""
    _make_room(database)
    database.execute(f"CREATE TABLE {TABLE} {LATEST}")
    for name in indexes_on(TABLE):
        if name != _LAST:
            _move_index(database, name)


def _move_index(database: sqlite3.Connection, name: str) -> None:
    """Make an index on what is laid by: no two tables have one of the same name."""
    database.execute(f"DROP INDEX IF EXISTS {name}")
    database.execute(indexes_on(TABLE)[name])


def _make_room(database: sqlite3.Connection) -> None:
    database.execute(f"DROP TABLE IF EXISTS {TABLE}")


def is_there(database: sqlite3.Connection) -> bool:
    """Say whether anything is laid by."""
    found = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [TABLE]).fetchone()
    return found is not None


def knows_none(database: sqlite3.Connection) -> bool:
    """Say whether a catalog knows no item yet."""
    return database.execute("SELECT 1 FROM latest LIMIT 1").fetchone() is None


def _is_whole(database: sqlite3.Connection) -> bool:
    """Say whether the last step was made, which gives the table its last index."""
    on = database.execute("SELECT tbl_name FROM sqlite_master WHERE name = ?", [_LAST])
    return bool(on.fetchone() == (TABLE,))


def _is_for(database: sqlite3.Connection, snapshot: str) -> bool:
    """Say whether rows of a snapshot are laid by."""
    of: tuple[str] | None = database.execute(f"SELECT snapshot FROM {TABLE} LIMIT 1").fetchone()  # noqa: S608 - a constant
    return of == (snapshot,)
