"""Lines that are entered in runs come to what they come to one by one."""

from __future__ import annotations

import itertools
import re
import tracemalloc
from dataclasses import replace
from unittest.mock import patch

import pytest
from databases import in_memory
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.judge import row_claims, run_claims
from archiver.judge.batches import Rows
from archiver.judge.claims import Claims
from archiver.judge.usual_runs import Other, runs_of
from archiver.model import item, usual_line
from archiver.model.item import USUAL_ITEM, Item, are_usual_of
from archiver.model.items import ItemLine, Part
from archiver.model.leaf import item_digest
from archiver.model.usual_line import LONGEST, usual_row

SNAPSHOT = "20261123T120000Z-0a1b2c"
BATCHES = [f"{SNAPSHOT}-documents-{number:08d}" for number in range(2)]
FACTS = dict.fromkeys(("gid", "mode", "nlink", "uid"), 0) | {
    **dict.fromkeys(("atime_ns", "ctime_ns", "dev", "ino", "mtime_ns"), "1"),
    "btime_ns": None,
    "group": None,
    "holes": [],
    "link_target": None,
    "owner": "root",
    "xattrs": {},
}

line = st.builds(
    lambda name, batch, first, digit, size, is_usual: ItemLine(
        Item("papers", name),
        "file",
        "documents",
        "captured",
        observed_at="2026-11-23T12:00:00Z",
        basis="read",
        detail=None if is_usual else "odd",
        size=size,
        sha256=digit * 64,
        parts=(Part(batch, first, 1),),
        file=FACTS,
    ),
    st.sampled_from(["a", "b/c", "%25"]),
    st.sampled_from([*BATCHES, BATCHES[0], BATCHES[0]]),
    st.sampled_from([0, 1, 2, 3, 4, 9_000_000]),
    st.sampled_from("a0"),
    st.integers(0, 1),
    st.sampled_from([True, True, True, False]),
)


def rows_of(raws, first):
    bounds = list(itertools.accumulate(map(len, raws), initial=0))
    texts, lengths = ["items"] * len(raws), [len(raw) for raw in raws]
    return Rows(
        first, texts, [item_digest("items")] * len(raws), bounds[:-1], lengths, memoryview(b"".join(raws)), bounds, {}
    )


def entered(claims):
    claims.count()  # enters what waits
    rows = claims._rows
    for batch in rows._runs.batches():
        rows._take_out(rows._runs.spans(batch))
    return claims._db.execute("SELECT * FROM row_claims").fetchall()


@given(st.lists(st.lists(line, min_size=1, max_size=8), max_size=4), st.sampled_from([0, 1000]), st.integers(1, 3))
def test_runs_of_lines_are_the_lines(lists, block, long):
    one_by_one, in_runs = (in_memory(Claims) for _ in range(2))
    first = 0
    with (
        patch.object(row_claims, "_BLOCK", block),
        patch.object(row_claims, "_LONG", long),
        patch.object(run_claims, "_MOST_FETCHED", long),
    ):
        for lines in lists:
            for number, each in enumerate(lines, first):
                one_by_one.add(f"list record {number}", each)
            for one in runs_of(rows_of([each.encode() for each in lines], first)):
                if isinstance(one, Other):
                    in_runs.add(f"list record {one.record}", ItemLine.parse(one.raw))
                else:
                    in_runs.add_rows("list record ", one)
            first += len(lines)
        assert in_runs.count() == one_by_one.count()
        assert entered(in_runs) == entered(one_by_one)


@given(st.lists(line, min_size=1, max_size=9))
def test_no_line_is_left_out(lines):
    found = []
    for one in runs_of(rows_of([each.encode() for each in lines], 7)):
        if isinstance(one, Other):
            found.append((one.record, ItemLine.parse(one.raw).item.text()))
            assert not one.is_withheld
        else:
            found += enumerate(one.texts(), one.record)
    assert found == list(enumerate((each.item.text() for each in lines), 7))


GOOD = ItemLine(
    Item("papers", "a/b.txt"),
    "file",
    "documents",
    "captured",
    "2026-11-23T12:00:00Z",
    basis="read",
    size=7,
    sha256="5" * 64,
    parts=(Part(BATCHES[0], 0, 1),),
    file=FACTS,
).encode()
ROWS = [
    GOOD,
    GOOD,
    GOOD.replace(b'"first":0', b'"first":12'),
    GOOD.replace(b"captured", b"unchanged"),
    GOOD.replace(b'"papers"', b'""'),
    GOOD.replace(b'"count":1', b'"count":2'),
    GOOD.replace(b'"first":0', b'"first":0,"of":{"path":"a","source":"papers"}'),
    GOOD.replace(b"11-23T", b"13-23T"),
    GOOD.replace(b"00000000", b"0000"),
    GOOD.replace(b"b.txt", b"\n.txt"),
    GOOD.replace(b"12:00:00Z", b"12:00:00Z\n"),
    GOOD.replace(b"b.txt", b"b" * LONGEST),
    GOOD.replace(b"b.txt", b".."),
    GOOD[:-1],
    GOOD[:200],
    GOOD[200:],
    GOOD * 2,
    b" " + GOOD,
    b"",
    b"\n",
    b"\xff\n",
]


@given(st.lists(st.sampled_from(ROWS), max_size=9), st.sets(st.integers(0, 8)), st.integers(0, 3))
@example(ROWS, set(), 0)
@example([GOOD * 2, b""], set(), 0)
@example([GOOD[:-1], b"\n" + GOOD], set(), 0)
def test_many_lines_say_what_each_says(raws, hidden, withheld):
    rows = rows_of(raws, 7)
    rows = replace(rows, withheld=dict.fromkeys(hidden & set(range(len(raws))), b"0" * 32) if withheld == 0 else {})
    expected = [
        (record, raw, place in rows.withheld) if usual is None else (record, *usual)
        for place, raw in enumerate(raws)
        for record, usual in [(place + 7, usual_row(raw))]
    ]
    found = []
    for one in runs_of(rows):
        if isinstance(one, Other):
            found.append(tuple(one))
            continue
        for number, (text, row) in enumerate(zip(one.texts(), one.rows(), strict=True)):
            first, carries, digest, size = row
            assert carries == item_digest(text)
            found.append((one.record + number, one.told, text.encode(), first, digest.hex().encode(), size))
    assert found == expected


def test_rows_full_of_line_feeds_take_no_more_memory_than_their_bytes():
    rows = rows_of([b"\n" * 4096] * 64, 0)
    tracemalloc.start()
    try:
        found = runs_of(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 64
    assert peak < 8 * len(rows.data)


@pytest.mark.parametrize("path", ["a/", "a/.", "a/..", "a//b", "/a", "", "a/./b", "..", "%"])
def test_a_path_in_another_spelling_is_no_usual_one(path):
    text = f'{{"path":"{path}","source":"papers"}}'
    assert re.fullmatch(USUAL_ITEM, text) is None
    assert not are_usual_of("papers", [text])
    assert not are_usual_of("papers", ['{"path":"a","source":"papers"}', text, '{"path":"b","source":"papers"}'])
    assert usual_row(GOOD.replace(b"a/b.txt", path.encode())) is None


def test_no_group_of_usual_words_is_repeated_possessively():
    """Before Python 3.11.5 that takes half of a repetition: a path may end in a slash, and is believed."""
    texts = [item._usual_of("papers"), usual_line._pattern(), usual_line._pattern_of_many()]
    for text in [USUAL_ITEM, *(str(one.pattern) for one in texts)]:
        assert "++" in text
        assert re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", text) is None


def test_long_items_that_come_often_are_not_put_together():
    text = '{"path":"' + "a" * (1 << 16) + '","source":"papers"}'
    assert are_usual_of("papers", [text] * 3)
    tracemalloc.start()
    try:
        assert not are_usual_of("papers", [text] * 200)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(text)
