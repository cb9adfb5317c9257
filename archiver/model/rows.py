r"""Rows beside each other, as the bytes that they are together and the length of each.

A log has hundreds of thousands of rows, and what is done with most of them needs only this: a row is made when somebody
asks for it.

>>> rows = Rows.of([b"one\n", b"two"])
>>> rows.data, rows.lengths, rows[1], list(rows[:1])
(b'one\ntwo', [4, 3], b'two', [b'one\n'])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import overload

__all__ = ["Rows"]


class Rows(Sequence[bytes]):
    """Rows beside each other; `lengths` are those of `data`, all of it."""

    __slots__ = ("data", "lengths")

    def __init__(self, data: bytes, lengths: list[int]) -> None:
        """Take the bytes of all rows, and how long each is."""
        if sum(lengths) != len(data):
            raise ValueError(f"rows: expected {sum(lengths)} bytes, found {len(data)}")
        self.data = data
        self.lengths = lengths

    @classmethod
    def of(cls, rows: Sequence[bytes]) -> Rows:
        """Put rows together, unless they are; one alone is not copied."""
        if isinstance(rows, Rows):
            return rows
        return cls(rows[0] if len(rows) == 1 else b"".join(rows), list(map(len, rows)))

    def __len__(self) -> int:
        return len(self.lengths)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        return (self.data, self.lengths) == (other.data, other.lengths)

    def __hash__(self) -> int:
        return hash(self.data)

    def __iter__(self) -> Iterator[bytes]:
        if len(self.lengths) == 1:
            return iter((self.data,))
        data = self.data
        return (data[begin:end] for begin, end in pairwise(accumulate(self.lengths, initial=0)))

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> Rows: ...

    def __getitem__(self, place: int | slice) -> bytes | Rows:
        if isinstance(place, slice):
            first, after, step = place.indices(len(self.lengths))
            if step != 1:
                raise ValueError(f"rows: expected some beside each other, found a step of {step}")
            lengths = self.lengths[first:after]
            begin = sum(self.lengths[:first])
            return Rows(self.data[begin : begin + sum(lengths)], lengths)
        number = range(len(self.lengths))[place]
        begin = sum(self.lengths[:number])
        return self.data[begin : begin + self.lengths[number]]
