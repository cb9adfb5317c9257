"""What the doctor sees on this machine, each item failing on real files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import Exit
from archiver.flows.doctor import local
from archiver.flows.doctor.doctor import doctor
from archiver.flows.doctor.items import CODES, Item, State, exit_of
from archiver.flows.setup import set_up
from archiver.flows.snapshot.snapshot import snapshot
from archiver.model.policy_reading import load_policy

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = """\
version: 1
archive: test-archive
matters:
  - id: CASE-1
    title: A case
    authority: The Commission
    issued: "2026-01-08"
    hold: {{stated_as: "until the end of 2026", retain_until: "{until}", mode: compliance, legal_hold: true}}
sources:
  - {{id: papers, kind: documents, location: ./papers, matters: [CASE-1], include: ["**"]}}
destinations:
  - {{id: vault, location: ./archive}}
keys: {{statement: "file:keys/statement.pem", log: "file:keys/log.pem"}}
limits: {{batch_raw_bytes: {batch}, batch_records: 1000, snapshot_bytes: {batch}, confirm_above_bytes: 1GiB}}
state: {state}
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "memo.txt").write_text("keep\n")
    tmp_path.chmod(0o700)
    write(tmp_path)
    return tmp_path


def write(place, *, until="2027-01-01T12:00:00Z", batch="1MiB", state="./.archiver"):
    (place / "retention_policy.yaml").write_text(POLICY.format(until=until, batch=batch, state=state))


def policy(place):
    return load_policy(place / "retention_policy.yaml")


def look(place, *, now=NOW, probed=False):
    return doctor(policy(place), clock=lambda: now, random=os.urandom, environ={}, probed=probed)


def item(found, code):
    (one,) = [one for one in found.items if one.code == code]
    return one


def begin(place):
    set_up(policy(place), clock=lambda: NOW, random=os.urandom, environ={})
    snapshot(policy(place), clock=lambda: NOW, random=os.urandom, environ={}, listener=lambda _: None)


def test_a_folder_in_good_order_is_fine_and_says_that_it_enforces_nothing(place):
    begin(place)
    found = look(place)
    notes = {one.code for one in found.items if one.state is State.NOTE}
    assert (found.exit, found.verdict.value) == (Exit.OK, "ok")
    assert notes == {"lock-enforced", "same-disk"}
    assert item(found, "same-disk").found == "the disk of papers"


def test_before_an_archive_has_begun_the_doctor_looks_all_the_same_and_makes_nothing(place):
    before = sorted(place.rglob("*"))
    found = look(place)
    assert found.exit == Exit.OK
    assert {item(found, code).state for code in ("key-files", "log-origin", "lock-readable")} == {State.NOTE}
    assert sorted(place.rglob("*")) == before


def test_a_key_that_others_can_read_is_named(place):
    begin(place)
    (place / "keys" / "log.pem").chmod(0o640)
    found = look(place)
    assert (item(found, "key-files").state, found.exit) == (State.FAILED, Exit.WORLD)
    assert "log.pem -rw-r-----" in item(found, "key-files").found
    assert "chmod 600" in item(found, "key-files").remedy


def test_a_key_that_is_lost_is_named(place):
    begin(place)
    (place / "keys" / "statement.pem").unlink()
    assert "statement.pem is not there" in item(look(place), "key-files").found


def test_state_in_memory_is_a_failure(place):
    memory = Path("/dev/shm")
    if local.file_system_of(memory) != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    write(place, state=str(memory / "archiver-test-state"))
    found = look(place)
    assert (item(found, "state-folder").state, found.exit) == (State.FAILED, Exit.WORLD)
    assert item(found, "state-folder").found == "tmpfs, which is memory"


def test_a_disk_without_room_for_the_spool_is_a_failure(place, monkeypatch):
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    monkeypatch.setattr(local, "SPOOL_BATCHES", 2 * free // 2**20)  # of 1 MiB each: twice what there is
    found = look(place)
    assert (item(found, "spool-space").state, found.exit) == (State.FAILED, Exit.WORLD)


def test_a_hold_whose_date_has_passed_is_incomplete(place):
    found = look(place, now=datetime(2027, 1, 1, 12, 0, 1, tzinfo=UTC))
    assert (item(found, "hold-passed").state, found.exit) == (State.FAILED, Exit.INCOMPLETE)


def test_an_archive_that_everybody_can_write_is_a_failure(place):
    begin(place)
    (place / "archive").chmod(0o777)
    found = look(place)
    assert (item(found, "folder-writable").state, found.exit) == (State.FAILED, Exit.LOCK)


def test_an_archive_in_a_folder_that_everybody_can_write_is_a_failure_unless_it_is_sticky(place):
    begin(place)
    place.chmod(0o777)
    assert item(look(place), "folder-writable").state is State.FAILED
    place.chmod(0o1777)
    assert item(look(place), "folder-writable").state is State.OK


def test_an_archive_that_a_group_can_write_is_a_note(place):
    begin(place)
    (place / "archive").chmod(0o770)
    assert item(look(place), "folder-writable").state is State.NOTE


def test_the_archive_of_somebody_else_in_this_place_is_named(place, tmp_path_factory):
    begin(place)
    other = tmp_path_factory.mktemp("other")
    (other / "papers").mkdir()
    write(other)
    begin(other)
    (place / "archive").rename(place / "mine")
    (other / "archive").rename(place / "archive")
    found = look(place)
    assert (item(found, "log-origin").state, found.exit) == (State.FAILED, Exit.WORLD)
    assert item(found, "log-origin").found.startswith("the log test-archive/")


def test_a_place_that_has_lost_its_log_is_named(place):
    begin(place)
    (place / "archive").rename(place / "moved")
    assert item(look(place), "log-origin").found == "no log, though 5 entries were written"


def test_locks_that_were_never_recorded_are_unknown(place):
    begin(place)
    (place / "archive" / ".locks.jsonl").unlink()
    found = look(place)
    assert (item(found, "lock-readable").state, found.exit) == (State.UNKNOWN, Exit.INCOMPLETE)


def test_a_folder_is_not_probed(place):
    begin(place)
    found = look(place, probed=True)
    assert item(found, "probe").state is State.NOTE
    assert not (place / "archive" / "ext").exists()


@pytest.mark.parametrize(("code", "status"), sorted(CODES.items()))
def test_every_code_has_its_exit_status_and_unknown_is_never_ok(code, status):
    assert exit_of([Item(code, State.FAILED, "", "", "")]) == status
    assert status in (Exit.LOCK, Exit.WORLD, Exit.INCOMPLETE)
    assert exit_of([Item(code, State.UNKNOWN, "", "", "")]) == Exit.INCOMPLETE
    assert exit_of([Item(code, State.NOTE, "", "", "")]) == Exit.OK


def test_a_broken_lock_counts_more_than_the_world_and_the_world_more_than_what_is_unknown():
    failed = [Item(code, State.FAILED, "", "", "") for code in ("object-lock", "spool-space", "hold-passed")]
    assert [exit_of(failed[place:]) for place in range(3)] == [Exit.LOCK, Exit.WORLD, Exit.INCOMPLETE]
