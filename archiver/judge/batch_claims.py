"""Claims while the rows of one batch go by: every claim is hashed as its rows come (the laws stand in `claims`).

>>> reading = BatchClaims(parts, waiting={})
>>> problems = [one.verdict for rows in slices(file) for one in reading.take(rows) if one.verdict.code]
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import field
from typing import Any, Final, NamedTuple

from archiver.judge.batches import Rows
from archiver.late import dataclass

__all__ = ["BatchClaims", "Decided", "OpenClaim", "Part", "PartWords", "Verdict"]

MOST_OPEN: Final = 100_000
"""Claims that wait for their next batch, each about 500 bytes; beyond this they are read again part by part."""


_BIG: Final = 1 << 20


PartWords = tuple[tuple[Any, ...], tuple[Any, ...]]
"""A part and the claim that it is of, as they go to another process: what `Part` and `OpenClaim` are made of."""


@dataclass(frozen=True)
class Part:
    """A range of rows that a claim names; `carries` is the SHA-256 of the item text that these rows have.

    The bytes of all rows of a `sealed` part are withheld, or came out of a sealed object.
    """

    claim: int
    ordinal: int
    batch: str
    first: int
    count: int
    carries: bytes
    sealed: int


@dataclass(frozen=True)
class Verdict:
    """What came of a claim: `code` None when its rows bear it out, "withheld" when bytes are not here to tell.

    Of a withheld item of one row the digest is known all the same: it is `actual`, and the expected one. `batch` is
    where its row lies, None for a claim of several.
    """

    claim: int
    place: str
    item: str
    code: str | None
    expected: str = ""
    actual: str = ""
    batch: str | None = None


@dataclass
class OpenClaim:
    """A claim whose rows are going by; large runs of bytes are hashed by `beside`."""

    beside: Executor | None
    claim: int
    place: str
    item: str
    sha256: str
    size: int
    parts: int
    next_ordinal: int = 0
    offset: int = 0
    withheld: bool = False
    sole: bytes | None = None
    """SHA-256 of the one row that is all of the item, where that row is withheld."""
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    row: str | None = None
    """The batch of its row, where the claim is of one, and the SHA-256 of that row."""
    known: bytes = b""
    _hashing: Future[None] | None = None

    def take(self, part: Part, rows: Rows) -> Verdict | None:
        """Take the rows of a part that lie in `rows`; return a verdict as soon as one is wrong."""
        first = max(part.first - rows.first, 0)
        after = min(part.first + part.count - rows.first, len(rows.lengths))
        row = rows.first + first
        if rows.digests[first:after].count(part.carries) != after - first:
            wrong = next(place for place in range(first, after) if rows.digests[place] != part.carries)
            return self._bad(
                f"rows of this item in {part.batch}", f"{rows.texts[wrong][:200]} in record {rows.first + wrong}"
            )
        offsets = list(itertools.accumulate(rows.lengths[first:after], initial=self.offset))
        if offsets[:-1] != rows.offsets[first:after]:
            return self._bad(
                f"offset {self.offset} at record {row} of {part.batch} and on without gap", "other offsets"
            )
        self.offset = offsets[-1]
        if part.sealed and not (rows.withheld.keys() | rows.opened).issuperset(range(first, after)):
            return self._bad(f"rows of {part.batch} whose bytes are withheld", "rows with their bytes")
        self._hide(part, rows, range(first, after))
        if self.row is None:
            self._hash(rows.data[rows.bounds[first] : rows.bounds[after]])
        else:
            self.known = rows.raws[first]
        return None

    def _hash(self, data: memoryview) -> None:
        """Take bytes into the digest, many of them beside what the caller does next: that needs no interpreter."""
        self._settle()
        if self.beside is None or len(data) < _BIG:
            self.digest.update(data)
        else:
            self._hashing = self.beside.submit(self.digest.update, data)

    def _settle(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None

    def _hide(self, part: Part, rows: Rows, places: range) -> None:
        if not rows.withheld or not any(place in rows.withheld for place in places):
            return
        self.withheld = True
        if self.parts == 1 and part.count == 1:
            self.sole = rows.withheld[places[0]]

    def finish(self) -> Verdict:
        """Say what came of the claim now that all its rows are here."""
        self._settle()
        if self.offset != self.size:
            return self._verdict("item-sha256", f"{self.size} bytes", f"{self.offset} bytes")
        if self.sole is not None:  # the digest of the row, which its leaf has, is that of the whole item
            code = "withheld" if self.sole.hex() == self.sha256 else "item-sha256"
            return self._verdict(code, self.sha256, self.sole.hex())
        if self.withheld:
            return self._verdict("withheld", self.sha256, "bytes that are withheld")
        found = self.digest.hexdigest() if self.row is None else self.known.hex()
        if found != self.sha256:
            return self._verdict("item-sha256", self.sha256, found)
        return self._verdict(None)

    def _bad(self, expected: str, actual: str) -> Verdict:
        return self._verdict("item-parts", expected, actual)

    def _verdict(self, code: str | None, expected: str = "", actual: str = "") -> Verdict:
        return Verdict(self.claim, self.place, self.item, code, expected, actual, self.row)


class Decided(NamedTuple):
    """A verdict, and its place among those that the same rows decide: the first row of its part, and its claim."""

    order: tuple[int, int]
    verdict: Verdict


class BatchClaims:
    """The claims that have rows in one batch, but for those of one row, while its rows go by."""

    def __init__(self, parts: Iterator[tuple[Part, OpenClaim]], waiting: dict[int, OpenClaim]) -> None:
        """Begin before the first row; `parts` are those in the batch by their first row, `waiting` began before it."""
        self._waiting = waiting
        self._parts = parts
        self._next = next(self._parts, None)
        self._active: list[Part] = []

    def take(self, rows: Rows) -> Iterator[Decided]:
        """Take the next rows; yield the verdict of each claim that is decided by them."""
        after = rows.first + len(rows.lengths)
        active, self._active = self._active, []
        for part in active:
            for verdict in self._feed(part, rows, after):
                yield Decided((part.first, part.claim), verdict)
        for part, fresh in self._begun(after):
            if self._begin(part, fresh):
                for verdict in self._feed(part, rows, after):
                    yield Decided((part.first, part.claim), verdict)

    def _begun(self, after: int) -> Iterator[tuple[Part, OpenClaim]]:
        while self._next is not None and self._next[0].first < after:
            yield self._next
            self._next = next(self._parts, None)

    def _begin(self, part: Part, fresh: OpenClaim) -> bool:
        """Begin a part; one that does not follow the part before it makes its claim odd."""
        if part.ordinal == 0 and part.claim not in self._waiting and len(self._waiting) < MOST_OPEN:
            self._waiting[part.claim] = fresh
        opened = self._waiting.get(part.claim)
        if opened is None or opened.next_ordinal != part.ordinal:
            self._waiting.pop(part.claim, None)
            return False
        return True

    def _feed(self, part: Part, rows: Rows, after: int) -> Iterator[Verdict]:
        opened = self._waiting.get(part.claim)
        if opened is None:
            return
        problem = opened.take(part, rows)
        if problem is not None:
            del self._waiting[part.claim]
            yield problem
        elif part.first + part.count > after:
            self._active.append(part)
        else:
            yield from self._end(opened)

    def _end(self, opened: OpenClaim) -> Iterator[Verdict]:
        opened.next_ordinal += 1
        if opened.next_ordinal == opened.parts:
            del self._waiting[opened.claim]
            yield opened.finish()
