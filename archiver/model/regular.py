r"""Regular expressions of a policy: the dialect of RE2, which takes time in proportion to the text and never more.

No look-around and no back references, which is what makes the time safe; a pattern is refused when the policy is read.
Case counts unless the pattern begins with `(?i)`, `.` is any character but a newline, `^` and `$` are the ends of the
whole text unless it begins with `(?m)`. The engine is the one inside Arrow: no dependency more.

>>> problem_of(r"(?i)undress|nudif\w+") is None, problem_of("a(?=b)")
(True, 'invalid perl operator: (?=')
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["MAX_PATTERN", "any_of", "glob_pattern", "matching", "problem_of"]

MAX_PATTERN: Final = 1024  # characters: the rule stands in signed statements by its hash, but people must read it
_PREFIX: Final = "Invalid regular expression: "


def problem_of(pattern: str) -> str | None:
    """Say why a pattern is refused, None when it is good."""
    import pyarrow as pa  # noqa: PLC0415 - loaded for policies that have patterns

    try:
        matching(pattern, [""])
    except pa.ArrowInvalid as problem:
        return str(problem).removeprefix(_PREFIX).removesuffix(f": {pattern}")
    return None


def matching(pattern: str, texts: Sequence[str]) -> list[bool]:
    """Say of each text whether a pattern is found in it; raises `ArrowInvalid` for what `problem_of` refuses."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    from archiver import arrow_functions as pc  # noqa: PLC0415

    found: list[bool] = pc.match_substring_regex(pa.array(texts, pa.large_string()), pattern).to_pylist()
    return found


def any_of(patterns: Sequence[str]) -> str:
    """Return one pattern that is found where one of several is; flags stay with the pattern that sets them."""
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def glob_pattern(glob: str) -> str:
    r"""Return the pattern of a glob over a whole value: `*` any characters, `?` one, `[..]` and `[!..]` one of a set.

    >>> glob_pattern("grok-*")
    '^(?s:grok\\-.*)$'
    """
    parts, place = [], 0
    while place < len(glob):
        sign = glob[place]
        end = glob.find("]", place + 2) if sign == "[" else -1
        if end > 0:
            inside = glob[place + 1 : end]
            negated = inside[:1] in ("!", "^")
            members = "".join(one if one == "-" else _literal(one) for one in (inside[1:] if negated else inside))
            parts.append(f"[{'^' if negated else ''}{members}]")
            place = end
        else:
            parts.append({"*": ".*", "?": "."}.get(sign) or _literal(sign))
        place += 1
    return f"^(?s:{''.join(parts)})$"


def _literal(sign: str) -> str:
    if sign.isalnum() or sign == "_" or not sign.isascii():
        return sign
    return rf"\{sign}" if sign.isprintable() else rf"\x{{{ord(sign):x}}}"
