r"""Records of CSV (RFC 4180): cells named by the header of their log, which travels in the name of the dialect.

A row of a log must be readable alone, so the dialect of a CSV log says the header: `csv.table[id,model,prompt]`, with
`%XX` for `%`, `>`, `[`, `]` and control bytes. A record that has another number of cells, or quotes where RFC 4180 has
none, does not match. The header's own line gives the member `header`; every other the member `record`, the JSON
text of an object of its cells. An empty cell is no member.

>>> table = table_of("id,prompt")
>>> read_rows(table, [b'id,prompt\n', b'7,"a ""b"",\nc"\n', b'7\n'])
[{'header': 'id,prompt'}, {'record': '{"id":"7","prompt":"a \\"b\\",\\nc"}'}, None]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from archiver.late import dataclass, pattern
from archiver.model.strict_json import Number

__all__ = ["CsvTable", "escaped", "is_csv", "joined", "read_rows", "table_of", "unescaped"]

_SEPARATORS: Final = (",", ";", "\t", "|")
_MOST_CELLS: Final = 1000
_LONGEST_HEADER: Final = 8192  # it is repeated in the dictionary of every row group
_NAME: Final = pattern(r"[A-Za-z_][A-Za-z0-9_.:/-]*(?: [A-Za-z0-9_.:/()-]+)*")
_ESCAPED: Final = pattern(r"[%>\[\]\x00-\x1f\x7f]")
_OPENS: Final = pattern(rb'(?:(?:"(?:[^"]|"")*+"|[^",;\t|]*+)[,;\t|])*+"(?:[^"]|"")*+')
_BOM: Final = "\ufeff"


@dataclass(frozen=True)
class CsvTable:
    """The header of a CSV log as written, its names, and what separates them; without names nothing matches."""

    header: str = ""
    names: tuple[str, ...] = ()
    separator: str = ","


def table_of(header: str) -> CsvTable | None:
    """Return the table of a header line; None for what is none.

    Its names are two at least, look like names and are all different; what separates them is what makes the most.
    """
    if len(header) > _LONGEST_HEADER:
        return None
    found = []
    for separator in _SEPARATORS:
        names = _cells(header.removeprefix(_BOM), separator) or []
        if 1 < len(names) <= _MOST_CELLS and len(set(names)) == len(names) and all(map(_NAME.fullmatch, names)):
            found.append(CsvTable(header, tuple(names), separator))
    return max(found, key=lambda table: len(table.names), default=None)


def is_csv(dialect: str | None) -> bool:
    """Say whether a name, or the first of a chain of names, is that of a dialect of CSV: no other has a header."""
    return dialect is not None and "[" in dialect.partition(">")[0]


def read_rows(table: CsvTable, lines: Sequence[bytes | None]) -> list[dict[str, str | Number] | None]:
    """Return what each record stands for, None for one that does not match."""
    return [None if line is None else _read(table, line) for line in lines]


def escaped(header: str) -> str:
    """Return a header as it stands in the name of a dialect."""
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", header)


def unescaped(text: str) -> str | None:
    """Return the header that a dialect's name says, None where `escaped` would spell it in another way."""
    header = re.sub("%([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)
    return header if escaped(header) == text else None


def joined(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Join lines while a quoted cell is open; lines that no quote closes within `most` bytes, or at all, stay single.

    A last line without its terminator is never joined: where it begins must be seen from the last 0A alone.
    """
    coming = iter(lines)
    again: list[bytes] = []  # lines that are looked at once more, the next one last
    begun: list[bytes] = []
    size = 0
    while True:
        line = again.pop() if again else next(coming, None)
        if line is None and not begun:
            return
        size += len(line or b"")
        if begun and (line is None or size > most or not line.endswith(b"\n")):
            yield begun[0]
            again += reversed([*begun[1:], *([] if line is None else [line])])
            begun, size = [], 0
        elif line is not None and _leaves_open(line, is_open=bool(begun)):
            begun.append(line)
        elif line is not None:
            yield b"".join([*begun, line]) if begun else line
            begun, size = [], 0


def _leaves_open(line: bytes, *, is_open: bool) -> bool:
    """Say whether a cell is open behind a line.

    One opens only where a cell begins, so that the rest of a record that was cut while it was written swallows nothing.
    """
    is_even = line.count(b'"') % 2 == 0
    return line.endswith(b"\n") and (is_even if is_open else not is_even and _OPENS.fullmatch(line) is not None)


def _read(table: CsvTable, line: bytes) -> dict[str, str | Number] | None:
    try:
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        return None
    if table.names and text == table.header:
        return {"header": text}
    cells = _cells(text, table.separator)
    if cells is None or not table.names or len(cells) != len(table.names) or not text.strip(" \t\r\n"):
        return None
    members = ((name, cell) for name, cell in zip(table.names, cells, strict=True) if cell)
    spelled = (f"{json.dumps(name)}:{json.dumps(cell, ensure_ascii=False)}" for name, cell in members)
    return {"record": "{" + ",".join(spelled) + "}"}


def _cells(text: str, separator: str) -> list[str] | None:
    """Return the cells of one record, None where a quote stands where RFC 4180 has none."""
    if '"' not in text:
        return text.split(separator)
    cells: list[str] = []
    pattern = _cell_pattern(separator)
    at = 0
    while True:
        match = pattern.match(text, at)
        if match is None:
            return None
        quoted = match[1]
        cells.append(match[2] if quoted is None else quoted.replace('""', '"'))
        at = match.end()
        if at == len(text):
            return cells
        if text[at] != separator:
            return None
        at += 1


def _cell_pattern(separator: str) -> re.Pattern[str]:
    return re.compile(rf'"((?:[^"]|"")*+)"|([^"{re.escape(separator)}]*+)')
