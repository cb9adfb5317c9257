"""Keys of a footer's metadata: each that is there twice is named, and no name of a file is taken for one."""

from __future__ import annotations

import contextlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.judge.footer import footer_of, key_twice

KEYS = ["archiver.format", "archiver.salt", "ARROW:schema"]


def written(*pairs, names=("a",)):
    schema = pa.schema([("name", pa.string()), ("of", pa.map_(pa.string(), pa.float64())), ("good", pa.bool_())])
    table = pa.table([list(names), [None] * len(names), [True] * len(names)], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(pa.KeyValueMetadata(list(pairs))), sink, row_group_size=1)
    return sink


def test_each_key_once_is_no_finding():
    assert key_twice(footer_of(written(("archiver.salt", "1"), ("archiver.format", "1"))), KEYS) is None


@pytest.mark.parametrize("values", [("1", "1"), ("1", "2"), ("1", "")])
def test_a_key_that_is_there_twice_is_named(values):
    pairs = [("archiver.format", "1"), *(("archiver.salt", value) for value in values)]
    assert key_twice(footer_of(written(*pairs)), KEYS) == "archiver.salt"


def test_the_schema_of_arrow_counts_too():
    assert key_twice(footer_of(written(("ARROW:schema", "x"), ("archiver.salt", "1"))), KEYS) == "ARROW:schema"


LONGER = ["archiver.table", "archiver.table_version"]


def test_a_key_that_begins_a_longer_one_does_not_have_the_footer_read_member_by_member():
    assert key_twice(b"archiver.table archiver.table_version", LONGER) is None
    with pytest.raises(ValueError):
        key_twice(b"archiver.table archiver.table archiver.table_version", LONGER)


@pytest.mark.parametrize("twice", LONGER)
def test_a_key_that_is_there_twice_beside_a_longer_one_is_named(twice):
    pairs = [(key, "1") for key in LONGER for _ in range(1 + (key == twice))]
    assert key_twice(footer_of(written(*pairs)), LONGER) == twice


def test_a_file_that_bears_the_name_of_a_key_is_no_key():
    footer = footer_of(written(("archiver.salt", "1"), names=["archiver.salt"] * 40))
    assert footer.count(b"archiver.salt") > 1
    assert key_twice(footer, KEYS) is None


@given(st.data())
def test_a_footer_that_is_none_is_refused_or_read_and_nothing_else(data):
    footer = footer_of(written(("archiver.salt", "1"), ("archiver.salt", "2")))
    place = data.draw(st.integers(0, len(footer) - 1))
    bent = footer[:place] + data.draw(st.binary(max_size=3)) + footer[place + data.draw(st.integers(0, 3)) :]
    with contextlib.suppress(ValueError):  # where it ends within a member
        assert key_twice(bent, KEYS) in {None, "archiver.salt"}
