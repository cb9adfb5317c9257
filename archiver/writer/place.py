"""Putting bytes under a key, once, whatever was there before (FORMAT.md, Write protocol).

"Exists already" is not an answer: every version of the key is read. One with my bytes is success, and its lock is
raised when it is below mine. Anything else is a stranger: it is reported and left alone, and my bytes go beside it
where the store can keep both. Nothing here overwrites or deletes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace

from archiver.errors import EvidenceError, KeyExistsError, LockError, NotStoredError, WorldError
from archiver.proof.digest import sha256_of
from archiver.stores.base import Body, Lock, Receipt, Store, Version
from archiver.stores.bodies import digest_of, size_of
from archiver.stores.locks import shortfalls
from archiver.stores.one_key import versions

__all__ = ["Strangers", "check_receipt", "first_under", "lock_of", "meets", "place", "raise_lock", "versions_of"]

Strangers = Callable[[Version], None]
"""Told of every version that was found under a key and is not ours."""


def place(store: Store, key: str, body: Body, *, lock: Lock, strangers: Strangers) -> Receipt:
    """Make sure that a version with exactly these bytes is stored under `key` with at least this lock."""
    try:
        # A crash after this line leaves a locked object that the next run finds below, by its bytes.
        return store.put(key, body, lock=lock)
    except KeyExistsError:
        digest = digest_of(body)
        mine = _find(store, key, digest, size_of(body), strangers)
    if mine is not None:
        receipt = raise_lock(store, mine, body, lock=lock)
        # The store may say nothing of the bytes; they were read and hashed a moment ago.
        return receipt if receipt.sha256 else replace(receipt, sha256=digest, basis="read-back")
    if not store.destination.versioned:
        raise EvidenceError(
            "key-taken",
            f"{key}: expected SHA-256 {digest}, found other bytes, and this store keeps one version only",
            hint="somebody else wrote this file; move the archive to a fresh folder and find out who did",
        )
    return store.put(key, body, lock=lock, condition=False)


def raise_lock(store: Store, version: Version, body: Body, *, lock: Lock) -> Receipt:
    """Make sure that these bytes are locked so: raise the lock of this version, or put them again.

    Credentials that may only write may not raise a lock; they may put the same bytes again with a lock of their own.
    """
    try:
        return store.hold(version.key, version.version, lock)
    except WorldError as problem:
        gone = isinstance(problem, NotStoredError)  # its lock was short, and it is gone since it was listed
        if not (gone or problem.code == "store-denied") or not store.destination.versioned:
            raise
    return store.put(version.key, body, lock=lock, condition=False)


def first_under(store: Store, prefix: str) -> Version | None:
    """Return the first version of any key that begins with a prefix, None when there is none."""
    listed = store.list(prefix)
    try:
        return next(listed, None)
    finally:
        if isinstance(listed, Generator):
            listed.close()  # what it holds open is let go now, not when somebody collects garbage


def versions_of(store: Store, key: str) -> list[Version]:
    """Return the versions of exactly this key, oldest first, markers left out (`archiver.stores.one_key`)."""
    return versions(store, key)[::-1]


def meets(held: Lock, wanted: Lock) -> bool:
    """Say whether a lock is known to be at least as strong as another."""
    return not shortfalls(held, wanted=wanted)


def lock_of(receipt: Receipt) -> Lock:
    """Return the lock that a receipt has."""
    return Lock(receipt.mode, receipt.retain_until, receipt.legal_hold)


def check_receipt(receipt: Receipt, wanted: Lock) -> None:
    """Refuse a receipt whose lock is not what was asked for: what is not read back is not preserved."""
    held = lock_of(receipt)
    if not meets(held, wanted):
        raise LockError(
            "lock-not-applied",
            f"{receipt.key}: expected {wanted.mode} until {wanted.retain_until}, "
            f"found {held.mode} until {held.retain_until}",
            hint="run `archiver status`, and check that Object Lock is on for this bucket",
        )


def _find(store: Store, key: str, digest: str, size: int, strangers: Strangers) -> Version | None:
    mine = None
    for version in versions_of(store, key):
        with suppress(NotStoredError):  # its lock was short, and it is gone since it was listed
            if version.size == size and _digest_in(store, version) == digest:
                mine = mine or version
            else:
                strangers(version)
    return mine


def _digest_in(store: Store, version: Version) -> str:
    with store.read(version.key, version.version) as stream:
        return sha256_of(stream)
