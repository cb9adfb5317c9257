"""The Parquet object of a derived table, written as its rows come (FORMAT.md, Derived tables).

Row groups hold about 65,536 rows; memory is that of one. The file is synced before anybody signs for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.late import dataclass
from archiver.stores.bodies import Spooled
from archiver.writer.hashed_file import HashedFile
from archiver.writer.rows import disk_error

__all__ = ["WrittenTable", "write_table"]

_LEVEL: Final = 3
_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class WrittenTable:
    """A finished file, synced to disk; `writer` names the program that wrote it."""

    file: Spooled
    rows: int
    writer: str


def write_table(
    path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], metadata: dict[str, str]
) -> WrittenTable:
    """Write a derived table; a file that is there is written anew."""
    rows = 0
    try:
        with HashedFile(path, md5=False) as sink:
            options = {"compression": "zstd", "compression_level": _LEVEL, "use_dictionary": _texts(schema)}
            options |= {"write_page_index": True, "write_page_checksum": True}
            with pq.ParquetWriter(sink, schema.with_metadata(metadata), **options) as writer:
                for group in _groups(schema, batches):
                    writer.write_table(group, row_group_size=len(group))
                    rows += len(group)
            file = sink.finish()
    except OSError as problem:
        raise disk_error(problem, path) from problem
    return WrittenTable(file, rows, f"pyarrow {pa.__version__}")


def _texts(schema: pa.Schema) -> list[str]:
    """Return the columns whose values repeat."""
    texts = [one.name for one in schema if pa.types.is_string(one.type) or pa.types.is_dictionary(one.type)]
    return [name for name in texts if not name.endswith("_raw")]


def _groups(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(waiting, schema).unify_dictionaries().combine_chunks()
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema).unify_dictionaries().combine_chunks()
