"""How many items a look has come past, told many at once: to tell of each would cost as much as to look at it.

>>> telling = Telling(listener)
>>> telling.one()
>>> telling.rest()
"""

from __future__ import annotations

from typing import Final

from archiver.events import Advanced, Listener

__all__ = ["Telling"]

_AT_ONCE: Final = 64


class Telling:
    """Counts items, and tells a listener of them."""

    def __init__(self, listener: Listener) -> None:
        """Begin with none."""
        self._listener = listener
        self._untold = 0

    def one(self) -> None:
        """Count an item."""
        self._untold += 1
        if self._untold == _AT_ONCE:
            self.rest()

    def many(self, items: int) -> None:
        """Count some items at once."""
        self._untold += items
        if self._untold >= _AT_ONCE:
            self.rest()

    def rest(self) -> None:
        """Tell of those that were counted since the last time."""
        self._listener(Advanced(self._untold))
        self._untold = 0
