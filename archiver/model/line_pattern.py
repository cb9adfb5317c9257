r"""A line of text read by a regular expression: named groups become the members of an object.

Matching takes time linear in the line, whatever the expression and whoever wrote the line: it is RE2's, as Arrow ships
it. RE2 finds what a backtracking matcher finds first, so a group holds the same text everywhere. The expression must
match the whole line, without its line end. What matched nothing is absent: an empty text says no more.

>>> match_lines(LinePattern("(?P<verb>[A-Z]+) (?P<code>[0-9]+|-)", numbers=("code",)), [b"GET 200\n", b"?"])
[{'verb': 'GET', 'code': Number(text='200')}, None]
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.model.csv_table import CsvTable, read_rows
from archiver.model.dialect import LinePattern
from archiver.model.strict_json import Number, is_number

__all__ = ["Members", "as_json", "check_pattern", "match_lines", "read_lines", "whole_line"]

Members = dict[str, str | Number]


def whole_line(expression: str) -> str:
    """Return the expression that matches what a line is as a whole, without its end."""
    return rf"(?s)\A(?:{expression})\z"


def check_pattern(expression: str) -> list[str]:
    """Return the names of the groups; raises ValueError for what RE2 does not take or what has unnamed groups."""
    try:
        fields = pc.extract_regex(pa.array([""], pa.string()), whole_line(expression)).type
    except pa.ArrowInvalid as error:
        raise ValueError(f"line: expected a regular expression of RE2 with named groups, found {error}") from error
    names = [field.name for field in fields]
    if not names or len(set(names)) < len(names) or any(not re.fullmatch(r"[a-z_][a-z0-9_]*", name) for name in names):
        raise ValueError(
            f"line: expected groups with names of their own in a-z 0-9 _, found {', '.join(names) or 'none'}"
        )
    return names


def read_lines(pattern: LinePattern | CsvTable, lines: Sequence[bytes | None]) -> list[Members | None]:
    """Return the members of each line by whatever reads lines of this kind."""
    return match_lines(pattern, lines) if isinstance(pattern, LinePattern) else read_rows(pattern, lines)


def match_lines(pattern: LinePattern, lines: Sequence[bytes | None]) -> list[Members | None]:
    """Return the members of each line, None for one that is no UTF-8 or does not match."""
    texts = pa.array([_text(line) for line in lines], pa.large_string())
    found = pc.extract_regex(texts, whole_line(pattern.expression)).to_pylist()
    return [None if groups is None else _members(pattern, groups) for groups in found]


def as_json(members: Members | None) -> str | None:
    """Return the object that a line stands for as JSON text."""
    if members is None:
        return None
    parts = (
        f'"{name}":{value.text if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)}'
        for name, value in members.items()
    )
    return "{" + ",".join(parts) + "}"


def _text(line: bytes | None) -> str | None:
    """Return the text of a line that is one; a blank line is none, whatever the expression."""
    if line is None or not line.strip(b" \t\r\n"):
        return None
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        return None


def _members(pattern: LinePattern, groups: dict[str, str]) -> Members:
    return {
        name: Number(text) if name in pattern.numbers and is_number(text) else text
        for name, text in groups.items()
        if text and text not in pattern.absent
    }
