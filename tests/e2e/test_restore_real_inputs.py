"""Real inputs that nobody here wrote come back as they were, and the archive of them verifies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from archiver.errors import Exit
from archiver.events import silent
from archiver.flows.prove.prove import check_proof, prove
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def taken(organisation, shared_data):
    """All of it as documents, and the logs and every broken JSON file as logs too."""
    shutil.copytree(shared_data, organisation.papers / "all")
    for name in ("model_logs", "malformed_json"):
        shutil.copytree(shared_data / name, organisation.logs / name)
    assert organisation.take().exit == Exit.OK
    return organisation


def test_real_inputs_come_back_byte_for_byte(taken, tmp_path, verified):
    with open_reading(taken.policy, None, clock=taken.clock, listener=silent) as reading:
        done = restore(reading, to=tmp_path / "restored", listener=silent)
    assert files(tmp_path / "restored" / "papers") == files(taken.papers)
    assert files(tmp_path / "restored" / "logs") == files(taken.logs)
    assert (done.counts, done.exit) == ({}, Exit.OK)
    verified(taken)


def test_the_first_record_of_real_logs_can_be_proven(taken):
    with open_reading(taken.policy, None, clock=taken.clock, listener=silent) as reading:
        paths = sorted((taken.logs / "model_logs").rglob("*.jsonl"))
        assert paths
        for path in paths[:3]:
            name = str(path.relative_to(taken.logs))
            found = check_proof(prove(reading, "logs", name, 0), reading.trust)
            assert path.read_bytes().startswith(found.raw)
