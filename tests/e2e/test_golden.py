"""An archive of format 1 that was written once is verified for ever, by this program and by an independent one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.judge.verify import verify
from archiver.stores.folder import FolderStore

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "golden" / "v1"


def clock() -> datetime:
    return datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def copy(tmp_path) -> Path:
    return Path(shutil.copytree(GOLDEN / "archive", tmp_path / "archive"))


def report_of(archive: Path):
    store = FolderStore(archive, location=str(archive), clock=clock)
    return verify(store, (GOLDEN / "trust.json").read_bytes(), clock=clock)


def test_the_golden_archive_is_what_it_was():
    report = report_of(GOLDEN / "archive")
    assert ([finding.code for finding in report.findings if finding.severity != "note"], int(report.exit)) == ([], 0)
    assert (report.log_size, report.log_root) == (
        18,
        "1a6b840195cd51e3cdb30538a260d92bb1d74c529bab27ca2ad9ab446079876f",
    )


def test_the_golden_archive_gives_its_files_back(tmp_path):
    with open_reading(
        None, str(GOLDEN / "archive"), trust_path=GOLDEN / "trust.json", clock=clock, listener=silent
    ) as reading:
        restore(reading, to=tmp_path / "back", listener=silent)
    found = {
        str(path.relative_to(tmp_path / "back")): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in (tmp_path / "back").rglob("*")
        if path.is_file()
    }
    assert found == {
        "logs/chat.jsonl": "a91a0e48c5b0428e",
        "logs/cut.jsonl.zst": "ef08b74200f29c8d",
        "logs/odd.jsonl": "a03cd864774f6004",
        "logs/plain.log": "c7aa1315a11f9c45",
        "logs/two.jsonl.gz": "81e51126afb55a22",
        "papers/caf\udce9 100%.txt": "b9eab0d05f7fa229",
        "papers/jdoe/memo.txt": "7c0166684fd5b81d",
        "papers/zeros.bin": "2daeb1f36095b44b",
    }


def test_a_stranger_to_this_program_accepts_it_too():
    verifier = ROOT / "independent" / "verifier.py"
    done = subprocess.run(
        [sys.executable, "-I", str(verifier), str(GOLDEN / "archive"), str(GOLDEN / "trust.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_changed_byte_is_found(copy):
    batch = next(copy.glob("data/model_logs/*/*.parquet"))
    data = bytearray(batch.read_bytes())
    data[len(data) // 2] ^= 1
    batch.chmod(0o644)
    batch.write_bytes(bytes(data))
    assert int(report_of(copy).exit) == 1
