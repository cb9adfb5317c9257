"""Logs that are rotated in ways that hide it: nothing is stored twice, and what a log lost has its event anyway."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archiver.flows.snapshot import snapshot as run
from archiver.writer.journal import Journal

FIRST = b"".join(b'{"request_id":"r%d","model":"m"}\n' % number for number in range(50))
MORE = b"".join(b'{"request_id":"s%d","model":"m"}\n' % number for number in range(7))
FRESH = b"".join(b'{"request_id":"t%d","model":"m"}\n' % number for number in range(90))


def stored(place, snapshot: str) -> bytes:
    """Return the raw bytes of all rows of logs that a snapshot wrote, in order."""
    found = sorted(place.archive.glob(f"data/model_logs/*/{snapshot}-*.parquet"))
    return b"".join(raw for path in found for raw in pq.read_table(path, columns=["raw"])["raw"].to_pylist())


def became(place) -> dict[tuple[str, ...], tuple[str, str | None]]:
    """Return status and reason of all logs, as the newest snapshot says."""
    return {(line.item.path, *line.item.members): (line.status, line.reason) for line in place.said()}


@pytest.fixture
def log(organisation) -> Path:
    (organisation.papers / "memo.txt").write_bytes(b"keep\n")
    path = organisation.logs / "chat.log"
    path.write_bytes(FIRST)
    organisation.take()
    return path


@pytest.mark.parametrize("name", ["chat.log.1", "chat-20261123.log"])
def test_a_log_that_was_copied_and_cut_and_is_longer_again_is_not_stored_twice(organisation, log, verified, name):
    shutil.copyfile(log, log.with_name(name))
    with log.with_name(name).open("ab") as file:
        file.write(MORE)
    os.truncate(log, 0)
    with log.open("ab") as file:
        file.write(FRESH)
    assert sorted(stored(organisation, organisation.take().id).splitlines()) == sorted((MORE + FRESH).splitlines())
    assert became(organisation)[name,] == ("captured", "rotated")
    assert became(organisation)["chat.log",] == ("captured", "rewritten")
    verified(organisation)


def test_a_compressed_log_has_its_rows_under_every_number_that_it_gets(organisation, log, verified):
    packed = [log.with_name(f"chat.log.{number}.gz") for number in range(1, 5)]
    packed[0].write_bytes(gzip.compress(FIRST))
    log.unlink()
    organisation.take()
    for night in range(1, 4):
        for number in range(night, 0, -1):
            packed[number - 1].rename(packed[number])
        new = b"night %d\n" % night
        packed[0].write_bytes(gzip.compress(new))
        assert stored(organisation, organisation.take().id) == new
    verified(organisation)


def test_a_log_that_is_compressed_while_it_is_still_there_is_not_stored_twice(organisation, log, verified):
    log.rename(log.with_name("chat.log.1"))
    log.write_bytes(FRESH)
    organisation.take()
    log.with_name("chat.log.1.gz").write_bytes(gzip.compress(FIRST))
    assert stored(organisation, organisation.take().id) == b""
    log.with_name("chat.log.1").unlink()
    assert stored(organisation, organisation.take().id) == b""
    verified(organisation)


@pytest.mark.parametrize("other", ["chat.log.1", "idle.log"])
def test_a_log_that_was_emptied_says_so_although_another_one_is_empty(organisation, log, verified, other):
    log.with_name(other).touch()
    organisation.take()
    os.truncate(log, 0)
    organisation.take()
    assert became(organisation)["chat.log",] == ("captured", "truncated")
    verified(organisation)


def test_a_log_that_has_the_bytes_of_another_says_what_it_lost(organisation, log, verified):
    other = log.with_name("other.log")
    other.write_bytes(FRESH)
    organisation.take()
    log.write_bytes(FRESH)
    organisation.take()
    line = next(line for line in organisation.said() if line.item.path == "chat.log")
    assert (line.reason, line.parts[0].of.path) == ("rewritten", "other.log")
    assert line.detail.endswith("; now it has the bytes of logs/other.log")
    other.write_bytes(MORE)
    organisation.take()
    other.unlink()
    log.rename(other)
    assert stored(organisation, organisation.take().id) == b""
    assert became(organisation)["other.log",] == ("captured", "replaced")
    verified(organisation)


def test_a_log_that_begins_with_an_older_one_says_what_it_lost(organisation, log, verified):
    rotated = log.with_name("chat.log.1")
    log.rename(rotated)
    log.write_bytes(MORE)
    organisation.take()
    shutil.copyfile(rotated, log)  # the same file, with other bytes
    with log.open("ab") as file:
        file.write(b"new\n")
    rotated.unlink()
    assert stored(organisation, organisation.take().id) == b"new\n"
    assert became(organisation)["chat.log",] == ("captured", "rewritten")
    verified(organisation)


def test_a_log_that_grew_and_has_the_bytes_of_its_other_name_lost_nothing(organisation, log, verified):
    log.with_name("a.log").hardlink_to(log)
    organisation.take()
    with log.open("ab") as file:
        file.write(MORE)
    assert stored(organisation, organisation.take().id) == MORE
    assert became(organisation)["a.log",] == ("captured", "grown")
    assert became(organisation)["chat.log",] == ("captured", "duplicate")
    verified(organisation)


def test_files_that_follow_each_other_under_a_number_are_rotated_and_lost_nothing(organisation, log, verified):
    for night in range(3):
        for number in (2, 1):
            if log.with_name(f"chat.log.{number}").exists():
                log.with_name(f"chat.log.{number}").rename(log.with_name(f"chat.log.{number + 1}"))
        log.rename(log.with_name("chat.log.1"))
        log.write_bytes(b"night %d\n" % night)
        organisation.take()
    assert became(organisation)["chat.log.1",] == became(organisation)["chat.log.2",] == ("captured", "rotated")
    assert became(organisation)["chat.log",] == ("captured", "replaced")
    verified(organisation)


@pytest.mark.parametrize(("step", "then"), [("raise_locks", "captured"), ("state", "absent")])
def test_a_log_that_was_not_there_when_a_run_was_killed_is_taken_if_that_is_not_accounted_for_yet(
    organisation, log, verified, step, then
):
    def stop(*_words):
        raise KeyboardInterrupt

    log.rename(log.with_name("chat.log.1"))  # the new one is not there yet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, step, stop)
        with pytest.raises(KeyboardInterrupt):
            organisation.take()
    log.write_bytes(FRESH)
    organisation.take()
    assert became(organisation)["chat.log",][0] == then
    if then == "absent":
        organisation.take()
    assert became(organisation)["chat.log",] == ("captured", "replaced")
    verified(organisation)


def packed_in_gzip(data: bytes) -> bytes:
    return gzip.compress(data)


def packed_in_tar(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        one = tarfile.TarInfo("a.log")
        one.size = len(data)
        tar.addfile(one, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("packed", [packed_in_gzip, packed_in_tar])
@pytest.mark.parametrize("then", [FIRST, FIRST + MORE, MORE], ids=["as-it-was", "grown", "others"])
def test_a_run_goes_on_that_was_killed_when_only_what_is_inside_a_log_was_on_record(
    organisations, verified, packed, then
):
    place = organisations(records=10)
    place.write_policy(lambda text: text.replace("kind: model_logs", "kind: model_logs\n    unpack: [tar]"))
    path = place.logs / "a.packed"
    path.write_bytes(packed(FIRST))
    (place.logs / "b.log").write_bytes(FRESH)
    entered = []

    def enter(self, batch, lines, progress=None):
        lines = list(lines)
        real(self, batch, lines, progress)
        entered.extend(line.item for line in lines)
        if any("members" in item for item in entered):
            raise KeyboardInterrupt

    real = Journal.enter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "enter", enter)
        with pytest.raises(KeyboardInterrupt):
            place.take()
    assert not any("a.packed" in item and "members" not in item for item in entered)
    path.write_bytes(packed(then))
    kept = then + FRESH + (b"" if then == FIRST else FIRST)  # rows of a killed run stay
    assert sorted(stored(place, place.take().id).splitlines()) == sorted(kept.splitlines())
    for _ in range(2):
        (line,) = (line for line in place.said() if line.item.members)
        assert (line.size, line.sha256) == (len(then), hashlib.sha256(then).hexdigest())
        place.take()
    verified(place)
