"""`verify.py`, which shares no line with the program, comes to the program's verdict on whatever lies in a folder."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest
import verify as stranger
from world import World

from archiver.judge.verify import verify
from archiver.model.instant import format_instant
from archiver.proof import canonical
from archiver.stores.folder import FolderStore

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = ("completeness", "objects_and_locks", "records", "statements", "trust_and_log")
ELSEWHERE = {
    "index-differs": "index columns are derived by the program alone",
    "object-unreadable": "a folder that cannot be read is an error of the machine",
}


def load(name):
    spec = importlib.util.spec_from_file_location(f"kit_{name}", ROOT / "attacks" / f"test_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def registered():
    for name in ATTACKS:
        for param in load(name).attacks:
            if param.values[0] not in ELSEWHERE:
                yield pytest.param(param.values[2], param.values[3], id=f"{name}, {param.id}")


def laid_out(world, folder):
    """Write a world as a folder has it, with the locks that each version has."""
    world.write_folder(folder, locks=False)
    lines = []
    for key, versions in world.store.versions.items():
        lock = versions[0].lock
        if versions[0].data is None:
            (folder / key).unlink()
        elif lock.mode is not None:
            until = lock.retain_until and lock.mode != "NONE" and format_instant(lock.retain_until)
            lines.append({"key": key, "legal_hold": lock.legal_hold, "mode": lock.mode, "retain_until": until or None})
    (folder / ".locks.jsonl").write_bytes(b"".join(canonical.encode(line) + b"\n" for line in lines))


def ours(folder, trust, clock):
    report = verify(FolderStore(folder, location=str(folder), clock=clock), trust, clock=clock)
    return int(report.exit), sorted({one.code for one in report.findings if one.severity != "note"})


def theirs(folder, trust, clock):
    try:
        trusted = stranger.open_trust(trust)
    except ValueError:
        return 1, ["trust"]
    verifier = stranger.Verifier(folder, trusted, clock(), stranger.Asked())
    verifier.run()
    return stranger.verdict(verifier.findings), sorted({one[1] for one in verifier.findings if one[0] != "note"})


@pytest.mark.parametrize(("bends", "harm"), list(registered()))
def test_both_come_to_one_verdict_on_a_tampered_archive(bends, harm, tmp_path):
    world = World(**bends)
    options = harm(world) or {}
    world = options.get("world", world)
    trust = options.get("trusted", world.trust())
    trust = trust if isinstance(trust, bytes) else trust.encode()
    clock = options.get("clock", lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
    laid_out(world, tmp_path)
    mine, other = ours(tmp_path, trust, clock), theirs(tmp_path, trust, clock)
    assert mine[0] == other[0], (mine, other)
