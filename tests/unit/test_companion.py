"""A process beside this one is of the same program, and where none can be started nothing is left of it."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from archiver import companion
from archiver.companion import Companion, EndedError

SIZE = 3_000_000
TELLING = """
import sys
import time
from archiver import companion

memory = companion.shared(int(sys.argv[1]))
for asked in companion.questions(2):
    memory[:2] = asked
    time.sleep(0.2 if asked == b"zz" else 0)
    companion.answer(b"%d" % len(memory))
"""


@pytest.fixture(params=["memory", "a file"])
def _memory_of_either_kind(request, monkeypatch):
    if request.param == "a file":
        monkeypatch.delattr(os, "memfd_create", raising=False)


@pytest.mark.usefixtures("_memory_of_either_kind")
def test_a_process_finds_its_module_where_this_one_would(tmp_path, monkeypatch):
    (tmp_path / "telling.py").write_text(TELLING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    with closing(Companion("telling", SIZE)) as process:
        process.ask(b"ab")
        assert process.answer(7) == b"3000000"
        assert process.memory[:3] == b"ab\0"


def test_a_process_that_does_not_start_has_ended():
    with closing(Companion("archiver.no_such_module", SIZE)) as process, pytest.raises(EndedError):
        process.answer(1)


@pytest.fixture
def telling(tmp_path, monkeypatch):
    """Start the process that tells, and lose patience at once."""
    (tmp_path / "telling.py").write_text(TELLING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(companion, "PATIENCE", 0.02)
    with closing(Companion("telling", SIZE)) as process:
        yield process


def test_a_process_that_was_stopped_has_ended_and_what_it_had_said_is_there(telling):
    telling.ask(b"ab")
    telling.ask(b"cd")
    assert telling.answer(7) == b"3000000"
    assert telling.answer(7) == b"3000000"
    os.kill(telling.pid, signal.SIGSTOP)
    telling.ask(b"ef")
    with pytest.raises(EndedError):
        telling.answer(7)


def test_a_process_that_is_slow_or_goes_on_again_is_waited_for(telling):
    os.kill(telling.pid, signal.SIGSTOP)
    os.kill(telling.pid, signal.SIGCONT)
    telling.ask(b"zz")
    assert telling.answer(7) == b"3000000"


def test_what_has_ended_is_no_more_to_be_ended():
    assert os.spawnlp(os.P_WAIT, "true", "true") == 0
    companion.end_if_stopped(os.getpid())  # no child of its own, as one is that was waited for


def test_what_a_file_stands_for_is_there_before_it_is_written_to(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "zeros").write_bytes(bytes(SIZE))  # some file systems keep none of them
    descriptor = companion._memory(SIZE)
    try:
        found = os.fstat(descriptor)
        assert found.st_size == SIZE
        assert found.st_blocks >= (tmp_path / "zeros").stat().st_blocks // 2
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("_memory_of_either_kind")
def test_where_there_is_no_memory_nothing_stays_open():
    folder, (soft, hard) = Path("/proc/self/fd"), resource.getrlimit(resource.RLIMIT_FSIZE)
    if not folder.is_dir():
        pytest.skip("no /proc here to count descriptors in")
    before = len(list(folder.iterdir()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            Companion("archiver.sources.apart", SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(folder.iterdir())) == before
