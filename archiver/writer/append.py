"""Appending to the log: C2SP checkpoints over an RFC 6962 tree, many writers, no other lock (FORMAT.md, Log).

The statement is stored first. Then, whatever happened before, and again after a kill at any line:

    0  take the newest valid checkpoint n and check its root
    1  put log/entries/n on condition that it is new; once more without it if only invalid versions are there
    2  read entry n and checkpoint n+1 back: a valid checkpoint closes the position, an older entry is finished first
    3  full tiles when due
    4  sign and put checkpoint n+1

A validly signed other root of the same size means that the log was forked: nothing is stored, the run stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from archiver.errors import ArchiverError, EvidenceError, KeyExistsError, WorldError
from archiver.model import layout
from archiver.model.statement import Statement
from archiver.proof import checkpoint, entry, merkle, tiles
from archiver.proof.checkpoint import Checkpoint
from archiver.proof.note import VerifierKey
from archiver.signing.base import LogSigner
from archiver.stores.base import Lock, Store
from archiver.writer.place import Strangers, place, versions_of

__all__ = ["Log", "LogBook", "Opened"]

_ENTRY_LIMIT = 1024  # a canonical entry is about 180 bytes
_ENVELOPE_LIMIT = 65_535
_MAX_ATTEMPTS = 1000  # lost races in a row: beyond this the store is not doing what it says


class LogBook(Protocol):
    """What a writer remembers of the log between runs."""

    def log_size(self) -> int:
        """Return the number of entries that are known."""
        ...

    def frontier(self) -> merkle.Frontier:
        """Return the tree over the known entries."""
        ...

    def has_statement(self, kind: str, identity: str) -> bool:
        """Say whether a statement is in the known log."""
        ...

    def entries(self, first: int, count: int) -> list[bytes]:
        """Return known entries."""
        ...

    def absorb(self, index: int, entry: bytes, statement: Statement | None, envelope: bytes) -> None:
        """Remember one more entry and what its statement says; None for a kind that is not known here."""
        ...


@dataclass(frozen=True)
class Opened:
    """A stored envelope that passed the writer's check: its kind and id, and the statement where its kind is known."""

    kind: str
    identity: str
    statement: Statement | None


class Log:
    """The log of one destination."""

    def __init__(
        self,
        store: Store,
        book: LogBook,
        *,
        vkey: VerifierKey,
        signer: LogSigner,
        open_statement: Callable[[bytes], Opened],
        lock: Callable[[], Lock],
        strangers: Strangers,
    ) -> None:
        """Bind a store to what is known of its log; `open_statement` raises for an envelope that is not valid."""
        self._store = store
        self._book = book
        self._vkey = vkey
        self._signer = signer
        self._open = open_statement
        self._lock = lock
        self._strangers = strangers

    def catch_up(self) -> int:
        """Take in what others have appended; return the size of the log. Raises for a log that went back or forked."""
        known = self._book.log_size()
        if known and self._checkpoint(known) is None:
            raise EvidenceError(
                "log-rollback",
                f"log: expected at least {known} entries as last seen, found no valid checkpoint of that size",
                hint="the destination is older than this state folder; run `archiver verify` and find out why",
            )
        newest = self._newest(known)
        for index in range(known, newest):
            self._take_in(index)
        if newest:
            self._compare_root(newest)
        return newest

    def append(self, key: str, envelope: bytes) -> None:
        """Enter a statement that is stored under `key`; entering it again changes nothing."""
        kind_and_id = layout.statement_of_key(key)
        if kind_and_id is None:
            raise WorldError("log-key", f"{key}: expected the key of a statement")
        mine = entry.encode(key, sha256(envelope).hexdigest())
        for _ in range(_MAX_ATTEMPTS):
            size = self.catch_up()
            if self._book.has_statement(*kind_and_id):
                return
            if self._reserve(size, mine) == mine:
                self._close(size)
                return
            self._close(size)  # another writer's entry that nobody finished
        raise WorldError(
            "log-busy", f"log: lost {_MAX_ATTEMPTS} races in a row", hint="run the same command again later"
        )

    def _reserve(self, index: int, mine: bytes) -> bytes:
        """Try to take position `index`; return the entry that has it, which may be another writer's."""
        key = layout.entry_key(index)
        with suppress(KeyExistsError):  # the listing below says by whom
            self._store.put(key, mine, sha256=sha256(mine).hexdigest(), lock=self._lock())
        found = self._entry(index)
        if found is None:  # only strangers are there
            place(self._store, key, mine, lock=self._lock(), strangers=self._strangers)
            found = self._entry(index)
        if found is None:
            raise WorldError("log-entry-lost", f"{key}: expected the entry just stored, found none")
        return found

    def _close(self, index: int) -> None:
        """Sign and store the checkpoint that covers entry `index`, tiles first, then remember the entry."""
        # A crash before the checkpoint leaves an entry that the next writer, whoever it is, closes in the same way.
        if self._checkpoint(index + 1) is None:
            data = self._entry(index)
            if data is None:
                raise WorldError(
                    "log-entry-lost", f"{layout.entry_key(index)}: expected the entry just seen, found none"
                )
            frontier = self._book.frontier()
            frontier.append(merkle.leaf_hash(data))
            for tile in tiles.due(index + 1):
                body = self._tile(tile, data)
                place(self._store, tile.key, body, lock=self._lock(), strangers=self._strangers)
            signed = checkpoint.sign(Checkpoint(self._vkey.name, index + 1, frontier.root()), self._signer)
            place(self._store, layout.checkpoint_key(index + 1), signed, lock=self._lock(), strangers=self._strangers)
        # Remembered only now: a book that is ahead of the checkpoints would look like a log that went back.
        self._take_in(index)
        self._compare_root(index + 1)

    def _tile(self, tile: tiles.Tile, last: bytes) -> bytes:
        if tile.level is None:
            return tiles.entries_tile([*self._book.entries(tile.first, tile.count - 1), last])
        hashes = [self._subtree(tile.level, tile.number * tiles.WIDTH + place, last) for place in range(tiles.WIDTH)]
        return tiles.hash_tile(hashes)

    def _subtree(self, level: int, number: int, last: bytes) -> bytes:
        """Hash the `number`th full subtree of 256**level entries; `last` is the entry that is not in the book yet."""
        count = tiles.WIDTH**level
        known = self._book.entries(number * count, count)
        complete = known if len(known) == count else [*known, last]
        return merkle.root_of([merkle.leaf_hash(data) for data in complete])

    def _take_in(self, index: int) -> None:
        data = self._entry(index)
        if data is None:
            raise EvidenceError("log-entry-missing", f"{layout.entry_key(index)}: expected a valid entry, found none")
        key, digest = entry.decode(data)
        envelope = self._stored_statement(key, digest)
        if envelope is None:
            raise EvidenceError("statement-missing", f"{key}: expected the statement of log entry {index}, found none")
        self._book.absorb(index, data, self._open(envelope).statement, envelope)

    def _entry(self, index: int) -> bytes | None:
        """Return the entry at a position: the oldest valid version of its key."""
        found = None
        for version in versions_of(self._store, layout.entry_key(index)):
            data = self._read(version.key, version.version, _ENTRY_LIMIT)
            if found is None and self._is_valid_entry(data):
                found = data
            elif data != found:
                self._strangers(version)
        return found

    def _is_valid_entry(self, data: bytes) -> bool:
        try:
            key, digest = entry.decode(data)
            envelope = self._stored_statement(key, digest)
            if envelope is None:
                return False
            opened = self._open(envelope)
        except EvidenceError:
            return False
        named = layout.statement_of_key(key)
        return named == (opened.kind, opened.identity) and not self._book.has_statement(*named)

    def _stored_statement(self, key: str, digest: str) -> bytes | None:
        for version in versions_of(self._store, key):
            data = self._read(version.key, version.version, _ENVELOPE_LIMIT)
            if sha256(data).hexdigest() == digest:
                return data
        return None

    def _newest(self, known: int) -> int:
        """Find the size of the newest checkpoint by doubling and bisection over "a valid one of this size exists"."""
        low, step = known, 1
        while self._checkpoint(low + step) is not None:
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._checkpoint(middle) is not None else (low, middle)
        return low

    def _checkpoint(self, size: int) -> Checkpoint | None:
        heads = list(self._heads(size))
        if len({head.root for head in heads}) > 1:
            raise _fork(size)
        return heads[0] if heads else None

    def _heads(self, size: int) -> Iterator[Checkpoint]:
        for version in versions_of(self._store, layout.checkpoint_key(size)):
            try:
                head = checkpoint.open_signed(self._read(version.key, version.version, _ENTRY_LIMIT), self._vkey)
            except ArchiverError as problem:
                if isinstance(problem, WorldError):
                    raise
                self._strangers(version)
                continue
            if head.size == size:
                yield head

    def _compare_root(self, size: int) -> None:
        head = self._checkpoint(size)
        if head is None or head.root != self._book.frontier().root():
            raise _fork(size)

    def _read(self, key: str, version: str | None, limit: int) -> bytes:
        with self._store.read(key, version) as file:
            return file.read(limit + 1)


def _fork(size: int) -> EvidenceError:
    return EvidenceError(
        "log-fork",
        f"log: expected one root for {size} entries, found another one that is validly signed",
        hint="stop writing to this archive; somebody used its log key elsewhere. Run `archiver verify` for the details",
    )
