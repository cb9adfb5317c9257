"""Claims of one row are decided at one look, and come to what each of them comes to by itself."""

from __future__ import annotations

import itertools
from array import array
from hashlib import sha256
from unittest.mock import patch

from databases import in_memory
from hypothesis import given
from hypothesis import strategies as st

from archiver.judge import row_claims
from archiver.judge.batches import Rows
from archiver.judge.claims import Claims
from archiver.judge.scratch import Distinct
from archiver.judge.usual_runs import Run
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.leaf import item_digest
from archiver.model.usual_line import Told

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


def claims_of(lines, *, in_runs=False):
    """Enter claims, those of one row by themselves or in runs."""
    claims = in_memory(Claims)
    numbered = enumerate(lines)
    for is_row, some in itertools.groupby(numbered, lambda one: in_runs and one[1][4] == 1):
        if is_row:
            add_run(claims, list(some))
            continue
        for number, (first, item, raw, more, count) in some:
            parts, digest = (Part(BATCH, first, count),), sha256(raw).hexdigest()
            words = {"observed_at": "2026-11-23T12:00:00Z", "size": len(raw) + more, "sha256": digest, "parts": parts}
            claims.add(f"record {number}", ItemLine(item, "file", "documents", "captured", **words))
    return claims


def add_run(claims, some):
    texts = [item.text() for _, (_, item, *_) in some]
    run = Run(
        some[0][0],
        Told("papers", "captured", BATCH, "documents"),
        array("Q", [first for _, (first, *_) in some]),
        b"".join(map(item_digest, texts)),
        b"".join([sha256(raw).digest() for _, (_, _, raw, *_) in some]),
        array("Q", [len(raw) + more for _, (_, _, raw, more, _) in some]),
        "\n".join(texts).encode(),
    )
    with patch.object(row_claims, "_LONG", 1):
        claims.add_rows("record ", run)


rising = st.lists(claim, max_size=12) | st.lists(claim, max_size=12).map(
    lambda found: sorted(found, key=lambda one: one[0])
)


@given(st.lists(row, min_size=7, max_size=7), rising, st.integers(1, 6), st.booleans())
def test_many_at_one_look_are_what_each_is_by_itself(rows, lines, cut, in_runs):
    slices = [rows_of(rows[:cut], 0), rows_of(rows[cut:], cut)]
    alone = []
    for each, parts in claims_of(lines).odd():
        for part in parts:
            for some in slices:
                if some.first < part.first + part.count and part.first < some.first + len(some.lengths):
                    each.take(some, part)
        alone.append(each.finish())

    together = claims_of(lines, in_runs=in_runs)
    reading = together.reading(BATCH)
    good, found = 0, []
    for some in slices:
        number, verdicts = together.decide(BATCH, some, reading.take(some))
        good += number
        found += verdicts

    assert {one for one in found if one.code} == {one for one in alone if one.code}
    assert len(found) + good == len(alone) == together.count()
    assert list(together.odd()) == []


@given(rising, st.integers(0, 5), st.booleans())
def test_what_is_given_up_is_what_was_not_decided(lines, read, in_runs):
    claims = claims_of(lines, in_runs=in_runs)
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


@given(rising, st.integers(0, 5), st.integers(0, 9))
def test_rows_that_did_not_come_are_left_the_same(lines, read, luck):
    left = []
    for claims in claims_of(lines), claims_of(lines, in_runs=True):
        reading, rows = claims.reading(BATCH), rows_of([(ITEMS[0], 0, RAWS[1], luck)] * read, 0)
        decided = claims.decide(BATCH, rows, reading.take(rows)) if read else None
        left.append((decided, [(one._opened.place, parts) for one, parts in claims.odd()], claims.of_rows(BATCH)))
    assert left[0] == left[1]


def test_a_long_run_that_fits_is_one_look_at_few_values_and_one_that_does_not_names_its_row():
    rows = rows_of([(Item("papers", f"{number}"), 0, b"memo %d" % number, 1) for number in range(200)], 0)
    honest = [(number, Item("papers", f"{number}"), b"memo %d" % number, 0, 1) for number in range(200)]
    for place, bend in (None, None), (0, b"other"), (77, b"memo 78"), (199, b""):
        lines = [(*one[:2], bend, *one[3:]) if one[0] == place else one for one in honest]
        claims = claims_of(lines, in_runs=True)
        assert claims._db.execute("SELECT count(*) FROM row_claims").fetchone() == (0,)
        good, found = claims.decide(BATCH, rows, ())
        assert (good, [(one.place, one.code) for one in found]) == (
            (200, []) if place is None else (199, [(f"record {place}", "item-sha256")])
        )


@given(st.lists(st.lists(st.binary(min_size=1, max_size=1), max_size=6), max_size=6))
def test_different_digests_are_counted_wherever_they_are_kept(blocks):
    distinct = in_memory(Distinct, in_memory=3)
    for _ in range(2):
        distinct.clear()
        for block in blocks:
            distinct.add(block)
        assert distinct.count() == len(set(itertools.chain.from_iterable(blocks)))
