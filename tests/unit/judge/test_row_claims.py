"""Claims of one row are decided at one look, and come to what each of them comes to by itself."""

from __future__ import annotations

import itertools
import sqlite3
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from archiver.judge.batches import Rows
from archiver.judge.claims import Claims
from archiver.judge.scratch import Distinct
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.leaf import item_digest

BATCH = "20261123T120000Z-0a1b2c-documents-00000000"
ITEMS = [Item("papers", name) for name in "ab"]
RAWS = [b"", b"memo", b"other"]

row = st.tuples(st.sampled_from(ITEMS), st.sampled_from([0, 0, 0, 4]), st.sampled_from(RAWS), st.integers(0, 9))
claim = st.tuples(
    st.integers(0, 5), st.sampled_from(ITEMS), st.sampled_from(RAWS), st.sampled_from([0, 0, 0, 1]), st.integers(1, 2)
)


def rows_of(rows, first):
    """Return rows as a batch has them; of one in ten the bytes are withheld."""
    texts = [item.text() for item, *_ in rows]
    withheld = {place: sha256(raw).digest() for place, (_, _, raw, luck) in enumerate(rows) if luck == 0}
    pieces = [b"" if place in withheld else raw for place, (_, _, raw, _) in enumerate(rows)]
    return Rows(
        first,
        texts,
        [item_digest(text) for text in texts],
        [offset for _, offset, *_ in rows],
        [len(raw) for _, _, raw, _ in rows],
        memoryview(b"".join(pieces)),
        list(itertools.accumulate(map(len, pieces), initial=0)),
        withheld,
    )


def claims_of(lines):
    claims = Claims(sqlite3.connect(":memory:", isolation_level=None))
    for number, (first, item, raw, more, count) in enumerate(lines):
        parts, digest = (Part(BATCH, first, count),), sha256(raw).hexdigest()
        words = {"observed_at": "2026-11-23T12:00:00Z", "size": len(raw) + more, "sha256": digest, "parts": parts}
        claims.add(f"record {number}", ItemLine(item, "file", "documents", "captured", **words))
    return claims


@given(st.lists(row, min_size=7, max_size=7), st.lists(claim, max_size=12), st.integers(1, 6))
def test_many_at_one_look_are_what_each_is_by_itself(rows, lines, cut):
    slices = [rows_of(rows[:cut], 0), rows_of(rows[cut:], cut)]
    alone = []
    for each, parts in claims_of(lines).odd():
        for part in parts:
            for some in slices:
                if some.first < part.first + part.count and part.first < some.first + len(some.lengths):
                    each.take(some, part)
        alone.append(each.finish())

    together = claims_of(lines)
    reading = together.reading(BATCH)
    good, found = 0, []
    for some in slices:
        number, verdicts = together.decide(BATCH, some, reading.take(some))
        good += number
        found += verdicts

    assert {one for one in found if one.code} == {one for one in alone if one.code}
    assert len(found) + good == len(alone) == together.count()
    assert list(together.odd()) == []


@given(st.lists(claim, max_size=12), st.integers(0, 5))
def test_what_is_given_up_is_what_was_not_decided(lines, read):
    claims = claims_of(lines)
    reading = claims.reading(BATCH)
    decided = 0
    if read:
        rows = rows_of([(ITEMS[0], 0, RAWS[0], 1)] * read, 0)
        good, found = claims.decide(BATCH, rows, reading.take(rows))
        decided = good + len(found)
    number, examples = claims.give_up(BATCH, "unreadable", 3)

    assert decided + number == claims.count()
    assert claims.left("unreadable") == number
    assert len(examples) == min(number, 3)
    assert claims.give_up(BATCH, "unreadable") == (0, [])
    assert list(claims.odd()) == []


@given(st.lists(st.lists(st.binary(min_size=1, max_size=1), max_size=6), max_size=6))
def test_different_digests_are_counted_wherever_they_are_kept(blocks):
    distinct = Distinct(sqlite3.connect(":memory:"), in_memory=3)
    for _ in range(2):
        distinct.clear()
        for block in blocks:
            distinct.add(block)
        assert distinct.count() == len(set(itertools.chain.from_iterable(blocks)))
