"""Whatever the holder of the keys signs, the judge says what is wrong with it and does not fall over."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from world import FIRST, MEMO, World

from archiver.model import layout
from archiver.proof import canonical, dsse

DOCUMENTS = f"{FIRST}-documents-00000000"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def mutated(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    changed = bytearray(data)
    for part, value in changes:
        changed[int(part * len(changed))] = value
    return bytes(changed)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_signed_batch_with_any_bytes_changed_is_judged(changes):
    world = World(parquet=lambda data, batch: mutated(data, changes) if batch == DOCUMENTS else data)
    assert int(world.verify().exit) in (0, 1)


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=400))
def test_a_signed_batch_of_any_bytes_fails(data):
    world = World(parquet=lambda honest, batch: data if batch == DOCUMENTS else honest)
    report = world.verify()
    assert int(report.exit) == 1
    assert "record-schema" in {finding.code for finding in report.findings}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["item", "parts", "status", "size", "sha256", "file", "table", "observed_at", "more"]), JSON)
def test_a_signed_line_with_any_member_changed_is_judged(member, value):
    world = World(line=lambda words: {**words, member: value} if words["item"]["path"] == MEMO.path else words)
    assert int(world.verify().exit) in (0, 1)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["batch", "snapshot", "policy", "archive", "strange"]), JSON, st.booleans())
def test_a_signed_statement_of_any_shape_is_judged(kind, value, whole):
    world = World()
    identity = "20261123T090000Z-cccccc"
    words = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": {"sha256": "00" * 32}}],
        "predicateType": f"urn:archiver:{kind}:v1",
        "predicate": {"id": identity, "archive_id": "000102030405060708090a0b0c0d0e0f", "at": value, "more": value},
    }
    payload = canonical.encode(value if whole else words)
    world.enter(layout.statement_key(kind, identity), dsse.seal(payload, world.signer))
    assert int(world.verify().exit) in (1, 3)


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=30), st.booleans())
def test_a_stranger_of_any_name_is_named(name, deep):
    world = World()
    key = f"data/{name}" if deep else f"{name}\udcff"
    world.slip_in(key, b"x")
    report = world.verify()
    assert [finding.code for finding in report.findings if finding.severity != "note"] == ["stranger-key"]
