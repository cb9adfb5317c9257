"""Small files are read with few questions, and nothing is said of them that the many questions would not tell."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing

import pytest

from archiver.sources import opening, small_files
from archiver.sources.base import ReadProblem
from archiver.sources.documents import AT_ONCE, read_whole
from archiver.sources.files import Openings, anchored
from archiver.sources.small_files import SmallFiles

ACCESSED, MODIFIED = 8, 9
OLD = 1_700_000_000_123_456_789


def lay_out(root) -> None:
    """Make one name of every kind that there is something to be said of."""
    below = root / "a" / "b"
    below.mkdir(parents=True)
    for name, data in {"plain": b"keep", "empty": b"", "long": bytes(AT_ONCE), "nearly": b"x" * (AT_ONCE - 1)}.items():
        (below / name).write_bytes(data)
    (below / os.fsdecode(b"\xff")).write_bytes(b"no text")
    (root / "top").write_bytes(b"at the top")
    (below / "old").write_bytes(b"before 1970")
    os.utime(below / "old", ns=(-1_500_000_001, -2_500_000_002))
    with (below / "sparse").open("wb") as file:
        file.write(b"begin")
        file.truncate(600_000)
    (below / "described").write_bytes(b"has attributes")
    try:
        os.setxattr(below / "described", "user.b", b"\xff\x00")
        os.setxattr(below / "described", "user.a", b"1")
    except OSError:  # a file system without
        pass
    (below / "twice").hardlink_to(below / "plain")
    (below / "odd").write_bytes(b"rights")
    (below / "odd").chmod(0o6751)
    (below / "link").symlink_to("plain")
    (root / "a" / "linked").symlink_to("b")
    os.mkfifo(below / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(below / "socket"))


READ = [b"a/b/plain", b"a/b/empty", b"a/b/nearly", b"a/b/\xff", b"top", b"a/b/old", b"a/b/sparse"]
READ += [b"a/b/described", b"a/b/twice", b"a/b/odd"]
LEFT = [b"a/b/long", b"a/b/link", b"a/linked/plain", b"a/b/fifo", b"a/b/socket", b"a/b", b"a", b"none/x", b"a/b/none"]
LEFT += [b"a/b/../b/plain", b"a/b/.", b"a/b/", b"", b"/top", b"a/b/plain/x", b"top\0", b"a/b/plain\0x", b"../top"]


@pytest.fixture
def openings(tmp_path):
    with anchored(tmp_path) as anchor, closing(Openings(anchor)) as held:
        yield held


def looked(openings, path):
    """Return what all questions tell."""
    try:
        with openings.file(path) as opened:
            return read_whole(opened)
    except ReadProblem:
        return None


def but_for_access(found):
    data, facts = found
    return data, (*facts[:ACCESSED], *facts[MODIFIED:])


def test_what_is_read_is_what_the_other_look_gives(tmp_path, openings, descriptors):
    lay_out(tmp_path)
    small = SmallFiles(openings, shorter_than=AT_ONCE)
    before = descriptors()

    paths = [path for pair in zip(READ, LEFT, strict=False) for path in pair] + LEFT
    found = {path: small.read(path) for path in paths}
    openings.close()

    assert descriptors() == before
    assert found == {path: looked(openings, path) for path in paths}
    assert [path for path, one in found.items() if one is None and path in READ] == []
    assert [path for path, one in found.items() if one is not None and path in LEFT] == []
    assert found[b"a/b/old"][1][MODIFIED] == -2_500_000_002


def test_a_location_that_is_a_file_is_read_by_its_name(tmp_path):
    (tmp_path / "log").write_bytes(b"line\n")
    (tmp_path / "current").symlink_to("log")
    with anchored(tmp_path / "current") as anchor, closing(Openings(anchor)) as held:
        found = SmallFiles(held, shorter_than=9).read(b"current")
        assert (found, found[0]) == (looked(held, b"current"), b"line\n")


def test_what_may_not_be_read_and_what_is_another_s_are_as_the_other_look_finds_them(open_folder, without_rights):
    for name, rights in {"secret": 0, "another": 0o644}.items():
        (open_folder / name).write_bytes(b"x")
        (open_folder / name).chmod(rights)
        os.utime(open_folder / name, ns=(2 * OLD, OLD))
    with without_rights(), anchored(open_folder) as anchor, closing(Openings(anchor)) as held:
        small = SmallFiles(held, shorter_than=9)
        assert small.read(b"secret") is None
        assert but_for_access(small.read(b"another")) == but_for_access(looked(held, b"another"))


def test_the_time_of_access_is_that_of_after_the_reading(tmp_path, openings, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")
    os.utime(tmp_path / "a", ns=(OLD, OLD))
    monkeypatch.setattr(opening, "O_NOATIME", 0)
    found = SmallFiles(openings, shorter_than=9).read(b"a")

    assert found[1][ACCESSED] == (tmp_path / "a").stat().st_atime_ns


def raising(number):
    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    return fail


CHANGES = {
    "longer": lambda path: path.write_bytes(b"longer than before"),
    "shorter": lambda path: path.write_bytes(b"x"),
    "same length": lambda path: path.write_bytes(b"later!!"),
    "touched": lambda path: os.utime(path, ns=(OLD, OLD)),
    "rights": lambda path: path.chmod(0o600),
    "failing": lambda _: raising(errno.EIO)(),
    "waiting": lambda _: raising(errno.EAGAIN)(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_or_fails_while_it_is_read_is_left(tmp_path, openings, monkeypatch, descriptors, change):
    path = tmp_path / "a"
    path.write_bytes(b"earlier")
    os.utime(path, ns=(OLD + 1, OLD + 1))
    path.chmod(0o640)
    small = SmallFiles(openings, shorter_than=AT_ONCE)
    assert small.read(b"a") is not None
    before = descriptors()
    real_read = os.read

    def changing(descriptor, size):
        data = real_read(descriptor, size)
        change(path)
        return data

    monkeypatch.setattr(os, "read", changing)
    assert small.read(b"a") is None
    assert descriptors() == before


def test_less_than_was_asked_for_is_left(tmp_path, openings, monkeypatch):
    (tmp_path / "a").write_bytes(b"whole")
    real_read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real_read(descriptor, min(size, 3)))

    assert SmallFiles(openings, shorter_than=9).read(b"a") is None


def test_another_kind_of_thing_is_not_opened_and_one_that_races_is_not_read(tmp_path, openings, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    asked, real_open = [], os.open

    def swap_then_open(name, flags, *rest, **options):
        asked.append((name, bool(flags & os.O_NONBLOCK)))
        if name == b"victim":
            victim.unlink(missing_ok=True)
            os.mkfifo(victim)
        return real_open(name, flags, *rest, **options)

    small = SmallFiles(openings, shorter_than=9)
    monkeypatch.setattr(os, "open", swap_then_open)

    assert (small.read(b"fifo"), asked) == (None, [])
    assert (small.read(b"victim"), asked) == (None, [(b"victim", True)])


def test_a_leased_file_is_left(tmp_path, openings, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")
    small = SmallFiles(openings, shorter_than=9)
    assert small.read(b"a") is not None
    monkeypatch.setattr(os, "open", lambda *_, **__: raising(errno.EWOULDBLOCK)())

    assert small.read(b"a") is None


def test_where_there_is_no_statx_everything_is_left(tmp_path, openings, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(small_files, "statx_function", lambda: None)

    assert SmallFiles(openings, shorter_than=9).read(b"a") is None
