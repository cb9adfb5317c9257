"""One batch judged by itself, by a process that has nothing but the store: what `verify` does side by side.

The object is read, hashed, and only then parsed; its rows are hashed, and held against the claims that lie in them
alone. What comes of some rows is written to a file, piece by piece, so that neither side holds a batch in memory. Who
reads it takes everything in, in the order of the log, so that the report is the same whoever did the work.

>>> outcome = judge_unit(unit)
>>> for piece in pieces(outcome):
...     print(piece.records, len(piece.decided))
"""

from __future__ import annotations

import functools
import pickle
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from archiver.errors import EvidenceError, WorldError
from archiver.judge import batches
from archiver.judge.batch_claims import BatchClaims, Decided, OpenClaim, Part, PartWords
from archiver.judge.batches import BatchWords, Rows
from archiver.judge.content import matching
from archiver.judge.rows import RowJudge
from archiver.late import dataclass
from archiver.stores.base import Store

__all__ = ["Opener", "Outcome", "Piece", "Totals", "Unit", "judge_unit", "pieces"]

Opener = Callable[[], Store]
"""Opens the store in whatever process it is called; equal ones open the same, and none carries a secret."""


@dataclass(frozen=True)
class Unit:
    """A batch to judge: where its object is, what its statement says, and the claims that are decided by it alone.

    `versions` are keys and versions that may be the object. `of_rows` says whether there are claims of one row, which
    are decided by whoever reads the pieces.
    """

    opener: Opener
    folder: Path
    versions: tuple[tuple[str, str | None], ...]
    sha256: str
    batch: BatchWords
    parts: tuple[PartWords, ...]
    of_rows: bool


@dataclass(frozen=True)
class Piece:
    """What came of some rows: how many, digests of new items, verdicts; and the rows without bytes, where wanted."""

    records: int
    new_items: list[bytes]
    decided: list[Decided]
    rows: Rows | None


@dataclass(frozen=True)
class Totals:
    """What all rows of a batch amount to."""

    root: str
    raw_bytes: int


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: which version is the object, whether it opened as published, what is wrong with it."""

    pieces: Path
    version: int | None = None
    opened: bool = False
    totals: Totals | None = None
    problem: EvidenceError | WorldError | None = None


def judge_unit(unit: Unit) -> Outcome:
    """Judge a batch."""
    with tempfile.NamedTemporaryFile(dir=unit.folder, prefix="pieces-", delete=False) as file:
        outcome = Outcome(Path(file.name))
        try:
            with matching(_store(unit.opener), unit.folder, unit.versions, unit.sha256) as (version, stream):
                outcome = replace(outcome, version=version)
                parquet = batches.open_parquet(stream, unit.batch)
                outcome = replace(outcome, opened=True)
                judge = RowJudge(unit.batch, batches.salt_of(parquet))
                with ThreadPoolExecutor(1, "hash") as beside:
                    parts = ((Part(*part), OpenClaim(beside, *claim)) for part, claim in unit.parts)
                    reading = BatchClaims(parts, {})
                    for rows in batches.slices(parquet):
                        judge.take(rows)
                        piece = Piece(len(rows.lengths), judge.new_items, list(reading.take(rows)), None)
                        wanted = unit.of_rows or rows.withheld
                        pickle.dump((piece, _packed(rows) if wanted else None), file, pickle.HIGHEST_PROTOCOL)
        except (EvidenceError, WorldError) as problem:
            return replace(outcome, problem=problem)
    return replace(outcome, totals=Totals(judge.root().hex(), judge.raw_bytes))


def pieces(outcome: Outcome) -> Iterator[Piece]:
    """Yield what came of the rows, some at a time; the file is gone with the last of them."""
    with outcome.pieces.open("rb") as file:
        outcome.pieces.unlink()
        while file.peek(1):
            piece, rows = pickle.load(file)  # noqa: S301 - written by `judge_unit`, in a folder of this run alone
            yield piece if rows is None else replace(piece, rows=_unpacked(*rows))


@functools.lru_cache(maxsize=1)
def _store(opener: Opener) -> Store:
    """Return the store, the same for all batches, as its connections are worth keeping."""
    return opener()


def _packed(rows: Rows) -> tuple[object, ...]:
    return rows.first, rows.texts, rows.digests, rows.offsets, rows.lengths, rows.withheld, rows.raws


def _unpacked(  # noqa: PLR0917 - the members of rows
    first: int,
    texts: list[str],
    digests: list[bytes],
    offsets: list[int],
    lengths: list[int],
    withheld: dict[int, bytes],
    raws: list[bytes],
) -> Rows:
    """Return rows without their bytes, whose digests are known."""
    rows = Rows(first, texts, digests, offsets, lengths, memoryview(b""), [0] * (len(lengths) + 1), withheld)
    rows.__dict__["raws"] = raws
    return rows
