"""What a walk finds, and what it does when the tree moves under it."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
from contextlib import suppress

import pytest

from archiver.sources.base import SourceUnavailable
from archiver.sources.files import device, open_file, walk


def seen(location):
    return [(found.path, found.kind) for found in walk(location)]


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def deep(folder, depth, name=b"d"):
    """Make `depth` folders inside each other with a file at the bottom, and return the way there."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    return b"/".join([name] * depth)


def remove_deep(folder, name="d"):
    """Remove what `deep` made, from the top: neither a path nor rmtree reaches the bottom."""
    spare = folder / "spare"
    while (folder / name / name).is_dir():
        (folder / name / name).rename(spare)
        (folder / name).rmdir()
        spare.rename(folder / name)
    shutil.rmtree(folder / name)


def test_names_come_in_byte_order_and_a_directory_before_its_content(tmp_path):
    make(tmp_path, "b/2", "b/1", "a", "b.txt", "B", ".hidden", "b/c/x", "é")

    assert [
        (b".hidden", "file"),
        (b"B", "file"),
        (b"a", "file"),
        (b"b", "directory"),
        (b"b/1", "file"),
        (b"b/2", "file"),
        (b"b/c", "directory"),
        (b"b/c/x", "file"),
        (b"b.txt", "file"),
        ("é".encode(), "file"),
    ] == seen(tmp_path)


def test_what_somebody_takes_is_not_found(tmp_path):
    make(tmp_path, "a", "b/1", "b/2", "b/c/x", "b.txt", "gone")
    (tmp_path / "link").symlink_to("a")
    asked = []

    def past_in(folder):
        def past(names, here):
            while names:
                try:
                    status = os.stat(names[-1], dir_fd=here, follow_symlinks=False)
                except FileNotFoundError:
                    return None
                if not stat.S_ISREG(status.st_mode):
                    return status
                asked.append((folder, names[-1], status.st_size))
                if names[-1] == b"2":  # the next name is not there any more, and is told all the same
                    (tmp_path / "gone").unlink()
                if names[-1] == b"x":
                    return status
                names.pop()
            return None

        return past

    found = [(one.path, one.kind, one.error and one.error.reason) for one in walk(tmp_path, quick=True, past=past_in)]

    assert found == [
        (b"b", "directory", None),
        (b"b/c", "directory", None),
        (b"b/c/x", "file", None),
        (b"gone", "file", "vanished"),
        (b"link", "symlink", None),
    ]
    assert asked == [(b"", b"a", 1), (b"b", b"1", 3), (b"b", b"2", 3), (b"b/c", b"x", 5), (b"", b"b.txt", 5)]


def test_an_empty_folder_has_no_items(tmp_path):
    assert seen(tmp_path) == []


def test_names_that_are_not_utf8_or_look_odd_are_bytes(tmp_path):
    names = [b"\xff\xfe", b"new\nline", b"a%2Fb", b"\xc3\xa9", b"e\xcc\x81", b" ", b"-rf", b"\\", b"*"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")

    assert sorted(names) == [path for path, _ in seen(tmp_path)]


def test_links_fifos_sockets_and_devices_are_recorded_and_not_followed(tmp_path):
    make(tmp_path, "dir/inside")
    (tmp_path / "a-link-to-a-dir").symlink_to("dir")
    (tmp_path / "b-dangling").symlink_to(os.fsdecode(b"no/\xffwhere"))
    os.mkfifo(tmp_path / "c-fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "e-socket"))
        found = {item.path: item for item in walk(tmp_path)}

    assert {path: item.kind for path, item in found.items()} == {
        b"a-link-to-a-dir": "symlink",
        b"b-dangling": "symlink",
        b"c-fifo": "fifo",
        b"dir": "directory",
        b"dir/inside": "file",
        b"e-socket": "socket",
    }
    assert found[b"a-link-to-a-dir"].facts.link_target == b"dir"
    assert found[b"b-dangling"].facts.link_target == b"no/\xffwhere"
    assert all(item.error is None for item in found.values())


def test_a_device_is_recorded(tmp_path):
    try:
        os.mknod(tmp_path / "null", 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device takes root")

    assert seen(tmp_path) == [(b"null", "device")]


def test_size_is_of_files_alone(tmp_path):
    make(tmp_path, "dir/four")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("empty")

    assert {f.path: f.size for f in walk(tmp_path)} == {b"dir": None, b"dir/four": 8, b"empty": 0, b"link": None}


def test_a_location_that_is_a_file_is_one_item_with_its_name(tmp_path):
    make(tmp_path, "logs/today.jsonl", "logs/other")

    (found,) = walk(tmp_path / "logs" / "today.jsonl")

    assert (found.path, found.kind, found.size) == (b"today.jsonl", "file", 16)


def test_a_location_may_be_a_link_and_a_file_keeps_the_name_as_written(tmp_path):
    make(tmp_path, "real/x")
    (tmp_path / "mount").symlink_to("real")
    (tmp_path / "current").symlink_to("real/x")

    assert seen(tmp_path / "mount") == [(b"x", "file")]
    assert seen(tmp_path / "current") == [(b"current", "file")]


def test_a_location_that_is_a_fifo_is_recorded_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    assert seen(tmp_path / "fifo") == [(b"fifo", "fifo")]


@pytest.mark.parametrize("name", ["missing", "missing/deeper", "circle", "file/below"])
def test_a_location_that_is_not_there_is_unavailable(tmp_path, name):
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").touch()

    with pytest.raises(SourceUnavailable) as raised:
        list(walk(tmp_path / name))

    assert raised.value.code == "source-unavailable"


def test_a_location_that_may_not_be_listed_is_unavailable(open_folder, without_rights):
    (open_folder / "closed").mkdir(mode=0o711)
    (open_folder / "closed").chmod(0o311)
    with without_rights(), pytest.raises(SourceUnavailable):
        list(walk(open_folder / "closed"))


def test_a_directory_that_may_not_be_listed_is_found_with_its_error(open_folder, without_rights):
    make(open_folder, "a/closed/secret", "b")
    (open_folder / "a" / "closed").chmod(0o311)
    with without_rights():
        found = {item.path: item for item in walk(open_folder)}

    assert list(found) == [b"a", b"a/closed", b"b"]
    closed = found[b"a/closed"]
    assert (closed.kind, closed.error.reason, closed.error.errno) == ("directory", "permission-denied", errno.EACCES)
    assert closed.facts is not None


def test_names_that_may_be_listed_but_not_looked_at_are_found_with_their_error(open_folder, without_rights):
    make(open_folder, "a/listed/one", "a/listed/two", "b")
    (open_folder / "a" / "listed").chmod(0o744)
    with without_rights():
        found = {item.path: item for item in walk(open_folder)}

    assert list(found) == [b"a", b"a/listed", b"a/listed/one", b"a/listed/two", b"b"]
    assert found[b"a/listed/one"].facts is None
    assert found[b"a/listed/one"].error.errno == errno.EACCES
    assert found[b"b"].error is None


def test_a_file_that_vanishes_is_found_with_its_error(tmp_path):
    make(tmp_path, "a", "b", "c")
    steps = walk(tmp_path)
    assert next(steps).path == b"a"
    (tmp_path / "b").unlink()

    gone, last = steps

    assert (gone.path, gone.facts, gone.error.reason, gone.error.errno) == (b"b", None, "vanished", errno.ENOENT)
    assert (last.path, last.error) == (b"c", None)


def test_a_link_swapped_in_for_a_directory_is_not_followed(tmp_path, monkeypatch):
    make(tmp_path, "root/victim/x", "outside/secret")
    real_open, victim = os.open, tmp_path / "root" / "victim"

    def swap_then_open(name, flags, *rest, **options):
        if name == b"victim" and not victim.is_symlink():
            shutil.rmtree(victim)
            victim.symlink_to(tmp_path / "outside")
        return real_open(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", swap_then_open)
    (found,) = walk(tmp_path / "root")

    assert (found.path, found.kind, found.error.reason) == (b"victim", "directory", "replaced")


def test_a_directory_moved_away_while_the_walk_is_inside_does_not_lead_it_elsewhere(tmp_path):
    make(tmp_path, "root/a/b/1", "root/a/b/2", "root/a/z", "root/y", "elsewhere/secret", "elsewhere/z")
    steps = walk(tmp_path / "root")
    paths = [next(steps).path for _ in range(3)]
    (tmp_path / "root" / "a" / "b").rename(tmp_path / "elsewhere" / "b")

    paths += [found.path for found in steps]

    assert paths == [b"a", b"a/b", b"a/b/1", b"a/b/2", b"a/z", b"y"]


def test_names_of_a_directory_that_cannot_be_reached_any_more_are_found_with_an_error(tmp_path):
    make(tmp_path, "root/a/b/1", "root/a/y", "root/a/z", "root/z")
    (tmp_path / "elsewhere").mkdir()
    steps = walk(tmp_path / "root")
    for _ in range(3):
        next(steps)
    (tmp_path / "root" / "a" / "b").rename(tmp_path / "elsewhere" / "b")
    (tmp_path / "root" / "a").rename(tmp_path / "elsewhere" / "a")

    rest = [(found.path, found.error and found.error.reason) for found in steps]

    assert rest == [(b"a/y", "vanished"), (b"a/z", "vanished"), (b"z", None)]


def test_a_tree_deeper_than_any_path_or_recursion_is_walked_with_few_descriptors(tmp_path, descriptors):
    path = deep(tmp_path, 5000)
    try:
        before, most, last = descriptors(), 0, None
        for count, found in enumerate(walk(tmp_path)):
            if count % 500 == 0:
                most = max(most, descriptors() - before)
            assert found.error is None
            last = found
        assert (path + b"/bottom", "file") == (last.path, last.kind)
        assert len(last.path) > 4096
        with open_file(tmp_path, last.path) as opened:
            assert opened.read(1) == b""
        assert most <= 4
        assert before == descriptors()
    finally:
        remove_deep(tmp_path)


def test_a_walk_that_is_given_up_closes_what_it_had_open(tmp_path, descriptors):
    make(tmp_path, "a/b/c/d")
    before = descriptors()
    steps = walk(tmp_path)
    for _ in range(3):
        next(steps)
    steps.close()

    assert before == descriptors()


def test_a_directory_with_many_names_is_listed_whole_and_in_order(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for number in range(20_000):
        os.close(os.open(f"{number:05}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)

    assert [b"%05d" % number for number in range(20_000)] == [found.path for found in walk(tmp_path)]


def test_the_device_of_a_location_is_said_as_the_system_numbers_it(tmp_path):
    number = tmp_path.stat().st_dev

    assert device(tmp_path).split(" ")[0] == f"{os.major(number)}:{os.minor(number)}"
    with pytest.raises(SourceUnavailable):
        device(tmp_path / "missing")


def test_a_quick_walk_learns_the_same_when_it_looks_closer(tmp_path):
    make(tmp_path, "a", "b")
    with suppress(OSError):  # a file system without attributes
        os.setxattr(tmp_path / "b", "user.note", b"kept")

    assert [found.seen_closer() for found in walk(tmp_path, quick=True)] == list(walk(tmp_path))
