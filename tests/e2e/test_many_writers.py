"""Eight processes write to one archive at once: one log, no fork, no lost entry, and the verdict is ok.

ARCHIVER_WRITERS_STATEMENTS sets how many statements each of them enters (default 5; 100 takes minutes).
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from enter_incidents import enter_incidents
from real_organisation import PREFIX, bad, live_now, move_in, process_of, store_of, until, verified

from archiver.judge.verify import Report
from archiver.model import layout
from archiver.proof import entry
from archiver.writer.place import versions_of

WRITERS = 8
EACH = int(os.environ.get("ARCHIVER_WRITERS_STATEMENTS", "5"))
UNSIGNED = b"a checkpoint that nobody signed"


def begin(place) -> None:
    """Make the archive with one small snapshot."""
    (place.papers / "memo.txt").write_bytes(b"keep everything\n")
    (place.logs / "chat.jsonl").write_bytes(b'{"n":1}\n')
    assert place.take().exit == 0


def start_writers(place, each: int) -> list[Any]:
    policy = place.root / "retention_policy.yaml"
    writers = [process_of(enter_incidents, policy, f"./.archiver-{number}", each) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    return writers


def all_well(writers: list[Any]) -> None:
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * len(writers)


def count_incidents(store) -> int:
    return len({version.key for version in store.list("statements/incident/") if not version.is_delete_marker})


def one_log(place, report: Report, expected: int) -> None:
    """As many statements, and as many more entries, as were entered; each id is in the log once, or verify says so."""
    assert count_incidents(store_of(place)) == expected
    assert report.log_size == place.size_at_first + expected


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
    report = verified(begun)
    assert (bad(report), int(report.exit)) == ([], 0)
    one_log(begun, report, WRITERS * EACH)


@dataclass
class Vandal:
    """Somebody with the credentials of a writer: he litters the log while others write to it."""

    place: Any
    client: Any
    bucket: str
    done: threading.Event = field(default_factory=threading.Event)
    touched: set[str] = field(default_factory=set)
    acts: Counter[str] = field(default_factory=Counter)

    def rage(self) -> None:
        chance, store = random.Random(7), store_of(self.place)
        while not self.done.wait(0.02):
            heads = [version.key for version in store.list(layout.CHECKPOINTS) if version.size > len(UNSIGNED)]
            size = max(int(key.rpartition("/")[2]) for key in heads)
            act = chance.choice(["mark", "replay", "re-encode", "re-encode what waits", "squat", "far ahead"])
            key, data = self._choose(act, store, chance, size)
            self.touched.add(key)
            self.acts[act] += 1
            if data is None:
                self.client.delete_object(Bucket=self.bucket, Key=f"{PREFIX}/{key}")
            else:
                self.client.put_object(Bucket=self.bucket, Key=f"{PREFIX}/{key}", Body=data)

    def _choose(self, act: str, store: Any, chance: random.Random, size: int) -> tuple[str, bytes | None]:
        if act == "mark":
            return chance.choice([layout.entry_key, layout.checkpoint_key])(chance.randrange(1, size + 1)), None
        if act == "far ahead":
            return layout.checkpoint_key(size + chance.choice([1, 2, 4, 8, 100])), UNSIGNED
        key = layout.entry_key(size + chance.choice([0, 0, 0, 1]))
        if act == "squat":
            return key, b"mine!"
        if act == "re-encode what waits":
            waiting = [version for version in store.list("statements/incident/") if not version.is_delete_marker]
            chosen = chance.choice(waiting[-8:] or [None])
            if chosen is None:
                return key, b"mine!"
            with store.read(chosen.key, chosen.version) as file:
                named = entry.encode(chosen.key, hashlib.sha256(file.read()).hexdigest())
            return key, named.replace(b",", b", ")
        old = next(iter(versions_of(store, layout.entry_key(chance.randrange(size)))))
        with store.read(old.key, old.version) as file:
            data = file.read()
        return key, data if act == "replay" else data.replace(b",", b", ")


def test_eight_writers_and_a_vandal_make_one_log_and_lose_nothing(organisations, ceph, monkeypatch):
    """Delete markers over entries and checkpoints, replayed and re-encoded entries and garbage at the next position."""
    place = organisations(until=until(days=1))
    bucket = move_in(place, ceph, monkeypatch)
    begin(place)
    place.size_at_first = verified(place).log_size
    vandal = Vandal(place, ceph.client(), bucket)
    with ThreadPoolExecutor(1) as pool:
        raging = pool.submit(vandal.rage)
        try:
            all_well(start_writers(place, EACH))
        finally:
            vandal.done.set()
        raging.result()
    report = verified(place)
    assert len(vandal.acts) == 6, "every act was tried"
    found = bad(report)
    assert {code for code, _ in found} <= {"delete-marker", "stranger-version", "stranger-key"}
    assert {subject for _, subject in found} <= vandal.touched
    one_log(place, report, WRITERS * EACH)
