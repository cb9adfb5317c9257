"""The fast engine equals the reference, row for row and column for column, whatever the lines are."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archiver.model.dialect_file import load_dialects, parse_dialect
from archiver.model.dialect_reference import derive, derive_all
from archiver.sources.dialects import DERIVED_SCHEMA, Engine

ALL = {name: dialect for name, dialect in load_dialects().items() if not dialect.is_carrier}
"""What stands at the end of a chain; chains are tried in test_dialect_chain."""
DIALECTS = {name: ALL[name] for name in ("json.generic", "openai.chat", "text.opaque")}
"""Those that are tried with whatever lines; the others share their language and are tried with lines near their own."""

SAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "dialects" / "samples"
LIKE = {
    name: [json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()]
    for name in sorted(ALL.keys() - DIALECTS.keys())
    if ALL[name].pattern is None
}
"""Records of each other dialect of JSON, from its samples."""

CHAT = {
    "ts": "2026-01-08T11:07:41.118Z",
    "request_id": "req_01",
    "user": "u",
    "request": {
        "model": "grok-4",
        "messages": [{"role": "user", "content": "Bonjour 🙂, in\nNaN, ]"}],
        "temperature": 0.7,
        "max_tokens": 5,
        "stream": False,
        "user": 77,
    },
    "response": {
        "id": "chatcmpl-9a1",
        "object": "chat.completion",
        "created": 1767870461,
        "model": "grok-4-0709",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Bonjour!"}, "finish_reason": "stop"},
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 4,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "prompt_tokens_details": {"cached_tokens": 1},
        },
        "error": {"type": "x", "message": "y\tz"},
    },
    "status": 200,
}


def _names(value):
    if isinstance(value, dict):
        return set(value) | {name for one in value.values() for name in _names(one)}
    return {name for one in value for name in _names(one)} if isinstance(value, list) else set()


NAMES = sorted(
    _names(CHAT)
    | {step for d in DIALECTS.values() for path in d.paths() for step in path.steps if isinstance(step, str)}
)

number_texts = st.one_of(
    st.integers(-5, 5).map(str),
    st.integers(-(1 << 66), 1 << 66).map(str),
    st.integers(0, 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        "-0 -0.0 1.0 1e2 1E400 -1E400 1e-400 0.1 1.5 9007199254740993 9007199254740993.0 18446744073709551616 "  # noqa: SIM905
        "9223372036854775807 9223372036854775808 -9223372036854775808 1767870461 1767870461.118443515 1767870461.118 "
        "1767870461118 1767870461118000 1767870461118000000 9223372036 9223372037 1e9 NaN Infinity -Infinity nan "
        "-inf 01 +1 1. .5 0x1".split()
    ),
    st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, places=12).map(str),
)
times = st.one_of(
    st.datetimes().map(lambda t: t.isoformat()),
    st.datetimes().map(lambda t: t.isoformat() + "Z"),
    st.builds(
        lambda t, fraction, zone: t.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone,
        st.datetimes(),
        st.sampled_from(["", ".1", ".118443515", ".1184435150", ".1184435151", ".", ","]),
        st.sampled_from(["", "Z", "z", "+01:00", "-23:59", "+24:00", "-00:00", "+0100", "+01"]),
    ),
    st.sampled_from(
        "2026-02-30T00:00:00Z 2026-01-08T24:00:00Z 2026-12-31T23:59:60Z 0000-01-01T00:00:00Z "  # noqa: SIM905
        "2262-04-11T23:47:16.854775807Z 2262-04-11T23:47:16.854775808Z 1677-09-21T00:12:43.145224193Z "
        "1970-01-01T00:00:00+05:00 2026-01-08t11:07:41z 1969-12-31T23:59:59Z "
        "2199-12-31T23:59:59.999999999-12:00 1767870461118 2026-01-08T11:07:41Zx".split()
    ),
    st.just("2026-01-08 11:07:41+00:00"),
)
string_texts = st.one_of(
    times.map(json.dumps),
    st.text(max_size=8).map(lambda t: json.dumps(t, ensure_ascii=False)),
    st.text(max_size=8).map(json.dumps),
    st.sampled_from(
        [
            '"\\ud800"', '"\\udc00x"', '"\\ud83d\\ude42"', '"\\u0000"', '"a\\\\u0041"', '"\\/"', '"\\x41"', '"\t"',
            '"chat.completion"', '"chat.completion.chunk"', '"\\u0063hat.completion"', '"', '""', '"\\""', '"NaN,"',
            '":NaN,"', '",]"', '"\x7f\u2028\ufeff"', '"\ufdd0\U0010ffff"', '"a\\nb"',
        ]
    ),
)  # fmt: skip
scalars = st.one_of(number_texts, string_texts, st.sampled_from(["true", "false", "null", "True", "nul"]))
name_texts = st.one_of(
    st.sampled_from(NAMES).map(json.dumps),
    st.sampled_from(NAMES).map(lambda name: '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'),
    st.text(max_size=3).map(json.dumps),
)
separators = st.sampled_from([",", ",", ",", ",", " , ", ",\r", ",,"])
enders = st.sampled_from(["", "", "", "", "", "", ",", ", ", "\t"])


def _container(opening, closing, members):
    return st.builds(
        lambda parts, separator, end: opening + separator.join(parts) + end + closing,
        st.lists(members, max_size=6),
        separators,
        enders,
    )


def _containers(values):
    member = st.builds(lambda name, gap, value: name + gap + value, name_texts, st.sampled_from([":", ": "]), values)
    return st.one_of(_container("{", "}", member), _container("[", "]", values))


json_texts = st.recursive(scalars, _containers, max_leaves=20)


@st.composite
def chats(draw):
    """A chat record in which some values were exchanged, some names dropped, repeated or respelt."""
    mutation = draw(st.sampled_from([0.0, 0.02, 0.1]))
    rng = draw(st.randoms(use_true_random=False))

    def write(value):
        if rng.random() < mutation:
            return draw(json_texts)
        if isinstance(value, dict):
            parts = [json.dumps(name) + ":" + write(one) for name, one in value.items() if rng.random() >= mutation]
            if parts and rng.random() < mutation:
                parts.append(rng.choice(parts))
            if rng.random() < mutation:
                parts.append(draw(name_texts) + ":" + draw(json_texts))
            return "{" + ",".join(parts) + "}"
        if isinstance(value, list):
            return "[" + ",".join(write(one) for one in value * rng.choice([1, 1, 1, 1, 0, 2])) + "]"
        return json.dumps(value, ensure_ascii=rng.random() < 0.5)

    shape = draw(st.sampled_from([CHAT, CHAT["response"], CHAT["request"], {**CHAT, "ts": None}]))
    return write(shape)


def _mutated(line: bytes, places: list[tuple[int, int, bytes]]) -> bytes:
    for at, drop, instead in places:
        start = at % (len(line) + 1)
        line = line[:start] + instead + line[start + drop :]
    return line


def _object(names, values):
    return "{" + ",".join(f"{name}:{value}" for name, value in zip(names, values, strict=False)) + "}"


objects = st.builds(_object, st.lists(name_texts, max_size=6), st.lists(json_texts, min_size=6, max_size=6))
bodies = st.one_of(chats(), chats(), objects, json_texts, st.text(max_size=12)).map(
    lambda t: t.encode("utf-8", "surrogatepass")
)
mutations = st.lists(
    st.tuples(
        st.integers(0, 2000),
        st.integers(0, 2),
        st.one_of(st.binary(max_size=2), st.sampled_from(list(b'{}[]",:\\ue0.-+NaN\x00'.split()))),
    ),
    max_size=2,
)
lines = st.builds(
    lambda body, places, before, end: before + _mutated(body, places) + end,
    bodies,
    st.one_of(st.just([]), st.just([]), mutations),
    st.sampled_from([b"", b"", b"", b"", b" ", b"\xef\xbb\xbf", b"\x1e"]),
    st.sampled_from([b"\n", b"\n", b"\r\n", b"", b"\r", b" \n", b"\n\n"]),
)


NUMBERS = [
    "0", "-0", "-0.0", "1", "-1", "7", "1.0", "1.5", "1e2", "1E400", "-1E400", "1e-400", "0.1",
    "0.30000000000000004", "123456789.123456789", "9007199254740993", "9007199254740993.0",
    "18446744073709551616", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1767870461",
    "1767870461.118443515", "1767870461.118", "1767870461118", "1767870461118000", "1767870461118000000",
    "9223372036", "9223372037", "1e9", "123456789012345678901234567890123456789012345678901234567890123456789",
]  # fmt: skip

STRINGS = [
    '"a"', '""', '"caf\u00e9 \U0001f642"', '"a\\nb"', '"\\""', '"\\\\"', '"\\/"', '"\\u00e9"', '"\\u0000"', '"\\ud800"',
    '"\\ud83d\\ude42"', '"a\\\\u0041"', '"NaN, ]"', '": NaN}"', '"\x7f\u2028\ufeff"', '"77"', '"chat.completion"',
    '"chat.completion.chunk"', '"\\u0063hat.completion"', '"2026-01-08T11:07:41Z"', '"2026-01-08 11:07:41.5+01:30"',
    '"2026-01-08T11:07:41.118443515-23:59"', '"2026-01-08T11:07:41"', '"2026-02-30T11:07:41Z"', '"1767870461118"',
    '"2199-12-31T23:59:59.999999999-12:00"', '"1970-01-01T00:00:00+05:00"', '"2026-01-08T11:07:60Z"',
    '"2026-01-08T11:07:41.1234567890Z"', '"2026-01-08t11:07:41z"', '"2000-02-29T00:00:00Z"', '"1900-01-01T00:00:00Z"',
]  # fmt: skip
OTHERS = [
    "true",
    "false",
    "null",
    "{}",
    "[]",
    "[null]",
    '["stop"]',
    '["a",1]',
    '{"type":"t"}',
    '[{"finish_reason":"x"}]',
]
BROKEN = ["NaN", "-Infinity", "[1,]", '{"a":1,}', "01", "1.", "'a'", '"\t"', "+1", "nul", '{"a":nan }', "[ inf ]"]
FLAT = {step: 1 for path in DIALECTS["json.generic"].paths() for step in path.steps[:1]}


def respelt(rng, name):
    return '"' + "".join(f"\\u{ord(c):04x}" if rng.random() < 0.2 else c for c in name) + '"'


def random_value(rng):
    pool = rng.choices([NUMBERS, STRINGS, OTHERS, BROKEN], [10, 10, 4, 1])[0]
    return rng.choice(pool)


def random_text(rng, value, rate):
    """Write a value as JSON, now and then another one, a name dropped, repeated, added or respelt."""
    if rng.random() < rate:
        return random_value(rng)
    if isinstance(value, list):
        return "[" + ",".join(random_text(rng, one, rate) for one in value * rng.choice([1] * 8 + [0, 2])) + "]"
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=rng.random() < 0.5)
    parts = []
    for name, one in value.items():
        if rng.random() >= rate:
            spelling = respelt(rng, name) if rng.random() < rate / 4 else json.dumps(name)
            parts.append(spelling + rng.choice([":", ":", ": "]) + random_text(rng, one, rate))
    if parts and rng.random() < rate / 4:
        parts.append(rng.choice(parts))
    if rng.random() < rate:
        parts.append(json.dumps(rng.choice(NAMES)) + ":" + random_value(rng))
    return "{" + rng.choice([",", ",", ", "]).join(parts) + "}"


def random_line(rng):
    flat = dict.fromkeys(rng.sample(sorted(FLAT), 6), 1)
    shape = rng.choice([CHAT, CHAT["response"], CHAT["request"], CHAT | {"ts": None}, flat, flat])
    rate = 0.8 if shape is flat and rng.random() < 0.5 else rng.choice([0, 0.02, 0.1, 0.3])
    line = random_text(rng, shape, rate).encode()
    if rng.random() < 0.03:
        at = rng.randrange(len(line) + 1)
        line = line[:at] + rng.choice([b"", b",", b"\xff", b"\x00", b"}", b'"', b"\n"]) + line[at + 1 :]
    return line + rng.choice([b"\n", b"\n", b"\r\n", b"", b" \n"])


def assert_same(engine, dialect, rows, whole=None):
    expected = {name: [] for name in DERIVED_SCHEMA.names}
    for number, row in enumerate(rows):
        for name, value in derive(dialect, row, whole=whole is None or whole[number]).items():
            expected[name].append(value)
    flags = None if whole is None else pa.array(whole, pa.bool_())
    answer = engine.project(dialect, pa.array(rows, pa.large_binary()), flags)
    answer.validate(full=True)
    assert answer.schema == DERIVED_SCHEMA
    for field in DERIVED_SCHEMA:
        column = answer.column(field.name)
        found = column.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(field.type) else column.to_pylist()
        assert expected[field.name] == found, next(
            (field.name, row, want, got)
            for row, want, got in zip(rows, expected[field.name], found, strict=True)
            if want != got
        )


@pytest.fixture(scope="module")
def engine():
    with Engine(few=0) as one:
        yield one


@pytest.mark.parametrize("name", sorted(DIALECTS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(lines, min_size=1, max_size=25))
@example([b'{"ts":1,"ts":1}\n', b'{"ts":"2026-01-08T11:07:41Z",}\n', b'{"status":18446744073709551616}\n'])
@example([b"""{"temperature":9007199254740993}"""])
@example([b"[" * 300 + b"]" * 300, b'{"a":' * 257 + b"1" + b"}" * 257, b'{"a":' * 256 + b"1" + b"}" * 256])
def test_the_engine_equals_the_reference_on_any_lines(engine, name, rows):
    assert_same(engine, DIALECTS[name], rows)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_the_engine_equals_the_reference_on_logs_that_are_mostly_well_written(seed):
    rng = random.Random(seed)
    rows = [random_line(rng) for _ in range(200)]
    with Engine(few=0) as fresh:
        assert_same(fresh, DIALECTS["openai.chat"], rows)
        assert_same(fresh, DIALECTS["json.generic"], rows)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_the_engine_equals_the_reference_near_the_samples_of_every_other_dialect(engine, seed):
    rng = random.Random(seed)
    for name in rng.sample(sorted(LIKE), 3):
        rate = rng.choice([0.02, 0.1, 0.3])
        rows = [random_text(rng, rng.choice(LIKE[name]), rate).encode() + b"\n" for _ in range(40)]
        assert_same(engine, ALL[name], rows)


def _made_up(rng):
    """A dialect of few names in which every member of the language may stand anywhere."""
    is_batch = rng.random() < 0.3  # then the first of `c` alone may be read
    names = ["$.a", "$.b", "$.c[0]", "$.c[0].a" if is_batch else "$.c[1].a"]

    def condition():
        kinds = ["present", "absent", "object", "array", "string", "number", "bool"]
        strings = {rng.choice(["one_of", "none_of"]): ["", "a"]}
        return {"path": rng.choice(names)} | (strings if rng.random() < 0.3 else {"is": rng.choice(kinds)})

    def place(kind):
        is_text = kind in ("string", "identifier")
        more = {"as": rng.choice(["x_ai", "true", "7"])} if is_text and rng.random() < 0.3 else {}
        more |= {"exponent": rng.choice([0, -10])} if kind == "decimal" else {}
        paths = [*names, "$.c[*]", "$.c[*].a"] if kind == "string_list" and not is_batch else names
        return {"path": rng.choice(paths), "when": [condition() for _ in range(rng.choice([0, 0, 1, 2]))]} | more

    def column(kind):
        is_text = kind in ("string", "identifier")
        switches = {"mismatch": rng.choice(["reason", "absent"])}
        switches |= {"empty": rng.choice(["value", "absent"])} if is_text else {}
        switches |= {"text": rng.choice(["text", "number"])} if kind in ("int64", "float64", "decimal") else {}
        return {"type": kind, "paths": [place(kind) for _ in range(rng.choice([1, 2, 3]))]} | switches

    kinds = {"request_id": "identifier", "trace_id": "string", "gen_ai_request_stream": "bool"}
    kinds |= {
        "gen_ai_response_finish_reasons": "string_list",
        "gen_ai_usage_input_tokens": "int64",
        "gen_ai_request_top_p": "float64",
        "cost_usd": "decimal",
    }
    content = [{"is": rng.choice(["full", "absent"]), "when": [condition(), condition()]} for _ in range(2)]
    file = {"dialect": "made.up", "version": 1, "title": "t", "content_status": content}
    columns = {name: column(kind) for name, kind in kinds.items()}
    if is_batch:
        file["events"], columns["span_id"] = ["$.c"], {"type": "string", "path": "$.c[0].a"}
    return parse_dialect(json.dumps(file | {"columns": columns}).encode())


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_the_engine_equals_the_reference_in_a_dialect_of_any_conditions_and_constants(engine, seed):
    rng = random.Random(seed)
    shape = {"a": 1, "b": 2, "c": ["x", {"a": 4}]}
    rows = [random_text(rng, shape, rng.choice([0.1, 0.5])).encode() + b"\n" for _ in range(40)]
    assert_same(engine, _made_up(rng), rows)


def test_a_well_written_log_never_reaches_the_reference(monkeypatch):
    slow = []

    def seen(dialect, records, whole):
        slow.extend(records)
        return derive_all(dialect, records, whole)

    monkeypatch.setattr("archiver.sources.dialects.derive_all", seen)
    calm = CHAT["request"] | {"messages": [{"role": "user", "content": 'in, "nan", [information]\n'}], "user": "ü"}
    rows = [json.dumps(CHAT | {"request_id": number, "request": calm}).encode() + b"\n" for number in range(500)]
    with Engine(few=0) as fresh:
        fresh.project(DIALECTS["openai.chat"], pa.array(rows, pa.large_binary()))
    assert slow == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(lines, st.booleans()), min_size=1, max_size=10))
def test_pieces_of_a_record_are_fragments_in_both(engine, rows):
    for dialect in DIALECTS.values():
        assert_same(engine, dialect, [row for row, _ in rows], [flag for _, flag in rows])


def test_an_engine_that_knows_some_names_learns_others():
    with Engine(few=0) as fresh:
        for row in (b'{"a":1}\n', b'{"status":200}\n', b'{"error":{"type":"x"}}\n', json.dumps(CHAT).encode()):
            for dialect in ALL.values():
                assert_same(fresh, dialect, [row, b'{"status":200}\n'])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.lists(st.tuples(st.text("\0\1\2a", max_size=3) | st.sampled_from(["status", "error"]), st.booleans())),
        min_size=1,
        max_size=6,
    )
)
def test_names_of_control_characters_hide_no_repetition(engine, records):
    def member(name, deep):
        spelt = json.dumps(name)
        return f'{spelt}:{{{spelt}:1,"type":"x"}}' if deep else f"{spelt}:0"

    rows = ["{" + ",".join(member(*one) for one in record) + "}\n" for record in records]
    assert_same(engine, DIALECTS["openai.chat"], [row.encode() for row in rows])


def test_a_name_that_comes_to_be_an_object_is_looked_into():
    with Engine(few=0) as fresh:
        for row in (b'{"error":"x"}\n', b'{"error":{"type":"y"}}\n', b'{"response":{"usage":7}}\n'):
            assert_same(fresh, DIALECTS["openai.chat"], [row])
        assert_same(fresh, DIALECTS["openai.chat"], [b'{"response":{"usage":{"prompt_tokens":7}}}\n'])


def test_one_malformed_record_among_others_costs_no_answer():
    rows = [json.dumps(CHAT | {"request_id": number}).encode() + b"\n" for number in range(200)]
    with Engine(few=0) as fresh:
        for place in (0, 100, 199):
            assert_same(fresh, DIALECTS["openai.chat"], [*rows[:place], b"{no json\n", *rows[place:]])
            assert_same(fresh, DIALECTS["openai.chat"], rows)


@pytest.mark.parametrize("letters", range(0, 160, 7))
def test_a_malformed_record_of_any_letters_costs_no_answer(letters):
    broken = '{"a":1.,"b":"' + "x" * letters + "\N{SLIGHTLY SMILING FACE}" * 20 + '"}\n'
    rows = [json.dumps(CHAT).encode() + b"\n", broken.encode()]
    with Engine(few=0) as fresh:
        assert_same(fresh, DIALECTS["openai.chat"], rows)


def test_a_name_that_only_a_later_member_of_an_array_has_is_not_overlooked():
    with Engine(few=0) as fresh:
        assert_same(fresh, DIALECTS["openai.chat"], [b'{"choices":[{},{"finish_reason":"stop"}]}\n'])


def test_records_around_the_longest_that_is_read(engine):
    limit = 16 << 20
    rows = [b'{"a":"' + b"x" * (limit - 8 + more) + b'"}' + end for more in (0, 1) for end in (b"", b"\n", b"\r\n")]
    assert_same(engine, DIALECTS["json.generic"], rows)


def test_where_duckdb_runs_out_of_memory_the_reference_reads():
    rows = [json.dumps({"status": 200, "a": [1] * 1_000_000}).encode()]
    with Engine(few=0, memory_limit="16MB") as tight:
        assert_same(tight, DIALECTS["json.generic"], rows)


def test_the_malformed_files_of_the_world_derive_the_same(engine, shared_data):
    rows = [path.read_bytes() for path in sorted((shared_data / "malformed_json").iterdir())]
    inside = [b'{"ts":1767870461,"status":' + row + b"}\n" for row in rows]
    for dialect in DIALECTS.values():
        assert_same(engine, dialect, rows)
        assert_same(engine, dialect, inside)


def test_blocks_over_many_slices_keep_their_order(engine, monkeypatch):
    monkeypatch.setattr("archiver.sources.dialects._SLICE", 1000)
    rng = random.Random(7)
    rows = [json.dumps({"request_id": i, "status": 200 if rng.random() < 0.9 else 1.5}).encode() for i in range(500)]
    assert_same(engine, DIALECTS["json.generic"], rows)
