"""Claims of one row: most items of an archive, kept apart from the others because they are decided at one look.

Such a claim is an item whose bytes are one row that carries the item itself and is not sealed. A row's SHA-256 is in
its leaf, so it is computed anyway, and is that of the whole item. What does not fit at one look is looked at again as
every other claim is, which says what is wrong.

Long runs of such claims are kept and looked at as runs (`run_claims`), until one of them overlaps another claim or does
not fit.

A claim here is open until its batch was read beyond its row, or was given up.

>>> claims.add((batch, 0, digest, sha256, 5, 1, "the list record 0", '{"path":"a","source":"s"}'))
>>> claims.look(batch, rows)
Look(good=1, doubtful=[])
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from operator import lt
from typing import Final, NamedTuple

from archiver.judge.batches import Rows
from archiver.judge.run_claims import RunClaims, Span, WholeClaim
from archiver.judge.scratch import make_tables
from archiver.judge.usual_runs import Run, RunRow

__all__ = ["Look", "Row", "RowClaim", "RowClaims"]

Row = tuple[str, int, bytes, bytes, int]
"""Batch and number of a row, the digests of its item and of its bytes, and their number."""

_BLOCK: Final = 1000
_LONG: Final = 64  # claims that are worth a run of their own
_SCHEMA: Final = """
CREATE TABLE row_claims(batch TEXT NOT NULL, first INTEGER NOT NULL, carries BLOB NOT NULL, sha256 BLOB NOT NULL,
    size INTEGER NOT NULL, claim INTEGER NOT NULL, place TEXT NOT NULL, item TEXT NOT NULL,
    PRIMARY KEY(batch, first, carries, sha256, size)) WITHOUT ROWID;
CREATE TABLE batches_read(batch TEXT PRIMARY KEY, rows INTEGER NOT NULL, state TEXT) WITHOUT ROWID
"""
_OPEN: Final = "batch = ?1 AND first >= coalesce((SELECT rows FROM batches_read WHERE batch = ?1), 0)"


class RowClaim(NamedTuple):
    """An item that is said to be one row; `claim` is its number among all claims."""

    batch: str
    first: int
    carries: bytes
    sha256: bytes
    size: int
    claim: int
    place: str
    item: str


class Look(NamedTuple):
    """What came of the claims about some rows: how many are borne out, and those that must be looked at again."""

    good: int
    doubtful: list[RowClaim]


class RowClaims:
    """The claims of one row of an archive."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Make the tables."""
        make_tables(database, _SCHEMA)
        self._db = database
        self._runs = RunClaims(database)
        self._fresh: list[WholeClaim] = []

    def add(self, claim: WholeClaim) -> None:
        """Take a claim in, its members as `RowClaim` has them, unless it was made before."""
        self._fresh.append(claim)
        if len(self._fresh) >= _BLOCK:
            self.flush()

    def add_run(self, place: str, run: Run, claim: int) -> None:
        """Take the claims of a run of lines in, the first of them number `claim`, unless they were made before.

        What was made before is looked up at once where it lies together: that costs less than to enter it in vain. A
        long run where nothing was is kept as it is.
        """
        self.flush()
        batch, low, after = run.told.batch, min(run.firsts), max(run.firsts) + 1
        is_narrow = after - low <= 2 * len(run.firsts) + _BLOCK
        known = self._known(batch, low, after) if is_narrow else set()
        is_free = is_narrow and not known and not self._runs.spans(batch, low, after)
        if is_free and len(run.firsts) >= _LONG and all(map(lt, run.firsts, run.firsts[1:])):
            self._runs.keep(batch, place, run, claim)
            return
        rows = run.rows()
        if known.issuperset(rows):
            return
        self._enter(
            [
                (batch, *row, claim + number, f"{place}{run.record + number}", text)
                for number, (row, text) in enumerate(zip(rows, run.texts(), strict=True))
                if row not in known
            ]
        )

    def _known(self, batch: str, low: int, after: int) -> set[RunRow]:
        """Return what claims there are about some rows of a batch; of very many some."""
        self._take_out([span for span in self._runs.spans(batch, low, after) if self._runs.is_worn(span)])
        known = set[RunRow]().union(*(kept.rows(low, after) for _, kept in self._runs.over(batch, low, after)))
        known.update(
            self._db.execute(
                "SELECT first, carries, sha256, size FROM row_claims"
                " WHERE batch = ? AND first >= ? AND first < ? LIMIT ?",
                (batch, low, after, after - low + _BLOCK),
            )
        )
        return known

    def count(self) -> int:
        """Return how many different claims there are."""
        return int(self._db.execute("SELECT count(*) FROM row_claims").fetchone()[0]) + self._runs.count()

    def is_named(self, batch: str) -> bool:
        """Say whether there are claims about a batch."""
        if self._runs.spans(batch):
            return True
        return self._db.execute("SELECT 1 FROM row_claims WHERE batch = ? LIMIT 1", (batch,)).fetchone() is not None

    def look(self, batch: str, rows: Rows) -> Look:
        """Hold the claims about some rows of a batch against them; they are decided by that, or doubtful."""
        after = rows.first + len(rows.lengths)
        good = 0
        for span, kept in self._runs.over(batch, rows.first, after):
            fitting = kept.fitting(rows)
            if fitting is None:
                self._take_out([span])
            else:
                good += fitting
        found = self._db.execute(
            "SELECT first, carries, sha256, size FROM row_claims WHERE batch = ? AND first >= ? AND first < ?",
            (batch, rows.first, after),
        ).fetchall()
        doubtful = self._doubtful(found, rows) if found else set()
        self._db.execute("INSERT OR REPLACE INTO batches_read VALUES(?, ?, NULL)", (batch, after))
        again = [claim for first in sorted(doubtful) for claim in self._at(batch, first)]
        return Look(good + len(found) - len(again), again)

    def give_up(self, batch: str, state: str, most: int) -> tuple[int, list[tuple[int, str]]]:
        """Leave what is open in a batch; return how many, and number and item of `most` of them."""
        row = self._db.execute("SELECT state FROM batches_read WHERE batch = ?", (batch,)).fetchone()
        if row is not None and row[0] is not None:
            return 0, []
        self._take_out(self._runs.spans(batch))
        count = int(self._db.execute(f"SELECT count(*) FROM row_claims WHERE {_OPEN}", (batch,)).fetchone()[0])  # noqa: S608
        examples = self._db.execute(
            f"SELECT claim, item FROM row_claims WHERE {_OPEN} ORDER BY claim LIMIT ?2",  # noqa: S608
            (batch, most),
        ).fetchall()
        self._db.execute(
            "INSERT INTO batches_read VALUES(?, 0, ?) ON CONFLICT(batch) DO UPDATE SET state = excluded.state",
            (batch, state),
        )
        return count, [(int(claim), str(item)) for claim, item in examples]

    def left(self, state: str) -> int:
        """Return how many claims were left in a state."""
        row = self._db.execute(
            "SELECT count(*) FROM batches_read b JOIN row_claims c ON c.batch = b.batch AND c.first >= b.rows"
            " WHERE b.state = ?",
            (state,),
        ).fetchone()
        return int(row[0])

    def open(self) -> Iterator[RowClaim]:
        """Yield the claims of batches that were read, and not to the row that they name, or not read at all."""
        for batch in self._runs.batches():
            read = self._db.execute("SELECT rows FROM batches_read WHERE batch = ?", (batch,)).fetchone()
            self._take_out(self._runs.spans(batch, 0 if read is None else read[0]))
        for batch in self._batches():
            if self._db.execute("SELECT 1 FROM batches_read WHERE batch = ? AND state NOTNULL", (batch,)).fetchone():
                continue
            rows = self._db.execute(f"SELECT * FROM row_claims WHERE {_OPEN} ORDER BY claim", (batch,))  # noqa: S608
            yield from map(RowClaim._make, rows.fetchall())

    def flush(self) -> None:
        """Enter what was added; of equal claims the first stays."""
        fresh, self._fresh = self._fresh, []
        self._enter(fresh)

    def _enter(self, claims: list[WholeClaim]) -> None:
        """Enter claims by themselves, after those of the runs that reach where they lie."""
        firsts: dict[str, list[int]] = {}
        for claim in claims:
            firsts.setdefault(claim[0], []).append(claim[1])
        for batch, some in firsts.items():
            some.sort()
            spans = self._runs.spans(batch, some[0], some[-1] + 1)
            self._take_out([span for span in spans if bisect_left(some, span.low) < bisect_left(some, span.after)])
        self._insert(claims)

    def _take_out(self, spans: list[Span]) -> None:
        for span in spans:
            self._insert(self._runs.take_out(span))

    def _insert(self, claims: list[WholeClaim]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO row_claims VALUES(?, ?, ?, ?, ?, ?, ?, ?)", claims)

    def _doubtful(self, found: list[tuple[int, bytes, bytes, int]], rows: Rows) -> set[int]:
        """Return the rows about which a claim does not fit; where bytes are withheld, all that a claim is about."""
        if rows.withheld:
            return {first for first, _, _, _ in found}
        start, digests, offsets, lengths, raws = rows.first, rows.digests, rows.offsets, rows.lengths, rows.raws
        doubtful = set()
        for first, carries, sha256, size in found:
            place = first - start
            fits = digests[place] == carries and offsets[place] == 0 and lengths[place] == size
            if not fits or raws[place] != sha256:
                doubtful.add(first)
        return doubtful

    def _at(self, batch: str, first: int) -> list[RowClaim]:
        rows = self._db.execute("SELECT * FROM row_claims WHERE batch = ? AND first = ? ORDER BY claim", (batch, first))
        return list(map(RowClaim._make, rows))

    def _batches(self) -> Iterator[str]:
        last = ""
        while row := self._db.execute("SELECT min(batch) FROM row_claims WHERE batch > ?", (last,)).fetchone():
            if row[0] is None:
                return
            last = str(row[0])
            yield last
