"""One log record as strict JSON (RFC 8259), with nothing rounded and nothing forgotten.

Numbers stay the text they were written as (`Number`), and an object that repeats a name says which (`Ambiguous`).
A record of more than 16 MiB is refused unread: its tree takes up to thirty times its bytes, and memory is bounded.
NaN, trailing commas, raw control characters, a byte order mark and text after the value are refused; so is nesting
deeper than 256, which RFC 8259 section 9 allows: every reader has such a limit, and ours must be the same everywhere.
A lone surrogate escape is valid JSON and is kept as Python keeps it; whoever wants it as text must refuse it.

>>> parse(b'{"a":1.50}')
{'a': Number(text='1.50')}
"""

from __future__ import annotations

import json
import re
from collections import Counter

from archiver.late import dataclass, pattern

__all__ = [
    "MAX_NESTING",
    "MAX_RECORD",
    "Ambiguous",
    "NotJson",
    "Number",
    "Value",
    "check_text",
    "is_deep",
    "is_number",
    "parse",
]

MAX_NESTING = 256
MAX_RECORD = 16 << 20

_NUMBER = pattern(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WHITESPACE = " \t\r\n"
_BRACKETS = pattern(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([\[{])|([\]}])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number, as written."""

    text: str


class Ambiguous(dict[str, "Value"]):
    """An object that repeats names; `repeated` holds them, `pairs` every member as it was written."""

    repeated: frozenset[str] = frozenset()
    pairs: tuple[tuple[str, Value], ...] = ()


Value = dict[str, "Value"] | list["Value"] | str | Number | bool | None


class NotJson(Exception):  # noqa: N818 - a verdict on a record, not a failure of the program
    """A record is not strict JSON; the first argument is the reason as `parse_error` shows it."""


def parse(body: bytes) -> Value:
    """Return the one value that the bytes hold; raises NotJson with a reason that is the same on every Python."""
    text = check_text(body)
    if text.startswith("\ufeff"):
        raise NotJson("byte-order-mark")
    if is_deep(text):
        raise NotJson(f"nested-deeper-than {MAX_NESTING}")
    try:
        value: Value = _DECODER.decode(text)
    except ValueError:  # the message differs between versions of Python, the verdict does not
        raise NotJson("not-json") from None
    return value


def is_number(text: str) -> bool:
    """Say whether a text is a JSON number."""
    return _NUMBER.fullmatch(text) is not None


def check_text(body: bytes) -> str:
    """Return the text of a record that is not too long, UTF-8 and not blank; raises NotJson."""
    if len(body) > MAX_RECORD:
        raise NotJson(f"longer-than {MAX_RECORD} bytes")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"invalid-utf-8 at byte {error.start}") from None
    if not text.strip(_WHITESPACE):
        raise NotJson("blank")
    return text


def is_deep(text: str) -> bool:
    """Say whether a JSON text is nested deeper than is read."""
    return text.count("{") + text.count("[") > MAX_NESTING and _depth(text) > MAX_NESTING


def _depth(text: str) -> int:
    deepest = depth = 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif match[2]:
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Value]]) -> Value:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    ambiguous = Ambiguous(members)
    ambiguous.pairs = tuple(pairs)
    ambiguous.repeated = frozenset(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
    return ambiguous


def _no_constant(text: str) -> Value:
    raise ValueError(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_no_constant
)
