"""Any bytes are a policy or refused with a place; what is read is what stands in the file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.hold import NotAnInstantError, parse_offset_instant
from archiver.model.policy_reading import parse_policy
from archiver.model.policy_yaml import PolicyError, read_yaml

SAMPLE = (Path(__file__).resolve().parents[2] / "retention_policy.yaml").read_text(encoding="utf-8")
EARLIEST = datetime.fromisoformat("0001-01-02")
LATEST = datetime.fromisoformat("9999-12-30")
PLACE = Path("/nowhere/retention_policy.yaml")
CHARACTERS = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(CHARACTERS)
KEYS = st.text(CHARACTERS, max_size=100)  # YAML ends a key on one line after 1,024 characters, six to an escape
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def read(text):
    """Read a policy and return the places that were refused, None when it was accepted."""
    try:
        parse_policy(text, PLACE)
    except PolicyError as refused:
        return [(one.mark.line, one.mark.column) for one in refused.problems]
    return None


def has_places(places):
    return len(places) > 0 and all(line >= 1 and column >= 1 for line, column in places)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_place(text):
    assert has_places(read(text))


@given(st.text("ab:-[]{}&*!|>'\"%@` \n\t#?,~<=0123456789.yesnoTZ\\x", max_size=80))
def test_any_yaml_is_refused_with_a_place(text):
    assert has_places(read(text.encode()))


@given(st.integers(0, len(SAMPLE)), st.integers(0, 12), st.text(max_size=6))
def test_any_change_of_the_sample_is_read_or_refused_with_a_place(at, removed, added):
    places = read((SAMPLE[:at] + added + SAMPLE[at + removed :]).encode("utf-8", "surrogatepass"))
    assert places is None or has_places(places)


@given(VALUES)
def test_json_is_read_as_what_it_is(value):
    document = read_yaml(json.dumps(value, ensure_ascii=True).encode(), "x")
    assert (document.value, document.problems) == (value, ())


@given(st.text("0123456789-+:_.eExonyYNOFtrufals~ ", max_size=12))
def test_what_is_read_from_a_plain_scalar_is_what_every_reader_of_yaml_reads(text):
    document = read_yaml(f"key: {text}\n".encode(), "x") if not _is_syntax(text) else None
    if document is None or document.problems or not isinstance(document.value, dict):
        return
    assert document.value == yaml.safe_load(f"key: {text}\n")
    assert type(document.value["key"]) is type(yaml.safe_load(f"key: {text}\n")["key"])


def _is_syntax(text):
    try:
        list(yaml.parse(f"key: {text}\n"))
    except yaml.YAMLError:
        return True
    return False


@given(st.datetimes(EARLIEST, LATEST), st.integers(-720, 840))
def test_an_instant_is_never_rounded_down(moment, minutes):
    sign, hours = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{moment.isoformat()}{sign}{hours // 60:02d}:{hours % 60:02d}"
    if text.endswith("-00:00"):
        return
    exact = datetime.fromisoformat(text).astimezone(UTC)
    found = parse_offset_instant(text)
    assert 0 <= (found - exact).total_seconds() < 1
    assert found.microsecond == 0


@given(st.text(max_size=40) | st.text("0123456789-:TZ+.", max_size=30))
def test_any_text_is_an_instant_or_refused_with_what_to_write(text):
    try:
        found = parse_offset_instant(text)
    except NotAnInstantError as refused:
        found = refused
    assert getattr(found, "instead", None) or found.tzinfo is UTC
