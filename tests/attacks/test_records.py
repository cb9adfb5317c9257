"""Attacks that the checks of records find."""

from __future__ import annotations

import io
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attack import DOCUMENTS, LISTS, LOGS, Attacks, column, demand_found, judge, line_of, names_anew, only
from world import CHAT, EMPTY, FIRST, MEMO

attacks = Attacks()


# records


@attacks("record-schema", table=only(DOCUMENTS, lambda table: table.drop_columns(["mime"])))
def column_left_out(world):
    """a batch lacks a column"""


@attacks(
    "record-schema", table=only(DOCUMENTS, lambda table: table.append_column("RAW", pa.nulls(2, pa.large_binary())))
)
def column_with_almost_the_same_name(world):
    """a batch has a second column that some readers take for raw"""


@attacks("record-schema", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "archiver.batch": LOGS}))
def batch_under_another_name(world):
    """the metadata names another batch"""


@attacks("record-schema", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "pandas": "{}"}))
def metadata_with_a_member_more(world):
    """the metadata has a member more"""


def salt_twice(metadata):
    return pa.KeyValueMetadata([*metadata.items(), ("archiver.salt", "00" * 32)])


@attacks("record-schema", metadata=only(DOCUMENTS, salt_twice))
def metadata_with_a_member_twice(world):
    """the metadata has another salt behind the right one: of two, one reader takes the first and one the last"""


def footer_of(data):
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def with_footer(data, footer):
    return data.removesuffix(footer_of(data) + data[-8:]) + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def groups_twice(data):
    """Name each row group once more, and leave the number of rows as it was: more can be read than is counted."""
    honest = pq.read_metadata(io.BytesIO(data))
    rows, found = honest.num_rows, pq.read_metadata(io.BytesIO(data))
    found.append_row_groups(honest)
    sink = io.BytesIO()
    found.write_metadata_file(sink)
    total = b"\x16%c\x19"  # num_rows of the file, in zigzag, and the list of its row groups
    return with_footer(data, footer_of(sink.getvalue()).replace(total % (4 * rows), total % (2 * rows), 1))


@attacks("record-order", parquet=only(DOCUMENTS, groups_twice))
def rows_that_are_not_counted(world):
    """a batch has row groups that its number of rows leaves out, and that a reader of all groups sees"""


def group_grown(data):
    """Let the first row group have a row more than its columns."""
    rows = pq.read_metadata(io.BytesIO(data)).row_group(0).num_rows
    of_group = b"\x16%c\x26\x08"  # num_rows in zigzag, and where the group begins
    return with_footer(data, footer_of(data).replace(of_group % (2 * rows), of_group % (2 * rows + 2), 1))


@attacks("record-order", parquet=only(LOGS, group_grown))
def row_group_with_fewer_rows_than_it_says(world):
    """a row group says that it has a row more than there is"""


@attacks("record-order", table=only(DOCUMENTS, lambda table: column(table, "record", [1, 0])))
def record_numbers_exchanged(world):
    """records are not numbered in order"""


@attacks("record-order", table=only(DOCUMENTS, lambda table: table.slice(0, 1)))
def record_left_out(world):
    """a batch has fewer records than stated"""


@attacks("record-order", table=only(DOCUMENTS, lambda table: column(table, "raw", [b"keep everything\n", None])))
def record_without_bytes(world):
    """a record has neither raw nor withheld"""


@attacks("record-root", table=only(DOCUMENTS, lambda table: column(table, "raw", [b"keep everyth1ng\n", b""])))
def record_changed_and_signed(world):
    """a record is not the one under the signed root"""


@attacks("record-root", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "archiver.salt": "00" * 32}))
def salt_changed(world):
    """the salt is another one"""


@attacks("record-root", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "archiver.merkle_root": "00" * 32}))
def root_in_the_metadata_changed(world):
    """metadata and statement have different roots"""


@attacks("item-malformed", table=only(DOCUMENTS, lambda table: column(table, "item", ['{"path": "a"}', EMPTY.text()])))
def item_text_not_canonical(world):
    """an item is not spelled canonically"""


@attacks("item-malformed", line=line_of(MEMO, kind="paper"))
def line_with_an_unknown_kind(world):
    """a line of items is not as published"""


@attacks("item-malformed", line=line_of(MEMO, kind="object", file=None, object={"store": "pipe", "began": None}))
def line_with_half_of_what_another_system_said(world):
    """a line of items has not the members of its store"""


@attacks("item-parts", line=line_of(MEMO, parts=[{"batch": DOCUMENTS, "first": 0, "count": 3}]))
def parts_outside_the_batch(world):
    """a part names rows that the batch does not have"""


@attacks("item-parts", line=line_of(MEMO, parts=[{"batch": DOCUMENTS, "first": 1, "count": 1}]))
def parts_of_another_item(world):
    """a part names rows of another item"""


@attacks("item-parts", line=line_of(MEMO, parts=[{"batch": LOGS, "first": 0, "count": 1}]))
def parts_in_another_table(world):
    """a part names rows of another table"""


@attacks("item-parts", line=line_of(MEMO, parts=[{"batch": f"{FIRST}-documents-00000009", "first": 0, "count": 1}]))
def parts_in_no_batch(world):
    """a part names a batch that the log does not have"""


@attacks(
    "item-parts",
    line=line_of(CHAT, parts=[{"batch": LOGS, "first": 0, "count": 1}, {"batch": LOGS, "first": 2, "count": 1}]),
)
def parts_with_a_gap(world):
    """the parts leave a record out"""


@attacks(
    "item-parts",
    line=line_of(CHAT, parts=[{"batch": LOGS, "first": 2, "count": 1}, {"batch": LOGS, "first": 0, "count": 2}]),
)
def parts_in_another_order(world):
    """the parts exchange the records"""


@attacks("item-sha256", line=line_of(MEMO, sha256="00" * 32))
def item_of_another_digest(world):
    """the bytes of an item are not the ones that its line states"""


@attacks("item-sha256", line=line_of(CHAT, parts=[{"batch": LOGS, "first": 0, "count": 2}]))
def item_without_its_end(world):
    """the last record of a log is left out"""


def withheld(table):
    """Take the bytes of the first row out, as the format allows."""
    raw = table["raw"].to_pylist()
    kept = [{"length": len(raw[0]), "sha256": sha256(raw[0]).digest()}, *[None] * (len(raw) - 1)]
    return column(column(table, "raw", [None, *raw[1:]]), "withheld", kept)


@attacks("item-sha256", 3, table=only(DOCUMENTS, withheld))
def bytes_withheld(world):
    """the bytes of an item were taken out"""


@attacks("item-sha256", 3, table=only(LISTS, withheld))
def line_withheld(world):
    """a line of the list of items was taken out, so that nothing can be counted"""


@attacks("index-differs", table=only(DOCUMENTS, lambda table: column(table, "name", ["innocent.txt", "empty"])))
def index_that_hides_a_name(world):
    """an index column is not what the row says"""
    return {"only": frozenset({"index"}), "derive": names_anew}


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    demand_found(judge(bends, harm, tmp_path), code, exit_status)


def test_every_code_of_these_checks_has_an_attack():
    assert attacks.lacking(7) == set()
