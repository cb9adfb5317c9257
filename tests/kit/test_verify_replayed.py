"""Whatever the attack tests have the program verify, `verify.py` verifies beside it, and comes to the same verdict.

The tests are those of tests/attacks, run here once more; behind each call of `World.verify` the archive is laid out as
a folder, and both programs look at that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tampered import laid_out, load
from test_verify_py import agree, ours, theirs
from world import World

from archiver.judge.verify import Options

REPLAYED = ("holds", "keys", "timestamps", "witness")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

for _name in REPLAYED:
    _module = load(_name)
    _tests = {name: one for name, one in vars(_module).items() if name.startswith("test_") and callable(one)}
    globals().update({f"test_{_name}_{name[5:]}": one for name, one in _tests.items()})
    globals().update({"home": _module.home} if hasattr(_module, "home") else {})


@dataclass
class Beside:
    """Verifies a world twice more, from a folder: by the program, and by that of the kit."""

    folder: Path
    honest: object
    times: int = 0

    def verify(self, world, trusted=None, **options):
        report = self.honest(world, trusted, **options)
        asked = options.get("options") or Options()
        if "store" not in options and asked == Options(witnesses=asked.witnesses):
            self.times += 1
            data, clock = (trusted or world.trust()).encode(), options.get("clock", lambda: NOON)
            folder = self.folder / str(self.times)
            laid_out(world, folder)
            agree(*(look(folder, data, clock, asked.witnesses) for look in (ours, theirs)))
        return report


@pytest.fixture(autouse=True)
def beside(monkeypatch, tmp_path_factory):
    made = Beside(tmp_path_factory.mktemp("beside"), World.verify)
    monkeypatch.setattr(World, "verify", lambda world, trusted=None, **options: made.verify(world, trusted, **options))
    return made
