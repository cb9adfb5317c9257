"""What comes back from an archive: the same bytes, nothing else, nowhere else."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
from pathlib import Path

import pytest

from archiver.errors import Exit, UsageError
from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.places import inner_path
from archiver.flows.restore.restore import Restored, restore
from archiver.model.item import Item
from archiver.sources import files
from archiver.sources.base import Problem, ReadProblem


def bring_back(place, to: Path, **options) -> Restored:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        return restore(reading, to=to, listener=silent, **options)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return every name below a folder with its bytes, None for a folder."""
    return {
        os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace"): None
        if path.is_dir()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def reasons(done: Restored) -> dict[str, str]:
    return {Item.parse(one.item).path: one.reason for one in done.not_restored}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "restored"


def test_everything_comes_back_byte_for_byte(filled, target):
    filled.take()
    done = bring_back(filled, target)
    kept = {name: data for name, data in tree(filled.papers).items() if "~$" not in name}
    assert tree(target / "papers") == kept
    assert tree(target / "logs") == tree(filled.logs)
    assert sorted(path.name for path in target.iterdir()) == ["logs", "papers"]
    assert (done.files, done.exit) == (5, Exit.OK)


def test_what_a_rule_kept_out_is_listed_and_no_reason_to_worry(filled, target):
    filled.take()
    done = bring_back(filled, target)
    assert reasons(done) == {"~$memo.docx": "excluded"}
    assert done.exit == Exit.OK


def test_mode_times_and_attributes_come_back(filled, target):
    memo = filled.papers / "jdoe" / "memo.txt"
    os.setxattr(memo, "user.origin", b"scanner\x00\xff")
    memo.chmod(0o640)
    os.utime(memo, ns=(1_000_000_001, -5_000_000_000))
    (filled.papers / "jdoe").chmod(0o750)
    os.utime(filled.papers / "jdoe", ns=(7, 2_000_000_002))
    filled.take()
    done = bring_back(filled, target)
    copy = target / "papers" / "jdoe" / "memo.txt"
    found, folder = copy.stat(), copy.parent.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o640, -5_000_000_000)
    assert (stat.S_IMODE(folder.st_mode), folder.st_mtime_ns) == (0o750, 2_000_000_002)
    assert os.getxattr(copy, "user.origin") == b"scanner\x00\xff"
    assert done.notes == ()


def test_setuid_is_left_off_and_said(filled, target):
    (filled.papers / "empty").chmod(0o4755)
    filled.take()
    done = bring_back(filled, target)
    assert stat.S_IMODE((target / "papers" / "empty").stat().st_mode) == 0o755
    assert [remark for _, remark in done.notes] == ["the mode was 4755; setuid and setgid are left off"]


def test_holes_come_back_as_holes(filled, target):
    sparse = filled.papers / "sparse.img"
    with sparse.open("wb") as file:
        file.seek(20 << 20)
        file.write(b"end")
    filled.take()
    bring_back(filled, target)
    copy = target / "papers" / "sparse.img"
    assert copy.read_bytes() == sparse.read_bytes()
    assert copy.stat().st_blocks <= sparse.stat().st_blocks


def test_hard_links_come_back_as_hard_links(filled, target):
    os.link(filled.papers / "jdoe" / "memo.txt", filled.papers / "again.txt")
    filled.take()
    done = bring_back(filled, target)
    one, two = target / "papers" / "jdoe" / "memo.txt", target / "papers" / "again.txt"
    assert one.stat().st_ino == two.stat().st_ino
    assert two.read_bytes() == b"keep everything\n"
    assert done.files == 6


def test_a_hard_link_comes_back_without_the_other(filled, target):
    os.link(filled.papers / "jdoe" / "memo.txt", filled.papers / "zzz.txt")
    filled.take()
    bring_back(filled, target, path_glob="zzz.txt")
    assert tree(target) == {"papers": None, "papers/zzz.txt": b"keep everything\n"}


def test_links_and_fifos_are_listed_and_not_made(filled, target):
    (filled.papers / "link").symlink_to("/etc/passwd")
    os.mkfifo(filled.papers / "pipe")
    filled.take()
    done = bring_back(filled, target)
    assert reasons(done) == {"link": "symlink", "pipe": "fifo", "~$memo.docx": "excluded"}
    detail = next(one.detail for one in done.not_restored if one.reason == "symlink")
    assert detail == "a link to /etc/passwd; links are not made again"
    assert not (target / "papers" / "link").is_symlink()
    assert done.exit == Exit.OK


def test_what_failed_is_listed_and_makes_the_restore_incomplete(filled, target, monkeypatch):
    real = files.open_file

    def refusing(location, path):
        if path == b"jdoe/memo.txt":
            raise ReadProblem(Problem("permission-denied", "jdoe/memo.txt: Permission denied", 13))
        return real(location, path)

    monkeypatch.setattr(files, "open_file", refusing)
    filled.take()
    done = bring_back(filled, target)
    assert reasons(done)["jdoe/memo.txt"] == "failed"
    assert (done.exit, (target / "papers" / "jdoe" / "memo.txt").exists()) == (Exit.INCOMPLETE, False)


def test_any_snapshot_comes_back_as_it_was(filled, target, tmp_path):
    first = filled.take()
    (filled.papers / "jdoe" / "memo.txt").write_bytes(b"shred everything\n")
    (filled.papers / "empty").unlink()
    second = filled.take()
    bring_back(filled, target, snapshot=first.id)
    bring_back(filled, tmp_path / "second", snapshot=second.id)
    assert (target / "papers" / "jdoe" / "memo.txt").read_bytes() == b"keep everything\n"
    assert (target / "papers" / "empty").read_bytes() == b""
    assert (tmp_path / "second" / "papers" / "jdoe" / "memo.txt").read_bytes() == b"shred everything\n"
    assert not (tmp_path / "second" / "papers" / "empty").exists()
    assert (tmp_path / "second" / "logs" / "chat.jsonl").read_bytes() == (filled.logs / "chat.jsonl").read_bytes()


def test_items_that_lie_in_several_batches_come_back_whole(organisations, target):
    place = organisations(records=7)
    lines = b"".join(b'{"n":%d}\n' % number for number in range(100))
    (place.logs / "a.jsonl").write_bytes(lines)
    (place.logs / "b.jsonl").write_bytes(lines[:500])
    place.take()
    bring_back(place, target)
    assert tree(target / "logs") == {"a.jsonl": lines, "b.jsonl": lines[:500]}


def test_a_part_of_a_snapshot_comes_back_alone(filled, target):
    filled.take()
    bring_back(filled, target, source="papers", path_glob="jdoe/*")
    assert tree(target) == {"papers": None, "papers/jdoe": None, "papers/jdoe/memo.txt": b"keep everything\n"}


def test_what_is_inside_a_compressed_log_comes_back_beside_the_source(filled, target):
    lines = b'{"a":1}\n{"b":2}\n'
    packed = gzip.compress(lines)
    (filled.logs / "old").mkdir()
    (filled.logs / "old" / "a!b.jsonl.gz").write_bytes(packed)
    filled.take()
    bring_back(filled, target, source="logs", path_glob="old/**", decoded=True)
    assert tree(target) == {
        "logs": None,
        "logs.decoded": None,
        "logs.decoded/old": None,
        "logs.decoded/old/a%21b.jsonl.gz!gzip": lines,
        "logs/old": None,
        "logs/old/a!b.jsonl.gz": packed,
    }


def test_a_truncated_log_is_whole_as_it_was_and_its_content_is_what_could_be_read(filled, target, tmp_path):
    packed = gzip.compress(b"".join(b'{"n":%d}\n' % number for number in range(50_000)))[:-9000]
    (filled.logs / "cut.jsonl.gz").write_bytes(packed)
    filled.take()
    plain = bring_back(filled, target)
    assert ((target / "logs" / "cut.jsonl.gz").read_bytes(), plain.exit) == (packed, Exit.OK)
    done = bring_back(filled, tmp_path / "decoded", decoded=True)
    inner = (tmp_path / "decoded" / "logs.decoded" / "cut.jsonl.gz!gzip").read_bytes()
    assert inner.startswith(b'{"n":0}\n{"n":1}\n')
    assert done.exit == Exit.INCOMPLETE


def test_inner_names_never_meet():
    assert inner_path(Item("logs", "a!gzip", ("zstd",))) == "a%21gzip!zstd"
    assert inner_path(Item("logs", "a", ("gzip", "zstd"))) == "a!gzip!zstd"
    assert inner_path(Item("logs", "a", ("zip:12:b/c!d.txt",))) == "a!zip:12:b%2Fc%21d.txt"


@pytest.mark.parametrize("make", ["file", "full", "link-to-full"])
def test_a_target_that_is_not_empty_is_refused_before_anything_is_done(filled, target, make):
    filled.take()
    if make == "file":
        target.write_bytes(b"")
    else:
        real = target if make == "full" else target.with_name("real")
        real.mkdir()
        (real / "mine").write_bytes(b"mine")
        if make == "link-to-full":
            target.symlink_to(real)
    with pytest.raises(UsageError):
        bring_back(filled, target)
    if make != "file":
        assert [path.name for path in target.iterdir()] == ["mine"]


def test_an_empty_target_is_taken(filled, target):
    filled.take()
    target.mkdir()
    assert bring_back(filled, target).exit == Exit.OK


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"snapshot": "20200101T000000Z-000000"}, "no-such-snapshot"),
        ({"source": "nobody"}, "no-such-source"),
        ({"path_glob": "nothing/**"}, "nothing-matches"),
        ({"path_glob": "a/"}, "glob-refused"),
    ],
)
def test_what_is_not_there_is_refused_and_no_folder_is_made(filled, target, options, code):
    filled.take()
    with pytest.raises(UsageError) as refused:
        bring_back(filled, target, **options)
    assert (refused.value.code, target.exists()) == (code, False)


def test_an_auditor_restores_with_a_trust_file_and_a_copy(filled, target, tmp_path):
    filled.take()
    shutil.copytree(filled.archive, tmp_path / "copy")
    shutil.copy(filled.trust, tmp_path / "trust.json")
    with open_reading(
        None, str(tmp_path / "copy"), trust_path=tmp_path / "trust.json", clock=filled.clock, listener=silent
    ) as reading:
        assert (reading.trusted, reading.warnings) == (True, ())
        assert restore(reading, to=target, listener=silent).files == 5


def test_without_a_trust_file_it_is_said_that_nothing_is_proven(filled):
    filled.take()
    with open_reading(None, str(filled.archive), clock=filled.clock, listener=silent) as reading:
        assert reading.trusted is False
        assert "no trust file" in reading.warnings[0]


def test_a_place_without_an_archive_is_refused(tmp_path, clock):
    with (
        pytest.raises(UsageError) as refused,
        open_reading(None, str(tmp_path / "nowhere"), clock=clock, listener=silent),
    ):
        pass
    assert refused.value.code == "no-such-archive"
