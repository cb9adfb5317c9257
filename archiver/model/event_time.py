"""The time of an event, exactly or not at all.

A time is nanoseconds since 1970 in 64 bits, as Arrow keeps it (1677-09-21 to 2262-04-11). Nothing is rounded: what is
finer than a nanosecond, outside that range, a leap second, or without offset where nobody documented one, is refused
with a reason. The text as written always stays beside it.

>>> from_text("2026-01-08T12:07:41.118+01:00", naive_utc=False)
Instant(nanoseconds=1767870461118000000, unit='rfc3339', basis='offset')
>>> from_number("1767870461.5", "s").nanoseconds
1767870461500000000
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from typing import Final

from archiver.late import dataclass, pattern

__all__ = ["UNITS", "Instant", "NoInstant", "from_access_log", "from_number", "from_text"]

UNITS: Final = {"s": 9, "ms": 6, "us": 3, "ns": 0}
"""Units since 1970, each with its decimal places above the nanosecond."""

_WINDOWS: Final = {unit: (10 ** (18 - places), 10 ** (19 - places)) for unit, places in UNITS.items()}
_LIMIT: Final = 1 << 63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=100, traps=[Inexact])
_NUMBER: Final = pattern(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,2})?")
_TEXT: Final = pattern(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,40}))?(?:([Zz])|([-+])([0-9]{2}):([0-9]{2}))?"
)
_ACCESS_LOG: Final = pattern(
    r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2}) ([-+][0-9]{2})([0-9]{2})"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NANOSECOND_DIGITS: Final = 9
_LEAP: Final = 60


class NoInstant(Exception):  # noqa: N818 - a verdict on a value, not a failure of the program
    """A value is no exact time; the first argument is the reason as `parse_error` shows it."""


@dataclass(frozen=True)
class Instant:
    """Nanoseconds since 1970, the unit they were written in, and what makes them UTC."""

    nanoseconds: int
    unit: str
    basis: str


def from_number(text: str, unit: str) -> Instant:
    """Read a JSON number, or digits in a string, as units since 1970; `any` lets the magnitude tell the unit."""
    if not _NUMBER.fullmatch(text):
        raise NoInstant("not-a-time")
    number = Decimal(text)
    if unit == "any":
        unit = _unit_of(number)
    try:
        nanoseconds = number.scaleb(UNITS[unit], _EXACT).to_integral_exact(context=_EXACT)
    except Inexact:
        raise NoInstant("finer-than-a-nanosecond") from None
    return Instant(_in_range(int(nanoseconds)), unit, "epoch")


def _unit_of(number: Decimal) -> str:
    for unit, (first, end) in _WINDOWS.items():
        if first <= number < end:
            return unit
    raise NoInstant("unit-unknown")


def from_text(text: str, *, naive_utc: bool) -> Instant:
    """Read an RFC 3339 time; without offset only where the dialect says that such times are UTC."""
    match = _TEXT.fullmatch(text)
    if not match:
        raise NoInstant("not-a-time")
    fraction, zulu, sign, hours, minutes = match.group(7, 8, 9, 10, 11)
    if not (zulu or sign or naive_utc):
        raise NoInstant("no-offset")
    offset = _offset(sign, hours, minutes) if sign else 0
    nanoseconds = (_seconds(match) - offset) * 10**9 + _fraction(fraction or "")
    return Instant(_in_range(nanoseconds), "rfc3339", "offset" if zulu or sign else "assumed_utc")


def from_access_log(text: str) -> Instant:
    """Read a time as web servers log it: English month, always an offset.

    >>> from_access_log("08/Jan/2026:12:07:41 +0100").nanoseconds
    1767870461000000000
    """
    match = _ACCESS_LOG.fullmatch(text)
    if not match or match[2] not in _MONTHS:
        raise NoInstant("not-a-time")
    day, month, year, clock, hours, minutes = match.groups()
    spelled = f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}{hours}:{minutes}"
    return Instant(from_text(spelled, naive_utc=False).nanoseconds, "clf", "offset")


def _seconds(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    if second == _LEAP:
        raise NoInstant("leap-second")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise NoInstant("not-a-time") from None
    since = moment - _EPOCH
    return since.days * 86_400 + since.seconds


def _offset(sign: str, hours: str, minutes: str) -> int:
    if int(hours) > 23 or int(minutes) > 59:  # noqa: PLR2004 - hours and minutes
        raise NoInstant("not-a-time")
    return (-1 if sign == "-" else 1) * (int(hours) * 3600 + int(minutes) * 60)


def _fraction(digits: str) -> int:
    if digits[_NANOSECOND_DIGITS:].strip("0"):
        raise NoInstant("finer-than-a-nanosecond")
    return int(digits[:_NANOSECOND_DIGITS].ljust(_NANOSECOND_DIGITS, "0"))


def _in_range(nanoseconds: int) -> int:
    if not -_LIMIT < nanoseconds < _LIMIT:  # the lowest int64 stands for "no time" in some readers
        raise NoInstant("out-of-range")
    return nanoseconds
