"""Everything that lies under the prefix, from one listing: versions and delete markers, in the store's own order.

Laws: the store is listed once; memory does not grow with the archive (the list lies in a temporary SQLite file); the
order of the versions of a key is the order of the listing, oldest first here, never a date. Every version is a stranger
until a check takes it in.

>>> inventory.versions("README.txt")
[Listed(seq=1, key='README.txt', version=None, size=5, ...)]
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from archiver.events import Advanced, Listener, silent
from archiver.judge.scratch import make_tables
from archiver.late import dataclass
from archiver.stores.base import Store, Version

__all__ = ["Inventory", "Listed", "Need", "Role", "printable"]

_SCHEMA: Final = """
CREATE TABLE versions(seq INTEGER PRIMARY KEY, key BLOB NOT NULL, version TEXT, size INTEGER NOT NULL,
    modified TEXT NOT NULL, marker INTEGER NOT NULL, owner TEXT, role TEXT);
CREATE TABLE needs(key BLOB PRIMARY KEY, until TEXT NOT NULL, hold INTEGER NOT NULL, at TEXT) WITHOUT ROWID;
"""
_BLOCK: Final = 1000


class Role(StrEnum):
    """What a version turned out to be. A version without a role is a stranger; a cache has nothing to say."""

    CONTENT = "content"
    SAME = "same"
    RACE = "race"
    CACHE = "cache"


class Listed(NamedTuple):
    """One version, or one delete marker, as it was listed."""

    seq: int
    key: str
    version: str | None
    size: int
    modified: str
    marker: bool
    owner: str | None
    role: Role | None


@dataclass(frozen=True)
class Need:
    """The lock that a key needs: until when, whether with a legal hold, and when a statement first spoke of the key."""

    until: str
    hold: bool
    at: str | None


class Inventory:
    """The listing of one archive."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Make the tables in a scratch database."""
        self._db = database
        self._taken: dict[int, Role] = {}  # by its number, what is not in the table yet
        make_tables(database, _SCHEMA)

    def fill(self, store: Store, listener: Listener = silent) -> int:
        """List the store once; return the number of versions and markers."""
        count = self.add(store.list(), listener)
        self._db.execute("CREATE INDEX versions_by_key ON versions(key)")
        return count

    def add(self, versions: Iterable[Version], listener: Listener = silent) -> int:
        """Take in what was listed, newest first of each key; return how many these were."""
        coming, count = map(_row, versions), 0
        while rows := list(itertools.islice(coming, _BLOCK)):
            self._insert(rows)
            count += len(rows)
            if len(rows) == _BLOCK:
                listener(Advanced(_BLOCK))
        return count

    def versions(self, key: str) -> list[Listed]:
        """Return the versions of a key, oldest first; delete markers are left out."""
        rows = self._db.execute("SELECT * FROM versions WHERE key = ? AND NOT marker ORDER BY seq DESC", (_blob(key),))
        return [_listed((*row[:-1], row[-1] or self._taken.get(row[0]))) for row in rows]

    def under(self, prefix: str) -> Iterator[list[Listed]]:
        """Yield the keys that begin with `prefix`, in byte order, each as its versions, oldest first."""
        self._flush()
        low = _blob(prefix)
        rows = self._db.execute(
            "SELECT * FROM versions WHERE key >= ? AND key < ? AND NOT marker ORDER BY key, seq DESC",
            (low, low[:-1] + bytes([low[-1] + 1])),
        )
        group: list[Listed] = []
        for row in rows:
            listed = _listed(row)
            if group and group[0].key != listed.key:
                yield group
                group = []
            group.append(listed)
        if group:
            yield group

    def take(self, listed: Listed, role: Role) -> None:
        """Say what a version is; what was said first stays."""
        self._taken.setdefault(listed.seq, role)
        if len(self._taken) >= _BLOCK:
            self._flush()

    def is_content(self, key: str) -> bool:
        """Say whether some version of this key is content."""
        self._flush()
        row = self._db.execute("SELECT 1 FROM versions WHERE key = ? AND role = 'content'", (_blob(key),)).fetchone()
        return row is not None

    def strangers(self) -> Iterator[Listed]:
        """Yield every version that nobody took in, and every delete marker."""
        self._flush()
        rows = self._db.execute("SELECT * FROM versions WHERE role IS NULL OR marker ORDER BY key, seq")
        return map(_listed, rows)

    def doubles(self) -> Iterator[Listed]:
        """Yield versions that have the bytes of another, and entries that lost a race."""
        self._flush()
        rows = self._db.execute("SELECT * FROM versions WHERE role IN ('same', 'race') ORDER BY key, seq")
        return map(_listed, rows)

    def need(self, key: str, until: str, *, hold: bool = True, at: str | None = None) -> None:
        """Raise the date that the lock of a key must reach; instants in their one spelling sort by time.

        `hold` False allows its legal hold to be off, unless somebody else needs it. `at` is when a statement first
        spoke of it.
        """
        self._db.execute(
            "INSERT INTO needs VALUES(?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET until = max(until, excluded.until), "
            "hold = max(hold, excluded.hold), at = coalesce(min(at, excluded.at), at, excluded.at)",
            (_blob(key), until, hold, at),
        )

    def needs(self, key: str) -> Need | None:
        """Return what a key needs, None when the log does not commit to it."""
        row = self._db.execute("SELECT until, hold, at FROM needs WHERE key = ?", (_blob(key),)).fetchone()
        return None if row is None else Need(str(row[0]), bool(row[1]), row[2])

    def locked(self) -> Iterator[tuple[str, Need, list[Listed]]]:
        """Yield every key that needs a lock, which one, and its versions with the content's bytes."""
        self._flush()
        rows = self._db.execute(
            "SELECT n.key, until, hold, at, v.* FROM needs n LEFT JOIN versions v"
            " ON v.key = n.key AND NOT marker AND role IN ('content', 'same') ORDER BY n.key, seq DESC"
        )
        for (key, until, hold, at), found in itertools.groupby(rows, lambda row: row[:4]):
            yield _text(key), Need(until, bool(hold), at), [_listed(row[4:]) for row in found if row[4] is not None]

    def is_needed(self, key: str) -> bool:
        """Say whether the log commits to this key, whether or not its content was found."""
        return self._db.execute("SELECT 1 FROM needs WHERE key = ?", (_blob(key),)).fetchone() is not None

    def needed(self) -> int:
        """Return how many keys need a lock."""
        return int(self._db.execute("SELECT count(*) FROM needs").fetchone()[0])

    def _flush(self) -> None:
        said = [(role, seq) for seq, role in self._taken.items()]
        self._db.executemany("UPDATE versions SET role = ? WHERE seq = ? AND role IS NULL", said)
        self._taken.clear()

    def _insert(self, rows: list[tuple[object, ...]]) -> None:
        self._db.executemany(
            "INSERT INTO versions(key, version, size, modified, marker, owner) VALUES(?, ?, ?, ?, ?, ?)", rows
        )


def printable(key: str) -> str:
    """Return a key as it may be printed: bytes that are not UTF-8 and control characters escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in key)


def _row(version: Version) -> tuple[object, ...]:
    moment = f"{version.modified.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    return _blob(version.key), version.version, version.size, moment, version.is_delete_marker, version.owner


def _listed(row: tuple[Any, ...]) -> Listed:
    seq, key, version, size, modified, marker, owner, role = row
    return Listed(seq, _text(key), version, size, modified, bool(marker), owner, None if role is None else Role(role))


def _blob(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _text(key: object) -> str:
    return bytes(key).decode("utf-8", "surrogatepass") if isinstance(key, bytes) else str(key)
