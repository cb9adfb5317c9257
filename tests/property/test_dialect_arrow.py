"""The reader of usual records says what the reference says, or nothing."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.model.dialect import LinePattern
from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_reference import derive
from archiver.sources.dialect_arrow import ArrowReader
from archiver.sources.dialect_shapes import Shapes
from archiver.sources.dialects import Engine, schema_for
from tests.property.test_dialect_engine import ALL, CHAT, LIKE, SAMPLES, _made_up, random_line, random_text

JSON = {name: one for name, one in load_dialects().items() if one.is_read and one.pattern is None}
CHATS = ALL["openai.chat"]
GENERIC = ALL["json.generic"]


def answered(reader, dialect, rows):
    """Return how many rows the reader answered, having compared each with the reference."""
    answer = reader.read(dialect, pa.array(rows, pa.large_binary()), None, schema_for(dialect))
    if answer is None:
        return 0
    table, odd = answer
    table.validate(full=True)
    assert table.schema == schema_for(dialect)
    for row in sorted(set(range(len(rows))) - set(odd)):
        expected = derive(dialect, rows[row])
        found = {field.name: _plain(table[field.name][row]) for field in table.schema}
        assert expected == found, rows[row]
    return len(rows) - len(odd)


def _plain(value):
    return value.cast(pa.int64()).as_py() if pa.types.is_timestamp(value.type) else value.as_py()


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_records_one_by_one(seed):
    rng = random.Random(seed)
    rows = [random_line(rng) for _ in range(60)]
    assert sum(answered(ArrowReader(), dialect, [row]) for row in rows for dialect in (CHATS, GENERIC)) > 0


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_records_near_the_samples_of_a_dialect_by_what_is_known_of_others(seed):
    rng = random.Random(seed)
    for name in rng.sample(sorted(LIKE), 4):
        reader = ArrowReader()
        for _ in range(6):
            rows = [random_text(rng, rng.choice(LIKE[name]), 0.01).encode() + b"\n" for _ in range(rng.choice([1, 9]))]
            answered(reader, ALL[name], rows)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_records_of_a_dialect_of_any_conditions_and_constants(seed):
    rng = random.Random(seed)
    dialect = _made_up(rng)
    rows = [random_text(rng, {"a": 1, "b": "x", "c": ["x", {"a": 4}]}, 0.3).encode() + b"\n" for _ in range(20)]
    objects = [random_text(rng, {"a": 1, "b": 2, "c": [{"a": "y"}]}, 0.2).encode() + b"\n" for _ in range(20)]
    for row in rows + objects:
        answered(ArrowReader(), dialect, [row])
    answered(ArrowReader(), dialect, objects)


@pytest.mark.parametrize("name", sorted(JSON))
def test_what_every_dialect_is_known_by_is_read_alike(name):
    samples = LIKE.get(name, [CHAT])
    for one in samples:
        answered(ArrowReader(), JSON[name], [json.dumps(one).encode() + b"\n"] * 3)


TEXT = {name: one for name, one in load_dialects().items() if isinstance(one.pattern, LinePattern)}


def _edited(rng, line):
    at = rng.randrange(len(line) + 1)
    return (
        line[:at]
        + rng.choice([b"", b" ", b"-", b'"', b"0", b"\r", b"\xff", b"1.5", b"\\"])
        + line[at + rng.randrange(3) :]
    )


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_lines_of_text(seed):
    rng = random.Random(seed)
    for name, dialect in TEXT.items():
        samples = (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()
        ends = [b"\n", b"\n", b"\r\n", b"", b"\r\r\n"]
        for line in samples + [_edited(rng, rng.choice(samples)) for _ in range(12)]:
            answered(ArrowReader(), dialect, [line + rng.choice(ends)])
        some = [rng.choice(samples) + b"\n" for _ in range(20)]
        answered(ArrowReader(), dialect, [*some, _edited(rng, samples[0]) + b"\n", b" \r\n", *some])


def test_access_logs_are_read_as_columns():
    line = b'192.0.2.7 - u [08/%s/2026:12:07:41 +0130] "GET /v1/x HTTP/1.1" 200 512 "-" "curl/8"\n'
    months = [line % month for month in (b"Jan", b"Feb", b"Dec", b"Jun")]
    assert answered(ArrowReader(), TEXT["http.access"], months) == 4
    assert answered(ArrowReader(), TEXT["http.access"], [*months, *[line % b"Foo", b"\n"] * 3]) == 4
    assert answered(ArrowReader(), TEXT["http.access"], [line % b"Foo", b"\n"] * 3) == 0
    assert answered(ArrowReader(), TEXT["http.access"], [*months * 4, line % b"Foo", b"\n"]) == 16
    days = [(line % month).replace(b"08/", b"%02d/" % day) for month in (b"Feb", b"Apr", b"Aug") for day in range(33)]
    assert answered(ArrowReader(), TEXT["http.access"], [day for day in days if b"29/Feb" not in day]) == 89


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("langfuse.observation", {"type": "SPAN", "start_time": "2026-01-08 11:07:41.118000"}),
        ("langfuse.observation", {"type": "SPAN", "start_time": "2026-01-08T11:07:41Z"}),
        ("otel.genai", {"name": "x", "startTimeUnixNano": "1767870461118000001"}),
        ("openai.responses", {"object": "response", "created_at": 1767870461}),
        ("json.generic", {"ts": 1767870461118}),
    ],
)
def test_times_in_whatever_way_a_log_writes_them(name, record):
    dialect = ALL[name]
    rows = [json.dumps(record).encode() + b"\n"] * 9
    assert answered(ArrowReader(), dialect, rows) == 9
    assert derive(dialect, rows[0])["event_time"] is not None
    for odd in ("2026-02-30 11:07:41", "-5", "9" * 19, "x", None, "2026-01-08 11:07:41+01:30", 0):
        one = json.dumps(
            {name: odd if "ime" in name or name in ("ts", "created_at") else value for name, value in record.items()}
        )
        answered(ArrowReader(), dialect, [*rows, one.encode() + b"\n", *rows])
        answered(ArrowReader(), dialect, [one.encode() + b"\n"])


WRITTEN = ("1767870461.118", "1767870461", "1767870461.50", "1767870461.123456789", "9223372035.9")
ODD = ("1767870461.1234567890", "9223372036.9", "0.5", "-1.5", "1.5e9", "null", "1e999", "9223372036854775807.5", "0")


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("litellm.payload", '{"id":"c","call_type":"completion","startTime":%s,"model":"m"}\n'),
        ("openai.responses", '{"object":"response","model":"m","created_at":%s}\n'),
        ("json.generic", '{"ts":%s,"status":200,"zz":"\\u00e9 1767870461.5"}\n'),
    ],
)
def test_times_with_fractions_are_read_as_they_are_written(name, record):
    dialect = ALL[name]
    rows = [(record % text).encode() for text in WRITTEN] * 20
    assert answered(ArrowReader(), dialect, rows) == len(rows)
    found, _ = ArrowReader().read(dialect, pa.array(rows, pa.large_binary()), None, schema_for(dialect))
    assert found["event_time_raw"].to_pylist()[:5] == list(WRITTEN)
    answered(ArrowReader(), dialect, rows + [(record % text).encode() for text in ODD])
    for text in ODD:
        answered(ArrowReader(), dialect, rows + [(record % text).encode()] * 40)
    millis = [(record % "1767870461118.25").encode(), (record % "1767870461118.1234567").encode()]
    answered(ArrowReader(), dialect, millis[:1] * 50 + millis[1:])


ONE = b'{"status":200,"error":"x"}\n'


@pytest.mark.parametrize(
    "rows",
    [
        [b'{"status":1}{"status":2}\n', b'{"status":\n', b"3}\n"],  # as many objects as rows
        [b'{"status":1}{"status":2}\n', b"\n"],
        [b'{"status":\n', b'1}{"status":2}\n'],
        [b'{"a":"{}\n', b'{}"}{"status":2}\n'],
        [b'{"error":"}', b'{","status":1}{"status":2}\n'],  # the first one ends its item, without a line end
        [b'{"error":"}', b'{","status":1}{"status":2}'],
        [b'{"status":1}\x00}\n', b'{"status":2}{"status":3}\n'],
        [b'{"status":1,"status":2}\n'],
        [b'{"st\\u0061tus":1,"status":2}\n'],
        [b'{"status":null,"status":2}\n'],
        [b'{"error":{"type":"x","type":"y"}}\n'],
        [b'{"zz":NaN}\n'],
        [b'{"zz":[-Infinity ]}\n'],
        [b'{"zz":[1,]}\n'],
        [b'{"zz":"\xff"}\n'],
        [b'{"zz":"\xed\xa0\x80"}\n'],
        [b'{"zz":"a\tb"}\n'],
        [b"\xef\xbb\xbf{}\n"],
        [b'{"zz":' + b"[" * 256 + b"]" * 256 + b"}\n"],
        [b'{"zz":' + b'{"":' * 256 + b"1" + b"}" * 256 + b"}\n"],
        [b'{"status":1.5}\n'],
        [b'{"status":9223372036854775808}\n'],
        [b'{"error":"\\ud800"}\n'],
        [b'{"status":1}\n', None],
    ],
)
def test_rows_that_are_no_usual_records_get_no_answer(rows):
    for before, behind in ((0, 0), (3, 2)):
        some = [ONE] * before + rows + [ONE] * behind
        answer = ArrowReader().read(GENERIC, pa.array(some, pa.large_binary()), None, schema_for(GENERIC))
        assert answer is None or set(range(before, before + len(rows))) <= set(answer[1])


@pytest.mark.parametrize("written", [b"1.767870461118e18", b"1767870461118000001.5", b"17678704611180000.0"])
def test_broken_numbers_of_nanoseconds_are_left_to_the_reference(written):
    whole = b'{"name":"x","startTimeUnixNano":1767870461118000001}\n'
    rows = [whole.replace(b"1767870461118000001", written)] * 40
    assert answered(ArrowReader(), ALL["otel.genai"], rows) == 0
    answered(ArrowReader(), ALL["otel.genai"], [*rows, *[whole] * 200])


def test_rows_among_them_that_are_no_objects_cost_the_others_nothing():
    good = [b'{"status":%d,"error":"x"}\n' % number for number in range(200, 280)]
    bad = [b"", b"\n", b"Traceback\n", b"{\n", b' {"status":1}\n', b"\xff\n", b"{\xff\n"]
    rows = list(good)
    for place, row in enumerate(bad):
        rows.insert(5 * place + place % 3, row)
    found, odd = ArrowReader().read(GENERIC, pa.array(rows, pa.large_binary()), None, schema_for(GENERIC))
    assert [row for row in rows if row in bad] == [rows[place] for place in odd]
    kept = [code for place, code in enumerate(found["http_response_status_code"].to_pylist()) if place not in odd]
    assert kept == list(range(200, 280))


def test_records_of_several_shapes_are_read_shape_by_shape():
    shapes = [
        b'{"status":200,"error":"x"}\n',
        b'{"status":"200","error":{"type":"x"}}\n',
        b'{"status":201,"error":{"type":5}}\n',
        b'{"ts":"2026-01-08T11:07:41Z","status":1}\n',
        b'{"ts":1767870461118,"error":"y"}\n',
    ]
    rare = [
        b'{"status":2,"status":2}\n',
        b'{"status":1.5}\n',
        b"{\n",
        b"[]\n",
        b"\xff\n",
        b'{"status":true}\n',
        b"{} {}\n",
        *[b'{"status":null,"error":[1,{}]}\n'] * 9,
        b'{"error":' + b"[" * 900 + b"]" * 900 + b"}\n",
        b'{"error":' + b"[" * 90_000 + b"]" * 90_000 + b"}\n",
    ]
    rows = [shape for shape in shapes for _ in range(120)] + rare
    random.Random(1).shuffle(rows)
    reader = ArrowReader()
    assert answered(reader, GENERIC, rows) >= 500
    assert answered(reader, GENERIC, rows) >= 500
    assert answered(reader, GENERIC, [ONE] * 40) == 40
    assert answered(reader, GENERIC, rows[:300]) >= 200
    many = b",".join(b'"n%d":%d' % (number, number) for number in range(80))
    large = [b'{"status":%b,%b}\n' % (status, many) for status in (b"200", b'"x"', b"201") for _ in range(40)]
    assert answered(ArrowReader(), GENERIC, large) == len(large)


def test_records_with_a_text_where_a_number_is_wanted_leave_the_others_alone():
    usual = b'{"type":"GENERATION","start_time":"2026-01-08 11:07:41.118000","trace_id":"t"}\n'
    spoilt = usual.replace(b"}", b',"model_parameters":{"temperature":"0.7"}}')
    rows = [usual, usual, usual, spoilt] * 50
    assert answered(ArrowReader(), ALL["langfuse.observation"], rows) >= 150


def test_what_is_kept_of_shapes_is_bounded():
    rows = [b'{"status":%d,"n%d":{"ts":1},"error":{"e%d":[{}]}}\n' % (number, number, number) for number in range(9000)]
    shapes = Shapes(GENERIC)
    ((_, found),) = shapes.sort(rows)
    assert found == list(range(9000))
    assert len(shapes._forms) <= 4099  # what one record adds


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_records_of_whatever_shapes(seed):
    rng = random.Random(seed)
    for name in rng.sample(sorted(LIKE), 2):
        shapes = [random_text(rng, rng.choice(LIKE[name]), rng.choice([0, 0.1])).encode() + b"\n" for _ in range(5)]
        rows = [*shapes * 35, *(random_text(rng, rng.choice(LIKE[name]), 0.1).encode() + b"\n" for _ in range(15))]
        rng.shuffle(rows)
        reader = ArrowReader()
        answered(reader, ALL[name], rows)
        answered(reader, ALL[name], rows[:100])


def test_records_at_the_end_of_an_item_need_no_line_end():
    rows = [b'{"status":200}', b'{"status":201}', b'{"status":202}\r\n', b'{"status":203}\n', b'{"status":204}']
    assert answered(ArrowReader(), GENERIC, rows) == len(rows)


def test_a_deep_record_is_told_from_one_of_many_brackets():
    flat = b'{"zz":[' + b",".join([b"[]"] * 400) + b'],"status":200}\n'
    assert answered(ArrowReader(), GENERIC, [ONE, flat, ONE]) == 3
    text = b'{"zz":"' + b"[{" * 400 + b'","status":200}\r\n'
    assert answered(ArrowReader(), GENERIC, [text] * 40) == 40


@pytest.mark.parametrize(("levels", "among", "alone"), [(255, 10, 40), (256, 0, 0)])
def test_a_record_of_one_level_too_many_is_found_also_where_none_is_longer(levels, among, alone):
    deep = b'{"z":' + b"[" * levels + b"]" * levels + b"}"
    assert answered(ArrowReader(), GENERIC, [deep, *[b'{"status":200}\n'] * 9]) == among
    assert answered(ArrowReader(), GENERIC, [deep + b"\n"] * 40) == alone


def test_brackets_that_are_never_closed_are_no_record():
    broken = b'{"z":' + b"[" * 400 + b"}\n"
    assert answered(ArrowReader(), GENERIC, [broken] * 40) == 0


def test_usual_records_need_no_database():
    calm = CHAT["request"] | {"messages": [{"role": "user", "content": "in, nan, [Information]"}]}
    chat = CHAT | {"request": calm}
    rows = [json.dumps(chat | {"request_id": f"r{number}"}).encode() + b"\n" for number in range(300)]
    with Engine(few=0) as fresh:
        found = fresh.project(CHATS, pa.array(rows, pa.large_binary()))
        assert found["request_id"].to_pylist() == [f"r{number}" for number in range(300)]
        assert "_connection" not in vars(fresh)


def test_what_a_log_comes_to_have_is_learned_and_what_it_has_no_more_does_no_harm():
    reader = ArrowReader()
    assert answered(reader, GENERIC, [b'{"status":200}\n'] * 9) == 9
    assert answered(reader, GENERIC, [b'{"status":200,"error":{"type":"x"}}\n'] * 9) == 9
    assert answered(reader, GENERIC, [b'{"status":201}\n'] * 9) == 9
    assert answered(reader, GENERIC, [b'{"error":"y"}\n'] * 9) == 9  # another kind: known anew, from these


def test_after_failures_blocks_are_left_alone_for_longer_and_longer():
    reader = ArrowReader()
    mixed = [b'{"status":200}\n', b'{"status":"x"}\n']
    answers = [answered(reader, GENERIC, rows) for rows in (mixed, [ONE] * 2, [ONE] * 2, [ONE] * 2, [ONE] * 2)]
    assert answers == [0, 0, 0, 2, 2]
