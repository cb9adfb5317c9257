r"""A JSON value as text, with nothing changed in it: `parse(spell_value(value))` is the value.

No white space; numbers as they were written, repeated names each in its place, characters as themselves but for those
that must be escaped, and for lone surrogates, which no UTF-8 has.

>>> from archiver.model.strict_json import parse
>>> spell_value(parse(b'{"a": 1.50, "a": ["\\u00e9", "\\ud800"]}'))
'{"a":1.50,"a":["é","\\ud800"]}'
"""

from __future__ import annotations

import json
from typing import Final

from archiver.late import pattern
from archiver.model.strict_json import Ambiguous, Number, Value

__all__ = ["members_of", "spell_value"]

_SURROGATE: Final = pattern("[\ud800-\udfff]")


def members_of(value: dict[str, Value]) -> list[tuple[str, Value]]:
    """Return the members of an object as they were written, also where it repeats names."""
    return list(value.pairs if isinstance(value, Ambiguous) and value.pairs else value.items())


def spell_value(value: Value) -> str:
    """Return the JSON text of a value."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if isinstance(value, dict):
        return "{" + ",".join(f"{spell_value(name)}:{spell_value(one)}" for name, one in members_of(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spell_value, value)) + "]"
    return "null" if value is None else "true" if value else "false"
