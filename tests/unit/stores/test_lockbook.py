"""The lock file of a folder: what counts, what is repaired, what is unknown."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import NotStoredError
from archiver.stores import lockbook
from archiver.stores.base import Lock
from archiver.stores.folder import FolderStore
from archiver.stores.lockbook import LOCKS, LockBook, line_of, parse_line, release_of
from archiver.stores.locks import UNKNOWN, UNLOCKED, highest, shortfalls

UNTIL = datetime(2027, 1, 1, 12, tzinfo=UTC)
HELD = Lock("COMPLIANCE", UNTIL, legal_hold=True)
LATER = Lock("COMPLIANCE", UNTIL + timedelta(days=1), legal_hold=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def open_folder(root: Path) -> FolderStore:
    return FolderStore(root, location="./archive", clock=lambda: UNTIL)


def put(store: FolderStore, key: str, lock: Lock = HELD) -> None:
    store.put(key, b"hello", lock=lock)


def locks(root: Path) -> bytes:
    return (root / ".locks.jsonl").read_bytes()


def append(root: Path, data: bytes) -> None:
    with (root / ".locks.jsonl").open("ab") as stream:
        stream.write(data)


def test_a_line_is_canonical_json() -> None:
    expected = b'{"key":"a","legal_hold":true,"mode":"COMPLIANCE","retain_until":"2027-01-01T12:00:00Z"}\n'
    assert line_of("a", HELD) == expected
    assert parse_line(expected) == ("a", HELD)


def test_no_lock_is_written_down_too() -> None:
    assert line_of("a", UNLOCKED) == b'{"key":"a","legal_hold":false,"mode":"NONE","retain_until":null}\n'


def test_the_file_has_a_line_per_put_and_per_raised_lock(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    put(store, "b")
    store.hold("a", None, HELD)  # nothing to raise
    store.hold("a", None, LATER)
    assert locks(root) == line_of("a", HELD) + line_of("b", HELD) + line_of("a", LATER)


def test_the_highest_values_of_a_key_count_in_any_order(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    append(root, line_of("a", LATER) + line_of("a", UNLOCKED))
    assert store.stat("a").lock == LATER
    assert open_folder(root).stat("a").lock == LATER


def test_a_copy_without_the_file_has_unknown_locks(root: Path) -> None:
    put(open_folder(root), "a")
    (root / ".locks.jsonl").unlink()
    assert open_folder(root).stat("a").lock == UNKNOWN


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_what_is_no_file_in_its_place_makes_locks_unknown(root: Path, make: Callable[[Path], None]) -> None:
    put(open_folder(root), "a")
    (root / ".locks.jsonl").rename(root / "elsewhere")
    make(root / ".locks.jsonl")
    assert open_folder(root).stat("a").lock == UNKNOWN


def test_a_key_without_a_line_has_no_lock(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    (root / "foreign").write_bytes(b"")
    assert store.stat("foreign").lock == UNLOCKED


def test_a_torn_last_line_is_repaired_by_beginning_a_new_one(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    append(root, line_of("torn", HELD)[:40])
    assert store.stat("a").lock == HELD
    put(store, "b")
    assert locks(root) == line_of("a", HELD) + line_of("torn", HELD)[:40] + b"\n" + line_of("b", HELD)
    for reader in (store, open_folder(root)):
        assert reader.stat("b").lock == HELD


def test_a_last_line_counts_for_nothing_until_it_has_its_end(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    append(root, line_of("a", LATER)[:-1])
    assert store.stat("a").lock == HELD
    append(root, b"\n")
    assert store.stat("a").lock == LATER


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"\xff\n",
        b"[" * 5000 + b"\n",
        b"x" * 100_000 + b"\n",
        b'{"key":"a","legal_hold":false,"mode":"NONE"}\n',
        b'{"key":"a","legal_hold":1,"mode":"NONE","retain_until":null}\n',
        b'{"key":"a","legal_hold":false,"mode":"SOFT","retain_until":null}\n',
        b'{"key":"a","legal_hold":false,"mode":["NONE"],"retain_until":null}\n',
        b'{"key":1,"legal_hold":false,"mode":"NONE","retain_until":null}\n',
        b'{"key":"a","legal_hold":false,"mode":"NONE","retain_until":"2027-02-30T00:00:00Z"}\n',
        b'{"key":"a","legal_hold":false,"mode":"NONE","retain_until":2027}\n',
        b'{"legal_hold":false,"key":"a","mode":"NONE","retain_until":null}\n',
        b'{"key":"a", "legal_hold":false,"mode":"NONE","retain_until":null}\n',
        b'{"key":"a","key":"a","legal_hold":false,"mode":"NONE","retain_until":null}\n',
    ],
)
def test_a_line_that_cannot_be_read_changes_nothing(root: Path, line: bytes) -> None:
    store = open_folder(root)
    put(store, "a")
    append(root, line + line_of("b", HELD))
    assert store.stat("a").lock == HELD
    (root / "b").write_bytes(b"")
    assert store.stat("b").lock == HELD


def test_what_another_process_appends_is_read_without_reading_all_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = open_folder(root), open_folder(root)
    for number in range(20):
        put(other, f"a{number}")
    assert store.stat("a0").lock == HELD
    seen: list[bytes] = []

    take = LockBook._take_all

    def taken(book: LockBook, block: bytes) -> None:
        seen.append(block)
        take(book, block)

    monkeypatch.setattr(LockBook, "_take_all", taken)
    other.hold("a0", None, LATER)
    seen.clear()
    assert store.stat("a0").lock == LATER
    assert store.stat("a1").lock == HELD
    assert seen == [line_of("a0", LATER)]


def test_a_file_that_was_replaced_is_read_anew(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    put(store, "b")
    (root / "new").write_bytes(line_of("a", LATER))
    (root / "new").rename(root / ".locks.jsonl")
    assert (store.stat("a").lock, store.stat("b").lock) == (LATER, UNLOCKED)


def test_the_lock_of_a_put_that_failed_is_not_taken_over_from_a_key_that_exists(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    with pytest.raises(Exception, match="expected no object"):
        put(store, "a", LATER)
    assert store.stat("a").lock == HELD


def test_holding_what_is_not_there_writes_no_line(root: Path) -> None:
    store = open_folder(root)
    put(store, "a")
    with pytest.raises(NotStoredError):
        store.hold("b", None, HELD)
    assert locks(root) == line_of("a", HELD)


modes = st.sampled_from(["NONE", "GOVERNANCE", "COMPLIANCE", None])
dates = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - made aware below
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
any_lock = st.builds(Lock, modes, dates, st.booleans() | st.none())


@given(any_lock, any_lock)
def test_the_higher_of_two_locks_falls_short_of_neither(one: Lock, other: Lock) -> None:
    both = highest(one, other)
    assert shortfalls(both, wanted=one) == shortfalls(both, wanted=other) == []
    assert both == highest(other, one)


@given(st.text(st.characters(codec="ascii"), min_size=1), any_lock)
def test_a_line_reads_back_as_what_was_written(key: str, lock: Lock) -> None:
    found = parse_line(line_of(key, lock))
    assert found is not None
    assert json.loads(line_of(key, lock))["key"] == key == found[0]
    assert found[1] == highest(UNLOCKED, lock)


@given(st.binary(max_size=200))
def test_what_is_read_is_exactly_what_would_be_written(line: bytes) -> None:
    found = parse_line(line)
    assert found is None or line_of(*found) == line


def test_many_threads_raise_and_read_locks_and_each_sees_its_own(root, monkeypatch):
    monkeypatch.setattr(lockbook, "_END", 1000)
    keys = [f"data/{number}" for number in range(200)]
    for key in keys:
        put(open_folder(root), key)
    store = open_folder(root)  # which has read the end only
    assert store.hold(keys[-1], None, HELD).legal_hold

    def work(key: str) -> tuple[datetime | None, Lock]:
        return store.hold(key, None, LATER).retain_until, store.stat(key).lock

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, keys)) == {(LATER.retain_until, LATER)}


def test_a_release_takes_the_legal_hold_off_and_leaves_the_date_and_may_be_taken_back(root):
    store = open_folder(root)
    put(store, "a")
    released = store.release("a", None)
    assert (released.mode, released.retain_until, released.legal_hold) == ("COMPLIANCE", UNTIL, False)
    assert open_folder(root).stat("a").lock == Lock("COMPLIANCE", UNTIL, legal_hold=False)
    assert store.hold("a", None, HELD).legal_hold is True
    assert open_folder(root).stat("a").lock == HELD
    assert locks(root).count(b"released") == 1


def test_a_second_release_writes_nothing_and_one_of_no_object_is_refused(root):
    store = open_folder(root)
    put(store, "a")
    store.release("a", None)
    before = locks(root)
    assert store.release("a", None).legal_hold is False
    assert locks(root) == before
    with pytest.raises(NotStoredError):
        store.release("b", None)


@pytest.mark.parametrize(
    "line", [b'{"key":"a","released":false}', b'{"released":true}', b'{"released":true,"key":"a"}']
)
def test_a_line_that_is_not_exactly_a_release_lets_go_of_nothing(root, line):
    store = open_folder(root)
    put(store, "a")
    (root / ".locks.jsonl").write_bytes(locks(root) + line + b"\n")
    assert open_folder(root).stat("a").lock == HELD


def test_a_line_that_grows_while_it_is_read_is_not_taken_for_two(root, monkeypatch):
    """A line may become visible in parts, where it crosses a page of the file."""
    store = open_folder(root)
    put(store, "a")
    with (root / ".locks.jsonl").open("ab") as file:
        file.write(line_of("a", LATER))
    honest, pread = os.fdopen, os.pread

    class Growing:
        """Gives the last line in two parts, as if its end had come in between."""

        def __init__(self, stream):
            self.stream, self.parts = stream, []

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def seek(self, offset):
            self.stream.seek(offset)

        def readline(self, limit):
            line = self.parts.pop() if self.parts else self.stream.readline(limit)
            if line.endswith(b"\n") and b"2027-01-02" in line and not self.parts:
                self.parts = [line[20:]]
                return line[:20]
            return line

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", lambda handle, mode: Growing(honest(handle, mode)))
        patch.setattr(os, "pread", lambda *place: pread(*place).partition(b"2027-01-02")[0])
        assert store.stat("a").lock == HELD
    assert store.stat("a").lock == LATER


LINES = [
    line_of("a", HELD),
    line_of("a", LATER),
    line_of("a", UNLOCKED),
    line_of("b", HELD),
    line_of('"\\ü', HELD),
    line_of("c" * 9000, HELD),
    release_of("a"),
    b"\n",
    b"rubbish\n",
    b"x" * 9000 + b"\n",
    line_of("a", HELD)[:-1],
    line_of("d", HELD).replace(b"2027-01-01", b"2027-02-31"),
    b" " + line_of("d", HELD),
    line_of("d", HELD)[:-1] + b"\r\n",
]


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_lines_that_are_read_at_once_say_what_each_of_them_says(some: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / LOCKS).write_bytes(b"".join(some))
        root = os.open(name, os.O_RDONLY)
        at_once, one_by_one = LockBook(), LockBook()
        found = at_once.lock_of(root, "a")
        with patch("archiver.stores.lockbook._whole_lines", return_value=b""):
            assert one_by_one.lock_of(root, "a") == found
        os.close(root)
    assert vars(at_once) | {"_mutex": None} == vars(one_by_one) | {"_mutex": None}


@given(st.lists(st.sampled_from(LINES), max_size=12), st.integers(1, 400), st.sampled_from([(), ("a",)]))
def test_the_end_of_the_lines_says_no_more_than_all_of_them(
    some: list[bytes], end: int, asked: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / LOCKS).write_bytes(b"".join(some))
        root = os.open(name, os.O_RDONLY)
        expected = {key: LockBook().lock_of(root, key) for key in ("a", "b", "d")}
        book = LockBook()
        with patch("archiver.stores.lockbook._END", end):
            for key, lock in expected.items():
                assert shortfalls(lock, wanted=book.least_lock_of(root, key)) == []
            for key in asked:
                assert book.lock_of(root, key) == expected[key]
                assert {key: book.least_lock_of(root, key) for key in expected} == expected
            with book.held(root, are_new=True) as raise_lock:
                raise_lock("new", HELD)
            assert book.least_lock_of(root, "new") == HELD
            with book.held(root) as raise_lock:
                raise_lock("a", LATER)
            assert shortfalls(book.least_lock_of(root, "a"), wanted=LATER) == []
            with book.releasing(root) as let_go:
                let_go("a")
            assert not book.least_lock_of(root, "a").legal_hold
        locks = {key: book.lock_of(root, key) for key in ("a", "b", "d", "new")}
        assert locks == {key: LockBook().lock_of(root, key) for key in locks}
        assert (locks["a"].retain_until, locks["a"].legal_hold, locks["new"]) == (LATER.retain_until, False, HELD)
        os.close(root)


def test_a_writer_reads_the_end_of_a_long_file_and_whoever_asks_about_another_key_all_of_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(open_folder(root), "old", LATER)
    append(root, b"".join(line_of(f"b{number}", HELD) for number in range(200)))
    monkeypatch.setattr(lockbook, "_END", 1000)
    store, seen, take = open_folder(root), list[bytes](), LockBook._take_all

    def taken(book: LockBook, block: bytes) -> None:
        seen.append(block)
        take(book, block)

    monkeypatch.setattr(LockBook, "_take_all", taken)
    put(store, "new")
    store.hold("new", None, LATER)
    assert store.find("old").size == 5
    assert sum(map(len, seen)) < 1000 + 2 * len(line_of("new", LATER))
    assert store.stat("old").lock == LATER
    assert store.stat("new").lock == LATER
    assert sum(map(len, seen)) > len(locks(root))
