"""The report is the same whether one process judges all batches or several do: of a whole archive and of a bad one."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import judge_work
import pytest
import test_objects_and_locks
import test_records
from attack import folder_of, harmed
from world import World

from archiver.errors import WorldError
from archiver.flows.store_words import StoreWords
from archiver.judge import crew as crews
from archiver.judge import row_claims
from archiver.judge import verify as judging
from archiver.judge.case import Options
from archiver.judge.checks import side_by_side
from archiver.judge.crew import Crew, crew_of
from archiver.judge.reader import open_archive
from archiver.judge.report import to_json
from archiver.judge.unit import judge_unit
from archiver.stores.folder import FolderStore
from archiver.workers import Workers

ATTACKS = [pytest.param(one.values, id=one.id) for one in (*test_records.attacks, *test_objects_and_locks.attacks)]


FACTS = {
    **dict.fromkeys(("gid", "mode", "nlink", "uid"), 0),
    **dict.fromkeys(("atime_ns", "ctime_ns", "dev", "ino", "mtime_ns"), "1"),
    **dict.fromkeys(("btime_ns", "group", "link_target", "owner")),
    "holes": [],
    "xattrs": {},
}
"""With these a line is a usual one."""


@pytest.fixture(scope="module")
def workers():
    """The same processes for all tests: their start takes longer than all that they do."""
    with Workers(2, over="one batch", loads=judge_unit.__module__) as started:
        yield started


@pytest.fixture(params=["whole", "divided"])
def several(workers, monkeypatch, tmp_path, request):
    """Return what verifies a world with several processes, and how many shares these have judged.

    Each batch is one share, or has one for each row group, and each row is a group.
    """
    given = []

    def units_of(*words):
        units = honest(*words)
        given.extend(units)
        return units

    honest = side_by_side.units_of
    monkeypatch.setattr(World, "facts_of_files", FACTS)
    monkeypatch.setattr(side_by_side, "units_of", units_of)
    if request.param == "divided":
        monkeypatch.setattr(World, "rows_in_group", 1)
        monkeypatch.setattr(side_by_side, "DIVIDED", 1)
        monkeypatch.setattr(side_by_side, "DIVIDED_LIST", 1)
        monkeypatch.setattr(side_by_side, "is_divided", lambda *_: True)

    def verify(world, trusted=None, **words):
        store = words.get("store", world.store)
        is_folder = isinstance(store, FolderStore)
        opener = StoreWords(store.destination.bucket, tmp_path) if is_folder else judge_work.Pickled.of(store, tmp_path)

        @contextmanager
        def crew(*_):
            yield Crew(workers, opener)

        with monkeypatch.context() as patch:
            patch.setattr(judging, "crew_of", crew)
            patch.setattr(row_claims, "_LONG", 1)  # here every run of claims is kept as a run
            report = world.verify(trusted, **words)
        return report, given

    return verify


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_reported_the_same(attack, tmp_path, several):
    _, _, bends, harm = attack
    world, trusted, words = harmed(bends, harm, tmp_path)
    report, _ = several(world, trusted, **words)
    assert to_json(report) == to_json(world.verify(trusted, **words))


def test_a_whole_archive_is_reported_the_same(several):
    world = World()
    report, given = several(world)
    assert to_json(report) == to_json(world.verify())
    assert report.counts["records"] == sum(one.records for one in report.batches) == 13
    assert len(given) == (13 if world.rows_in_group else len(report.batches))


@pytest.mark.parametrize("several", ["divided"], indirect=True)
@pytest.mark.parametrize("changes", [False, True])
def test_a_file_that_is_written_to_after_it_was_hashed_is_hashed_again(changes, several, tmp_path, monkeypatch):
    world = World()
    store = folder_of(world, tmp_path)

    def shares_of(case, predicate, statement, kept):
        shares = honest(case, predicate, statement, kept)
        path = Path(store.destination.bucket) / statement.subject[0].name
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:] if changes else data)
        return shares

    honest = side_by_side._shares
    monkeypatch.setattr(side_by_side, "_shares", shares_of)
    report, _ = several(world, store=store)
    assert {finding.code for finding in report.findings if finding.severity == "failed"} == (
        {"object-sha256"} if changes else set()
    )


@pytest.mark.parametrize("several", ["divided"], indirect=True)
def test_a_file_that_is_written_to_between_two_shares_is_hashed_again(several, tmp_path):
    world = World()
    store = folder_of(world, tmp_path)
    _, given = several(world, store=store)
    batch = next(one.sha256 for one in given if one.share.first == 1)
    shares = [one for one in given if one.sha256 == batch]
    first, second = (replace(one, folder=tmp_path, pieces=tmp_path / "pieces") for one in shares[:2])
    path = Path(store.destination.bucket) / first.versions[0][0]
    data, times = path.read_bytes(), path.stat()
    assert [judge_unit(one).problem for one in (first, second)] == [None, None]
    path.chmod(0o600)
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert judge_unit(second).problem.code == "object-sha256"
    path.write_bytes(data)
    assert judge_unit(second).problem is None


@pytest.mark.parametrize("several", ["divided"], indirect=True)
@pytest.mark.parametrize("harm", ["none", "gone", "changed"])
def test_a_copy_is_read_instead_of_the_store_while_it_is_as_it_was_hashed(harm, several, tmp_path, monkeypatch):
    world, harmed, opened = World(), [], tmp_path / "store.pickle"

    def shares_of(*words):
        shares = honest(*words)
        (copy,) = {share.scratch for share in shares}
        harmed.append(copy)
        if harm == "none":
            opened.unlink(missing_ok=True)  # nobody can open the store now
        elif harm == "gone":
            copy.unlink()
        else:
            copy.write_bytes(bytes(copy.stat().st_size))
        return shares

    honest = side_by_side._shares
    monkeypatch.setattr(side_by_side, "_shares", shares_of)
    report, given = several(world)
    assert to_json(report) == to_json(world.verify())
    assert len(given) == 13
    assert [copy for copy in harmed if copy.exists()] == []


@pytest.mark.parametrize(("jobs", "divides"), [(2, False), (3, True)])
def test_where_each_process_has_two_batches_to_fetch_none_is_divided(jobs, divides, monkeypatch, tmp_path):
    world = World()
    monkeypatch.setattr(crews, "LARGE", 1)
    monkeypatch.setattr("archiver.workers.Workers.start_copies", lambda _: True)
    for store, expected in ((world.store, divides), (folder_of(world, tmp_path), True)):
        with open_archive(store, world.trust()) as archive, crew_of(archive, jobs, world) as crew:
            assert len(list(archive.batch_statements())) == 4
            assert crew.divides is expected


def test_a_killed_process_costs_the_share_that_it_was_at(several, monkeypatch):
    world = World()
    monkeypatch.setattr(side_by_side, "judge_unit", judge_work.killed_once)
    report, _ = several(world)
    assert to_json(report) == to_json(world.verify())


def test_processes_that_are_always_killed_are_said(several, monkeypatch):
    monkeypatch.setattr(side_by_side, "judge_unit", judge_work.killed_always)
    with pytest.raises(WorldError) as caught:
        several(World())
    assert (caught.value.code, "one batch" in caught.value.message) == ("workers-killed", True)


@pytest.mark.parametrize(
    ("shares", "afresh", "is_safe", "jobs"),
    [
        (99, 1, True, [8]),
        (2, 1 << 30, True, [2]),
        (0.5, 1, True, []),
        (2, 1, False, [2]),
        (2, 1 << 30, False, []),
    ],
)
def test_an_archive_is_judged_by_as_many_processes_as_are_worth_their_start(shares, afresh, is_safe, jobs, monkeypatch):
    world, copied, started = World(), [], []

    def start_copies(workers):
        copied.append(workers.jobs)
        return is_safe

    size = sum(one.raw_bytes for one in world.verify().batches)
    monkeypatch.setattr(crews, "LARGE", math.ceil(size / shares))
    monkeypatch.setattr(crews, "LARGE_AFRESH", afresh)
    monkeypatch.setattr("archiver.workers.cores", lambda: 8)
    monkeypatch.setattr("archiver.workers.Workers.start_copies", start_copies)
    monkeypatch.setattr("archiver.workers.Workers.start", lambda workers: started.append(workers.jobs))
    world.verify(options=Options(only=frozenset({"log"})), jobs=None, opener=world.store)
    assert (copied if is_safe else started) == jobs
