"""Derived tables (FORMAT.md, 7.7 and 11.15): what they point at, and that their rows are of all records of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from evidence import DERIVED, schema_fault, sha256, unbase64
from footers import metadata_keys

FAILED, UNKNOWN = "failed", "unknown"
SAYS = ("archive_id", "batch", "dialects", "table", "table_version")


def judge(
    derivations: list[Any], batches: dict[str, Any], root: Path, digests: dict[str, str], say: Callable[..., None]
) -> None:
    """Judge statements of the kind derivation; `batches` are good statements by id, `digests` objects as stated."""
    for one in derivations:
        said, table = one.predicate, next(iter(one.subjects))
        batch = batches.get(said["batch"])
        if batch is None or batch.index > one.index:
            say("derived-source", one.key)
            continue
        payload = unbase64(json.loads((root / batch.key).read_bytes())["payload"])
        there = (next(iter(batch.subjects.values())), sha256(payload), batch.predicate["table"])
        if there != (said["batch_sha256"], said["statement_sha256"], "model_logs"):
            say("derived-source", one.key)
        elif (said["table"], said["table_version"]) not in DERIVED:
            say("record-schema", table, UNKNOWN)
        elif table in digests:
            code, words = fault_of(root / table, said, batch.predicate["records"])
            if code:
                say(code, table, words=words)


def fault_of(path: Path, said: dict[str, Any], records: int) -> tuple[str, str]:
    """Return code and words of what is wrong with a derived table; empty ones where nothing is."""
    try:
        file = pq.ParquetFile(path)
        fault = schema_fault(file, DERIVED[said["table"], said["table_version"]], whole=True)
        metadata = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
        rows = file.read(columns=["batch", "record", "event", "pointer", "records"]).to_pylist() if not fault else []
    except (pa.ArrowException, OSError, ValueError) as error:
        return "record-schema", str(error).splitlines()[0]
    stated = {"archiver.format": "1", "archiver.derivation": said["id"]}
    stated |= {f"archiver.{name}": str(said[name]) for name in SAYS}
    metadata.pop("ARROW:schema", None)
    if fault or metadata != stated or len(metadata_keys(path.read_bytes())) != len(stated) + 1:
        return "record-schema", fault or "metadata"
    events: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        events.setdefault(row["record"], []).append(row)
    if list(events) != list(range(records)) or len(rows) != said["rows"]:
        return "record-order", "not the records of its batch, or not as many rows"
    in_order = [row["record"] for row in rows] == sorted(row["record"] for row in rows)
    good = all(are_events(some, said["batch"]) for some in events.values())
    return ("", "") if in_order and good else ("record-order", "rows of a record")


def are_events(rows: list[dict[str, Any]], batch: str) -> bool:
    """Tell whether rows are the events of one record, or the one row of a record that has none."""
    numbers, pointers = [row["event"] for row in rows], [row["pointer"] for row in rows]
    joined = [row["records"] for row in rows if row["records"] is not None]
    return (
        {row["batch"] for row in rows} == {batch}
        and numbers in ([None], list(range(len(rows))))
        and (None in numbers) == (None in pointers)
        and all(len(one) > 1 and one[-1] == rows[0]["record"] and one == sorted(set(one)) for one in joined)
    )
