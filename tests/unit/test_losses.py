"""What a log lost is told by what its system says of it: another file, a shorter one, or other bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archiver.flows.snapshot.losses import loss_of
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.sources.base import FileFacts
from archiver.sources.location import FolderLocation
from archiver.sources.opening import open_file

AT = "2026-11-23T12:00:00Z"


def seen(path: Path) -> FileFacts:
    with open_file(path.parent, path.name.encode()) as opened:
        return opened.first


def known(facts: FileFacts, size: int = 9) -> ItemLine:
    """Return the line of a log with these facts."""
    item, file = Item("logs", "chat.log"), facts.to_json()
    return ItemLine(item, "file", "model_logs", "captured", AT, size=size, sha256="0" * 64, basis="read", file=file)


@pytest.fixture
def now(tmp_path) -> FileFacts:
    path = tmp_path / "chat.log"
    path.write_bytes(b"123456789")
    return seen(path)


@pytest.mark.parametrize(("size", "reason"), [(0, "truncated"), (8, "truncated"), (9, "rewritten"), (10, "rewritten")])
def test_the_same_file_is_cut_short_or_written_anew(now, size, reason):
    assert loss_of(known(now), now._replace(size=size)) == (
        reason,
        f"9 bytes were archived under this name at {AT}",
    )


@pytest.mark.parametrize("other", [{"ino": 7}, {"btime_ns": 7}])
def test_another_inode_or_another_birth_under_the_same_is_another_file(now, other):
    now = now._replace(btime_ns=now.btime_ns or 1)
    assert loss_of(known(now), now._replace(**other))[0] == "replaced"


def test_a_birth_that_is_not_told_says_nothing(now):
    born = now._replace(btime_ns=now.btime_ns or 1)
    assert loss_of(known(born), now._replace(btime_ns=None))[0] == "rewritten"
    assert loss_of(known(now._replace(btime_ns=None)), born)[0] == "rewritten"


def test_what_had_no_bytes_lost_none(now):
    assert loss_of(None, now) is None
    assert loss_of(known(now, size=0), now) is None
    assert loss_of(replace(known(now), status="excluded"), now) is None


def test_a_file_stays_that_has_its_inode_its_size_and_its_times(now, tmp_path):
    place = FolderLocation(tmp_path)
    assert place.stays(known(now))
    for change in ({"ino": now.ino + 1}, {"mtime_ns": 7}, {"ctime_ns": 7}):
        assert not place.stays(known(now._replace(**change)))
    assert not place.stays(known(now, size=8))  # it may have been cut meanwhile, and be longer again
    assert place.stays(replace(known(now), file=None))
    (tmp_path / "chat.log").unlink()
    assert not place.stays(known(now))
