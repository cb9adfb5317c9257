"""Instants in the one spelling that is hashed and signed: RFC 3339, UTC, whole seconds, `Z` (FORMAT.md, Encoding).

>>> format_instant(datetime(2027, 1, 1, 12, tzinfo=UTC))
'2027-01-01T12:00:00Z'

Rounding goes up for locks, so that a lock is never a fraction short, and down everywhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from archiver.errors import EvidenceError
from archiver.late import pattern

__all__ = ["compact_instant", "format_instant", "parse_instant", "round_up"]

_INSTANT = pattern(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")


def format_instant(moment: datetime) -> str:
    """Spell an aware instant, rounded down to the second."""
    return _spell(moment.replace(microsecond=0))


@lru_cache(maxsize=256)  # a second has many items
def _spell(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).isoformat()[:19]}Z"  # strftime gives years before 1000 fewer digits


def compact_instant(moment: datetime) -> str:
    """Spell an aware instant as it stands in ids: `YYYYMMDDTHHMMSSZ`."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def round_up(moment: datetime) -> datetime:
    """Return the first whole second that is not before `moment`, for locks."""
    whole = moment.astimezone(UTC).replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


@lru_cache(maxsize=4096)
def parse_instant(text: str) -> datetime:
    """Read an instant; anything that `format_instant` would not write is refused."""
    found = _INSTANT.fullmatch(text)
    if found:
        year, month, day, hour, minute, second = map(int, found.groups())
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            pass  # such as the 30th of February: refused below with everything else
    raise EvidenceError("not-an-instant", f"time: expected YYYY-MM-DDTHH:MM:SSZ, found {text[:40]!r}")
