"""The versions of a small key with their bytes, as a writer of a log reads them: each of them once.

A version id stands for its bytes, so what was read of an entry or a checkpoint is recalled; what there is of a key is
listed anew every time. A version that is not as long as the store lists it is an error, never a shorter one.

>>> [data for _, data in Readings(store).of("log/entries/000000000000", 1024)]
[b'{"key":"statements/archive/...'...]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from archiver.errors import NotStoredError, WorldError
from archiver.stores.base import Store, Version
from archiver.writer.place import versions_of

__all__ = ["Readings"]

_RECALLED: Final = 4096  # entries and checkpoints of this run, 1 KiB each at most
_SMALL: Final = 1024


class Readings:
    """Reads the versions of keys of one store."""

    def __init__(self, store: Store) -> None:
        """Begin with nothing read."""
        self._store = store
        self._known: dict[tuple[str, str | None], bytes] = {}

    def of(self, key: str, limit: int) -> Iterator[tuple[Version, bytes]]:
        """Yield the versions of a key with their bytes, oldest first; one whose lock was short may be gone by now."""
        for version in versions_of(self._store, key):
            with suppress(NotStoredError):
                yield version, self._once(version, limit)

    def latest(self, key: str, limit: int) -> bytes:
        """Read the latest version, whichever it is; raises `NotStoredError`."""
        return self._read(key, None, limit)

    def _once(self, version: Version, limit: int) -> bytes:
        """Read a version whose id stands for its bytes, or recall it: litter is read by each writer once."""
        name = (version.key, version.version)
        if name in self._known:
            return self._known[name]
        data = self._read(version.key, version.version, limit)
        listed = min(version.size, limit + 1)
        if len(data) < listed or (version.version is not None and len(data) != listed):
            raise WorldError(
                "store-read-differs",
                f"{version.key}: expected {version.size} bytes as listed, read {len(data)}",
                hint="the store, or something before it, does not give back what it keeps; run the same command again",
            )
        if version.version is not None and len(data) <= _SMALL:
            if len(self._known) >= _RECALLED:
                self._known.clear()
            self._known[name] = data
        return data

    def _read(self, key: str, version: str | None, limit: int) -> bytes:
        with self._store.read(key, version) as file:
            return file.read(limit + 1)
