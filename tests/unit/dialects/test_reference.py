"""What the shipped dialects make of records, exactly."""

from __future__ import annotations

import json

import pytest

from archiver.model.dialect import CONTENT_STATUSES, DERIVED_FIELDS
from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_reference import derive

CHAT = load_dialects()["openai.chat"]
GENERIC = load_dialects()["json.generic"]
OPAQUE = load_dialects()["text.opaque"]

PAIR = (
    b'{"ts":"2026-01-08T11:07:41.118Z","request_id":"req_01","request":{"model":"grok-4","messages":[{"role":"user",'
    b'"content":"Bonjour \\ud83d\\ude42"}],"temperature":0.7,"user":"u-77"},"response":{"id":"chatcmpl-9a1",'
    b'"object":"chat.completion","created":1767870461,"model":"grok-4-0709","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"Bonjour!","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,'
    b'"completion_tokens":4,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":0}}},"status":200}\n'
)


def said(dialect, raw):
    """Return what is not null."""
    return {name: value for name, value in derive(dialect, raw).items() if value is not None}


def outcome(dialect, raw):
    row = derive(dialect, raw)
    return row["parse_status"], row["parse_error"]


def test_a_request_and_response_pair_gives_every_column_that_it_holds():
    assert said(CHAT, PAIR) == {
        "dialect": "openai.chat",
        "parse_status": "ok",
        "content_status": "full",
        "event_time": 1767870461118000000,
        "event_time_raw": "2026-01-08T11:07:41.118Z",
        "event_time_unit": "rfc3339",
        "event_time_basis": "offset",
        "request_id": "req_01",
        "end_user_id": "u-77",
        "gen_ai_operation_name": "chat",
        "gen_ai_request_model": "grok-4",
        "gen_ai_response_model": "grok-4-0709",
        "gen_ai_response_id": "chatcmpl-9a1",
        "gen_ai_request_temperature": 0.7,
        "gen_ai_response_finish_reasons": ["stop"],
        "gen_ai_usage_input_tokens": 9,
        "gen_ai_usage_output_tokens": 4,
        "gen_ai_usage_reasoning_output_tokens": 0,
        "http_response_status_code": 200,
    }


def test_the_columns_come_in_the_published_order():
    assert list(derive(CHAT, PAIR)) == [name for name, _ in DERIVED_FIELDS]


def test_a_bare_response_names_the_responding_model_and_not_the_requested_one():
    row = derive(CHAT, json.dumps(json.loads(PAIR)["response"]).encode())
    assert (row["gen_ai_response_model"], row["gen_ai_request_model"]) == ("grok-4-0709", None)
    assert (row["event_time"], row["event_time_unit"], row["event_time_basis"]) == (1767870461 * 10**9, "s", "epoch")
    assert row["content_status"] == "unknown"


def test_a_bare_request_names_the_requested_model():
    row = derive(CHAT, json.dumps(json.loads(PAIR)["request"]).encode())
    assert (row["gen_ai_response_model"], row["gen_ai_request_model"]) == (None, "grok-4")


def test_a_stream_chunk_is_a_fragment():
    chunk = b'{"id":"c","object":"chat.completion.chunk","created":1,"choices":[{"delta":{},"finish_reason":null}]}'
    row = derive(CHAT, chunk)
    assert (row["content_status"], row["gen_ai_response_finish_reasons"], row["parse_status"]) == (
        "fragment",
        None,
        "ok",
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"max_tokens":1.5}', "not-an-integer $.max_tokens"),
        (b'{"max_tokens":"5"}', "not-an-integer $.max_tokens"),
        (b'{"max_tokens":1.0}', "not-an-integer $.max_tokens"),
        (b'{"max_tokens":18446744073709551616}', "out-of-range $.max_tokens"),
        (b'{"temperature":1E400}', "out-of-range $.temperature"),
        (b'{"temperature":9007199254740993}', "inexact $.temperature"),
        (b'{"temperature":"warm"}', "not-a-number $.temperature"),
        (b'{"stream":1}', "not-a-boolean $.stream"),
        (b'{"request_id":"\\ud800"}', "lone-surrogate $.request_id"),
        (b'{"request":{"model":7}}', "not-a-string $.request.model"),
        (b'{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2}}', "duplicate-key $.usage"),
        (b'{"usage":{"prompt_tokens":1,"prompt_tokens":1}}', "duplicate-key $.usage.prompt_tokens"),
        (b'{"choices":[{"finish_reason":5}]}', "not-a-string $.choices[*].finish_reason"),
        (b'{"ts":"2026-01-08T11:07:41"}', "no-offset $.ts"),
        (b'{"ts":"yesterday"}', "not-a-time $.ts"),
        (b'{"ts":"2026-12-31T23:59:60Z"}', "leap-second $.ts"),
        (b'{"ts":17}', "unit-unknown $.ts"),
        (b'{"ts":1767870461.1234567891}', "finer-than-a-nanosecond $.ts"),
        (b'{"created":1e30}', "out-of-range $.created"),
        (b'{"ts":true}', "not-a-time $.ts"),
    ],
)
def test_what_does_not_fit_is_null_with_the_reason(raw, reason):
    assert outcome(CHAT, raw) == ("partial", reason)


def test_several_reasons_come_in_the_order_of_the_columns_and_each_once():
    raw = b'{"usage":{"completion_tokens":1.5},"stream":1,"max_tokens":true,"request_id":7}'
    reasons = "not-an-integer $.max_tokens; not-a-boolean $.stream; not-an-integer $.usage.completion_tokens"
    assert outcome(CHAT, raw) == ("partial", reasons)


def test_a_repeated_name_that_nobody_asks_for_is_no_reason():
    assert outcome(CHAT, b'{"note":1,"note":2}') == ("ok", None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\n", "blank"),
        (b"", "blank"),
        (b" \t\r\n", "blank"),
        (b"INFO started\n", "not-json"),
        (b'{"a":1}{"a":2}\n', "not-json"),
        (b'{"a":NaN}', "not-json"),
        (b'{"a":1,}', "not-json"),
        (b'{"a":"\t"}', "not-json"),
        (b"[1]", "not-an-object"),
        (b"1\r\n", "not-an-object"),
        (b'\xef\xbb\xbf{"a":1}', "byte-order-mark"),
        (b'{"a":"\xff"}', "invalid-utf-8 at byte 6"),
        (b'{"a":' * 257 + b"1" + b"}" * 257, "nested-deeper-than 256"),
    ],
)
def test_what_is_not_one_json_object_is_failed_and_derives_nothing(raw, reason):
    assert said(CHAT, raw) == {
        "dialect": "openai.chat",
        "parse_status": "failed",
        "parse_error": reason,
        "content_status": "unknown",
    }


def test_a_record_over_16_mib_is_kept_unread():
    assert outcome(CHAT, b'{"a":"' + b"x" * (16 << 20) + b'"}') == ("failed", "longer-than 16777216 bytes")


def test_brackets_inside_strings_are_not_nesting():
    assert outcome(CHAT, b'{"a":"' + b"[{" * 1000 + b'"}') == ("ok", None)


def test_a_piece_of_a_record_is_an_opaque_fragment():
    row = derive(CHAT, PAIR[:50], whole=False)
    assert (row["parse_status"], row["content_status"], row["event_time"]) == ("opaque", "fragment", None)


def test_opaque_text_derives_nothing_not_even_of_json():
    expected = {"dialect": "text.opaque", "parse_status": "opaque", "content_status": "unknown"}
    assert said(OPAQUE, PAIR) == said(OPAQUE, b"") == said(OPAQUE, b"\xff") == expected


def test_generic_names_of_another_kind_count_as_absent():
    row = derive(GENERIC, b'{"status":"ok","model":{"a":1},"user":77,"error":{"code":5},"http_status":500}')
    assert (row["parse_status"], row["http_response_status_code"], row["user_id"]) == ("ok", 500, "77")
    assert (row["gen_ai_request_model"], row["error_message"]) == (None, None)


@pytest.mark.parametrize(
    ("written", "unit", "nanoseconds"),
    [
        ("1767870461", "s", 1767870461 * 10**9),
        ("1767870461.118443515", "s", 1767870461118443515),
        ("1.767870461118E9", "s", 1767870461118000000),
        ("1767870461118", "ms", 1767870461118 * 10**6),
        ("1767870461118443", "us", 1767870461118443000),
        ("1767870461118443515", "ns", 1767870461118443515),
    ],
)
def test_the_magnitude_of_a_number_tells_its_unit_and_nothing_is_rounded(written, unit, nanoseconds):
    row = derive(GENERIC, b'{"ts":' + written.encode() + b"}")
    assert (row["event_time_raw"], row["event_time_unit"], row["event_time"]) == (written, unit, nanoseconds)


def test_an_offset_is_taken_into_account():
    row = derive(GENERIC, b'{"@timestamp":"2026-01-08T12:07:41.118443515+01:00"}')
    assert (row["event_time"], row["event_time_basis"]) == (1767870461118443515, "offset")


def test_a_time_that_cannot_be_told_keeps_its_text():
    row = derive(GENERIC, b'{"time":"08/Jan/2026"}')
    assert (row["event_time"], row["event_time_raw"], row["event_time_basis"]) == (None, "08/Jan/2026", "none")


def test_real_conversations_parse(shared_data):
    for path in sorted((shared_data / "model_logs").glob("*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            row = derive(GENERIC, line)
            assert row["parse_status"] == "ok"
            assert row["content_status"] in CONTENT_STATUSES


def test_the_published_verdicts_on_json_are_ours(shared_data):
    for path in sorted((shared_data / "malformed_json").iterdir()):
        row = derive(GENERIC, path.read_bytes())
        refused = row["parse_status"] == "failed" and row["parse_error"] != "not-an-object"
        if path.name[0] in "ny":
            assert refused == (path.name[0] == "n"), path.name
