"""Who derives the columns of row groups: one verb, so that other machines can do it as well.

`derive` begins the work and returns what waits for its answer. Answers depend on the group alone; their order, the
hashes and the signatures are the caller's, so whoever does the work can neither lose nor reorder a record. A worker
that is killed costs the group it was at: that is given to another one.

>>> with Threads() as engine:
...     columns = engine.derive(index, group)()
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, Self

import pyarrow as pa

from archiver.writer.groups import Indexer, RowGroup

__all__ = ["Columns", "Engine", "Threads", "engine_of"]

Columns = Callable[[], list[pa.Array]]


class Engine(Protocol):
    """Derives columns of row groups, several at a time."""

    @property
    def ahead(self) -> int:
        """How many groups are worth handing over before the first answer is taken."""
        ...

    @property
    def reads_here(self) -> bool:
        """Whether it is this process that looks at raw: then it need not be in a file."""
        ...

    def derive(self, index: Indexer, group: RowGroup) -> Columns:
        """Begin to derive; call what is returned for the answer."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def engine_of(jobs: int) -> Engine:
    """Return the engine for so many groups at a time: a thread of this process, or processes of their own."""
    if jobs == 1:
        return Threads()
    from archiver.writer.processes import Processes  # noqa: PLC0415 - what starts processes is loaded when wanted

    return Processes(jobs)


class Threads:
    """One thread of this process: the columns of a group are derived while the next rows are read."""

    ahead = 2  # while one is compressed, the next one is derived and a third waits for it
    reads_here = True

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool = ThreadPoolExecutor(1, "derive")

    def derive(self, index: Indexer, group: RowGroup) -> Columns:
        """Begin to derive; call what is returned for the answer."""
        return self._pool.submit(index, group).result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
