"""A spool file becomes the object itself only where nobody can tell the difference; else its bytes are copied."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import EvidenceError, KeyExistsError, WorldError
from archiver.stores.base import Lock
from archiver.stores.bodies import Spooled
from archiver.stores.folder import FolderStore
from archiver.stores.scratch import Scratch

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELD = Lock("COMPLIANCE", datetime(2027, 1, 1, 12, tzinfo=UTC), legal_hold=True)
BODY = b"rows" * 5000
SHA256 = hashlib.sha256(BODY).hexdigest()
KEY = "data/documents/a.parquet"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    path.write_bytes(BODY)
    path.chmod(0o600)
    return path


def spooled(path: Path) -> Spooled:
    return Spooled(path, SHA256, len(BODY))


def open_folder(root: Path) -> FolderStore:
    return FolderStore(root, location="./archive", clock=lambda: NOW)


def all_names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def linked(root: Path, spool: Path) -> bool:
    """Put the file and say whether it is the object now."""
    assert open_folder(root).put(KEY, spooled(spool), lock=HELD).sha256 == SHA256
    assert (root / KEY).read_bytes() == BODY
    assert stat.S_IMODE((root / KEY).stat().st_mode) == 0o444
    assert all_names(root) == [".locks.jsonl", KEY]
    return (root / KEY).stat().st_ino == spool.stat().st_ino


def test_a_spool_file_becomes_the_object(tmp_path: Path, spool: Path) -> None:
    assert linked(tmp_path / "archive", spool)
    spool.unlink()
    assert (tmp_path / "archive" / KEY).stat().st_nlink == 1


def test_of_two_archives_on_one_disk_each_has_bytes_of_its_own(tmp_path: Path, spool: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    assert [linked(root, spool) for root in roots] == [True, False]
    for attempt in range(10):
        (fresh := tmp_path / f"spool-{attempt}").write_bytes(BODY)
        fresh.chmod(0o600)
        with ThreadPoolExecutor(2) as threads:
            both = [threads.submit(linked, tmp_path / f"{attempt}-{name}", fresh) for name in ("a", "b")]
        assert [one.result() for one in both].count(True) <= 1


def _open_elsewhere(spool: Path, stack: ExitStack) -> None:
    stack.enter_context(spool.open("r+b"))


def _another_name(spool: Path, _: ExitStack) -> None:
    os.link(spool, spool.with_name("other"))


@pytest.mark.parametrize(
    "made",
    [
        _open_elsewhere,
        _another_name,
        lambda spool, _: spool.chmod(0o644),
        lambda spool, _: spool.chmod(0o444),
    ],
    ids=["open-for-writing", "two-names", "others-may-read-it", "tried-before"],
)
def test_what_others_may_have_open_or_keep_is_copied(tmp_path: Path, spool: Path, made) -> None:
    with ExitStack() as stack:
        made(spool, stack)
        assert not linked(tmp_path / "archive", spool)


@pytest.mark.parametrize("name", ["os.link", "os.fchmod", "fcntl.flock", "fcntl.fcntl"])
def test_where_the_system_refuses_a_step_the_bytes_are_copied(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module = {"os": os, "fcntl": fcntl}[name.partition(".")[0]]
    real = getattr(module, name.partition(".")[2])
    refused = [errno.EXDEV]

    def once(*arguments: object, **options: object) -> object:
        if refused:
            raise OSError(refused.pop(), "refused")
        return real(*arguments, **options)

    monkeypatch.setattr(module, name.partition(".")[2], once)
    assert not linked(tmp_path / "archive", spool)


def _alter(path: Path, flags: int) -> None:
    """Change a file of which everything else stays as it was; waits for a lease on it to end."""
    facts = path.stat()
    path.chmod(0o600)
    handle = os.open(path, os.O_WRONLY | flags)
    os.write(handle, BODY[::-1])
    os.close(handle)
    path.chmod(stat.S_IMODE(facts.st_mode))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("flags", [0, os.O_TRUNC], ids=["in-place", "anew"])
def test_a_file_that_is_altered_behind_its_reading_back_gets_no_receipt(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch, flags: int
) -> None:
    read_back = Scratch.sha256

    def altered(fresh: Scratch) -> tuple[str, int]:
        found = read_back(fresh)
        altering = threads.submit(_alter, spool, flags)
        while not altering.done() and fcntl.fcntl(fresh.file, fcntl.F_GETLEASE) == fcntl.F_RDLCK:
            time.sleep(0.001)  # until the other one stands before the file
        return found

    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(Scratch, "sha256", altered)
        with pytest.raises(WorldError) as caught:
            open_folder(tmp_path / "archive").put(KEY, spooled(spool), lock=HELD)
    monkeypatch.undo()
    assert caught.value.code == "read-back-differs"
    assert (all_names(tmp_path / "archive"), spool.read_bytes()) == ([".locks.jsonl"], BODY[::-1])
    with pytest.raises(EvidenceError) as caught:
        open_folder(tmp_path / "archive").put(KEY, spooled(spool), lock=HELD)
    assert caught.value.code == "spool-changed"


def test_a_changed_spool_file_is_refused_and_stays(tmp_path: Path, spool: Path) -> None:
    spool.write_bytes(BODY + b"!")
    with pytest.raises(EvidenceError) as caught:
        open_folder(tmp_path / "archive").put(KEY, spooled(spool), lock=HELD)
    assert caught.value.code == "spool-changed"
    assert (all_names(tmp_path / "archive"), spool.stat().st_nlink) == ([], 1)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from archiver.stores.base import Lock
from archiver.stores.bodies import Spooled
from archiver.stores.folder import FolderStore
calls = {calls}
def kill(*arguments, **options):
    global calls
    calls -= 1
    if not calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
real, os.{name} = os.{name}, kill
FolderStore(Path(sys.argv[1]), location="a", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)).put(
    {key!r}, Spooled(Path(sys.argv[2]), {sha256!r}, 20000),
    lock=Lock("COMPLIANCE", datetime(2027, 1, 1, 12, tzinfo=UTC), legal_hold=True))
"""


@pytest.mark.parametrize(("name", "calls"), [("link", 1), ("fchmod", 1), ("link", 2), ("unlink", 1)])
def test_a_kill_at_any_step_leaves_the_object_whole_or_absent(
    tmp_path: Path, spool: Path, name: str, calls: int
) -> None:
    root = tmp_path / "archive"
    script = KILLED.format(name=name, calls=calls, key=KEY, sha256=SHA256)
    killed = subprocess.run(
        [sys.executable, "-c", script, str(root), str(spool)], check=False, cwd=Path(__file__).parents[3]
    )
    assert killed.returncode == -9
    store = open_folder(root)
    assert (root / KEY).exists() == (name == "unlink")
    if (root / KEY).exists():
        with pytest.raises(KeyExistsError):
            store.put(KEY, spooled(spool), lock=HELD)
        assert (root / KEY).read_bytes() == BODY
    else:
        linked(root, spool)
    store.put("b", b"", lock=HELD)  # sweeps what the killed one left
    assert all_names(root) == [".locks.jsonl", "b", KEY]
