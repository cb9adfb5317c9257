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

__all__ = ["ahead"]

_Value = TypeVar("_Value")


def ahead(values: Iterator[_Value]) -> Iterator[_Value]:
    """Yield the values of an iterator, none of them None; what it raises comes in its place."""
    # No `with`: a generator that was given up is ended by the garbage collector, in any thread and while any lock is
    # held, and to wait there for a thread can be to wait for oneself. A pool that nobody knows any more ends by itself.
    pool = ThreadPoolExecutor(1, "ahead")
    waiting = pool.submit(next, values, None)
    while (value := waiting.result()) is not None:
        waiting = pool.submit(next, values, None)
        yield value
    pool.shutdown()
