"""Claims of one row that come in runs of lines, kept as they come: a few large values, held against many rows at once.

Laws: the rows of a run rise; runs of one batch do not overlap; no claim of one row that is kept by itself
(`row_claims`) names a row between the first and the last of a run. Who enters one there takes the run out first. So
does who finds that a run does not fit: what is wrong is said of claims by themselves.

>>> runs.keep("the list record ", run, 1)
>>> [kept.fitting(rows) for kept in runs.over(batch, rows.first, rows.first + len(rows.lengths))]
[100]
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from archiver.judge.batches import Rows
from archiver.judge.scratch import make_tables
from archiver.judge.usual_runs import Run, RunRow, rows_of, texts_of

__all__ = ["KeptRun", "RunClaims", "Span", "WholeClaim"]

_ENDLESS: Final = 1 << 62
_DIGEST: Final = 32
_Value = TypeVar("_Value")
_MOST_FETCHED: Final = 64
_SCHEMA: Final = """
CREATE TABLE run_claims(id INTEGER PRIMARY KEY, batch TEXT NOT NULL, low INTEGER NOT NULL, after INTEGER NOT NULL,
    number INTEGER NOT NULL, claim INTEGER NOT NULL, place TEXT NOT NULL, record INTEGER NOT NULL,
    firsts BLOB NOT NULL, carries BLOB NOT NULL, sha256s BLOB NOT NULL, sizes BLOB NOT NULL, items BLOB NOT NULL);
CREATE INDEX run_claims_by_row ON run_claims(batch, low, after, number)
"""
_OVER: Final = (
    "SELECT id, low, after FROM run_claims WHERE batch = ?1 AND after > ?2 AND low < ?3"
    " AND low >= coalesce((SELECT max(low) FROM run_claims WHERE batch = ?1 AND low <= ?2), ?2) ORDER BY low"
)


WholeClaim = tuple[str, int, bytes, bytes, int, int, str, str]
"""A claim of one row by itself, its members as `RowClaim` has them."""


class Span(NamedTuple):
    """A kept run by its number, its first row and the row after its last."""

    id: int
    low: int
    after: int


class KeptRun(NamedTuple):
    """A run of claims; the first of them is number `claim`, and was made in line `record`."""

    batch: str
    claim: int
    place: str
    record: int
    firsts: array[int]
    carries: bytes
    sha256s: bytes
    sizes: array[int]
    items: bytes

    def fitting(self, rows: Rows) -> int | None:
        """Return how many of its claims are about these rows, all borne out by them; None when one is not, or may not.

        That is so where bytes are withheld.
        """
        start, end = self._within(rows.first, rows.first + len(rows.lengths))
        if start == end:
            return 0
        firsts = self.firsts[start:end]
        places: slice | list[int] = slice(firsts[0] - rows.first, firsts[-1] - rows.first + 1)
        if firsts[-1] - firsts[0] != len(firsts) - 1:  # they rise
            places = [first - rows.first for first in firsts]
        fits = (
            not rows.withheld
            and _at(rows.lengths, places) == self.sizes[start:end].tolist()
            and not any(_at(rows.offsets, places))
            and b"".join(_at(rows.digests, places)) == self.carries[start * _DIGEST : end * _DIGEST]
            and b"".join(_at(rows.raws, places)) == self.sha256s[start * _DIGEST : end * _DIGEST]
        )
        return end - start if fits else None

    def rows(self, low: int = 0, after: int = _ENDLESS) -> list[RunRow]:
        """Return the row of each claim, or of those about some rows of the batch."""
        start, end = self._within(low, after)
        digests = slice(start * _DIGEST, end * _DIGEST)
        return rows_of(self.firsts[start:end], self.carries[digests], self.sha256s[digests], self.sizes[start:end])

    def _within(self, low: int, after: int) -> tuple[int, int]:
        return bisect_left(self.firsts, low), bisect_left(self.firsts, after)

    def claims(self) -> list[WholeClaim]:
        """Return the claims by themselves, their members as `RowClaim` has them."""
        return [
            (self.batch, *row, self.claim + number, f"{self.place}{self.record + number}", text)
            for number, (row, text) in enumerate(zip(self.rows(), texts_of(self.items), strict=True))
        ]


class RunClaims:
    """The runs of claims of an archive."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Make the table."""
        make_tables(database, _SCHEMA)
        self._db = database
        self._last: tuple[int, KeptRun] | None = None
        self._fetched = Counter[int]()

    def keep(self, batch: str, place: str, run: Run, claim: int) -> None:
        """Keep a run whose rows rise and lie where no other claim of one row is."""
        words = (batch, run.firsts[0], run.firsts[-1] + 1, len(run.firsts), claim, place, run.record)
        lists = (run.firsts.tobytes(), run.carries, run.sha256s, run.sizes.tobytes(), run.items)
        self._db.execute("INSERT INTO run_claims VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*words, *lists))

    def count(self) -> int:
        """Return how many claims there are in all runs."""
        return int(self._db.execute("SELECT coalesce(sum(number), 0) FROM run_claims").fetchone()[0])

    def batches(self) -> Iterator[str]:
        """Yield the batches that runs are about."""
        last = ""
        while row := self._db.execute("SELECT min(batch) FROM run_claims WHERE batch > ?", (last,)).fetchone():
            if row[0] is None:
                return
            last = str(row[0])
            yield last

    def spans(self, batch: str, low: int = 0, after: int = _ENDLESS) -> list[Span]:
        """Return where runs lie that reach into some rows of a batch, in order."""
        return list(map(Span._make, self._db.execute(_OVER, (batch, low, after))))

    def over(self, batch: str, low: int, after: int) -> Iterator[tuple[Span, KeptRun]]:
        """Yield the runs that reach into some rows of a batch, in order."""
        for span in self.spans(batch, low, after):
            yield span, self._kept(span.id)

    def is_worn(self, span: Span) -> bool:
        """Say whether a run was fetched so often that its claims are sooner found by themselves.

        That is so of lists in no order: each of their lines is about another run than the one before.
        """
        return self._fetched[span.id] > _MOST_FETCHED

    def take_out(self, span: Span) -> list[WholeClaim]:
        """Keep a run no longer; return its claims."""
        claims = self._kept(span.id).claims()
        self._db.execute("DELETE FROM run_claims WHERE id = ?", (span.id,))
        self._last = None
        del self._fetched[span.id]
        return claims

    def _kept(self, number: int) -> KeptRun:
        """Return a run; the last one is remembered, as it is wanted for each of the slices that it reaches into."""
        if self._last is None or self._last[0] != number:
            words = "batch, claim, place, record, firsts, carries, sha256s, sizes, items"
            found = self._db.execute(f"SELECT {words} FROM run_claims WHERE id = ?", (number,)).fetchone()  # noqa: S608
            batch, claim, place, record, firsts, carries, sha256s, sizes, items = found
            numbers = array("Q", firsts), array("Q", sizes)
            self._fetched[number] += 1
            self._last = number, KeptRun(batch, claim, place, record, numbers[0], carries, sha256s, numbers[1], items)
        return self._last[1]


def _at(values: Sequence[_Value], places: slice | list[int]) -> Sequence[_Value]:
    return values[places] if isinstance(places, slice) else [values[place] for place in places]
