"""What may be opened, and what a reading notices."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from archiver.sources import opening
from archiver.sources.base import ReadProblem, SourceUnavailable
from archiver.sources.files import open_file, unchanged_since


def content(location, path):
    with open_file(location, path) as opened:
        return b"".join(opened.blocks(7))


def problem(location, path):
    with pytest.raises(ReadProblem) as raised, open_file(location, path):
        pass
    return raised.value.problem


def test_a_file_is_read_to_its_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / os.fsdecode(b"\xff")).write_bytes(b"some bytes, more than a block")
    (tmp_path / "empty").touch()

    assert content(tmp_path, b"a/\xff") == b"some bytes, more than a block"
    assert content(tmp_path, b"empty") == b""


def test_a_location_that_is_a_file_is_opened_by_its_name(tmp_path):
    (tmp_path / "log").write_bytes(b"line\n")
    (tmp_path / "current").symlink_to("log")

    assert content(tmp_path / "log", b"log") == b"line\n"
    assert content(tmp_path / "current", b"current") == b"line\n"


def test_a_missing_location_is_the_source_s_failure_not_the_item_s(tmp_path):
    with pytest.raises(SourceUnavailable), open_file(tmp_path / "missing", b"a"):
        pass


def test_a_missing_file_is_vanished_with_its_errno(tmp_path):
    found = problem(tmp_path, b"a/b")

    assert (found.reason, found.errno) == ("vanished", errno.ENOENT)


def test_a_file_without_the_right_to_read_says_so(open_folder, without_rights):
    (open_folder / "secret").write_bytes(b"x")
    (open_folder / "secret").chmod(0)
    with without_rights():
        found = problem(open_folder, b"secret")

    assert (found.reason, found.errno) == ("permission-denied", errno.EACCES)


def test_somebody_else_s_file_is_read_though_its_atime_cannot_be_spared(open_folder, without_rights):
    (open_folder / "theirs").write_bytes(b"x")
    with without_rights():
        assert content(open_folder, b"theirs") == b"x"


def test_reading_leaves_atime_alone(tmp_path):
    (tmp_path / "old").write_bytes(b"x")
    os.utime(tmp_path / "old", ns=(1, 2))
    content(tmp_path, b"old")

    assert (tmp_path / "old").stat().st_atime_ns == 1


@pytest.mark.parametrize("path", [b"link", b"dir-link/x"])
def test_no_link_is_followed(tmp_path, path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "x").write_bytes(b"x")
    (tmp_path / "link").symlink_to("dir/x")
    (tmp_path / "dir-link").symlink_to("dir")

    assert problem(tmp_path, path).reason == "replaced"


@pytest.mark.parametrize("path", [b"", b".", b"..", b"a/../b", b"/etc/passwd", b"a//b", b"a/", b"a\0b"])
def test_a_path_that_could_lead_elsewhere_is_refused(tmp_path, path):
    (tmp_path / "a").write_bytes(b"x")

    assert problem(tmp_path, path).reason == "unreadable"


def test_a_file_that_became_a_fifo_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    assert problem(tmp_path, b"fifo").reason == "replaced"


def test_a_directory_is_no_file(tmp_path):
    (tmp_path / "dir").mkdir()

    assert problem(tmp_path, b"dir").reason == "replaced"


def test_a_fifo_that_is_swapped_in_at_the_last_moment_does_not_block(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"x")
    real_open = os.open

    def swap_then_open(name, flags, *rest, **options):
        if name == b"victim" and not flags & opening.O_PATH:
            victim.unlink(missing_ok=True)
            os.mkfifo(victim)
        return real_open(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", swap_then_open)

    assert problem(tmp_path, b"victim").reason == "replaced"


def test_a_link_that_is_swapped_in_at_the_last_moment_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "root" / "parent"
    victim.mkdir(parents=True)
    (victim / "x").write_bytes(b"good")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_bytes(b"secret")
    real_open = os.open

    def swap_then_open(name, flags, *rest, **options):
        if name == b"parent" and not victim.is_symlink():
            shutil.rmtree(victim)
            victim.symlink_to(tmp_path / "outside")
        return real_open(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", swap_then_open)

    assert problem(tmp_path / "root", b"parent/x").reason == "replaced"


def test_a_leased_file_is_opened_by_waiting_for_its_lease(tmp_path, monkeypatch):
    (tmp_path / "leased").write_bytes(b"x")
    real_open = os.open

    def refuse_without_waiting(name, flags, *rest, **options):
        if flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EWOULDBLOCK, "leased")
        return real_open(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse_without_waiting)

    assert content(tmp_path, b"leased") == b"x"


def test_a_file_under_proc_is_read_to_the_end_though_its_size_is_zero():
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    with open_file(Path("/proc/self"), b"status") as opened:
        assert opened.first.size == 0
        assert b"".join(opened.blocks()).startswith(b"Name:")


def test_an_untouched_file_is_the_same_after_the_reading(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100)
    with open_file(tmp_path, b"a") as opened:
        assert opened.read(1000) == b"x" * 100
        assert unchanged_since(opened.first, opened.stat_now())


@pytest.mark.parametrize("change", ["append", "rewrite", "truncate", "touch", "chmod"])
def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path, change):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    os.utime(path, ns=(10**18, 10**18))
    with open_file(tmp_path, b"a") as opened:
        opened.read(10)
        {
            "append": lambda: path.open("ab").close() or path.write_bytes(b"x" * 101),
            "rewrite": lambda: path.write_bytes(b"y" * 100),
            "truncate": lambda: os.truncate(path, 3),
            "touch": lambda: os.utime(path, ns=(10**18, 10**18 + 1)),
            "chmod": lambda: path.chmod(0o640),
        }[change]()
        assert not unchanged_since(opened.first, opened.stat_now())


def test_a_file_that_is_replaced_while_it_is_read_stays_the_one_that_was_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with open_file(tmp_path, b"a") as opened:
        (tmp_path / "new").write_bytes(b"new")
        (tmp_path / "new").rename(tmp_path / "a")
        assert opened.read(10) == b"old"
        assert opened.first.nlink == 1
        assert opened.stat_now().nlink == 0
        assert not unchanged_since(opened.first, opened.stat_now())


def test_a_file_can_be_read_again_from_its_first_byte(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_file(tmp_path, b"a") as opened:
        opened.read(2)
        opened.rewind()
        assert opened.read(10) == b"abc"


def test_an_error_while_reading_is_a_read_problem_with_its_errno(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")

    def broken(descriptor, size):
        raise OSError(errno.EIO, "Input/output error")

    with open_file(tmp_path, b"a") as opened:
        monkeypatch.setattr(os, "read", broken)
        with pytest.raises(ReadProblem) as raised:
            opened.read(10)

    assert (raised.value.problem.reason, raised.value.problem.errno) == ("io-error", errno.EIO)


def test_descriptors_are_closed_whatever_happens(tmp_path, descriptors):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a").write_bytes(b"x")
    before = descriptors()
    for path in (b"a", b"fifo", b"missing", b"a/b", b"../x"):
        try:
            content(tmp_path, path)
        except ReadProblem:
            continue

    assert before == descriptors()
