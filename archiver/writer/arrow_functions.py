"""A few of Arrow's compute functions, called by their names.

`pyarrow.compute` makes a Python function of each of some hundred when it is loaded, which takes 60 ms: as much as all
that a run without news does with the lines of ten thousand files. What those call is beneath it, and is called here.

>>> cut(pa.array([b"abc"]), 0, 2).to_pylist()
[b'ab']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

try:
    from pyarrow import _compute as functions
except ImportError:  # a version of pyarrow that has them elsewhere has them here, too
    from pyarrow import compute as functions

__all__ = ["begins", "both", "cast", "cut", "equal", "found", "is_in", "only", "opposite", "where"]


def _call(name: str, *values: Any, options: Any = None) -> Any:
    return functions.call_function(name, list(values), options)


def cut(texts: pa.Array, first: int, after: int | None) -> pa.Array:
    """Return bytes of each value; places below zero count from its end."""
    return _call("binary_slice", texts, options=functions.SliceOptions(first, after))


def equal(texts: pa.Array, text: Any) -> pa.BooleanArray:
    """Say which values are this one."""
    return _call("equal", texts, pa.scalar(text, texts.type))


def is_in(texts: pa.Array, some: Sequence[Any]) -> pa.BooleanArray:
    """Say which values are one of some."""
    return _call("is_in", texts, options=functions.SetLookupOptions(pa.array(some, texts.type)))


def begins(texts: pa.Array, beginning: bytes) -> pa.BooleanArray:
    """Say which values begin so."""
    return _call("starts_with", texts, options=functions.MatchSubstringOptions(beginning))


def found(texts: pa.Array, pattern: str) -> tuple[dict[str, pa.Array], pa.BooleanArray]:
    """Return what the named groups of a pattern find in each value, and in which it is found."""
    groups = _call("extract_regex", texts, options=functions.ExtractRegexOptions(pattern))
    names = [field.name for field in groups.type]
    return dict(zip(names, groups.flatten(), strict=True)), _call("is_valid", groups)


def both(one: pa.BooleanArray, *others: pa.BooleanArray) -> pa.BooleanArray:
    """Say where all are true."""
    for other in others:
        one = _call("and", one, other)
    return one


def opposite(flags: pa.BooleanArray) -> pa.BooleanArray:
    """Say where these are false."""
    return _call("invert", flags)


def where(flags: pa.BooleanArray, one: Any, others: pa.Array) -> pa.Array:
    """Return one value where a flag is true, and the others elsewhere."""
    return _call("if_else", flags, pa.scalar(one, others.type), others)


def only(values: pa.Array, flags: pa.BooleanArray) -> pa.Array:
    """Return the values whose flag is true."""
    return _call("filter", values, flags, options=functions.FilterOptions())


def cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values as a type that can have all of them."""
    return values if values.type == kind else _call("cast", values, options=functions.CastOptions(kind))
