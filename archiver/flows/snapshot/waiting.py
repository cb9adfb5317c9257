"""Lines that wait for the batch that holds their rows: in packs, as soon as there are enough for one.

So they take a tenth of the memory, and when the batch is at its end little is left to be done before it is on record.

>>> waiting = Waiting(journal)
>>> waiting.add(lines)
>>> journal.enter(batch, waiting.take())
"""

from __future__ import annotations

from collections.abc import Iterable

from archiver.writer.journal import Journal
from archiver.writer.journal_words import Line
from archiver.writer.line_packs import MOST, Packed, in_packs

__all__ = ["Waiting"]


class Waiting:
    """The lines of one stream."""

    def __init__(self, journal: Journal) -> None:
        """Begin with none; the journal says whether it keeps some together."""
        self._journal = journal
        self._packed: list[Line | Packed] = []
        self._last: list[Line] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lines: Iterable[Line]) -> None:
        """Let more lines wait."""
        before = len(self._last)
        self._last += lines
        self._count += len(self._last) - before
        if self._journal.may_pack and len(self._last) >= MOST:
            for some in in_packs(self._last):
                self._packed += [some] if isinstance(some, Packed) else some
            self._last = []

    def take(self) -> list[Line | Packed]:
        """Return all of them in their order; none waits any more."""
        taken = [*self._packed, *self._last]
        self._packed, self._last, self._count = [], [], 0
        return taken
