"""The report is the same whether one process judges all batches or several do: of a whole archive and of a bad one."""

from __future__ import annotations

from contextlib import contextmanager

import judge_work
import pytest
import test_objects_and_locks
import test_records
from attack import harmed
from world import World

from archiver.errors import WorldError
from archiver.flows.store_words import StoreWords
from archiver.judge import crew as crews
from archiver.judge import verify as judging
from archiver.judge.case import Options
from archiver.judge.checks import side_by_side
from archiver.judge.crew import Crew
from archiver.judge.report import to_json
from archiver.judge.unit import judge_unit
from archiver.stores.folder import FolderStore
from archiver.workers import Workers

ATTACKS = [pytest.param(one.values, id=one.id) for one in (*test_records.attacks, *test_objects_and_locks.attacks)]


@pytest.fixture(scope="module")
def workers():
    """The same processes for all tests: their start takes longer than all that they do."""
    with Workers(2, over="one batch", loads=judge_unit.__module__) as started:
        yield started


@pytest.fixture
def several(workers, monkeypatch, tmp_path):
    """Return what verifies a world with several processes, and how many batches these have judged."""
    given = []

    def begin(case, predicate, statement):
        answer = honest(case, predicate, statement)
        given.append(answer)
        return answer

    honest = side_by_side._begin
    monkeypatch.setattr(side_by_side, "_begin", begin)

    def verify(world, trusted=None, **words):
        store = words.get("store", world.store)
        is_folder = isinstance(store, FolderStore)
        opener = StoreWords(store.destination.bucket, tmp_path) if is_folder else judge_work.Pickled.of(store, tmp_path)

        @contextmanager
        def crew(*_):
            yield Crew(workers, opener)

        with monkeypatch.context() as patch:
            patch.setattr(judging, "crew_of", crew)
            report = world.verify(trusted, **words)
        return report, [answer for answer in given if answer is not None]

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
    assert (len(given), report.counts["records"]) == (len(report.batches) - 2, 13)


def test_a_killed_process_costs_the_batch_that_it_was_at(several, monkeypatch):
    world = World()
    monkeypatch.setattr(side_by_side, "judge_unit", judge_work.killed_once)
    report, _ = several(world)
    assert to_json(report) == to_json(world.verify())


def test_processes_that_are_always_killed_are_said(several, monkeypatch):
    monkeypatch.setattr(side_by_side, "judge_unit", judge_work.killed_always)
    with pytest.raises(WorldError) as caught:
        several(World())
    assert (caught.value.code, "one batch" in caught.value.message) == ("workers-killed", True)


@pytest.mark.parametrize(("size", "jobs"), [(1, 2), (1 << 30, 1)])
def test_a_large_archive_is_judged_by_as_many_processes_as_it_has_batches_and_a_small_one_by_none(
    size, jobs, monkeypatch
):
    world, asked = World(), []
    monkeypatch.setattr(crews, "LARGE", size)
    monkeypatch.setattr("archiver.workers.cores", lambda: 8)
    monkeypatch.setattr("archiver.workers.Workers.start", lambda workers: asked.append(workers.jobs))
    world.verify(options=Options(only=frozenset({"log"})), jobs=None, opener=world.store)
    assert (asked or [1]) == [jobs]
