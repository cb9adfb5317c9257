"""What is taken, by which rule, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.model.policy import Accept, Custodian, Exclude, Source
from archiver.model.selection import Decision, accepted, custodian_of, decide

SOURCE = Source(
    id="s",
    kind="documents",
    location=".",
    path=Path("/s"),
    matters=("M",),
    include=("docs/**", "*.txt"),
    exclude=(Exclude("**/~$*", "Office lock files"), Exclude("docs/tmp/**", "scratch")),
    custodians=(Custodian("first", ("docs/a/**", "x.txt")), Custodian("second", ("docs/**",))),
)


def test_what_an_include_matches_is_taken():
    assert decide(SOURCE, b"docs/a.doc") == Decision(taken=True)
    assert decide(SOURCE, b"x.txt") == Decision(taken=True)


def test_what_no_include_matches_is_passed_over_by_the_rule_include():
    assert decide(SOURCE, b"other/a.doc") == Decision(taken=False, rule="include", reason="no include matches")


def test_an_exclude_beats_an_include_and_the_first_gives_the_reason():
    assert decide(SOURCE, b"docs/tmp/~$a") == Decision(taken=False, rule="**/~$*", reason="Office lock files")
    assert decide(SOURCE, b"docs/tmp/a") == Decision(taken=False, rule="docs/tmp/**", reason="scratch")


def test_an_exclude_is_named_also_where_no_include_matches():
    assert decide(SOURCE, b"other/~$a").rule == "**/~$*"


def test_names_that_are_not_utf_8_are_names():
    assert decide(SOURCE, b"docs/\xff\xfe").taken


def test_the_first_custodian_wins():
    assert custodian_of(SOURCE, b"docs/a/b") == "first"
    assert custodian_of(SOURCE, b"docs/c") == "second"
    assert custodian_of(SOURCE, b"x.txt") == "first"
    assert custodian_of(SOURCE, b"y.txt") is None


def test_a_known_failure_is_known_until_its_date():
    until = datetime(2026, 6, 30, 12, tzinfo=UTC)
    rule = Accept("scans/**", "disk", until)
    assert accepted((rule,), b"scans/1", until - timedelta(seconds=1)) == rule
    assert accepted((rule,), b"scans/1", until) is None
    assert accepted((rule,), b"mail/1", until - timedelta(days=1)) is None
