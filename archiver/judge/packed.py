"""Rows as they go from the process that judged them to the one that adds up: a few large values instead of many.

>>> unpacked(packed(rows), rows.data) == rows
True
"""

from __future__ import annotations

import itertools
import struct
from array import array
from operator import eq
from typing import Final, NamedTuple, TypeVar

from archiver.judge.batches import Rows

__all__ = ["Packed", "packed", "unpacked"]

_DIGEST: Final = 32
_Value = TypeVar("_Value")


class Packed(NamedTuple):
    """The members of rows; of equal items that follow each other one, and how many: nothing where no two do."""

    first: int
    texts: list[str]
    item_digests: bytes
    runs: bytes
    offsets: bytes
    lengths: bytes
    raws: bytes | None
    withheld: dict[int, bytes]


def packed(rows: Rows, *, digests_of_raw: bool = True) -> Packed:
    """Pack rows without the bytes of their records; where these go along, their digests can be left to the reader."""
    texts, digests, runs = list[str](), list[bytes](), array("Q")
    count = len(rows.lengths)
    if count and rows.digests.count(rows.digests[0]) == count and rows.texts.count(rows.texts[0]) == count:
        texts, digests, runs = rows.texts[:1], rows.digests[:1], array("Q", [count])
    elif not any(map(eq, rows.digests, itertools.islice(rows.digests, 1, None))):
        texts, digests = rows.texts, rows.digests
    else:
        for (digest, text), run in itertools.groupby(zip(rows.digests, rows.texts, strict=True)):
            texts.append(text)
            digests.append(digest)
            runs.append(len(list(run)))
    return Packed(
        rows.first,
        texts,
        b"".join(digests),
        runs.tobytes(),
        array("Q", rows.offsets).tobytes(),
        array("Q", rows.lengths).tobytes(),
        b"".join(rows.raws) if digests_of_raw else None,
        rows.withheld,
    )


def unpacked(words: Packed, data: bytes | memoryview | None) -> Rows:
    """Return the rows, with the bytes of their records or without: then the digests of these are there."""
    if data is None and words.raws is None:
        raise ValueError("rows: expected the bytes of their records or the digests of these, found neither")
    texts, digests = words.texts, _digests(words.item_digests)
    if words.runs:
        runs = _numbers(words.runs)
        texts, digests = _each(texts, runs), _each(digests, runs)
    lengths = _numbers(words.lengths)
    here = lengths if data is not None else [0] * len(lengths)
    if words.withheld:
        here = [0 if place in words.withheld else length for place, length in enumerate(here)]
    bounds = list(itertools.accumulate(here, initial=0))
    offsets = _numbers(words.offsets)
    rows = Rows(words.first, texts, digests, offsets, lengths, memoryview(data or b""), bounds, words.withheld)
    if words.raws is not None:
        rows.__dict__["raws"] = _digests(words.raws)
    return rows


def _each(values: list[_Value], runs: list[int]) -> list[_Value]:
    if len(values) == len(runs) == 1:
        return values * runs[0]  # of a log
    return [value for value, run in zip(values, runs, strict=True) for _ in range(run)]


def _digests(joined: bytes) -> list[bytes]:
    return list(itertools.chain.from_iterable(struct.iter_unpack(f"{_DIGEST}s", joined)))


def _numbers(joined: bytes) -> list[int]:
    return memoryview(joined).cast("Q").tolist()
