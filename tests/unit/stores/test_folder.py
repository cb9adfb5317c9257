"""What a folder store promises beyond the contract: durability, crashes, full disks, links, other people's files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import ArchiverError, EvidenceError, KeyExistsError, NotStoredError, WorldError
from archiver.stores.base import Lock, Receipt
from archiver.stores.bodies import Spooled
from archiver.stores.folder import FolderStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELD = Lock("COMPLIANCE", datetime(2027, 1, 1, 12, tzinfo=UTC), legal_hold=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def store(root: Path) -> FolderStore:
    return open_folder(root)


def open_folder(root: Path) -> FolderStore:
    return FolderStore(root, location="./archive", clock=lambda: NOW)


def put(store: FolderStore, key: str, body: bytes = b"hello", lock: Lock = HELD) -> Receipt:
    return store.put(key, body, lock=lock)


def keys(store: FolderStore, prefix: str = "") -> list[str]:
    return [version.key for version in store.list(prefix)]


def all_names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def code_of(caught: pytest.ExceptionInfo[ArchiverError]) -> str:
    return caught.value.code


def test_an_object_is_read_only_and_nothing_hidden_remains(store: FolderStore, root: Path) -> None:
    put(store, "log/entries/000000000000")
    assert stat.S_IMODE((root / "log/entries/000000000000").stat().st_mode) == 0o444
    assert (root / "log/entries/000000000000").stat().st_nlink == 1
    assert all_names(root) == [".locks.jsonl", "log/entries/000000000000"]


def test_reading_creates_nothing(store: FolderStore, root: Path) -> None:
    assert keys(store) == []
    with pytest.raises(NotStoredError):
        store.stat("a")
    with pytest.raises(NotStoredError), store.read("a"):
        pass
    assert not root.exists()


def test_reading_an_archive_changes_nothing_in_it(store: FolderStore, root: Path) -> None:
    put(store, "a/b")
    before = {path: path.lstat().st_mtime_ns for path in [root, *root.rglob("*")]}
    reader = open_folder(root)
    assert keys(reader) == ["a/b"]
    assert reader.stat("a/b").lock == HELD
    with reader.read("a/b") as stream:
        assert stream.read() == b"hello"
    assert {path: path.lstat().st_mtime_ns for path in [root, *root.rglob("*")]} == before


def test_everything_is_flushed_before_the_key_exists(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_link = os.fsync, os.link

    def fsync(handle: int) -> None:
        steps.append("fsync " + os.path.relpath(Path(f"/proc/self/fd/{handle}").readlink(), root).split("/")[0])
        real_fsync(handle)

    def link(*arguments: object, **options: object) -> None:
        steps.append("link")
        real_link(*arguments, **options)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    put(store, "log/a")
    # the root in its parent; the file; `log` in the root; the lock file's name and its line; the key; the key's folder
    assert steps == ["fsync ..", "fsync .tmp", "fsync .", "fsync .", "fsync .locks.jsonl", "link", "fsync log"]


@pytest.mark.parametrize("step", ["mkdir", "fchmod", "fsync", "link", "flock", "write"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_at_any_step_is_named_and_leaves_no_object(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    put(store, "first", b"1")

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(f"fcntl.{step}" if step == "flock" else f"os.{step}", full)
        with pytest.raises(WorldError) as caught:
            put(open_folder(root), "data/second")
    assert code_of(caught) == "disk-full"
    assert caught.value.hint
    assert keys(store) == ["first"]
    put(store, "data/second")
    assert all_names(root) == [".locks.jsonl", "data/second", "first"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full_keeps_what_it_has_and_nothing_half(tiny_disk: Path) -> None:
    store = open_folder(tiny_disk / "archive")
    put(store, "small", b"x" * 1000)
    with pytest.raises(WorldError) as caught:
        put(store, "large", b"x" * 1_000_000)
    assert code_of(caught) == "disk-full"
    assert keys(store) == ["small"]
    put(store, "small too", b"y" * 100_000)
    assert all_names(tiny_disk / "archive") == [".locks.jsonl", "small", "small too"]


def test_a_read_only_mount_can_be_read_and_is_named_when_written(tiny_disk: Path) -> None:
    put(open_folder(tiny_disk / "archive"), "a")
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    store = open_folder(tiny_disk / "archive")
    assert (keys(store), store.stat("a").lock) == (["a"], HELD)
    with pytest.raises(WorldError) as caught:
        put(store, "b")
    assert code_of(caught) == "store-read-only"


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from archiver.stores.base import Lock
from archiver.stores.folder import FolderStore
import {module}
def kill(*arguments, **options):
    {after}
    os.kill(os.getpid(), signal.SIGKILL)
real = {module}.{name}
{module}.{name} = kill
FolderStore(Path(sys.argv[1]), location="a", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)).put(
    "log/a", b"hello",
    lock=Lock("COMPLIANCE", datetime(2027, 1, 1, 12, tzinfo=UTC), legal_hold=True))
"""


@pytest.mark.parametrize("name", ["mkdir", "write", "fchmod", "fsync", "link", "unlink"])
@pytest.mark.parametrize("after", ["pass", "real(*arguments, **options)"], ids=["before", "after"])
def test_a_kill_at_any_step_leaves_the_object_whole_or_absent_and_the_next_put_goes_on(
    root: Path, name: str, after: str
) -> None:
    script = KILLED.format(module="os", name=name, after=after)
    killed = subprocess.run([sys.executable, "-c", script, str(root)], check=False, cwd=Path(__file__).parents[3])
    assert killed.returncode == -9
    store = open_folder(root)
    there = "log/a" in keys(store)
    assert there == (name == "unlink" or (name == "link" and after != "pass"))
    if there:
        with pytest.raises(KeyExistsError):
            put(store, "log/a")
    else:
        assert put(store, "log/a").sha256 == hashlib.sha256(b"hello").hexdigest()
    assert store.stat("log/a").lock == HELD
    put(open_folder(root), "log/b")
    assert all_names(root) == [".locks.jsonl", "log/a", "log/b"]


def test_a_file_that_is_being_written_is_not_swept_away(store: FolderStore, root: Path, tmp_path: Path) -> None:
    spool = tmp_path / "fifo"
    os.mkfifo(spool)
    digest = hashlib.sha256(b"slow").hexdigest()
    slow = threading.Thread(target=lambda: store.put("slow", Spooled(spool, digest, 4), lock=HELD))
    slow.start()
    with spool.open("wb") as pipe:  # opens when the other side has its hidden file
        put(open_folder(root), "quick")
        pipe.write(b"slow")
    slow.join()
    assert keys(store) == ["quick", "slow"]


def test_a_spool_file_that_is_a_link_or_missing_is_not_put(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    for body in (tmp_path / "link", tmp_path / "none"):
        with pytest.raises(WorldError) as caught:
            store.put("a", Spooled(body, "00" * 32, 0), lock=HELD)
        assert code_of(caught) == "spool-unreadable"
    assert keys(store) == []


def test_a_disk_that_changes_what_it_keeps_is_found_when_reading_back(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data).replace(b"hello", b"jello")))
    with pytest.raises(WorldError) as caught:
        put(store, "a")
    assert (code_of(caught), keys(store)) == ("read-back-differs", [])


def test_a_changed_spool_leaves_no_trace(store: FolderStore, root: Path, tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"changed")
    with pytest.raises(EvidenceError):
        store.put("a/b", Spooled(tmp_path / "spool", "00" * 32, 7), lock=HELD)
    assert all_names(root) == []


def test_links_are_listed_and_never_followed(store: FolderStore, root: Path, tmp_path: Path) -> None:
    put(store, "log/a")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    (root / "data").symlink_to(tmp_path / "outside")
    (root / "log" / "b").symlink_to("a")
    assert [(found.key, found.size) for found in store.list()] == [
        ("data", len(str(tmp_path / "outside"))),
        ("log/a", 5),
        ("log/b", 1),
    ]
    for key in ("data", "data/secret", "log/b", "log/a/below", "log"):
        with pytest.raises(NotStoredError) as caught, store.read(key):
            pass
        assert code_of(caught) == "not-a-regular-file"
    with pytest.raises(KeyExistsError):
        put(store, "log/b")
    with pytest.raises(WorldError) as refused:
        put(store, "data/new")
    assert code_of(refused) == "store-not-a-folder"
    assert all_names(tmp_path / "outside") == ["secret"]


def test_a_fifo_is_listed_and_does_not_block_a_reader(store: FolderStore, root: Path) -> None:
    put(store, "a")
    os.mkfifo(root / "pipe")
    assert keys(store) == ["a", "pipe"]
    with pytest.raises(NotStoredError), store.read("pipe"):
        pass


def test_names_that_are_not_utf8_are_listed_and_can_be_read(store: FolderStore, root: Path) -> None:
    put(store, "a")
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff\n"))).write_bytes(b"odd")
    assert keys(store) == ["a", "\udcff\n"]
    assert store.stat("\udcff\n").size == 3
    with pytest.raises(NotStoredError) as caught:
        store.stat("\udcfe\n")
    str(caught.value).encode()  # can be printed


@pytest.mark.parametrize(
    "key", [".locks.jsonl", ".tmp/x", "../archive/a", "/etc/passwd", "a/../a", "a//a", "\0", "\ud800"]
)
def test_a_key_cannot_lead_out_of_the_folder(store: FolderStore, root: Path, key: str) -> None:
    put(store, "a")
    (root / ".tmp" / "x").write_bytes(b"")
    with pytest.raises(NotStoredError):
        store.stat(key)


@pytest.mark.parametrize("prefix", ["../", ".tmp/", "/", "a//", "./", ".", ".."])
def test_a_prefix_cannot_lead_out_of_the_folder(store: FolderStore, root: Path, prefix: str) -> None:
    put(store, "a/b")
    (root / ".tmp" / "x").write_bytes(b"")
    assert keys(store, prefix) == []


def test_a_very_deep_folder_neither_stops_a_listing_nor_costs_handles(store: FolderStore, root: Path) -> None:
    put(store, "a")
    folder = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("bottom", os.O_CREAT, dir_fd=folder))
    os.close(folder)
    listed = [len(key) for key in keys(store)]
    subprocess.run(["rm", "-rf", root / "d"], check=True)  # too deep for pytest to clean up
    assert listed == [1, 2406]


def test_an_old_or_impossible_modification_time_is_no_obstacle(store: FolderStore, root: Path) -> None:
    put(store, "a")
    os.utime(root / "a", (-(10**9), -(10**9)))
    assert [found.modified.year for found in store.list()] == [1970]


def test_a_file_where_the_root_should_be_is_named(root: Path) -> None:
    root.write_bytes(b"")
    with pytest.raises(WorldError) as caught:
        put(open_folder(root), "a")
    assert code_of(caught) == "store-not-a-folder"


def test_a_file_system_without_hard_links_is_named(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(WorldError) as caught:
        put(store, "a")
    assert code_of(caught) == "store-no-hard-links"


def test_a_read_error_in_the_middle_is_an_error_of_the_world(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "a")
    with store.read("a") as stream:
        os.close(stream.fileno())
        with pytest.raises(WorldError) as caught:
            stream.read(1)
        os.dup2(os.open("/dev/null", os.O_RDONLY), stream.fileno())
    assert code_of(caught) == "store-error"


def test_of_many_writers_of_one_key_exactly_one_wins(store: FolderStore, root: Path) -> None:
    won: list[bytes] = []

    def write(body: bytes) -> None:
        try:
            put(open_folder(root), "log/entries/000000000000", body)
        except KeyExistsError:
            return
        won.append(body)

    writers = [threading.Thread(target=write, args=(b"%d" % number,)) for number in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with store.read("log/entries/000000000000") as stream:
        assert won == [stream.read()]
    assert (root / ".locks.jsonl").read_bytes().count(b"\n") == 1


def test_a_folder_says_that_its_locks_are_only_recorded(store: FolderStore, root: Path) -> None:
    assert store.destination.enforces_locks is False
    assert store.destination.versioned is False
    assert (store.destination.location, store.destination.bucket) == ("./archive", str(root))
