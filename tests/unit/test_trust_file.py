"""What is no trust file is refused in words that say what it is instead."""

from __future__ import annotations

import pytest

from archiver.errors import EvidenceError
from archiver.model.trust import parse_trust


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"version: 1\n",
            "handed.json: expected a trust file, found something that is no JSON (line 1: Expecting value)",
        ),
        (b"", "handed.json: expected a trust file, found something that is no JSON (line 1: Expecting value)"),
        (b"\xff\xd8\xff", "handed.json: expected a trust file, found something that is no text (byte 0)"),
        (b"[" * 100_000, "handed.json: expected a trust file, found JSON that is nested without end"),
        (b"[1]", "handed.json: expected a trust file, found JSON that is no object"),
        (b'{"version":1,"version":1}', "handed.json: a member is given twice"),
        (b"{}", "handed.json: version: expected it, found nothing"),
    ],
)
def test_what_is_no_trust_file_is_named(data, words):
    with pytest.raises(EvidenceError) as refused:
        parse_trust(data, name="handed.json")
    assert (refused.value.code, refused.value.message) == ("trust-unreadable", words)
