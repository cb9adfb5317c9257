"""Processes of this machine that work side by side, and one of which may be killed at any moment.

A piece of work is a function that other processes find by its name, and its arguments. Answers depend on these alone;
their order is the caller's. A worker that is killed costs the work that was under way: it is begun again, a few times.

>>> with Workers(4, over="one batch") as workers:
...     answers = [workers.begin(judge_unit, unit) for unit in units]
...     outcomes = [answer() for answer in answers]
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Final, ParamSpec, Self, TypeVar

from archiver.errors import WorldError

__all__ = ["Workers", "cores", "pool_of"]

_TRIES: Final = 3
_Words = ParamSpec("_Words")
_Answer = TypeVar("_Answer")


class Workers:
    """So many processes, started when the first work comes."""

    def __init__(self, jobs: int, *, over: str, loads: str | None = None) -> None:
        """Start nothing yet; `over` names a piece of work for people, `loads` a module to load before any comes."""
        self.jobs = jobs
        self._over = over
        self._loads = loads
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def begin(
        self, work: Callable[_Words, _Answer], *arguments: _Words.args, **words: _Words.kwargs
    ) -> Callable[[], _Answer]:
        """Begin some work; call what is returned for the answer."""

        def submitted() -> tuple[ProcessPoolExecutor, Future[_Answer]]:
            while True:
                pool = self._running()
                try:
                    return pool, pool.submit(work, *arguments, **words)
                except BrokenProcessPool:
                    self._replace(pool)

        begun = submitted()

        def answer() -> _Answer:
            pool, future = begun
            for _ in range(_TRIES):
                try:
                    return future.result()
                except BrokenProcessPool:
                    self._replace(pool)
                    pool, future = submitted()
            raise WorldError(
                "workers-killed",
                f"--jobs {self.jobs}: a worker process was killed {_TRIES} times over {self._over}",
                hint="look whether memory runs out, and run the same command with fewer --jobs",
            )

        return answer

    def start(self) -> None:
        """Start the processes before there is work for them."""
        self.begin(os.getpid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = pool_of(self.jobs, self._loads)
            return self._pool

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        """Go on with fresh processes; whoever comes first does it for all."""
        with self._lock:
            if self._pool is broken:
                self._pool = None
        broken.shutdown(wait=False)


def pool_of(processes: int, loads: str | None = None) -> ProcessPoolExecutor:
    """Return a pool of so many processes, started when they are wanted, which end with this one."""
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and locks half way
    return ProcessPoolExecutor(processes, context, initializer=_prepare, initargs=(loads,))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare(loads: str | None) -> None:
    """Leave Ctrl-C to the parent, end when it does, also when it is killed, and load what will be wanted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()
    if loads is not None:
        importlib.import_module(loads)


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
