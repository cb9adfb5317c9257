"""Index columns of the tables `items` and `documents`: facts about items, laid over rows (FORMAT.md, Tables).

Times are floored to microseconds; one that does not fit the column is null, and the line of the item still has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pyarrow as pa

from archiver.model import instant, tables
from archiver.proof import canonical
from archiver.writer.groups import Indexer, RowGroup, Run

__all__ = ["columns_of_documents", "columns_of_lines", "documents_index", "items_index", "model_logs_index"]

_ITEM: Final = b',"item":'
_KIND: Final = b',"kind":'
"""What is before and behind the item of a line; within a text a quote is escaped, so that neither is in one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999, in microseconds

Project = Callable[[str, pa.LargeBinaryArray, list[bool]], list[pa.Array]]
"""Derives the columns that a dialect reads out of raw: (dialect, raw, which rows are pieces of a longer record)."""


def items_index(group: RowGroup) -> list[pa.Array]:
    """Derive the columns of `items` from the lines; media type and custodian come with them."""
    facts = group.facts
    known = {"mime": [one.mime for one in facts], "custodian": [one.custodian for one in facts]}
    derived = columns_of_lines(group.raw.to_pylist())
    return _in_order("items", {**derived, **_arrays("items", known)})


def columns_of_lines(raws: list[bytes]) -> dict[str, pa.Array]:
    """Return the columns of `items` that stand in the lines themselves, which are canonical JSON."""
    lines = list(map(orjson.loads, raws))
    files = [line["file"] or _times_of(line.get("object") or {}) for line in lines]
    values: dict[str, list[object]] = {
        "item_text": list(map(_item_text, raws, lines)),
        "status": [line["status"] for line in lines],
        "kind": [line["kind"] for line in lines],
        "size": [line["size"] for line in lines],
        "sha256": [line["sha256"] for line in lines],
        "owner": [file.get("owner") for file in files],
    }
    for column, member in (
        ("modified", "mtime_ns"),
        ("changed", "ctime_ns"),
        ("accessed", "atime_ns"),
        ("born", "btime_ns"),
    ):
        values[column] = [_decimal_microseconds(file.get(member)) for file in files]
    return _arrays("items", values)


def _item_text(raw: bytes, line: dict[str, Any]) -> str:
    """Return the member `item` as it is spelled; what may hold a member of that name before it is encoded again."""
    if line["file"] and line["file"]["xattrs"]:
        return canonical.encode_plain(line["item"]).decode()
    return raw[raw.index(_ITEM) + len(_ITEM) : raw.index(_KIND)].decode()


def _times_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """Return the one time that a store tells, in the words of a file."""
    modified = thing.get("modified")
    return {} if modified is None else {"mtime_ns": str(_instant_microseconds(modified) * 1000)}


@dataclass(frozen=True)
class _Documents:
    """Columns of `documents`; a value, so that it can be sent to another process, as `_ModelLogs` is."""

    matters: tuple[str, ...]

    def __call__(self, group: RowGroup) -> list[pa.Array]:
        facts = group.facts
        derived = columns_of_documents(group.paths, [(one.size, one.sha256) for one in facts], self.matters)
        known: dict[str, list[object]] = {
            "mime": [one.mime for one in facts],
            "modified": [_microseconds(one.modified_ns) for one in facts],
            "custodian": [one.custodian for one in facts],
            "collected_at": [_instant_microseconds(one.collected_at) for one in facts],
        }
        return _in_order("documents", {**derived, **_arrays("documents", known)})


def documents_index(matters: tuple[str, ...]) -> Indexer:
    """Return the indexer of `documents` for a source with these matters."""
    return _Documents(matters)


def columns_of_documents(
    paths: Sequence[str], wholes: Sequence[tuple[int | None, str | None]], matters: Sequence[str]
) -> dict[str, pa.Array]:
    """Return the columns of `documents` that path, matters and bytes decide; `wholes` are sizes and SHA-256."""
    values: dict[str, list[object]] = {
        "path": list(paths),
        "name": [path.rpartition("/")[2] for path in paths],
        "size": [size for size, _ in wholes],
        "sha256": [sha256 for _, sha256 in wholes],
        "matters": [list(matters)] * len(paths),
    }
    return _arrays("documents", values)


@dataclass(frozen=True)
class _ModelLogs:
    project: Project

    def __call__(self, group: RowGroup) -> list[pa.Array]:
        names = tables.index_names("model_logs")
        place = names.index("source_offset")
        pieces = group.pieces
        runs = [
            self.project(dialect, group.raw.slice(first, count), pieces[first : first + count])
            for dialect, first, count in _runs(group.runs)
        ]
        derived = [pa.concat_arrays(columns) for columns in zip(*runs, strict=True)]
        return [*derived[:place], pa.array(group.places, pa.uint64()), *derived[place:]]


def model_logs_index(project: Project) -> Indexer:
    """Return the indexer of `model_logs`: one projection per run of rows of one dialect."""
    return _ModelLogs(project)


def _runs(runs: Sequence[Run]) -> Iterator[tuple[str, int, int]]:
    """Yield (dialect, first row, rows) for rows of one dialect beside each other."""
    first = 0
    for dialect, members in itertools.groupby(runs, key=lambda run: run.facts.dialect or ""):
        rows = sum(run.rows for run in members)
        yield dialect, first, rows
        first += rows


def _arrays(table: str, values: Mapping[str, Sequence[object]]) -> dict[str, pa.Array]:
    schema = tables.schema_of(table)
    return {name: pa.array(column, schema.field(name).type) for name, column in values.items()}


def _in_order(table: str, columns: Mapping[str, pa.Array]) -> list[pa.Array]:
    return [columns[name] for name in tables.index_names(table)]


def _decimal_microseconds(text: str | None) -> int | None:
    return None if text is None else _microseconds(int(text))


def _microseconds(nanoseconds: int | None) -> int | None:
    if nanoseconds is None:
        return None
    whole = nanoseconds // 1000
    return whole if _FIRST <= whole <= _LAST else None


def _instant_microseconds(text: str) -> int:
    return (instant.parse_instant(text) - _EPOCH) // timedelta(microseconds=1)
