"""Plain files that another process writes: what comes back and what is said is as if this one had written them."""

from __future__ import annotations

import errno
import os
import signal
import stat
import time
from concurrent.futures import process
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import active_children, util
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from e2e.test_restore_attacks import BATCH, FILE, Told, bring_back, names

from archiver import workers
from archiver.errors import WorldError
from archiver.flows.restore import beside as processes
from archiver.flows.restore import writers
from archiver.flows.restore.beside import Beside
from archiver.flows.restore.restore import _Restore
from archiver.flows.restore.tree import Tree, join_tree, open_tree
from archiver.model.item import Item


@pytest.fixture(params=["copy", "afresh"])
def beside(request, monkeypatch):
    """Let the process beside this one write all that it may write."""

    def join(self, *words):
        real(self, *words)
        assert self._joined is None or self._joined.result()

    real = Beside.join
    monkeypatch.setattr(Beside, "join", join)
    monkeypatch.setattr("archiver.workers.cores", lambda: 2)
    for module, name, number in ((processes, "_MANY", 0), (writers, "_FEW", 1), (writers, "_UNDER_WAY", 100)):
        monkeypatch.setattr(module, name, number)
    if request.param == "copy":
        monkeypatch.setattr(processes, "_MANY_BY_COPY", 0)
        monkeypatch.setattr(processes, "_PLACE", 5)  # of some groups there are more bytes


def filled() -> Told:
    """Return an archive with good files among others of every kind."""
    told = Told()
    for number in range(40):
        told.put(Item("papers", f"{number % 3}/good-{number}"), b"%d" % number)
    told.put(Item("papers", "0/other digest"), b"one", sha256="0" * 64)
    told.put(Item("papers", "0/other size"), b"one", size=9)
    told.put(Item("papers", "0/" + "x" * 300), b"too long")
    told.put(Item("papers", "1/nul%00name"), b"no name")
    told.put(Item("papers", "1/\u00fc%FF"), b"no text")
    told.put(Item("papers", "1/good-4"), b"a second one of this name")
    told.put(Item("papers", "1/good-4/below"), b"below a file")
    told.put(Item("papers", "2/set"), b"rights", file={**FILE, "mode": 0o104755})
    told.put(Item("papers", "2/far"), b"in the future", file={**FILE, "mtime_ns": str(2**63 - 1)})
    told.put(Item("papers", "2/odd"), b"an attribute", file={**FILE, "xattrs": {"user.a": "YQ=="}})
    told.put(Item("papers", "2/last"), b"")
    told.rows[BATCH][7] = (told.rows[BATCH][7][0], 1, b"7")
    told.rows[BATCH][12] = (told.rows[BATCH][12][0], 0, None)
    told.rows[BATCH][20] = (told.rows[BATCH][21][0], 0, b"20")
    return told


def found(folder: Path) -> dict[str, tuple[object, ...]]:
    facts = {name: (folder / name).stat() for name in names(folder)}
    return {
        name: (stat.S_IMODE(fact.st_mode), fact.st_mtime_ns, (folder / name).read_bytes())
        for name, fact in facts.items()
        if stat.S_ISREG(fact.st_mode)
    }


def test_what_another_process_writes_is_what_this_one_would_write(tmp_path, beside, monkeypatch):
    told = filled()
    done = bring_back(told, tmp_path / "beside")
    monkeypatch.setattr(processes, "_MANY", 1000)
    monkeypatch.setattr(processes, "_MANY_BY_COPY", 1000)
    assert done == bring_back(told, tmp_path / "here")
    assert found(tmp_path / "beside") == found(tmp_path / "here")
    assert len(found(tmp_path / "here")) == done.files
    assert names(tmp_path / "beside") == names(tmp_path / "here")
    assert (tmp_path / "beside" / "papers" / "1" / "good-4").read_bytes() == b"4"
    assert done.counts == {"item-parts": 2, "item-sha256": 2, "name-refused": 4, "withheld": 1}


@pytest.mark.parametrize("facts", [FILE, {**FILE, "xattrs": {"user.a": "YQ=="}}])
@pytest.mark.parametrize(("one", "other"), [("a", "a/below"), ("a/below", "a")])
@pytest.mark.usefixtures("beside")
def test_what_lies_below_a_file_never_overtakes_it(tmp_path, monkeypatch, one, other, facts):
    monkeypatch.setattr(writers, "_UNDER_WAY", 1)
    told = Told()
    told.put(Item("papers", "large"), bytes(32 << 20))  # while it is written, the next ones come
    told.put(Item("papers", one), b"1")
    told.put(Item("papers", "good"), b"2")
    told.put(Item("papers", other), b"3", file=facts)
    done = bring_back(told, tmp_path / "restored")
    assert [missing.item for missing in done.not_restored] == [Item("papers", other).text()]
    assert (tmp_path / "restored" / "papers" / one).read_bytes() == b"1"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_killed_or_stopped_ends_the_restore_and_leaves_no_half_file(
    tmp_path, beside, monkeypatch, how
):
    def killed(self, rows):
        for one in list(self._pool._processes):
            with suppress(ProcessLookupError):  # by the group before
                os.kill(one, how)
        return begin(self, rows)

    begin = Beside.begin
    monkeypatch.setattr(workers, "PATIENCE", 0.05)
    monkeypatch.setattr(Beside, "begin", killed)
    with pytest.raises(WorldError) as stopped:
        bring_back(filled(), tmp_path / "restored")
    assert stopped.value.code == "workers-killed"
    assert ".restoring" not in names(tmp_path / "restored")


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_process_beside_has_ended_before_anything_is_taken_away(tmp_path, monkeypatch, is_stopped):
    def closed(self):
        here.append(set(active_children()) - before)
        close(self)

    def stopped(*_words):
        raise KeyboardInterrupt

    here: list[set[BaseProcess]] = []
    before, close = set(active_children()), Tree.close
    monkeypatch.setattr(Tree, "close", closed)
    monkeypatch.setattr("archiver.workers.cores", lambda: 2)
    monkeypatch.setattr(processes, "_MANY", 0)
    told = Told()
    told.put(Item("papers", "a"), b"a")
    if is_stopped:
        monkeypatch.setattr(_Restore, "told", stopped)
        with pytest.raises(KeyboardInterrupt):
            bring_back(told, tmp_path / "restored")
    else:
        assert bring_back(told, tmp_path / "restored").files == 1
    assert here == [set()]
    assert ".restoring" not in names(tmp_path / "restored")


@pytest.mark.parametrize("name", ["_check_system_limits", "_SafeQueue"])
def test_where_no_process_can_be_started_this_one_writes_all(tmp_path, monkeypatch, name):
    def refused(*_words, **_options):
        raise NotImplementedError if name == "_check_system_limits" else OSError(errno.ENOSYS, "no semaphores")

    told = filled()
    here = bring_back(told, tmp_path / "here")
    monkeypatch.setattr("archiver.workers.cores", lambda: 2)
    monkeypatch.setattr(processes, "_MANY", 0)
    monkeypatch.setattr(process, name, refused)
    assert bring_back(told, tmp_path / "beside") == here


@pytest.mark.usefixtures("beside")
def test_a_process_that_cannot_be_forked_is_done_without(tmp_path, monkeypatch):
    def refused(*_words):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    told = filled()
    here = bring_back(told, tmp_path / "here")
    monkeypatch.setattr(util, "spawnv_passfds", refused)
    assert bring_back(told, tmp_path / "beside") == here


def test_a_process_that_ends_before_it_joins_is_said_to_be_killed(tmp_path, monkeypatch):
    def ended(self, target, tree):
        for one in list(self._pool._processes):
            os.kill(one, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            self._pool.submit(time.sleep, 60).result()
        join(self, target, tree)

    join = Beside.join
    monkeypatch.setattr(Beside, "join", ended)
    monkeypatch.setattr("archiver.workers.cores", lambda: 2)
    monkeypatch.setattr(processes, "_MANY", 0)
    with pytest.raises(WorldError) as stopped:
        bring_back(filled(), tmp_path / "restored")
    assert stopped.value.code == "workers-killed"
    assert names(tmp_path / "restored") == []


def test_a_folder_that_is_another_one_meanwhile_is_not_written_to(tmp_path):
    with open_tree(tmp_path / "restored") as tree:
        (tmp_path / "restored").rename(tmp_path / "moved")
        (tmp_path / "restored" / ".restoring").mkdir(parents=True)
        assert join_tree(tmp_path / "restored", tree.identity) is None
        assert names(tmp_path / "restored") == [".restoring"]
        assert join_tree(tmp_path / "moved", tree.identity) is not None
    assert names(tmp_path / "moved") == []


@pytest.mark.parametrize(
    ("one", "other"), [("a/B", "A/b"), ("\u00fc", "u\u0308"), ("Stra\u00dfe", "STRASSE"), ("\u212b", "\u00e5")]
)
def test_names_that_a_file_system_may_take_for_one_are_alike(one, other):
    assert writers._alike(one.encode()) == writers._alike(other.encode())
