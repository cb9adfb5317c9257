"""What was no file for a night, or not there, and then is the file that it was: its bytes are in the archive once."""

from __future__ import annotations

import os
import zipfile

import pytest

from tests.e2e.test_growing_logs import gives_back


def is_a_link(path):
    path.unlink()
    path.symlink_to("elsewhere")


def is_a_folder(path):
    path.unlink()
    path.mkdir()


def is_a_fifo(path):
    path.unlink()
    os.mkfifo(path)


def is_gone(path):
    path.unlink()


@pytest.mark.parametrize("other_name", [False, True], ids=["same name", "other name"])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("night", [is_a_link, is_a_folder, is_a_fifo, is_gone])
def test_what_was_something_else_for_a_night_is_not_stored_again(organisation, verified, night, jobs, other_name):
    paths = [organisation.papers / "memo.txt", organisation.papers / "long.bin", organisation.papers / "box.zip"]
    with zipfile.ZipFile(paths[2], "w") as box:
        box.writestr("inner.txt", "inside\n")
    paths[0].write_bytes(b"to be kept\n")
    paths[1].write_bytes(b"long" * 3_000_000)
    kept = {path: path.read_bytes() for path in paths}
    organisation.take(jobs=jobs)
    for path in paths:
        night(path)
    organisation.take(jobs=jobs)
    back = {}
    for path, data in kept.items():
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        there = path.with_name(f"other-{path.name}") if other_name else path
        there.write_bytes(data)
        back[there.name] = ("captured", "duplicate") if other_name else ("unchanged", None)
    done = organisation.take(jobs=jobs)
    assert done.stored_bytes == 0
    said = {one.item.path: (one.status, one.reason) for one in organisation.said() if not one.item.members}
    assert {name: said[name] for name in back} == back
    gives_back(organisation, "back")
    verified(organisation)
