r"""The usual line of `items`, recognised at one look: a file whose bytes lie in one range of rows.

The law: a line that is recognised here is one that the strict reader accepts (`ItemLine.parse`); a line that is not may
be good all the same, and is left to that one. All texts are of printable ASCII without `"`, `\` and, in paths, `%`, so
that they have one spelling; the members are those of such a line, in their canonical order, and nothing is left over.

>>> is_usual(b'{"basis":"read"}')
False
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from archiver.errors import EvidenceError
from archiver.model import instant, layout
from archiver.model.item import USUAL_ITEM

__all__ = [
    "LONGEST",
    "Told",
    "UsualFiles",
    "UsualRow",
    "UsualRows",
    "is_usual",
    "usual_files",
    "usual_row",
    "usual_rows",
]

LONGEST: Final = 16_384
"""Bytes of a line from which on it is no usual one."""

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,14}+)"
_DECIMAL: Final = r'"-?+(?:0|[1-9][0-9]{0,37}+)"'
_NAME: Final = r'(?:null|"[ !#-\[\]-~]*+")'
_WORD: Final = r'[^"\\\n]++'


def _file(decimal: str, number: str) -> str:
    """Return what a file system said; in `decimal` stand both times, in `number` mode and links."""
    return (
        rf'\{{"atime_ns":{decimal},"btime_ns":(?:null|{_DECIMAL}),"ctime_ns":{_DECIMAL},"dev":{_DECIMAL},'
        rf'"gid":{_NUMBER},"group":{_NAME},"holes":\[\],"ino":{_DECIMAL},"link_target":null,"mode":{number},'
        rf'"mtime_ns":{decimal},"nlink":{number},"owner":{_NAME},"uid":{_NUMBER},"xattrs":\{{\}}\}}'
    )


_FILE: Final = _file(_DECIMAL, _NUMBER)
_FILE_TAKEN: Final = _file(f'"({_DECIMAL[1:-1]})"', f"({_NUMBER})")
_PART: Final = (
    rf'\{{"batch":"(?P<batch>{_WORD})","count":(?P<count>[1-9][0-9]{{0,14}}+),"first":(?P<first>{_NUMBER})'
    rf'(?P<of>,"of":{USUAL_ITEM})?\}}'
)
_OWN_ROW: Final = rf'\{{"batch":"({_WORD})","count":1,"first":({_NUMBER})\}}'


def _line(file: str, part: str) -> str:
    return (
        rf'\{{"basis":"(?:read|stat)","detail":null,"errno":null,"file":{file},"item":(?P<item>{USUAL_ITEM}),'
        rf'"kind":"file","observed_at":"(?P<at>{_WORD})","parts":\[{part}\],"reason":null,'
        r'"sha256":"(?P<sha256>[0-9a-f]{64})",'
        rf'"size":(?P<size>{_NUMBER}),"status":"(?P<status>captured|unchanged)",'
        r'"table":"(?P<table>documents|model_logs)"\}\n'
    )


@cache
def _pattern() -> re.Pattern[bytes]:
    return re.compile(_line(_FILE, _PART).encode())  # milliseconds that many commands do not need


@cache
def _pattern_of_many() -> re.Pattern[bytes]:
    return re.compile(_line(_FILE, _OWN_ROW).encode() + rb"|[^\n]*+\n")  # any line, so that none is passed over


@cache
def _pattern_of_many_files() -> re.Pattern[bytes]:
    return re.compile(_line(_FILE_TAKEN, _OWN_ROW).encode() + rb"|[^\n]*+\n")


def is_usual(raw: bytes) -> bool:
    """Say whether a line is a usual one, and by that a good one."""
    found = _pattern().fullmatch(raw) if len(raw) <= LONGEST else None
    return found is not None and _are_good(found["at"], found["batch"])


class Told(NamedTuple):
    """What many usual lines have in common: they name the same batch, too."""

    source: str
    status: str
    batch: str
    table: str


class UsualRow(NamedTuple):
    """What a usual line says of a file that is one row, which carries the file itself; `sha256` in hex."""

    told: Told
    item: bytes
    first: int
    sha256: bytes
    size: int


class UsualRows(NamedTuple):
    """What so many lines that follow each other say, as `UsualRow` has it; without `told` each is to be looked at."""

    number: int
    told: Told | None
    items: tuple[bytes, ...]
    firsts: tuple[bytes, ...]
    sha256s: tuple[bytes, ...]
    sizes: tuple[bytes, ...]


class UsualFiles(NamedTuple):
    """What so many lines say, beside that, of what it takes to give their files back: path, mode, names and times."""

    number: int
    told: Told | None
    items: tuple[bytes, ...]
    paths: tuple[bytes, ...]
    firsts: tuple[bytes, ...]
    sha256s: tuple[bytes, ...]
    sizes: tuple[bytes, ...]
    modes: tuple[bytes, ...]
    nlinks: tuple[bytes, ...]
    atimes: tuple[bytes, ...]
    mtimes: tuple[bytes, ...]


def usual_row(raw: bytes) -> UsualRow | None:
    """Return what a usual line says of a file that is one row of its own; None for any other line."""
    found = _pattern().fullmatch(raw) if len(raw) <= LONGEST else None
    return None if found is None else _row(found)


def usual_rows(lines: bytes) -> list[UsualRows]:
    """Return what many lines say, none of them longer than `LONGEST`: as `usual_row` says it, in half the time.

    A line ends with its first line feed.
    """
    found = _pattern_of_many().findall(lines)
    if not found:
        return []
    items, _, sources, ats, batches, firsts, sha256s, sizes, statuses, tables = zip(*found, strict=True)
    return [
        UsualRows(few.stop - few.start, told, items[few], firsts[few], sha256s[few], sizes[few])
        for few, told in _alike(ats, sources, statuses, batches, tables)
    ]


def usual_files(lines: bytes) -> list[UsualFiles]:
    """Return what many lines, as `usual_rows` takes them, say of their rows and of their files."""
    found = _pattern_of_many_files().findall(lines)
    if not found:
        return []
    (atimes, modes, mtimes, nlinks, items, paths, sources, ats, batches, firsts, sha256s, sizes, statuses, tables) = (
        zip(*found, strict=True)
    )
    members = (items, paths, firsts, sha256s, sizes, modes, nlinks, atimes, mtimes)
    return [
        UsualFiles(few.stop - few.start, told, *(each[few] for each in members))
        for few, told in _alike(ats, sources, statuses, batches, tables)
    ]


def _alike(ats: tuple[bytes, ...], *members: tuple[bytes, ...]) -> Iterator[tuple[slice, Told | None]]:
    """Yield the runs of lines that have source, status, batch and table in common, and these; None: no usual lines."""
    begin = 0
    for said, same in groupby(zip(*members, strict=True)):
        end = begin + len(list(same))
        told = {_told(at, *said) for at in set(ats[begin:end])}  # one, where all instants are spelled as such
        yield slice(begin, end), told.pop() if len(told) == 1 else None
        begin = end


def _row(found: re.Match[bytes]) -> UsualRow | None:
    item, _, source, at, batch, count, first, of, _, _, sha256, size, status, table = found.groups()
    told = None if count != b"1" or of is not None else _told(at, source, status, batch, table)
    return None if told is None else UsualRow(told, item, int(first), sha256, int(size))


@lru_cache(maxsize=1024)
def _told(at: bytes, source: bytes, status: bytes, batch: bytes, table: bytes) -> Told | None:
    if not _are_good(at, batch):
        return None
    return Told(source.decode(), status.decode(), batch.decode(), table.decode())


@lru_cache(maxsize=1024)  # a second has many items, and so has a batch
def _are_good(observed_at: bytes, batch: bytes) -> bool:
    """Say whether instant and batch are spelled as such."""
    try:
        instant.parse_instant(observed_at.decode())
        layout.parse_batch_id(batch.decode())
    except (EvidenceError, UnicodeDecodeError):
        return False
    return True
