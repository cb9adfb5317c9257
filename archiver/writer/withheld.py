"""What the published form of a batch says of rows whose bytes are withheld: length and digest, and nothing of the rest.

>>> evident(raw, hidden=frozenset({1}))[1].null_count == len(raw) - 1
True
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.model import tables

__all__ = ["disclosed", "evident"]


def evident(raw: pa.LargeBinaryArray, hidden: frozenset[int]) -> list[pa.Array]:
    """Return the columns `raw` and `withheld`: of each row one of them is set."""
    if not hidden:
        return [raw, pa.nulls(len(raw), tables.WITHHELD)]
    shown: list[bytes | None] = []
    withheld: list[dict[str, object] | None] = []
    for place, value in enumerate(raw):
        data = value.as_py()
        is_hidden = place in hidden
        shown.append(None if is_hidden else data)
        withheld.append({"length": len(data), "sha256": sha256(data).digest()} if is_hidden else None)
    return [pa.array(shown, pa.large_binary()), pa.array(withheld, tables.WITHHELD)]


def disclosed(columns: Sequence[pa.Array], hidden: frozenset[int], names: Sequence[str]) -> list[pa.Array]:
    """Return index columns that say nothing of what is in the hidden rows; `names` are those of the columns."""
    if not hidden:
        return list(columns)
    mask = pa.array([place in hidden for place in range(len(columns[0]))])
    return [
        column if name in tables.KNOWN_WITHOUT_RAW else pc.if_else(mask, pa.scalar(None, column.type), column)
        for name, column in zip(names, columns, strict=True)
    ]
