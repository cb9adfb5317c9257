"""What a writer of the log does when others were there first, come in between, or plant what they like.

The store is in memory and keeps conditional writes, as AWS does; `oldest=True` plants a version below all others, as a
multipart upload that was begun early and completed late does there.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from memory_store import MemoryStore
from world import ARCHIVE, ARCHIVE_ID, BY, POLICY, World

from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError, WorldError
from archiver.flows.session import statement_opener
from archiver.model import layout
from archiver.model.statement import PREDICATES, Subject, encode_statement
from archiver.proof import checkpoint, dsse, entry
from archiver.stores.base import Lock, Receipt
from archiver.stores.locks import highest, shortfalls
from archiver.writer.append import Log

LOCK = Lock("COMPLIANCE", datetime(2027, 1, 1, 12, tzinfo=UTC), legal_hold=True)
SHORT = Lock("COMPLIANCE", datetime(2026, 11, 21, 9, 0, 1, tzinfo=UTC), legal_hold=False)


@dataclass
class Shelf(MemoryStore):
    """A memory store that raises locks where it may, and lets a test act just before something is put."""

    before_put: Callable[[str], None] = field(default=lambda _key: None)
    may_raise_locks: bool = True
    puts: list[str] = field(default_factory=list)

    def put(self, key: str, body: bytes, *, lock: Lock, condition: bool = True) -> Receipt:
        self.before_put(key)
        self.puts.append(key)
        return super().put(key, body, lock=lock, condition=condition)

    def hold(self, key: str, version: str | None, lock: Lock) -> Receipt:
        here = self.versions[key]
        place = next(number for number, one in enumerate(here) if one.version == version)
        if shortfalls(here[place].lock, wanted=lock):
            if not self.may_raise_locks:
                raise WorldError("store-denied", f"{key}: these credentials may not raise a lock")
            here[place] = replace(here[place], lock=highest(here[place].lock, lock))
        return self.receipt(key, here[place])


class Writer:
    """One of several writers of a world's archive, with a book of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.book = Catalog(":memory:")
        world.books.append(self.book)
        self.strangers: list[str] = []
        self.log = Log(
            world.store,
            self.book,
            vkey=world.vkey,
            signer=world.log_signer,
            open_statement=statement_opener(world.trust()),
            lock=lambda: LOCK,
            strangers=lambda version: self.strangers.append(version.key),
            pause=lambda _lost: None,
        )

    def state(self, number: int) -> tuple[str, bytes]:
        """Sign and store a small statement; return its key and envelope. It is not in the log yet."""
        digest = hashlib.sha256(POLICY).hexdigest()
        words = {
            "archive": ARCHIVE, "archive_id": ARCHIVE_ID, "id": f"20261121T100000Z-{number:06x}",
            "at": self.world.at, "by": BY.model_dump(), "what": "met", "decision": "not evidence", "objects": [],
        }  # fmt: skip
        predicate = PREDICATES["incident"].model_validate(words)
        payload = encode_statement([Subject.of(layout.policy_key(digest), digest)], "incident", predicate)
        key, envelope = layout.statement_key("incident", predicate.id), dsse.seal(payload, self.world.signer)
        self.world.store.add(key, envelope, LOCK)
        return key, envelope


def entry_of(stated: tuple[str, bytes]) -> bytes:
    return entry.encode(stated[0], hashlib.sha256(stated[1]).hexdigest())


@pytest.fixture
def world():
    told = World()
    told.store = Shelf(versions=told.store.versions, count=told.store.count, now=told.store.now)
    told.books = []
    yield told
    for book in told.books:
        book.close()


@pytest.fixture
def writers(world):
    return [Writer(world), Writer(world)]


def whole(world: World) -> None:
    """Demand a verdict that names nothing worse than versions that strangers left."""
    codes = {finding.code for finding in world.verify().findings if finding.severity != "note"}
    assert codes <= {"stranger-version"}


def test_a_position_that_another_writer_left_open_is_closed_first(world, writers):
    first, second = writers
    left, mine = first.state(1), second.state(2)
    size = second.log.catch_up()
    world.store.add(layout.entry_key(size), entry_of(left), LOCK)
    second.log.append(*mine)
    assert second.book.entries(size, 2) == [entry_of(left), entry_of(mine)]
    first.log.append(*left)
    assert first.log.catch_up() == size + 2
    whole(world)


def test_an_append_asks_the_store_for_each_thing_once_after_it_may_have_changed(world, writers, monkeypatch):
    stated, log, asked = writers[0].state(1), writers[0].log, []
    size = log.catch_up()

    def noted(verb):
        honest = getattr(Shelf, verb)

        def note(store, key, *words, **more):
            asked.append((verb, key))
            return honest(store, key, *words, **more)

        monkeypatch.setattr(Shelf, verb, note)

    for verb in ("list", "put", "read", "stat", "hold"):
        noted(verb)
    log.append(*stated)
    mine, head = layout.entry_key(size), layout.checkpoint_key(size + 1)
    assert asked == [
        *[("list", head), ("put", mine)],
        *[("list", mine), ("read", mine), ("read", stated[0])],
        *[("list", head), ("put", head)],
        *[("list", head), ("read", head)],
    ]


def test_an_entry_of_ones_own_is_locked_as_the_hold_is_when_its_position_is_closed(world, writers):
    locks = iter([SHORT])
    writers[0].log._lock = lambda: next(locks, LOCK)  # the hold in force, which was extended between two steps
    size = writers[0].log.catch_up()
    writers[0].log.append(*writers[0].state(1))
    for key in (layout.entry_key(size), layout.checkpoint_key(size + 1)):
        assert [one.lock for one in world.store.versions[key]] == [LOCK]


def test_a_position_that_others_closed_since_the_log_was_taken_in_is_taken_in_as_they_closed_it(world, writers):
    first, second = writers
    left, mine = first.state(1), second.state(2)
    size = second.log.catch_up()
    first.log.append(*left)
    assert second.log.finish_tail()
    assert second.book.entries(size, 2) == [entry_of(left)]
    assert not second.log.finish_tail()
    second.log.append(*mine)
    assert second.book.entries(size, 2) == [entry_of(left), entry_of(mine)]
    whole(world)


def test_entering_a_statement_again_changes_nothing(world, writers):
    mine = writers[0].state(1)
    writers[0].log.append(*mine)
    before = {key: list(versions) for key, versions in world.store.versions.items()}
    for writer in writers:
        writer.log.append(*mine)
    assert world.store.versions == before


@pytest.mark.parametrize("plant", ["garbage", "replayed", "re-encoded", "unstored", "forged"])
def test_what_is_no_valid_entry_at_the_next_position_is_passed_over(world, writers, plant):
    mine = writers[0].state(1)
    size = writers[0].log.catch_up()
    planted = {
        "garbage": b"mine!",
        "replayed": world.entries[-1],
        "re-encoded": entry_of(mine).replace(b",", b", "),
        "unstored": entry.encode("statements/incident/20261121T100000Z-ffffff.json", "00" * 32),
        "forged": entry.encode(mine[0], "00" * 32),
    }[plant]
    world.slip_in(layout.entry_key(size), planted)
    writers[0].log.append(*mine)
    assert writers[0].book.entries(size, 1) == [entry_of(mine)]
    assert layout.entry_key(size) in writers[0].strangers
    assert writers[1].log.catch_up() == size + 1
    whole(world)


def test_garbage_on_checkpoints_ahead_does_not_mislead_the_search_for_the_newest(world, writers):
    size = writers[0].log.catch_up()
    for ahead in (1, 2, 4, 8, 1000):
        world.slip_in(layout.checkpoint_key(size + ahead), b"mine!")
    world.slip_in(layout.checkpoint_key(size + 2), world.signed(size, world.tree.root()))
    writers[0].log.append(*writers[0].state(1))
    assert writers[1].log.catch_up() == size + 1


def test_an_entry_that_becomes_the_oldest_after_its_position_was_closed_changes_nothing(world, writers):
    """As on AWS: an upload begun early and completed late is listed below what was put meanwhile."""
    first, second = writers
    mine, theirs = first.state(1), second.state(2)
    size = first.log.catch_up()
    first.log.append(*mine)
    world.slip_in(layout.entry_key(size), entry_of(theirs), oldest=True)
    second.log.append(*theirs)
    assert second.book.entries(size, 2) == [entry_of(mine), entry_of(theirs)]
    first.log.append(*first.state(3))
    whole(world)


def test_an_entry_that_becomes_the_oldest_while_its_position_is_closed_makes_no_fork(world, writers):
    """The one sees its own entry as the oldest, the other a later one below it: the first checkpoint counts."""
    first, second = writers
    mine, theirs = first.state(1), second.state(2)
    size = first.log.catch_up()

    def in_between(key: str) -> None:
        if key == layout.checkpoint_key(size + 1):
            world.store.before_put = lambda _key: None
            world.slip_in(layout.entry_key(size), entry_of(theirs), oldest=True)
            second.log.append(*theirs)

    world.store.before_put = in_between
    first.log.append(*mine)
    assert first.book.entries(size, 2) == [entry_of(theirs), entry_of(mine)]
    assert len(world.store.versions[layout.checkpoint_key(size + 1)]) == 1
    assert second.log.catch_up() == size + 2
    whole(world)


@pytest.mark.parametrize("may_raise_locks", [True, False], ids=["may-raise-locks", "may-only-write"])
def test_an_entry_that_somebody_put_first_under_a_short_lock_is_locked_as_ones_own(world, writers, may_raise_locks):
    world.store.may_raise_locks = may_raise_locks
    mine = writers[0].state(1)
    size = writers[0].log.catch_up()
    world.store.add(layout.entry_key(size), entry_of(mine), SHORT, owner="mallory")
    writers[0].log.append(*mine)
    locks = [one.lock for one in world.store.versions[layout.entry_key(size)] if one.data == entry_of(mine)]
    assert LOCK in locks
    whole(world)


def test_an_older_version_that_is_gone_when_it_is_read_stops_nobody(world, writers, monkeypatch):
    mine = writers[0].state(1)
    size = writers[0].log.catch_up()
    gone = world.slip_in(layout.entry_key(size), b"mine!")
    read = world.store.read

    def vanish(key: str, version: str | None = None):
        if version == gone.version:
            world.store.versions[key] = [one for one in world.store.versions[key] if one.version != version]
        return read(key, version)

    monkeypatch.setattr(world.store, "read", vanish)
    writers[0].log.append(*mine)
    assert writers[0].book.entries(size, 1) == [entry_of(mine)]


def test_delete_markers_over_entries_and_checkpoints_hide_nothing_from_a_writer(world, writers):
    size = writers[0].log.catch_up()
    for position in range(size):
        world.mark_deleted(layout.entry_key(position))
        world.mark_deleted(layout.checkpoint_key(position + 1))
    writers[1].log.append(*writers[1].state(1))
    assert writers[0].log.catch_up() == size + 1


def test_another_signed_root_of_the_same_size_stops_the_writer_before_it_stores_anything(world, writers):
    size = writers[0].log.catch_up()
    other = checkpoint.sign(checkpoint.Checkpoint(world.vkey.name, size, bytes(32)), world.log_signer)
    world.slip_in(layout.checkpoint_key(size), other)
    mine = writers[1].state(1)
    with pytest.raises(EvidenceError) as caught:
        writers[1].log.append(*mine)
    assert caught.value.code == "log-fork"
    assert world.store.puts == []
    assert writers[1].book.log_size() == 0, "nothing is remembered of a log that was forked"


def test_a_log_that_went_back_stops_the_writer(world, writers):
    size = writers[0].log.catch_up()
    world.remove(layout.checkpoint_key(size))
    fresh = Writer(world)
    fresh.book = writers[0].book
    fresh.log = Log(
        world.store,
        fresh.book,
        vkey=world.vkey,
        signer=world.log_signer,
        open_statement=statement_opener(world.trust()),
        lock=lambda: LOCK,
        strangers=lambda _version: None,
    )
    with pytest.raises(EvidenceError) as caught:
        fresh.log.catch_up()
    assert caught.value.code == "log-rollback"


def test_a_book_that_cannot_be_written_leaves_a_log_that_the_next_writer_continues(world, writers, monkeypatch):
    mine = writers[0].state(1)
    size = writers[0].log.catch_up()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(writers[0].book, "absorb", full)
        with pytest.raises(sqlite3.OperationalError):
            writers[0].log.append(*mine)
    writers[1].log.append(*writers[1].state(2))
    writers[0].log.append(*mine)
    assert writers[0].log.catch_up() == size + 2
    whole(world)
