"""Logs that grow, rotate, shrink and come twice: what is new is stored, nothing twice, nothing lost, all of it said."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archiver.catalog.catalog import Catalog
from archiver.events import silent
from archiver.flows import uploads
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.snapshot.capture import Capture
from archiver.flows.state import StateFolder
from archiver.sources import opening
from archiver.sources.base import Problem, ReadProblem

FIRST = b"".join(b'{"request_id":"r%d","model":"m"}\n' % number for number in range(50))
MORE = b"".join(b'{"request_id":"s%d","model":"m"}\n' % number for number in range(7))


def line_of(place, path: str, *members: str):
    return next(line for line in place.said() if (line.item.path, line.item.members) == (path, members))


def stored(place, snapshot: str, table: str = "model_logs") -> bytes:
    """Return the raw bytes of all rows that a snapshot wrote, in order."""
    found = b""
    for path in sorted(place.archive.glob(f"data/{table}/*/{snapshot}-*.parquet")):
        found += b"".join(pq.read_table(path, columns=["raw"])["raw"].to_pylist())
    return found


def gives_back(place, name: str) -> None:
    """Demand that the newest snapshot restores to what lies in the source now."""
    target = place.root / f"restored-{name}"
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=target, listener=silent)
    for folder in ("logs", "papers"):
        wanted = {path.name: path.read_bytes() for path in (place.root / folder).rglob("*") if path.is_file()}
        found = {path.name: path.read_bytes() for path in (target / folder).rglob("*") if path.is_file()}
        assert found == wanted


@pytest.fixture
def log(organisation) -> Path:
    (organisation.papers / "memo.txt").write_bytes(b"keep\n")
    path = organisation.logs / "chat.log"
    path.write_bytes(FIRST)
    organisation.take()
    return path


@pytest.mark.parametrize("added", [MORE, b"\n", b"x", b"a\nb", b"\xff\x00\n" * 3])
def test_a_log_that_grew_yields_only_its_new_lines(organisation, log, verified, added):
    with log.open("ab") as file:
        file.write(added)
    done = organisation.take()
    assert stored(organisation, done.id) == added
    line = line_of(organisation, "chat.log")
    assert (line.status, line.reason, line.size) == ("captured", "grown", len(FIRST + added))
    assert line.parts[0].count == 50
    gives_back(organisation, "grown")
    verified(organisation)


def test_an_unfinished_last_line_is_taken_at_once_and_again_when_it_is_whole(organisation, log, verified):
    with log.open("ab") as file:
        file.write(b'{"request_id":"half')
    assert stored(organisation, organisation.take().id) == b'{"request_id":"half'
    gives_back(organisation, "half")
    with log.open("ab") as file:
        file.write(b'"}\nnext\n')
    done = organisation.take()
    assert stored(organisation, done.id) == b'{"request_id":"half"}\nnext\n'
    line = line_of(organisation, "chat.log")
    assert [(part.count, part.batch.startswith(done.id)) for part in line.parts] == [(50, False), (2, True)]
    gives_back(organisation, "whole")
    verified(organisation)


def test_a_log_of_one_unfinished_line_is_captured_again_from_its_first_byte(organisation, verified):
    path = organisation.logs / "chat.log"
    path.write_bytes(b"half")
    organisation.take()
    path.write_bytes(b"half a line\n")
    done = organisation.take()
    assert stored(organisation, done.id) == b"half a line\n"
    assert [part.batch[: len(done.id)] for part in line_of(organisation, "chat.log").parts] == [done.id]
    gives_back(organisation, "one")
    verified(organisation)


def test_a_hundred_appends_make_one_log(organisation, log, verified):
    chance = random.Random(1)
    for _ in range(12):
        with log.open("ab") as file:
            file.write(chance.choice([MORE, b"tail", b"\n", b"tail\nmore"]))
        organisation.take()
    gives_back(organisation, "many")
    verified(organisation)


@pytest.mark.parametrize("added", [b"", MORE])
@pytest.mark.parametrize("fresh", [None, b"", b"fresh\n", FIRST + FIRST])
def test_rotation_by_rename_takes_nothing_twice(organisation, log, verified, added, fresh):
    with log.open("ab") as file:
        file.write(added)
    log.rename(log.with_name("chat.log.1"))
    if fresh is not None:
        log.write_bytes(fresh)
    done = organisation.take()
    rotated = line_of(organisation, "chat.log.1")
    assert (rotated.reason, rotated.size) == ("rotated", len(FIRST + added))
    assert rotated.parts[0].of is not None
    expected = (FIRST if fresh == FIRST + FIRST else fresh or b"") + added  # a fresh log that begins alike shares rows
    assert sorted(stored(organisation, done.id).split(b"\n")) == sorted(expected.split(b"\n"))
    gives_back(organisation, "renamed")
    verified(organisation)


def test_rotation_by_copy_and_truncate_takes_nothing_twice(organisation, log, verified):
    with log.open("ab") as file:
        file.write(MORE)
    shutil.copyfile(log, log.with_name("chat.log-20261123"))
    os.truncate(log, 0)
    with log.open("ab") as file:
        file.write(b"fresh\n")
    done = organisation.take()
    assert sorted(stored(organisation, done.id).splitlines()) == sorted((MORE + b"fresh\n").splitlines())
    assert line_of(organisation, "chat.log-20261123").reason == "rotated"
    assert line_of(organisation, "chat.log").reason == "truncated"
    gives_back(organisation, "copied")
    verified(organisation)


def test_rotation_by_compression_takes_what_is_inside_once(organisation, log, verified):
    with log.open("ab") as file:
        file.write(MORE)
    log.with_name("chat.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    done = organisation.take()
    inner = line_of(organisation, "chat.log.1.gz", "gzip")
    assert inner.size == len(FIRST + MORE)
    assert stored(organisation, done.id) == MORE
    gives_back(organisation, "packed")
    verified(organisation)


def test_a_chain_of_rotations_over_several_snapshots(organisation, log, verified):
    for number in range(4):
        for generation in range(3, 0, -1):
            older = log.with_name(f"chat.log.{generation}")
            if older.exists():
                older.rename(log.with_name(f"chat.log.{generation + 1}"))
        log.rename(log.with_name("chat.log.1"))
        log.write_bytes(b"generation %d\n" % number)
        done = organisation.take()
        assert stored(organisation, done.id) == b"generation %d\n" % number
    gives_back(organisation, "chain")
    verified(organisation)


def test_a_compressed_log_that_is_renamed_is_not_decoded_into_rows_again(organisation, verified):
    packed = organisation.logs / "chat.log.1.gz"
    packed.write_bytes(gzip.compress(FIRST))
    organisation.take()
    packed.rename(organisation.logs / "chat.log.2.gz")
    done = organisation.take()
    assert set(done.batches) == {"items"}
    gives_back(organisation, "moved")
    verified(organisation)


def test_a_log_that_lost_its_beginning_is_said_to_be_cut_short_or_written_anew(organisation, log, verified):
    os.truncate(log, 100)
    organisation.take()
    line = line_of(organisation, "chat.log")
    assert (line.status, line.reason) == ("captured", "truncated")
    assert str(len(FIRST)) in line.detail
    with log.open("r+b") as file:
        file.write(b"X")
        file.seek(0, os.SEEK_END)
        file.write(b"and more\n")
    organisation.take()
    assert line_of(organisation, "chat.log").reason == "rewritten"
    log.unlink()
    log.write_bytes(b"Y" * 300)
    organisation.take()
    assert line_of(organisation, "chat.log").reason in ("replaced", "rewritten")  # a file system may reuse the inode
    gives_back(organisation, "lost")
    verified(organisation)


def test_the_same_bytes_are_stored_once(organisation, verified):
    body = random.Random(2).randbytes(9_000_000)
    for name in ("a.bin", "b.bin", "deep/c.bin"):
        path = organisation.papers / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
    done = organisation.take()
    assert len(stored(organisation, done.id, "documents")) == len(body)
    (organisation.papers / "later.bin").write_bytes(body)
    later = organisation.take()
    assert set(later.batches) == {"items"}
    gives_back(organisation, "twins")
    verified(organisation)


def gone_for_a_night(place, how):
    """Take a snapshot while nothing can be read: the folders are empty, or nothing in them may be opened."""
    kept = place.root / "elsewhere"
    kept.mkdir()
    if how == "not there":
        for folder in (place.logs, place.papers):
            shutil.move(folder, kept / folder.name)
            folder.mkdir()
        place.take()
        for folder in (place.logs, place.papers):
            folder.rmdir()
            shutil.move(kept / folder.name, folder)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "_open_item", refused)
        patch.setattr(opening.Openings, "file", refused)
        place.take()


def refused(*_words):
    raise ReadProblem(Problem("io-error", "Input/output error", 5))


@pytest.mark.parametrize("how", ["not there", "not readable"])
def test_what_could_not_be_read_for_a_night_is_not_stored_again(organisation, verified, how):
    (organisation.papers / "memo.txt").write_bytes(b"to be kept\n")
    with zipfile.ZipFile(organisation.papers / "box.zip", "w") as box:
        box.writestr("inner.txt", "inside\n")
    log, rotated, cut = (organisation.logs / name for name in ("chat.log", "old.log", "cut.log"))
    packed = organisation.logs / "packed.log.gz"
    for path in (log, rotated, cut):
        path.write_bytes(path.name.encode() + b"\n" + FIRST)
    packed.write_bytes(gzip.compress(b"packed\n" + FIRST))
    organisation.take()
    if how == "not readable":
        for path in (*organisation.logs.iterdir(), *organisation.papers.iterdir()):
            os.utime(path, ns=(10**18, 10**18))  # else nobody would open it
    gone_for_a_night(organisation, how)
    assert line_of(organisation, "chat.log").status == ("absent" if how == "not there" else "failed")

    with log.open("ab") as file:
        file.write(MORE)
    rotated.rename(rotated.with_name("old.log.1"))
    os.truncate(cut, 100)
    done = organisation.take()
    assert stored(organisation, done.id) == MORE + cut.read_bytes()
    assert stored(organisation, done.id, "documents") == b""
    said = {(one.item.path, *one.item.members): (one.status, one.reason) for one in organisation.said()}
    assert said == {
        ("memo.txt",): ("unchanged", None),
        ("box.zip",): ("unchanged", None),
        ("box.zip", "zip:0:inner.txt"): ("unchanged", None),
        ("chat.log",): ("captured", "grown"),
        ("old.log.1",): ("captured", "rotated"),
        ("cut.log",): ("captured", "truncated"),
        ("packed.log.gz",): ("unchanged", None),
        ("packed.log.gz", "gzip"): ("captured", None),  # decoded again, and all of it is there
        **({} if how == "not there" else {("old.log",): ("absent", None)}),
    }
    gives_back(organisation, "back")
    verified(organisation)


def test_rows_are_not_shared_between_sources_of_other_matters(organisation, verified):
    def two_matters(text: str) -> str:
        second = text.partition("matters:\n")[2].partition("sources:")[0].replace("CASE-1", "CASE-2")
        return (
            text.replace("sources:\n", second + "sources:\n", 1)
            .replace("location: ./logs\n    matters: [CASE-1]", "location: ./logs\n    matters: [CASE-2]")
            .replace("kind: model_logs", "kind: documents")
        )

    organisation.write_policy(two_matters)
    (organisation.papers / "a").write_bytes(b"same")
    (organisation.logs / "a").write_bytes(b"same")
    done = organisation.take()
    assert stored(organisation, done.id, "documents") == b"samesame"
    verified(organisation)


def test_a_kill_in_a_growing_log_goes_on_behind_what_was_sealed(organisations, verified, monkeypatch):
    place = organisations(records=10)
    log = place.logs / "chat.log"
    log.write_bytes(FIRST)
    place.take()
    with log.open("ab") as file:
        file.write(MORE * 5)
    delivered = []

    def stop(session: object, batch: object, sent: object) -> None:
        if len(delivered) == 2:
            raise KeyboardInterrupt
        delivered.append(batch)
        real(session, batch)

    real = uploads.deliver
    monkeypatch.setattr(uploads, "deliver", stop)
    with pytest.raises(KeyboardInterrupt):
        place.take()
    monkeypatch.setattr(uploads, "deliver", real)
    done = place.take()
    rows = stored(place, done.id)
    assert rows == MORE * 5
    gives_back(place, "killed")
    verified(place)


def test_rehash_finds_bytes_that_changed_under_the_same_times(organisation, log, verified):
    memo = organisation.papers / "memo.txt"
    memo.write_bytes(b"to be kept\n")
    os.utime(memo, ns=(10**18, 10**18))
    organisation.take()
    before = memo.stat()
    memo.write_bytes(b"to be lost\n")
    os.utime(memo, ns=(before.st_atime_ns, before.st_mtime_ns))
    place = StateFolder(organisation.policy.state)
    pretend_same_ctime(place, memo)
    assert organisation.take().tallies[0].counts.unchanged == 1
    pretend_same_ctime(place, memo)
    done = organisation.take(rehash=True)
    assert (int(done.exit), done.status, done.tallies[0].unseen) == (3, "complete", ("memo.txt",))
    assert done.stored_bytes == len(b"to be lost\n")
    again = organisation.take(rehash=True)
    assert (int(again.exit), again.tallies[0].counts.unchanged) == (0, 1)
    gives_back(organisation, "rehashed")
    verified(organisation)


def test_rehash_does_not_say_of_what_is_written_to_meanwhile_that_it_changed_without_a_trace(
    organisation, log, verified, monkeypatch
):
    memo = organisation.papers / "memo.txt"
    for path in (memo, log):
        os.utime(path, ns=(10**18, 10**18))
        pretend_settled(StateFolder(organisation.policy.state), path)

    def written_to(self, sight, document=None):
        path = {"memo.txt": memo, "chat.log": log}[sight.item.path]
        assert sight.stands_still
        with path.open("ab") as file:  # between the look and the reading
            file.write(MORE)
        return whole(self, sight, document)

    whole = Capture.file
    with monkeypatch.context() as patch:
        patch.setattr(Capture, "file", written_to)
        done = organisation.take(rehash=True)
    assert (int(done.exit), [tally.unseen for tally in done.tallies]) == (0, [(), ()])
    assert (line_of(organisation, "memo.txt").reason, line_of(organisation, "chat.log").reason) == (None, "grown")
    gives_back(organisation, "written-to")
    verified(organisation)


def pretend_settled(place: StateFolder, path: Path) -> None:
    """Let the catalog remember a file as it is now, and as one that has been so for long."""
    catalog = Catalog(place.catalog)
    try:
        lines = [*catalog.present("papers"), *catalog.present("logs")]
        known = next(line for line in lines if line.item.path == path.name)
        now = {"mtime_ns": str(path.stat().st_mtime_ns), "ctime_ns": str(path.stat().st_ctime_ns)}
        line = replace(known, file={**known.file, **now}, observed_at="2999-01-01T00:00:00Z")
        catalog.absorb_items(catalog.last_snapshot().id, [line])
    finally:
        catalog.close()


def pretend_same_ctime(place: StateFolder, path: Path) -> None:
    """Let the catalog remember the ctime that a file has now: no test can set a file's own."""
    catalog = Catalog(place.catalog)
    try:
        known = next(line for line in catalog.present("papers") if line.item.path == path.name)
        file = {**known.file, "ctime_ns": str(path.stat().st_ctime_ns)}
        line = replace(known, file=file, observed_at="2999-01-01T00:00:00Z")  # long after, whenever this test runs
        catalog.absorb_items(catalog.last_snapshot().id, [line])
    finally:
        catalog.close()
