"""The engine of processes: columns of row groups are derived by so many workers on this machine.

>>> with Processes(4) as engine:
...     columns = engine.derive(index, group)()
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Final, Self

import pyarrow as pa

from archiver.errors import WorldError
from archiver.writer.engine import Columns
from archiver.writer.groups import Indexer, RowGroup

__all__ = ["Processes", "pool_of"]

_TRIES: Final = 3


class Processes:
    """Processes on this machine, started when the first group comes; they read raw from the scratch file."""

    def __init__(self, jobs: int) -> None:
        """Start nothing yet."""
        self.ahead = jobs
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def derive(self, index: Indexer, group: RowGroup) -> Columns:
        """Begin to derive; call what is returned for the answer."""
        begun = self._begin(index, group)

        def answer() -> list[pa.Array]:
            pool, future = begun
            for _ in range(_TRIES):
                try:
                    return future.result()
                except BrokenProcessPool:
                    self._replace(pool)
                    pool, future = self._begin(index, group)
            raise WorldError(
                "workers-killed",
                f"--jobs {self._jobs}: a worker process was killed {_TRIES} times over one row group",
                hint="look whether memory runs out, and run the same command with fewer --jobs",
            )

        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self, index: Indexer, group: RowGroup) -> tuple[ProcessPoolExecutor, Future[list[pa.Array]]]:
        while True:
            with self._lock:
                if self._pool is None:
                    self._pool = pool_of(self._jobs)
                pool = self._pool
            try:
                return pool, pool.submit(index, group)
            except BrokenProcessPool:
                self._replace(pool)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        """Go on with fresh processes; whoever comes first does it for all."""
        with self._lock:
            if self._pool is broken:
                self._pool = None
        broken.shutdown(wait=False)


def pool_of(processes: int) -> ProcessPoolExecutor:
    """Return a pool of so many processes, started when they are wanted, which end with this one."""
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and locks half way
    return ProcessPoolExecutor(processes, context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it does, also when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
