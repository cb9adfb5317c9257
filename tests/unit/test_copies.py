"""Processes are copies of this one only where no other thread could hold a lock for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ALONE = """
import os, threading, pyarrow.parquet
from archiver import workers
{thread}
pool = workers.forked_pool(2)
print("none" if pool is None else {{pool.submit(os.getppid).result() for _ in range(4)}} == {{os.getpid()}})
if pool is not None:
    pool.shutdown()
{end}
"""


@pytest.mark.parametrize(
    ("thread", "end", "said"),
    [
        ("", "", "True"),
        ("threading.Thread(target=lambda: None).start()", "", "True"),
        ("over = threading.Event(); threading.Thread(target=over.wait).start()", "over.set()", "none"),
    ],
    ids=["alone", "a thread that is about to end", "a thread at work"],
)
def test_a_process_is_copied_when_it_has_one_thread(thread, end, said):
    code = _ALONE.format(thread=thread, end=end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{said}\n", "")


def test_a_copy_that_is_killed_is_replaced_by_a_fresh_process():
    code = """
import os, signal
from archiver.workers import Workers
with Workers(1, over="a piece") as workers:
    workers.start_copies()
    first = workers.begin(os.getpid)()
    os.kill(first, signal.SIGKILL)
    print(workers.begin(os.getpid)() != first)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_where_the_system_starts_too_few_copies_there_is_none_and_nobody_waits(nth):
    code = """
import errno, itertools, multiprocessing, os, sys
from archiver import workers
real, count = os.fork, itertools.count(1)
def fork():
    if next(count) == int(sys.argv[1]):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real()
os.fork = fork
print(workers.forked_pool(3), multiprocessing.active_children())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(nth)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "None []\n"


def test_a_bar_that_is_taken_away_leaves_no_thread():
    code = """
import sys, threading
from archiver.cli.talk import Talk
from archiver.events import Paused, Stage
talk = Talk(sys.stderr, terminal=True)
talk.hear(Stage("work", 2, "items"))
drawn = threading.active_count()
talk.hear(Paused())
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(5)
print(drawn, threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 1\n"
