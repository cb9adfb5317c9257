"""What lies under some prefixes of a store, listed side by side: over a network each of them is a wait.

The prefixes are asked for in the order in which they were given. A page of each of the next ones is on its way
meanwhile, and no more of them is held. A folder is listed when it is asked.

>>> with Listed(store, ["statements/batch/2026112", "statements/sealed/2026112"]) as listed:
...     batches = list(listed.list("statements/batch/2026112"))
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self

from archiver.stores.base import Store, Version

__all__ = ["Listed"]

_AT_ONCE: Final = 8  # a client keeps 16 connections open


class Listed:
    """Listings of one store, of which the next ones have begun."""

    def __init__(self, store: Store, prefixes: Sequence[str]) -> None:
        """Ask nothing yet."""
        self._store = store
        self._coming = deque(prefixes)
        self._begun: deque[tuple[str, Iterator[Version], Future[Version | None]]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Begin, where the store is asked over a network."""
        if self._store.destination.versioned:
            self._pool = ThreadPoolExecutor(_AT_ONCE, "list")
            self._begin(self._pool)
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what has not begun, and wait for the rest."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def list(self, prefix: str) -> Iterator[Version]:
        """Yield the versions under one of the prefixes; those before it are not asked for any more."""
        if self._pool is None:
            yield from self._store.list(prefix)
            return
        name = None
        while name != prefix:
            name, versions, first = self._begun.popleft()
            self._begin(self._pool)
        if (version := first.result()) is not None:
            yield version
            yield from versions

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        while self._coming and len(self._begun) < _AT_ONCE:
            prefix = self._coming.popleft()
            versions = self._store.list(prefix)
            self._begun.append((prefix, versions, pool.submit(next, versions, None)))
