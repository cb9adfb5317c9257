"""What is judged in shares, by whichever process, comes to what one pass over the whole batch comes to."""

from __future__ import annotations

import heapq
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from operator import attrgetter

import pytest
from databases import in_memory
from hypothesis import given
from hypothesis import strategies as st

from archiver.judge.batch_claims import BatchClaims, OpenClaim, Part
from archiver.judge.batch_error import BatchError
from archiver.judge.batches import Rows
from archiver.judge.claims import Claims
from archiver.judge.packed import packed, unpacked
from archiver.judge.rows import Slice, Sums
from archiver.model import items
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.leaf import item_digest
from archiver.proof import merkle

BATCH = "20261123T120000Z-0a1b2c-model_logs-00000000"
OTHER = "20261123T120000Z-0a1b2c-model_logs-00000001"
ITEMS = [Item("logs", name) for name in "ab"]
ROWS = 9

row = st.tuples(st.sampled_from(["a", "a", "a", "b"]), st.sampled_from([b"", b"one", b"other"]), st.integers(0, 9))
part = st.tuples(st.sampled_from([BATCH, BATCH, BATCH, OTHER]), st.integers(0, ROWS - 1), st.integers(1, ROWS))
claim = st.tuples(st.integers(0, 1), st.lists(part, min_size=1, max_size=2), st.sampled_from([0, 0, 0, 1]))
cuts = st.sets(st.integers(1, ROWS - 1), max_size=4).map(sorted)


def rows_of(found):
    """Return all rows of a batch: offsets run on while the item stays, and of some the bytes are withheld."""
    texts = [Item("logs", name).text() for name, _, _ in found]
    lengths = [len(raw) for _, raw, _ in found]
    offsets, end = [], {}
    for text, length in zip(texts, lengths, strict=True):
        offsets.append(end.get(text, 0))
        end[text] = offsets[-1] + length
    withheld = {place: sha256(raw).digest() for place, (_, raw, luck) in enumerate(found) if luck == 0}
    here = [b"" if place in withheld else raw for place, (_, raw, _) in enumerate(found)]
    bounds = list(itertools.accumulate(map(len, here), initial=0))
    data, digests = memoryview(b"".join(here)), [item_digest(text) for text in texts]
    return Rows(0, texts, digests, offsets, lengths, data, bounds, withheld)


def cut(rows, first, after):
    bounds = rows.bounds[first : after + 1]
    return Rows(
        first,
        rows.texts[first:after],
        rows.digests[first:after],
        rows.offsets[first:after],
        rows.lengths[first:after],
        rows.data[bounds[0] : bounds[-1]],
        [bound - bounds[0] for bound in bounds],
        {place - first: digest for place, digest in rows.withheld.items() if first <= place < after},
    )


def claims_of(found, rows):
    """Enter claims; most are what their rows bear out."""
    claims = in_memory(Claims)
    for number, (item, parts, more) in enumerate(found):
        clipped = [(batch, first, min(count, ROWS - first)) for batch, first, count in parts]
        raw = b"".join(bytes(rows.data[rows.bounds[first] : rows.bounds[first + count]]) for _, first, count in clipped)
        words = {"observed_at": "2026-11-23T12:00:00Z", "size": len(raw) + more, "sha256": sha256(raw).hexdigest()}
        stated = tuple(items.Part(*one) for one in clipped)
        claims.add(f"record {number}", ItemLine(ITEMS[item], "file", "model_logs", "captured", parts=stated, **words))
    return claims


@given(st.lists(row, min_size=ROWS, max_size=ROWS), st.lists(claim, max_size=8), cuts, cuts)
def test_claims_that_are_shared_out_are_decided_as_in_one_pass(found, stated, shares, slices):
    rows = rows_of(found)
    starts, edges = [0, *shares], sorted({0, ROWS, *shares, *slices})
    every = [cut(rows, first, after) for first, after in itertools.pairwise(edges)]

    whole = claims_of(stated, rows)
    reading = whole.reading(BATCH)
    expected = [whole.decide(BATCH, one, reading.take(one)) for one in every]

    claims = claims_of(stated, rows)
    given_out = claims.shared_out(BATCH, starts, 100)
    within = [
        BatchClaims(((Part(*one), OpenClaim(None, *words)) for one, words in parts), {}) for parts in given_out.within
    ]
    beyond, actual = claims.reading(BATCH, starts), []
    low, high = given_out.beyond
    for one in every:
        share = sum(start <= one.first for start in starts) - 1
        decided = list(within[share].take(one))
        is_beyond = one.first < high and one.first + len(one.lengths) > low
        came = unpacked(packed(one, digests_of_raw=not is_beyond), bytes(one.data) if is_beyond else None)
        more = beyond.take(came) if is_beyond else ()
        actual.append(claims.decide(BATCH, came, heapq.merge(decided, more, key=attrgetter("order"))))
    assert actual == expected
    assert claims.waiting.keys() == whole.waiting.keys()


@given(st.lists(row, min_size=ROWS, max_size=ROWS))
def test_rows_come_out_as_they_were_packed(found):
    rows = rows_of(found)
    came = unpacked(packed(rows), bytes(rows.data))
    assert came == rows
    assert came.raws == rows.raws
    without = unpacked(packed(rows), None)
    assert replace(without, data=rows.data, bounds=rows.bounds) == rows
    assert without.raws == rows.raws
    assert unpacked(packed(rows, digests_of_raw=False), bytes(rows.data)).raws == rows.raws
    with pytest.raises(ValueError, match="found neither"):
        unpacked(packed(rows, digests_of_raw=False), None)


def test_who_waits_waits_until_what_is_hashed_beside_has_been():
    gate, order = threading.Event(), []
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(1) as other:
        claims = in_memory(Claims, beside)
        beside.submit(lambda: (gate.wait(), order.append("hashed")))
        waiting = other.submit(lambda: (claims.wait(), order.append("waited")))
        gate.set()
        waiting.result()
    assert order == ["hashed", "waited"]


@given(st.integers(0, 70), st.sets(st.integers(0, 70), max_size=6))
def test_subtrees_of_stretches_make_the_tree_over_all_leaves(size, edges):
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    tree, grown = merkle.Frontier(), 0
    for first, after in itertools.pairwise(sorted({0, size, *(edge for edge in edges if edge < size)})):
        for height, root in merkle.subtrees(first, leaves[first:after]):
            tree.graft(height, root)
            grown += 1 << height
            assert tree.root() == merkle.root_of(leaves[:grown])
    assert (tree.size, tree.root()) == (size, merkle.root_of(leaves))


def test_rows_that_do_not_follow_those_before_are_refused():
    sums = Sums("documents")
    sums.add(Slice(0, 2, 6, [(1, bytes(32))], [], 0, 6))
    with pytest.raises(BatchError) as caught:
        sums.add(Slice(3, 1, 3, [(0, bytes(32))], [], 0, 3))
    assert (caught.value.code, caught.value.expected, caught.value.actual) == ("record-order", "record 2", "record 3")


def test_a_subtree_that_does_not_begin_where_it_can_is_refused():
    tree = merkle.Frontier()
    tree.append(merkle.leaf_hash(b"one"))
    with pytest.raises(merkle.ProofError, match="expected to begin at a multiple of 2, found 1"):
        tree.graft(1, merkle.leaf_hash(b"other"))
