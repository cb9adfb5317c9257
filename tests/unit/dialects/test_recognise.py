"""Which dialect a log is said to be in."""

from __future__ import annotations

from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_recognise import recognise
from archiver.model.dialect_reference import read_record, read_records
from archiver.model.strict_json import NotJson

DIALECTS = load_dialects()
PAIR = b'{"ts":"2026-01-08T11:07:41Z","request":{"model":"m","messages":[]},"response":{"choices":[]}}\n'
RESPONSE = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[]}\n'
CHUNK = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n'
REQUEST = b'{"model":"m","messages":[{"role":"user","content":"x"}]}\n'


def test_every_shape_of_openai_chat_is_recognised():
    for line in (PAIR, RESPONSE, CHUNK, REQUEST):
        assert recognise(DIALECTS, [line]) == "openai.chat"


def test_unknown_json_is_generic():
    assert recognise(DIALECTS, [b'{"level":"info","msg":"started"}\n']) == "json.generic"


def test_text_and_nothing_at_all_are_opaque():
    for lines in ([], [b"\n"], [b"INFO started\n"], [b"\xff\xfe{\x00"], [b"[1]\n", b"17\n"]):
        assert recognise(DIALECTS, lines) == "text.opaque"


def test_some_text_among_json_does_not_change_the_answer():
    assert recognise(DIALECTS, [b"starting\n", b"\n", PAIR, b"stopping\n"]) == "openai.chat"


def test_one_chat_record_among_others_does_not_make_a_chat_log():
    assert recognise(DIALECTS, [b'{"a":1}\n', b'{"a":2}\n', PAIR]) == "json.generic"


def test_only_the_first_64_lines_count():
    assert recognise(DIALECTS, [b'{"a":1}\n'] * 64 + [PAIR] * 1000) == "json.generic"


def test_a_first_line_longer_than_the_sample_still_counts():
    long = PAIR.replace(b'"m"', b'"' + b"m" * 100_000 + b'"')
    assert recognise(DIALECTS, [long, b"text\n"]) == "openai.chat"


def test_real_conversations_are_generic_json(shared_data):
    for path in sorted((shared_data / "model_logs").glob("*.jsonl")):
        assert recognise(DIALECTS, path.read_bytes().splitlines(keepends=True)) == "json.generic"


def test_lines_that_are_read_together_say_what_each_says_alone():
    access = b'10.0.0.1 - - [08/Jan/2026:11:07:41 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"\n'
    lines = [
        PAIR,
        access,
        b"\n",
        b"\xff\n",
        b'{"a":1,"a":2}\n',
        b"[1]\n",
        access.rstrip(),
        b"a" * 17_000_000,
        CHUNK,
        b"{",
    ]
    read = 0
    for dialect in DIALECTS.values():
        if dialect.id != "csv.table":  # bound to the header of a log, its records are read by the same function
            alone = []
            for line in lines:
                try:
                    alone.append(read_record(dialect, line))
                except NotJson:
                    continue
            assert list(read_records(dialect, lines)) == alone
            read += len(alone)
    assert read > len(DIALECTS)
