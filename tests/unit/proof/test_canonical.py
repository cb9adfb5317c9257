"""Canonical JSON: one spelling per value, and every other spelling refused."""

from __future__ import annotations

import pytest

from archiver.errors import Exit
from archiver.proof import canonical

REFUSED = {
    "nothing at all": b"",
    "white space before": b" {}",
    "a newline after": b"{}\n",
    "a second value": b"{}{}",
    "white space inside": b'{"a": 1}',
    "names out of order": b'{"b":1,"a":1}',
    "a name twice": b'{"a":1,"a":1}',
    "a name twice with the last value smaller": b'{"a":2,"a":1}',
    "an escaped letter": b'"\\u0061"',
    "an escaped slash": b'"\\/"',
    "a control character in upper-case hex": b'"\\u001F"',
    "a control character with a long escape": b'"\\u000a"',
    "a raw control character": b'"\n"',
    "an escaped euro sign": b'"\\u20ac"',
    "an escaped character beyond U+FFFF": b'"\\ud83d\\ude00"',
    "a lone surrogate": b'"\\ud800"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "bytes that are not UTF-8": b'"\xff"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a whole number as a fraction": b"1.0",
    "a whole number with an exponent": b"1e2",
    "minus zero": b"-0",
    "a fraction with a zero too many": b"1.50",
    "an exponent as Python writes it": b"1e-07",
    "a leading zero": b"01",
    "a plus": b"+1",
    "2^53": b"9007199254740992",
    "-2^53": b"-9007199254740992",
    "a number of ten thousand digits": b"1" * 10_000,
    "an exponent beyond doubles": b"1e999",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "a trailing comma": b"[1,]",
    "names ordered by code point and not by UTF-16": '{"\ufb33":1,"\U0001f600":1}'.encode(),
    "65 levels": b"[" * 65 + b"]" * 65,
    "a hundred thousand levels": b"[" * 100_000 + b"]" * 100_000,
}

ACCEPTED = {
    "an empty object": b"{}",
    "all scalars": b'[null,true,false,0,-1,9007199254740991,-9007199254740991,""]',
    "fractions as ECMAScript writes them": b"[0.000001,1e-7,1.5,1e+21,-3.25e-10]",
    "all short escapes": b'"\\b\\f\\n\\r\\t\\"\\\\\\u0000\\u001f\x7f"',
    "names ordered by UTF-16": '{"\U0001f600":1,"\ufb33":1}'.encode(),
    "text beyond ASCII": '{"grüße":"€\u2028"}'.encode(),
    "64 levels": b"[" * 64 + b"]" * 64,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_not_canonical_is_refused(data):
    with pytest.raises(canonical.CanonicalError) as refusal:
        canonical.decode(data, limit=1 << 20)
    assert refusal.value.code == "not-canonical"
    assert refusal.value.exit_status is Exit.INTEGRITY


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_canonical_comes_back_as_the_same_bytes(data):
    assert canonical.encode(canonical.decode(data, limit=1 << 20)) == data


def test_the_example_of_rfc_8785_section_3_2_is_written_as_there():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
        "literals": [None, True, False],
    }
    assert canonical.encode(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_more_than_the_limit_is_refused_before_it_is_read():
    assert canonical.decode(b'"aaaa"', limit=6) == "aaaa"
    with pytest.raises(canonical.CanonicalError, match="at most 5 bytes, found 6"):
        canonical.decode(b'"aaaa"', limit=5)


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        1e16,
        float("nan"),
        float("inf"),
        "\ud800",
        {"\ud800": 1},
        {1: 1},
        {None: 1},
        {1},
        b"a",
        object(),
    ],
)
def test_what_has_no_canonical_form_is_not_written(value):
    with pytest.raises(ValueError):
        canonical.encode({"a": [value]})


def test_a_fraction_does_not_hide_a_bad_value_behind_it():
    with pytest.raises(ValueError):
        canonical.encode([1.5, {"a": 2**53}])


def test_deeper_than_64_levels_is_not_written():
    value: list = []
    for _ in range(64):
        value = [value]
    with pytest.raises(ValueError, match="within 64"):
        canonical.encode(value)
