"""A spool file that is hashed as it is written."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest

from archiver.writer.hashed_file import HashedFile, open_fresh


@pytest.mark.parametrize("sizes", [[], [0], [1, 2, 3], [1 << 20], [5, 3 << 20, 7, (1 << 20) - 1, 9], [17 << 20, 1]])
def test_the_hash_and_the_size_are_those_of_the_file(tmp_path, sizes):
    path = tmp_path / "spool"
    with HashedFile(open_fresh(path)) as file:
        for place, size in enumerate(sizes):
            assert file.write(bytes([place + 1]) * size) == size
            assert file.tell() == sum(sizes[: place + 1])
        file.sync()
        told = (file.size, file.sha256())
    data = path.read_bytes()
    assert told == (len(data), hashlib.sha256(data).hexdigest()) == (sum(sizes), told[1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_that_is_there_is_given_up_and_not_written_to(tmp_path):
    kept, path = tmp_path / "kept", tmp_path / "spool"
    kept.write_bytes(b"archived")
    os.link(kept, path)
    with HashedFile(open_fresh(path)) as file:
        file.write(b"other")
        file.sync()
    assert (kept.read_bytes(), path.read_bytes()) == (b"archived", b"other")
