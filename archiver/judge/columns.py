"""Values of a batch's columns, taken from where Arrow has them: to have it make them takes ten times as long.

>>> raws_of(pa.array([b"one", b"two"], pa.large_binary()))
[b'one', b'two']
"""

from __future__ import annotations

import itertools
from typing import Literal

import pyarrow as pa

from archiver.judge.batch_error import BatchError

__all__ = ["integers_of", "raw_of", "raws_of", "spelled_of"]


def integers_of(column: pa.Array, code: Literal["Q", "i"]) -> list[int]:
    """Return integers without nulls, of 64 bits unsigned or of 32."""
    return memoryview(column.buffers()[1]).cast(code)[column.offset : column.offset + len(column)].tolist()


def spelled_of(dictionary: pa.StringArray, codes: list[int]) -> list[bytes]:
    """Return the values of a dictionary for some codes, from where Arrow has them: its functions take long to load.

    Raises `BatchError` for a code that it does not have.
    """
    if codes and not 0 <= min(codes) <= max(codes) < len(dictionary):
        raise BatchError("record-order", f"items below {len(dictionary)} of their dictionary", f"{max(codes)}")
    _, offsets, values = dictionary.buffers()
    bounds = memoryview(offsets).cast("i")[dictionary.offset :]
    data = memoryview(b"" if values is None else values)
    if codes and codes == list(range(codes[0], codes[0] + len(codes))):
        run = bounds[codes[0] : codes[-1] + 2].tolist()
        start, spelled = run[0], bytes(data[run[0] : run[-1]])
        return [spelled[first - start : after - start] for first, after in itertools.pairwise(run)]
    return [bytes(data[bounds[code] : bounds[code + 1]]) for code in codes]


def raw_of(column: pa.LargeBinaryArray) -> tuple[memoryview, list[int]]:
    """Return the bytes of all rows where Arrow has them, and where each row begins and the last one ends."""
    if not len(column):
        return memoryview(b""), [0]
    _, offsets, values = column.buffers()
    bounds = memoryview(offsets).cast("q")[column.offset : column.offset + len(column) + 1].tolist()
    start, end = bounds[0], bounds[-1]
    data = memoryview(b"" if values is None else values)[start:end]
    return data, bounds if start == 0 else [bound - start for bound in bounds]


def raws_of(column: pa.LargeBinaryArray) -> list[bytes]:
    """Return the bytes of each row, none of a withheld one, in a tenth of the time that Arrow takes to make values."""
    data, bounds = raw_of(column)
    whole = data.tobytes()
    return [whole[first:after] for first, after in itertools.pairwise(bounds)]
