"""The next value of an iterator, made by another thread while the caller works on the present one.

Decoding Parquet needs no interpreter and hashing many short records needs nothing else, so side by side they take as
long as the longer of them. Memory: one value more.

>>> list(ahead(iter("abc")))
['a', 'b', 'c']
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Threads", "ahead"]

_Value = TypeVar("_Value")


class Threads:
    """A pool for a generator, which may be given up at any of its values.

    Then the garbage collector ends it, in any thread and while any lock is held: to wait there for a thread can be to
    wait for oneself, so nothing is waited for. A pool that nobody knows any more ends by itself.
    """

    def __init__(self, number: int, name: str = "") -> None:
        """Make a pool of so many threads."""
        self._pool = ThreadPoolExecutor(number, name)

    def __enter__(self) -> ThreadPoolExecutor:
        """Return the pool."""
        return self._pool

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for all threads, unless the generator was given up."""
        if kind is not GeneratorExit:
            self._pool.shutdown(cancel_futures=kind is not None)


def ahead(values: Iterator[_Value]) -> Iterator[_Value]:
    """Yield the values of an iterator, none of them None; what it raises comes in its place."""
    with Threads(1, "ahead") as pool:
        waiting = pool.submit(next, values, None)
        while (value := waiting.result()) is not None:
            waiting = pool.submit(next, values, None)
            yield value
