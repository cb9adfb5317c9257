"""Index columns of the tables `items` and `documents`: facts about items, laid over rows (FORMAT.md, Tables).

Times are floored to microseconds; one that does not fit the column is null, and the line of the item still has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from archiver.late import dataclass
from archiver.model import tables
from archiver.writer.groups import Indexer, RowGroup, Run, column_over
from archiver.writer.line_columns import instant_microseconds, microseconds
from archiver.writer.own_columns import columns_of_own_lines

__all__ = ["columns_of_documents", "documents_index", "items_index", "model_logs_index"]

Project = Callable[[str, pa.LargeBinaryArray, list[bool]], list[pa.Array]]
"""Derives the columns that a dialect reads out of raw: (dialect, raw, which rows are pieces of a longer record)."""


def items_index(group: RowGroup) -> list[pa.Array]:
    """Derive the columns of `items` from the lines; media type and custodian come with them."""
    facts = group.facts
    known = {"mime": [one.mime for one in facts], "custodian": [one.custodian for one in facts]}
    derived = columns_of_own_lines(group.raw)
    return _in_order("items", {**derived, **_arrays("items", known)})


@dataclass(frozen=True)
class _Documents:
    """Columns of `documents`; a value, so that it can be sent to another process, as `_ModelLogs` is."""

    matters: tuple[str, ...]

    def __call__(self, group: RowGroup) -> list[pa.Array]:
        sizes, digests, media, modified, custodians, collected, _ = zip(*group.facts, strict=True)
        derived = columns_of_documents(group.paths, list(zip(sizes, digests, strict=True)), self.matters)
        known: dict[str, Sequence[object]] = {
            "mime": media,
            "modified": list(map(microseconds, modified)),
            "custodian": custodians,
            "collected_at": list(map(instant_microseconds, collected)),
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
    }
    own = pa.scalar(list(matters), tables.schema_of("documents").field("matters").type)
    return {**_arrays("documents", values), "matters": pa.repeat(own, len(paths))}


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
        derived = runs[0] if len(runs) == 1 else [pa.concat_arrays(columns) for columns in zip(*runs, strict=True)]
        return [*derived[:place], column_over(group.places, pa.uint64()), *derived[place:]]


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
