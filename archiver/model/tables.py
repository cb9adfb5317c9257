"""The three tables as Arrow schemas, version by version (FORMAT.md, Tables).

Evidence columns come first and are the same in every table: `record`, `item`, `offset`, `raw`, `withheld`. Everything
behind them is an index: the operator's reading of raw, nullable, rebuildable. A batch has exactly these columns, in
this order, with names that are unique ignoring case, so that no two Parquet readers see two truths.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from archiver.model.dialect import FIELDS
from archiver.model.list_columns import LIST_COLUMNS

__all__ = [
    "DERIVED",
    "EVENTS",
    "EVIDENCE",
    "KNOWN_WITHOUT_RAW",
    "TABLES",
    "VERSIONS",
    "WITHHELD",
    "derived_document",
    "index_names",
    "schema_of",
    "table_document",
]

WITHHELD: Final = pa.struct([("length", pa.uint64()), ("sha256", pa.binary(32))])
_MICROSECONDS: Final = pa.timestamp("us", tz="UTC")
_TYPES: Final[dict[str, pa.DataType]] = {
    "string": pa.string(),
    "string_list": pa.list_(pa.field("element", pa.string())),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "decimal": pa.decimal128(38, 24),
    "timestamp_ns": pa.timestamp("ns", tz="UTC"),
}

EVIDENCE: Final = (
    pa.field("record", pa.uint64(), nullable=False),
    pa.field("item", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    pa.field("offset", pa.uint64(), nullable=False),
    pa.field("raw", pa.large_binary()),
    pa.field("withheld", WITHHELD),
)

_ITEMS: Final = (
    pa.field("item_text", pa.string()),
    pa.field("status", pa.string()),
    pa.field("kind", pa.string()),
    pa.field("size", pa.uint64()),
    pa.field("sha256", pa.string()),
    pa.field("mime", pa.string()),
    pa.field("modified", _MICROSECONDS),
    pa.field("changed", _MICROSECONDS),
    pa.field("accessed", _MICROSECONDS),
    pa.field("born", _MICROSECONDS),
    pa.field("owner", pa.string()),
    pa.field("custodian", pa.string()),
)

_DOCUMENTS: Final = (
    pa.field("path", pa.string()),
    pa.field("name", pa.string()),
    pa.field("size", pa.uint64()),
    pa.field("sha256", pa.string()),
    pa.field("mime", pa.string()),
    pa.field("modified", _MICROSECONDS),
    pa.field("custodian", pa.string()),
    pa.field("matters", _TYPES["string_list"]),
    pa.field("collected_at", _MICROSECONDS),
)


def _model_logs(version: int) -> tuple[pa.Field, ...]:
    derived = [pa.field(name, _TYPES[kind]) for name, kind in FIELDS[version]]
    place = 1 + [field.name for field in derived].index("content_status")
    return (*derived[:place], pa.field("source_offset", pa.uint64()), *derived[place:])


VERSIONS: Final[dict[tuple[str, int], pa.Schema]] = {
    ("items", 1): pa.schema([*EVIDENCE, *_ITEMS]),
    ("documents", 1): pa.schema([*EVIDENCE, *_DOCUMENTS]),
    ("model_logs", 1): pa.schema([*EVIDENCE, *_model_logs(1)]),
    ("model_logs", 2): pa.schema([*EVIDENCE, *_model_logs(2)]),
}
"""Every published table version. A version never changes; a change is a new version."""

TABLES: Final[dict[str, int]] = {"items": 1, "documents": 1, "model_logs": 2}
"""The version that is written today."""

EVENTS: Final = ("model_log_events", 1)
"""The derived table that is written today, with its version."""

DERIVED: Final[dict[tuple[str, int], pa.Schema]] = {
    EVENTS: pa.schema(
        [
            pa.field("batch", pa.dictionary(pa.int32(), pa.string()), nullable=False),
            pa.field("record", pa.uint64(), nullable=False),
            pa.field("event", pa.uint64()),
            pa.field("pointer", pa.string()),
            pa.field("records", pa.list_(pa.field("element", pa.uint64()))),
            *(pa.field(name, _TYPES[kind]) for name, kind in FIELDS[2]),
            *LIST_COLUMNS,
        ]
    ),
}
"""Every published version of a derived table: what dialects read in a batch, beside the evidence and never in it."""

KNOWN_WITHOUT_RAW: Final = frozenset(
    {"path", "name", "size", "sha256", "mime", "modified", "custodian", "matters", "collected_at"}
    | {"dialect", "source_offset"}
)
"""Index columns that are set also where a row's bytes are withheld: they say nothing of what is in them."""


def schema_of(table: str, version: int | None = None) -> pa.Schema:
    """Return the published schema of a table, today's version unless one is named."""
    return VERSIONS[table, TABLES[table] if version is None else version]


def index_names(table: str, version: int | None = None) -> list[str]:
    """Return the names of the index columns, in order."""
    return list(schema_of(table, version).names[len(EVIDENCE) :])


def table_document(table: str, version: int) -> dict[str, object]:
    """Describe a table version as it is published under `schemas/tables/`."""
    evidence = {field.name for field in EVIDENCE}
    roles = {True: "evidence", False: "index"}
    return _document(table, version, [(field, roles[field.name in evidence]) for field in schema_of(table, version)])


def derived_document(table: str, version: int) -> dict[str, object]:
    """Describe a version of a derived table as it is published; columns that are a `place` point at the evidence."""
    place = {"batch", "record", "event", "pointer", "records"}
    roles = {True: "place", False: "index"}
    return _document(table, version, [(field, roles[field.name in place]) for field in DERIVED[table, version]])


def _document(table: str, version: int, fields: list[tuple[pa.Field, str]]) -> dict[str, object]:
    return {
        "table": table,
        "version": version,
        "columns": [
            {"name": field.name, "type": str(field.type), "nullable": field.nullable, "role": role}
            for field, role in fields
        ],
    }
