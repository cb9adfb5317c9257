"""A copy of an archive on another disk: locks are unknown there, everything else is checked, and nothing is written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from archiver.cli import run


@pytest.fixture
def copy(filled):
    """A mirror, made without the file that keeps the locks."""
    filled.take()
    mirror = filled.root / "mirror"
    shutil.copytree(filled.archive, mirror, ignore=lambda _folder, names: [one for one in names if one[0] == "."])
    return mirror


def contents(folder):
    return {
        path.relative_to(folder): (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def asked(place, capsys, command, *arguments):
    capsys.readouterr()
    status = run(["--json", command, *arguments, "--trust", str(place.trust)], clock=place.clock, environ={})
    found = json.loads(capsys.readouterr().out)
    assert found["exit"] == status
    return found


def test_locks_are_unknown_and_the_rest_is_checked(filled, copy, capsys):
    before = contents(copy)
    found = asked(filled, capsys, "verify", "--archive", str(copy))
    assert (found["exit"], found["verdict"]) == (3, "partial")
    assert {one["code"] for one in found["findings"] if one["severity"] != "note"} == {"lock-unknown"}
    assert {one["result"] for one in found["checks"] if one["name"] != "locks"} == {"ok", "note"}
    assert contents(copy) == before


def test_a_changed_byte_is_found_on_a_copy_too(filled, copy, capsys):
    path = next(copy.rglob("*.parquet"))
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert asked(filled, capsys, "verify", "--archive", str(copy))["exit"] == 1


def test_examples_of_what_is_lost_with_a_batch_fit_on_a_screen_however_long_their_names_are(filled, capsys):
    for name in "abcdef":
        (filled.papers / (name * 200)).mkdir()
        (filled.papers / (name * 200) / (name * 200)).write_text("long")
    filled.take()
    mirror = filled.root / "mirror"
    shutil.copytree(filled.archive, mirror)
    for path in mirror.glob("data/documents/*/*.parquet"):
        path.unlink()
    found = asked(filled, capsys, "verify", "--archive", str(mirror))
    (lost,) = [one for one in found["findings"] if one["code"] == "item-sha256"]
    assert lost["actual"].startswith("the batch could not be checked; among them {")
    assert ("a" * 100 in lost["actual"], len(lost["actual"]) < 1000) == (True, True)


def test_everything_comes_back_from_a_copy(filled, copy, capsys, tmp_path):
    before = contents(copy)
    found = asked(filled, capsys, "restore", "--archive", str(copy), "--to", str(tmp_path / "restored"))
    assert found["exit"] == 0
    for path in filled.logs.iterdir():
        assert (tmp_path / "restored" / "logs" / path.name).read_bytes() == path.read_bytes()
    assert contents(copy) == before


def mounted(copy, *command):
    """Run a command where the copy is mounted read-only."""
    mount = (
        f"mount --bind '{copy}' '{copy}' && mount -o remount,bind,ro '{copy}' && ! touch '{copy}/x' 2>&1 && exec \"$@\""
    )
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    return subprocess.run([*namespace, "sh", "-c", mount, "sh", *command], capture_output=True, text=True, check=False)


def test_a_read_only_mount_is_enough_for_readers(filled, copy, tmp_path):
    if not shutil.which("unshare") or mounted(copy, "true").returncode != 0:
        pytest.skip("no mount namespaces here")
    archiver = [sys.executable, "-m", "archiver"]
    reader = ["--archive", str(copy), "--trust", str(filled.trust)]
    for status, command in (
        (3, ["verify", *reader]),
        (0, ["verify", *reader, "--only", "index"]),
        (0, ["list", "items", *reader]),
        (0, ["restore", *reader, "--to", str(tmp_path / "restored")]),
    ):
        done = mounted(copy, *archiver, *command)
        assert (command[0], done.returncode, done.stderr.count("error")) == (command[0], status, 0)
    assert (tmp_path / "restored" / "papers" / "jdoe" / "memo.txt").read_bytes() == b"keep everything\n"
