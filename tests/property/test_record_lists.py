"""Lists of a record: nothing that it says is lost, nothing is bent, and any nesting tells the same."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.model.dialect_chain import parse_chain
from archiver.model.dialect_events import events_of
from archiver.model.dialect_file import load_dialects, parse_dialect
from archiver.model.json_text import spell_value
from archiver.model.record_lists import LIST_NAMES, lists_of
from archiver.model.strict_json import parse

ALL = load_dialects()
SAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "dialects" / "samples"
PLAIN = sorted(name for name, dialect in ALL.items() if dialect.pattern is None and dialect.is_read)
LINES = {name: (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines() for name in PLAIN}
quiet = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

TEXTS = st.text(st.characters(codec=None, categories=["L", "Cs", "Cc", "P"]), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def lists(name, line):
    return [lists_of(event) for event in events_of((ALL[name],), line.encode())]


def tokens(value, count):
    """Replace every other string of a value by one of its own, and say which those are."""
    if isinstance(value, dict):
        return {name: tokens(one, count) for name, one in value.items()}
    if isinstance(value, list):
        return [tokens(one, count) for one in value]
    return f"token-{next(count)}-" if isinstance(value, str) and next(count) % 3 == 0 else value


@pytest.mark.parametrize("name", PLAIN)
def test_whatever_a_record_says_is_in_a_column_in_a_list_or_in_an_attribute(name):
    for line, start in itertools.product(LINES[name], range(3)):
        record = spell_value(tokens(parse(line.encode()), itertools.count(start))).encode()
        events = list(events_of((ALL[name],), record))
        told = json.dumps([[event.row, lists_of(event)] for event in events], default=str)
        wanted = {word for word in record.decode().split('"') if word.startswith("token-")}
        assert [word for word in sorted(wanted) if word not in told and events] == []


@quiet
@given(VALUES)
def test_a_value_printed_and_read_is_itself(value):
    text = json.dumps(value)
    assert spell_value(parse(spell_value(parse(text.encode())).encode())) == spell_value(parse(text.encode()))
    assert json.loads(spell_value(parse(text.encode()))) == json.loads(text)


def with_a_name_twice(value, draw):
    """Return the JSON text of a value in which one object, drawn on the way down, has a member twice."""
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value)
    chosen = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    if isinstance(value, list):
        return (
            "["
            + ",".join(with_a_name_twice(v, draw) if n == chosen else json.dumps(v) for n, v in enumerate(value))
            + "]"
        )
    stop = draw(st.integers(0, 3)) == 0
    members = [(k, with_a_name_twice(v, draw) if k == chosen and not stop else json.dumps(v)) for k, v in value.items()]
    members += [(chosen, json.dumps(value[chosen]))] if stop else []
    return "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in members) + "}"


@quiet
@given(st.sampled_from([name for name in PLAIN if ALL[name].lists is not None]), st.data())
def test_a_name_that_is_repeated_anywhere_takes_nothing_away_that_stands_beside_it(name, data):
    record = json.loads(data.draw(st.sampled_from([line for line in LINES[name] if "1E400" not in line])))
    record["extra"] = {"deep": [{"a": "x"}]}
    text = with_a_name_twice(record, data.draw)
    for found in lists(name, text):
        told = json.dumps(found)
        assert "extra" in told
        for one in found["attributes"] or []:
            parse(one["value_json"].encode())


@quiet
@given(st.sampled_from([name for name in PLAIN if ALL[name].lists is not None]), st.data())
def test_any_value_anywhere_gives_lists_that_arrow_and_utf_8_hold(name, data):
    record = json.loads(data.draw(st.sampled_from(LINES[name])))
    node, step = record, None
    while (
        isinstance(node, dict | list) and node and (step is None or data.draw(st.booleans()) or isinstance(node, dict))
    ):
        step = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        parent, node = node, node[step]
    parent[step] = data.draw(VALUES)
    for found in lists(name, json.dumps(record)):
        json.dumps(found, ensure_ascii=False).encode()
        for one in found["attributes"] or []:
            parse(one["value_json"].encode())


WRAPPERS = {
    "docker.json-file": lambda text: json.dumps(
        {"log": text + "\n", "stream": "stdout", "time": "2026-01-08T11:07:41Z"}
    ),
    "cri.log": lambda text: f"2026-01-08T11:07:41.1Z stdout F {text}",
    "kafka.message": lambda text: json.dumps({"topic": "t", "partition": 3, "offset": 9, "key": "k", "payload": text}),
    "vector.log": lambda text: json.dumps(
        {"file": "f", "kubernetes": {"pod_name": "p"}, "message": text, "source_type": "kubernetes_logs"}
    ),
    "aws.cloudwatch": lambda text: json.dumps(
        {
            "messageType": "DATA_MESSAGE",
            "owner": "1",
            "logGroup": "g",
            "logEvents": [{"message": "x"}, {"message": text}],
        }
    ),
}


@quiet
@given(st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=4), st.sampled_from(PLAIN), st.data())
def test_any_nesting_tells_the_lists_of_what_it_carries(carriers, name, data):
    line = nested = data.draw(st.sampled_from(LINES[name]))
    for carrier in reversed(carriers):
        nested = WRAPPERS[carrier](nested)
    alone = list(events_of((ALL[name],), line.encode()))
    chain = parse_chain(ALL, ">".join([*carriers, name]))
    found = list(events_of(chain, nested.encode()))[-len(alone) :] if alone else []
    for inner, outer in zip(alone, found, strict=True):
        base = outer.pointer.removesuffix(inner.pointer)
        base += ">" if not base.endswith(">") else ""
        wanted, got = lists_of(inner), lists_of(outer)
        for one in LIST_NAMES[:3]:
            assert got[one] == wanted[one]
        assert [one["sha256"] for one in got["media"] or []] == [one["sha256"] for one in wanted["media"] or []]
        places = [one["value_json"] for one in got["attributes"] or []]
        assert all(one["value_json"] in places for one in wanted["attributes"] or [])


@quiet
@given(st.binary(max_size=40), st.sampled_from(["", "image/png", "text/plain;charset=utf-8"]))
def test_what_stands_inline_has_the_size_and_hash_of_its_bytes(content, mime):
    uri = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    part = {"type": "image_url", "image_url": {"url": uri}}
    line = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]})
    (found,) = lists("openai.chat", line)
    (media,) = found["media"]
    assert (media["inline"], media["size"], media["sha256"]) == (
        True,
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    assert (media["mime"], media["uri"]) == (mime.partition(";")[0] or None, None)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("data:image/png;base64,iVBORw0KGgo", "not-base64"),
        ("data:image/png;base64,iVBORw0KGgp=", "not-base64"),
        ("data:image/png;base64,iVBO\nRw0KGgo=", "not-base64"),
        ("data:image/png;base64,iVBORw0KGgo=%3D", "not-base64"),
        ("data:,a b", "not-a-uri"),
        ("data:,%zz", "not-a-uri"),
        ("", "no-place"),
    ],
)
def test_what_readers_would_decode_differently_is_not_decoded(uri, reason):
    part = {"type": "image_url", "image_url": {"url": uri}}
    line = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]})
    (found,) = lists("openai.chat", line)
    assert (found["media"][0]["reason"], found["media"][0]["size"], found["media"][0]["sha256"]) == (reason, None, None)
    assert json.loads(found["attributes"][0]["value_json"]) == {"url": uri}


def test_a_name_that_no_text_can_hold_and_one_that_looks_like_a_place_are_told_apart():
    line = r'{"\ud800":1,"a>":{"b":2},"a~b/c":3,"a":null}'
    (found,) = lists("json.generic", line)
    assert [(one["key"], one["place"], one["value_json"]) for one in found["attributes"]] == [
        (None, "", r'{"\ud800":1}'),
        ("a>", "/a~2", '{"b":2}'),
        ("a~b/c", "/a~0b~1c", "3"),
    ]


def test_lists_of_a_new_dialect_need_no_python():
    dialect = parse_dialect(
        json.dumps(
            {
                "dialect": "acme.talk",
                "version": 1,
                "title": "A dialect made up for this test",
                "lists": {
                    "input_messages": [{"path": "$.talk", "read": ["json"], "inside": "$.turns"}],
                    "message": {"role": ["$.who"], "parts": [{"path": "$.said"}], "roles": {"me": "user"}},
                },
            }
        ).encode()
    )
    record = json.dumps({"talk": json.dumps({"turns": [{"who": "me", "said": ["a", "b"], "at": 5}]})}).encode()
    found = lists_of(next(events_of((dialect,), record)))
    (message,) = found["gen_ai_input_messages"]
    assert (message["role"], [part["text"] for part in message["parts"]]) == ("user", ["a", "b"])
    assert [(one["place"], one["value_json"]) for one in found["attributes"]] == [("/talk>/turns/0/at", "5")]
