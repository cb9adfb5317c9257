"""A batch, or some row groups of a large one, judged by a process that has nothing but the store.

The object is read, hashed, and only then parsed; its rows are hashed, and held against the claims that lie in them
alone. What comes of some rows is written to a file, piece by piece, so that neither side holds a batch in memory. Who
reads it takes everything in, in the order of the log, so that the report is the same whoever did the work.

>>> outcome = judge_unit(unit)
>>> for piece in pieces(outcome):
...     print(piece.judged.records, len(piece.decided))
"""

from __future__ import annotations

import functools
import mmap
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import pyarrow.parquet as pq

from archiver.errors import EvidenceError, WorldError
from archiver.judge import batches
from archiver.judge.batch_claims import BatchClaims, Decided, OpenClaim, Part, PartWords
from archiver.judge.batches import BatchWords, Rows
from archiver.judge.content import matching
from archiver.judge.packed import packed, unpacked
from archiver.judge.rows import Slice, SliceJudge
from archiver.judge.usual_runs import Other, Run, runs_of
from archiver.late import dataclass
from archiver.model.leaf import Salts
from archiver.stores.base import Store

__all__ = ["Facts", "Opener", "Outcome", "Piece", "Share", "Unit", "facts_of", "judge_unit", "pieces"]

Opener = Callable[[], Store]
"""Opens the store in whatever process it is called; equal ones open the same, and none carries a secret."""


_BUFFER: Final = 1 << 16

Facts = tuple[int, ...]
"""Which file it is, and that nobody has written to it."""

_checked: Final[dict[tuple[str, BatchWords, Facts], pq.FileMetaData]] = {}
"""What the object of the last divided batch says of itself, as it was found to be published."""


@dataclass(frozen=True)
class Share:
    """Some row groups of an object, `first` being the number of their first row.

    `facts` are of the file that was read to its end and found to be the stated object; a process that finds another,
    or has none, reads and hashes the object itself before it parses it. The file is the store's own, or `scratch`;
    which of the versions it has says `version`.
    """

    groups: range
    first: int
    facts: Facts | None
    version: int = 0
    scratch: Path | None = None


@dataclass(frozen=True)
class Unit:
    """A batch or a share of it: where its object is, what its statement says, and the claims that it alone decides.

    `versions` are keys and versions that may be the object. `of_rows` says whether there are claims of one row, and
    `beyond` between which rows there are some that want more than the share: whoever reads the pieces decides both.
    """

    opener: Opener
    folder: Path
    pieces: Path
    versions: tuple[tuple[str, str | None], ...]
    sha256: str
    batch: BatchWords
    parts: tuple[PartWords, ...]
    of_rows: bool
    beyond: tuple[int, int]
    share: Share | None = None


class Piece(NamedTuple):
    """What came of some rows: by themselves, about claims; and the rows, where somebody else decides by them.

    They have their bytes where there are claims that want more than these rows, and else only the digests of these.
    Of a list of items there are the lines.
    """

    judged: Slice
    lines: list[Run | Other]
    decided: list[Decided]
    is_beyond: bool
    rows: Rows | None


@dataclass(frozen=True)
class Outcome:
    """What came of a unit: which version is the object, whether it opened as published, what is wrong with it."""

    pieces: Path
    version: int | None = None
    opened: bool = False
    problem: EvidenceError | WorldError | None = None


def judge_unit(unit: Unit) -> Outcome:
    """Judge a batch, or a share of one; what comes of its rows is written over what is in `unit.pieces`.

    The file is not cut off first: it is used again and again, and its pages are there.
    """
    with open(unit.pieces, "r+b", _BUFFER, opener=_opened) as file:
        outcome = Outcome(unit.pieces)
        try:
            with _object(unit) as (version, stream):
                outcome = replace(outcome, version=version)
                parquet = _parquet(unit, stream)
                outcome = replace(outcome, opened=True)
                for piece, rows in _judged(unit, parquet):
                    data = rows.data if rows is not None and piece.is_beyond else None
                    words = None if rows is None else packed(rows, digests_of_raw=unit.of_rows or data is None)
                    pickle.dump((piece, words, None if data is None else len(data)), file, pickle.HIGHEST_PROTOCOL)
                    if data:
                        file.write(data)
        except (EvidenceError, WorldError) as problem:
            outcome = replace(outcome, problem=problem)
        pickle.dump(None, file)
    return outcome


def pieces(outcome: Outcome) -> Iterator[Piece]:
    """Yield what came of the rows, some at a time; the bytes of records are where they lie in the file.

    So they are those of the rows until the next unit is judged into the same file.
    """
    with outcome.pieces.open("rb", _BUFFER) as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        while (words := pickle.load(file)) is not None:  # noqa: S301 - by `judge_unit`, in a folder of this run alone
            piece, rows, size = words
            begin = file.tell()
            data = None if size is None else mapped[begin : file.seek(begin + size)]
            yield piece if rows is None else piece._replace(rows=unpacked(rows, data))


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)


def facts_of(stream: BinaryIO) -> Facts | None:
    """Return the facts of an open file, None for what is none."""
    try:
        found = os.fstat(stream.fileno())
    except (AttributeError, OSError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _judged(unit: Unit, parquet: pq.ParquetFile) -> Iterator[tuple[Piece, Rows | None]]:
    judge = SliceJudge(unit.batch, _salts(batches.salt_of(parquet), unit.batch.records))
    reading = BatchClaims(((Part(*part), OpenClaim(None, *claim)) for part, claim in unit.parts), {})
    share = unit.share
    found = batches.slices(parquet) if share is None else batches.slices_of(parquet, share.groups, share.first)
    low, high = unit.beyond
    for rows in found:
        is_beyond = rows.first < high and rows.first + len(rows.lengths) > low
        judged, lines = judge.take(rows), runs_of(rows) if unit.batch.table == "items" else []
        piece = Piece(judged, lines, list(reading.take(rows)), is_beyond, None)
        yield piece, rows if unit.of_rows or rows.withheld or is_beyond else None


@contextmanager
def _object(unit: Unit) -> Iterator[tuple[int, BinaryIO]]:
    """Open the object of a unit: the file that was checked, or what is checked here."""
    share = unit.share
    if share is not None and share.facts is not None:
        with _file(unit, share) as stream:
            if stream is not None and facts_of(stream) == share.facts:
                yield share.version, stream
                return
    with matching(_store(unit.opener), unit.folder, unit.versions, unit.sha256) as found:
        yield found.place, found.stream


@contextmanager
def _file(unit: Unit, share: Share) -> Iterator[BinaryIO | None]:
    """Open the file that a share is in; None where it is not there any more."""
    if share.scratch is None:
        with _store(unit.opener).read(*unit.versions[share.version]) as stream:
            yield stream
        return
    try:
        file = share.scratch.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file


@functools.lru_cache(maxsize=1)
def _store(opener: Opener) -> Store:
    """Return the store, the same for all batches, as its connections are worth keeping."""
    return opener()


def _parquet(unit: Unit, stream: BinaryIO) -> pq.ParquetFile:
    """Open an object; what this process has read and checked of it for another share is not read again."""
    if unit.share is None or unit.share.facts is None or facts_of(stream) != unit.share.facts:
        return batches.open_parquet(stream, unit.batch)
    words = unit.sha256, unit.batch, unit.share.facts
    if words not in _checked:
        found = batches.open_parquet(stream, unit.batch)
        _checked.clear()
        _checked[words] = found.metadata
        return found
    return batches.open_again(stream, _checked[words])


@functools.lru_cache(maxsize=1)
def _salts(salt: bytes, rows: int) -> Salts:
    """Return the salts of a batch, the same for all shares of it: they are computed from its first row on."""
    return Salts(salt, rows)
