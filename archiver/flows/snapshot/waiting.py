"""Lines that wait for the batch that holds their rows: in packs, as soon as there are enough for one.

So they take a tenth of the memory, and when the batch is at its end little is left to be done before it is on record.

>>> waiting = Waiting(journal, beforehand.take)
>>> waiting.add(lines)
>>> journal.enter(batch, waiting.take())
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from archiver.writer.journal import Journal
from archiver.writer.journal_words import Line
from archiver.writer.line_packs import FEWEST, MOST, LinePack, Packed, in_packs

__all__ = ["Waiting"]


class Waiting:
    """The lines of one stream."""

    def __init__(self, journal: Journal, packed: Callable[[Packed, LinePack], None]) -> None:
        """Begin with none; the journal says whether it keeps some together, and of each pack `packed` is told."""
        self._journal = journal
        self._tell = packed
        self._packed: list[Line | Packed] = []
        self._last: list[Line] = []
        self._begun: list[LinePack] = []
        """Those behind all others, which may grow to one pack."""
        self._begun_count = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lines: Iterable[Line]) -> None:
        """Let more lines wait."""
        self._settle()
        before = len(self._last)
        self._last += lines
        self._count += len(self._last) - before
        if self._journal.may_pack and len(self._last) >= MOST:
            self._pack_last()

    def add_alike(self, lines: LinePack) -> None:
        """Let lines wait that are for one pack: nothing is made of each, where the journal keeps some together."""
        if not self._journal.may_pack:
            self.add(lines.lines())
            return
        if self._begun and self._begun[0].kind != lines.kind:
            self._settle()
        self._begun.append(lines)
        self._begun_count += len(lines.raws)
        self._count += len(lines.raws)
        if self._begun_count >= MOST:
            self._settle(goes_on=True)

    def _settle(self, *, goes_on: bool = False) -> None:
        """Make packs of those that may be in one; few of them become lines like all others, if nothing `goes_on`."""
        if not self._begun:
            return
        begun = LinePack.joined(self._begun)
        self._begun, self._begun_count = [], 0
        for first in range(0, len(begun.raws), MOST):
            some = begun.between(first, first + MOST)
            if goes_on and len(some.raws) < MOST:
                self._begun, self._begun_count = [some], len(some.raws)
            elif len(some.raws) < FEWEST:
                self._last += some.lines()
            else:
                self._pack_last()
                pack = Packed.of(some)
                self._packed.append(pack)
                self._tell(pack, some)

    def _pack_last(self) -> None:
        for some in in_packs(self._last):
            self._packed += [some] if isinstance(some, Packed) else some
        self._last = []

    def take(self) -> list[Line | Packed]:
        """Return all of them in their order; none waits any more."""
        self._settle()
        taken = [*self._packed, *self._last]
        self._packed, self._last, self._count = [], [], 0
        return taken
