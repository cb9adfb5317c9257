"""Engines derive the same columns wherever they work, in the order in which they were asked, also after a kill."""

from __future__ import annotations

import errno
import multiprocessing
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from row_group_work import cut_once, killed_always, killed_once, refused, stopped_once

from archiver import workers
from archiver.errors import WorldError
from archiver.model.item import Item
from archiver.sources.reading_logs import LogReader
from archiver.writer.engine import Threads
from archiver.writer.groups import GROUPS, Most, RowGroup, group_of
from archiver.writer.index_columns import model_logs_index
from archiver.writer.parquet import BatchFile
from archiver.writer.processes import Processes
from archiver.writer.rows import Facts, OpenBatch

SALT = bytes(range(32))
FACTS = Facts(collected_at="2026-11-23T12:00:00Z", dialect="openai.chat")
ROWS = [b'{"ts":"2026-01-08T11:22:33Z","model":"grok-4","messages":[{"role":"user"}]}\n', b"no json\n", b"\xff\n"] * 40


@pytest.fixture
def batch(tmp_path):
    opened = OpenBatch(tmp_path / "rows.raw", salt=SALT, max_bytes=1 << 30, max_rows=1_000_000)
    opened.begin(Item("s", "a.jsonl"), FACTS)
    yield opened
    opened.close()


def written(batch: OpenBatch, path: Path, engine) -> str:
    index = model_logs_index(LogReader().project)
    with ThreadPoolExecutor(1) as thread:
        file = BatchFile(batch, path, table="model_logs", index=index, engine=engine, thread=thread)
        return file.finish(identity="b", archive_id="a").file.sha256


def test_the_bytes_are_the_same_whoever_derives_the_columns(batch, tmp_path, monkeypatch):
    monkeypatch.setitem(GROUPS, "model_logs", Most(rows=50))
    batch.add(ROWS, 0)
    with Threads() as threads, Processes(2) as processes:
        assert written(batch, tmp_path / "one", threads) == written(batch, tmp_path / "two", processes)


def test_the_bytes_are_the_same_whenever_the_rows_were_offered_and_taken_back(batch, tmp_path, monkeypatch):
    monkeypatch.setitem(GROUPS, "model_logs", Most(rows=50))
    index = model_logs_index(LogReader().project)
    with Threads() as engine, ThreadPoolExecutor(1) as thread:
        file = BatchFile(batch, tmp_path / "one", table="model_logs", index=index, engine=engine, thread=thread)
        batch.add(ROWS, 0)
        file.offer(batch.rows)
        for taken_back in (110, 40):  # behind the last cut, which stays, and before it
            mark = batch.mark()
            batch.begin(Item("s", "b.jsonl"), FACTS)
            batch.add(ROWS[:taken_back], 0)
            file.offer(batch.rows)
            batch.rollback(mark)
            file.take_back(mark.rows)
            file.offer(batch.rows)
        first = file.finish(identity="b", archive_id="a").file.sha256
        assert first == written(batch, tmp_path / "two", engine)


def test_rows_that_pass_give_the_same_bytes_as_rows_that_are_kept(batch, tmp_path, monkeypatch):
    monkeypatch.setitem(GROUPS, "model_logs", Most(rows=50))
    index = model_logs_index(LogReader().project)
    batch.add(ROWS[:20], 0)
    with Threads() as engine, ThreadPoolExecutor(1) as thread:
        file = BatchFile(batch, tmp_path / "one", table="model_logs", index=index, engine=engine, thread=thread)
        for first in range(20, 120, 33):
            batch.add(ROWS[first : first + 33], sum(map(len, ROWS[:first])), passing=True)
            file.offer(batch.rows)
        passing = file.finish(identity="b", archive_id="a").file.sha256
        assert batch.scratch.stat().st_size == sum(map(len, ROWS[:20]))
        with closing(OpenBatch(tmp_path / "kept.raw", salt=SALT, max_bytes=1 << 30, max_rows=1000)) as kept:
            kept.begin(Item("s", "a.jsonl"), FACTS)
            kept.add(ROWS, 0)
            assert passing == written(kept, tmp_path / "two", engine)


@pytest.mark.parametrize("kept", [0, 20])
@pytest.mark.parametrize("at_once", [33, 200])
def test_rows_that_pass_are_let_go_once_they_lie_beside_each_other(batch, kept, at_once):
    batch.add(ROWS[:kept], 0)
    for first in range(kept, 120, at_once):
        batch.add(ROWS[first : first + at_once], sum(map(len, ROWS[:first])), passing=True)
    group = group_of(batch, 0, 120, 0, batch.pass_on(0, 120))

    assert sum(len(rows) for _, rows in group.passing) == 120 - kept
    assert group.raw.to_pylist() == ROWS
    assert (group.passing, group.raw.to_pylist()) == ([], ROWS)


def test_threads_that_want_the_rows_of_a_group_at_one_time_have_the_same(batch, monkeypatch):
    batch.add(ROWS[:20], 0)
    batch.add(ROWS[20:120], sum(map(len, ROWS[:20])), passing=True)
    group = group_of(batch, 0, 120, 0, batch.pass_on(0, 120))
    read, began = RowGroup._read, []

    def slowly(self, view, place):
        began.append(view)
        time.sleep(0.2)
        read(self, view, place)

    monkeypatch.setattr(RowGroup, "_read", slowly)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: group.raw, range(4)))

    assert [one.to_pylist() for one in found] == [ROWS] * 4
    assert len(began) == 1
    assert pickle.loads(pickle.dumps(group)).lengths == group.lengths


@pytest.mark.parametrize(("largest", "waiting"), [(1000, 2), (40, 1)])
def test_few_groups_wait_whose_rows_are_in_memory_and_large(batch, tmp_path, monkeypatch, largest, waiting):
    monkeypatch.setitem(GROUPS, "model_logs", Most(rows=1, size=largest))
    index = model_logs_index(LogReader().project)
    with Threads() as engine, ThreadPoolExecutor(1) as thread:
        file = BatchFile(batch, tmp_path / "one", table="model_logs", index=index, engine=engine, thread=thread)
        batch.add(ROWS[::3], 0, passing=True)
        file.offer(batch.rows)
        assert len(file._waiting) == waiting
        passing = file.finish(identity="b", archive_id="a").file.sha256
        with closing(OpenBatch(tmp_path / "kept.raw", salt=SALT, max_bytes=1 << 30, max_rows=1000)) as kept:
            kept.begin(Item("s", "a.jsonl"), FACTS)
            kept.add(ROWS[::3], 0)
            assert passing == written(kept, tmp_path / "two", engine)


def test_a_killed_worker_costs_the_group_that_it_was_at(batch):
    batch.add(ROWS, 0)
    with Processes(2) as engine:
        answers = [engine.derive(killed_once, group_of(batch, first, 10, 0)) for first in (0, 10, 20)]
        assert [answer()[0].to_pylist() for answer in answers] == [[0], [10], [20]]


# A worker that was stopped, and one that was killed in the middle of its answer: who waits for either waits for long.
GONE = pytest.mark.parametrize(("fault", "patience"), [(stopped_once, 0.05), (cut_once, 0.2)])


@GONE
def test_a_worker_that_says_no_more_costs_the_groups_that_were_under_way(batch, monkeypatch, fault, patience):
    monkeypatch.setattr(workers, "PATIENCE", patience)
    batch.add(ROWS, 0)
    with Processes(2) as engine:
        answers = [engine.derive(fault, group_of(batch, first, 10, 0)) for first in (0, 10, 20)]
        assert [answer()[0].to_pylist() for answer in answers] == [[0], [10], [20]]
    all_ended()


@GONE
def test_nobody_waits_at_the_end_for_a_worker_that_says_no_more(batch, monkeypatch, fault, patience):
    monkeypatch.setattr(workers, "PATIENCE", patience)
    batch.add(ROWS, 0)
    with Processes(2) as engine:
        engine.derive(fault, group_of(batch, 0, 10, 0))
        while not any(batch.scratch.parent.glob(f"{fault.__name__.removesuffix('_once')}-*")):
            time.sleep(0.01)
    all_ended()


def all_ended():
    """Demand that no process is left; one that was killed may still be on its way out."""
    for one in multiprocessing.active_children():
        one.join(60)
        assert one.exitcode is not None


class Refused:
    """Threads that the system does not start any more, from the first or the second one of a pool on."""

    def __init__(self, monkeypatch, target, problem=None):
        self.asked = 0
        self.problem = problem or RuntimeError("can't start new thread")
        monkeypatch.setattr(target, self.start)

    def start(self, *_words):
        self.asked += 1
        raise self.problem


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("concurrent.futures.process._ExecutorManagerThread.start", "no-threads"),
        ("multiprocessing.queues.Queue._start_thread", "workers-killed"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_where_no_more_threads_are_started_nobody_waits_for_workers_that_nobody_asks(batch, monkeypatch, target, code):
    refused = Refused(monkeypatch, target)
    monkeypatch.setattr(workers, "PATIENCE", 0.05)
    batch.add(ROWS, 0)
    with pytest.raises(WorldError) as caught, Processes(2) as engine:
        engine.derive(killed_once, group_of(batch, 0, 10, 0))()
    assert caught.value.code == code
    assert refused.asked > 0
    all_ended()


def test_where_no_more_processes_are_started_that_is_said(batch, monkeypatch):
    problem = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    Refused(monkeypatch, "multiprocessing.util.spawnv_passfds", problem)
    batch.add(ROWS, 0)
    with pytest.raises(WorldError) as caught, Processes(2) as engine:
        engine.derive(killed_once, group_of(batch, 0, 10, 0))()
    assert (caught.value.code, "temporarily" in caught.value.message) == ("no-processes", True)


def test_where_no_thread_is_started_for_copies_there_are_none(monkeypatch):
    refused = Refused(monkeypatch, "concurrent.futures.process._ExecutorManagerThread.start")
    monkeypatch.setattr(workers, "_is_single", lambda: True)
    assert workers.forked_pool(2) is None
    assert refused.asked == 1
    all_ended()


def test_workers_that_are_always_killed_are_said_and_waited_for_no_longer(batch):
    batch.add(ROWS, 0)
    with Processes(2) as engine, pytest.raises(WorldError) as caught:
        engine.derive(killed_always, group_of(batch, 0, 10, 0))()
    assert (caught.value.code, "fewer --jobs" in caught.value.hint) == ("workers-killed", True)


def test_what_goes_wrong_in_a_process_is_said_as_it_would_be_here(batch):
    batch.add(ROWS, 0)
    with Processes(2) as engine, pytest.raises(WorldError) as caught:
        engine.derive(refused, group_of(batch, 0, 10, 0))()
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("spool-short", "0", "look")


def test_a_group_is_sent_without_the_rows_that_were_fetched_for_it(batch):
    """They are fetched while it is being sent, by the thread that writes: the group is the same before and after."""
    batch.add(ROWS, 0)
    batch.flush()
    group = group_of(batch, 0, 10, 0)
    before = pickle.dumps(group)
    assert len(group.raw) == 10

    assert pickle.dumps(group) == before
    assert pickle.loads(before).raw.to_pylist() == group.raw.to_pylist() == ROWS[:10]
