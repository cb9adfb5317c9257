"""Small documents, read by other processes while this one accounts for those before them.

The law: what comes out are the sights that went in, in their order, each with its document where another process has
read it. All others are read here, at their turn: those of a process that was killed, too. So the processes decide how
long a run takes and nothing else. What waits is bounded: sights by number, documents by their bytes.

>>> with Readers(2) as readers:
...     for sight, document in readers.ahead(sights, place, wanted):
...         ...
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import field
from pathlib import Path
from typing import Final, Self

from archiver.flows.snapshot.sight import Sight
from archiver.late import dataclass
from archiver.sources.base import FileFacts
from archiver.sources.documents import AT_ONCE, Document, Packed, read_documents, unpacked
from archiver.sources.location import HeldFolder, Location

__all__ = ["Readers"]

_BEGIN: Final = 512
"""Documents that must be in sight before a process is started for them, which takes as long as reading a thousand."""
_TRIES: Final = 3
_UNIT: Final = 64
_UNIT_BYTES: Final = 4 << 20
_SIGHTS: Final = 4096
_BYTES: Final = 32 << 20
"""What may wait; documents of one unit more."""


@dataclass
class _Unit:
    """Documents that are read by one process at one go."""

    paths: list[bytes] = field(default_factory=list)
    bytes: int = 0
    coming: Future[list[Packed | None]] | None = None

    def is_full(self) -> bool:
        return len(self.paths) >= _UNIT or self.bytes >= _UNIT_BYTES

    def of(self, place: int) -> Document | None:
        """Return a document of an earlier request, None if nobody has read it."""
        if self.coming is None:
            return None
        try:
            sent = self.coming.result()[place]
        except BrokenExecutor:
            return None
        return None if sent is None else unpacked(sent)


class Readers:
    """Processes that read; none is started before there is enough to be read."""

    def __init__(self, processes: int) -> None:
        """Start nothing yet; with no processes nothing is read ahead."""
        self._processes = processes
        self._pool: Executor | None = None
        self._tries = _TRIES

    def ahead(
        self,
        sights: Iterator[Sight],
        place: Location,
        wanted: frozenset[str],
        *,
        takes: Callable[[Sight], bool] = lambda _sight: True,
    ) -> Iterator[tuple[Sight, Document | None]]:
        """Yield sights, with what was read of those that `takes` says are to be read.

        `wanted` are the containers that are taken apart, which are not read here.
        """
        if not self._processes or not isinstance(place, HeldFolder):
            yield from ((sight, None) for sight in sights)
            return
        waiting: deque[tuple[Sight, _Unit, int]] = deque()
        unit, units, under_way, seen = _Unit(), list[_Unit](), 0, 0
        for sight in sights:
            at = -1
            if _is_small(sight) and takes(sight):
                at = len(unit.paths)
                unit.paths.append(sight.found.path)
                unit.bytes += sight.found.size or 0
                under_way += sight.found.size or 0
                seen += 1
            waiting.append((sight, unit, at))
            if unit.is_full():
                units.append(unit)
                unit = _Unit()
            if seen >= _BEGIN:
                for one in units:
                    self._begin(one, place.path, wanted)
                units.clear()
            while len(waiting) > _SIGHTS or (seen >= _BEGIN and under_way > _BYTES):
                first, of, at = waiting.popleft()
                if at >= 0:
                    under_way -= first.found.size or 0
                yield _met(first, of, at, place)
        if seen >= _BEGIN and unit.paths:
            self._begin(unit, place.path, wanted)
        while waiting:
            yield _met(*waiting.popleft(), place)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes; what they were reading is not wanted any more."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self, unit: _Unit, folder: Path, wanted: frozenset[str]) -> None:
        if not self._tries:
            return
        if self._pool is None:
            from archiver.workers import pool_of  # noqa: PLC0415 - only where there is much to be read

            self._pool = pool_of(self._processes)
        try:
            unit.coming = self._pool.submit(read_documents, folder, wanted, unit.paths)
        except BrokenExecutor:  # one was killed: the next unit is for fresh ones, if that does not go on
            self._pool.shutdown(wait=False)
            self._pool = None
            self._tries -= 1


def _is_small(sight: Sight) -> bool:
    found = sight.found
    return sight.decision == "read" and isinstance(found.facts, FileFacts) and found.facts.size < AT_ONCE


def _met(sight: Sight, unit: _Unit, at: int, place: HeldFolder) -> tuple[Sight, Document | None]:
    """Return a sight whose turn it is; the walk has gone on, so that a closer look begins at the place itself."""
    document = unit.of(at) if at >= 0 else None
    if document is not None or sight.decision != "read":
        return sight, document
    return sight._replace(found=place.found_again(sight.found)), None
