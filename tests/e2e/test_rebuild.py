"""The catalog from the store alone: the same answers, or none."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from archiver.catalog.catalog import Catalog
from archiver.cli.entry import run
from archiver.errors import BusyError, EvidenceError, Exit, WorldError
from archiver.events import Said, silent
from archiver.flows.hold.extend import extend
from archiver.flows.key.rotate import rotate
from archiver.flows.reading import open_reading
from archiver.flows.rebuild import rebuild, take_in_items
from archiver.flows.restore.restore import restore
from archiver.flows.session import destination_store, own_trust
from archiver.flows.snapshot.snapshot import snapshot
from archiver.flows.state import StateFolder
from archiver.flows.status.status import status
from archiver.proof import entry
from archiver.stores import folder
from tests.e2e.test_destinations import whole, with_two
from tests.e2e.test_hold_extend import JULY, ORDER, bad


def answers(place) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the catalog, but how far its log was judged: that is no answer."""
    database = sqlite3.connect(StateFolder(place.policy.state).catalog)
    try:
        tables = [
            row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        found = {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
        return {**found, "meta": [row for row in found["meta"] if row[0] != "judged"]}
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
        assert take_in_items(catalog, Unused(), own_trust(used.policy), own_trust(used.policy).logs[0].origin) == 0
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
        store, trust = destination_store(used.policy, used.clock), own_trust(used.policy)
        assert take_in_items(catalog, store, trust, trust.logs[0].origin) == 3
    finally:
        catalog.close()
    assert answers(used) == before


def unreadable(monkeypatch, where):
    """Let the disk fail at files whose keys begin so."""
    real = folder.open_regular

    def failing(root, parts):
        if b"/".join(parts).startswith(where):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(root, parts)

    monkeypatch.setattr(folder, "open_regular", failing)


@pytest.mark.parametrize("where", [b"statements/snapshot/", b"statements/batch/", b"log/entries/000000000003"])
def test_a_log_that_cannot_be_read_whole_leaves_the_old_catalog(used, monkeypatch, where):
    before = answers(used)
    with monkeypatch.context() as harm:
        unreadable(harm, where)
        with pytest.raises(WorldError, match="Input/output error") as failed:
            rebuild(used.policy, clock=used.clock, listener=silent)
    assert (failed.value.code, failed.value.exit_status) == ("object-unreadable", Exit.WORLD)
    assert answers(used) == before
    rebuild(used.policy, clock=used.clock, listener=silent)
    assert answers(used) == before


@pytest.mark.parametrize("where", [b"statements/batch/", b"log/entries/000000000003"])
def test_a_restore_for_want_of_a_statement_that_cannot_be_read_accuses_nobody(used, monkeypatch, tmp_path, where):
    unreadable(monkeypatch, where)
    with (
        open_reading(used.policy, None, clock=used.clock, listener=silent) as reading,
        pytest.raises(WorldError, match="Input/output error") as failed,
    ):
        restore(reading, to=tmp_path / "restored", listener=silent)
    assert (failed.value.code, failed.value.exit_status) == ("object-unreadable", Exit.WORLD)


def test_no_older_snapshot_and_no_older_marks_stand_for_those_that_cannot_be_read(used, monkeypatch, tmp_path):
    oldest, *_, newest = sorted(one.stem for one in (used.archive / "statements" / "snapshot").iterdir())
    unreadable(monkeypatch, f"statements/snapshot/{newest}".encode())
    with open_reading(used.policy, None, clock=used.clock, listener=silent) as reading:
        assert reading.exit is Exit.INCOMPLETE
        for asked in (None, oldest, newest):  # the oldest by what the newest says of its marks
            with pytest.raises(WorldError, match="Input/output error") as failed:
                restore(reading, to=tmp_path / "restored", snapshot=asked, listener=silent)
            assert (failed.value.code, failed.value.exit_status) == ("object-unreadable", Exit.WORLD)
    assert not (tmp_path / "restored").exists()


# Made by another version of the program


def age(place, name="catalog.sqlite"):
    """Let a catalog look like one of an older version."""
    with closing(sqlite3.connect(StateFolder(place.policy.state).path / name)) as database, database:
        database.execute("UPDATE meta SET value = '1' WHERE name = 'version'")
        database.execute("DROP TABLE latest")


def words(place, said):
    def hear(event):
        if isinstance(event, Said):
            said.append(event.text)

    return {"clock": place.clock, "random": place.random, "environ": {}, "listener": hear}


WRITERS = {
    "snapshot": lambda place, more: snapshot(place.policy, **more),
    "hold extend": lambda place, more: extend(place.policy, "CASE-1", JULY, ORDER, confirm=lambda _plan: None, **more),
    "key rotate": lambda place, more: rotate(place.policy, "statement", None, "yearly", **more),
}


@pytest.mark.parametrize("which", WRITERS)
def test_what_writes_makes_a_catalog_of_another_version_again_and_says_so(used, which):
    used.later(hours=1)
    before, said = answers(used), []
    age(used)
    WRITERS[which](used, words(used, said))
    assert [text for text in said if "expected version" in text and "made again from the store" in text]
    after = answers(used)
    assert [row for row in before["entries"] if row not in after["entries"]] == []
    assert after["meta"] != before["meta"]
    assert (used.take().exit, bad(used)) == (Exit.OK, [])


def test_of_two_destinations_the_catalog_that_is_older_is_made_again(filled):
    two = with_two(filled)
    two.take()
    age(two, "catalog-second.sqlite")
    assert (two.take().exit, whole(two, "archive") == whole(two, "second")) == (Exit.OK, True)


@pytest.mark.parametrize("command", [["status"], ["hold", "show"], ["key", "list"], ["trust", "export"]])
def test_what_reads_says_what_to_type(used, capsys, command):
    age(used)
    policy = str(used.root / "retention_policy.yaml")
    assert run(["-p", policy, *command], clock=used.clock, random=used.random, environ={}) == 5
    assert "archiver catalog rebuild" in capsys.readouterr().err
    assert run(["-p", policy, "catalog", "rebuild"], clock=used.clock, random=used.random, environ={}) == 0
    capsys.readouterr()
    assert run(["-p", policy, *command], clock=used.clock, random=used.random, environ={}) == 0


def test_a_catalog_of_another_version_still_notices_a_log_that_went_back(used):
    copy = used.root / "older"
    shutil.copytree(used.archive, copy)
    used.take()
    shutil.rmtree(used.archive)
    copy.rename(used.archive)
    age(used)
    with pytest.raises(EvidenceError) as refused:
        used.take()
    assert refused.value.code == "log-rollback"


def test_a_copy_knows_the_log_as_the_catalog_does_and_goes_on_by_itself(used):
    with closing(Catalog(StateFolder(used.policy.state).catalog, read_only=True)) as known:
        before = known.log_size(), known.frontier().root(), list(known.batches()), list(known.statements())
        with closing(known.copied()) as copy:
            assert (copy.log_size(), copy.frontier().root(), list(copy.batches()), list(copy.statements())) == before
            assert (copy.last_snapshot(), copy.has_content(), known.has_content()) == (
                known.last_snapshot(),
                False,
                True,
            )
            copy.absorb(
                before[0], entry.encode("statements/incident/20261123T120000Z-0a1b2c.json", "0" * 64), None, b""
            )
            assert (copy.log_size(), known.log_size()) == (before[0] + 1, before[0])
