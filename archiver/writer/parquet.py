"""The published form of a batch: one Parquet object with explicit row groups (FORMAT.md, Parquet).

The same rows and salt give the same bytes: every row group is one unchunked record batch, cut by the rows alone.
zstd, page checksums, page index; small write batches, so that a row of many MiB costs no multiple of itself.

A batch's file grows while its rows come in: a row group is derived and compressed by other threads as soon as it is
closed, a few at a time. When rows are taken back that had closed a group, the file is begun anew from the scratch file.
"""

from __future__ import annotations

import base64
from array import array
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.late import dataclass
from archiver.model import tables
from archiver.stores.bodies import Spooled
from archiver.writer.engine import Engine
from archiver.writer.groups import GROUPS, Cutter, Indexer, RowGroup, column_over, group_of
from archiver.writer.hashed_file import HashedFile
from archiver.writer.rows import OpenBatch, disk_error
from archiver.writer.withheld import disclosed, evident

__all__ = ["BatchFile", "Built"]

# Level 2 with pages of 1 MiB: those of 4 MiB make a log 2 % smaller and take 5 to 9 % longer, as they do not fit into
# the cache; level 1 would save a quarter of the time at 10 % more.
_LEVEL: Final = 2
_PAGE: Final = 1 << 20
_GATHERED: Final = 2 << 20
"""A group is some hundred small writes, and each would wait for the interpreter, which other threads want, too."""
_BIG_ROW: Final = 65_536
_SAMPLE: Final = 1024
_COUNTED: Final = dict.fromkeys(("record", "offset", "source_offset"), "DELTA_BINARY_PACKED")
"""Numbers that grow from row to row: the differences are a tenth of them, and quickly made."""
_PIECE: Final = 1 << 20
"""Bytes of rows that are written from where they are: smaller ones are laid beside each other before."""


@dataclass(frozen=True)
class Built:
    """A finished spool file, synced to disk, and what its batch says of itself."""

    file: Spooled
    merkle_root: str
    records: int
    items: int
    raw_bytes: int
    collected_from: str
    collected_to: str
    writer: str


class BatchFile:
    """The Parquet file of an open batch, which it follows."""

    def __init__(
        self,
        batch: OpenBatch,
        path: Path,
        *,
        table: str,
        index: Indexer,
        engine: Engine,
        thread: ThreadPoolExecutor,
        md5: bool = False,
    ) -> None:
        """Follow a batch into the file `path`; `thread` compresses, one group after the other.

        With `md5` that is made of the file, too: a destination asks for it.
        """
        self._batch = batch
        self._path = path
        self._md5 = md5
        self._table = table
        self._schema = tables.schema_of(table)
        self._index = index
        self._engine = engine
        self._thread = thread
        self._waiting: deque[Future[None]] = deque()
        self._big = False
        self._start()

    def offer(self, rows: int) -> None:
        """Say that the first `rows` rows of the batch and what is known of their items are as they will be."""
        for first, count, start in self._cutter.closed(rows):
            self._hand_over(first, count, start)

    def take_back(self, rows: int) -> None:
        """Say that the batch has only its first `rows` rows now."""
        if 0 < self._cutter.cut >= rows:  # what closed the last group is gone, and another row may belong to it
            if self._batch.has_wholes:
                raise RuntimeError(f"{self._path.name}: rows are taken back that closed a group, and it is gone")
            self._drop()
            self._start()
        self._cutter.look_again()

    def finish(self, *, identity: str, archive_id: str) -> Built:
        """Write what is left, sync the file, and say what it is; the caller closes the batch."""
        batch = self._batch
        self.offer(batch.rows)
        rest = self._cutter.rest()
        if rest is not None:
            self._hand_over(*rest)
        root = batch.root().hex()  # while the last groups are under way
        metadata = {
            "archiver.format": "1",
            "archiver.archive_id": archive_id,
            "archiver.table": self._table,
            "archiver.table_version": str(tables.TABLES[self._table]),
            "archiver.batch": identity,
            "archiver.salt": batch.salt.hex(),
            "archiver.merkle_root": root,
        }
        self._settle(leave=0)
        try:
            if self._writer is None:
                raise RuntimeError("a batch holds rows, never none")
            self._writer.add_key_value_metadata(metadata | _arrow_schema(self._schema.with_metadata(metadata)))
            self._writer.close()
            self._gathered.flush()
            file = self._sink.finish()
        except OSError as problem:
            raise disk_error(problem, self._path) from problem
        facts = batch.row_facts or map(attrgetter("facts"), batch.members)
        observed = set(map(attrgetter("collected_at"), facts))
        return Built(
            file=file,
            merkle_root=root,
            records=batch.rows,
            items=len(set(map(attrgetter("text"), batch.members))),
            raw_bytes=batch.raw_bytes,
            collected_from=min(observed),
            collected_to=max(observed),
            writer=f"pyarrow {pa.__version__}",
        )

    def abandon(self) -> None:
        """Give an unfinished file up."""
        self._drop()
        self._path.unlink(missing_ok=True)

    def _start(self) -> None:
        self._cutter = Cutter(self._batch.lengths, GROUPS[self._table])
        self._writer: pq.ParquetWriter | None = None
        try:
            self._sink = HashedFile(self._path, md5=self._md5)
        except OSError as problem:
            raise disk_error(problem, self._path) from problem
        self._gathered = pa.BufferedOutputStream(pa.PythonFile(self._sink, "w"), _GATHERED)

    def _open(self, first: RowGroup, table: pa.Table) -> pq.ParquetWriter:
        """Open the writer when the first group says how long rows are, and which texts repeat."""
        self._big = max(first.lengths) > _BIG_ROW
        self._writer = pq.ParquetWriter(
            self._gathered,
            self._schema,
            compression="zstd",
            compression_level=_LEVEL,
            data_page_size=_PAGE,
            use_dictionary=_repeating(table),
            column_encoding={name: how for name, how in _COUNTED.items() if name in self._schema.names},
            write_statistics=[name for name in self._schema.names if name not in ("raw", "item_text", "error_message")],
            write_page_index=True,
            write_page_checksum=True,
            write_batch_size=1 if self._big else 1024,
            store_schema=False,  # the root belongs to it, and is not known yet
        )
        return self._writer

    def _hand_over(self, first: int, count: int, start: int) -> None:
        group = group_of(self._batch, first, count, start, self._batch.pass_on(first, count))
        leave = 1 if self._is_heavy(group) else self._engine.ahead  # while its rows pass
        derived = self._engine.derive(self._index, group)
        self._waiting.append(self._thread.submit(self._write, group, derived))
        self._settle(leave=leave)

    def _write(self, group: RowGroup, derived: Callable[[], list[pa.Array]]) -> None:
        evidence = [
            column_over(array("Q", range(group.first, group.first + len(group))), pa.uint64()),
            group.items,
            column_over(group.offsets, pa.uint64()),
            *(_in_pieces(group) if self._is_in_pieces(group) else evident(group.raw, group.hidden)),
        ]
        columns = disclosed(derived(), group.hidden, self._schema.names[len(tables.EVIDENCE) :])
        table = pa.Table.from_arrays([*evidence, *columns], schema=self._schema)
        table.validate(full=True)
        writer = self._writer or self._open(group, table)
        if not (self._is_in_pieces(group) and self._big):  # else a page is one row, wherever it lies
            table = table.combine_chunks()
        writer.write_table(table, row_group_size=len(group))

    def _is_in_pieces(self, group: RowGroup) -> bool:
        """Say whether raw lies in memory in pieces, as it may where none is hidden. Logs are derived from all of it."""
        pieces = [len(rows.data) for _, rows in group.passing]
        return self._table == "documents" and not group.hidden and bool(pieces) and min(pieces) >= _PIECE

    def _is_heavy(self, group: RowGroup) -> bool:
        """Say whether few such groups may wait: raw is in memory, in pieces, or of a row larger than other groups."""
        return bool(group.passing) and (self._is_in_pieces(group) or sum(group.lengths) > GROUPS[self._table].size)

    def _settle(self, *, leave: int) -> None:
        """Wait until no more than `leave` groups are under way; what went wrong with one is raised here."""
        while len(self._waiting) > leave:
            try:
                self._waiting.popleft().result()
            except OSError as problem:
                raise disk_error(problem, self._path) from problem

    def _drop(self) -> None:
        """Let go of the file, whatever became of the groups under way."""
        for one in self._waiting:
            one.cancel()
        wait(self._waiting)
        self._waiting.clear()
        with suppress(OSError, pa.ArrowException):  # it is no evidence, and the disk may be full
            if self._writer is not None:
                self._writer.close()
        self._sink.close()  # what is still gathered finds it closed, and is gone


def _repeating(table: pa.Table) -> list[str]:
    """Return the texts that are worth a dictionary: not those of which hardly one is there twice, as ids are.

    Nor those of which there is none, as are most columns of a log: an empty dictionary takes as long as the rest of it.
    """
    fields = [one for one in table.schema if pa.types.is_string(one.type) or pa.types.is_dictionary(one.type)]
    names = [one.name for one in fields if not one.name.endswith(("_text", "_raw"))]
    there = [name for name in names if table.column(name).null_count < len(table)]
    return [name for name in there if not _is_unique(table.column(name).slice(0, _SAMPLE))]


def _is_unique(texts: pa.ChunkedArray) -> bool:
    there: int = len(texts) - texts.null_count
    if there < _SAMPLE // 2 or pa.types.is_dictionary(texts.type):  # what readers take as a dictionary is one
        return False
    return len(set(texts.to_pylist())) > there * 3 // 4


def _in_pieces(group: RowGroup) -> list[pa.Array | pa.ChunkedArray]:
    """Return the columns `raw` and `withheld` of a group whose last rows are in memory, none of them copied."""
    return [group.raw_in_pieces, pa.nulls(len(group), tables.WITHHELD)]


def _arrow_schema(schema: pa.Schema) -> dict[str, str]:
    """Return the entry by which Arrow finds its own types again, as pyarrow itself would write it."""
    return {"ARROW:schema": base64.b64encode(schema.serialize()).decode()}
