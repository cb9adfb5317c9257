"""Asked to end by Ctrl-C, `kill` or a closed terminal, a command ends in order and says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

AT_WORK = """
import signal, sys, time
from archiver.cli import main
from archiver.judge import reader
for number in sys.argv.pop().split():  # what whoever started the test has it ignore, as a shell's & does
    signal.signal(int(number), signal.SIG_DFL)
def read_log(*arguments):
    print("at work", flush=True)
    time.sleep(60)
reader.read_log = read_log
main()
"""
WORDS = "interrupted; what was finished is kept, and the same command goes on from there"
ASKS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def begun(place, scratch, *more, heeds=ASKS):
    """Begin to verify, in a process of its own that reads the log for a minute."""
    environ = {**os.environ, "TMPDIR": str(scratch)}
    heeded = " ".join(str(int(one)) for one in heeds)
    process = subprocess.Popen(
        [sys.executable, "-c", AT_WORK, "verify", *more, heeded], cwd=place.root, env=environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"at work\n"
    assert [one.name.startswith("archiver-judge-") for one in scratch.iterdir()] == [True]
    return process


@pytest.mark.parametrize("number", ASKS, ids=lambda one: one.name)
def test_it_says_so_and_leaves_nothing_behind(filled, scratch, number):
    filled.take()
    process = begun(filled, scratch)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert said.decode().splitlines()[-1] == WORDS
    assert (process.returncode, list(scratch.iterdir())) == (128 + number, [])


@pytest.mark.parametrize("number", ASKS, ids=lambda one: one.name)
def test_programs_are_told_the_same(filled, scratch, number):
    filled.take()
    process = begun(filled, scratch, "--json")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    told = json.loads(out)
    assert (told["exit"], told["error"]["code"], process.returncode) == (128 + number, "interrupted", 128 + number)


def test_what_is_ignored_stays_ignored(filled, scratch):
    filled.take()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under `nohup`
    try:
        process = begun(filled, scratch, heeds=[signal.SIGTERM])
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.decode().splitlines()[-1]) == (128 + signal.SIGTERM, WORDS)


@pytest.mark.parametrize("number", ASKS, ids=lambda one: one.name)
def test_before_the_command_is_loaded_it_just_ends(number):
    code = f"""
import os, signal, sys
from archiver import cli
signal.signal({int(number)}, signal.SIG_DFL)
class Found:
    def find_spec(self, name, *_):
        if name == "archiver.cli.entry":
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Found())
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")


def test_a_copy_of_a_command_ends_when_it_is_told_to():
    code = """
import os, signal
from archiver.cli import stopping
from archiver.workers import forked_pool
for one in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(one, signal.SIG_DFL)
stopping.in_order()
pool = forked_pool(1)
print([pool.submit(signal.getsignal, one).result() is signal.SIG_DFL for one in (signal.SIGTERM, signal.SIGHUP)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[True, True]\n"
