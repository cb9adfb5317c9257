"""Pipes as sources: exact bytes, nothing lost that was read, and no claim that a pipe was whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from archiver.errors import UsageError
from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.snapshot.received import keep, waits
from archiver.model.policy_yaml import PolicyError

LOG = b"".join(b'{"request_id":"r%d"}\n' % number for number in range(1000)) + b"\xff\x00 no end"


@pytest.fixture
def place(organisation):
    organisation.write_policy(lambda text: text.replace("location: ./logs", 'location: "-"'))
    (organisation.papers / "memo.txt").write_bytes(b"memo")
    organisation.set_up()
    return organisation


def pipe(place, data: bytes):
    """Send bytes through a pipe, a little at a time."""
    out, into = os.pipe()

    def write() -> None:
        with os.fdopen(into, "wb") as sink:
            for start in range(0, len(data), 7000):
                sink.write(data[start : start + 7000])
                sink.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return keep(place.policy, "logs", out, clock=place.clock, random=place.random)
    finally:
        writer.join()
        os.close(out)


def lines_of(place):
    return place.said()


def received(place) -> list[str]:
    return sorted(path.name for path in (place.root / ".archiver" / "received" / "logs").iterdir())


def test_what_is_piped_in_is_kept_byte_for_byte(place, verified, tmp_path):
    got = pipe(place, LOG)
    done = place.take(only=("logs",))
    assert (got.size, done.exit) == (len(LOG), 0)
    (line,) = lines_of(place)
    assert (line.item.path, line.kind, line.status, line.table) == (got.name, "object", "captured", "model_logs")
    assert line.object == {"store": "pipe", "began": "2026-11-23T12:00:00Z", "ended": "2026-11-23T12:00:00Z"}
    verified(place)
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=tmp_path / "back", listener=silent)
    assert (tmp_path / "back" / "logs" / got.name).read_bytes() == LOG
    assert received(place) == []


def test_a_pipe_is_collected_once_and_never_missed(place, verified):
    pipe(place, LOG)
    place.take()
    place.later(minutes=1)
    done = place.take()
    assert (done.exit, [one.source for one in done.tallies]) == (0, ["papers"])
    assert [line.status for line in lines_of(place)] == ["unchanged"]
    verified(place)


def test_a_restore_of_the_newest_state_brings_all_pipes_back(place, tmp_path):
    """Later snapshots say nothing of them, and neither miss them nor take them for the newest state's own."""
    first, wanted = pipe(place, LOG), place.take()
    place.later(minutes=1)
    second = pipe(place, b"second\n")
    place.take(only=("logs",))
    place.later(minutes=1)
    (place.papers / "memo.txt").write_bytes(b"memo, changed")
    assert [line.status for line in lines_after(place)] == ["captured"]
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=tmp_path / "newest", listener=silent)
        restore(reading, to=tmp_path / "pipes", source="logs", path_glob=f"{first.name[:8]}*", listener=silent)
        restore(reading, to=tmp_path / "then", snapshot=wanted.id, listener=silent)
    assert files(tmp_path / "newest") == {
        f"logs/{first.name}": LOG, f"logs/{second.name}": b"second\n", "papers/memo.txt": b"memo, changed",
    }  # fmt: skip
    assert files(tmp_path / "pipes") == {f"logs/{first.name}": LOG, f"logs/{second.name}": b"second\n"}
    assert files(tmp_path / "then") == {f"logs/{first.name}": LOG, "papers/memo.txt": b"memo"}


def lines_after(place):
    assert place.take().exit == 0
    return lines_of(place)


def files(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pipe_that_brings_nothing_is_not_fine(place):
    got = pipe(place, b"")
    done = place.take()
    assert (done.exit, done.reasons) == (3, (f"logs: {got.name}: its pipe brought nothing",))
    assert place.take(only=("logs",)).exit == 3  # nothing was piped into it since


def test_what_a_killed_run_had_read_is_kept_and_said(place, verified):
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from archiver.sources.pipe import receive\n"
        "receive(Path(sys.argv[1]), 0, '20261123T110000Z-00aa11', lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))\n"
    )
    folder = place.root / ".archiver" / "received" / "logs"
    running = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE)
    part = folder / "20261123T110000Z-00aa11.part"
    running.stdin.write(LOG)
    running.stdin.flush()
    while not (part.exists() and part.stat().st_size == len(LOG)):
        time.sleep(0.01)
    assert not waits(place.policy.source("logs"))  # it is still being read
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdin.close()
    assert waits(place.policy.source("logs"))
    done = place.take()
    assert (done.exit, done.status) == (3, "incomplete")
    assert "the run that read this pipe was killed" in done.reasons[0]
    (line,) = [line for line in lines_of(place) if line.item.source == "logs"]
    assert (line.size, line.object["ended"], received(place)) == (len(LOG), None, [])
    verified(place)


def test_a_run_that_was_killed_before_it_let_go_finds_the_bytes_archived(place, verified, monkeypatch):
    got = pipe(place, LOG)
    with monkeypatch.context() as patch:
        patch.setattr("archiver.flows.snapshot.received.let_go", lambda _archived: None)
        place.take()
    done = place.take()
    (line,) = [line for line in lines_of(place) if line.item.source == "logs"]
    assert (line.item.path, line.status, line.basis, done.stored_bytes) == (got.name, "unchanged", "read", 0)
    assert received(place) == []
    verified(place)


def test_a_pipe_has_no_names_to_choose_by(place):
    policy = place.root / "retention_policy.yaml"
    before, _, after = policy.read_text(encoding="utf-8").rpartition('include: ["**"]')
    policy.write_text(f'{before}include: ["*.log"]{after}', encoding="utf-8")
    with pytest.raises(PolicyError) as refused:
        _ = place.policy
    assert "what comes through a pipe has no name to choose by" in str(refused.value)


@pytest.mark.parametrize("identity", ["papers", "nobody"])
def test_only_a_source_that_is_a_pipe_takes_one(place, identity):
    with pytest.raises(UsageError) as refused:
        keep(place.policy, identity, 0, clock=place.clock, random=place.random)
    assert refused.value.code == "no-such-pipe"


def test_the_command_reads_its_standard_input(place):
    command = [sys.executable, "-m", "archiver", "-p", str(place.root / "retention_policy.yaml"), "snapshot"]
    done = subprocess.run([*command, "--stdin", "logs"], input=LOG, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"a pipe does not tell whether the program before it ended well" in done.stderr
    refused = subprocess.run(
        [*command, "--stdin", "logs", "--source", "papers"], input=LOG, capture_output=True, check=False
    )
    assert (refused.returncode, received(place)) == (2, [])
