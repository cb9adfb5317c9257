"""Logs whose records another process hashes are kept as if they had been hashed here."""

from __future__ import annotations

import os
import signal
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from archiver.writer.leaves import Beside
from archiver.writer.leaves_apart import LeavesApart

LINE = b'{"request_id":"r%05d","model":"m","text":"' + b"x" * 8000 + b'"}\n'
LOG = b"".join(LINE % number for number in range(400))
ASK = LeavesApart.begin


def stored(place) -> bytes:
    paths = sorted(place.archive.glob("data/model_logs/*/*.parquet"))
    return b"".join(raw for path in paths for raw in pq.read_table(path, columns=["raw"])["raw"].to_pylist())


@pytest.mark.parametrize("killed_at", [None, 3], ids=["to the end", "killed"])
def test_a_long_log_is_kept_and_verified(organisations, verified, monkeypatch, killed_at):
    asked: list[int] = []

    def ask(self, words, rows):
        asked.append(self.pid)
        if len(asked) == killed_at:
            os.kill(self.pid, signal.SIGKILL)
        return ASK(self, words, rows)

    monkeypatch.setattr(Beside.__init__, "__kwdefaults__", {"begin": 1 << 20})
    place = organisations(batch="1MiB")  # several batches, one behind the other
    (place.logs / "chat.log").write_bytes(LOG)
    with patch.object(LeavesApart, "begin", ask):
        place.take(processors=2)
        (place.logs / "chat.log").write_bytes(LOG + LOG[: len(LOG) // 3] + b"\n")
        place.take(processors=2)
    assert len(asked) >= (killed_at or 5)
    assert stored(place) == LOG + LOG[: len(LOG) // 3] + b"\n"
    verified(place)
