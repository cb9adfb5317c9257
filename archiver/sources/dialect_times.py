"""When events were, read out of Arrow arrays of the values that say so; exactly as `model.event_time` reads one.

Rows of which that is not sure are doubted: the caller asks the reference about them.

>>> doubts = []
>>> times_of("s", pa.array([1767870461, -5]), naive_utc=False, doubt=doubts.append)["event_time"].to_pylist()
[1767870461000000000, 0]
>>> doubts[0].to_pylist()
[False, True]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.model.event_time import UNITS

__all__ = ["UnusualError", "times_of", "times_with_fractions"]

_YEAR: Final = "(?:19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])"
_DAYS: Final = "(?:0[1-9]|[12][0-9])"  # a 29th of February that is none sends all rows to another reader
_MONTH_DAY: Final = rf"(?:(?:0[1-9]|1[0-2])-{_DAYS}|(?:0[13-9]|1[0-2])-30|(?:0[13578]|1[02])-31)"
_DAY: Final = rf"^{_YEAR}-{_MONTH_DAY}"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_LOCAL: Final = rf"{_DAY}[T ]{_CLOCK}(?:\.[0-9]{{1,9}})?"
_RFC3339: Final = rf"{_LOCAL}(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\z"
_NAIVE: Final = rf"{_LOCAL}\z"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_MONTH: Final = (
    rf"(?:{_DAYS}/(?:{'|'.join(_MONTHS)})|30/(?:{'|'.join(m for m in _MONTHS if m != 'Feb')})"
    r"|31/(?:Jan|Mar|May|Jul|Aug|Oct|Dec))"
)
_ACCESS_LOG: Final = (
    rf"^{_DAY_MONTH}/{_YEAR}:{_CLOCK}"
    r" [+-](?:[01][0-9]|2[0-3])[0-5][0-9]\z"
)
_FRACTION: Final = r"^(?P<whole>[1-9][0-9]{0,17})(?:\.(?P<part>[0-9]{1,9}))?\z"
_DIGITS: Final = r"^[1-9][0-9]{0,18}\z"

Doubt = Callable[[pa.BooleanArray], None]


class UnusualError(Exception):
    """These records, or this dialect, are not read this way."""


def times_of(unit: str, values: pa.Array, *, naive_utc: bool, doubt: Doubt) -> dict[str, pa.Array]:
    """Return the four columns of the time; `unit` is the candidate's, null rows are doubted already."""
    if not pa.types.is_string(values.type):
        return _from_numbers(unit, values, pc.cast(values, pa.string()), doubt)
    if unit in UNITS:
        fits = _only(values, _DIGITS, doubt)
        return _from_numbers(unit, _cast(fits, pa.int64()), values, doubt)
    if unit == "clf":
        times = _instants(_from_access_log(_only(values, _ACCESS_LOG, doubt)), pa.timestamp("ns", "UTC"))
        return _columns(times, values, "clf", "offset")
    if naive_utc and pc.all(pc.match_substring_regex(pc.drop_null(values).slice(0, 1), _NAIVE)).as_py():
        times = _instants(_only(values, _NAIVE, doubt), pa.timestamp("ns"))
        return _columns(times, values, "rfc3339", "assumed_utc")
    times = _instants(_only(values, _RFC3339, doubt), pa.timestamp("ns", "UTC"))
    return _columns(times, values, "rfc3339", "offset")


def times_with_fractions(unit: str, texts: pa.StringArray, *, doubt: Doubt) -> dict[str, pa.Array]:
    """Return the four columns of times that are numbers, with fractions or without, given as they were written.

    >>> times_with_fractions("s", pa.array(["1767870461.5"]), doubt=list)["event_time"].to_pylist()
    [1767870461500000000]
    """
    if unit not in (*UNITS, "any"):
        raise UnusualError
    found = pc.extract_regex(texts, _FRACTION)
    whole, part = _cast(pc.struct_field(found, [0]), pa.int64()), pc.struct_field(found, [1])
    unit = _unit_of(whole) if unit == "any" else unit
    places = UNITS[unit]
    fits = pc.and_(pc.less(whole, _limit(places)), pc.less_equal(pc.binary_length(part), places))
    fits = pc.fill_null(fits, fill_value=False)
    doubt(pc.invert(fits))
    digits = pc.binary_join_element_wise(pc.struct_field(found, [0]), pc.utf8_rpad(part, places, "0"), "")
    return _columns(_cast(pc.if_else(fits, digits, "0"), pa.int64()), texts, unit, "epoch")


def _columns(times: pa.Int64Array, texts: pa.StringArray, unit: str, basis: str) -> dict[str, pa.Array]:
    rows = len(texts)
    return {
        "event_time": times,
        "event_time_raw": texts,
        "event_time_unit": pc.repeated(unit, rows),
        "event_time_basis": pc.repeated(basis, rows),
    }


def _from_numbers(unit: str, values: pa.Array, texts: pa.StringArray, doubt: Doubt) -> dict[str, pa.Array]:
    if values.type != pa.int64() or unit not in (*UNITS, "any"):
        raise UnusualError
    unit = _unit_of(values) if unit == "any" else unit
    places = UNITS[unit]
    fits = pc.and_(pc.greater(values, 0), pc.less(values, _limit(places)))
    doubt(pc.invert(fits))
    return _columns(pc.multiply(pc.if_else(fits, values, 0), 10**places), texts, unit, "epoch")


def _limit(places: int) -> int:
    """Return below what a number of a unit is nanoseconds of 64 bits; it is one of 64 bits itself."""
    factor: int = 10**places
    return min((1 << 63) // factor, (1 << 63) - 1)


def _unit_of(values: pa.Int64Array) -> str:
    """Return the unit whose window all numbers are in."""
    ends = pc.min_max(values)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    for unit, places in UNITS.items():
        if least is not None and 10 ** (18 - places) <= least and most < 10 ** (19 - places):
            return unit
    raise UnusualError


def _only(texts: pa.StringArray, pattern: str, doubt: Doubt) -> pa.StringArray:
    """Return the texts that a pattern matches, the others null and doubted."""
    fits = pc.match_substring_regex(texts, pattern)
    doubt(pc.invert(fits))
    return pc.if_else(fits, texts, pa.scalar(None, pa.string()))


def _instants(texts: pa.StringArray, kind: pa.DataType) -> pa.Int64Array:
    return _cast(_cast(texts, kind), pa.int64())


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:  # a day that no month has, more than 64 bits
        raise UnusualError from None


def _from_access_log(texts: pa.StringArray) -> pa.StringArray:
    """Spell the times of web servers as RFC 3339 does; they have one length."""
    numbers = pa.array([f"-{number:02}-" for number in range(1, 13)], pa.string())
    month = pc.take(numbers, pc.index_in(_part(texts, 3, 6), pa.array(_MONTHS, pa.string())))
    parts: Sequence[pa.Array | str] = (
        _part(texts, 7, 11),
        month,
        _part(texts, 0, 2),
        "T",
        _part(texts, 12, 20),
        _part(texts, 21, 24),
        ":",
        _part(texts, 24, 26),
        "",
    )
    return pc.binary_join_element_wise(*parts)


def _part(texts: pa.StringArray, start: int, stop: int) -> pa.StringArray:
    return pc.utf8_slice_codeunits(texts, start, stop)
