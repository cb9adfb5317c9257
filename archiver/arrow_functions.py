"""The functions of `pyarrow.compute`, by their names there, each made when it is first asked for.

When `pyarrow.compute` is loaded it makes a Python function of each of some hundred, which takes as long as it takes to
load Arrow itself; this program calls two score of them. What its functions call lies beneath it, and is called here:
first come the values, as many as the function takes, then what its options are made of. Methods of arrays load
`pyarrow.compute`, too (`cast`, `take`, `filter`, `is_null`, `is_valid`, `drop_null`): they are asked for here as well.

Nor is Arrow asked to guess the type of a value of Python: to see that it is no time it loads all that reads times.

>>> from archiver import arrow_functions as pc
>>> pc.binary_slice(pa.array([b"abc"]), 0, 2).to_pylist(), pc.take(pa.array([1, 2]), pa.array([1])).to_pylist()
([b'ab'], [2])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

try:
    from pyarrow import _compute as functions
except ImportError:  # a version of pyarrow that has them elsewhere has them here, too
    from pyarrow import compute as functions

__all__ = ["fill_null", "functions", "repeated"]

_TYPES: Final = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}


def __getattr__(name: str) -> Callable[..., Any]:
    """Return a function, and have it for the next time; `and_` and `or_` have the names that Python allows."""
    if name.startswith("__"):
        raise AttributeError(name)
    made = globals()[name] = _made(name.removesuffix("_"))
    return made


def _made(name: str) -> Callable[..., Any]:
    try:
        function = functions.get_function(name)
    except KeyError:
        raise AttributeError(name) from None
    arity = None if function.arity is Ellipsis else function.arity
    options: Any = getattr(functions, function._doc.options_class, None)  # noqa: SLF001 - as `pyarrow.compute` does

    def call(*values: Any, **said: Any) -> Any:
        given = () if arity is None else values[arity:]
        if not given and not said:
            return function.call(list(map(_typed, values)), None)
        if options is None:
            raise TypeError(f"{name}: expected {arity} values, found {len(values)}")
        return function.call(list(map(_typed, values[:arity])), options(*given, **said))

    return call


def _typed(value: Any) -> Any:
    """Return a value of Python as Arrow would by itself; others are Arrow's."""
    kind = _TYPES.get(type(value))
    return value if kind is None else pa.scalar(value, kind)


def repeated(text: str, rows: int) -> pa.StringArray:
    """Return a text as often as there are rows."""
    return pa.repeat(pa.scalar(text, pa.string()), rows)


def fill_null(values: Any, fill_value: Any) -> Any:
    """Return values with a value of their type where they are null."""
    return functions.call_function("coalesce", [values, pa.scalar(fill_value, values.type)])
