"""The tampered archives of the suite, laid out as folders for programs that are not ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from archiver.model.instant import format_instant
from archiver.proof import canonical

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
