"""How much of a log the archive has already, so that a log which grew or was rotated yields only its new records.

    1  candidates: what was last archived under this name, and under names of its family whose file is not there as it
       was any more: moved away, replaced or written to, since it may have been copied and cut, and be longer again;
       for what a compressed log holds, under all names of its family
    2  the file's first bytes are hashed once, up to the size of each candidate; the longest whose SHA-256 is met counts
    3  a last record without its terminator that goes on now is left out of the rows, and captured again from its first
       byte (FORMAT.md, Records)

Names, times and inodes only say where to look; that bytes are the same is decided by their hash.

>>> begun = longest(opened.blocks(), candidates)
>>> begun.size, begun.more
(48123, True)
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

from archiver.late import dataclass
from archiver.model.item import Item
from archiver.model.items import CONTENT_STATUSES, ItemLine, Part
from archiver.model.leaf import LOG_ROW
from archiver.sources.location import Location
from archiver.sources.rotation import family

__all__ = ["Beginning", "candidates", "longest", "shared_parts", "without_last"]

_MOST = 16  # candidates of a family: one generation back is the rule, a handful after a long pause


@dataclass(frozen=True)
class Beginning:
    """The first `size` bytes of an item as rows in the archive, and the state of the item's SHA-256 behind them.

    `more` says that bytes follow; `known` is the line they were archived under. `has_own` says whether what was last
    archived under the item's own name is among them.
    """

    size: int
    digest: hashlib._Hash
    parts: tuple[Part, ...]
    more: bool
    known: ItemLine
    has_own: bool = False


def shared_parts(known: ItemLine, item: Item) -> tuple[Part, ...]:
    """Return the rows of an archived item as parts of another line, naming the item that the rows carry."""
    shared = (replace(part, of=part.of or known.item) for part in known.parts)
    return tuple(replace(part, of=None) if part.of == item else part for part in shared)


def candidates(item: Item, own: ItemLine | None, relatives: Iterable[ItemLine], location: Location) -> list[ItemLine]:
    """Return what the archive may have of an item: its own last line, and relatives that are not as they were.

    Of what is inside a compressed log, the log that was compressed may still be there as it was.
    """
    found = [own] if own is not None and _has_log_rows(own) else []
    name = family(item.path)
    others = [
        line for line in relatives if line.item != item and _has_log_rows(line) and family(line.item.path) == name
    ]
    moved = list(itertools.islice((line for line in others if not location.stays(line)), _MOST))
    stays = [line for line in others if line not in moved][:_MOST] if item.members else []
    return [*found, *moved, *stays]


def longest(blocks: Iterable[bytes], archived: Sequence[ItemLine], item: Item) -> Beginning | None:
    """Return the longest of the archived items that these bytes begin with, None when they begin with none of them.

    Memory is one block. No more than one block behind the longest candidate is read.
    """
    by_size: dict[int, list[ItemLine]] = {}
    for line in archived:
        by_size.setdefault(line.size or 0, []).append(line)
    reading = _Reading(iter(blocks))
    best: Beginning | None = None
    has_own = False
    for size in sorted(by_size):
        if not reading.advance(size):
            break
        spelled = reading.digest.hexdigest()
        met = [line for line in by_size[size] if line.sha256 == spelled]
        if met:
            has_own = has_own or any(line.item.path == item.path for line in met)
            best = _begun(reading, met[0], item)
    return None if best is None else replace(best, has_own=has_own)


class _Reading:
    """Bytes going by: their hash, and where the last record began whose end has not been seen."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self.size = 0
        self.digest = sha256()
        self.record = (0, sha256())

    def advance(self, size: int) -> bool:
        """Go on to a size; False when there are fewer bytes."""
        while self.size < size:
            if not self._fill():
                return False
            taken = self._rest[: size - self.size]
            self._rest = self._rest[len(taken) :]
            self._take(bytes(taken))
        return True

    def more(self) -> bool:
        """Say whether bytes follow."""
        return self._fill()

    def _fill(self) -> bool:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._rest = memoryview(block)
        return True

    def _take(self, data: bytes) -> None:
        ended = data.rfind(b"\n") + 1
        if ended:
            self.digest.update(data[:ended])
            self.record = (self.size + ended, self.digest.copy())
            data, self.size = data[ended:], self.size + ended
        self.digest.update(data)
        self.size += len(data)


def _begun(reading: _Reading, known: ItemLine, item: Item) -> Beginning:
    parts, more = shared_parts(known, item), reading.more()
    size, digest = reading.size, reading.digest.copy()
    begins, before = reading.record
    if more and begins < size:
        parts = without_last(parts, (size - begins) // LOG_ROW + 1)  # law 2 and 3 of cutting records
        size, digest = begins, before.copy()
    return Beginning(size, digest, parts, more, known)


def without_last(parts: tuple[Part, ...], rows: int) -> tuple[Part, ...]:
    """Return parts without their last rows."""
    kept = list(parts)
    while rows:
        last = kept.pop()
        if last.count > rows:
            kept.append(replace(last, count=last.count - rows))
        rows -= min(rows, last.count)
    return tuple(kept)


def _has_log_rows(line: ItemLine) -> bool:
    return line.table == "model_logs" and line.status in CONTENT_STATUSES and bool(line.size)
