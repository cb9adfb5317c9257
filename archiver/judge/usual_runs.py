"""The lines of some rows of `items`, read as far as that needs nothing but the lines: by whichever process.

A usual line, of a file that is one row, is recognised at one look (`model.usual_line`), and many that follow each other
are a run; every other line is kept as it is. Whoever takes the runs and the others in takes every line in, in order.

>>> [type(one).__name__ for one in runs_of(rows)]
['Run', 'Other', 'Run']
"""

from __future__ import annotations

import struct
from array import array
from binascii import unhexlify
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain, groupby, islice
from typing import Final, NamedTuple, cast

from archiver.judge.batches import Rows
from archiver.model.usual_line import LONGEST, Told, usual_row, usual_rows

__all__ = ["Other", "Run", "RunRow", "rows_of", "runs_of", "texts_of"]

_DIGEST: Final = 32
_BETWEEN: Final = b"\n"  # no usual item has one in its text
_LF: Final = 0x0A
_Members = tuple[Sequence[bytes], Sequence[bytes | int], Sequence[bytes], Sequence[bytes | int]]


class Other(NamedTuple):
    """A line that is no usual one, by the number of its row."""

    record: int
    raw: bytes
    is_withheld: bool


RunRow = tuple[int, bytes, bytes, int]
"""The row that a line of a run names: its number, the digests of its item and of its bytes, and their number."""


class Run(NamedTuple):
    """Usual lines in rows that follow each other, `record` the first: a few large values, quick to pass on."""

    record: int
    told: Told
    firsts: array[int]
    carries: bytes
    sha256s: bytes
    sizes: array[int]
    items: bytes

    def rows(self) -> list[RunRow]:
        """Return what each line says."""
        return rows_of(self.firsts, self.carries, self.sha256s, self.sizes)

    def texts(self) -> list[str]:
        """Return the item of each line."""
        return texts_of(self.items)


def runs_of(rows: Rows) -> list[Run | Other]:
    """Return the lines of some rows."""
    data = rows.data.tobytes()
    if not _are_lines(rows, data):
        return _one_by_one(rows, data, 0, len(rows.lengths))
    found: list[Run | Other] = []
    place = 0
    for some in usual_rows(data):
        if some.told is None:
            found += _one_by_one(rows, data, place, place + some.number)
        else:
            found.append(_run(rows.first + place, some.told, (some.items, some.firsts, some.sha256s, some.sizes)))
        place += some.number
    return found


def _are_lines(rows: Rows, data: bytes) -> bool:
    """Say whether each row has bytes, not too many for a usual line, and one line feed, which is its last byte."""
    lengths = rows.lengths
    if rows.withheld or not lengths or min(lengths) == 0 or max(lengths) > LONGEST:
        return False
    if data.count(_LF) != len(lengths):  # asked first: four million empty lines, taken apart, are a gigabyte
        return False
    return {data[after - 1] for after in islice(rows.bounds, 1, None)} == {_LF}


def _one_by_one(rows: Rows, data: bytes, begin: int, end: int) -> list[Run | Other]:
    found: list[Run | Other] = []
    for told, same in groupby(
        ((place, raw, usual_row(raw)) for place, raw in _raws(rows, data, begin, end)),
        key=lambda one: None if one[2] is None else one[2].told,
    ):
        lines = list(same)
        if told is None:
            found += [Other(rows.first + place, raw, place in rows.withheld) for place, raw, _ in lines]
        else:
            _, *members = zip(*(usual for _, _, usual in lines if usual is not None), strict=True)
            found.append(_run(rows.first + lines[0][0], told, cast("_Members", members)))
    return found


def _raws(rows: Rows, data: bytes, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    bounds = rows.bounds
    return ((place, data[bounds[place] : bounds[place + 1]]) for place in range(begin, end))


def _run(record: int, told: Told, members: _Members) -> Run:
    items, firsts, sha256s, sizes = members
    return Run(
        record,
        told,
        array("Q", map(int, firsts)),
        b"".join([sha256(item).digest() for item in items]),
        unhexlify(b"".join(sha256s)),
        array("Q", map(int, sizes)),
        _BETWEEN.join(items),
    )


def rows_of(firsts: array[int], carries: bytes, sha256s: bytes, sizes: array[int]) -> list[RunRow]:
    """Return what each line says by the members of a run."""
    return list(zip(firsts, _digests(carries), _digests(sha256s), sizes, strict=True))


def texts_of(items: bytes) -> list[str]:
    """Return the item of each line."""
    return items.decode().split(_BETWEEN.decode())


def _digests(joined: bytes) -> Iterator[bytes]:
    return chain.from_iterable(struct.iter_unpack(f"{_DIGEST}s", joined))
