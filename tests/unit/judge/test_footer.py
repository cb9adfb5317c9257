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


def with_footer(file: io.BytesIO, footer: bytes) -> io.BytesIO:
    data = file.getvalue()
    body = data[: len(data) - 8 - len(footer_of(file))]
    return io.BytesIO(body + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def hidden() -> dict[str, bytes]:
    """Return footers that Arrow reads with a key twice, and a reader that knows no better without any."""
    footer = footer_of(written(("archiver.salt", "1"), ("archiver.salt", "2")))
    place = footer.index(b"\x18\x0darchiver.salt") - 2  # where the list of the metadata begins, as member 5 behind 4
    before, entries = footer[:place], footer[place + 1 :]
    assert footer[place] == 0x19
    size = len(entries) + 12
    swallows = b"\x01\x18" + bytes([size & 127 | 128, size >> 7]) + bytes(12)  # 16 bytes, or a text to the end
    rest = b"\x09\x0a" + entries
    return {
        "a list of texts": before + b"\x19" + bytes([entries[0] & 0xF0 | 8]) + entries[1:],
        "a list of numbers": before + b"\x19" + bytes([entries[0] & 0xF0 | 5]) + entries[1:],
        "behind what has 16 bytes": before + b"\x0d\xb4\x01" + swallows + rest,
        "by a number of 16 bits": before + b"\x09\x8a\x80\x08" + entries,
    }


@pytest.mark.parametrize(
    "how", ["a list of texts", "a list of numbers", "behind what has 16 bytes", "by a number of 16 bits"]
)
def test_a_key_that_is_hidden_by_a_second_way_to_read_the_footer_is_refused(how):
    footer = hidden()[how]
    read = pq.ParquetFile(with_footer(written(("archiver.salt", "1"), ("archiver.salt", "2")), footer))
    assert b"archiver.salt" in read.metadata.metadata
    with pytest.raises(ValueError, match="footer"):
        key_twice(footer, KEYS)
