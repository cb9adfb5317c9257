r"""How sizes, counts, times and names are spelled for people.

>>> size(3_145_728), count(1, "item"), plain("a\x1b[31m")
('3.0 MiB', '1 item', 'a\\x1b[31m')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from archiver.late import pattern

__all__ = [
    "beside",
    "columns",
    "count",
    "days_left",
    "indented",
    "instant",
    "listed",
    "plain",
    "plain_lines",
    "short",
    "size",
]

_STEP: Final = 1024
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SURROGATE = pattern("[\udc80-\udcff]")


def plain(text: str) -> str:
    """Escape everything that is not printable, so that a name cannot speak to the terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    if _SURROGATE.fullmatch(letter):  # a byte that is not UTF-8, as Python's file names hold it
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def plain_lines(text: str) -> str:
    """Escape all but the line ends of a text of several lines."""
    return "\n".join(plain(line) for line in text.split("\n"))


def size(number: int) -> str:
    """Spell a number of bytes."""
    if number < _STEP:
        return count(number, "byte")
    value = float(number)
    for unit in _UNITS:
        value /= _STEP
        if value < _STEP or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Spell a number of things."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {plural or _plural(noun)}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith(("s", "ch")) else f"{noun}s"


def short(digest: str) -> str:
    """Return the first digits of a digest, enough to compare by eye."""
    return digest[:16]


def instant(moment: datetime) -> str:
    """Spell an instant as everywhere in the archive."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def days_left(until: datetime, now: datetime) -> str:
    """Say how long a hold still runs, or since when it has passed."""
    left = until - now
    if left > timedelta(0):
        return f"{count(left.days, 'day')} left" if left.days else "less than a day left"
    gone = (-left).days
    return f"passed {count(gone, 'day')} ago" if gone else "passed"


def listed(things: Iterable[str], *, most: int = 5) -> str:
    """Join a few names; of many only the first are named."""
    names = [plain(thing) for thing in things]
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def beside(name: str, why: str) -> str:
    """Return what is said of an item for whoever reads its name beside it: without its path in front.

    >>> beside("papers/a/b.txt", "a/b.txt: Permission denied")
    'Permission denied'
    """
    path, _, rest = why.partition(": ")
    return rest if rest and name.endswith(f"/{path}") else why


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), widest: int = 1 << 20) -> list[str]:
    """Align rows in columns with two spaces between; columns in `right` are set to the right.

    No column is made wider than `widest`: a name that is longer pushes its own row out, and not those of all others.
    """
    if not rows:
        return []
    widths = [min(max(len(row[place]) for row in rows), widest) for place in range(len(rows[0]))]
    return ["  ".join(_cell(cell, widths[at], at in right) for at, cell in enumerate(row)).rstrip() for row in rows]


def _cell(text: str, width: int, right: bool) -> str:  # noqa: FBT001 - of this module alone
    return text.rjust(width) if right else text.ljust(width)


def indented(lines: Iterable[str], by: str = "  ") -> list[str]:
    """Put lines further in."""
    return [f"{by}{line}" for line in lines]
