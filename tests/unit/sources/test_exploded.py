"""The rows of a derived table: one at least for each record, the same however records come, within limits."""

from __future__ import annotations

import pyarrow as pa
import pytest

from archiver.sources import exploded
from archiver.sources.exploded import Block, Exploder
from archiver.sources.reading_logs import LogReader

CRI = "cri.log>json.generic"
CUT = [
    b'2026-01-08T11:07:41.1Z stdout P {"request_id":\n',
    b'2026-01-08T11:07:41.2Z stderr P {"request_\n',
    None,
    b'2026-01-08T11:07:41.3Z stdout F "one"}\n',
    b'2026-01-08T11:07:41.4Z stderr F id":"two"}\n',
    b'2026-01-08T11:07:41.5Z stdout F {"request_id":"three"}\n',
]


@pytest.fixture(scope="module")
def reader():
    return LogReader()


def rows_of(reader, records, dialect, *, at_once=100, pieces=False, runs=None):
    exploder, rows = Exploder(reader), []
    for first in range(0, len(records), at_once):
        some = records[first : first + at_once]
        numbers = [0] * len(some) if runs is None else runs[first : first + at_once]
        raw = pa.array(some, pa.large_binary())
        block = Block(first, numbers, [dialect] * len(some), raw, [pieces] * len(some))
        for batch in exploder.take("B", block):
            rows += batch.drop_columns(["event_time"]).to_pylist()
    return rows


def told(rows):
    return [(row["record"], row["records"], row["request_id"]) for row in rows]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_cut_texts_are_joined_across_blocks_and_around_withheld_records(reader, at_once):
    assert told(rows_of(reader, CUT, CRI, at_once=at_once)) == [
        (0, None, None), (1, None, None), (2, None, None), (3, [0, 3], "one"), (4, [1, 4], "two"), (5, None, "three"),
    ]  # fmt: skip


def test_pieces_of_another_run_are_not_joined(reader):
    assert {row[1] for row in told(rows_of(reader, CUT, CRI, runs=[0, 0, 0, 1, 1, 1]))} == {None}


def test_a_stream_that_grows_too_long_is_given_up_and_another_one_is_joined(reader, monkeypatch):
    monkeypatch.setattr(exploded, "LOG_ROW", 40)
    long = [b"2026-01-08T11:07:41.0Z stdout P %s\n" % (b"x" * 30)] * 2
    found = told(rows_of(reader, [*long, *CUT], CRI))
    assert [row for row in found if row[1]] == [(6, [3, 6], "two")]


@pytest.mark.parametrize("dialect", ["openai.chat", CRI, "aws.cloudwatch>docker.json-file>json.generic", "text.opaque"])
def test_of_bytes_that_are_not_there_or_not_all_there_nothing_is_read(reader, dialect):
    hidden = [
        {name for name, value in row.items() if value is not None} for row in rows_of(reader, [None] * 2, dialect)
    ]
    assert hidden == [{"batch", "record"}] * 2
    parts = rows_of(reader, [b'{"request_id":"x"}\n'] * 2, dialect, pieces=True)
    assert [(row["content_status"], row["request_id"]) for row in parts] == [("fragment", None)] * 2


def test_a_record_of_very_many_events_has_a_row_for_each(reader, monkeypatch):
    monkeypatch.setattr(exploded, "_MOST", 7)
    event = b'{"timestamp":1767870461118,"message":"{\\"request_id\\":\\"e%d\\"}"}'
    events = b",".join(event % number for number in range(20))
    batch = b'{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[%s]}\n' % events
    rows = rows_of(reader, [batch, batch], "aws.cloudwatch>json.generic")
    assert [(row["record"], row["event"], row["pointer"], row["request_id"]) for row in rows] == [
        (record, number, f"/logEvents/{number}", f"e{number}") for record in (0, 1) for number in range(20)
    ]
