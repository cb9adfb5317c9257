"""Processes of this machine that work side by side, and one of which may be killed at any moment.

A piece of work is a function that other processes find by its name, and its arguments. Answers depend on these alone;
their order is the caller's. A worker that is killed costs the work that was under way: it is begun again, a few times.
One that somebody has stopped (SIGSTOP) would be waited for without end: it is killed. So are all where this process
could not have, or lost, the thread that gives their work out, as where no more threads may be started.

>>> with Workers(4, over="one batch") as workers:
...     answers = [workers.begin(judge_unit, unit) for unit in units]
...     outcomes = [answer() for answer in answers]
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final, ParamSpec, Self, TypeVar

from archiver import process
from archiver.companion import PATIENCE, end_if_stopped
from archiver.errors import WorldError

__all__ = ["Workers", "answer_of", "cores", "forked_pool", "pool_of", "shut_down"]

_TRIES: Final = 3
_ABOUT_TO_END: Final = 0.02
_LOOKS: Final = 10
_KNOW_FORKS: Final = {"jemalloc_bg_thd"}  # it is stopped before and started again after a fork, by its own handlers
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
                except RuntimeError as problem:
                    _end_unmanaged()
                    raise WorldError(
                        "no-threads",
                        f"--jobs {self.jobs}: the system starts no more threads: {problem}",
                        hint="look whether memory or processes run out, and run the same command again",
                    ) from problem

        begun = submitted()

        def answer() -> _Answer:
            pool, future = begun
            for _ in range(_TRIES):
                try:
                    return answer_of(future)
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

    def start_copies(self) -> bool:
        """Start the processes as copies of this one; say whether that was safe, otherwise none was started."""
        with self._lock:
            if self._pool is None:
                self._pool = forked_pool(self.jobs)
            return self._pool is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            shut_down(self._pool)

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


def forked_pool(processes: int) -> ProcessPoolExecutor | None:
    """Return a running pool of so many copies of this process, as it is; None where that is not safe.

    A copy has what is loaded, so that it is there in a hundredth of the time. It has one thread, this one: locks that
    another thread holds would be held for ever. So there must be no other, but that of an allocator which knows about
    copies.
    """
    if not _is_single():
        return None
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), initializer=_prepare, initargs=(None,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons count the allocator's thread
        try:
            pool.submit(os.getpid)
        except RuntimeError:  # no thread can be started that gives its work out
            _end_unmanaged()
            return None
    return pool


def _is_single() -> bool:
    """Say whether this process has but one thread that could hold a lock; those about to end are waited for."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_ABOUT_TO_END)
    if threading.active_count() > 1:
        return False
    for _ in range(_LOOKS):  # the system's part of a thread ends a little later
        try:
            names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
        except OSError:
            continue  # another system, or a thread that ended just now
        if len([name for name in names if name not in _KNOW_FORKS]) == 1:
            return True
        time.sleep(_ABOUT_TO_END / _LOOKS)
    return False


def answer_of(future: Future[_Answer]) -> _Answer:
    """Wait for an answer of a process; raises `BrokenProcessPool`, also where nobody would ever give it.

    A process that was stopped is killed, which breaks its pool.
    """
    while not wait_for([future], PATIENCE).done:
        if _end_unmanaged() and not future.done():
            raise BrokenProcessPool("the thread that gives work out has ended")
        _end_stopped()
    return future.result()


def shut_down(pool: ProcessPoolExecutor) -> None:
    """Let the processes of a pool end, and wait for them; what was not begun is not wanted any more."""
    if _end_unmanaged():
        pool.shutdown(wait=False, cancel_futures=True)
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(PATIENCE):
            _end_stopped()

    watching = threading.Thread(target=watch, name="stopped", daemon=True)
    with suppress(RuntimeError):  # no more threads: then nobody looks
        watching.start()
    try:
        pool.shutdown(cancel_futures=True)
    finally:
        ended.set()
        _end_unmanaged()  # its thread may have ended meanwhile


def _end_unmanaged() -> bool:
    """Kill all processes if no pool has its thread; say whether that was so."""
    if any(type(one).__module__ == ProcessPoolExecutor.__module__ for one in threading.enumerate()):
        return False
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    return True


def _end_stopped() -> None:
    for child in multiprocessing.active_children():
        if child.pid is not None:
            end_if_stopped(child.pid)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare(loads: str | None) -> None:
    """Leave Ctrl-C to the parent, end when it does, also when it is killed, and load what will be wanted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()
    gc.freeze()  # what a copy has of its parent is not its own to take apart
    process.begin()
    if loads is not None:
        importlib.import_module(loads)


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
