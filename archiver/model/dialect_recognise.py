"""Which dialect a log is written in, told from its first lines.

Deterministic, and only a choice of index columns: a wrong guess costs columns, never bytes. At most 64 lines that are
not blank are looked at, and no further than the line in which 64 KiB are reached, so a long first line still counts.
A dialect is eligible when more than half of the JSON objects among them meet one of its lists of conditions; the
highest priority wins, then the most objects met, then the name. Where no line is a JSON object it is `text.opaque`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archiver.model.dialect import OPAQUE, Dialect
from archiver.model.json_lookup import AmbiguousPath, holds
from archiver.model.strict_json import NotJson, Value, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SAMPLE_BYTES", "SAMPLE_LINES", "recognise"]

SAMPLE_LINES: Final = 64
SAMPLE_BYTES: Final = 65_536


def recognise(dialects: Mapping[str, Dialect], sample_lines: Iterable[bytes]) -> str:
    """Return the id of the dialect that fits the first complete lines of a log.

    >>> from archiver.model.dialect_file import load_dialects
    >>> recognise(load_dialects(), [b'{"level":"info"}'])
    'json.generic'
    """
    objects = _objects(sample_lines)
    met = {dialect.id: sum(_meets(dialect, one) for one in objects) for dialect in dialects.values()}
    eligible = [dialect for dialect in dialects.values() if 2 * met[dialect.id] > len(objects)]
    best = min(eligible, key=lambda dialect: (-dialect.priority, -met[dialect.id], dialect.id), default=None)
    return best.id if best else OPAQUE


def _objects(sample_lines: Iterable[bytes]) -> list[Value]:
    objects: list[Value] = []
    lines = size = 0
    for line in sample_lines:
        if lines == SAMPLE_LINES or size >= SAMPLE_BYTES:
            break
        lines += bool(line.strip())
        size += len(line)
        try:
            value = parse(line)
        except NotJson:
            continue
        if isinstance(value, dict):
            objects.append(value)
    return objects


def _meets(dialect: Dialect, record: Value) -> bool:
    try:
        return any(all(holds(record, condition) for condition in group) for group in dialect.recognise)
    except AmbiguousPath:
        return False
