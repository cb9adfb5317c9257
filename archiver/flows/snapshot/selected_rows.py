r"""What a selection shares with an earlier one: the beginning of the log, and the rows that were kept of it.

Two halves. `beginnings` hashes a log's first bytes and says which earlier readings it begins with. `Feeding` takes the
records that a rule keeps and hands on those that are new; the first ones must come out as the bytes that were kept
then, else `OtherRecordsError` says that nothing can be shared: another dialect, or another version of this program.

>>> beginnings([b"one\ntw", b"o\n"], [line_of_6_bytes])
[(ItemLine(...), b'tw')]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from hashlib import sha256
from typing import Self

from archiver.flows.snapshot.beginnings import Beginning, shared_parts, without_last
from archiver.flows.snapshot.stream import Captured, Stream
from archiver.late import dataclass
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.leaf import LOG_ROW
from archiver.writer.rows import Facts

__all__ = ["Before", "Feeding", "Measured", "OtherRecordsError", "beginnings"]


@dataclass
class Measured:
    """Bytes going by: how many, and their hash."""

    size: int = 0
    digest: hashlib._Hash = field(default_factory=sha256)

    def through(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass blocks on and count them."""
        for block in blocks:
            self.digest.update(block)
            self.size += len(block)
            yield block


@dataclass(frozen=True)
class Before:
    """An earlier reading that the log begins with: its line, what was kept, and the record that had no end then."""

    log: ItemLine
    kept: ItemLine
    fragment: bytes

    @property
    def size(self) -> int:
        """Bytes that were kept of finished records."""
        return (self.kept.size or 0) - len(self.fragment)

    def rows(self, item: Item) -> Beginning:
        """Return the rows of finished records as the beginning of an item; its hash is filled in while reading."""
        parts = shared_parts(self.kept, item)
        if self.fragment:
            parts = without_last(parts, len(self.fragment) // LOG_ROW + 1)
        return Beginning(self.size, sha256(), parts, more=True, known=self.kept)


class OtherRecordsError(Exception):
    """What was kept of the log's beginning is not what the rule keeps of it now; caught where it is read."""


class Feeding:
    """Hands kept records on, those of an earlier reading left out as long as they are the same bytes."""

    def __init__(self, stream: Stream, item: Item, facts: Facts, before: Before | None) -> None:
        """Bind to a stream."""
        self._stream = stream
        self._item = item
        self._facts = facts
        self._before = before if before is not None and before.size else None
        self._empty_before = before if before is not None and before.kept.size == 0 else None
        self._passed = sha256()
        self._left = self._before.size if self._before is not None else 0
        self._begun = False
        self._rows: list[bytes] = []
        self._places: list[int] = []

    def __enter__(self) -> Self:
        """Begin the item, unless what was kept before must be met first."""
        if self._before is None:
            self._begin(None)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Take back what was fed when something went wrong."""
        if kind is not None and self._begun:
            self._stream.revoke()

    def take(self, row: bytes, place: int) -> None:
        """Take a kept record that stood at `place`."""
        if self._left:
            self._pass(row)
        else:
            self._rows.append(row)
            self._places.append(place)

    def flush(self) -> None:
        """Hand on what was taken."""
        if self._rows:
            self._stream.feed(self._rows, places=self._places)
            self._rows, self._places = [], []

    def end(self, *, keep: bool, again: bool) -> Captured | None:
        """Say that the log is at its end; None where all was taken back: not to be kept, or to be read again."""
        if self._left:
            raise OtherRecordsError
        if not keep or (again and self._stream.revocable):
            self._stream.revoke()
            self._begun = False
            return None
        if self._stream.size == 0 and self._empty_before is not None:
            self._stream.revoke()
            self._begun = False
            kept = self._empty_before.kept
            return Captured(0, str(kept.sha256), shared_parts(kept, self._item))
        if self._stream.size == 0:
            self._stream.feed([b""], places=[0])  # an item of no bytes is one empty row
        facts = self._facts._replace(size=self._stream.size, sha256=self._stream.digest())
        self._begun = False
        return self._stream.end(facts)

    def _pass(self, row: bytes) -> None:
        if len(row) > self._left or self._before is None:
            raise OtherRecordsError
        self._passed.update(row)
        self._left -= len(row)
        if self._left == 0:
            whole = self._passed.copy()
            whole.update(self._before.fragment)
            if whole.hexdigest() != self._before.kept.sha256:
                raise OtherRecordsError
            self._begin(replace(self._before.rows(self._item), digest=self._passed))

    def _begin(self, begun: Beginning | None) -> None:
        self._stream.begin(self._item, self._facts, begun)
        self._begun = True


def beginnings(pieces: Iterable[bytes], lines: Sequence[ItemLine]) -> list[tuple[ItemLine, bytes | None]]:
    """Return which lines' bytes these begin with, the longest first, each with the record that had no end there.

    None stands for such a record that is too long to be remembered.
    """
    wanted = sorted({line.size or 0 for line in lines})
    met: list[tuple[ItemLine, bytes | None]] = []
    measured, tail, blocks = Measured(), _Tail(), iter(pieces)
    for block in blocks:
        rest = block
        while wanted and measured.size + len(rest) >= wanted[0]:
            taken, rest = rest[: wanted[0] - measured.size], rest[wanted[0] - measured.size :]
            tail.add(taken)
            measured.digest.update(taken)
            measured.size += len(taken)
            spelled = measured.digest.hexdigest()
            met += [(line, tail.value) for line in lines if line.size == wanted[0] and line.sha256 == spelled]
            del wanted[0]
        if not wanted:
            goes_on = bool(rest) or next(blocks, None) is not None
            return [(line, tail_of) if goes_on or line.size != measured.size else (line, b"") for line, tail_of in met][
                ::-1
            ]
        tail.add(rest)
        measured.digest.update(rest)
        measured.size += len(rest)
    return _longest_first(met, measured.size)


def _longest_first(met: list[tuple[ItemLine, bytes | None]], end: int | None) -> list[tuple[ItemLine, bytes | None]]:
    """Turn the list round; a reading that ended where the log ends now left no record behind that goes on."""
    return [(line, b"" if line.size == end else fragment) for line, fragment in reversed(met)]


class _Tail:
    """The bytes behind the last newline that went by, as long as they are no more than a row."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._too_long = False

    @property
    def value(self) -> bytes | None:
        return None if self._too_long else bytes(self._bytes)

    def add(self, data: bytes) -> None:
        ended = data.rfind(b"\n") + 1
        if ended:
            self._bytes.clear()
            self._too_long = False
        if self._too_long or len(self._bytes) + len(data) - ended >= LOG_ROW:
            self._too_long = True
            return
        self._bytes += data[ended:]
