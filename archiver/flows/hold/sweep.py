"""Passing over stored versions, several requests at a time: look at their locks, raise them, write down what was found.

Laws: results come in the order of the versions, whatever finishes first; no more than a few hundred versions are in
memory; a version that fails is named and the others go on; a store that does not answer at all ends the pass.

>>> for looked in looks(store, scope.versions(), clock):
...     looked.lock
Lock(mode='COMPLIANCE', ...)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from archiver.errors import ArchiverError, WorldError
from archiver.judge.ahead import Threads
from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.proof import canonical
from archiver.stores.base import Lock, Receipt, Stat, Store, Version
from archiver.writer.seal import receipt_words

__all__ = ["Looked", "Tally", "holds", "in_parallel", "lock_line", "looks", "receipt_line", "write_lines"]

WORKERS: Final = 8  # a client keeps 16 connections open
_AHEAD: Final = 32 * WORKERS
_GIVE_UP: Final = 2 * WORKERS
"""So many versions in a row without an answer mean that the store is gone, not that some objects are difficult."""

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Looked:
    """A version and what the store said of it: a receipt, or why there is none."""

    version: Version
    receipt: Receipt | None
    problem: ArchiverError | None = None

    @property
    def lock(self) -> Lock:
        """The lock that was read, unknown where none was."""
        if self.receipt is None:
            return Lock(None, None, None)
        return Lock(self.receipt.mode, self.receipt.retain_until, self.receipt.legal_hold)


@dataclass
class Tally:
    """What a pass has seen."""

    objects: int = 0
    bytes: int = 0
    below: int = 0
    unknown: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None
    earliest_key: str | None = None

    def take(self, looked: Looked, *, below: bool) -> None:
        """Count one version."""
        self.objects += 1
        self.bytes += looked.version.size
        self.below += below
        self.unknown += looked.lock.mode is None
        until = looked.lock.retain_until
        if until is not None and (self.earliest is None or until < self.earliest):
            self.earliest, self.earliest_key = until, looked.version.key
        if until is not None and (self.latest is None or until > self.latest):
            self.latest = until


def looks(store: Store, versions: Iterable[Version], clock: Callable[[], datetime]) -> Iterator[Looked]:
    """Ask for the lock of every version."""
    return _answered(in_parallel(partial(_look, store, clock), versions))


def holds(store: Store, versions: Iterable[Version], wanted: Lock) -> Iterator[Looked]:
    """Raise every version to a lock, each read back; what has it already is only looked at."""
    return _answered(in_parallel(partial(_hold, store, wanted), versions))


def in_parallel(function: Callable[[A], B], things: Iterable[A]) -> Iterator[B]:
    """Apply a function to many things in a few threads, the results in order."""
    waiting: deque[Future[B]] = deque()
    with Threads(WORKERS, "hold") as pool:
        try:
            for thing in things:
                waiting.append(pool.submit(function, thing))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except GeneratorExit:
            for future in waiting:
                future.cancel()
            raise


def write_lines(path: Path, looked: Iterable[Looked], line: Callable[[Looked], canonical.JSON]) -> None:
    """Write one canonical line per version that was answered."""
    with path.open("wb") as file:
        for one in looked:
            if one.receipt is not None:
                file.write(canonical.encode(line(one)) + b"\n")


def lock_line(looked: Looked) -> canonical.JSON:
    """Return the line of a report about locks (FORMAT.md, `hold`)."""
    until = looked.lock.retain_until
    return {
        "key": looked.version.key,
        "legal_hold": looked.lock.legal_hold,
        "mode": looked.lock.mode,
        "retain_until": None if until is None else format_instant(until),
        "size": looked.version.size,
        "version": looked.version.version,
    }


def receipt_line(looked: Looked) -> canonical.JSON:
    """Return the line of a report of receipts."""
    if looked.receipt is None:
        raise ValueError(f"{looked.version.key}: no receipt")
    words: canonical.JSON = receipt_words(looked.receipt).model_dump(mode="json")
    return words


def _look(store: Store, clock: Callable[[], datetime], version: Version) -> Looked:
    try:
        return Looked(version, _receipt(store, store.stat(version.key, version.version), clock()))
    except ArchiverError as problem:
        return Looked(version, None, problem)


def _hold(store: Store, wanted: Lock, version: Version) -> Looked:
    try:
        return Looked(version, store.hold(version.key, version.version, wanted))
    except ArchiverError as problem:
        return Looked(version, None, problem)


def _answered(looked: Iterator[Looked]) -> Iterator[Looked]:
    silent = 0
    for one in looked:
        silent = silent + 1 if isinstance(one.problem, WorldError) and one.problem.code == "store-unreachable" else 0
        if silent >= _GIVE_UP and one.problem is not None:
            raise one.problem
        yield one


def _receipt(store: Store, found: Stat, now: datetime) -> Receipt:
    place = store.destination
    return Receipt(
        store=place.kind,
        endpoint=place.endpoint,
        bucket=place.bucket,
        key=found.key,
        version=found.version,
        etag=found.etag,
        size=found.size,
        sha256=found.sha256,
        basis="store",
        mode=found.lock.mode,
        retain_until=found.lock.retain_until,
        legal_hold=found.lock.legal_hold,
        request_id=found.request_id,
        read_back_at=now,
    )
