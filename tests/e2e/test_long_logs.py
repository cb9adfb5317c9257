"""A log that takes much of a batch is the last of it, and is built as it is read; what is kept is the same as ever."""

from __future__ import annotations

from hashlib import sha256

import pytest

from archiver.errors import Exit
from archiver.events import Advanced
from archiver.flows.snapshot import stream
from archiver.flows.state import StateFolder
from archiver.writer.groups import GROUPS, Most

LINE = b'{"ts":"2026-01-08T11:22:33Z","model":"grok-4","messages":[{"role":"user","content":"%06d"}]}\n'
LONG = b"".join(LINE % number for number in range(60_000)) + b"unfinished"
SHORTER = LONG[: 3 << 20]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("16MiB", None), ("captured", LONG, 2)),  # behind a log that is small, and no other log behind it
        (("4MiB", None), ("captured", LONG, 3)),
        (("64MiB", None), ("captured", LONG, 1)),  # little of a batch
        (("16MiB", 2 << 20), ("captured", SHORTER, 1)),  # no row has left: it is read again, as it was read before
        (("4MiB", 5 << 20), ("changed_during_read", LONG, 3)),
    ],
    ids=["alone", "several-batches", "small", "shrinks-at-once", "shrinks-later"],
)
def test_a_log_is_kept_whatever_else_is_in_its_batch(organisations, verified, monkeypatch, given, expected):
    batch, shrinks_at = given
    monkeypatch.setattr(stream, "_LARGE", 1 << 20)
    monkeypatch.setitem(GROUPS, "model_logs", Most(size=700_000))  # a group ends within a block
    place = organisations(batch=batch)
    (place.papers / "a").write_bytes(b"paper")
    for name, data in (("a.jsonl", LINE % 1), ("long.jsonl", LONG), ("z.jsonl", LINE % 2)):
        (place.logs / name).write_bytes(data)
    read, scratch = [0], [0]

    def listener(event):
        if isinstance(event, Advanced):
            raw = StateFolder(place.policy.state).spool / "model_logs.raw"
            scratch.append(raw.stat().st_size if raw.exists() else 0)
            read.append(read[-1] + event.amount)
            if shrinks_at is not None and read[-2] < shrinks_at <= read[-1]:
                (place.logs / "long.jsonl").write_bytes(SHORTER)

    place.listener = listener
    result = place.take()
    lines = {line.item.path: line for line in place.said()}
    long = lines["long.jsonl"]
    status, whole, batches = expected
    kept = whole if status == "captured" else whole[: long.size]  # what of it was there when it was read
    assert (long.status, long.sha256) == (status, sha256(kept).hexdigest())
    assert result.exit is (Exit.OK if status == "captured" else Exit.INCOMPLETE)
    assert len({part.batch for line in lines.values() if line.table == "model_logs" for part in line.parts}) == batches
    assert (max(scratch) < len(SHORTER)) is (batches > 1)  # what passes never lies in a scratch file
    verified(place)
