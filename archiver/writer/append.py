"""Appending to the log: C2SP checkpoints over an RFC 6962 tree, many writers, no other lock (FORMAT.md, Log).

The statement is stored first. Then, whatever happened before, and again after a kill at any line:

    0  take the newest valid checkpoint n and check its root
    1  put log/entries/n on condition that it is new; once more without it if only invalid versions are there
    2  list entry n and checkpoint n+1, whatever the put answered: a valid checkpoint closes the position, an older
       entry is finished first. What is relied on is locked as one's own would be
    3  full tiles when due
    4  sign and put checkpoint n+1
    5  list checkpoint n+1: the entry is remembered once the root over it is found to be signed

Nobody looks just before 1: where a store would not refuse an entry that is there, it looks itself.
A validly signed other root of the same size means that the log was forked: nothing is stored, the run stops.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256

from archiver.errors import EvidenceError, KeyExistsError, NotStoredError, OvertakenError, WorldError
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.statement import Statement
from archiver.proof import checkpoint, dsse, entry, merkle, tiles
from archiver.proof.checkpoint import Checkpoint
from archiver.proof.note import VerifierKey
from archiver.signing.base import LogSigner
from archiver.stores.base import Lock, Receipt, Store, Version
from archiver.writer.logbook import LogBook
from archiver.writer.place import Strangers, lock_of, meets, place, raise_lock
from archiver.writer.readings import Readings

__all__ = ["Log", "LogBook", "Opened", "wait_a_little"]

_CHECKPOINT_LIMIT = 1024  # three lines and one signature, with a name of 200 characters
_AT_ONCE = 256  # entries that are held in memory until the root over them is found to be signed
_MAX_ATTEMPTS = 1000  # lost races in a row: beyond this the store is not doing what it says


def wait_a_little(lost: int) -> None:
    """Wait for a time that grows with the races lost, never the same for two writers, a third of a second at most."""
    time.sleep(0.03 * 2 ** min(lost, 3) * (0.5 + secrets.randbelow(1000) / 1000))


@dataclass(frozen=True)
class _Found:
    """A valid entry: the version that has it, its bytes, kind and id of the statement, and the statement itself."""

    version: Version
    data: bytes
    name: tuple[str, str]
    statement: Statement | None
    envelope: bytes


_Choice = Callable[[int, merkle.Frontier, set[tuple[str, str]]], _Found | None]


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
        pause: Callable[[int], None] = wait_a_little,
        key_at: Callable[[int], VerifierKey | None] | None = None,
        has_ended: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Bind a store to what is known of its log; `open_statement` raises for an envelope that is not valid.

        `key_at` returns the log's key for a size, where it has had others than `vkey`. What a key signed that
        `has_ended`, by its id, is entered by nobody any more; what the log has of it stays. `pause` is called after
        each lost race with the number of races lost in a row before.
        """
        self._store = store
        self._book = book
        self._vkey = vkey
        self._signer = signer
        self._open = open_statement
        self._lock = lock
        self._strangers = strangers
        self._pause = pause
        self._key_at = key_at or (lambda _: vkey)
        self._has_ended = has_ended
        self._confirmed = 0  # a size whose checkpoint this process has found to be the book's
        self._readings = Readings(store)
        self._statements: dict[bytes, tuple[bytes, Opened]] = {}

    def catch_up(self) -> int:
        """Take in what others have appended; return the size of the log. Raises for a log that went back or forked."""
        known = self._book.log_size()
        head = None if known in (0, self._confirmed) else self._checkpoint(known)
        if head is None and known not in (0, self._confirmed):
            raise EvidenceError(
                "log-rollback",
                f"log: expected at least {known} entries as last seen, found no valid checkpoint of that size",
                hint="the destination is older than this state folder; run `archiver verify` and find out why",
            )
        newest = self._newest(known)
        if newest == known and head is not None and head.root != self._book.frontier().root():
            raise _fork(known)
        while self._book.log_size() < newest:
            self._take_in(min(self._book.log_size() + _AT_ONCE, newest), newest)
        self._confirmed = newest
        return newest

    def finish_tail(self) -> bool:
        """Close the next position if somebody's valid entry waits there for its checkpoint; say whether one did.

        What a run is about to state may stand there already, left by a killed run whose state folder is lost.
        """
        known = self._book.log_size()
        size = known if known and known == self._confirmed else self.catch_up()  # a run has mostly just done so
        found = self._entry(size)
        if found is not None:
            self._close(size, found)
        return found is not None

    def append(self, key: str, envelope: bytes, *, follows: Callable[[], bool] = lambda: True) -> None:
        """Enter a statement that is stored under `key`; entering it again changes nothing.

        It is entered right behind a log of which it was asked whether the statement `follows` it: `OvertakenError`.
        """
        if layout.statement_of_key(key) is None:
            raise WorldError("log-key", f"{key}: expected the key of a statement")
        mine = entry.encode(key, sha256(envelope).hexdigest())
        self._demand_living_key(key, envelope)
        for attempt in range(_MAX_ATTEMPTS):
            size = self.catch_up()
            if self._book.entry_of(key) is None:
                if not follows():
                    raise OvertakenError(
                        "log-overtaken",
                        f"{key}: expected the log that it was made to follow, found that another host went on first",
                        hint="run the same command again",
                    )
                found, receipt = self._reserve(size, mine)
                if found.data != mine:  # its writer is mostly about to close the position; if not, it is done here
                    self._pause(attempt)
                self._close(size, found, receipt)
            known = self._book.entry_of(key)
            if known is not None:
                _demand_same(key, known, mine)
                return
        raise WorldError(
            "log-busy", f"log: lost {_MAX_ATTEMPTS} races in a row", hint="run the same command again later"
        )

    def _demand_living_key(self, key: str, envelope: bytes) -> None:
        keyid = dsse.open_envelope(envelope).keyid
        if self._book.entry_of(key) is None and self._has_ended(keyid):
            raise WorldError(
                "key-ended",
                f"{key}: expected a statement by a key that has not ended, found one by {keyid}",
                hint="see `archiver key list`; a retired key signs nothing any more",
            )

    def _reserve(self, index: int, mine: bytes) -> tuple[_Found, Receipt | None]:
        """Try to take position `index`; return the entry that has it, which may be another writer's.

        A receipt comes with an entry that was stored just now, and read back with the lock that it was given.
        """
        key, receipt = layout.entry_key(index), None
        with suppress(KeyExistsError):  # the listing below says by whom
            receipt = self._store.put(key, mine, lock=self._lock())
        found = self._entry(index)
        if found is None:  # only strangers are there
            receipt = place(self._store, key, mine, lock=self._lock(), strangers=self._strangers)
            found = self._entry(index)
        if found is None:
            raise WorldError(
                "log-entry-lost",
                f"{key}: expected the entry just stored, found none",
                hint="the store does not list what it has just taken; run the same command again, or `archiver doctor`",
            )
        is_mine = receipt is not None and (found.data, found.version.version) == (mine, receipt.version)
        return found, receipt if is_mine else None

    def _close(self, index: int, found: _Found, receipt: Receipt | None = None) -> None:
        """Sign and store the checkpoint that covers entry `index`, tiles first, then remember the entry.

        `receipt` is of an entry that was stored and read back just now.
        """
        # A crash before the checkpoint leaves an entry that the next writer, whoever it is, closes in the same way.
        if self._checkpoint(index + 1) is None:
            if receipt is None or not meets(lock_of(receipt), self._lock()):
                # Whoever put these bytes first may have locked them for a second only.
                raise_lock(self._store, found.version, found.data, lock=self._lock())
            frontier = self._book.frontier()
            frontier.append(merkle.leaf_hash(found.data))
            for tile in tiles.due(index + 1):
                body = self._tile(tile, found.data)
                place(self._store, tile.key, body, lock=self._lock(), strangers=self._strangers)
            self._sign(Checkpoint(self._vkey.name, index + 1, frontier.root()))
        # Remembered only now: a book that is ahead of the checkpoints would look like a log that went back.
        self._take_in_one(index, found)
        self._confirmed = index + 1

    def _take_in_one(self, index: int, found: _Found) -> None:
        """Remember an entry that was just found: a signed root over it says that it is the one of its position."""
        frontier = self._book.frontier()
        frontier.append(merkle.leaf_hash(found.data))
        if self._has_root(index + 1, frontier):
            self._book.absorb(index, found.data, found.statement, found.envelope)
        else:
            self._take_in(index + 1, index + 1)

    def _sign(self, head: Checkpoint) -> None:
        """Store the signed checkpoint, unless another writer has closed this position in the meantime."""
        if self._key_at(head.size) != self._vkey:
            raise WorldError(
                "log-key",
                f"log: expected the log key for {head.size} entries, found another one",
                hint="finish the rotation: archiver key rotate log",
            )
        key, signed = layout.checkpoint_key(head.size), checkpoint.sign(head, self._signer)
        try:
            self._store.put(key, signed, lock=self._lock())
        except KeyExistsError:
            # Not beside a valid one: should the two differ, this writer would have forked the log itself.
            if self._checkpoint(head.size) is None:
                place(self._store, key, signed, lock=self._lock(), strangers=self._strangers)

    def _tile(self, tile: tiles.Tile, last: bytes) -> bytes:
        """Make a tile whose last entry is not in the book yet."""

        def entries(first: int, count: int) -> list[bytes]:
            known = self._book.entries(first, count)
            return known if len(known) == count else [*known, last]

        return tiles.tile_of(tile, entries)

    def _take_in(self, end: int, newest: int) -> None:
        """Remember the entries up to the size `end`, or up to the next size with a checkpoint, once its root is theirs.

        The oldest valid version is the entry. Where this does not lead to the signed root, the root decides at each
        position: on some stores a version begun earlier and finished later becomes the oldest one afterwards.
        """
        first = self._book.log_size()
        while end < newest and self._checkpoint(end) is None:
            end += 1
        tree, found = self._follow(first, end, self._oldest)
        if not self._has_root(end, tree):
            tree, found = self._follow(first, end, self._signed)
            self._compare_root(end, tree)
        for index, one in enumerate(found, start=first):
            self._book.absorb(index, one.data, one.statement, one.envelope)

    def _follow(self, first: int, end: int, choose: _Choice) -> tuple[merkle.Frontier, list[_Found]]:
        """Read the entries from `first` to before `end`; return them with the tree that they make."""
        tree, found, names = self._book.frontier(), list[_Found](), set[tuple[str, str]]()
        for index in range(first, end):
            one = choose(index, tree, names)
            if one is None:
                key = layout.entry_key(index)
                raise EvidenceError("log-entry-missing", f"{key}: expected a valid entry, found none")
            tree.append(merkle.leaf_hash(one.data))
            found.append(one)
            names.add(one.name)
        return tree, found

    def _oldest(self, index: int, _tree: merkle.Frontier, names: set[tuple[str, str]]) -> _Found | None:
        return next(self._valid(index, names), None)

    def _signed(self, index: int, tree: merkle.Frontier, names: set[tuple[str, str]]) -> _Found | None:
        for found in self._valid(index, names):
            if self._has_root(index + 1, tree.grown(merkle.leaf_hash(found.data))):
                return found
        return self._oldest(index, tree, names)

    def _entry(self, index: int) -> _Found | None:
        """Return the entry at the next position: the oldest valid version of its key, by a key that has not ended."""
        for found in self._valid(index, set()):
            if not self._has_ended(dsse.open_envelope(found.envelope).keyid):
                return found
            self._strangers(found.version)
        return None

    def _valid(self, index: int, names: set[tuple[str, str]]) -> Iterator[_Found]:
        """Yield the valid versions of an entry, oldest first; `names` are in the log though not in the book yet."""
        for version, data in self._readings.of(layout.entry_key(index), entry.MAX_ENTRY):
            found = self._opened(version, data)
            if found is None or found.name in names or self._book.has_statement(*found.name):
                self._strangers(version)
            else:
                yield found

    def _opened(self, version: Version, data: bytes) -> _Found | None:
        """Open the statement that an entry names; None where it is not stored or not valid."""
        try:
            key, digest = entry.decode(data)
            if data not in self._statements:
                envelope = self._stored_statement(key, digest)
                if envelope is None:
                    return None
                if len(self._statements) >= _AT_ONCE:
                    self._statements.clear()
                self._statements[data] = envelope, self._open(envelope)
        except EvidenceError:
            return None
        envelope, opened = self._statements[data]
        name = (opened.kind, opened.identity)
        return _Found(version, data, name, opened.statement, envelope) if layout.statement_of_key(key) == name else None

    def _stored_statement(self, key: str, digest: str) -> bytes | None:
        with suppress(NotStoredError):  # the latest version mostly is the one
            data = self._readings.latest(key, dsse.MAX_ENVELOPE)
            if sha256(data).hexdigest() == digest:
                return data
        for _, data in self._readings.of(key, dsse.MAX_ENVELOPE):
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
        vkey = self._key_at(size)
        for version, data in self._readings.of(layout.checkpoint_key(size), _CHECKPOINT_LIMIT):
            if vkey is None:  # by the trust file nobody signs this size
                self._strangers(version)
                continue
            try:
                head = checkpoint.open_signed(data, vkey)
            except EvidenceError:
                self._strangers(version)
                continue
            if head.size == size:
                yield head

    def _has_root(self, size: int, tree: merkle.Frontier) -> bool:
        head = self._checkpoint(size)
        return head is not None and head.root == tree.root()

    def _compare_root(self, size: int, tree: merkle.Frontier) -> None:
        if not self._has_root(size, tree):
            raise _fork(size)


def _demand_same(key: str, known: bytes, mine: bytes) -> None:
    if known != mine:
        raise EvidenceError(
            "statement-conflict",
            f"{key}: expected these bytes in the log, found another validly signed statement of the same id",
            hint="two writers made the same id, or a state folder came back from a backup; find out which is true",
        )


def _fork(size: int) -> EvidenceError:
    return EvidenceError(
        "log-fork",
        f"log: expected one root for {size} entries, found another one that is validly signed",
        hint="stop writing to this archive; somebody used its log key elsewhere. Run `archiver verify` for the details",
    )
