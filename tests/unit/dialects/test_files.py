"""Dialect files: what is published, what is refused, and that a new one needs no Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pyarrow as pa
import pytest

from archiver.errors import UsageError
from archiver.model import dialect_compiled
from archiver.model.dialect_compiled import published_dialects
from archiver.model.dialect_events import events_of
from archiver.model.dialect_file import json_schema, load_dialects, parse_dialect
from archiver.model.dialect_reference import derive
from archiver.model.json_path import parse_path
from archiver.model.published import schemas_folder
from archiver.model.record_lists import lists_of
from archiver.sources.dialects import Engine

ROOT = Path(__file__).resolve().parents[3]

NEW = {
    "dialect": "acme.tail",
    "version": 1,
    "title": "A dialect made up for this test",
    "recognise": {"priority": 5, "any": [[{"path": "$.acme", "is": "present"}]]},
    "content_status": [{"is": "truncated", "when": [{"path": "$.cut", "is": "bool"}]}],
    "columns": {
        "event_time": [{"path": "$.at", "unit": "rfc3339", "naive": "utc"}],
        "request_id": {"type": "identifier", "path": '$.ids["the id"]'},
        "gen_ai_usage_input_tokens": {
            "type": "int64",
            "paths": ["$.n", {"path": "$.m[0]", "when": [{"path": "$.cut", "is": "present"}]}],
        },
    },
}


def test_what_is_written_down_of_the_dialects_is_what_their_files_say(tmp_path, monkeypatch):
    assert published_dialects() == load_dialects()
    assert repr(published_dialects()) == repr(load_dialects())
    assert published_dialects() is not load_dialects()

    shutil.copytree(schemas_folder(), tmp_path / "schemas")
    monkeypatch.setattr(dialect_compiled, "schemas_folder", lambda: tmp_path / "schemas")
    file = tmp_path / "schemas/dialects/xai.chat.json"
    file.write_bytes(file.read_bytes() + b" ")  # it was made of another file: the files are read
    assert published_dialects.__wrapped__() is load_dialects()
    (tmp_path / "schemas" / dialect_compiled.COMPILED).unlink()
    assert published_dialects.__wrapped__() is load_dialects()


@pytest.mark.parametrize("told", [[], ["$.a"], ["$.a", ["a"], None]])
def test_what_is_written_down_of_a_value_has_all_of_its_fields_and_no_more(told):
    with pytest.raises(TypeError, match="expected values of text, steps for Path"):
        dialect_compiled._value({"Path": told})


def refused(**changes):
    with pytest.raises(UsageError) as caught:
        parse_dialect(json.dumps(NEW | changes).encode(), "acme.tail.json")
    assert caught.value.code == "dialect-file"
    return caught.value.message


def test_these_dialects_are_shipped():
    assert list(load_dialects()) == [
        "aws.cloudwatch-export",
        "aws.cloudwatch",
        "cri.log",
        "csv.table",
        "docker.json-file",
        "fluent-bit.record",
        "http.access-json",
        "http.access",
        "json.generic",
        "kafka.message",
        "langfuse.observation",
        "litellm.payload",
        "litellm.spend-log",
        "openai.chat",
        "openai.moderation",
        "openai.responses",
        "otel.genai",
        "otel.otlp-logs",
        "otel.otlp-spans",
        "sglang.request",
        "sglang.server",
        "text.opaque",
        "vector.log",
        "vllm.request",
        "xai.chat",
        "xai.media",
    ]


def test_the_published_schema_is_the_one_of_the_models():
    published = json.loads((ROOT / "schemas" / "dialect.schema.json").read_text())
    assert published == json_schema(), "write it anew from archiver.model.dialect_file.json_schema()"


def test_every_shipped_dialect_fits_the_published_schema():
    judge = jsonschema.Draft202012Validator(json_schema())
    judge.check_schema(judge.schema)
    for file in (schemas_folder() / "dialects").iterdir():
        if file.name.endswith(".json"):
            judge.validate(json.loads(file.read_bytes()))


def test_a_new_dialect_needs_no_python_in_either_reader():
    dialect = parse_dialect(json.dumps(NEW).encode())
    rows = [
        b'{"acme":1,"at":"2026-01-08 11:07:41","ids":{"the id":5},"m":[3],"cut":true}',
        b'{"at":"2026-01-08T11:07:41Z","ids":{"the id":"x"},"m":[3],"n":4}',
        b'{"m":[3]}',
    ]
    slow = [derive(dialect, row) for row in rows]
    assert (slow[0]["event_time"], slow[0]["event_time_basis"]) == (1767870461 * 10**9, "assumed_utc")
    assert [row["content_status"] for row in slow] == ["truncated", "unknown", "unknown"]
    assert [row["request_id"] for row in slow] == ["5", "x", None]
    assert [row["gen_ai_usage_input_tokens"] for row in slow] == [3, 4, None]
    with Engine(few=0) as engine:
        fast = engine.project(dialect, pa.array(rows, pa.large_binary()))
    for name in slow[0]:
        column = fast.column(name)
        found = column.cast(pa.int64()) if name == "event_time" else column
        assert [row[name] for row in slow] == found.to_pylist()


def test_a_quote_in_a_name_stays_a_name_in_the_query():
    columns = {"request_id": {"type": "string", "path": '$["it\'s; --"]'}}
    dialect = parse_dialect(json.dumps(NEW | {"columns": columns, "content_status": []}).encode())
    with Engine(few=0) as engine:
        answer = engine.project(dialect, pa.array([b'{"it\'s; --":"x"}'], pa.large_binary()))
    assert answer.column("request_id").to_pylist() == ["x"]


@pytest.mark.parametrize(
    ("column", "raw", "value"),
    [
        ({"type": "string", "paths": [{"path": "$.ticks", "as": "x_ai"}]}, b'{"ticks":5}', "x_ai"),
        ({"type": "string", "paths": [{"path": "$.ticks", "as": "x_ai"}]}, b'{"ticks":null}', None),
        ({"type": "string", "paths": [{"path": "$.ticks", "as": "x_ai"}, "$.p"]}, b'{"p":"other"}', "other"),
        ({"type": "string", "empty": "absent", "paths": ["$.a", "$.b"]}, b'{"a":"","b":"x"}', "x"),
        ({"type": "identifier", "empty": "absent", "path": "$.a"}, b'{"a":""}', None),
        ({"type": "string", "paths": ["$.a", "$.b"]}, b'{"a":"","b":"x"}', ""),
        ({"type": "string", "paths": [{"path": "$.a", "when": [{"path": "$.b", "is": "absent"}]}]}, b'{"a":"x"}', "x"),
        (
            {"type": "string", "paths": [{"path": "$.a", "when": [{"path": "$.b", "is": "absent"}]}]},
            b'{"a":"x","b":null}',
            "x",
        ),
        (
            {"type": "string", "paths": [{"path": "$.a", "when": [{"path": "$.b", "is": "absent"}]}]},
            b'{"a":"x","b":false}',
            None,
        ),
    ],
)
def test_constants_empty_strings_and_absent_values_mean_the_same_in_both_readers(column, raw, value):
    dialect = parse_dialect(json.dumps(NEW | {"columns": {"gen_ai_provider_name": column}}).encode())
    with Engine(few=0) as engine:
        fast = engine.project(dialect, pa.array([raw], pa.large_binary()))
    assert derive(dialect, raw)["gen_ai_provider_name"] == value
    assert fast.column("gen_ai_provider_name").to_pylist() == [value]


def test_a_list_that_stands_at_a_plain_path_is_the_same_in_both_readers():
    column = {"type": "string_list", "path": "$.a"}
    dialect = parse_dialect(json.dumps(NEW | {"columns": {"gen_ai_response_finish_reasons": column}}).encode())
    texts = [
        *('"stop"', '["stop"]', '[ "é🙂" ]', '["e\u0301"]', '"\\u005b"', '["a\\nb"]', '["\\u0000"]', '["a","b"]', "[]"),
        *("[null]", '[["x"]]', '["]", "["]', '["[]"]', '[""]', "5", "{}", "null", "[5]", '"]"', '["a",null]'),
    ]
    rows = [f'{{"a":{text}}}'.encode() for text in texts]
    with Engine(few=0) as engine:
        fast = engine.project(dialect, pa.array(rows, pa.large_binary()))
    slow = [derive(dialect, row) for row in rows]
    for name in ("gen_ai_response_finish_reasons", "parse_error"):
        assert fast.column(name).to_pylist() == [row[name] for row in slow]
    assert [row["gen_ai_response_finish_reasons"] for row in slow[:3]] == [None, ["stop"], ["é🙂"]]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"type": "int64", "paths": [{"path": "$.a", "as": "5"}]}, "string or identifier"),
        ({"type": "bool", "path": "$.a", "empty": "absent"}, "string or identifier"),
        ({"type": "string", "paths": [{"path": "$.a", "as": "x"}], "map": {"x": "y"}}, '"map"'),
        ({"type": "string", "paths": [{"path": "$.a", "as": ""}]}, "paths.0"),
        ({"type": "string", "path": "$.a", "empty": "null"}, "'absent'"),
    ],
)
def test_a_constant_or_an_empty_string_where_it_means_nothing_is_refused(column, words):
    assert words in refused(columns={"request_id": column})


def test_unknown_members_are_refused():
    assert "colour" in refused(colour="red")


def test_a_column_that_the_table_does_not_have_is_refused():
    assert "shoe_size" in refused(columns={"shoe_size": {"type": "int64", "path": "$.a"}})


def test_a_type_that_does_not_fit_the_column_is_refused():
    assert "expected a type for string" in refused(columns={"request_id": {"type": "int64", "path": "$.a"}})


def test_a_path_that_is_none_is_refused():
    assert "$.a..b" in refused(columns={"request_id": {"type": "string", "path": "$.a..b"}})


def test_many_values_for_one_column_are_refused():
    assert "[*]" in refused(columns={"request_id": {"type": "string", "path": "$.a[*]"}})


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(UsageError, match="twice"):
        parse_dialect(b'{"dialect":"a","dialect":"b"}')


def test_bytes_that_are_no_json_are_refused():
    with pytest.raises(UsageError):
        parse_dialect(b"\xff{")


@pytest.mark.parametrize("text", ["$.a", '$["a b"].c[0]', "$.a[*].b", '$["@type"]', "$.@timestamp", "$[0]"])
def test_a_path_prints_as_it_was_written(text):
    assert str(parse_path(text)) == text


@pytest.mark.parametrize(
    "text", ["", "$", "a", "$.", "$a", "$.a[*][*]", '$["a"b"]', "$.a[01]", "$.a[-1]", "$.*", "$.a "]
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(UsageError):
        parse_path(text)


def test_the_example_of_the_readme_reads_its_line():
    text = (ROOT / "schemas" / "dialects" / "README.md").read_text("utf-8")
    written, line = (text.partition(f"```{kind}\n")[2].partition("```")[0] for kind in ("json", "text"))
    dialect = parse_dialect(written.encode())
    (event,) = events_of((dialect,), line.encode())
    assert (event.row["parse_status"], event.row["event_time_basis"]) == ("ok", "offset")
    assert (event.row["gen_ai_request_model"], event.row["gen_ai_usage_input_tokens"]) == ("grok-4", 9)
    lists = lists_of(event)
    assert [part["text"] for one in lists["gen_ai_output_messages"] for part in one["parts"]] == ["Bonjour!"]
    assert lists["attributes"] is None


def test_a_path_that_begins_with_no_group_of_the_line_is_refused():
    line = {"pattern": "(?P<at>.*)"}
    assert "$.too" in refused(
        records="text",
        line=line,
        columns={},
        recognise=None,
        content_status=[],
        lists={"input_messages": [{"path": "$.too"}]},
    )
