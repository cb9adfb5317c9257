"""A spool file that is hashed as it is written."""

from __future__ import annotations

import gc
import hashlib
import os
import stat

import pytest

from archiver.stores.bodies import Spooled
from archiver.writer.hashed_file import HashedFile


@pytest.mark.parametrize("md5", [True, False])
@pytest.mark.parametrize("sizes", [[], [0], [1, 2, 3], [1 << 20], [5, 3 << 20, 7, (1 << 20) - 1, 9], [17 << 20, 1]])
def test_what_is_said_of_a_file_is_what_it_is(tmp_path, sizes, md5):
    path = tmp_path / "spool"
    with HashedFile(path, md5=md5) as file:
        for place, size in enumerate(sizes):
            assert file.write(bytes([place + 1]) * size) == size
            assert file.tell() == sum(sizes[: place + 1])
        told = file.finish()
    data = path.read_bytes()
    expected = hashlib.md5(data).hexdigest() if md5 else None
    assert told == Spooled(path, hashlib.sha256(data).hexdigest(), len(data), expected)
    assert (len(data), stat.S_IMODE(path.stat().st_mode)) == (sum(sizes), 0o600)


def test_a_name_that_is_there_is_given_up_and_not_written_to(tmp_path):
    kept, path = tmp_path / "kept", tmp_path / "spool"
    kept.write_bytes(b"archived")
    os.link(kept, path)
    with HashedFile(path, md5=False) as file:
        file.write(b"other")
        file.finish()
    assert (kept.read_bytes(), path.read_bytes()) == (b"archived", b"other")


def test_where_no_file_can_be_made_nothing_is_left_open(tmp_path):
    with pytest.raises(FileNotFoundError):
        HashedFile(tmp_path / "none" / "spool", md5=True)
    gc.collect()  # what is said on the way fails this test
