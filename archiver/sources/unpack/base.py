"""What a container gives, from what, and how much of it.

The laws:

1. A container yields its members in its own order. A member's bytes are read before the next member is asked for.
2. What is wrong with one member is its `problem`, or a `StoppedError` while its bytes come. What is wrong with the
   container is a `StoppedError` of the iteration: from there on nothing is known. Nothing is passed over silently.
3. Sizes in headers are not believed: what is counted is what came out. One `Budget` is for a file of the source and
   all that is inside it, however deep. Memory does not depend on what is inside.

>>> b"".join(span(Piece(b"0123456789"), 2, 5))
b'23456'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from archiver.late import dataclass
from archiver.sources.base import Problem
from archiver.sources.compressed import STEP, StoppedError

__all__ = ["FREE", "LONGEST_NAME", "Budget", "Bytes", "Member", "Piece", "UnpackLimits", "exactly", "span"]

LONGEST_NAME: Final = 16_384
"""Bytes of a name that are kept; an item's text must stay readable, and the ordinal tells members apart anyway."""

FREE: Final = 1 << 30
"""So many bytes may come out whatever the ratio, as of a compressed log."""


class Bytes(Protocol):
    """Bytes to be read at any place."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `size` only at the end."""


@dataclass(frozen=True)
class Piece:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.data)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset` on."""
        return self.data[offset : offset + size]


@dataclass(frozen=True)
class Member:
    """Something inside a container. `kind` is as in a line of `items`; `size` is as declared, None where nothing is.

    `inner` and `message` have bytes; the others are on record, with what a link leads to in `note`.
    """

    ordinal: int
    name: bytes
    blocks: Callable[[], Iterable[bytes]]
    size: int | None = None
    modified_ns: int | None = None
    kind: str = "inner"
    note: str | None = None
    problem: Problem | None = None


@dataclass(frozen=True)
class UnpackLimits:
    """How deep, how many members, how many bytes, and how many times the bytes of the file beyond the first GiB."""

    depth: int = 8
    members: int = 1_000_000
    total: int = 1 << 40
    ratio: int = 1000


class Budget:
    """What may still come out of one file of the source."""

    def __init__(self, limits: UnpackLimits, packed: int) -> None:
        """Begin with nothing spent; `packed` is the size of the file."""
        self._limits = limits
        self._most = min(limits.total, max(FREE, limits.ratio * packed))
        self._members = 0
        self._size = 0
        self._spent: StoppedError | None = None

    def member(self) -> None:
        """Count a member; `StoppedError` when there may be no more, or no more bytes."""
        if self._spent is not None:
            raise self._spent
        self._members += 1
        if self._members > self._limits.members:
            words = f"expected at most {self._limits.members} members in one file, found more"
            self._spent = StoppedError("too-many-members", words)
            raise self._spent

    def counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass bytes on as long as they may come."""
        for block in blocks:
            allowed = block[: self._most - self._size]
            self._size += len(allowed)
            if allowed:
                yield allowed
            if len(allowed) < len(block):
                words = f"expected at most {self._most} bytes out of one file, found more"
                self._spent = StoppedError("too-large", words)
                raise self._spent


def span(file: Bytes, offset: int, length: int) -> Iterator[bytes]:
    """Yield `length` bytes from `offset` on, fewer only at the end, in pieces of at most 1 MiB."""
    while length and (piece := file.read_at(offset, min(length, STEP))):
        yield piece
        offset += len(piece)
        length -= len(piece)


def exactly(file: Bytes, offset: int, size: int, what: str) -> bytes:
    """Return `size` bytes, or `StoppedError` where there are fewer."""
    found = file.read_at(offset, size)
    if len(found) < size:
        raise StoppedError("truncated", f"byte {offset}: expected {size} bytes of {what}, found {len(found)}")
    return found
