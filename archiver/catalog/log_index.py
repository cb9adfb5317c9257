"""What a writer remembers of the log, and how much of it was judged."""

from __future__ import annotations

import json
import sqlite3

from archiver.late import dataclass
from archiver.model import layout
from archiver.proof import merkle

__all__ = ["JudgedLog", "LogIndex"]


@dataclass(frozen=True)
class JudgedLog:
    """The log up to some size, as it was judged by the trust file with this SHA-256: its tree, and its signed head."""

    trust: str
    tree: merkle.Frontier
    signed: bytes


class LogIndex:
    """The part of the catalog that is about the log's entries."""

    _db: sqlite3.Connection

    def log_size(self) -> int:
        """Return the number of entries known."""
        return int(self._one("SELECT ifnull(max(position), -1) + 1 FROM entries"))

    def frontier(self) -> merkle.Frontier:
        """Return the tree over the known entries."""
        words = self._one("SELECT value FROM meta WHERE name = 'frontier'", default="[]")
        return merkle.Frontier.from_hashes(self.log_size(), [bytes.fromhex(text) for text in json.loads(words)])

    def has_statement(self, kind: str, identity: str) -> bool:
        """Say whether a statement is in the known log."""
        key = layout.statement_key(kind, identity)
        return self._db.execute("SELECT 1 FROM entries WHERE key = ?", [key]).fetchone() is not None

    def entry_of(self, key: str) -> bytes | None:
        """Return the entry that names the statement stored under `key`, None when the known log has none."""
        row = self._db.execute("SELECT entry FROM entries WHERE key = ?", [key]).fetchone()
        return bytes(row[0]) if row else None

    def entries(self, first: int, count: int) -> list[bytes]:
        """Return the entries from `first` on, `count` of them where there are so many."""
        found = self._db.execute(
            "SELECT entry FROM entries WHERE position >= ? AND position < ? ORDER BY position", [first, first + count]
        )
        return [bytes(row[0]) for row in found]

    def position_of(self, key: str) -> int | None:
        """Return the position of a statement, or of the statement of a batch's object."""
        row = self._db.execute(
            "SELECT position FROM entries WHERE key = ?1 UNION ALL SELECT position FROM batches WHERE object_key = ?1",
            [key],
        ).fetchone()
        return None if row is None else int(row[0])

    def judged(self) -> JudgedLog | None:
        """Return how much of the log was judged, None where nothing was."""
        words = self._one("SELECT value FROM meta WHERE name = 'judged'", default="")
        if not words:
            return None
        found = json.loads(words)
        tree = merkle.Frontier.from_hashes(found["size"], [bytes.fromhex(text) for text in found["tree"]])
        return JudgedLog(found["trust"], tree, found["signed"].encode())

    def note_judged(self, trust: str, signed: bytes) -> None:
        """Note that the known log was judged by a trust file; `signed` is the checkpoint of its size."""
        tree = self.frontier()
        hashes = [one.hex() for one in tree.hashes]
        words = json.dumps({"trust": trust, "size": tree.size, "tree": hashes, "signed": signed.decode()})
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('judged', ?)", [words])

    def _one(self, query: str, default: object = None) -> str:
        row = self._db.execute(query).fetchone()
        return row[0] if row else str(default)
