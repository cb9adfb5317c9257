"""Which dialect a log is written in, told from its first lines.

Deterministic, and only a choice of index columns: a wrong guess costs columns, never bytes. At most 64 lines that are
not blank are looked at, and no further than the line in which 64 KiB are reached, so a long first line still counts.
A dialect is eligible when it reads more than half of what could be its own (of a dialect of text: of the lines; of CSV:
of the records behind a header; of any other: of the JSON objects among the lines) and they meet one of its lists of
conditions; the highest priority wins, then the most records met, then the name. Where none is it is `text.opaque`.

A carrier's answer goes on: `>` and what the texts that it carries are recognised as.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from archiver.model.csv_table import CsvTable, joined, table_of
from archiver.model.dialect import INNER, OPAQUE, Dialect
from archiver.model.dialect_chain import MAX_STEPS, SEPARATOR, goes_on, marked
from archiver.model.dialect_reference import derive, read_records
from archiver.model.json_lookup import AmbiguousPath, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from archiver.model.strict_json import Value

__all__ = ["SAMPLE_BYTES", "SAMPLE_LINES", "carried", "recognise"]

SAMPLE_LINES: Final = 64
SAMPLE_BYTES: Final = 65_536


def recognise(dialects: Mapping[str, Dialect], sample_lines: Iterable[bytes], *, steps: int = MAX_STEPS) -> str:
    """Return the dialect, or the chain of dialects, that fits the first complete lines of a log.

    >>> from archiver.model.dialect_file import load_dialects
    >>> recognise(load_dialects(), [b'{"level":"info"}'])
    'json.generic'
    """
    lines = _sample(sample_lines)
    objects = _records(None, lines)
    met: dict[str, int] = {}
    eligible = []
    for published in dialects.values():
        dialect = published
        if dialect.is_carrier and steps == 1:
            continue
        of, own = len(objects), objects
        if isinstance(dialect.pattern, CsvTable):
            dialect, own, of = _csv(dialect, lines)
        elif dialect.pattern is not None:
            own, of = _records(dialect, lines), len(lines)
        met[dialect.id] = sum(_meets(dialect, one) for one in own)
        if 2 * met[dialect.id] > of:
            eligible.append(dialect)
    best = min(eligible, key=lambda dialect: (-dialect.priority, -met[dialect.id], dialect.id), default=None)
    if best is None:
        return OPAQUE
    if not best.is_carrier:
        return best.id
    return best.spelled + SEPARATOR + recognise(dialects, carried(best, lines), steps=steps - 1)


def carried(carrier: Dialect, lines: Iterable[bytes]) -> list[bytes]:
    """Return the whole texts that some records carry."""
    if isinstance(carrier.pattern, CsvTable):
        lines = _whole_records(lines)
    rows = [marked(carrier, derive(carrier, line), named=False) for line in lines]
    return [str(row[INNER]).encode() for row in rows if goes_on(row)]


def _csv(dialect: Dialect, lines: list[bytes]) -> tuple[Dialect, list[dict[str, Value]], int]:
    """Return a dialect of CSV with the header of a log, the records behind it that match, and how many there are."""
    records = list(_whole_records(lines))
    try:
        table = table_of(records[0].removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")) if records else None
    except UnicodeDecodeError:
        table = None
    if table is None or len(records) == 1:
        return dialect, [], len(records)
    bound = replace(dialect, pattern=table)
    return bound, _records(bound, records[1:]), len(records) - 1


def _whole_records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join the lines of records of CSV, which may have come without their line ends."""
    return joined((line.removesuffix(b"\n") + b"\n" for line in lines), SAMPLE_BYTES)


def _sample(lines: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    size = 0
    for line in lines:
        if len(found) == SAMPLE_LINES or size >= SAMPLE_BYTES:
            break
        size += len(line)
        if line.strip():
            found.append(line)
    return found


def _records(dialect: Dialect | None, lines: list[bytes]) -> list[dict[str, Value]]:
    """Return the lines that can be read, by the pattern of a dialect or as JSON objects."""
    return list(read_records(dialect or _JSON, lines))


_JSON: Final = Dialect("json", 1, "any JSON object")


def _meets(dialect: Dialect, record: dict[str, Value]) -> bool:
    try:
        return any(all(holds(record, condition) for condition in group) for group in dialect.recognise)
    except AmbiguousPath:
        return False
