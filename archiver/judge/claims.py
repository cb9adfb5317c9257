"""What the lines of `items` claim about content, and whether the rows bear it out.

A claim is an item, its parts, its size and its SHA-256; equal claims of many snapshots are one and are checked once.
The batches are then read once, in log order, and every claim is hashed as its rows go by:

    1  the rows carry the item that the part names
    2  their offsets run from 0 without gap or overlap, over all parts
    3  their bytes have the stated size and SHA-256

Claims whose parts do not come in log order are left to `odd`, which reads them again part by part. Claims of one row
are decided together, and only those that do not fit come here (`row_claims`).

>>> claims.add("data/items/..parquet record 7", line)
>>> reading = claims.reading("20261123T120000Z-0a1b2c-documents-00000000")
>>> problems = [verdict for rows in slices(file) for verdict in reading.take(rows) if verdict.code]
"""

from __future__ import annotations

import heapq
import sqlite3
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final, NamedTuple

from archiver.judge.batch_claims import BatchClaims, Decided, OpenClaim, Part, PartWords, Verdict
from archiver.judge.batches import Rows
from archiver.judge.row_claims import Row, RowClaim, RowClaims
from archiver.judge.scratch import make_tables
from archiver.judge.usual_runs import Run
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.leaf import item_digest

__all__ = ["Alone", "Claims", "Shares"]

_BLOCK: Final = 1000
_SCHEMA: Final = """
CREATE TABLE claims(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, place TEXT NOT NULL, item TEXT NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, parts INTEGER NOT NULL, state TEXT);
CREATE TABLE parts(claim INTEGER NOT NULL, ordinal INTEGER NOT NULL, batch TEXT NOT NULL, first INTEGER NOT NULL,
    count INTEGER NOT NULL, carries BLOB NOT NULL, sealed INTEGER NOT NULL, PRIMARY KEY(claim, ordinal)) WITHOUT ROWID;
CREATE INDEX parts_by_batch ON parts(batch, first)
"""


class Claims:
    """The claims of an archive."""

    def __init__(self, database: sqlite3.Connection, beside: Executor | None = None) -> None:
        """Make the tables; large items are hashed by `beside`, one thread, while the caller goes on."""
        make_tables(database, _SCHEMA)
        self._db = database
        self._beside = beside
        self._claimed = 0
        self._fresh: list[tuple[object, ...]] = []
        self._fresh_parts: list[tuple[object, ...]] = []
        self._settled: list[tuple[str, int]] = []
        self._rows = RowClaims(database)
        self.waiting: dict[int, OpenClaim] = {}

    def add(self, place: str, line: ItemLine) -> None:
        """Take the claim of a line in, unless it was made before."""
        text, first = line.item.text(), line.parts[0]
        if len(line.parts) == 1 and first.count == 1 and first.of is None and not first.sealed:
            digest = bytes.fromhex(str(line.sha256))
            self.add_row(place, text, (first.batch, first.first, item_digest(text), digest, int(line.size or 0)))
            return
        parts = [(part.batch, part.first, part.count, part.of and part.of.text(), part.sealed) for part in line.parts]
        digest = sha256(repr((text, line.sha256, line.size, parts)).encode("utf-8", "backslashreplace")).digest()
        self._claimed += 1
        claim, own = self._claimed, item_digest(text)
        self._fresh.append((claim, digest, place, text, line.sha256, line.size, len(line.parts)))
        self._fresh_parts += [
            (claim, ordinal, part.batch, part.first, part.count, _carried(part.of, own), part.sealed)
            for ordinal, part in enumerate(line.parts)
        ]
        if len(self._fresh_parts) >= _BLOCK:
            self._flush()

    def add_row(self, place: str, item: str, row: Row) -> None:
        """Take the claim in that an item is one row, which carries it and is not sealed."""
        self._claimed += 1
        self._rows.add((*row, self._claimed, place, item))

    def add_rows(self, place: str, run: Run) -> None:
        """Take in what `add_row` would take in line by line; a place is `place` and the number of the line."""
        self._rows.add_run(place, run, self._claimed + 1)
        self._claimed += len(run.sizes)

    def count(self) -> int:
        """Return how many different claims there are."""
        self._flush()
        return int(self._db.execute("SELECT count(*) FROM claims").fetchone()[0]) + self._rows.count()

    def give_up(self, batch: str, state: str, most: int = 0) -> tuple[int, list[str]]:
        """Leave all open claims on a batch that cannot or shall not be read; return how many, and `most` examples."""
        self._flush()
        named = "state IS NULL AND id IN (SELECT claim FROM parts WHERE batch = ?)"
        examples = self._db.execute(
            f"SELECT id, item FROM claims WHERE {named} ORDER BY id LIMIT ?",  # noqa: S608
            (batch, most),
        ).fetchall()
        count = self._db.execute(f"UPDATE claims SET state = ? WHERE {named}", (state, batch)).rowcount  # noqa: S608
        for (claim,) in self._db.execute("SELECT DISTINCT claim FROM parts WHERE batch = ?", (batch,)):
            self.waiting.pop(claim, None)
        of_rows, more = self._rows.give_up(batch, state, most)
        return count + of_rows, [str(item) for _, item in sorted([*examples, *more])[:most]]

    def left(self, state: str) -> int:
        """Return how many claims were left in a state."""
        self._flush()
        row = self._db.execute("SELECT count(*) FROM claims WHERE state = ?", (state,)).fetchone()
        return int(row[0]) + self._rows.left(state)

    def batches_of(self, verdict: Verdict) -> list[str]:
        """Return the batches that a claim has rows in."""
        if verdict.batch is not None:
            return [verdict.batch]
        self._flush()
        rows = self._db.execute("SELECT DISTINCT batch FROM parts WHERE claim = ?", (verdict.claim,))
        return [str(batch) for (batch,) in rows]

    def reading(self, batch: str, cuts: Sequence[int] | None = None) -> BatchClaims:
        """Begin a pass over one batch; over the parts that were left beyond its stretches, where it has some."""
        self._flush()
        return BatchClaims(self.parts_in(batch, cuts), self.waiting)

    def wait(self) -> None:
        """Wait until all bytes that were given away to be hashed are, so that they may change."""
        if self._beside is not None:
            self._beside.submit(bool).result()  # one thread takes one after the other

    def decide(self, batch: str, rows: Rows | None, decided: Iterable[Decided]) -> tuple[int, list[Verdict]]:
        """Decide what some rows decide: return how many claims of one row are good, and the verdicts about others.

        `decided` came of the pass over the batch. Without `rows` there are no claims of one row.
        """
        good, doubtful = (0, []) if rows is None else self._rows.look(batch, rows)
        again = [_looked_at(claim, rows) for claim in doubtful if rows is not None]
        return good, [self.settle(one.verdict) for one in heapq.merge(decided, again, key=attrgetter("order"))]

    def of_rows(self, batch: str) -> bool:
        """Say whether there are claims of one row of a batch."""
        self._flush()
        return self._rows.is_named(batch)

    def shared_out(self, batch: str, cuts: Sequence[int], most: int) -> Shares | None:
        """Share the parts in a batch out among its stretches of rows, which begin at `cuts`; None for more than `most`.

        A claim goes with a stretch that has all of its rows; what is left is beyond them.
        """
        self._flush()
        within: list[list[PartWords]] = [[] for _ in cuts]
        beyond: list[tuple[int, int]] = []
        rows = self._rows_in(batch, most + 1).fetchall()
        if len(rows) > most:
            return None
        for row in rows:
            place = _place(row, cuts)
            if place is None:
                beyond.append((row[3], row[3] + row[4]))
            else:
                within[place].append((row[:7], row[7:]))
        span = (min(first for first, _ in beyond), max(after for _, after in beyond)) if beyond else (0, 0)
        return Shares(within, span)

    def odd(self) -> Iterator[tuple[Alone, list[Part]]]:
        """Yield each claim that no pass has settled, with its parts in their own order."""
        self._flush()
        for (claim,) in self._db.execute("SELECT id FROM claims WHERE state IS NULL ORDER BY id").fetchall():
            parts = self._db.execute("SELECT * FROM parts WHERE claim = ? ORDER BY ordinal", (claim,))
            yield Alone(self, self.fresh(claim)), [Part(*row) for row in parts]
        for row_claim in self._rows.open():
            part, opened = _of_row(row_claim)
            yield Alone(self, opened), [part]

    def parts_in(self, batch: str, cuts: Sequence[int] | None = None) -> Iterator[tuple[Part, OpenClaim]]:
        """Yield the parts that lie in a batch, by their first row, each with its claim as it begins."""
        rows = self._rows_in(batch, -1)
        beyond = rows if cuts is None else (row for row in rows if _place(row, cuts) is None)
        return ((Part(*row[:7]), OpenClaim(self._beside, *row[7:])) for row in beyond)

    def _rows_in(self, batch: str, most: int) -> sqlite3.Cursor:
        return self._db.execute(
            "SELECT p.claim, ordinal, batch, first, count, carries, sealed, id, place, item, sha256, size, c.parts"
            " FROM parts p JOIN claims c ON c.id = p.claim WHERE batch = ? ORDER BY first, p.claim, ordinal LIMIT ?",
            (batch, most),
        )

    def fresh(self, claim: int) -> OpenClaim:
        """Return a claim none of whose rows has been seen."""
        row = self._db.execute(
            "SELECT id, place, item, sha256, size, parts FROM claims WHERE id = ?", (claim,)
        ).fetchone()
        return OpenClaim(self._beside, *row)

    def settle(self, verdict: Verdict) -> Verdict:
        """Remember that a claim is decided."""
        self._settled.append((verdict.code or "good", verdict.claim))
        if len(self._settled) >= _BLOCK:
            self._flush()
        return verdict

    def _flush(self) -> None:
        # Of equal claims only the first has its number taken in, and the parts of the others go with them.
        self._db.executemany("INSERT OR IGNORE INTO claims VALUES(?, ?, ?, ?, ?, ?, ?, NULL)", self._fresh)
        self._db.executemany(
            "INSERT INTO parts SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM claims WHERE id = ?1)",
            self._fresh_parts,
        )
        self._db.executemany("UPDATE claims SET state = ? WHERE id = ?", self._settled)
        self._fresh, self._fresh_parts, self._settled = [], [], []
        self._rows.flush()


class Shares(NamedTuple):
    """The parts of each stretch of rows, and between which rows there are parts of more than one stretch."""

    within: list[list[PartWords]]
    beyond: tuple[int, int]


class Alone:
    """One claim, fed with its rows in the order of its parts."""

    def __init__(self, claims: Claims, opened: OpenClaim) -> None:
        """Begin before the first row."""
        self._claims = claims
        self._opened = opened
        self._problem: Verdict | None = None

    def take(self, rows: Rows, part: Part) -> None:
        """Take the rows of a part that lie in `rows`."""
        if self._problem is None:
            self._problem = self._opened.take(part, rows)

    def finish(self) -> Verdict:
        """Say what came of it."""
        return self._claims.settle(self._problem or self._opened.finish())


def _place(row: tuple[Any, ...], cuts: Sequence[int]) -> int | None:
    """Return in which stretch of rows a part lies that is all of its claim, None for every other part."""
    first, count, parts = row[3], row[4], row[12]
    place = bisect(cuts, first)
    return place - 1 if parts == 1 and place == bisect(cuts, first + count - 1) else None


def _of_row(claim: RowClaim) -> tuple[Part, OpenClaim]:
    """Return a claim of one row as every other claim is looked at."""
    part = Part(claim.claim, 0, claim.batch, claim.first, 1, claim.carries, 0)
    words = (claim.claim, claim.place, claim.item, claim.sha256.hex(), claim.size, 1)
    return part, OpenClaim(None, *words, row=claim.batch)


def _looked_at(claim: RowClaim, rows: Rows) -> Decided:
    part, opened = _of_row(claim)
    return Decided((part.first, part.claim), opened.take(part, rows) or opened.finish())


def _carried(of: Item | None, own: bytes) -> bytes:
    return own if of is None else item_digest(of.text())
