"""Whatever byte of whatever object is another one, verification fails and names the object."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import World

from archiver.judge.verify import verify
from archiver.stores.folder import FolderStore

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def story() -> World:
    """Tell the honest story, and then enough of nothing for tiles."""
    world = World()
    while world.tree.size < 256:
        world.incident("data/none", None, b"")
    return world


HONEST = story()
KEYS = sorted(key for key in HONEST.store.versions if key != "README.txt")
KINDS = {key.rsplit("/", 1)[0]: key for key in KEYS}  # one object of every kind, the last of each


def look(folder):
    store = FolderStore(folder, location="archive", clock=lambda: NOW)
    return verify(store, HONEST.trust().encode(), clock=lambda: NOW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    HONEST.write_folder(folder)
    return folder


def with_byte_flipped(path, place, bit):
    data = path.read_bytes()
    path.write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
    return data


def test_the_untouched_folder_is_whole(folder):
    assert int(look(folder).exit) == 0


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_flipped_byte_fails_and_the_key_is_named(folder, kind, where):
    key = KINDS[kind]
    path = folder / key
    place = {"first": 0, "middle": path.stat().st_size // 2, "last": path.stat().st_size - 1}[where]
    honest = with_byte_flipped(path, place, 0)
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    assert int(report.exit) == 1
    assert any(key in finding.subject and finding.severity == "failed" for finding in report.findings)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KEYS), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_bit_of_any_object_counts(folder, key, part, bit):
    path = folder / key
    honest = with_byte_flipped(path, int(part * path.stat().st_size), bit)
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    assert int(report.exit) == 1
    assert any(key in finding.subject and finding.severity == "failed" for finding in report.findings)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KEYS), st.binary(max_size=300))
def test_any_other_content_is_found_and_nothing_crashes(folder, key, data):
    path = folder / key
    honest = path.read_bytes()
    path.write_bytes(data)
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    assert int(report.exit) == 1


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([key for key in KEYS if "/tile/" not in key]))
def test_any_object_that_is_gone_is_missed(folder, key):
    path = folder / key
    honest = path.read_bytes()
    path.unlink()
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    # Without its last checkpoint a log that nobody has seen is a shorter one with an unfinished tail: unknown, not ok.
    assert int(report.exit) == (3 if key.endswith("checkpoints/000000000256") else 1)


def test_a_missing_tile_is_a_note(folder):
    path = folder / "log/tile/0/000"
    honest = path.read_bytes()
    path.unlink()
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    assert {finding.severity for finding in report.findings if finding.code == "log-tile"} == {"note"}
    assert int(report.exit) == 0


def test_the_lock_file_is_believed_only_where_it_can_be_read(folder):
    path = folder / ".locks.jsonl"
    honest = with_byte_flipped(path, 2, 0)
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    assert {finding.code for finding in report.findings if finding.severity == "failed"} == {"lock-missing"}
    assert int(report.exit) == 4


def test_a_mirror_without_lock_records_is_unknown_in_that_alone(folder):
    path = folder / ".locks.jsonl"
    honest = path.read_bytes()
    path.unlink()
    try:
        report = look(folder)
    finally:
        path.write_bytes(honest)
    assert [finding.code for finding in report.findings if finding.severity != "note"] == ["lock-unknown"]
    assert int(report.exit) == 3
