"""When a hold ends: instants in a policy, and every reading of words like "until the end of 2026".

The words of an order name a day and no time zone. The day ends in Brussels thirteen hours before it ends in the last
time zone on Earth (UTC-12), and Regulation 1182/71 may move it to the next working day. A lock therefore takes the end
in the last time zone as its minimum, and the open-ended legal hold covers whatever is later:

>>> end_of_day(date(2026, 12, 31)).isoformat()
'2027-01-01T12:00:00+00:00'

An instant in a policy is RFC 3339 with an offset. It is rounded up to whole seconds, never down. A bare day is refused:
`2026-12-31` means the beginning of the day to a machine and its end to a person, and the difference is a lost day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from archiver.late import dataclass, pattern
from archiver.model.instant import format_instant

__all__ = [
    "INSTANT_PATTERN",
    "NotAnInstantError",
    "Reading",
    "end_of_day",
    "extend_command",
    "last_day",
    "parse_offset_instant",
    "readings",
]

INSTANT_PATTERN: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"
LAST_ZONE: Final = timezone(timedelta(hours=-12))

_INSTANT = pattern(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<part>\.[0-9]+)?"
    r"(?P<offset>Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_DAY = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_OFFSET = pattern(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]+)?")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH: Final = "|".join(_MONTHS)
_END_OF_YEAR = pattern(r"\bend of (?:the year )?([12][0-9]{3})\b")
_END_OF_MONTH = pattern(rf"\bend of ({_MONTH}) ([12][0-9]{{3}})\b")
_DAY_MONTH = pattern(rf"\b([0-9]{{1,2}}) ({_MONTH}) ([12][0-9]{{3}})\b")
_ISO_DAY = pattern(r"\b([12][0-9]{3})-([0-9]{2})-([0-9]{2})\b")


class NotAnInstantError(ValueError):
    """A text that is not an instant with an offset; `instead` is what to write."""

    def __init__(self, problem: str, instead: str) -> None:
        """Say what is wrong and what to write."""
        super().__init__(problem)
        self.instead = instead


@dataclass(frozen=True)
class Reading:
    """One way to read the last day of a hold: where, and the UTC instant at which it is over there.

    `by_date` is False for the working-day reading: the open-ended legal hold covers it, not the retention date.
    """

    name: str
    ends: datetime
    by_date: bool = True


# The offset is the winter time of the zone, for machines without time zone data: its days end later than in summer.
_PLACES: Final = (
    ("Brussels", "Europe/Brussels", 1),
    ("Dublin, London", "Europe/Dublin", 0),
    ("UTC", "UTC", 0),
    ("New York", "America/New_York", -5),
    ("Chicago", "America/Chicago", -6),
    ("San Francisco", "America/Los_Angeles", -8),
)


def parse_offset_instant(text: str) -> datetime:
    """Read an RFC 3339 instant and return it in UTC, rounded up to the second; raises `NotAnInstantError`."""
    found = _INSTANT.fullmatch(text)
    if found is None or found["offset"] == "-00:00":
        raise _not_an_instant(text)
    offset = "+00:00" if found["offset"] == "Z" else found["offset"]
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{found['clock']}{offset}").astimezone(UTC)
        part = (found["part"] or "").strip(".0")
        return moment + timedelta(seconds=1) if part else moment
    except (ValueError, OverflowError) as problem:
        raise _impossible(found["day"], found["clock"], found["offset"]) from problem


def end_of_day(day: date, zone: tzinfo = LAST_ZONE) -> datetime:
    """Return the instant at which a day is over in a zone, in UTC; by default in the last zone on Earth."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def readings(day: date) -> tuple[Reading, ...]:
    """Return every reading of a last day, earliest first."""
    found = [Reading(name, end_of_day(day, _zone(key, hours))) for name, key, hours in _PLACES]
    found.append(Reading("last time zone on Earth (UTC-12)", end_of_day(day)))
    working_day = _working_day(day)
    if working_day != day:
        ends = end_of_day(working_day, _zone("Europe/Brussels", 1))
        found.append(Reading("next working day of the Commission, Brussels (Regulation 1182/71)", ends, by_date=False))
    return tuple(sorted(found, key=lambda reading: reading.ends))


def last_day(stated_as: str) -> date | None:
    """Return the last day that the words of an order name, None when they name none that is understood.

    >>> last_day("until the end of 2026")
    datetime.date(2026, 12, 31)
    """
    words = " ".join(stated_as.casefold().replace(",", " ").split())
    try:
        if found := _END_OF_YEAR.search(words):
            return date(int(found[1]), 12, 31)
        if found := _END_OF_MONTH.search(words):
            month = _MONTHS.index(found[1]) + 1
            return date(int(found[2]) + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        if found := _DAY_MONTH.search(words):
            return date(int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]))
        if found := _ISO_DAY.search(words):
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None  # such as 31 June: no day, so no reading
    return None


def _zone(key: str, winter_hours: int) -> tzinfo:
    try:
        return ZoneInfo(key)
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=winter_hours))


def _working_day(day: date) -> date:
    """Return `day`, or the next working day: weekends, and the closure from 24 December to 2 January, do not count."""
    while day.weekday() >= 5 or (day.month, day.day) >= (12, 24) or (day.month, day.day) <= (1, 2):  # noqa: PLR2004
        day += timedelta(days=1)
    return day


def _not_an_instant(text: str) -> NotAnInstantError:
    if _DAY.fullmatch(text):
        try:
            ends = format_instant(end_of_day(date.fromisoformat(text)))
        except (ValueError, OverflowError):
            return NotAnInstantError("there is no such day", '"2027-01-01T12:00:00Z"')
        return NotAnInstantError(
            "a day is not an instant and would lose the last day", f'"{ends}", the end of {text} in the last time zone'
        )
    if found := _NO_OFFSET.fullmatch(text):
        clock = found[2] if found[2].count(":") > 1 else f"{found[2]}:00"
        return NotAnInstantError("the offset is missing", f'"{found[1]}T{clock}Z" for UTC, or an offset such as +01:00')
    return NotAnInstantError("not an instant of RFC 3339 with an offset", 'such as "2027-01-01T12:00:00Z"')


def _impossible(day: str, clock: str, offset: str) -> NotAnInstantError:
    """Explain 24:00:00 and the leap second by the instant that they mean, anything else by an example."""
    try:
        if clock == "24:00:00":
            after = date.fromisoformat(day) + timedelta(days=1)
            return NotAnInstantError("hours go from 00 to 23", f'"{after}T00:00:00{offset}"')
        if clock.endswith(":60"):
            after_second = datetime.fromisoformat(f"{day}T{clock[:-2]}59") + timedelta(seconds=1)
            return NotAnInstantError("seconds go from 00 to 59", f'"{after_second.isoformat()}{offset}"')
    except (ValueError, OverflowError):
        pass  # the day does not exist either: answered below
    return NotAnInstantError("there is no such day or time of day", 'such as "2027-01-01T12:00:00Z"')


def extend_command(matter: str = "MATTER") -> str:
    """Return what to type to make a hold longer; capitals stand for what is to be written there."""
    return f"`archiver hold extend {matter} --until T --instrument ORDER`"
