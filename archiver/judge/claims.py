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

import hashlib
import heapq
import itertools
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from archiver.judge.batches import Rows
from archiver.judge.row_claims import Row, RowClaim, RowClaims
from archiver.judge.scratch import make_tables
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.leaf import item_digest

__all__ = ["Alone", "BatchClaims", "Claims", "Part", "Verdict"]

MOST_OPEN: Final = 100_000
"""Claims that wait for their next batch, each about 500 bytes; beyond this they are read again part by part."""

_BLOCK: Final = 1000
_BIG: Final = 1 << 20
_SCHEMA: Final = """
CREATE TABLE claims(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, place TEXT NOT NULL, item TEXT NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, parts INTEGER NOT NULL, state TEXT);
CREATE TABLE parts(claim INTEGER NOT NULL, ordinal INTEGER NOT NULL, batch TEXT NOT NULL, first INTEGER NOT NULL,
    count INTEGER NOT NULL, carries BLOB NOT NULL, sealed INTEGER NOT NULL, PRIMARY KEY(claim, ordinal)) WITHOUT ROWID;
CREATE INDEX parts_by_batch ON parts(batch, first)
"""


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
class _Open:
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
    """The batch of its row, where the claim is of one."""
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
        self._hash(memoryview(rows.data)[rows.bounds[first] : rows.bounds[after]])
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
        if self.digest.hexdigest() != self.sha256:
            return self._verdict("item-sha256", self.sha256, self.digest.hexdigest())
        return self._verdict(None)

    def _bad(self, expected: str, actual: str) -> Verdict:
        return self._verdict("item-parts", expected, actual)

    def _verdict(self, code: str | None, expected: str = "", actual: str = "") -> Verdict:
        return Verdict(self.claim, self.place, self.item, code, expected, actual, self.row)


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
        self.waiting: dict[int, _Open] = {}

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

    def reading(self, batch: str) -> BatchClaims:
        """Begin a pass over one batch."""
        self._flush()
        return BatchClaims(self, batch)

    def odd(self) -> Iterator[tuple[Alone, list[Part]]]:
        """Yield each claim that no pass has settled, with its parts in their own order."""
        self._flush()
        for (claim,) in self._db.execute("SELECT id FROM claims WHERE state IS NULL ORDER BY id").fetchall():
            parts = self._db.execute("SELECT * FROM parts WHERE claim = ? ORDER BY ordinal", (claim,))
            yield Alone(self, self.fresh(claim)), [Part(*row) for row in parts]
        for row_claim in self._rows.open():
            part, opened = _of_row(row_claim)
            yield Alone(self, opened), [part]

    def look(self, batch: str, rows: Rows) -> tuple[int, list[tuple[Part, _Open]]]:
        """Decide the claims of one row about some rows; return how many are good, and the others as they begin."""
        good, doubtful = self._rows.look(batch, rows)
        return good, list(map(_of_row, doubtful))

    def parts_in(self, batch: str) -> Iterator[tuple[Part, _Open]]:
        """Yield the parts that lie in a batch, by their first row, each with its claim as it begins."""
        rows = self._db.execute(
            "SELECT p.claim, ordinal, batch, first, count, carries, sealed, id, place, item, sha256, size, c.parts"
            " FROM parts p JOIN claims c ON c.id = p.claim WHERE batch = ? ORDER BY first, p.claim, ordinal",
            (batch,),
        )
        return ((Part(*row[:7]), _Open(self._beside, *row[7:])) for row in rows)

    def fresh(self, claim: int) -> _Open:
        """Return a claim none of whose rows has been seen."""
        row = self._db.execute(
            "SELECT id, place, item, sha256, size, parts FROM claims WHERE id = ?", (claim,)
        ).fetchone()
        return _Open(self._beside, *row)

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


class Alone:
    """One claim, fed with its rows in the order of its parts."""

    def __init__(self, claims: Claims, opened: _Open) -> None:
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


class BatchClaims:
    """The claims that have rows in one batch, while its rows go by; `good` of one row were borne out at one look."""

    def __init__(self, claims: Claims, batch: str) -> None:
        """Begin before the first row."""
        self._claims = claims
        self._batch = batch
        self._waiting = claims.waiting
        self._parts = claims.parts_in(batch)
        self._next = next(self._parts, None)
        self._active: list[Part] = []
        self.good = 0

    def take(self, rows: Rows) -> Iterator[Verdict]:
        """Take the next rows; yield the verdict of each claim that is decided by them, but for those in `good`."""
        after = rows.first + len(rows.lengths)
        active, self._active = self._active, []
        for part in active:
            yield from self._feed(part, rows, after)
        good, doubtful = self._claims.look(self._batch, rows)
        self.good += good
        for part, fresh in heapq.merge(self._begun(after), doubtful, key=lambda one: (one[0].first, one[0].claim)):
            if fresh.row is not None:
                yield fresh.take(part, rows) or fresh.finish()
            elif self._begin(part, fresh):
                yield from self._feed(part, rows, after)

    def _begun(self, after: int) -> Iterator[tuple[Part, _Open]]:
        while self._next is not None and self._next[0].first < after:
            yield self._next
            self._next = next(self._parts, None)

    def _begin(self, part: Part, fresh: _Open) -> bool:
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
            yield self._claims.settle(problem)
        elif part.first + part.count > after:
            self._active.append(part)
        else:
            yield from self._end(opened)

    def _end(self, opened: _Open) -> Iterator[Verdict]:
        opened.next_ordinal += 1
        if opened.next_ordinal == opened.parts:
            del self._waiting[opened.claim]
            yield self._claims.settle(opened.finish())


def _of_row(claim: RowClaim) -> tuple[Part, _Open]:
    """Return a claim of one row as every other claim is looked at."""
    part = Part(claim.claim, 0, claim.batch, claim.first, 1, claim.carries, 0)
    words = (claim.claim, claim.place, claim.item, claim.sha256.hex(), claim.size, 1)
    return part, _Open(None, *words, row=claim.batch)


def _carried(of: Item | None, own: bytes) -> bytes:
    return own if of is None else item_digest(of.text())
