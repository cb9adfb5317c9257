"""What a restore does with an archive, or a target, that somebody has prepared."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from archiver.errors import EvidenceError, Exit, UsageError, WorldError
from archiver.events import silent
from archiver.flows.reading import Reading, open_reading
from archiver.flows.restore import plan, sorting
from archiver.flows.restore.restore import Restored, restore
from archiver.flows.restore.tree import NameRefusedError, open_tree
from archiver.model import tables
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.statement import By
from archiver.model.statement_snapshot import Counts, SnapshotPredicate, SnapshotSource

SNAPSHOT = "20261123T130000Z-0a1b2c"
BATCH = f"{SNAPSHOT}-documents-00000000"
NONE = Counts(seen=0, captured=0, unchanged=0, changed_during_read=0, failed=0, excluded=0, recorded=0, absent=0)

FILE = {"dev": "1", "ino": "1", "nlink": 1, "mode": 0o100640, "uid": 0, "gid": 0, "owner": None, "group": None,
        "atime_ns": "1000000001", "mtime_ns": "-5000000000", "ctime_ns": "1", "btime_ns": None, "link_target": None,
        "holes": [], "xattrs": {}}  # fmt: skip


@pytest.fixture(params=["at-one-go", "step-by-step"], autouse=True)
def _way(request, monkeypatch):
    """Write plain files both ways: what comes back and what is said is the same."""
    if request.param == "step-by-step":
        monkeypatch.setattr(sorting, "plain_or_lines", lambda lines: [(None, lines)])
        monkeypatch.setattr(plan, "plain_of", lambda _line: None)


class Told:
    """An archive that says whatever a test wants it to say, as one whose keys were stolen could."""

    def __init__(self) -> None:
        self.lines: list[ItemLine] = []
        self.rows: dict[str, list[tuple[str, int, bytes | None]]] = {}
        self.log = SimpleNamespace(size=1)
        self.unsealer = None
        self.predicate = SnapshotPredicate(
            archive="a", archive_id="0" * 32, id=SNAPSHOT, at="2026-11-23T13:00:00Z",
            by=By(tool="archiver", version="1", host="h", user="u", principal=None, clock_offset_s=None),
            previous=None, started="2026-11-23T13:00:00Z", finished="2026-11-23T13:00:00Z", log_size_at_start=0,
            status="complete", batches={"items": 1},
            sources=[SnapshotSource(id="papers", location="l", device=None, counts=NONE, excluded=[], bytes=0,
                                    new_bytes=0)],
        )  # fmt: skip

    def put(self, item: Item, data: bytes, **changes: object) -> None:
        """Add an item with one row of its own, described rightly but for the changes."""
        rows = self.rows.setdefault(BATCH, [])
        self.lines.append(line_of(item, data, **{"parts": (Part(BATCH, len(rows), 1),), **changes}))
        rows.append((item.text(), 0, data))

    def statements(self, kind: str) -> Iterator[tuple[int, object, bytes]]:
        yield 0, SimpleNamespace(kind=kind, predicate=self.predicate), b""

    def statement(self, kind: str, identity: str) -> tuple[int, str, bytes] | None:
        return (0, identity, b"") if identity in self.rows else None

    def stated(self, batch: str) -> tuple[int, str, bytes]:
        found = self.statement("batch", batch)
        if found is None:
            raise EvidenceError("statement-missing", f"batch {batch}: none")
        return found

    def demand_read(self, kind: str | None = None) -> None:
        """Do nothing: all that it says was read."""

    def items_batches(self, snapshot: str) -> list[str]:
        return [snapshot]

    def item_lines(self, snapshot: str) -> Iterator[bytes]:
        return (line.encode() for line in self.lines)

    def begin(self, statement: str) -> None:
        assert statement in self.rows

    def numbered_rows(
        self, statement: str, *, columns: object = None, spans: object
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        rows = self.rows[statement]
        for start in range(0, len(rows), 3):
            some = rows[start : start + 3]
            yield (
                start,
                pa.record_batch(
                    {
                        "record": pa.array(range(start, start + len(some)), pa.uint64()),
                        "item": pa.array([text for text, _, _ in some]).dictionary_encode(),
                        "offset": pa.array([offset for _, offset, _ in some], pa.uint64()),
                        "raw": pa.array([raw for _, _, raw in some], pa.large_binary()),
                        "withheld": pa.nulls(len(some), tables.WITHHELD),
                    }
                ),
            )


def line_of(item: Item, data: bytes, **changes: object) -> ItemLine:
    words = {"item": item, "kind": "file", "table": "documents", "status": "captured",
             "observed_at": "2026-11-23T13:00:00Z", "basis": "read", "size": len(data),
             "sha256": sha256(data).hexdigest(), "file": FILE}  # fmt: skip
    return ItemLine(**{**words, **changes})


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "in" / "restored"


def bring_back(told: Told, to: Path, **options: object) -> Restored:
    reading = Reading(told, None, None, trusted=True, warnings=(), exit=Exit.OK, now=datetime(2026, 11, 23, tzinfo=UTC))
    return restore(reading, to=to, listener=silent, **options)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("source", ["..", "../..", "/etc", "a/b", "", ".", ".restoring", "papers\n", "p.decoded"])
def test_a_source_that_is_no_plain_name_leads_nowhere(told, target, source):
    told.put(Item(source, "evil"), b"evil")
    done = bring_back(told, target)
    assert [one.reason for one in done.not_restored] == ["name-refused"]
    assert done.exit == Exit.INCOMPLETE
    assert names(target.parent) == ["restored"]


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "a//b", "./a", "."])
def test_a_path_that_leads_elsewhere_is_no_item_at_all(path):
    with pytest.raises(EvidenceError):
        ItemLine.parse(line_of(Item("papers", path), b"", parts=(Part(BATCH, 0, 1),)).encode())


def test_names_that_this_system_does_not_take_are_listed_and_the_rest_comes_back(told, target):
    told.put(Item("papers", "nul%00name"), b"1")
    told.put(Item("papers", "x" * 300), b"2")
    told.put(Item("papers", "deep/" * 3 + "y" * 256 + "/z"), b"3")
    told.put(Item("papers", "C:\\Windows\\..\\evil"), b"4")
    told.put(Item("papers", "good"), b"5")
    done = bring_back(told, target)
    assert [one.reason for one in done.not_restored] == ["name-refused"] * 3
    assert (target / "papers" / "good").read_bytes() == b"5"
    assert (target / "papers" / "C:\\Windows\\..\\evil").read_bytes() == b"4"
    assert done.exit == Exit.INCOMPLETE
    assert not (target / ".restoring").exists()


def test_a_file_that_another_one_lies_below_is_never_replaced(told, target):
    told.put(Item("papers", "a"), b"file")
    told.put(Item("papers", "a/b"), b"below")
    done = bring_back(told, target)
    assert (target / "papers" / "a").read_bytes() == b"file"
    assert [Item.parse(one.item).path for one in done.not_restored] == ["a/b"]


def test_two_items_of_one_name_do_not_overwrite_each_other(told, target):
    told.put(Item("papers", "a"), b"first")
    told.put(Item("papers", "a", (), "v2"), b"second")
    done = bring_back(told, target)
    assert (target / "papers" / "a").read_bytes() == b"first"
    assert (done.files, done.exit) == (1, Exit.INCOMPLETE)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_hard_link_of_a_file_that_lost_its_name_has_its_own_bytes(told, target, order):
    file = {**FILE, "nlink": 2, "ino": "77"}
    told.put(Item("papers", "a"), b"one")
    told.rows[BATCH] += [(Item("papers", "a").text(), 0, b"t"), (Item("papers", "a").text(), 1, b"wo")]
    if order == (2, 1):
        told.rows[BATCH][1:] = told.rows[BATCH][:0:-1]
    parts = tuple(Part(BATCH, row, 1) for row in order)
    told.lines.append(line_of(Item("papers", "a"), b"two", file=file, parts=parts))
    told.put(Item("papers", "b"), b"two", file=file)
    done = bring_back(told, target)
    assert done.counts == {"name-refused": 1}
    assert [(target / "papers" / name).read_bytes() for name in "ab"] == [b"one", b"two"]


def test_a_hard_link_of_another_size_than_the_file_is_refused(told, target):
    file = {**FILE, "nlink": 2, "ino": "77"}
    told.put(Item("papers", "a"), b"one", file=file)
    told.put(Item("papers", "b"), b"one", file=file, size=9)
    done = bring_back(told, target)
    assert done.counts == {"item-sha256": 1}
    assert names(target) == ["papers", "papers/a"]


@pytest.mark.parametrize(
    "facts",
    [
        {"atime_ns": None},
        {"mtime_ns": None},
        {"mtime_ns": "9" * 38},
        {"mode": 10**14 + 0o640},
        {"nlink": 2, "dev": None},
        {"nlink": 2, "ino": None},
        {"holes": [[2**52, 2**52]]},
        {"xattrs": {"a%00b": "YQ=="}},
    ],
)
def test_facts_that_no_file_can_have_cost_no_bytes(told, target, facts):
    file = {**FILE, **facts}
    told.put(Item("papers", "a"), b"one", file=file)
    told.put(Item("papers", "b"), b"one", file=file)
    told.lines.append(line_of(Item("papers", "c"), b"", kind="directory", status="recorded", file=file))
    done = bring_back(told, target)
    assert (done.files, done.folders, done.exit) == (2, 1, Exit.OK)
    assert [(target / "papers" / name).read_bytes() for name in "ab"] == [b"one", b"one"]


def test_bytes_that_do_not_have_the_stated_digest_are_not_written(told, target):
    told.put(Item("papers", "a"), b"as it is", sha256="0" * 64)
    told.put(Item("papers", "b"), b"as it is", size=9)
    told.put(Item("papers", "c"), b"good")
    done = bring_back(told, target)
    assert {Item.parse(one.item).path: one.reason for one in done.not_restored} == {
        "a": "item-sha256",
        "b": "item-sha256",
    }
    assert names(target) == ["papers", "papers/c"]
    assert done.exit == Exit.INTEGRITY


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([("mine", 0, b"one"), ("mine", 4, b"two")], [(0, 2)]),
        ([("mine", 0, b"one"), ("mine", 2, b"two")], [(0, 2)]),
        ([("mine", 3, b"one")], [(0, 1)]),
        ([("mine", 0, b"one"), ("other", 3, b"two")], [(0, 2)]),
        ([("mine", 0, b"one")], [(0, 2)]),
        ([("mine", 0, b"one")], [(5, 1)]),
        ([("mine", 0, b"one"), ("mine", 3, b"two")], [(1, 1), (0, 1)]),
    ],
    ids=["gap", "overlap", "late", "another-item", "short", "behind", "backwards"],
)
def test_rows_that_are_not_the_item_are_refused(told, target, rows, parts):
    item = Item("papers", "mine")
    told.rows[BATCH] = [(Item("papers", name).text(), offset, raw) for name, offset, raw in rows]
    told.lines = [line_of(item, b"onetwo", parts=tuple(Part(BATCH, *part) for part in parts))]
    done = bring_back(told, target)
    assert [one.reason for one in done.not_restored] == ["item-parts"]
    assert (done.exit, names(target)) == (Exit.INTEGRITY, [])


def test_parts_may_come_from_any_batches_in_any_order_and_from_another_item(told, target):
    later, other = f"{SNAPSHOT}-documents-00000001", Item("papers", "other")
    item = Item("papers", "mine")
    told.rows[BATCH] = [(item.text(), 4, b"-two"), (other.text(), 8, b"-three")]
    told.rows[later] = [("x", 0, b"x")] * 5 + [(item.text(), 0, b"one-"[:4])]
    data = b"one--two-three"
    told.lines = [
        line_of(item, data, parts=(Part(later, 5, 1), Part(BATCH, 0, 1), Part(BATCH, 1, 1, of=other))),
        line_of(Item("papers", "again"), data, parts=(Part(later, 5, 1, of=item), Part(BATCH, 0, 1, of=item),
                                                       Part(BATCH, 1, 1, of=other))),
    ]  # fmt: skip
    done = bring_back(told, target)
    assert (done.not_restored, done.files) == ((), 2)
    assert [(target / "papers" / name).read_bytes() for name in ("mine", "again")] == [data, data]


def test_bytes_that_are_withheld_make_the_restore_incomplete(told, target):
    told.put(Item("papers", "mine"), b"x")
    told.rows[BATCH][0] = (Item("papers", "mine").text(), 0, None)
    done = bring_back(told, target)
    assert ([one.reason for one in done.not_restored], done.exit) == (["withheld"], Exit.INCOMPLETE)


def test_a_flipped_byte_in_a_batch_costs_what_lies_in_it_and_nothing_else(filled, tmp_path):
    filled.take()
    batch = next((filled.archive / "data" / "documents").rglob("*.parquet"))
    data = bytearray(batch.read_bytes())
    data[len(data) // 2] ^= 1
    batch.chmod(0o644)
    batch.write_bytes(data)
    with open_reading(filled.policy, None, clock=filled.clock, listener=silent) as reading:
        done = restore(reading, to=tmp_path / "restored", listener=silent)
    assert done.counts == {"excluded": 1, "object-sha256": 3}
    assert done.exit == Exit.INTEGRITY
    assert names(tmp_path / "restored") == ["logs", "logs/chat.jsonl", "logs/plain.log", "papers", "papers/jdoe"]


def test_a_missing_batch_of_items_restores_nothing(filled, tmp_path):
    result = filled.take()
    (filled.archive / "statements" / "batch" / f"{result.id}-items-00000000.json").unlink()
    with (
        pytest.raises(EvidenceError) as refused,
        open_reading(filled.policy, None, clock=filled.clock, listener=silent) as reading,
    ):
        restore(reading, to=tmp_path / "restored", listener=silent)
    assert (refused.value.code, (tmp_path / "restored").exists()) == ("batch-gap", False)


def test_a_folder_that_is_swapped_for_a_link_meanwhile_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with open_tree(tmp_path / "restored") as tree:
        tree.folder((b"papers", b"sub"))
        tree.folder((b"other",))
        (tmp_path / "restored" / "papers" / "sub").rmdir()
        (tmp_path / "restored" / "papers" / "sub").symlink_to(outside)
        name = tree.begin()
        with pytest.raises(NameRefusedError):
            tree.finish(name, (b"papers", b"sub", b"evil"))
    assert list(outside.iterdir()) == []


def test_a_link_that_somebody_puts_in_the_way_of_a_file_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    with open_tree(tmp_path / "restored") as tree:
        tree.folder((b"papers",))
        (tmp_path / "restored" / "papers" / "a").symlink_to(outside)
        name = tree.begin()
        with pytest.raises(NameRefusedError):
            tree.finish(name, (b"papers", b"a"))
    assert not outside.exists()


def test_a_file_system_without_hard_links_is_served_too(told, target, monkeypatch):
    def refused(*_names, **_options):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    told.put(Item("papers", "a"), b"one")
    told.put(Item("papers", "a", (), "v2"), b"two")
    done = bring_back(told, target)
    assert (names(target), (target / "papers" / "a").read_bytes()) == (["papers", "papers/a"], b"one")
    assert done.files == 1


def test_a_full_disk_stops_the_restore_and_leaves_no_half_file(told, target, monkeypatch):
    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(os, "write", full)
    told.put(Item("papers", "a"), b"one")
    with pytest.raises(WorldError) as stopped:
        bring_back(told, target)
    assert (stopped.value.code, names(target)) == ("disk-full", [])


def test_large_pieces_that_other_threads_write_are_checked_and_their_errors_are_said(told, target, monkeypatch):
    item, pieces = Item("papers", "large"), [b"1" * (2 << 20), b"2" * (2 << 20), b"3" * (1 << 20)]
    places = [0, 2 << 20, 4 << 20]
    told.rows[BATCH] = [(item.text(), place, piece) for place, piece in zip(places, pieces, strict=True)]
    told.lines = [line_of(item, b"".join(pieces), parts=(Part(BATCH, 0, 1), Part(BATCH, 1, 2)))]
    assert bring_back(told, target).exit is Exit.OK
    assert (target / "papers" / "large").read_bytes() == b"".join(pieces)
    told.rows[BATCH][1] = (item.text(), 2 << 20, b"x" * (2 << 20))
    done = bring_back(told, target.with_name("changed"))
    assert ([one.reason for one in done.not_restored], names(target.with_name("changed"))) == (["item-sha256"], [])

    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WorldError) as stopped:
        bring_back(told, target.with_name("full"))
    assert (stopped.value.code, names(target.with_name("full"))) == ("disk-full", [])


@pytest.mark.parametrize("step", ["write", "fchmod", "utime", "fstat"])
def test_a_step_that_is_refused_is_said_as_ever(told, target, monkeypatch, step):
    real, refused = getattr(os, step), []

    def once(*words, **options):
        if not refused:
            refused.append(step)
            raise OSError(errno.EPERM, "refused")
        return real(*words, **options)

    told.put(Item("papers", "a"), b"one")
    told.put(Item("papers", "b"), b"two")
    monkeypatch.setattr(os, step, once)
    done = bring_back(told, target)
    assert (done.files, done.exit, names(target)) == (2, Exit.OK, ["papers", "papers/a", "papers/b"])
    found = (target / "papers" / "b").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o640, -5_000_000_000)


def test_a_target_that_cannot_be_made_is_said(told, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((WorldError, UsageError)):
        bring_back(told, tmp_path / "file" / "below")


def test_a_folder_that_could_not_be_opened_is_not_taken_for_the_one_before_it(tmp_path, monkeypatch):
    def refused(_descriptor):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    times = (0, 0)
    with open_tree(tmp_path / "restored") as tree:
        assert tree.whole(b"papers/a/one", memoryview(b"1"), 0o600, times) is not None
        with monkeypatch.context() as many_open:
            many_open.setattr(os, "dup", refused)
            assert tree.whole(b"papers/b/two", memoryview(b"2"), 0o600, times) is None
        assert tree.whole(b"papers/b/three", memoryview(b"3"), 0o600, times) is not None
    files = [name for name in names(tmp_path / "restored") if (tmp_path / "restored" / name).is_file()]
    assert files == ["papers/a/one", "papers/b/three"]


def test_deep_folders_need_no_more_open_files(told, target):
    told.put(Item("papers", "/".join("d" * 1 for _ in range(1500)) + "/file"), b"deep")
    done = bring_back(told, target)
    assert (done.files, done.exit) == (1, Exit.OK)
    subprocess.run(["rm", "-rf", target], check=True)  # deeper than Python's own way of removing a tree goes
