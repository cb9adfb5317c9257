"""When a hold ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from archiver.model import hold
from archiver.model.hold import NotAnInstantError, end_of_day, last_day, parse_offset_instant, readings
from archiver.model.instant import format_instant


def spelled(text):
    return format_instant(parse_offset_instant(text))


def test_the_end_of_2026_has_the_readings_of_the_law():
    found = {reading.name: format_instant(reading.ends) for reading in readings(date(2026, 12, 31))}
    assert found == {
        "Brussels": "2026-12-31T23:00:00Z",
        "Dublin, London": "2027-01-01T00:00:00Z",
        "UTC": "2027-01-01T00:00:00Z",
        "New York": "2027-01-01T05:00:00Z",
        "Chicago": "2027-01-01T06:00:00Z",
        "San Francisco": "2027-01-01T08:00:00Z",
        "last time zone on Earth (UTC-12)": "2027-01-01T12:00:00Z",
        "next working day of the Commission, Brussels (Regulation 1182/71)": "2027-01-04T23:00:00Z",
    }


def test_readings_come_in_order_and_only_the_working_day_is_left_to_the_legal_hold():
    found = readings(date(2026, 12, 31))
    assert [reading.ends for reading in found] == sorted(reading.ends for reading in found)
    assert [reading.name for reading in found if not reading.by_date] == [found[-1].name]


def test_a_day_in_summer_ends_by_summer_time():
    found = {reading.name: format_instant(reading.ends) for reading in readings(date(2026, 6, 30))}
    assert found["Brussels"] == "2026-06-30T22:00:00Z"
    assert found["Dublin, London"] == "2026-06-30T23:00:00Z"
    assert found["San Francisco"] == "2026-07-01T07:00:00Z"
    assert len(found) == 7, "a Tuesday in June is a working day"


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        ("2026-03-28", "2026-03-28T23:00:00Z"),  # the night before the clocks go forward
        ("2026-03-29", "2026-03-29T22:00:00Z"),  # a day of 23 hours
        ("2026-10-24", "2026-10-24T22:00:00Z"),
        ("2026-10-25", "2026-10-25T23:00:00Z"),  # a day of 25 hours
    ],
)
def test_days_on_which_the_clocks_change_end_at_local_midnight(day, ends):
    assert format_instant(end_of_day(date.fromisoformat(day), ZoneInfo("Europe/Brussels"))) == ends


def test_without_time_zone_data_every_reading_is_there_and_none_is_earlier(monkeypatch):
    day = date(2026, 6, 30)
    exact = {reading.name: reading.ends for reading in readings(day)}

    def nowhere(key):
        raise ZoneInfoNotFoundError(key)

    monkeypatch.setattr(hold, "ZoneInfo", nowhere)
    assert {r.name: r.ends >= exact[r.name] for r in readings(day)} == dict.fromkeys(exact, True)


def test_without_time_zone_data_the_end_of_a_year_is_the_same(monkeypatch):
    day = date(2026, 12, 31)
    exact = readings(day)
    monkeypatch.setattr(hold, "_zone", lambda key, hours: hold.timezone(timedelta(hours=hours)))
    assert readings(day) == exact


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("until the end of 2026", date(2026, 12, 31)),
        ("Until the  End of\n2026.", date(2026, 12, 31)),
        ("until the end of the year 2026", date(2026, 12, 31)),
        ("until the end of December 2026", date(2026, 12, 31)),
        ("until the end of February 2028", date(2028, 2, 29)),
        ("until 30 June 2027", date(2027, 6, 30)),
        ("until 2027-06-30", date(2027, 6, 30)),
        ("until 31 June 2027", None),
        ("until further notice", None),
        ("until the end of 12026", None),
    ],
)
def test_the_words_of_an_order_name_a_day_or_none(words, day):
    assert last_day(words) == day


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2027-01-01T12:00:00Z", "2027-01-01T12:00:00Z"),
        ("2026-12-31T23:59:59+01:00", "2026-12-31T22:59:59Z"),
        ("2026-12-31T23:59:59-12:00", "2027-01-01T11:59:59Z"),
        ("2026-12-31T23:59:59.000Z", "2026-12-31T23:59:59Z"),
        ("2026-12-31T23:59:59.5Z", "2027-01-01T00:00:00Z"),
        ("2026-12-31T23:59:59.0000000000001Z", "2027-01-01T00:00:00Z"),  # finer than any clock, and still up
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00Z"),  # a local time that does not exist in Brussels
    ],
)
def test_instants_are_read_with_their_offset_and_rounded_up(text, utc):
    assert spelled(text) == utc


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("2026-12-31", '"2027-01-01T12:00:00Z", the end of 2026-12-31 in the last time zone'),
        ("2026-12-31T24:00:00Z", '"2027-01-01T00:00:00Z"'),
        ("2026-12-31T24:00:00+01:00", '"2027-01-01T00:00:00+01:00"'),
        ("2026-12-31T23:59:60Z", '"2027-01-01T00:00:00Z"'),
        ("2026-12-31T23:59:59", '"2026-12-31T23:59:59Z" for UTC, or an offset such as +01:00'),
        ("2026-12-31 23:59", '"2026-12-31T23:59:00Z" for UTC, or an offset such as +01:00'),
        ("2026-12-31T23:59:59-00:00", 'such as "2027-01-01T12:00:00Z"'),  # RFC 3339: the offset is unknown
        ("2026-12-31t23:59:59z", 'such as "2027-01-01T12:00:00Z"'),
        ("2026-12-31T23:59:59+24:00", 'such as "2027-01-01T12:00:00Z"'),
        ("2026-02-30T00:00:00Z", 'such as "2027-01-01T12:00:00Z"'),
        ("2026-02-30", '"2027-01-01T12:00:00Z"'),
        ("9999-12-31", '"2027-01-01T12:00:00Z"'),
        ("9999-12-31T23:59:59-01:00", 'such as "2027-01-01T12:00:00Z"'),
        ("9999-12-31T24:00:00Z", 'such as "2027-01-01T12:00:00Z"'),
        ("9999-12-31T23:59:59.5Z", 'such as "2027-01-01T12:00:00Z"'),
        ("٢٠٢٦-12-31T23:59:59Z", 'such as "2027-01-01T12:00:00Z"'),
        ("2026-12-31T23:59:59Z\n", 'such as "2027-01-01T12:00:00Z"'),
        ("", 'such as "2027-01-01T12:00:00Z"'),
        ("tomorrow", 'such as "2027-01-01T12:00:00Z"'),
    ],
)
def test_what_is_not_an_instant_is_refused_with_what_to_write(text, instead):
    with pytest.raises(NotAnInstantError) as refused:
        parse_offset_instant(text)
    assert refused.value.instead == instead


def test_an_instant_is_in_utc():
    assert parse_offset_instant("2026-12-31T23:59:59+01:00") == datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)
