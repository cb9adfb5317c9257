"""The facts that the file system offers, to the last nanosecond."""

from __future__ import annotations

import os
import pwd
import subprocess
from decimal import Decimal

import pytest

from archiver.sources import statx
from archiver.sources.base import FileFacts
from archiver.sources.facts import facts_of, kind_of
from archiver.sources.files import open_file, walk

SECOND = 1_000_000_000


def only(location):
    (found,) = walk(location)
    return found.facts


def opened(path):
    with open_file(path.parent, os.fsencode(path.name)) as file:
        return file.first


def test_times_are_exact_nanoseconds(tmp_path):
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", ns=(1_234_567_890_123_456_789, 1_700_000_000_000_000_001))

    facts = only(tmp_path)

    assert (facts.atime_ns, facts.mtime_ns) == (1_234_567_890_123_456_789, 1_700_000_000_000_000_001)


@pytest.mark.parametrize("nanoseconds", [-1, -(2**31) * SECOND, 14_000_000_000 * SECOND + 7, 200_000_000_000 * SECOND])
def test_times_outside_of_what_64_bit_nanoseconds_hold_are_kept_where_the_file_system_keeps_them(tmp_path, nanoseconds):
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", ns=(nanoseconds, nanoseconds))
    kept = subprocess.run(["stat", "-c", "%.9Y", tmp_path / "a"], capture_output=True, text=True, check=True).stdout

    facts = only(tmp_path)

    assert facts.mtime_ns == int(Decimal(kept.strip()) * SECOND)
    assert facts.to_json()["mtime_ns"] == str(facts.mtime_ns)


def test_times_in_the_year_10000_survive_as_decimal_text():
    facts = FileFacts(1, 2**63, 1, 0o100644, 0, 0, None, None, 0, 253_402_300_800 * SECOND, -1, None, 0)

    assert tuple(facts.to_json()[name] for name in ("mtime_ns", "ctime_ns", "btime_ns", "ino")) == (
        "253402300800000000000",
        "-1",
        None,
        "9223372036854775808",
    )


def test_the_birth_time_is_the_kernel_s(tmp_path):
    (tmp_path / "a").touch()
    told = subprocess.run(["stat", "-c", "%.9W", tmp_path / "a"], capture_output=True, text=True, check=True).stdout
    seconds, fraction = told.strip().split(".")
    expected = int(seconds) * SECOND + int(fraction) or None

    assert expected == only(tmp_path).btime_ns
    assert expected == opened(tmp_path / "a").btime_ns


def test_where_there_is_no_statx_the_birth_time_is_unknown(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    monkeypatch.setattr(statx, "statx_function", lambda: None)

    assert only(tmp_path).btime_ns is None


def test_mode_owner_links_and_inode_are_those_of_stat(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    path.chmod(0o4750)
    os.link(path, tmp_path / "b")
    status = path.stat()

    facts, twin = (found.facts for found in walk(tmp_path))

    assert (0o104750, 2, status.st_ino, status.st_dev) == (facts.mode, facts.nlink, facts.ino, facts.dev)
    assert (facts.dev, facts.ino) == (twin.dev, twin.ino)
    assert (status.st_uid, status.st_gid) == (facts.uid, facts.gid)
    assert pwd.getpwuid(status.st_uid).pw_name == facts.owner


def test_an_owner_without_a_name_has_a_number(tmp_path):
    (tmp_path / "a").touch()
    try:
        os.chown(tmp_path / "a", 3_999_999_999, 3_999_999_998)
    except OSError as error:
        pytest.skip(f"giving a file away takes root: {error}")

    facts = only(tmp_path)

    assert (facts.uid, facts.gid, facts.owner, facts.group) == (3_999_999_999, 3_999_999_998, None, None)


def test_extended_attributes_are_kept_as_bytes(tmp_path):
    path = tmp_path / "a"
    path.touch()
    try:
        os.setxattr(path, b"user.\xff", b"\0\xff")
        os.setxattr(path, b"user.a", b"")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")

    assert only(tmp_path).xattrs == ((b"user.a", b""), (b"user.\xff", b"\0\xff"))
    assert only(tmp_path).xattrs == opened(path).xattrs
    assert only(tmp_path).to_json()["xattrs"] == {"user.a": "", "user.%FF": "AP8="}


def test_extended_attributes_of_a_link_s_target_are_not_the_link_s(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "link").symlink_to("../a")
    try:
        os.setxattr(tmp_path / "a", b"user.a", b"x")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")

    assert only(tmp_path / "dir").xattrs == ()


def sparse(path, *pieces, size):
    with path.open("wb") as file:
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
        file.truncate(size)
    if path.stat().st_blocks * 512 >= size:
        pytest.skip("no sparse files here")


def test_holes_are_listed_with_offset_and_length(tmp_path):
    mib = 1 << 20
    sparse(tmp_path / "a", (0, b"x" * mib), (5 * mib, b"y" * mib), size=9 * mib)

    assert ((mib, 4 * mib), (6 * mib, 3 * mib)) == opened(tmp_path / "a").holes
    assert [[mib, 4 * mib], [6 * mib, 3 * mib]] == opened(tmp_path / "a").to_json()["holes"]


def test_a_file_that_is_one_hole_says_so(tmp_path):
    sparse(tmp_path / "a", size=1 << 40)

    assert opened(tmp_path / "a").holes == ((0, 1 << 40),)


def test_a_dense_file_has_no_holes(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100_000))

    assert opened(tmp_path / "a").holes == ()


def test_looking_for_holes_leaves_the_reading_where_it_is(tmp_path):
    sparse(tmp_path / "a", (1 << 20, b"end"), size=(1 << 20) + 3)
    with open_file(tmp_path, b"a") as file:
        file.read(1 << 20)
        file.stat_now()
        assert file.read(100) == b"end"


def test_facts_are_written_exactly_as_published(tmp_path):
    (tmp_path / "a").symlink_to(os.fsdecode(b"b/\xff%"))

    written = only(tmp_path).to_json()

    names = "dev ino nlink mode uid gid owner group atime_ns mtime_ns ctime_ns btime_ns link_target holes xattrs"
    assert names.split() == list(written)
    assert written["link_target"] == "b/%FF%25"
    assert all(isinstance(written[name], str) for name in ("dev", "ino", "atime_ns", "mtime_ns", "ctime_ns"))
    assert all(isinstance(written[name], int) for name in ("nlink", "mode", "uid", "gid"))


def test_a_directory_s_facts_come_from_its_descriptor(tmp_path):
    (tmp_path / "d").mkdir()
    here = os.open(tmp_path / "d", os.O_RDONLY)
    facts = facts_of(here)
    os.close(here)

    assert (facts.dev, facts.ino) == (only(tmp_path).dev, only(tmp_path).ino)


def test_an_unknown_kind_counts_as_a_device_and_is_not_opened():
    assert kind_of(0o170000) == "device"
