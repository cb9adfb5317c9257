"""A person sits in front of it: bars on the terminal, data in the file or the pipe that stdout is."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading

import pytest

SPINNER = tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")


def at_a_terminal(place, *arguments, columns=80):
    """Run a command whose stdin and stderr are a terminal of 80 columns and whose stdout is a pipe."""
    terminal, inner = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "archiver", *arguments],
        stdin=inner, stderr=inner, stdout=subprocess.PIPE, cwd=place.root, env=environ,
    )  # fmt: skip
    os.close(inner)
    seen: list[bytes] = []
    watching = threading.Thread(target=lambda: seen.extend(_all_of(terminal)))
    watching.start()
    output, _ = process.communicate(timeout=120)
    watching.join()
    os.close(terminal)
    return process.returncode, output.decode(), b"".join(seen).decode()


def _all_of(terminal):
    while True:
        try:
            block = os.read(terminal, 4096)
        except OSError:  # Linux: whoever was at the other end has left
            return
        if not block:
            return
        yield block


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["list", "items"], "papers/memo.txt"),
        (["verify"], "this does not prove"),
    ],
    ids=["list", "verify"],
)
def test_data_go_to_stdout_while_bars_are_drawn(organisation, arguments, wanted):
    (organisation.papers / "memo.txt").write_bytes(b"keep\n")
    organisation.take()
    _, output, seen = at_a_terminal(organisation, *arguments)
    assert "list the archive" in seen
    assert wanted in output
    assert wanted not in seen
    assert "\x1b" not in output


def test_an_answer_for_a_program_is_whole_at_a_terminal_too(organisation):
    (organisation.papers / "memo.txt").write_bytes(b"keep\n")
    organisation.take()
    status, output, _ = at_a_terminal(organisation, "list", "items", "--json")
    assert json.loads(output)["exit"] == status


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_bar_is_one_line_however_narrow_the_terminal(organisation, columns):
    (organisation.papers / "memo.txt").write_bytes(b"keep\n")
    _, _, seen = at_a_terminal(organisation, "snapshot", columns=columns)
    frames = [
        frame for frame in re.split(r"\r|\n", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)) if frame[:1] in SPINNER
    ]
    assert frames
    assert all(re.fullmatch(r". \S.* \d:\d\d:\d\d *", frame) and len(frame) <= columns for frame in frames), frames
