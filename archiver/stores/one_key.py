"""What a store has under one key, for whoever has not listed all of it.

>>> [version.version for version in versions(store, "log/checkpoints/000000000007")]
['3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo']
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from archiver.errors import NotStoredError
from archiver.stores.base import Finds, Store, Version

__all__ = ["read", "stored", "versions"]


def versions(store: Store, key: str) -> list[Version]:
    """Return the versions of exactly this key, newest first in the store's own order, markers left out.

    A store without versions is asked for the one that there may be, so that the cost does not grow with what it holds.
    """
    if not store.destination.versioned:
        try:
            if isinstance(store, Finds):
                return [store.find(key)]
            stat = store.stat(key)
        except NotStoredError as problem:
            if problem.code == "not-stored":
                return []
        else:
            if stat.modified is not None:
                return [Version(key=key, version=stat.version, size=stat.size, modified=stat.modified)]
    return [version for version in store.list(key) if version.key == key and not version.is_delete_marker]


def stored(store: Store, key: str, limit: int) -> Iterator[bytes]:
    """Yield the bytes of every version, each cut off after `limit` + 1 of them, which every parser refuses."""
    for version in versions(store, key):
        data = read(store, key, version.version, limit)
        if data is not None:
            yield data


def read(store: Store, key: str, version: str | None, limit: int) -> bytes | None:
    """Return the bytes of a version, cut off in the same way, or of the current one; None for none."""
    with suppress(NotStoredError), store.read(key, version) as stream:
        return stream.read(limit + 1)
    return None
