"""Numbers of rows or files, of which there may be millions: one bit each.

>>> numbers = NumberSet()
>>> numbers.update([1, 3])
>>> 3 in numbers, list(numbers.missing(1, 5))
(True, [2, 4])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["NumberSet"]

_ALL = 0xFF


class NumberSet:
    """A set of numbers that are not negative."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bits = bytearray()

    def update(self, numbers: Iterable[int]) -> None:
        """Add numbers."""
        for number in numbers:
            if number >> 3 >= len(self._bits):
                self._bits.extend(bytes((number >> 3) + 1))  # twice as much, so that this is rare
            self._bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        return number >> 3 < len(self._bits) and bool(self._bits[number >> 3] & 1 << (number & 7))

    def missing(self, first: int, after: int) -> Iterator[int]:
        """Yield the numbers from `first` to before `after` that are not in it when their turn comes."""
        number = first
        while number < after:
            if number & 7 == 0 and number >> 3 < len(self._bits) and self._bits[number >> 3] == _ALL:
                number += 8
                continue
            if number not in self:
                yield number
            number += 1
