"""Every transcript below tests/transcripts is played in a fresh folder and must come out as it is written.

A transcript is plain text, read line by line:

    # words for the reader              % shell command that prepares or damages something
    at 2026-11-23T12:00:00Z             the clock from here on
    keys                                from here on key ids stand as <key 1>, <key 2> .., in commands too
    held FILE                           somebody else holds the lock on FILE during the next command
    piped FILE                          the next command has this file as its standard input
    $ archiver status                   the command under test, then what it must say:
    ! a line on stderr
    | a line on stdout
    ! ...  or  | ...                    any lines, also none
    exit 0
    has GLOB / lacks GLOB               files that must and must not exist now

What differs from run to run stands as <folder>, <sha256>, <root>, <digest>, <key>, <size>. Clock, user, host and
randomness are fixed. ARCHIVER_WRITE_TRANSCRIPTS=1 writes what came out instead of comparing: read it before keeping it.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import itertools
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.cli import run

ROOT = Path(__file__).resolve().parent.parent.parent
TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts").glob("*.txt"))
START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
PLACEHOLDERS = (
    (re.compile(r"\b([0-9a-f]{8} ){7}[0-9a-f]{8}\b"), "<digest>"),
    (re.compile(r"\b([0-9a-f]{8} ){3}[0-9a-f]{8}\b"), "<half of a digest>"),
    (re.compile(r"(?<=root )[0-9a-f]{16}\b"), "<root>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}"), "+<key>"),
    (re.compile(r"(?<=vault\+)[0-9a-f]{8}(?=,)"), "<key>"),
    (re.compile(r"a file of \d+ bytes, written \S+"), "a file of <size>, written <now>"),
    # Lines of items name owners and devices, Parquet files their writer: their sizes differ from machine to machine.
    (re.compile(r" +[0-9.]+ \S+(?=  until )"), "  <size>"),
    (re.compile(r"[0-9,]+ bytes(?=, made )"), "<size>"),
    (re.compile(r"[0-9.]+ [KMG]iB of evidence in [0-9.]+ [KMG]iB"), "<size> of evidence in <size>"),
    (re.compile(r"(?<=\.json, )[0-9.]+ [KMG]iB"), "<size>"),
)
SPOKEN = ("!", "|", "exit ")


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A folder with the repository's policy and samples, and a world that stands still."""
    shutil.copy(ROOT / "retention_policy.yaml", tmp_path)
    shutil.copytree(ROOT / "tests" / "samples", tmp_path / "tests" / "samples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(socket, "gethostname", lambda: "host")
    monkeypatch.setattr(getpass, "getuser", lambda: "officer")
    return tmp_path


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_program_says_what_the_transcript_says(transcript, stage, capfd):
    played = _Player(stage, capfd).play(transcript.read_text(encoding="utf-8").splitlines())
    if os.environ.get("ARCHIVER_WRITE_TRANSCRIPTS"):
        transcript.write_text("\n".join(played) + "\n", encoding="utf-8")
    assert played == transcript.read_text(encoding="utf-8").splitlines()


class _Player:
    def __init__(self, folder, capfd):
        self.folder = folder
        self.capfd = capfd
        self.now = START
        self.held = None
        self.piped = os.devnull
        self.draws = itertools.count()
        self.keys = None

    def play(self, lines):
        played = []
        blocks = itertools.groupby(lines, key=lambda line: line.startswith(SPOKEN))
        for spoken, block in blocks:
            if not spoken:
                for line in block:
                    said = self.do(line)
                    played += [line, *said]
                continue
            # What was just said stands at the end; where it is as expected, the expectation stays, with its gaps.
            expected = list(block)
            if _agrees(said, expected):
                played[len(played) - len(said) :] = expected
        return played

    def do(self, line):
        word, _, rest = line.partition(" ")
        match word:
            case "" | "#":
                pass
            case "%":
                subprocess.run(["bash", "-euo", "pipefail", "-c", rest], cwd=self.folder, check=True)
            case "at":
                self.now = datetime.fromisoformat(rest)
            case "keys":
                self.keys = []
            case "held":
                self.held = rest
            case "piped":
                self.piped = rest
            case "$":
                return list(self.command(rest))
            case "has":
                assert list(self.folder.glob(rest)), f"expected a file {rest}"
            case "lacks":
                assert not list(self.folder.glob(rest)), f"expected no file {rest}"
            case _:
                pytest.fail(f"not a line of a transcript: {line}")
        return []

    def command(self, text):
        for number, key in enumerate(self.keys or [], 1):
            text = text.replace(f"<key {number}>", key)
        name, *arguments = shlex.split(text)
        assert name == "archiver"
        self.capfd.readouterr()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ARCHIVER_")}
        with _held(self.held), _piped(self.piped):
            status = run(arguments, clock=lambda: self.now, random=self.random, environ=environ)
        self.held, self.piped = None, os.devnull
        out, err = self.capfd.readouterr()
        yield from (f"! {line}".rstrip() for line in self.same(err).splitlines())
        yield from (f"| {line}".rstrip() for line in self.same(out).splitlines())
        yield f"exit {status}"

    def random(self, size):
        return hashlib.shake_256(b"%d" % next(self.draws)).digest(size)

    def same(self, text):
        text = text.replace(str(self.folder), "<folder>")
        for pattern, placeholder in PLACEHOLDERS:
            text = pattern.sub(placeholder, text)
        return text if self.keys is None else re.sub(r"\b[0-9a-f]{16}\b", self.key, text)

    def key(self, found):
        """Number the short ids of keys as they come: keys are drawn from the machine's own randomness."""
        if found[0] not in self.keys:
            self.keys.append(found[0])
        return f"<key {self.keys.index(found[0]) + 1}>"


def _agrees(said, expected):
    pattern = "".join(
        rf"(?:{re.escape(line[0])}(?: .*)?\n)*" if line[1:] == " ..." else f"{re.escape(line)}\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in said)) is not None


@contextmanager
def _flock(path):
    with Path(path).open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _held(path):
    return nullcontext() if path is None else _flock(path)


@contextmanager
def _piped(path):
    kept = sys.stdin  # pytest's own, which has no bytes
    with Path(path).open(encoding="utf-8") as file:
        sys.stdin = file
        try:
            yield
        finally:
            sys.stdin = kept
