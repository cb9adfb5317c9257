"""Between which two instants each entry of the log was made, as authorities bear witness (FORMAT.md, Timestamps).

Laws: a token that was entered before an entry existed before it, so the entry is not older than the token; a token over
a checkpoint that covers an entry proves that the entry was there. Neither rests on who signed the statement about the
token: the log's own hashes bind both. A lower bound is rounded down, an upper one up. Only tokens that passed check 3
count.

>>> Brackets([Stamp(entry=3, size=3, earliest="2026-11-23T12:00:00Z", latest="2026-11-23T12:00:01Z")]).of(2)
Bracket(not_before=None, not_after='2026-11-23T12:00:01Z')
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from archiver.late import dataclass

__all__ = ["OPEN", "Bracket", "Brackets", "Stamp"]


@dataclass(frozen=True)
class Bracket:
    """Instants that an entry lies between, both included; None where no timestamp says anything."""

    not_before: str | None
    not_after: str | None

    def ends_before(self, instant: str) -> bool:
        """Say whether it is proved that the entry was there before an instant."""
        return self.not_after is not None and self.not_after < instant


OPEN = Bracket(None, None)
"""The bracket of what no timestamp speaks about."""


class Stamp(NamedTuple):
    """A good token: the entry that names it, the size of the log it was made over, its time rounded both ways."""

    entry: int
    size: int
    earliest: str
    latest: str


class Brackets:
    """The brackets of all entries of a log."""

    def __init__(self, stamps: Iterable[Stamp] = ()) -> None:
        """Take the good tokens, in any order; instants in their one spelling sort by time."""
        by_entry = sorted(stamps, key=lambda stamp: stamp.entry)
        self._entered = [stamp.entry for stamp in by_entry]
        self._newest = list(accumulate((stamp.earliest for stamp in by_entry), max))
        by_size = sorted(by_entry, key=lambda stamp: stamp.size, reverse=True)
        self._sizes = [-stamp.size for stamp in by_size]
        self._oldest = list(accumulate((stamp.latest for stamp in by_size), min))

    def of(self, entry_index: int) -> Bracket:
        """Return the bracket of the entry at a position."""
        before = bisect_left(self._entered, entry_index)
        covering = bisect_right(self._sizes, -(entry_index + 1))
        return Bracket(
            not_before=self._newest[before - 1] if before else None,
            not_after=self._oldest[covering - 1] if covering else None,
        )
