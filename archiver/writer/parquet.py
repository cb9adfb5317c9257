"""The published form of a batch: one Parquet object with explicit row groups (FORMAT.md, Parquet).

The same rows and salt give the same bytes: every row group is one unchunked record batch, cut by the rows alone.
zstd, page checksums, page index; small write batches, so that a row of many MiB costs no multiple of itself.
"""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.model import tables
from archiver.proof.digest import sha256_of
from archiver.writer.durable import sync_folder
from archiver.writer.rows import Facts, OpenBatch, disk_error

__all__ = ["Built", "Indexer", "RowGroup", "build"]

GROUP_BYTES: Final = 32 << 20
GROUP_ROWS: Final = 65_536
_LEVEL: Final = 3
_BIG_ROW: Final = 65_536
_T = TypeVar("_T")


@dataclass(frozen=True)
class RowGroup:
    """What an indexer sees: some rows of a batch with their bytes and what is known about their items.

    `facts` has one value per row; `continued` says per row that it is a piece of a longer record or document.
    """

    raw: pa.LargeBinaryArray
    offsets: array[int]
    facts: list[Facts]
    paths: list[str]
    pieces: list[bool]


Indexer = Callable[[RowGroup], list[pa.Array]]
"""Derives the index columns of a table from rows; the arrays in the order of the published schema."""


@dataclass(frozen=True)
class Built:
    """A finished spool file, synced to disk."""

    path: Path
    sha256: str
    size: int
    merkle_root: str
    records: int
    items: int
    raw_bytes: int
    collected_from: str
    collected_to: str
    writer: str


def build(batch: OpenBatch, path: Path, *, table: str, identity: str, archive_id: str, index: Indexer) -> Built:
    """Write an open batch as a Parquet file at `path` and sync it; the caller closes the batch."""
    schema = tables.schema_of(table)
    root = batch.root().hex()
    metadata = {
        "archiver.format": "1",
        "archiver.archive_id": archive_id,
        "archiver.table": table,
        "archiver.table_version": str(tables.TABLES[table]),
        "archiver.batch": identity,
        "archiver.salt": batch.salt.hex(),
        "archiver.merkle_root": root,
    }
    try:
        with path.open("wb") as sink:
            _write(batch, sink, schema.with_metadata(metadata), index)
            sink.flush()
            os.fsync(sink.fileno())
        sync_folder(path.parent)
        size, digest = _measure(path)
    except OSError as problem:
        raise disk_error(problem, path) from problem
    observed = [facts.collected_at for facts in batch.row_facts or (member.facts for member in batch.members)]
    return Built(
        path=path,
        sha256=digest,
        size=size,
        merkle_root=root,
        records=batch.rows,
        items=len({member.text for member in batch.members}),
        raw_bytes=batch.raw_bytes,
        collected_from=min(observed),
        collected_to=max(observed),
        writer=f"pyarrow {pa.__version__}",
    )


def _write(batch: OpenBatch, sink: object, schema: pa.Schema, index: Indexer) -> None:
    big = bool(batch.lengths) and max(batch.lengths) > _BIG_ROW
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in texts if not name.endswith(("_text", "_raw"))],
        write_statistics=[name for name in schema.names if name not in ("raw", "item_text", "error_message")],
        write_page_index=True,
        write_page_checksum=True,
        write_batch_size=1 if big else 1024,
        store_schema=True,
    ) as writer:
        start = 0
        for first, count in _groups(batch.lengths):
            group = _group(batch, schema, (first, count), start, index)
            start += sum(batch.lengths[first : first + count])
            writer.write_table(group, row_group_size=count)


def _groups(lengths: array[int]) -> Iterator[tuple[int, int]]:
    """Cut rows into row groups by their lengths alone: (first row, number of rows)."""
    first, size = 0, 0
    for number, length in enumerate(lengths):
        if number > first and (size + length > GROUP_BYTES or number - first >= GROUP_ROWS):
            yield first, number - first
            first, size = number, 0
        size += length
    if len(lengths) > first:
        yield first, len(lengths) - first


def _group(batch: OpenBatch, schema: pa.Schema, rows: tuple[int, int], start: int, index: Indexer) -> pa.Table:
    first, count = rows
    lengths = batch.lengths[first : first + count]
    raw = _raw_array(batch.read_raw(start, sum(lengths)), lengths)
    spans = list(_spans(batch, first, count))
    ordinals = array("i", itertools.chain.from_iterable([place] * rows for place, (_, rows) in enumerate(spans)))
    names = pa.array([batch.members[member].text for member, _ in spans], pa.string())
    facts = batch.row_facts[first : first + count] or _facts(batch, first, spans)
    seen = RowGroup(
        raw=raw,
        offsets=batch.offsets[first : first + count],
        facts=facts,
        paths=_per_row([batch.members[member].item.path for member, _ in spans], spans),
        pieces=list(map(batch.is_piece, range(first, first + count))),
    )
    evidence = [
        pa.array(range(first, first + count), pa.uint64()),
        pa.DictionaryArray.from_arrays(pa.array(ordinals, pa.int32()), names),
        pa.array(seen.offsets, pa.uint64()),
        raw,
        pa.nulls(count, tables.WITHHELD),
    ]
    columns = [*evidence, *index(seen)]
    table = pa.Table.from_arrays(columns, schema=schema)
    table.validate(full=True)
    return table.combine_chunks()


def _raw_array(data: bytes, lengths: array[int]) -> pa.LargeBinaryArray:
    """Lay rows over one buffer without copying."""
    offsets = array("q", itertools.accumulate(lengths, initial=0))
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(lengths), buffers)


def _spans(batch: OpenBatch, first: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield (member, rows) for the members that have rows in first .. first + count - 1."""
    low, high = 0, len(batch.members) - 1
    while low < high:  # the last member that begins at or before `first`
        middle = (low + high + 1) // 2
        low, high = (middle, high) if batch.members[middle].first <= first else (low, middle - 1)
    for member in range(low, len(batch.members)):
        begin = max(first, batch.members[member].first)
        if begin >= first + count:
            return
        end = min(batch.after(member), first + count)
        if end > begin:
            yield member, end - begin


def _facts(batch: OpenBatch, first: int, spans: list[tuple[int, int]]) -> list[Facts]:
    """Return the facts of each row, those of an item's last row apart."""
    found: list[Facts] = []
    for member, rows in spans:
        others, last = batch.facts_of(member)
        ends_here = first + len(found) + rows == batch.after(member)
        found += [others] * (rows - 1) + [last if ends_here else others]
    return found


def _per_row(values: list[_T], spans: list[tuple[int, int]]) -> list[_T]:
    return list(itertools.chain.from_iterable([value] * rows for value, (_, rows) in zip(values, spans, strict=True)))


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = sha256_of(file)
        return file.tell(), digest
