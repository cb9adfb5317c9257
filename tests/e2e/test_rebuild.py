"""The catalog from the store alone: the same answers, or none."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from archiver.catalog.catalog import Catalog
from archiver.errors import BusyError, EvidenceError, Exit
from archiver.events import silent
from archiver.flows.rebuild import rebuild, take_in_items
from archiver.flows.session import destination_store, own_trust
from archiver.flows.state import StateFolder
from archiver.flows.status.status import status


def answers(place) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the catalog."""
    database = sqlite3.connect(StateFolder(place.policy.state).catalog)
    try:
        tables = [
            row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    finally:
        database.close()


@pytest.fixture
def used(filled):
    """An archive with three snapshots, a changed policy, changed, new and deleted files."""
    filled.take()
    (filled.papers / "jdoe" / "memo.txt").write_bytes(b"changed\n")
    (filled.papers / "empty").unlink()
    filled.write_policy(lambda text: text.replace("title: A case", "title: The case"))
    filled.take()
    (filled.logs / "new.jsonl").write_bytes(b'{"a":1}\n')
    filled.take()
    return filled


def test_a_rebuilt_catalog_gives_the_same_answers(used):
    before = answers(used)
    shutil.rmtree(StateFolder(used.policy.state).path)
    made = rebuild(used.policy, clock=used.clock, listener=silent)
    assert answers(used) == before
    assert (made.entries, made.snapshots, made.batches) == (
        len(before["entries"]),
        3,
        len(before["batches"]),
    )


def test_status_says_the_same_after_a_rebuild(used):
    before = status(used.policy, clock=used.clock)
    rebuild(used.policy, clock=used.clock, listener=silent)
    assert status(used.policy, clock=used.clock) == before


def test_a_snapshot_after_a_rebuild_finds_nothing_new(used):
    used.take()
    shutil.rmtree(StateFolder(used.policy.state).path)
    rebuild(used.policy, clock=used.clock, listener=silent)
    after = used.take()
    assert (after.batches, after.exit) == ({"items": 1}, Exit.OK)


def test_a_snapshot_without_a_catalog_takes_in_what_the_archive_has(used):
    used.take()
    shutil.rmtree(StateFolder(used.policy.state).path)
    after = used.take()
    assert (after.batches, after.exit) == ({"items": 1}, Exit.OK)


def test_a_catalog_that_cannot_be_read_is_made_again(used):
    before = answers(used)
    StateFolder(used.policy.state).catalog.write_bytes(b"not a database" * 100)
    rebuild(used.policy, clock=used.clock, listener=silent)
    assert answers(used) == before


def test_a_store_that_went_back_is_refused_and_the_old_catalog_kept(used, tmp_path):
    shutil.copytree(used.archive, tmp_path / "earlier")
    used.take()
    before = answers(used)
    shutil.rmtree(used.archive)
    shutil.copytree(tmp_path / "earlier", used.archive)
    with pytest.raises(EvidenceError) as refused:
        rebuild(used.policy, clock=used.clock, listener=silent)
    assert (refused.value.code, answers(used)) == ("log-rollback", before)
    assert [path.name for path in StateFolder(used.policy.state).path.iterdir() if ".new" in path.name] == []


def test_a_damaged_log_is_refused_and_the_old_catalog_kept(used):
    before = answers(used)
    (used.archive / "log" / "entries" / "000000000003").unlink()
    with pytest.raises(EvidenceError):
        rebuild(used.policy, clock=used.clock, listener=silent)
    assert answers(used) == before


def test_a_rebuild_waits_for_no_run(used):
    with StateFolder(used.policy.state).locked(), pytest.raises(BusyError):
        rebuild(used.policy, clock=used.clock, listener=silent)


def test_lines_are_taken_in_once_and_nothing_is_asked_when_there_are_none(used):
    class Unused:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"the store was asked to {name}")

    catalog = Catalog(StateFolder(used.policy.state).catalog)
    try:
        assert take_in_items(catalog, Unused(), own_trust(used.policy)) == 0
    finally:
        catalog.close()


def test_lines_of_a_snapshot_that_another_host_made_are_taken_in(used):
    before = answers(used)
    path = StateFolder(used.policy.state).catalog
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DELETE FROM latest")
    database.execute("UPDATE snapshots SET items_known = 0")
    database.close()
    catalog = Catalog(path)
    try:
        assert take_in_items(catalog, destination_store(used.policy, used.clock), own_trust(used.policy)) == 3
    finally:
        catalog.close()
    assert answers(used) == before
