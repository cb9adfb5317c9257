r"""Lines of text that a regular expression reads, as Arrow arrays of its groups: no object for each line.

The same as `model.line_pattern.match_lines`, which matches by the same RE2, and looks at each line afterwards. Lines
that are none, blank or not matched, are odd, and so is a number that is none in JSON.

>>> pattern = LinePattern("(?P<verb>[A-Z]+) (?P<code>[0-9]+|-)", numbers=("code",), absent=("-",))
>>> read_groups(pattern, pa.array([b"GET 200\n", b"GET -\n"], pa.large_binary()))[0]["code"].to_pylist()
['200', None]
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.model.dialect import Kind, LinePattern
from archiver.model.line_pattern import whole_line
from archiver.model.strict_json import MAX_RECORD
from archiver.sources.dialect_times import UnusualError
from archiver.sources.dialect_usual import Place

__all__ = ["read_groups", "records_of"]

_NUMBER: Final = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\z"
_BLANK: Final = r"^[ \t\r\n]*\z"

Groups = dict[str, pa.StringArray]


def records_of(pattern: LinePattern, root: Place, raw: pa.LargeBinaryArray) -> tuple[pa.StructArray, pa.BooleanArray]:
    """Return lines as records of one kind of value in each place, which `root` is told, and which lines are odd."""
    groups, odd = read_groups(pattern, raw)
    root.kinds = {Kind.OBJECT}
    values: dict[str, pa.Array] = {}
    for name, texts in groups.items():
        place = root.members.setdefault(name, Place())
        place.kinds = (
            {Kind.NUMBER if name in pattern.numbers else Kind.STRING} if texts.null_count < len(raw) else set()
        )
        values[name] = _cast(texts, place.type()) if place.kinds else pa.nulls(len(raw))
    for name in root.members.keys() - groups.keys():
        root.members[name].kinds = set()
    return pa.StructArray.from_arrays(list(values.values()), names=list(values)), odd


def read_groups(pattern: LinePattern, raw: pa.LargeBinaryArray) -> tuple[Groups, pa.BooleanArray]:
    """Return what each group of the expression holds, null where it is absent, and which lines are odd."""
    text = _without_ends(raw)
    found = pc.extract_regex(text, whole_line(pattern.expression))
    odd = pc.or_(pc.is_null(found), pc.match_substring_regex(text, _BLANK))
    absent = pa.array(["", *pattern.absent], pa.string())
    groups: Groups = {}
    for number, field in enumerate(found.type):
        texts = pc.cast(pc.struct_field(found, [number]), pa.string())
        is_there = pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, absent)))
        if field.name in pattern.numbers:
            is_number = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), fill_value=False)
            odd = pc.or_(odd, pc.and_(is_there, pc.invert(is_number)))
            is_there = pc.and_(is_there, is_number)
        groups[field.name] = pc.if_else(is_there, texts, pa.scalar(None, pa.string()))
    return groups, odd


def _without_ends(raw: pa.LargeBinaryArray) -> pa.LargeStringArray:
    """Return the texts of lines without their line feed, and without a carriage return before it."""
    if raw.null_count or pc.max(pc.binary_length(raw)).as_py() > MAX_RECORD:
        raise UnusualError
    body = pc.if_else(pc.ends_with(raw, b"\n"), pc.binary_slice(raw, 0, -1), raw)
    text = _cast(body, pa.large_string())
    if pc.any(pc.ends_with(text, "\r\r")).as_py():
        raise UnusualError
    return pc.utf8_rtrim(text, "\r") if pc.any(pc.ends_with(text, "\r")).as_py() else text


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:  # no UTF-8; more digits than the type has
        raise UnusualError from None
