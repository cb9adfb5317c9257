"""Processes of this machine that work side by side, and one of which may be killed at any moment.

A piece of work is a function that other processes find by its name, and its arguments. Answers depend on these alone;
their order is the caller's. A worker that is killed costs the work that was under way: it is begun again, a few times.
What Python would wait for without end is ended: a worker that somebody has stopped (SIGSTOP), those that were left when
another one was killed while it wrote a long answer, those of a process that may start no more threads (`_Guard`).

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
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

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
                try:
                    pool = self._running()
                    try:
                        return pool, pool.submit(work, *arguments, **words)
                    except BrokenProcessPool:
                        self._replace(pool)
                except (OSError, RuntimeError) as problem:  # the second is what Python says of threads
                    what = "processes" if isinstance(problem, OSError) else "threads"
                    raise WorldError(
                        f"no-{what}",
                        f"--jobs {self.jobs}: the system starts no more {what}: {problem}",
                        hint="look whether memory or processes run out, and run the same command again",
                    ) from problem

        begun = submitted()

        def answer() -> _Answer:
            pool, future = begun
            for _ in range(_TRIES):
                try:
                    return answer_of(future, pool)
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
            guard = _Guard(broken)
            broken.shutdown(wait=False)
        guard.kill()  # the pool only asks them to end, which one that was stopped does not hear


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
        except (OSError, RuntimeError):  # a process, or the thread that gives its work out, cannot be started
            shut_down(pool)  # those that were started would be waited for without end
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


def answer_of(future: Future[_Answer], pool: ProcessPoolExecutor) -> _Answer:
    """Wait for an answer of a process; raises `BrokenProcessPool`, also where it would be waited for without end."""
    guard = _Guard(pool)
    while not wait_for([future], PATIENCE).done:
        if not guard.is_managed() and not future.done():
            guard.kill()
            raise BrokenProcessPool("the thread that gives work out has ended")
        guard.look()
    return future.result()


def shut_down(pool: ProcessPoolExecutor) -> None:
    """Let the processes of a pool end, and wait for them; what was not begun is not wanted any more."""
    guard = _Guard(pool)
    pool.shutdown(wait=False, cancel_futures=True)
    while not guard.has_ended(PATIENCE):
        guard.look()
    guard.kill()  # those that are left, where the thread of the pool has ended or never began


class _Guard:
    """Looks after a pool that gives no answer: what Python itself would wait for without end, it ends.

    1  a process that was stopped
    2  all of them where the pool has not the thread that gives work out: none could be started, or it could start none
    3  all of them where one was killed while it wrote an answer: that thread waits for the rest, which nobody writes as
       long as anybody might

    Nothing public tells of these, so private members are looked at; they are the same in Python 3.11 to 3.14.
    """

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._answers = cast("Any", pool._result_queue)  # noqa: SLF001 - see above; gone when the pool is shut down
        self._thread = cast("threading.Thread | None", pool._executor_manager_thread)  # noqa: SLF001
        self._of_pool = pool._processes  # noqa: SLF001

    def is_managed(self) -> bool:
        """Say whether the thread is there; none is needed where no work was ever given out."""
        return not self._of_pool or not self.has_ended(0)

    def has_ended(self, patience: float) -> bool:
        """Wait for the thread's end, so many seconds at most; say whether there is none any more."""
        if self._thread is None or self._thread.ident is None:
            return True
        self._thread.join(patience)
        return not self._thread.is_alive()

    def look(self) -> None:
        """End what has to be ended; then the thread says to all who wait that the pool is broken."""
        for one in self._processes():
            if one.pid is not None:
                end_if_stopped(one.pid)
        if any(one.exitcode for one in self._processes()):
            self.kill()
            self._close_answers()  # now nobody might write

    def _close_answers(self) -> None:
        """Close the end for writing that is in this process, once: its number may be another file's soon."""
        end = self._answers._writer  # noqa: SLF001
        number, end._handle = end._handle, None  # noqa: SLF001
        if number is not None:
            os.close(number)

    def kill(self) -> None:
        """End all processes."""
        for one in self._processes():
            one.kill()
            one.join()

    def _processes(self) -> list[BaseProcess]:
        return list((self._of_pool or {}).values())


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare(loads: str | None) -> None:
    """Leave Ctrl-C to the parent, end when it does, also when it is killed, and load what will be wanted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if callable(signal.getsignal(number)):  # what a copy has of its parent would have it go on to its own end
            signal.signal(number, signal.SIG_DFL)
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
