"""Killed at any moment, the same command goes on: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

RUN = """
import secrets, sys
from datetime import UTC, datetime
from pathlib import Path
from archiver.events import silent
from archiver.flows.snapshot.snapshot import snapshot
from archiver.model.policy_reading import load_policy
now = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
snapshot(load_policy(Path(sys.argv[1])), clock=lambda: now, random=secrets.token_bytes, environ={}, listener=silent)
"""
KILLS = 25


def stored(archive) -> Counter[tuple[str, bytes]]:
    """Return every row of documents and logs with its item, and how often it is stored."""
    import pyarrow.parquet as pq

    found: Counter[tuple[str, bytes]] = Counter()
    for path in archive.glob("data/[dm]*/*/*.parquet"):
        table = pq.read_table(path, columns=["item", "raw"])
        found.update(zip(table.column("item").to_pylist(), table.column("raw").to_pylist(), strict=True))
    return found


def expected(place) -> Counter[tuple[str, bytes]]:
    found: Counter[tuple[str, bytes]] = Counter()
    for path in place.papers.iterdir():
        data = path.read_bytes()
        rows = [data[at : at + 8_388_608] for at in range(0, len(data), 8_388_608)] or [b""]
        found.update((f'{{"path":"{path.name}","source":"papers"}}', row) for row in rows)
    for path in place.logs.iterdir():
        found.update(
            (f'{{"path":"{path.name}","source":"logs"}}', line) for line in path.read_bytes().splitlines(keepends=True)
        )
    return found


def test_twenty_five_kills_and_one_good_run_give_exactly_the_records(organisations, verified):
    chance = random.Random(7)
    place = organisations(batch="64KiB", records=200)
    for number in range(60):
        (place.papers / f"{number:02d}.bin").write_bytes(chance.randbytes(chance.randrange(1, 20_000)))
    (place.papers / "large.bin").write_bytes(chance.randbytes(20_000_000))
    for number in range(8):
        lines = (b'{"request_id":"%d-%d"}\n' % (number, line) for line in range(300))
        (place.logs / f"{number}.jsonl").write_bytes(b"".join(lines))
    place.set_up()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", RUN, str(place.root / "retention_policy.yaml")]
    finished = 0
    for _ in range(KILLS):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0.5, 1.6))
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert said == b""
        finished += process.returncode == 0
    assert finished < KILLS, "no kill came early enough to matter"
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert stored(place.archive) == expected(place)
    verified(place)
