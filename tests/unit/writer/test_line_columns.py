"""What is read out of many lines at once is what stands in each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.mark import Mark
from archiver.writer import own_columns
from archiver.writer.line_columns import columns_of_lines
from archiver.writer.own_columns import columns_of_own_lines

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PART = Part("20261125T120000Z-0a1b2c-documents-00000000", 0, 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
times = st.one_of(st.none(), st.integers(-(10**38), 10**38), st.integers(-(2**63), 2**63), st.integers(-2000, 2000))
names = st.sampled_from(["user.}", "item", "kind", '","item":"']) | texts


@st.composite
def lines(draw) -> ItemLine:
    item = Item(draw(texts.filter(bool)), draw(st.sampled_from(["a", 'b","kind":"x', "ü/c", ',"item":{'])))
    words = draw(st.sampled_from(["file", "object", "neither"]))
    file = {
        **{name: (None if (time := draw(times)) is None else str(time)) for name in ("mtime_ns", "btime_ns")},
        **{name: str(draw(times) or 0) for name in ("ctime_ns", "atime_ns")},
        "dev": "1", "ino": "2", "nlink": 1, "mode": 3, "uid": 4, "gid": 5, "owner": draw(st.none() | texts),
        "group": None, "link_target": None, "holes": [],
        "xattrs": dict.fromkeys(draw(st.lists(names, max_size=2)), "YQ=="),
    }  # fmt: skip
    modified = draw(st.sampled_from([None, "2026-11-25T12:00:00Z"]))
    return ItemLine(
        item,
        "object" if words == "object" else "file",
        "documents",
        draw(st.sampled_from(["captured", "unchanged"])),
        "2026-11-25T12:00:00Z",
        detail=draw(st.none() | texts),
        size=draw(st.none() | st.integers(0, 2**53 - 1)),
        sha256=draw(st.none() | st.just("ab" * 32)),
        parts=(PART,),
        file=file if words == "file" else None,
        object={"item": {"kind": 1}, "tags": draw(texts), "modified": modified} if words == "object" else None,
    )


def moment(nanoseconds: str | None) -> datetime | None:
    try:
        return None if nanoseconds is None else EPOCH + timedelta(microseconds=int(nanoseconds) // 1000)
    except OverflowError:
        return None


@given(some=st.lists(lines(), max_size=4))
def test_the_columns_are_what_the_lines_say(some):
    made = columns_of_lines([line.encode() for line in some])
    columns = {name: column.to_pylist() for name, column in made.items()}

    files = [line.file or {} for line in some]
    assert columns == {
        "item_text": [line.item.text() for line in some],
        "status": [line.status for line in some],
        "kind": [line.kind for line in some],
        "size": [line.size for line in some],
        "sha256": [line.sha256 for line in some],
        "owner": [file.get("owner") for file in files],
        "modified": [
            datetime(2026, 11, 25, 12, tzinfo=UTC)
            if (line.object or {}).get("modified")
            else moment((line.file or {}).get("mtime_ns"))
            for line in some
        ],
        "changed": [moment(file.get("ctime_ns")) for file in files],
        "accessed": [moment(file.get("atime_ns")) for file in files],
        "born": [moment(file.get("btime_ns")) for file in files],
    }


NANOSECONDS = 1_795_676_357_238_819_955
FILE = {
    "atime_ns": str(NANOSECONDS), "btime_ns": str(NANOSECONDS + 1), "ctime_ns": str(NANOSECONDS + 999),
    "mtime_ns": str(NANOSECONDS + 1001), "dev": "1", "ino": "2", "nlink": 1, "mode": 3, "uid": 4, "gid": 5,
    "owner": "jdoe", "group": None, "link_target": None, "holes": [], "xattrs": {},
}  # fmt: skip
USUAL = ItemLine(
    Item("mail", "a/b.txt"), "file", "documents", "captured", "2026-11-25T12:00:00Z",
    basis="read", size=0, sha256="ab" * 32, parts=(PART,), file=FILE,
)  # fmt: skip
AS_USUAL = {
    "unchanged": {"status": "unchanged", "basis": "stat", "size": 2**53 - 1},
    "a log in parts": {"table": "model_logs", "parts": (PART, replace(PART, first=1, sealed=True))},
    "bytes of another": {"parts": (replace(PART, of=Item("mail", "é (1).txt")),)},
    "an odd name": {"item": Item("mail", "ü/,item:{}.txt")},
    "owned by nobody": {"file": {**FILE, "owner": None, "group": "a,b"}},
}
UNUSUAL = {
    "no owner's name": {"file": {**FILE, "owner": ""}},
    "an escaped owner": {"file": {**FILE, "owner": 'a","uid":4,"xattrs":{}},"item":'}},
    "never born": {"file": {**FILE, "btime_ns": None}},
    "early": {"file": {**FILE, "mtime_ns": "999999999999999999"}},
    "before 1970": {"file": {**FILE, "atime_ns": "-179567635723881995"}},
    "late": {"file": {**FILE, "ctime_ns": str(10**19)}},
    "with attributes": {"file": {**FILE, "xattrs": {'"item":{"path":"x","source":"y"},"kind":"file"': "YQ=="}}},
    "an escaped name": {"item": Item("mail", 'a","source":"mail"},"kind":"file","observed_at":".txt')},
    "a version": {"item": Item("mail", "a.txt", version="v1")},
    "a long name": {"item": Item("mail", "a" * 5000)},
    "with a bracket": {"parts": (replace(PART, of=Item("m", "a]")),)},
    "changed": {"status": "changed_during_read"},
    "with a reason": {"reason": "grown"},
    "with a detail": {"detail": "of old"},
    "marked": {"marks": (Mark("privileged", "path:**", "counsel", "mark"),)},
    "failed": {"status": "failed", "size": None, "sha256": None, "parts": (), "table": None},
    "a folder": {"kind": "directory", "status": "recorded", "size": None, "sha256": None, "parts": ()},
    "nothing": {"file": None},
}


def own(some: list[ItemLine]) -> pa.LargeBinaryArray:
    return pa.array([line.encode() for line in some], pa.large_binary())


@pytest.mark.parametrize("name", [None, *AS_USUAL, *UNUSUAL])
def test_lines_are_cut_where_they_are_usual_and_read_where_they_are_not(name):
    some = [USUAL, replace(USUAL, **{**AS_USUAL, **UNUSUAL}.get(name, {})), USUAL]
    assert columns_of_own_lines(own(some)) == columns_of_lines(own(some).to_pylist())
    assert own_columns._words(own(some))[1].to_pylist() == [True, name not in UNUSUAL, True]


@settings(max_examples=50)
@given(
    some=st.lists(
        st.one_of(lines(), st.builds(replace, st.just(USUAL), item=st.builds(Item, st.just("m"), texts.filter(bool)))),
        max_size=6,
    )
)
def test_own_lines_have_the_columns_that_are_read_out_of_them(some):
    assert columns_of_own_lines(own(some)) == columns_of_lines(own(some).to_pylist())
