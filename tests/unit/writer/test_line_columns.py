"""What is read out of many lines at once is what stands in each of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.writer import line_columns
from archiver.writer.line_columns import columns_of_lines

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


@pytest.mark.parametrize("few", [0, 1000])
@given(some=st.lists(lines(), max_size=4))
def test_the_columns_are_what_the_lines_say(few, some):
    with patch.object(line_columns, "_FEW", few):
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
