"""Which version of a key counts, when several are there."""

from __future__ import annotations

import pytest
from world import FIRST, World

from archiver.errors import EvidenceError, WorldError
from archiver.judge.reader import open_archive
from archiver.model import layout

DATA = layout.batch_key("documents", f"{FIRST}-documents-00000000")


def unexplained(report) -> set[str]:
    return {finding.code for finding in report.findings if finding.severity != "note"}


@pytest.mark.parametrize("oldest", [True, False])
@pytest.mark.parametrize(
    "key", [DATA, layout.entry_key(3), layout.checkpoint_key(4), layout.statement_key("snapshot", FIRST)]
)
def test_a_strangers_version_is_named_and_never_read_whether_older_or_newer(key, oldest):
    world = World()
    world.slip_in(key, b"PAR1", oldest=oldest)
    report = world.verify()
    assert unexplained(report) == {"stranger-version"}
    assert (int(report.exit), str(report.verdict)) == (3, "partial")


@pytest.mark.parametrize("oldest", [True, False])
def test_a_strangers_version_of_the_same_size_is_told_apart_by_its_digest(oldest):
    world = World()
    honest = world.store.versions[DATA][0].data
    world.slip_in(DATA, honest[:-1] + b"x", oldest=oldest)
    assert unexplained(world.verify()) == {"stranger-version"}


def test_an_older_entry_that_names_a_real_statement_does_not_move_the_signed_one():
    world = World()
    world.slip_in(layout.entry_key(3), world.entries[5], oldest=True)
    report = world.verify()
    assert unexplained(report) == set()
    assert "log-entry-stranger" in {finding.code for finding in report.findings}


def test_an_entry_that_is_in_the_log_before_is_a_stranger_and_no_lost_race():
    world = World()
    world.slip_in(layout.entry_key(3), world.entries[1], oldest=True)
    assert unexplained(world.verify()) == {"stranger-version"}


def test_of_versions_with_the_same_bytes_the_best_locked_counts():
    world = World()
    world.slip_in(DATA, world.store.versions[DATA][0].data)
    report = world.verify()
    assert unexplained(report) == set()
    assert {finding.code for finding in report.findings} == {"object-version", "timestamp-unproven"}


def test_a_delete_marker_hides_nothing():
    world = World()
    world.mark_deleted(DATA)
    report = world.verify()
    marker = next(finding for finding in report.findings if finding.code == "delete-marker")
    assert unexplained(report) == {"delete-marker"}
    assert "mallory" in marker.actual
    assert "2026-11-22T09:00:00Z" in marker.actual


def test_an_object_is_opened_by_its_digest():
    world = World()
    honest = world.store.versions[DATA][0].data
    world.slip_in(DATA, b"PAR1", oldest=True)
    world.slip_in(DATA, b"PAR1")
    with open_archive(world.store, world.trust()) as archive:
        _, statement, _ = archive.statement("batch", f"{FIRST}-documents-00000000")
        with archive.batch(statement) as stream:
            assert stream.read() == honest


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda world: world.remove(DATA), "object-missing"),
        (lambda world: world.change(DATA, b"PAR1"), "object-size"),
        (lambda world: world.change(DATA, bytes(len(world.store.versions[DATA][0].data))), "object-sha256"),
    ],
)
def test_an_object_without_its_bytes_is_refused_before_anything_parses_it(harm, code):
    world = World()
    harm(world)
    with open_archive(world.store, world.trust()) as archive:
        _, statement, _ = archive.statement("batch", f"{FIRST}-documents-00000000")
        with pytest.raises(EvidenceError) as caught, archive.batch(statement):
            pass
        assert caught.value.code == code


def test_a_batch_that_was_begun_is_opened_once_and_what_is_wrong_with_it_is_said_when_it_is_opened(monkeypatch):
    world = World()
    world.slip_in(DATA, world.store.versions[DATA][0].data[:-1] + b"x")
    with open_archive(world.store, world.trust()) as archive:
        _, good, _ = archive.statement("batch", f"{FIRST}-documents-00000000")
        _, bad, _ = archive.statement("batch", f"{FIRST}-model_logs-00000000")
        world.store.versions[bad.subject[0].name].clear()
        for statement in (good, good, bad):
            archive.begin(statement)
        with pytest.raises(WorldError) as caught, archive.batch(bad):
            pass
        read = []
        monkeypatch.setattr(world.store, "read", lambda *wanted: read.append(wanted))
        with archive.batch(good) as stream:
            assert stream.read(4) == b"PAR1"
    assert (caught.value.code, read) == ("not-stored", [])
