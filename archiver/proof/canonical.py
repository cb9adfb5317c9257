r"""RFC 8785 canonical JSON: a value has one spelling, and bytes that are not that spelling are refused.

Laws: encode(decode(x)) == x for all x that are accepted; decode(encode(v)) == v for all v that are accepted. Duplicate
members, white space, other escapes, another order, something after the value, `-0`, `1.0`: all of these change when the
value is written again, so that one comparison refuses them. Integers stay below 2^53, nesting within 64.

>>> encode({"b": 1, "a": [True, None, "\u20ac"]}).decode()
'{"a":[true,null,"€"],"b":1}'

The work is done by orjson, which writes the same bytes as rfc8785 where a value has no fraction and no character beyond
U+FFFF (only there the order of names differs); all else goes through rfc8785 itself. Bytes that orjson reads and writes
again as they were are canonical; all others are read once more, slowly, to say what is wrong with them.

`encode_plain` and `decode_plain` are for values whose numbers are known, or checked afterwards, to be integers below
2^53: orjson writes NaN as null, and reads 1e400 and 2^60.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import orjson
import rfc8785

from archiver.errors import EvidenceError
from archiver.late import pattern

__all__ = [
    "JSON",
    "MAX_INTEGER",
    "MAX_NESTING",
    "CanonicalError",
    "decode",
    "decode_known",
    "decode_plain",
    "encode",
    "encode_plain",
]

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"

MAX_INTEGER: Final = 2**53 - 1
"""Above this a reader whose numbers are doubles (RFC 8785 section 3.2.2.3) would see another number."""

MAX_NESTING: Final = 64
"""Our deepest value has 6 levels; a reader in any language takes 64 without special care."""

_WRITTEN_WITH_EXPONENT: Final = 1e21  # smaller whole numbers are written as integers (ECMA-262, Number::toString)
_LONGEST_INTEGER: Final = len(str(-MAX_INTEGER))
_BEYOND_BMP: Final = pattern("[\U00010000-\U0010ffff]")
_FAST: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False, allow_nan=False
)
_UNUSUAL: Final = pattern(rb"[:,\[]-?[0-9]+(?:[.eE]|(?<=[0-9]{16}))")
"""A fraction or an integer of 16 digits; within a text it only costs time. Without a choice in front, `re` is quick."""
_NO_NUMBER: Final = (b"{", b"[", b'"')
"""How a value begins that is no number by itself."""
_BEYOND_BMP_BYTES: Final = pattern(rb"[\xf0-\xf4]")
_OPTIONS: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)


class CanonicalError(EvidenceError):
    """Bytes are not canonical JSON."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("not-canonical", message)


def encode(value: JSON) -> bytes:
    """Return the canonical bytes; raises `ValueError` for what has none (NaN, 2^53, a lone surrogate, a set)."""
    return _slow(value) if _count_fractions(value, 1) else encode_plain(value)


def encode_plain(value: JSON) -> bytes:
    """Return the canonical bytes of a value without fractions and integers of 2^53; what else it holds is checked."""
    try:
        data = orjson.dumps(value, option=_OPTIONS)
    except TypeError:  # a lone surrogate, or a type of its own
        return _FAST.encode(value).encode("utf-8")
    return data if data.isascii() or not _BEYOND_BMP_BYTES.search(data) else _slow(value)


def decode(data: bytes, *, limit: int) -> JSON:
    """Return the value of canonical bytes, at most `limit` of them; raises `CanonicalError` for all others."""
    if len(data) <= limit and data[:1] in _NO_NUMBER and not _UNUSUAL.search(data):
        return decode_plain(data, limit=limit)
    return _decode_slowly(data, limit)


def decode_plain(data: bytes, *, limit: int) -> JSON:
    """Return the value of canonical bytes; the caller refuses a value in which a number is no integer below 2^53."""
    if len(data) <= limit and data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        try:
            value = cast("JSON", orjson.loads(data))
            if orjson.dumps(value, option=_OPTIONS) == data and (data.isascii() or not _BEYOND_BMP_BYTES.search(data)):
                return value
        except (ValueError, TypeError):
            pass  # what is wrong is said below
    return _decode_slowly(data, limit)


def decode_known(data: bytes) -> JSON:
    """Return the value of bytes that one of the others has decoded before, so that they are known to be canonical."""
    return cast("JSON", orjson.loads(data))


def _decode_slowly(data: bytes, limit: int) -> JSON:
    if len(data) > limit:
        raise CanonicalError(f"JSON: expected at most {limit} bytes, found {len(data)}")
    try:
        text = data.decode("utf-8")
        value = cast("JSON", _DECODER.decode(text))
        if _is_too_deep(data, value):
            raise CanonicalError(f"JSON: expected nesting within {MAX_NESTING}")
        same = _is_canonical(value, text, data)
    except (ValueError, RecursionError) as problem:
        raise CanonicalError(f"JSON: {_reason(problem)}") from problem
    if not same:
        raise CanonicalError("JSON: expected the canonical form (RFC 8785), found another spelling of the same value")
    return value


def _is_canonical(value: JSON, text: str, data: bytes) -> bool:
    # Numbers have been compared with their canonical spelling one by one in the decoder, so the fast encoder's own
    # spelling of a fraction (1e-07) can only make this comparison fail, and then the slow one decides.
    if not text.isascii() and _BEYOND_BMP.search(text):
        return _slow(value) == data
    return _FAST.encode(value) == text or _slow(value) == data


def _count_fractions(value: object, depth: int) -> int:
    """Return how many floats a value holds; raises `ValueError` for a value that has no canonical form."""
    if value is None or isinstance(value, (str, bool)):
        return 0
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError(f"JSON: expected an integer below 2^53, found {value}")
        return 0
    if isinstance(value, float):
        if MAX_INTEGER < abs(value) < _WRITTEN_WITH_EXPONENT:
            raise ValueError(
                f"JSON: expected a number that is not written as an integer of 2^53 or more, found {value}"
            )
        return 1
    if depth > MAX_NESTING:
        raise ValueError(f"JSON: expected nesting within {MAX_NESTING}")
    if isinstance(value, dict):
        if not all([isinstance(name, str) for name in value]):  # noqa: C419 - a list is faster than a generator here
            raise ValueError("JSON: expected names that are text")
        return sum([_count_fractions(member, depth + 1) for member in value.values() if type(member) is not str])
    if isinstance(value, (list, tuple)):
        return sum([_count_fractions(member, depth + 1) for member in value])
    raise ValueError(f"JSON: expected a JSON value, found {type(value).__name__}")


def _slow(value: JSON) -> bytes:
    return rfc8785.dumps(cast("dict[str, str]", value))  # its own type for JSON is not exported


def _is_too_deep(data: bytes, value: JSON) -> bool:
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return False
    level: list[JSON] = [value]
    for _ in range(MAX_NESTING):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(inner, (dict, list)) for inner in level)


def _inside(value: JSON) -> Sequence[JSON]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or not -MAX_INTEGER <= (number := int(text)) <= MAX_INTEGER:
        raise ValueError("expected integers below 2^53")
    return number


def _fraction(text: str) -> float:
    number = float(text)
    if rfc8785.dumps(number) != text.encode():
        raise ValueError("expected numbers as RFC 8785 writes them")
    return number


def _constant(text: str) -> JSON:
    raise ValueError(f"expected a JSON value, found {text}")


def _reason(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return f"expected nesting within {MAX_NESTING}"
    if isinstance(problem, UnicodeDecodeError):
        return f"expected UTF-8, found another byte at {problem.start}"
    if isinstance(problem, UnicodeEncodeError):
        return "expected text, found a lone surrogate"
    if isinstance(problem, json.JSONDecodeError):
        return f"expected a value, found something else (byte {problem.pos}: {problem.msg})"
    return str(problem).splitlines()[0]


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
