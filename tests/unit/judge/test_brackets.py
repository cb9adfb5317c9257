"""Brackets, and what the end of a key means once timestamps bear witness."""

from __future__ import annotations

import json

import pytest
from world import World

from archiver.judge.brackets import OPEN, Bracket, Brackets, Stamp
from archiver.judge.keyring import Keyring
from archiver.model.statement_timestamp import authority_name
from archiver.model.trust import parse_trust

STAMPS = [
    Stamp(entry=7, size=7, earliest="2026-11-21T10:00:00Z", latest="2026-11-21T10:00:01Z"),
    Stamp(entry=3, size=3, earliest="2026-11-21T09:00:00Z", latest="2026-11-21T09:00:01Z"),
    Stamp(entry=8, size=3, earliest="2026-11-21T10:00:05Z", latest="2026-11-21T10:00:06Z"),  # over an old checkpoint
]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (0, Bracket(None, "2026-11-21T09:00:01Z")),
        (2, Bracket(None, "2026-11-21T09:00:01Z")),
        (3, Bracket(None, "2026-11-21T10:00:01Z")),  # the statement about a token is not covered by that token
        (4, Bracket("2026-11-21T09:00:00Z", "2026-11-21T10:00:01Z")),
        (6, Bracket("2026-11-21T09:00:00Z", "2026-11-21T10:00:01Z")),
        (7, Bracket("2026-11-21T09:00:00Z", None)),
        (9, Bracket("2026-11-21T10:00:05Z", None)),
    ],
)
def test_an_entry_lies_after_the_newest_token_before_it_and_before_the_oldest_that_covers_it(entry, expected):
    assert Brackets(STAMPS).of(entry) == expected


def test_without_tokens_every_bracket_is_open():
    assert Brackets().of(5) == OPEN


def test_a_token_over_an_older_checkpoint_moves_no_upper_bound_of_later_entries():
    late = Stamp(entry=9, size=4, earliest="2026-11-21T08:00:00Z", latest="2026-11-21T08:00:00Z")
    assert Brackets([*STAMPS, late]).of(6).not_after == "2026-11-21T10:00:01Z"


@pytest.mark.parametrize(
    ("at", "bracket", "expected"),
    [
        ("2026-11-20T00:00:00Z", Bracket(None, "2026-11-21T23:59:59Z"), []),
        ("2026-11-20T00:00:00Z", Bracket(None, "2026-11-22T00:00:00Z"), ["unknown"]),
        ("2026-11-20T00:00:00Z", OPEN, ["unknown"]),
        ("2026-11-20T00:00:00Z", Bracket("2026-11-21T00:00:00Z", None), ["unknown"]),
        ("2026-11-20T00:00:00Z", Bracket("2026-11-22T00:00:00Z", None), ["failed"]),
        ("2026-11-22T00:00:00Z", Bracket(None, "2026-11-21T00:00:00Z"), ["failed"]),
    ],
)
def test_a_key_with_an_end_is_good_only_when_the_bracket_ends_before_it(at, bracket, expected):
    world = World(tell=False)
    words = world.trust().model_dump(mode="json")
    words["statement_keys"][0]["valid_until"] = "2026-11-22T00:00:00Z"
    ring = Keyring(parse_trust(json.dumps(words).encode()))
    found = ring.judge("batch", world.signer.keyid, at, bracket)
    assert [(one.code, one.severity.value) for one in found] == [("statement-key-expired", one) for one in expected]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://tsa.example.com/rfc3161", "tsa.example.com_rfc3161"),
        ("http://user:secret@127.0.0.1:8080/?key=x", "127.0.0.1_8080"),
        ("https://tsa.example.com", "tsa.example.com"),
    ],
)
def test_an_authority_is_named_by_its_address_without_secrets(url, expected):
    assert authority_name(url) == expected
