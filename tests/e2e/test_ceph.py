"""The main job end to end on a store that enforces locks: snapshot, snapshot, verify, restore, on Ceph.

Dates come from the real clock, holds end a day from now: the suite passes in any year.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from real_organisation import (
    PREFIX,
    bad,
    collected,
    files_of,
    move_in,
    now,
    process_of,
    rows,
    run,
    store_of,
    until,
    verified,
    wait_until_settled,
)

from archiver.errors import WorldError
from archiver.events import silent
from archiver.flows.derivation.derivation import Wanted, derive
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.model import layout
from archiver.model.instant import parse_instant

KILLS = int(os.environ.get("ARCHIVER_CHAOS_KILLS", "15"))


@pytest.fixture
def place(organisations, ceph, monkeypatch):
    place = organisations(until=until(days=1))
    place.bucket, place.client = move_in(place, ceph, monkeypatch), ceph.client()
    return place


@pytest.fixture
def twice(place):
    """Documents and logs of several kinds, snapshotted, then changed a little and snapshotted again."""
    files = {
        "papers/jdoe/memo.txt": b"keep everything\n",
        "papers/empty": b"",
        "papers/two-rows.bin": bytes(8_388_608) + b"tail",
        "logs/chat.jsonl": b"".join(b'{"request_id":"r%d","model":"m"}\n' % number for number in range(100)),
        "logs/plain.log": b"one\r\n\r\ntwo\x00\xff\nlast line without end",
    }
    for path, data in files.items():
        (place.root / path).parent.mkdir(exist_ok=True)
        (place.root / path).write_bytes(data)
    wait_until_settled()
    place.first = place.take()
    (place.papers / "new.txt").write_bytes(b"new\n")
    place.second = place.take()
    return place


def versions(place):
    return list(store_of(place).list())


def restored(place, to: Path):
    with open_reading(place.policy, None, clock=now, listener=silent) as reading:
        return restore(reading, to=to, listener=silent)


def same_files(place, to: Path) -> None:
    for source in ("papers", "logs"):
        ours = {path.relative_to(place.root / source): path.read_bytes() for path in files_of(place.root / source)}
        theirs = {path.relative_to(to / source): path.read_bytes() for path in files_of(to / source)}
        assert ours == theirs


def test_two_snapshots_are_whole_and_locked_and_restored_byte_for_byte(twice, tmp_path):
    assert (twice.first.exit, twice.second.exit) == (0, 0)
    assert [one.counts.unchanged for one in twice.second.tallies] == [3, 2]
    wanted = {"dry_run": False, "clock": now, "random": twice.random, "environ": {}, "listener": silent}
    assert [one.rows for one in derive(twice.policy, Wanted(), **wanted).derived] == [104]
    report = verified(twice)
    assert (bad(report), int(report.exit), report.verdict, report.locks_enforced) == ([], 0, "ok", True)
    several = verified(twice, jobs=2)
    assert (several.findings, several.counts, several.batches) == (report.findings, report.counts, report.batches)
    assert restored(twice, tmp_path / "restored").exit == 0
    same_files(twice, tmp_path / "restored")

    store, date = store_of(twice), parse_instant(twice.until)
    locks = {store.stat(version.key, version.version).lock for version in versions(twice)}
    assert [(lock.mode, lock.retain_until, lock.legal_hold) for lock in locks] == [("COMPLIANCE", date, True)]

    several = {key for key, count in Counter(version.key for version in versions(twice)).items() if count > 1}
    assert several <= {layout.policy_key(twice.policy.sha256)}, "an undisturbed run puts everything else once"


def test_the_owner_of_the_bucket_deletes_nothing_and_hides_nothing(twice, tmp_path):
    """Every version is tried, with bypass; then every key gets a shadow version and two delete markers."""
    before = versions(twice)
    for version in before:
        name = {"Bucket": twice.bucket, "Key": f"{PREFIX}/{version.key}"}
        with pytest.raises(ClientError, match="AccessDenied"):
            twice.client.delete_object(**name, VersionId=version.version, BypassGovernanceRetention=True)
        twice.client.delete_object(**name)
        twice.client.put_object(**name, Body=b"shadow")
        twice.client.delete_object(**name)
    assert {version.version for version in before} <= {version.version for version in versions(twice)}

    report = verified(twice)
    assert {code for code, _ in bad(report)} == {"delete-marker", "stranger-version"}
    assert {subject for code, subject in bad(report) if code == "delete-marker"} == {one.key for one in before}
    assert int(report.exit) == 3
    assert restored(twice, tmp_path / "restored").exit == 0
    same_files(twice, tmp_path / "restored")

    assert twice.take().exit == 0
    assert {code for code, _ in bad(verified(twice))} == {"delete-marker", "stranger-version"}
    assert {version.version for version in before} <= {version.version for version in versions(twice)}


def test_squatters_on_the_next_positions_of_the_log_stop_nobody(twice):
    """Garbage on the next positions of the log, checkpoints far ahead, under short locks that end."""
    size, soon = verified(twice).log_size, now() + timedelta(seconds=3)
    squatted = [layout.entry_key(size + ahead) for ahead in range(3)]
    squatted += [layout.checkpoint_key(size + ahead) for ahead in (1, 2, 64, 4096)]
    for key in squatted:
        lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": soon}
        twice.client.put_object(Bucket=twice.bucket, Key=f"{PREFIX}/{key}", Body=b"mine!", **lock)
    (twice.papers / "more.txt").write_bytes(b"more\n")
    assert twice.take().exit == 0
    assert {subject for _, subject in bad(verified(twice))} <= {*squatted}
    time.sleep(max(0.0, (soon - now()).total_seconds()) + 1)
    for version in versions(twice):
        if version.key in squatted and version.size == len(b"mine!"):
            name = {"Bucket": twice.bucket, "Key": f"{PREFIX}/{version.key}", "VersionId": version.version}
            twice.client.delete_object(**name)
    assert bad(verified(twice)) == []


def test_a_bucket_without_object_lock_is_exit_4_and_nothing_is_kept_there(place, ceph):
    plain = ceph.bucket(ObjectLockEnabledForBucket=False)
    place.write_policy(lambda _: place.policy.text.decode().replace(place.bucket, plain))
    (place.papers / "memo.txt").write_bytes(b"keep everything\n")
    with pytest.raises(Exception, match="Object Lock") as caught:
        place.take()
    assert caught.value.exit_status == 4
    assert versions(place) == []


def test_credentials_that_are_wrong_are_one_clear_error(place, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(WorldError) as caught:
        place.take()
    assert caught.value.code == "store-credentials"


def test_runs_killed_at_random_moments_and_one_good_run_give_exactly_the_records(place):
    """ARCHIVER_CHAOS_KILLS sets how many (default 15, in CI 50)."""
    chance = random.Random(7)
    text = place.policy.text.decode()
    place.write_policy(lambda _: text.replace("512MiB", "64KiB").replace("2000000", "200"))
    for number in range(24):
        (place.papers / f"{number:02d}.bin").write_bytes(chance.randbytes(chance.randrange(1, 20_000)))
    (place.papers / "large.bin").write_bytes(chance.randbytes(9_000_000))
    for number in range(4):
        lines = (b'{"request_id":"%d-%d"}\n' % (number, line) for line in range(300))
        (place.logs / f"{number}.jsonl").write_bytes(b"".join(lines))
    place.set_up()
    finished = 0
    for number in range(KILLS):
        (place.papers / f"added-{number:02d}.bin").write_bytes(chance.randbytes(3_000))
        process = process_of(run, str(place.root / "retention_policy.yaml"))
        process.start()
        process.join(chance.uniform(0.1, 2.0))
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        finished += process.exitcode == 0
    assert finished < KILLS, "no kill came early enough to matter"
    assert place.take().exit == 0
    assert Counter(rows(store_of(place))) == collected(place)
    report = verified(place)
    assert (bad(report), int(report.exit)) == ([], 0)
    statuses = Counter(snapshot.status for snapshot in report.snapshots)
    assert set(statuses) == {"complete"}
    assert finished < statuses["complete"] <= KILLS + 1
