"""Prefixes are listed side by side, and each is what it would be by itself."""

from __future__ import annotations

import threading

import pytest
from memory_store import MemoryStore

from archiver.errors import WorldError
from archiver.flows.adopt_listed import Listed
from archiver.stores.base import Lock
from archiver.stores.folder import FolderStore

PREFIXES = [f"statements/{letter}/" for letter in "abcdefghijkl"]
LOCK = Lock("NONE", None, legal_hold=False)


class Slow(MemoryStore):
    """Begins no listing before eight are asked for."""

    gate = threading.Barrier(8)

    def list(self, prefix=""):
        self.gate.wait(60)
        yield from super().list(prefix)


@pytest.fixture
def store():
    made = MemoryStore()
    for prefix in PREFIXES[::2]:
        for number in range(3):
            made.add(f"{prefix}{number}", b"x", LOCK)
    return made


def test_what_is_listed_is_the_same(store):
    with Listed(store, PREFIXES) as listed:
        for prefix in PREFIXES:
            assert list(listed.list(prefix)) == list(store.list(prefix))


def test_eight_are_under_way_at_a_time(store):
    with Listed(Slow(store.versions), PREFIXES[:8]) as listed:
        assert [len(list(listed.list(prefix))) for prefix in PREFIXES[:8]] == [3, 0] * 4


def test_prefixes_that_nobody_asks_for_are_passed_over(store):
    with Listed(store, PREFIXES) as listed:
        for prefix in (PREFIXES[0], PREFIXES[10]):
            assert list(listed.list(prefix)) == list(store.list(prefix))


def test_a_store_that_does_not_answer_is_said_where_its_answer_is_wanted(store):
    class Half(MemoryStore):
        def list(self, prefix=""):
            if prefix == PREFIXES[1]:
                raise WorldError("store-unreachable", prefix)
            yield from super().list(prefix)

    with Listed(Half(store.versions), PREFIXES) as listed:
        assert len(list(listed.list(PREFIXES[0]))) == 3
        with pytest.raises(WorldError):
            list(listed.list(PREFIXES[1]))


def test_a_folder_is_listed_by_this_thread_alone(tmp_path):
    threads = []

    class Told(FolderStore):
        def list(self, prefix=""):
            threads.append(threading.current_thread())
            yield from super().list(prefix)

    with Listed(Told(tmp_path, location=".", clock=lambda: None), PREFIXES) as listed:
        assert list(listed.list(PREFIXES[3])) == []
    assert threads == [threading.main_thread()]
