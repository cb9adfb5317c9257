"""`verify.py`, which shares no line with the program, comes to the program's verdict on whatever lies in a folder."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import verify as stranger
from tampered import laid_out, registered
from world import World

from archiver.judge.verify import verify
from archiver.stores.folder import FolderStore


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
