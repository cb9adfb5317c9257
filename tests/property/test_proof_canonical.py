"""Canonical JSON against rfc8785, and against arbitrary bytes."""

from __future__ import annotations

import json

import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.proof import canonical

text = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(
    'aé\ufb33\U0001f600\x00\x1f\x7f"\\/\u2028', max_size=6
)
whole = st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
fractions = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 <= abs(x) < 1e21)
values = st.recursive(
    st.none() | st.booleans() | whole | fractions | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)

plain = st.recursive(
    st.none() | st.booleans() | whole | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)


@given(values)
@example({"\U0001f600": 1, "\ufb33": 2})
@example([1e-7, 1e21, 5e-324, -0.0])
def test_our_bytes_are_the_bytes_of_rfc8785(value):
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(values)
def test_what_is_written_is_read_back_as_the_same_value(value):
    data = canonical.encode(value)
    assert canonical.decode(data, limit=len(data)) == value
    assert repr(canonical.decode_known(data)) == repr(canonical.decode(data, limit=len(data)))


@given(values, st.booleans(), st.sampled_from([None, 0, "\t"]))
def test_what_json_writes_is_accepted_exactly_when_it_is_what_rfc8785_writes(value, ensure_ascii, indent):
    data = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=(",", ":")).encode()
    assert accepts(data) == (data == rfc8785.dumps(value))


@given(st.binary(max_size=64) | st.text('[]{}":,\\ud8c0e+-.019a \n', max_size=24).map(str.encode))
@example(b"[" * 3000)
@example(b'{"a":' * 3000)
def test_arbitrary_bytes_are_refused_or_come_back_as_they_were(data):
    if accepts(data):
        assert canonical.encode(canonical.decode(data, limit=1 << 20)) == data


@given(values, st.data())
def test_one_changed_byte_is_refused_or_another_value(value, data):
    good = canonical.encode(value)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    if accepts(bad):
        assert canonical.encode(canonical.decode(bad, limit=1 << 20)) == bad


@given(plain)
@example({"\U0001f600": 1, "\ufb33": 2})
@example(["\U0001f600", "\x7f\x1f\u2028"])
def test_plain_values_have_the_bytes_of_rfc8785_and_come_back(value):
    data = canonical.encode_plain(value)
    assert data == rfc8785.dumps(value)
    assert canonical.decode_plain(data, limit=len(data)) == value


def accepts(data):
    try:
        canonical.decode(data, limit=1 << 20)
    except canonical.CanonicalError:
        return False
    return True
