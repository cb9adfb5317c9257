"""The log as the store has it: checkpoints, the entry of every position, one running root.

    1  every version of every checkpoint is opened with the keys of the trust file; the newest valid size is the log's
    2  the entry of a position is the version whose leaf leads to the root of the signed checkpoint; where that cannot
       be said, the oldest valid version in the order of the listing
    3  the running root is compared with every checkpoint, tiles are computed and compared

The signed root decides first, so that nobody who may write to the store can push another entry under a position.

>>> log.size, log.entry(0)
(3, Entry(key='statements/archive/20260108T120000Z-0a1b2c.json', sha256='...'))
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from archiver.errors import ArchiverError, EvidenceError, NotStoredError, WorldError
from archiver.judge.content import Content
from archiver.judge.inventory import Inventory, Listed, Role
from archiver.judge.keyring import is_signed
from archiver.judge.log_found import Log, Seen
from archiver.judge.scratch import make_tables
from archiver.judge.tile_stack import TileStack
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import Finding, Severity
from archiver.model.trust import TrustFile
from archiver.proof import checkpoint, dsse, entry, merkle, note, tiles
from archiver.proof.checkpoint import Checkpoint
from archiver.proof.digest import sha256_hex

__all__ = ["Log", "Seen", "read_log"]

_MAX_CHECKPOINT: Final = 4096  # three lines and one signature have about 300 bytes
_SCHEMA: Final = """
CREATE TABLE heads(origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, signed BLOB NOT NULL,
    PRIMARY KEY(origin, size));
CREATE TABLE entries(position INTEGER PRIMARY KEY, entry BLOB NOT NULL, leaf BLOB NOT NULL);
CREATE INDEX entries_by_bytes ON entries(entry)
"""


@dataclass(frozen=True)
class _Head:
    listed: Listed
    signed: bytes
    checkpoint: Checkpoint


def read_log(
    database: sqlite3.Connection, inventory: Inventory, content: Content, trusted: TrustFile, seen: Seen | None = None
) -> Log:
    """Read the log that the trust file names; everything that is wrong with it becomes a finding."""
    make_tables(database, _SCHEMA)
    return _Reader(database, inventory, content, trusted, seen).read()


class _Reader:
    def __init__(
        self,
        database: sqlite3.Connection,
        inventory: Inventory,
        content: Content,
        trusted: TrustFile,
        seen: Seen | None,
    ) -> None:
        self._db = database
        self._inventory = inventory
        self._content = content
        self._trust = trusted
        self._keys = [
            (log.origin, key.from_size, key.to_size, note.parse_vkey(key.vkey))
            for log in trusted.logs
            for key in log.keys
        ]
        self._findings: list[Finding] = []
        self._unsigned: dict[int, str] = {}
        self._unread: set[int] = set()  # sizes whose checkpoint the store lists and does not hand out
        self._seen = [] if seen is None else [seen]

    def read(self) -> Log:
        for group in self._content.ahead(self._inventory.under(layout.CHECKPOINTS), _MAX_CHECKPOINT):
            self._take_heads(group)
        log = self._choose()
        self._check_unsigned(log)
        self._check_gaps(log)
        self._seen += [
            Seen.of(one.seen) for one in self._trust.logs if one.origin == log.origin and one.seen is not None
        ]
        self._check_seen_sizes(log)
        self._read_entries(log)
        self._check_tail(log)
        log.findings, log.unread_heads = self._findings, self._unread
        return log

    # 1  checkpoints

    def _take_heads(self, group: list[Listed]) -> None:
        """Open the versions of one checkpoint key, unless the key is none of the layout; none valid is remembered."""
        key = group[0].key
        if not layout.is_archive_key(key):
            return
        size = int(key.rpartition("/")[2])
        if size == 0:
            return  # every log begins so, nobody signs it
        heads, problem, told = [], "", len(self._findings)
        for listed, data in self._read(group, _MAX_CHECKPOINT):
            try:
                heads.append(self._open_head(listed, data, size))
            except EvidenceError as error:
                problem = problem or error.message
        if not heads and len(self._findings) > told:
            self._unread.add(size)
        elif not heads and problem:
            self._unsigned[size] = problem
        for head in heads:
            self._keep_head(head)

    def _open_head(self, listed: Listed, data: bytes, size: int) -> _Head:
        problem: ArchiverError = EvidenceError("log-signature", f"no log key of the trust file signs the size {size}")
        for _, first, last, vkey in self._keys:
            if size < first or (last is not None and size > last):
                continue
            try:
                found = checkpoint.open_signed(data, vkey)
            except EvidenceError as error:
                problem = error
                continue
            if found.size != size:
                raise EvidenceError("log-signature", f"expected the size {size}, found {found.size}")
            return _Head(listed, data, found)
        raise problem

    def _keep_head(self, head: _Head) -> None:
        found = head.checkpoint
        is_first = self._db.execute(
            "INSERT OR IGNORE INTO heads VALUES(?, ?, ?, ?)", (found.origin, found.size, found.root, head.signed)
        ).rowcount
        if is_first:
            self._inventory.take(head.listed, Role.CONTENT)
            return
        (root,) = self._db.execute(
            "SELECT root FROM heads WHERE origin = ? AND size = ?", (found.origin, found.size)
        ).fetchone()
        if bytes(root) == found.root:
            self._inventory.take(head.listed, Role.SAME)
        else:
            self._inventory.take(head.listed, Role.CONTENT)
            self._fork(head.listed.key, bytes(root), found.root)

    def _choose(self) -> Log:
        """Take the log of the trust file that has the newest checkpoint here."""
        row = self._db.execute("SELECT origin, size FROM heads ORDER BY size DESC LIMIT 1").fetchone()
        if row is None:
            log = self._trust.logs[0]
            severity = Severity.FAILED if log.seen is not None and not self._unread else Severity.UNKNOWN
            expected, actual = "a checkpoint of this log", "none that a log key of the trust file signed"
            hint = "see whether this is the right place and the right trust file"
            self._say("log-missing", log.origin, expected, actual, hint=hint, severity=severity)
            return Log(self._db, log.origin, 0)
        return Log(self._db, str(row[0]), int(row[1]))

    def _check_unsigned(self, log: Log) -> None:
        """Fail the sizes that the log has; whoever may write can put anything on sizes ahead of it: strangers."""
        for size in sorted(self._unsigned):
            if size <= log.size or log.size == 0:
                self._say_unsigned(size)

    def _say_unsigned(self, size: int) -> None:
        expected = "a checkpoint signed by a log key of the trust file"
        self._say("log-signature", layout.checkpoint_key(size), expected, self._unsigned[size])

    def _check_gaps(self, log: Log) -> None:
        known = self._db.execute("SELECT size FROM heads WHERE origin = ? AND size > 0", (log.origin,))
        unread = {size for size in self._unread if size < log.size}  # that they cannot be read was said
        expected = 1
        for size in sorted(unread.union(size for (size,) in known)):
            if expected < size:
                subject = _range(layout.checkpoint_key(expected), layout.checkpoint_key(size - 1))
                self._say(
                    "log-checkpoint-gap", subject, "a valid checkpoint of every size", f"none for {size - expected}"
                )
            expected = size + 1

    def _check_seen_sizes(self, log: Log) -> None:
        # A log key that has ended was in use until then: without this a thief of the old key could cut the log off.
        ended = [key.to_size for one in self._trust.logs if one.origin == log.origin for key in one.keys if key.to_size]
        if 0 < log.size < max(ended, default=0):
            self._say(
                "log-rollback",
                log.origin,
                f"at least {max(ended)} entries, which a key of the trust file signed before it ended",
                f"{log.size} entries",
                hint="this copy is older than the trust file, or its end was cut off: ask for a newer one",
                severity=self._if_read(max(ended)),
            )
        for seen in self._seen:
            if seen.size > log.size:
                self._say(
                    "log-rollback",
                    log.origin,
                    f"at least {seen.size} entries, as seen before",
                    f"{log.size} entries",
                    hint="this copy is older than what was seen, or its end was cut off: ask for a newer one",
                    severity=self._if_read(seen.size),
                )

    def _if_read(self, size: int) -> Severity | None:
        """Return unknown where a checkpoint that cannot be read may be one of this size or more."""
        return Severity.UNKNOWN if max(self._unread, default=0) >= size else None

    # 2  entries

    def _read_entries(self, log: Log) -> None:
        tree: merkle.Frontier | None = merkle.Frontier()
        rows = TileStack()
        expected = 0
        for position, versions in self._positions(log.size):
            if position > expected:
                self._missing(expected, position)
                tree = None
            expected = position + 1
            data, tree = self._read_entry(log, position, versions, tree)
            if data is None or tree is None:
                continue
            self._check_seen_root(tree)
            for tile, body in rows.add(data):
                self._check_tile(tile, body)
        if expected < log.size:
            self._missing(expected, log.size)

    def _positions(self, size: int) -> Iterator[tuple[int, list[Listed]]]:
        for group in self._content.ahead(self._inventory.under(layout.ENTRIES), entry.MAX_ENTRY):
            if layout.is_archive_key(group[0].key):
                position = int(group[0].key.rpartition("/")[2])
                if position < size:
                    yield position, group

    def _missing(self, first: int, after: int) -> None:
        subject = _range(layout.entry_key(first), layout.entry_key(after - 1))
        self._say("log-entry-missing", subject, "the entry of every position", f"none for {after - first}")

    def _read_entry(
        self, log: Log, position: int, versions: list[Listed], tree: merkle.Frontier | None
    ) -> tuple[bytes | None, merkle.Frontier | None]:
        """Find the entry of a position; return it and the tree with it, None when that cannot be continued."""
        key, told = layout.entry_key(position), len(self._findings)
        candidates = list(self._read(versions, entry.MAX_ENTRY))
        refused = len(self._findings) > told  # what the store does not hand out may be the one
        head = log.head(position + 1)
        chosen, grown = None, None
        if tree is not None and head is not None:
            chosen, grown = _leading(tree, candidates, head[0])
        if chosen is None:
            chosen = next((data for _, data in candidates if self._is_valid(data)), None)
        if chosen is None:
            log.is_unread = log.is_unread or refused
            if not refused:
                self._say("log-entry-missing", key, "the entry that the checkpoints cover", "no valid one")
            return None, None
        self._keep_entry(position, chosen, candidates)
        if tree is None or grown is not None:
            return chosen, grown
        grown = tree.grown(merkle.leaf_hash(chosen))
        if head is not None:
            actual = f"{grown.root().hex()}, made by the entries up to {position}"
            severity, expected = Severity.UNKNOWN if refused else None, f"the signed root {head[0].hex()}"
            self._say("log-root", layout.checkpoint_key(position + 1), expected, actual, severity=severity)
            return chosen, None
        return chosen, grown

    def _keep_entry(self, position: int, chosen: bytes, candidates: list[tuple[Listed, bytes]]) -> None:
        self._db.execute("INSERT INTO entries VALUES(?, ?, ?)", (position, chosen, merkle.leaf_hash(chosen)))
        role = Role.CONTENT
        for listed, data in candidates:
            if data == chosen:
                self._inventory.take(listed, role)
                role = Role.SAME
            elif self._is_valid(data):
                self._inventory.take(listed, Role.RACE)

    def _is_valid(self, data: bytes) -> bool:
        """Say whether bytes are an entry that names a stored statement by its digest."""
        try:
            named = entry.decode(data)
        except EvidenceError:
            return False
        if self._db.execute("SELECT 1 FROM entries WHERE entry = ?", (data,)).fetchone() is not None:
            return False  # in the log before
        stored = self._read(self._inventory.versions(named.key), dsse.MAX_ENVELOPE)
        return any(sha256_hex(envelope) == named.sha256 for _, envelope in stored)

    # 3  what was seen, tiles, the tail

    def _check_seen_root(self, tree: merkle.Frontier) -> None:
        for seen in self._seen:
            if seen.size == tree.size and seen.root != tree.root():
                self._fork(layout.checkpoint_key(seen.size), seen.root, tree.root())

    def _check_tile(self, tile: tiles.Tile, body: bytes) -> None:
        versions = self._inventory.versions(tile.key)
        right = [listed for listed, data in self._read(versions, len(body)) if data == body]
        for place, listed in enumerate(right):
            self._inventory.take(listed, Role.SAME if place else Role.CONTENT)
        for listed in versions:
            self._inventory.take(listed, Role.CACHE)
        if not right:
            severity = Severity.FAILED if versions else Severity.NOTE
            actual = "other bytes" if versions else "none"
            self._say("log-tile", tile.key, "the tile that the entries make", actual, severity=severity)

    def _check_tail(self, log: Log) -> None:
        """Say which entries stand behind the newest checkpoint; they, and what they name, are no strangers."""
        position = log.size
        while found := self._valid(layout.entry_key(position)):
            log.tail += [data for _, data in found]
            for place, (listed, _) in enumerate(found):
                self._inventory.take(listed, Role.RACE if place else Role.CACHE)
            key, position = layout.entry_key(position), position + 1
            log.is_unread_ahead = log.is_unread_ahead or position in self._unread
            expected, actual = f"a checkpoint of size {position}", "an entry that no checkpoint covers"
            hint = "a writer was stopped here, whose next run finishes the entry, or the end of the log was cut off"
            self._say("log-tail-unfinished", key, expected, actual, hint=hint)
            if log.size + 1 == position in self._unsigned and log.size:  # the one size ahead that the log has come to
                self._say_unsigned(position)

    def _valid(self, key: str) -> list[tuple[Listed, bytes]]:
        """Return versions with an entry whose statement is signed: no root speaks for it, and anyone may put one."""
        candidates = self._read(self._inventory.versions(key), entry.MAX_ENTRY)
        return [(listed, data) for listed, data in candidates if self._is_valid(data) and self._is_signed(data)]

    def _is_signed(self, data: bytes) -> bool:
        named = entry.decode(data)
        stored = self._read(self._inventory.versions(named.key), dsse.MAX_ENVELOPE)
        return any(sha256_hex(one) == named.sha256 and is_signed(one, self._trust) for _, one in stored)

    def _read(self, versions: list[Listed], limit: int) -> Iterator[tuple[Listed, bytes]]:
        """Yield versions with their bytes; what the store lists and does not hand out is unknown."""
        for listed in versions:
            try:
                yield listed, self._content.small(listed, limit)
            except NotStoredError:  # a link or a folder in its place, or gone since it was listed: no version
                continue
            except WorldError as problem:
                self._say("object-unreadable", listed.key, "an object that can be read", problem.message)

    def _fork(self, key: str, expected: bytes, actual: bytes) -> None:
        self._say(
            "log-fork",
            key,
            f"one root of this size, {expected.hex()}",
            f"{actual.hex()}, also signed",
            hint="the log key signed two histories: keep both checkpoints, they prove it",
        )

    def _say(
        self,
        code: str,
        subject: str,
        expected: str,
        actual: str,
        *,
        hint: str = "",
        severity: Severity | None = None,
    ) -> None:
        self._findings.append(Finding.of(code, subject, expected, actual, hint=hint, severity=severity))


def _leading(
    tree: merkle.Frontier, candidates: list[tuple[Listed, bytes]], root: bytes
) -> tuple[bytes | None, merkle.Frontier | None]:
    """Return the first entry that leads to a root, and the tree with it."""
    for _, data in candidates:
        grown = tree.grown(merkle.leaf_hash(data))
        if grown.root() == root:
            return data, grown
    return None, None


def _range(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"
