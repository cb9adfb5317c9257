"""How the rows of a batch are read, and what is said where they cannot be."""

from __future__ import annotations

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.errors import WorldError
from archiver.judge import batches
from archiver.judge.batch_error import BatchError, told


def test_bytes_that_are_no_good_parquet_are_bad_evidence():
    with pytest.raises(BatchError) as found, told("record-root", "row group 0 readable"):
        pa.ipc.open_file(pa.py_buffer(b"no such thing"))
    assert (found.value.code, int(found.value.exit_status)) == ("record-root", 1)


def test_no_memory_says_nothing_about_the_bytes():
    with pytest.raises(WorldError) as found, told("record-root", "row group 0 readable"):
        pa.allocate_buffer(1 << 62)
    assert (found.value.code, int(found.value.exit_status)) == ("no-memory", 5)


@pytest.mark.parametrize(("rows", "groups", "threads"), [(8192, 1, 0), (8193, 1, 1), (10, 2, 1)])
def test_rows_are_made_by_another_thread_where_not_all_of_them_come_at_once(tmp_path, rows, groups, threads):
    table = pa.table({"raw": pa.array(range(rows))})
    pq.write_table(table, tmp_path / "batch", row_group_size=-(-rows // groups))
    file = pq.ParquetFile(tmp_path / "batch")
    makers = set[int]()

    def noting():
        for one in batches.record_batches(file):
            makers.add(threading.get_ident())
            yield one

    assert pa.Table.from_batches(batches.made_ahead(file, noting())).equals(table)
    assert len(makers - {threading.get_ident()}) == threads
