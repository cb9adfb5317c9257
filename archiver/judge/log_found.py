"""What reading a log gives: its head, its entries in order, and what was found wrong with it.

>>> log.size, log.root.hex()
(3, '4e6d8118b19cf30bc1a89a567679ddd...')
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from archiver.errors import EvidenceError
from archiver.late import dataclass
from archiver.model import trust
from archiver.model.finding import Finding
from archiver.proof import merkle

__all__ = ["Log", "Seen"]


@dataclass(frozen=True)
class Seen:
    """A head of the log that somebody has seen before; it may only have grown since."""

    size: int
    root: bytes

    @staticmethod
    def of(words: trust.Seen) -> Seen:
        """Read the words of a trust file."""
        return Seen(words.size, bytes.fromhex(words.root))


class Log:
    """A log that was read: its head, its entries, and what was found wrong with it."""

    def __init__(self, database: sqlite3.Connection, origin: str, size: int) -> None:
        """Wrap what `read_log` has put into the database."""
        self._db = database
        self.origin = origin
        self.size = size
        self.findings: list[Finding] = []
        self.tail: list[bytes] = []  # entries behind the newest checkpoint, which are not in the log yet
        self.unread_heads: set[int] = set()  # sizes whose checkpoint the store lists and does not hand out
        self.is_unread = False  # the store lists the entry of some position and does not hand it out
        self.is_unread_ahead = False  # or the checkpoint of an entry of the tail, which may be in the log after all

    @property
    def root(self) -> bytes:
        """The root of the newest valid checkpoint; the empty one when there is none."""
        row = self.head(self.size)
        return merkle.EMPTY_ROOT if row is None else row[0]

    @property
    def checkpoint(self) -> bytes:
        """The bytes of the newest valid checkpoint; none when there is none."""
        row = self.head(self.size)
        return b"" if row is None else row[1]

    def entry(self, position: int) -> bytes | None:
        """Return the entry at a position, None where it is missing."""
        row = self._db.execute("SELECT entry FROM entries WHERE position = ?", (position,)).fetchone()
        return None if row is None else bytes(row[0])

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """Yield position and entry, in order."""
        for position, data in self._db.execute("SELECT position, entry FROM entries ORDER BY position"):
            yield int(position), bytes(data)

    def leaf_hashes(self) -> list[bytes]:
        """Return all leaf hashes, for proofs; raises when an entry is missing."""
        leaves = [bytes(leaf) for (leaf,) in self._db.execute("SELECT leaf FROM entries ORDER BY position")]
        if len(leaves) != self.size:
            raise EvidenceError("log-entry-missing", f"log: expected {self.size} entries, found {len(leaves)}")
        return leaves

    def head(self, size: int) -> tuple[bytes, bytes] | None:
        """Return root and signed bytes of the checkpoint of a size, None when there is no valid one."""
        row = self._db.execute(
            "SELECT root, signed FROM heads WHERE origin = ? AND size = ?", (self.origin, size)
        ).fetchone()
        return None if row is None else (bytes(row[0]), bytes(row[1]))
