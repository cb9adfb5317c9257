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
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain
from typing import Final, NamedTuple

from archiver.judge.batches import Rows
from archiver.model.usual_line import Told, UsualRow, usual_row

__all__ = ["Other", "Run", "RunRow", "rows_of", "runs_of", "texts_of"]

_DIGEST: Final = 32
_BETWEEN: Final = b"\n"  # no usual item has one in its text


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
    found: list[Run | Other] = []
    data, bounds = rows.data.tobytes(), rows.bounds
    open_run: list[UsualRow] = []
    told: Told | None = None
    for place in range(len(rows.lengths)):
        raw = data[bounds[place] : bounds[place + 1]]
        usual = usual_row(raw)
        if open_run and (usual is None or usual.told != told):
            found.append(_run(rows.first + place - len(open_run), open_run))
            open_run = []
        if usual is None:
            found.append(Other(rows.first + place, raw, place in rows.withheld))
        else:
            told = usual.told
            open_run.append(usual)
    if open_run:
        found.append(_run(rows.first + len(rows.lengths) - len(open_run), open_run))
    return found


def _run(record: int, lines: list[UsualRow]) -> Run:
    return Run(
        record,
        lines[0].told,
        array("Q", [line.first for line in lines]),
        b"".join([sha256(line.item).digest() for line in lines]),
        unhexlify(b"".join([line.sha256 for line in lines])),
        array("Q", [line.size for line in lines]),
        _BETWEEN.join([line.item for line in lines]),
    )


def rows_of(firsts: array[int], carries: bytes, sha256s: bytes, sizes: array[int]) -> list[RunRow]:
    """Return what each line says by the members of a run."""
    return list(zip(firsts, _digests(carries), _digests(sha256s), sizes, strict=True))


def texts_of(items: bytes) -> list[str]:
    """Return the item of each line."""
    return items.decode().split(_BETWEEN.decode())


def _digests(joined: bytes) -> Iterator[bytes]:
    return chain.from_iterable(struct.iter_unpack(f"{_DIGEST}s", joined))
