r"""The text of a log record in which keywords are looked for.

A record is looked at as it is written and, as long as escapes are left, once more with the escapes of JSON undone: a
program that writes ASCII spells `café` as `caf\u00e9`, and a chat that is wrapped in a string of another record is
escaped twice. What is no text cannot be judged: bytes that are not UTF-8, and NUL bytes, which UTF-16 is full of.

>>> [found_in("café", [rb'{"a":"caf\u00e9"}', b"tea", b"\xff"])]
[[True, False, None]]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from archiver.late import pattern
from archiver.model.regular import matching

__all__ = ["found_in", "unescaped"]

_DEEPEST: Final = 8  # a request in a log line in a container's line in an export is four
_ESCAPE: Final = pattern(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SHORT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def found_in(pattern: str, records: Sequence[bytes]) -> list[bool | None]:
    """Say of each record whether a pattern is found in its text, None where it is not and the record is no text."""
    texts = [record.decode("utf-8", "replace") for record in records]
    answers: list[bool | None] = list(matching(pattern, texts))
    left = [place for place, answer in enumerate(answers) if not answer and "\\" in texts[place]]
    for _ in range(_DEEPEST):
        changed = []
        for place in left:
            text = unescaped(texts[place])
            if text != texts[place]:
                texts[place] = text
                changed.append(place)
        if not changed:
            break
        for place, answer in zip(changed, matching(pattern, [texts[place] for place in changed]), strict=True):
            answers[place] = answer
        left = [place for place in changed if not answers[place]]
    return [answer or _judged(record) for answer, record in zip(answers, records, strict=True)]


def unescaped(text: str) -> str:
    """Undo the escapes of JSON strings once, wherever they stand; halves of surrogate pairs become U+FFFD."""
    plain = _ESCAPE.sub(_character, text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if plain != text else text


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _SHORT.get(found[2], found[2])


def _judged(record: bytes) -> bool | None:
    """Return False for a record that is text, None for one that is none."""
    if 0 in record:
        return None
    try:
        record.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return False
