"""Small documents, read by other processes while this one accounts for those before them.

The law: what comes out are the sights that went in, in their order, each with its document where another process has
read it. All others are read here, at their turn: those of a process that was killed, too. So the processes decide how
long a run takes and nothing else. What waits is bounded: sights by number, documents by the memory of the processes.

Sights beside each other whose documents were read at one go have one `Turn`, so that whoever takes it may do the same
with all of them at one go, too.

>>> with Readers(2) as readers:
...     for turn in readers.ahead(sights, place, wanted):
...         for sight, document in turn.one_by_one():
...             ...
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final, NamedTuple, Self

from archiver.companion import EndedError, has_memfd
from archiver.flows.snapshot.sight import Sight
from archiver.late import dataclass
from archiver.sources.apart import UNIT_BYTES, Apart, Asked, Request, Told
from archiver.sources.base import FileFacts
from archiver.sources.documents import AT_ONCE, Document
from archiver.sources.location import HeldFolder, Location

__all__ = ["BEGIN", "Readers", "Turn"]

BEGIN: Final = 512
"""Documents that must be in sight before a process is started; they are read here, which takes as long as to start."""
_TRIES: Final = 3
_UNIT: Final = 128
_SLOTS: Final = 32
"""Units that are read or wait to be taken, of all processes together; each process has at least two."""
_EARLY: Final = 352 if has_memfd() else 0
_EARLY_BYTES: Final = 112 << 20
"""So many units more may be read before the first is to be taken, as long as they are no more than so many bytes."""
_SIGHTS: Final = 4096


@dataclass(eq=False)
class _Unit:
    """Documents that are read by one process at one go."""

    documents: list[Asked] = field(default_factory=list)
    bytes: int = 0
    asked: Request | None = None

    def is_full(self) -> bool:
        return len(self.documents) >= _UNIT or self.bytes >= UNIT_BYTES

    def add(self, asked: Asked, size: int) -> int:
        """Take in a document, and return its number here."""
        self.documents.append(asked)
        self.bytes += size
        return len(self.documents) - 1

    def request(self) -> Request | None:
        """Return what was asked for and is there, waited for; None where nobody has read it."""
        try:
            return self.asked if self.asked is not None and self.asked.told() is not None else None
        except EndedError:
            return None


class Turn(NamedTuple):
    """Sights whose turn it is; `place` is where they were seen."""

    sights: list[Sight]
    place: HeldFolder | None = None
    read: Request | None = None
    """What was read at one go: the documents of these sights from the number `first` on."""
    first: int = 0

    def told(self) -> Told | None:
        """Return what is known of the documents that were read, None if none was."""
        return None if self.read is None else self.read.told()

    def one(self, number: int) -> tuple[Sight, Document | None]:
        """Return one of the sights, and its document if it was read.

        A closer look begins at the place itself, as the walk has gone on.
        """
        sight = self.sights[number]
        document = None if self.read is None else self.read.document(self.first + number)
        if self.place is not None and sight.decision == "read":
            sight = sight._replace(found=self.place.found_again(sight.found))
        return sight, document

    def one_by_one(self) -> Iterator[tuple[Sight, Document | None]]:
        """Yield all of them."""
        return map(self.one, range(len(self.sights)))


@dataclass(eq=False)
class _Waiting:
    """Sights beside each other of the documents of one unit from a number on, or one sight of no unit."""

    sights: list[Sight]
    unit: _Unit | None = None
    first: int = 0


class Readers:
    """Processes that read; none is started before there is enough to be read."""

    def __init__(self, processes: int) -> None:
        """Start nothing yet; with no processes nothing is read ahead."""
        self._most = processes
        self._slots, self._early = max(2, _SLOTS // max(processes, 1)), _EARLY // max(processes, 1)
        """Units that one process reads in the capture, and so many more before that."""
        self._tries = _TRIES
        self.early: deque[_Unit] = deque()
        """Units that were asked for early; of the first the sights of so many documents have come."""
        self._matched = 0
        self._filling, self._early_bytes = _Unit(), 0
        self.processes: deque[Apart] = deque()
        """Those that run, the one that is asked next at first."""

    def ahead(
        self,
        sights: Iterator[Sight],
        place: Location,
        wanted: frozenset[str],
        *,
        takes: Callable[[Sight], bool] = lambda _sight: True,
    ) -> Iterator[Turn]:
        """Yield sights, with what was read of those that `takes` says are to be read.

        `wanted` are the containers that are taken apart, which are not read here.
        """
        if not isinstance(place, HeldFolder):
            return (Turn([sight]) for sight in sights)
        if not self._most:
            return (Turn([sight], place) for sight in sights)
        return _Ahead(self, place, wanted).of(sights, takes)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes; what they were reading is not wanted any more."""
        for process in self.processes:
            process.close()

    def next(self, *, leave: int = 0) -> Apart | None:
        """Return the process whose turn it is; None if it has to `leave` its room, or they have been killed too often.

        Where the system starts no more, those that run are enough.
        """
        if not self.processes and self._tries:
            self._tries -= 1
            self._start()
        return self.processes[0] if self.processes and self.processes[0].room > leave else None

    def _start(self) -> None:
        """Start processes: without room for what is read early where so much memory may not be had, used or not."""
        for early in dict.fromkeys((self._early, 0)):
            with suppress(OSError):
                self.processes.extend(Apart(self._slots, early) for _ in range(self._most))
            if self.processes:
                self._early = early
                return

    def ask(self, unit: _Unit, folder: Path, wanted: frozenset[str], *, early: bool = False) -> bool:
        """Ask for a unit; say whether there was room for it. Those that are asked early are the first to be taken."""
        while (process := self.next(leave=0 if early else self._early)) is not None:
            try:
                unit.asked = process.ask(folder, wanted, unit.documents)
            except EndedError:
                self.end(process)
                continue
            self.processes.rotate(-1)
            return True
        return False

    def ask_early(self, sights: Iterable[Sight], folder: Path, wanted: frozenset[str]) -> bool:
        """Ask for the documents of sights whose turn comes later, behind those before; say whether for more, too."""
        for sight in sights:
            if _is_small(sight):
                self._filling.add(_asked_of(sight), sight.found.size or 0)
                if self._filling.is_full():
                    unit, self._filling = self._filling, _Unit()
                    self._early_bytes += unit.bytes
                    if self._early_bytes > _EARLY_BYTES or not self.ask(unit, folder, wanted, early=True):
                        return False
                    self.early.append(unit)
        return True

    def early_one(self, asked: Asked) -> tuple[_Unit, int] | None:
        """Return the unit that a document was read in early, and its number there; None where it was not.

        Then others have come than were seen, and nothing that is left of it is wanted: a fresh process is.
        """
        if not self.early:
            return None
        unit, number = self.early[0], self._matched
        if unit.documents[number] != asked:
            self.early.clear()
            for process in list(self.processes):
                self.end(process)
            return None
        self._matched += 1
        if self._matched == len(unit.documents):
            self.early.popleft()
            self._matched = 0
        return unit, number

    def end(self, process: Apart) -> None:
        """Go on without a process that was killed; when there is none left, with fresh ones, if that does not go on."""
        process.close()
        self.processes.remove(process)


class _Ahead:
    """One way through a source."""

    def __init__(self, readers: Readers, place: HeldFolder, wanted: frozenset[str]) -> None:
        self._readers = readers
        self._place = place
        self._wanted = wanted
        self._waiting: deque[_Waiting] = deque()
        self._filling = _Unit()
        self._queue: deque[_Unit] = deque()
        """Units that nobody was asked for yet."""
        self._current: _Unit | None = None

    def of(self, sights: Iterator[Sight], takes: Callable[[Sight], bool]) -> Iterator[Turn]:
        waiting, count, seen = self._waiting, 0, 0
        while some := list(itertools.islice(sights, _UNIT)):  # in turn they would cost more, one by one
            for sight in some:
                if _is_small(sight) and takes(sight):
                    seen += 1
                    self._add(sight)
                    if self._filling.is_full():
                        self._close(is_read_here=seen <= BEGIN)
                else:
                    waiting.append(_Waiting([sight]))
            count += len(some)
            while count > _SIGHTS:
                turn = self._take()
                count -= len(turn.sights)
                yield turn
        self._close(is_read_here=seen <= BEGIN)
        while waiting:
            yield self._take()
        if self._current is not None and self._current.asked is not None:
            self._current.asked.end()

    def _add(self, sight: Sight) -> None:
        """Let a sight wait for its document."""
        asked = _asked_of(sight)
        early = self._readers.early_one(asked)
        unit, number = early or (self._filling, self._filling.add(asked, sight.found.size or 0))
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.unit is unit:
            last.sights.append(sight)
        else:
            self._waiting.append(_Waiting([sight], unit, number))

    def _close(self, *, is_read_here: bool) -> None:
        if self._filling.documents and not is_read_here:
            self._queue.append(self._filling)
            self._ask()
        self._filling = _Unit()

    def _ask(self) -> None:
        """Ask for the next units as far as there is room for them."""
        while self._queue and self._readers.ask(self._queue[0], self._place.path, self._wanted):
            self._queue.popleft()

    def _take(self) -> Turn:
        """Return the sights whose turn it is."""
        one = self._waiting.popleft()
        if one.unit is None:
            return Turn(one.sights, self._place)
        if one.unit is not self._current:
            self._turn_to(one.unit)
        return Turn(one.sights, self._place, one.unit.request(), one.first)

    def _turn_to(self, unit: _Unit) -> None:
        """Go on with the next unit; one that nobody was asked for by now is read here."""
        if self._current is not None and self._current.asked is not None:
            self._current.asked.end()
        self._current = unit
        if unit is self._filling:
            self._filling = _Unit()
        elif self._queue and self._queue[0] is unit:
            self._queue.popleft()
        self._ask()


def _is_small(sight: Sight) -> bool:
    """Say whether a document is to be read in one piece."""
    found = sight.found
    return sight.decision == "read" and isinstance(found.facts, FileFacts) and found.facts.size < AT_ONCE


def _asked_of(sight: Sight) -> Asked:
    """Return what is asked for."""
    return sight.found.path, sight.item.text(), sight.observed_at
