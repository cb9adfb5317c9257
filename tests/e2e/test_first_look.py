"""What is unchanged at the first look is settled by it, and says what a second look would have said."""

from __future__ import annotations

import os
import zipfile
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from archiver.catalog.catalog import Catalog
from archiver.errors import UsageError, WorldError
from archiver.flows.snapshot import first_look
from archiver.flows.snapshot.collecting import Collecting
from archiver.flows.state import StateFolder
from archiver.sources.files import walk
from archiver.stores.folder import FolderStore
from archiver.writer.journal import Journal

CHANGED, GONE, NEW = "memo-3.txt", "memo-4.txt", "new.txt"


def fill(place) -> None:
    """Lay out documents and a log, so old that their times speak for them, a zip that is taken apart, and a link."""
    for number in range(20):
        (place.papers / f"memo-{number}.txt").write_bytes(b"memo %d\n" % number)
    (place.papers / "jdoe").mkdir()
    with zipfile.ZipFile(place.papers / "jdoe" / "packed.zip", "w") as packed:
        packed.writestr(zipfile.ZipInfo("a.txt"), b"in a zip\n")
    (place.papers / "link").symlink_to("memo-1.txt")
    (place.logs / "chat.jsonl").write_bytes(b'{"prompt":"a"}\n{"prompt":"b"}\n')
    settle(place)


def settle(place) -> None:
    """Let the clock of the run be long after the files were last changed, whenever this test runs."""
    newest = max(path.lstat().st_ctime for path in place.root.rglob("*"))
    place.now = max(place.now, place.now.fromtimestamp(int(newest), place.now.tzinfo))
    place.later(hours=1)


def change(place) -> None:
    (place.papers / CHANGED).write_bytes(b"other words\n")
    (place.papers / GONE).unlink()
    (place.papers / NEW).write_bytes(b"new\n")
    settle(place)


def what(line):
    """Return a line without what differs from run to run."""
    parts = tuple(replace(part, batch=part.batch.split("-", 2)[2]) for part in line.parts)
    file = {name: value for name, value in (line.file or {}).items() if name in ("mode", "owner", "xattrs", "holes")}
    return replace(line, observed_at="", parts=parts, file=file, detail=line.detail and line.detail[:20])


@pytest.fixture
def place(organisations):
    found = organisations(until="2100-01-01T00:00:00Z")
    fill(found)
    found.take()
    return found


def test_a_second_look_says_the_same(organisations, verified, monkeypatch):
    found = []
    for kept in (1 << 17, 0):  # none is left over for the capture: it looks again, and finds the lines of the packs
        monkeypatch.setattr(first_look, "_KEPT", kept)
        place = organisations(until="2100-01-01T00:00:00Z")
        fill(place)
        place.take()
        change(place)
        place.take()
        second = [what(line) for line in place.said()]
        place.later(hours=1)
        place.take()
        found.append((second, [what(line) for line in place.said()]))
        verified(place)

    assert found[0] == found[1]
    second = {line.item.path: line.status for line in found[0][0] if not line.item.members}
    assert {second.pop(name) for name in (CHANGED, NEW)} == {"captured"}
    assert (second.pop(GONE), second.pop("link"), second.pop("jdoe")) == ("absent", "recorded", "recorded")
    assert set(second.values()) == {"unchanged"}
    assert len(second) == 18 + 1 + 1


def test_what_is_not_read_is_said_without_what_reads(place, verified, monkeypatch):
    (place.papers / "jdoe" / "packed.zip").unlink()
    (place.papers / "jdoe" / "~$late.docx").write_bytes(b"not kept")
    (place.papers / "jdoe" / "HEADS").mkdir()
    os.mkfifo(place.papers / "jdoe" / "fifo")
    settle(place)
    place.take()

    def take(*_: object) -> None:
        pytest.fail("nothing is to be read")

    said = []
    for way, other in (("_first_to_take", lambda _self, seen: next(seen, None)), ("_take", take)):
        with monkeypatch.context() as patched:
            patched.setattr(Collecting, way, other)
            place.later(hours=1)
            place.take()
        said.append([what(line) for line in place.said()])
    verified(place)

    assert said[0] == said[1]
    statuses = {line.item.path: line.status for line in said[0] if line.item.path.startswith("jdoe/")}
    assert statuses == {"jdoe/HEADS": "recorded", "jdoe/fifo": "recorded", "jdoe/~$late.docx": "excluded"}


def test_all_is_said_of_a_directory_and_of_a_link(place):
    """Both are recorded by the first look of a run, which asks for no more than it must."""
    with suppress(OSError):  # no attributes here
        os.setxattr(place.papers / "jdoe", "user.note", b"kept")
    settle(place)
    place.take()

    lines = {line.item.path: line for line in place.said() if line.kind in ("directory", "symlink")}
    found = {one.path.decode(): one.facts for one in walk(place.papers) if one.kind in ("directory", "symlink")}
    assert {name: line.status for name, line in lines.items()} == {"jdoe": "recorded", "link": "recorded"}
    assert {name: {**line.file, "atime_ns": "0"} for name, line in lines.items()} == {
        name: facts._replace(atime_ns=0).to_json() for name, facts in found.items()
    }


def test_a_custodian_and_the_time_of_the_look_are_said_again(place):
    place.later(hours=1)
    done = place.take()

    line = next(line for line in place.said() if line.item.path == "memo-1.txt")
    assert (line.status, line.basis) == ("unchanged", "stat")
    assert line.observed_at == place.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert done.tallies[0].counts.unchanged == 21


def test_the_catalog_keeps_what_it_knows(place):
    def known() -> dict[str, tuple[bytes, str]]:
        with closing(Catalog(StateFolder(place.policy.state).catalog, read_only=True)) as catalog:
            return {line.item.text(): (line.encode(), line.status) for line in catalog.present("papers")}

    before = known()
    place.later(hours=1)
    place.take()

    after = known()
    assert after.keys() == before.keys()
    plain = {text for text, (_, status) in before.items() if status == "captured" and "packed.zip" not in text}
    assert len(plain) == 20
    assert {text for text in before if after[text] == before[text]} >= plain


def test_a_refused_run_leaves_nothing_that_the_next_one_counts(place, verified):
    change(place)
    place.write_policy(lambda text: text.replace("snapshot_bytes: 1TiB", "snapshot_bytes: 1"))
    with pytest.raises(UsageError, match="at most 1 new bytes"):
        place.take()
    (place.papers / "memo-5.txt").unlink()
    place.write_policy()
    place.take()

    statuses = {line.item.path: line.status for line in place.said()}
    assert (statuses["memo-5.txt"], statuses[GONE], statuses["memo-6.txt"]) == ("absent", "absent", "unchanged")
    verified(place)


def test_who_is_asked_for_long_is_followed_by_another_look(place, verified):
    change(place)

    def think(_survey: object) -> None:
        place.later(minutes=10)
        (place.papers / "later.txt").write_bytes(b"written while somebody was asked\n")

    place.take(confirm=think)

    statuses = {line.item.path: line.status for line in place.said()}
    assert (statuses["later.txt"], statuses["memo-6.txt"]) == ("captured", "unchanged")
    verified(place)


@pytest.mark.parametrize("table", ["items", "documents"])
def test_a_killed_run_goes_on_with_what_was_settled(place, verified, monkeypatch, table):
    change(place)
    put = FolderStore.put

    def killed(store, key, *rest, **words):
        if f"data/{table}/" in key:
            raise WorldError("killed", "the run ends here")
        return put(store, key, *rest, **words)

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", killed)
        with pytest.raises(WorldError, match="the run ends here"):
            place.take()
    with closing(Journal(StateFolder(place.policy.state).journal)) as journal:
        unfinished = journal.run()
        assert sum(len(pack.lines) for pack in journal.said_again.packs()) == 19
    place.later(hours=1)
    done = place.take()

    assert done.id == unfinished.snapshot
    lines = [line for line in place.said(done.id) if not line.item.members]
    assert len(lines) == len({line.item.path for line in lines}) == 25
    assert done.tallies[0].counts.unchanged == 19
    verified(place)


def test_what_another_run_has_said_meanwhile_is_learnt_first(place, verified, monkeypatch):
    """A catalog that lacks the lines of a snapshot settles nothing by a look."""
    change(place)
    place.take()
    with closing(Catalog(StateFolder(place.policy.state).catalog)) as catalog:
        catalog._db.execute(
            "UPDATE snapshots SET items_known = 0 WHERE position = (SELECT max(position) FROM snapshots)"
        )
    place.later(hours=1)
    place.take()

    statuses = {line.item.path: line.status for line in place.said()}
    assert GONE not in statuses
    assert statuses[NEW] == "unchanged"
    verified(place)


def test_a_file_of_the_same_stamp_on_another_device_says_where_it_is(place):
    """What a line says of the system is as it is now: only what is the same is taken over."""
    os.chown(place.papers / "memo-7.txt", os.getuid(), os.getgid())
    settle(place)
    place.take()

    line = next(line for line in place.said() if line.item.path == "memo-7.txt")
    assert line.file["ctime_ns"] == str((place.papers / "memo-7.txt").stat().st_ctime_ns)
