"""Eight processes write to one archive at once: one log, no fork, no lost entry, and the verdict is ok.

ARCHIVER_WRITERS_STATEMENTS sets how many statements each of them enters (default 12, in CI 100).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from real_organisation import bad, live_now, move_in, store_of, until, verified

from archiver.model import layout
from archiver.proof import entry

WRITERS = 8
EACH = int(os.environ.get("ARCHIVER_WRITERS_STATEMENTS", "12"))
WRITER = Path(__file__).resolve().parent.parent / "stores" / "enter_incidents.py"


def begin(place) -> None:
    """Make the archive with one small snapshot."""
    (place.papers / "memo.txt").write_bytes(b"keep everything\n")
    (place.logs / "chat.jsonl").write_bytes(b'{"n":1}\n')
    assert place.take().exit == 0


def start_writers(place, each: int, count: int = WRITERS) -> list[subprocess.Popen[bytes]]:
    policy = str(place.root / "retention_policy.yaml")
    return [
        subprocess.Popen(
            [sys.executable, str(WRITER), policy, f"./.archiver-{number}", str(each)],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(count)
    ]


def all_well(writers: list[subprocess.Popen[bytes]]) -> None:
    said = [writer.communicate()[1].decode() for writer in writers]
    assert [(writer.returncode, text) for writer, text in zip(writers, said, strict=True)] == [(0, "")] * len(writers)


def statements_in_log(store) -> Counter[str]:
    """Return the statement of every position: the oldest version that is no repetition, as a plain reader would."""
    found: dict[str, str] = {}
    for version in store.list(layout.ENTRIES):
        with store.read(version.key, version.version) as file:
            data = file.read()
        try:
            named = entry.decode(data).key
        except entry.EntryError:
            continue
        found.setdefault(version.key, named)
    return Counter(found.values())


def count_incidents(store) -> int:
    return len({version.key for version in store.list("statements/incident/") if not version.is_delete_marker})


def one_log(place, expected: int) -> None:
    report = verified(place)
    assert (bad(report), int(report.exit)) == ([], 0)
    store = store_of(place)
    assert count_incidents(store) == expected
    assert report.log_size == expected + first_size(place)


def first_size(place) -> int:
    return place.size_at_first


@pytest.fixture(params=["folder", "ceph", "localstack"])
def begun(request, organisations, monkeypatch):
    place = organisations(until=until(days=1))
    if request.param == "folder":
        live_now(place)
    else:
        move_in(place, request.getfixturevalue(request.param), monkeypatch)
    begin(place)
    place.size_at_first = verified(place).log_size
    return place


def test_eight_writers_make_one_log_and_lose_nothing(begun):
    all_well(start_writers(begun, EACH))
    one_log(begun, WRITERS * EACH)
