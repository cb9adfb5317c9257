"""The five verbs of a store, and what each promises.

    put   stores bytes under a key that has none yet, locked in the same request, and reads the result back
    read  gives the bytes of one version
    stat  says what the store knows of one version: size, lock, checksum
    list  enumerates versions and delete markers
    hold  raises the lock of one version; never lowers it

Keys are relative to the destination's prefix, `/` between components. A store has no overwrite and no delete. What a
key means is decided by the signed log, so several versions of a key may exist; `list` shows them all. A listing shows
also what strangers left: names that are not UTF-8 have surrogate escapes, and links are listed but not read.

`Releases` is apart from all this: one verb for the one flow that runs when two approvers have signed a release.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import BinaryIO, Protocol, runtime_checkable

from archiver.late import dataclass
from archiver.stores.bodies import Body

__all__ = ["Body", "Destination", "Finds", "Lock", "Receipt", "Releases", "Stat", "Store", "Version"]


@dataclass(frozen=True)
class Lock:
    """The lock of a version. `None` means that the store does not say: unknown, never "not locked".

    `mode` is "COMPLIANCE", "GOVERNANCE" or "NONE" (the store says that there is none); `retain_until` a UTC instant in
    whole seconds, None with mode NONE or unknown.
    """

    mode: str | None
    retain_until: datetime | None
    legal_hold: bool | None


@dataclass(frozen=True)
class Version:
    """One version of a key, or one delete marker over it. A store without versions has `version` None."""

    key: str
    version: str | None
    size: int
    modified: datetime
    is_latest: bool = True
    is_delete_marker: bool = False
    etag: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Stat:
    """What the store answers about one version. `sha256` (hex) only where the store itself keeps a checksum.

    `modified` is told by a store without versions, where a `stat` says all that a listing of the key would.
    """

    key: str
    version: str | None
    size: int
    etag: str | None
    sha256: str | None
    lock: Lock
    request_id: str | None = None
    modified: datetime | None = None


@dataclass(frozen=True)
class Receipt:
    """What a store reported, read back after the write; the words of the published format, section 4.5.

    `basis` says how the SHA-256 was confirmed: "store" (the store keeps and echoes it), "signed-payload" (the store
    checked the signed payload hash of the put), "read-back" (the bytes were read again and hashed). A receipt of
    `hold` has the SHA-256 that the store keeps, else None: its basis only says where the lock was read. `key` is
    relative to the prefix, as everywhere; `bucket` of a folder is its absolute path.
    """

    store: str
    endpoint: str | None
    bucket: str
    key: str
    version: str | None
    etag: str | None
    size: int
    sha256: str | None
    basis: str
    mode: str | None
    retain_until: datetime | None
    legal_hold: bool | None
    request_id: str | None
    read_back_at: datetime


@dataclass(frozen=True)
class Destination:
    """Who a store is, for people and for receipts.

    `kind` "folder" or "s3"; `enforces_locks` False where a lock is recorded but nothing stops an administrator;
    `versioned` False where a key has at most one version; `location` as the person wrote it.
    """

    kind: str
    location: str
    endpoint: str | None
    bucket: str
    prefix: str
    enforces_locks: bool
    versioned: bool


class Store(Protocol):
    """A place to keep evidence in. Every verb raises `WorldError` when the place does not answer."""

    @property
    def destination(self) -> Destination:
        """Say who this store is, without a request."""
        ...

    def put(self, key: str, body: Body, *, lock: Lock, condition: bool = True) -> Receipt:
        """Store `body` under `key` with `lock` in one durable step, then read size and lock back.

        A spool file must be what is said of it, else `EvidenceError("spool-changed")` and nothing is stored.
        With `condition` a key that exists raises `KeyExistsError`, whatever its bytes: the caller decides by reading.
        Without it, a versioned store adds a version; a folder still refuses, as it cannot keep two.
        A lock that came back weaker than asked for raises `LockError("lock-not-applied")`; the object stays.
        """
        ...

    def read(self, key: str, version: str | None = None) -> AbstractContextManager[BinaryIO]:
        """Open one version (None: the current one) for reading, forward only; closed at the end of the `with`.

        Raises `NotStoredError`; a stream that breaks off raises `WorldError` while it is read, never ends early.
        """
        ...

    def stat(self, key: str, version: str | None = None) -> Stat:
        """Describe one version from the store's own answer. Raises `NotStoredError`."""
        ...

    def list(self, prefix: str = "") -> Iterator[Version]:
        """Yield every version and delete marker of keys that begin with `prefix`: keys in byte order, newest first."""
        ...

    def hold(self, key: str, version: str | None, lock: Lock) -> Receipt:
        """Raise the lock of one version to at least `lock` and read it back; a lock is never lowered."""
        ...


@runtime_checkable
class Finds(Protocol):
    """A store without versions that can say which object there is of a key for less than a `stat` or a listing."""

    def find(self, key: str) -> Version:
        """Return what a listing of exactly this key would. Raises `NotStoredError`."""
        ...


@runtime_checkable
class Releases(Protocol):
    """A store that can let go. Only `archiver.flows.hold.release` may call this, after two approvals."""

    def release(self, key: str, version: str | None) -> Receipt:
        """Take the legal hold off one version and read it back; its mode and its date stay as they are.

        Raises `LockError("hold-not-lifted")` when the store still shows the legal hold.
        """
        ...
