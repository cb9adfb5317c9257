"""The leaves of a batch's rows, whoever hashes them."""

from __future__ import annotations

import os
import signal
import sys
from hashlib import sha256
from itertools import accumulate, pairwise

import pytest

from archiver.model.leaf import Salts, item_digest, leaf
from archiver.model.rows import Rows
from archiver.proof import merkle
from archiver.writer import leaves_apart
from archiver.writer.leaves import Beside, Leaves

SALT = bytes(range(32))
ITEM = item_digest("s:log")
ROWS = [b"%d\n" % number * (number * 7 % 40) for number in range(3000)]
OFFSETS = list(accumulate(map(len, ROWS), initial=0))
SALTS = Salts(SALT)
PUBLISHED = [leaf(ITEM, OFFSETS[row], SALTS.row(row), raw) for row, raw in enumerate(ROWS)]


def add(leaves, first, after):
    leaves.add(ITEM, OFFSETS[first], Rows.of(ROWS[first:after]))


@pytest.fixture(scope="module")
def beside():
    with Beside(1, begin=0) as one:
        yield one


@pytest.mark.parametrize(
    "cuts",
    [[3000], [700, 1400, 2100, 2800, 3000], [1, 3, 1000, 1001, 3000], [*range(2, 3001, 2)], [1024, 2048, 3000]],
    ids=["at one go", "as blocks come", "odd", "many more than have room", "at powers of two"],
)
def test_rows_that_another_process_hashes_have_the_published_leaves(beside, cuts):
    leaves = Leaves(SALT, beside)
    for first, after in pairwise([0, *cuts]):
        add(leaves, first, after)
    assert beside.process is not None
    assert not beside.process.has_ended
    assert leaves.root() == merkle.root_of(PUBLISHED)


@pytest.mark.parametrize(("most_bytes", "most_rows"), [(30_000, 1 << 15), (2 << 20, 700), (100, 7)])
def test_rows_that_are_too_many_for_one_go_are_hashed_in_pieces(beside, monkeypatch, most_bytes, most_rows):
    monkeypatch.setattr(leaves_apart, "_BYTES", most_bytes)
    monkeypatch.setattr(leaves_apart, "_ROWS", most_rows)
    some = list(leaves_apart.pieces(Rows.of(ROWS)))
    assert [row for rows in some for row in rows] == ROWS
    assert sum(leaves_apart.fits(len(rows), len(rows.data)) for rows in some) * 2 > len(some)


@pytest.mark.parametrize("kept", [0, 1, 699, 700, 701, 1400, 1401])
def test_rows_may_be_taken_back_wherever_they_were_hashed(beside, kept):
    leaves = Leaves(SALT, beside)
    add(leaves, 0, 700)
    add(leaves, 700, 1401)
    leaves.take_back(kept)
    assert (len(leaves), leaves.root()) == (kept, merkle.root_of(PUBLISHED[:kept]))
    add(leaves, kept, 3000)
    assert leaves.root() == merkle.root_of(PUBLISHED)


def test_rows_hashed_here_and_there_are_of_one_tree(beside):
    digests = [sha256(raw).digest() for raw in ROWS]
    leaves = Leaves(SALT, beside)
    add(leaves, 0, 1)
    add(leaves, 1, 1200)
    leaves.add_digests([ITEM] * 300, OFFSETS[1200:1500], list(map(len, ROWS[1200:1500])), digests[1200:1500])
    add(leaves, 1500, 2999)
    add(leaves, 2999, 3000)
    assert leaves.root() == merkle.root_of(PUBLISHED)


@pytest.mark.parametrize("kept", [0, 63, 64, 500, 1700, 2200])
def test_subtrees_that_were_made_on_the_way_are_those_of_the_tree(beside, kept):
    digests, lengths = [sha256(raw).digest() for raw in ROWS], list(map(len, ROWS))
    leaves = Leaves(SALT, beside)
    for first, after, here in [(0, 63, True), (63, 500, True), (500, 1700, False), (1700, 2300, True)]:
        if here:
            leaves.add_digests(
                [ITEM] * (after - first), OFFSETS[first:after], lengths[first:after], digests[first:after]
            )
        else:
            add(leaves, first, after)
    leaves.take_back(kept)
    rest = slice(kept, 3000)
    leaves.add_digests([ITEM] * (3000 - kept), OFFSETS[:-1][rest], lengths[rest], digests[rest])
    assert leaves.root() == merkle.root_of(PUBLISHED)


def test_batches_beside_each_other_may_ask_one_process(beside):
    first, given_up, second = (Leaves(SALT, beside) for _ in range(3))
    for begin in range(0, 3000, 100):
        for one in (first, given_up, second):
            add(one, begin, begin + 100)
    del given_up
    assert second.root() == first.root() == merkle.root_of(PUBLISHED)


def test_what_a_killed_process_has_not_answered_is_hashed_here():
    with Beside(1, begin=0) as beside:
        leaves = Leaves(SALT, beside)
        add(leaves, 0, 500)
        assert beside.process is not None
        os.kill(beside.process.pid, signal.SIGSTOP)
        for begin in (500, 1000, 1500):
            add(leaves, begin, begin + 500)
        os.kill(beside.process.pid, signal.SIGKILL)
        add(leaves, 2000, 2500)
        assert leaves.root() == merkle.root_of(PUBLISHED[:2500])
        assert beside.process.has_ended
        add(leaves, 2500, 3000)
        assert leaves.root() == merkle.root_of(PUBLISHED)


def test_where_no_process_can_be_started_all_are_hashed_here(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Beside(1, begin=0) as beside:
        leaves = Leaves(SALT, beside)
        add(leaves, 0, 3000)
        assert beside.process is None
        assert leaves.root() == merkle.root_of(PUBLISHED)


def test_a_process_that_will_be_wanted_is_there_before_the_first_row():
    with Beside(1, begin=1 << 20) as beside:
        beside.expect(1 << 20)
        assert beside.process is None
        beside.expect((1 << 20) + 1)
        assert beside.process is not None
        leaves = Leaves(SALT, beside)
        add(leaves, 0, 3000)
        assert leaves.root() == merkle.root_of(PUBLISHED)


@pytest.mark.parametrize("begin", [0, 1 << 30], ids=["no process is allowed", "too few for one"])
def test_a_process_is_started_only_where_it_is_worth_it(begin):
    with Beside(int(begin > 0), begin=begin) as beside:
        add(Leaves(SALT, beside), 0, 3000)
        assert beside.process is None


@pytest.mark.parametrize(("rows", "size"), [(1 << 16, 1 << 16), (2, 3 << 20)], ids=["too many rows", "too long ones"])
def test_rows_that_have_no_room_in_shared_memory_are_hashed_here(beside, rows, size):
    raws = Rows.of([b"r" * (size // rows)] * rows)
    here, there = Leaves(SALT), Leaves(SALT, beside)
    for leaves in (here, there):
        leaves.add(ITEM, 0, raws)
    assert not leaves_apart.fits(rows, size)
    assert there.root() == here.root()
