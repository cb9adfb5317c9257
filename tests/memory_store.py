"""A versioned store in memory that keeps what it is given, and lets a test do what a stranger could."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from archiver.errors import KeyExistsError, NotStoredError
from archiver.stores.base import Body, Destination, Lock, Receipt, Stat, Version
from archiver.stores.bodies import digest_of


@dataclass(frozen=True)
class Stored:
    """One version in the memory store; `data` None is a delete marker."""

    version: str
    data: bytes | None
    lock: Lock
    modified: datetime
    owner: str | None = "writer"


@dataclass
class MemoryStore:
    """A versioned store that keeps what it is given; newest version first, as stores list them."""

    versions: dict[str, list[Stored]] = field(default_factory=dict)
    count: int = 0
    now: datetime = datetime(2026, 11, 21, 9, tzinfo=UTC)
    destination: Destination = field(
        default=Destination("s3", "s3://vault/case", "https://s3.example", "vault", "case/", True, True)  # noqa: FBT003
    )

    def put(self, key: str, body: Body, *, lock: Lock, condition: bool = True) -> Receipt:
        data = body if isinstance(body, bytes) else body.path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest_of(body)
        if condition and key in self.versions:
            raise KeyExistsError("key-exists", key)
        stored = self.add(key, data, lock)
        return self.receipt(key, stored)

    def add(self, key: str, data: bytes | None, lock: Lock, *, oldest: bool = False, owner: str = "writer") -> Stored:
        self.count += 1
        stored = Stored(f"v{self.count}", data, lock, self.now, owner)
        here = self.versions.setdefault(key, [])
        here.insert(len(here) if oldest else 0, stored)
        return stored

    @contextmanager
    def read(self, key: str, version: str | None = None) -> Iterator[BinaryIO]:
        stored = self._one(key, version)
        yield _Forward(stored.data or b"")

    def stat(self, key: str, version: str | None = None) -> Stat:
        stored = self._one(key, version)
        return Stat(key, stored.version, len(stored.data or b""), None, None, stored.lock)

    def list(self, prefix: str = "") -> Iterator[Version]:
        for key in sorted(self.versions, key=lambda key: key.encode("utf-8", "surrogatepass")):
            if key.startswith(prefix):
                for place, one in enumerate(self.versions[key]):
                    size = len(one.data or b"")
                    latest, marker = place == 0, one.data is None
                    yield Version(key, one.version, size, one.modified, latest, marker, None, one.owner)

    def hold(self, key: str, version: str | None, lock: Lock) -> Receipt:
        raise NotImplementedError

    def _one(self, key: str, version: str | None) -> Stored:
        for stored in self.versions.get(key, []):
            if (version is None or stored.version == version) and stored.data is not None:
                return stored
        raise NotStoredError("not-stored", f"{key}: none")

    def receipt(self, key: str, stored: Stored) -> Receipt:
        data = stored.data or b""
        place = self.destination
        return Receipt(
            store=place.kind,
            endpoint=place.endpoint,
            bucket=place.bucket,
            key=key,
            version=stored.version,
            etag=None,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            basis="store",
            mode=stored.lock.mode,
            retain_until=stored.lock.retain_until,
            legal_hold=stored.lock.legal_hold,
            request_id=None,
            read_back_at=self.now,
        )


class _Forward(io.BytesIO):
    """A stream that only goes forward, as one from a network does."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise io.UnsupportedOperation
