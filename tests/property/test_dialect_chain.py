"""Records in records in records: the fast reader undoes any nesting as the reference does."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.model.csv_table import CsvTable, escaped, table_of, unescaped
from archiver.model.dialect import FIELDS, LinePattern
from archiver.model.dialect_chain import derive_chain, parse_chain, spell_chain
from archiver.model.dialect_events import events_of
from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_recognise import recognise
from archiver.model.line_pattern import match_lines
from archiver.sources.dialect_chain import project_chain
from archiver.sources.dialects import DERIVED_SCHEMA, Engine
from archiver.sources.rows import csv_rows

ALL = load_dialects()
SAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "dialects" / "samples"
LINES = {name: (SAMPLES / f"{name}.jsonl").read_bytes().splitlines() for name in ALL}
TIME = "2026-01-08T11:07:41.118443515Z"
WRAPPERS = {
    "docker.json-file": lambda text: json.dumps({"log": text + "\n", "stream": "stdout", "time": TIME}),
    "cri.log": lambda text: f"{TIME} stdout F {text}",
    "fluent-bit.record": lambda text: json.dumps({"date": 1767870461.5, "log": text}),
    "vector.log": lambda text: json.dumps({"message": text, "source_type": "file", "timestamp": TIME}),
    "kafka.message": lambda text: json.dumps(
        {"topic": "t", "partition": 0, "offset": 7, "tstype": "create", "ts": 1767870461118, "payload": text}
    ),
    "aws.cloudwatch": lambda text: json.dumps(
        {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [{"id": "1", "timestamp": 1, "message": text}]}
    ),
    "aws.cloudwatch-export": lambda text: f"2026-01-08T11:07:41.118Z {text}",
}
CSV = [name for name, dialect in ALL.items() if isinstance(dialect.pattern, CsvTable)]
PLAIN = sorted(name for name, dialect in ALL.items() if not dialect.is_carrier)
quiet = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def engine():
    with Engine(few=0) as one:
        yield one


def assert_same(engine, chain, rows, whole=None):
    flags = None if whole is None else pa.array(whole, pa.bool_())
    answer = project_chain(engine, chain, pa.array(rows, pa.large_binary()), flags)
    answer.validate(full=True)
    assert answer.schema == DERIVED_SCHEMA
    place = answer.schema.get_field_index("event_time")
    found = answer.set_column(place, "event_time", answer["event_time"].cast(pa.int64())).to_pylist()
    for number, (row, got) in enumerate(zip(rows, found, strict=True)):
        assert derive_chain(chain, row, whole=whole is None or whole[number]) == got, row


def wrapped(text, carriers):
    for carrier in reversed(carriers):
        text = WRAPPERS[carrier](text)
    return text


def test_every_carrier_is_tried():
    assert sorted([*WRAPPERS, *CSV]) == sorted(name for name, dialect in ALL.items() if dialect.is_carrier)


@quiet
@given(st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=4), st.sampled_from(PLAIN), st.data())
def test_a_record_is_found_in_any_nesting_and_says_what_it_says_alone(engine, carriers, name, data):
    line = data.draw(st.sampled_from(LINES[name])).decode()
    nested = wrapped(line, carriers).encode()
    chain = parse_chain(ALL, recognise(ALL, [nested]))
    assert spell_chain(chain) == ">".join([*carriers, recognise(ALL, [line.encode()])])
    alone, found = derive_chain(chain[-1:], line.encode()), derive_chain(chain, nested)
    for column, value in alone.items():
        if value is not None and column not in ("dialect", "parse_error") and not column.startswith("event_time"):
            assert found[column] == value
    if alone["event_time_raw"] is not None:
        assert (found["event_time"], found["event_time_raw"]) == (alone["event_time"], alone["event_time_raw"])
    assert_same(engine, chain, [nested, nested + b"\n"])


@quiet
@given(
    st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=3), st.sampled_from(PLAIN), st.integers(0, 1 << 32)
)
def test_the_fast_reader_equals_the_reference_on_mangled_nestings(engine, carriers, name, seed):
    rng = random.Random(seed)
    rows = []
    for _ in range(30):
        text = bytearray(
            wrapped(rng.choice(LINES[name]).decode(), carriers).encode() + rng.choice([b"", b"\n", b"\r\n"])
        )
        for _ in range(rng.choice([0, 0, 1, 2])):
            at = rng.randrange(len(text))
            text[at : at + rng.choice([0, 1, 1, 9])] = rng.choice(
                [b"", b'"', b"\xff", b"\\", b"}", b"1", b" ", b"\\ud800"]
            )
        rows.append(bytes(text))
    chain = tuple(ALL[one] for one in [*carriers, name])
    assert_same(engine, chain, rows)
    assert_same(engine, chain, rows, [rng.random() < 0.8 for _ in rows])


def test_the_malformed_files_of_the_world_are_null_inside_a_carrier_too(engine, shared_data):
    chain = parse_chain(ALL, "docker.json-file>json.generic")
    files = [path.read_bytes() for path in sorted((shared_data / "malformed_json").iterdir())]
    bodies = [b'{"ts":1767870461,"status":' + one + b"}" for one in files]
    texts = [body.decode() for body in bodies if _is_text(body)]
    rows = [WRAPPERS["docker.json-file"](text).encode() for text in texts]
    assert_same(engine, chain, rows)
    for text, row in zip(texts, rows, strict=True):
        found, alone = derive_chain(chain, row), derive_chain(chain[1:], text.encode())
        assert found["http_response_status_code"] == alone["http_response_status_code"]


def _is_text(body):
    try:
        return bool(body.decode())
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize(
    "name", sorted(name for name, dialect in ALL.items() if isinstance(dialect.pattern, LinePattern))
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_pattern_finds_what_a_backtracking_matcher_finds(name, data):
    """Two engines that share no code agree about every group of every shipped pattern."""
    pattern = ALL[name].pattern
    line = data.draw(st.sampled_from(LINES[name])).decode()
    at = data.draw(st.integers(0, len(line)))
    drop = data.draw(st.integers(0, 3))
    line = (
        line[:at]
        + data.draw(st.one_of(st.sampled_from(list("'\"\\[](), =-:0")), st.text(max_size=2)))
        + line[at + drop :]
    )
    line = line.replace("\n", "") or "x"
    (found,) = match_lines(pattern, [line.encode("utf-8", "replace")])
    expected = re.compile(pattern.expression, re.DOTALL).fullmatch(line.encode("utf-8", "replace").decode())
    if expected is None or not line.strip(" \t\r"):
        assert found is None
        return
    groups = {group: text for group, text in expected.groupdict().items() if text and text not in pattern.absent}
    assert {group: getattr(value, "text", value) for group, value in found.items()} == groups


OTLP = [json.loads(line) for line in LINES["otel.otlp-spans"]]


@st.composite
def exports(draw):
    """An export of OTLP with any number of spans in any number of scopes, now and then a member missing or repeated."""
    rng = draw(st.randoms(use_true_random=False))
    spans = [span for one in OTLP for r in one["resourceSpans"] for s in r["scopeSpans"] for span in s["spans"]]
    scopes = [{"spans": rng.choices(spans, k=rng.randint(0, 3))} for _ in range(rng.randint(0, 3))]
    record = {"resourceSpans": [{"scopeSpans": rng.sample(scopes, rng.randint(0, len(scopes)))} for _ in range(3)]}
    text = json.dumps(record)
    if rng.random() < 0.3:
        text = text.replace('"spans":', rng.choice(['"spams":', '"spans":7,"spans":', '"spans":{"a":1},"x":']), 1)
    return text


@quiet
@given(st.lists(exports(), min_size=1, max_size=4), st.booleans())
def test_every_event_is_found_once_and_the_first_is_the_row(engine, texts, in_cloudwatch):
    chain = parse_chain(ALL, "aws.cloudwatch>otel.otlp-spans" if in_cloudwatch else "otel.otlp-spans")
    events = [{"id": str(n), "timestamp": n, "message": text} for n, text in enumerate(texts)]
    batch = json.dumps({"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": events}).encode()
    for raw in [batch] if in_cloudwatch else [text.encode() for text in texts]:
        found = list(events_of(chain, raw))
        row = derive_chain(chain, raw)
        assert len({event.pointer for event in found}) == len(found)
        if not in_cloudwatch:
            assert len(found) == (1 if row["event_count"] is None else row["event_count"])
        if found and row["event_count"] != 0:
            assert found[0].row | {"event_count": None} == row | {"event_count": None}
        for event in found:
            _assert_there(event.pointer, raw)
    assert_same(engine, chain, [batch])


def _assert_there(pointer, raw):
    """Follow a pointer, through text that carries a record too."""
    node = json.loads(raw)
    for part in pointer.split(">"):
        node = json.loads(node["message"]) if isinstance(node, dict) and "message" in node else node
        for step in part.split("/")[1:]:
            node = node[int(step)] if isinstance(node, list) else node[step]


def test_the_events_of_a_batch_in_a_batch_are_named_by_their_places():
    span = {"traceId": "5b", "spanId": "e"}
    export = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, span | {"spanId": "f"}]}]}]})
    record = {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [{"message": "x"}, {"message": export}]}
    chain = parse_chain(ALL, "aws.cloudwatch>otel.otlp-spans")
    events = list(events_of(chain, json.dumps(record).encode()))
    assert [(event.pointer, event.row["span_id"], event.row["parse_status"]) for event in events] == [
        ("/logEvents/0", None, "failed"),
        ("/logEvents/1>/resourceSpans/0/scopeSpans/0/spans/0", "e", "ok"),
        ("/logEvents/1>/resourceSpans/0/scopeSpans/0/spans/1", "f", "ok"),
    ]


@quiet
@given(st.sampled_from(sorted(ALL)), st.integers(0, 1 << 32))
def test_the_first_version_of_the_table_says_what_the_second_says_of_its_columns(engine, name, seed):
    rng = random.Random(seed)
    old = tuple(step.at(1) for step in parse_chain(ALL, name))
    rows = [line.replace(b"1", rng.choice([b"1", b"1", b'"'])) for line in LINES[name]]
    first = project_chain(engine, old, pa.array(rows, pa.large_binary()))
    assert first.schema.names == [column for column, _ in FIELDS[1]]
    for row, line in zip(first.drop_columns(["event_time"]).to_pylist(), rows, strict=True):
        said, today = derive_chain(old, line), derive_chain(parse_chain(ALL, name), line)
        assert {column: said[column] for column in row} == row
        assert {column: today[column] for column in said if not column.startswith("parse_")} == {
            column: value for column, value in said.items() if not column.startswith("parse_")
        }


NAMES = ["request_id", "model", "start_time", "spend", "call_type"]
cells = st.one_of(
    st.sampled_from(["", "grok-4", "8.7e-05", "2026-01-08 11:07:41.118", "acompletion", "Bonjour,\ndeux", 'a "b"\r\n']),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6),
)


def written(rows, separator, end):
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=separator, lineterminator=end).writerows(rows)
    return sink.getvalue().encode()


@quiet
@given(
    st.lists(st.tuples(*[cells] * 5), min_size=1, max_size=8), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"])
)
def test_what_is_written_as_csv_is_cut_into_its_records_and_read_cell_by_cell(engine, rows, separator, end):
    data = written([NAMES, *rows], separator, end)
    cut = [row for group in csv_rows([data[:7], data[7:]]) for row in group]
    assert b"".join(cut) == data
    assert cut == [written([row], separator, end) for row in [NAMES, *rows]]
    name = f"csv.table[{escaped(separator.join(NAMES))}]"
    chain = parse_chain(ALL, f"{name}>json.generic")
    assert spell_chain(chain) == f"{name}>json.generic"
    found = [derive_chain(chain, row) for row in cut]
    assert [row["request_id"] or "" for row in found] == ["", *(row[0] for row in rows)]
    assert_same(engine, chain, cut)
    assert_same(engine, parse_chain(ALL, f"{name}>litellm.spend-log"), cut)


@quiet
@given(
    st.lists(st.sampled_from([b"a,b", b'"', b'""', b"\n", b"\r\n", b",", b"x" * 40, b"\xff"]), max_size=60),
    st.integers(1, 9),
)
def test_any_bytes_cut_as_csv_join_to_themselves_whatever_blocks_they_come_in(parts, step):
    data = b"".join(parts)
    cut = [row for group in csv_rows([data[at : at + step] for at in range(0, len(data), step)]) for row in group]
    assert b"".join(cut) == data
    assert cut == [row for group in csv_rows([data]) for row in group]
    assert cut[:-1] == [row for row in cut[:-1] if row.endswith(b"\n")]
    assert b"\n" not in cut[-1][:-1] or cut[-1].endswith(b"\n"), (
        "where a row that may go on begins is seen from the last 0A"
    )


def test_a_quote_that_nobody_closes_joins_nothing():
    lines = [b'a,"b\n', *[b"x" * 1000 + b"\n"] * 1100, b'c,d"\n', b"e,f\n"]
    cut = [row for group in csv_rows([b"".join(lines)]) for row in group]
    assert cut[:-2] == lines[:-2]


@given(st.text(max_size=20))
def test_a_header_in_a_name_has_one_spelling(text):
    assert unescaped(escaped(text)) == text
    found = unescaped(text)
    assert found is None or escaped(found) == text
    table = table_of(text)
    assert table is None or table.header == text


def test_csv_inside_another_record_or_without_names_is_no_dialect():
    assert parse_chain(ALL, "csv.table[a]>json.generic") is None
    assert parse_chain(ALL, "csv.table[a,a]>json.generic") is None
    assert parse_chain(ALL, "docker.json-file[a,b]>json.generic") is None
    assert parse_chain(ALL, "csv.table[a,b>json.generic") is None
