"""What is said where the rows of a batch cannot be read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from archiver.errors import WorldError
from archiver.judge.batch_error import BatchError, told


def test_bytes_that_are_no_good_parquet_are_bad_evidence():
    with pytest.raises(BatchError) as found, told("record-root", "row group 0 readable"):
        pa.ipc.open_file(pa.py_buffer(b"no such thing"))
    assert (found.value.code, int(found.value.exit_status)) == ("record-root", 1)


def test_no_memory_says_nothing_about_the_bytes():
    with pytest.raises(WorldError) as found, told("record-root", "row group 0 readable"):
        pa.allocate_buffer(1 << 62)
    assert (found.value.code, int(found.value.exit_status)) == ("no-memory", 5)
