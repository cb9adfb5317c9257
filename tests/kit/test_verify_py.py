"""`verify.py`, which shares no line with the program, comes to the program's verdict on whatever lies in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import verify as stranger
from tampered import laid_out, registered
from world import World

from archiver.judge.verify import Options, verify
from archiver.stores.base import Lock
from archiver.stores.folder import FolderStore


def ours(folder, trust, clock, witnesses=None):
    store = FolderStore(folder, location=str(folder), clock=clock)
    report = verify(store, trust, clock=clock, options=Options(witnesses=witnesses))
    return int(report.exit), {one.code for one in report.findings if one.severity == "failed"}


def theirs(folder, trust, clock, witnesses=None):
    try:
        trusted = stranger.open_trust(trust)
    except ValueError as problem:
        return 1, {getattr(problem, "code", "trust-unreadable")}
    verifier = stranger.Verifier(folder, trusted, clock(), stranger.Asked(witnesses=witnesses))
    verifier.run()
    return stranger.verdict(verifier.findings), {one[1] for one in verifier.findings if one[0] == "failed"}


FOLLOWS = {"item-sha256", "item-parts", "snapshot-counts", "log-checkpoint-gap", "lock-missing"}
"""Where something else is wrong, these may follow from it, and a verifier need not say them again (FORMAT.md, 17)."""
ELSEWISE = {"log-entry-stranger: another writer's entry came second and was entered later"}
"""A folder has one version of a key: here the wrong one, which each of the two calls by another name."""


def agree(mine, other, *, codes=True):
    """Demand one exit status, and the same codes of first causes."""
    firsts = [(status, (found - FOLLOWS or found) if codes else None) for status, found in (mine, other)]
    assert firsts[0] == firsts[1], (mine, other)


@pytest.mark.parametrize(("bends", "harm"), list(registered()))
def test_both_come_to_one_verdict_on_a_tampered_archive(bends, harm, tmp_path, request):
    world = World(**bends)
    options = harm(world) or {}
    world = options.get("world", world)
    trust = options.get("trusted", world.trust())
    trust = trust if isinstance(trust, bytes) else trust.encode()
    clock = options.get("clock", lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
    laid_out(world, tmp_path)
    otherwise = any(name in request.node.name for name in ELSEWISE)
    agree(ours(tmp_path, trust, clock), theirs(tmp_path, trust, clock), codes=not otherwise)


@pytest.mark.parametrize(("put", "status"), [("2026-12-15", 4), ("2027-01-15", 3)])
def test_where_a_date_has_passed_it_counts_when_an_object_came_into_this_store(put, status, tmp_path):
    """What came after the date can have the legal hold alone; what was here before it was never locked."""
    world = World(lock=lambda lock, _key: Lock("NONE", None, legal_hold=True))
    laid_out(world, tmp_path)
    when = datetime.fromisoformat(f"{put}T00:00:00Z").timestamp()
    for path in tmp_path.rglob("*"):
        os.utime(path, (when, when))
    words = (tmp_path, world.trust().encode(), lambda: datetime(2027, 2, 1, tzinfo=UTC))
    assert [answer[0] for answer in (ours(*words), theirs(*words))] == [status, status]


@pytest.mark.parametrize("package", ["cryptography", "pyarrow"])
def test_without_a_package_nothing_is_called_forged_and_the_package_is_named(package, tmp_path):
    """Python ends with 1 where an import fails, which here means that evidence is missing or changed."""
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / f"{package}.py").write_text(f"raise ModuleNotFoundError('no such module', name={package!r})")
    world = World()
    laid_out(world, tmp_path / "archive")
    (tmp_path / "trust.json").write_bytes(world.trust().encode())
    command = [sys.executable, stranger.__file__, "--trust", str(tmp_path / "trust.json"), str(tmp_path / "archive")]
    done = subprocess.run(command, env={"PYTHONPATH": str(absent)}, capture_output=True, text=True, check=False)
    assert (done.returncode, f"python3 -m pip install {package}" in done.stdout + done.stderr) == (3, True)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("../elsewhere")])
def test_both_take_locks_for_unknown_where_a_link_or_no_file_is_in_the_place_of_theirs(make, tmp_path):
    world, root = World(), tmp_path / "archive"
    world.write_folder(root)
    (root / ".locks.jsonl").rename(tmp_path / "elsewhere")
    make(root / ".locks.jsonl")
    trust, now = world.trust().encode(), lambda: datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert ours(root, trust, now) == theirs(root, trust, now) == (3, set())
