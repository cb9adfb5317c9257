"""Index columns of `items` out of lines that this program has spelled itself: those of plain files are cut, not read.

The law: the columns are those of `columns_of_lines`, which reads every line as JSON, and is what an auditor derives by.
A line is cut only where it is, member for member, that of a file with texts of one spelling and times of the years 2001
to 2286; all others are read. To cut is done for thousands at once, outside the interpreter.

>>> columns_of_own_lines(pa.array(lines, pa.large_binary()))["status"].to_pylist()  # doctest: +SKIP
['captured', 'captured']
"""

from __future__ import annotations

import functools
import itertools
from typing import Final

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.model import tables
from archiver.sources.plain_words import READ, STAT
from archiver.writer.line_columns import columns_of_lines

__all__ = ["columns_of_own_lines"]

_HEADS: Final = [READ, STAT]
_TIMES: Final = {"accessed": b'","btime_ns":"', "born": b'","ctime_ns":"', "changed": b'","dev":"'}
"""What is behind each of the times that are at one place in all lines that are cut."""
_DIGITS, _KEPT = 19, 16
"""The digits of a time in nanoseconds, and those of them that are the microseconds."""
_TEXT: Final = r'[^"\\]+'
_MIDDLE: Final = (
    rf'^[0-9]+","gid":[0-9]+,"group":(?:null|"{_TEXT}"),"holes":\[\],"ino":"[0-9]+","link_target":null,"mode":[0-9]+,'
    rf'"mtime_ns":"(?P<modified>[0-9]{{{_KEPT}}})[0-9]{{{_DIGITS - _KEPT}}}","nlink":[0-9]+,'
    rf'"owner":(?:null|"(?P<owner>{_TEXT})"),"uid":[0-9]+,"xattrs":\{{\}}\}},'
    rf'"item":(?P<item_text>\{{"path":"{_TEXT}","source":"{_TEXT}"\}}),"kind":"file","observed_at":"'
)
_END: Final = (
    r'^[^\]]*\],"reason":null,"sha256":"(?P<sha256>[0-9a-f]{64})","size":(?P<size>[0-9]+),'
    r'"status":"(?P<status>captured|unchanged)","table":"(?:documents|model_logs)"\}\n$'
)
"""Each byte says how these go on, and there are few groups in one: then RE2 goes over the text once."""
_LONGEST_MIDDLE, _LONGEST_END = 4096, 160


def columns_of_own_lines(raws: pa.LargeBinaryArray) -> dict[str, pa.Array]:
    """Return the columns of `items` that stand in the lines themselves."""
    words, is_cut = _words(raws)
    if words is None:
        return columns_of_lines(raws.to_pylist())
    if is_cut.true_count == len(raws):
        return _columns(words)
    cut = _columns({name: pc.filter(column, is_cut) for name, column in words.items()})
    read = columns_of_lines(pc.filter(raws, pc.invert(is_cut)).to_pylist())
    runs = [(is_one, len(list(same))) for is_one, same in itertools.groupby(is_cut.to_pylist())]
    return {name: _laid_together(runs, cut[name], column) for name, column in read.items()}


def _words(raws: pa.LargeBinaryArray) -> tuple[dict[str, pa.Array] | None, pa.BooleanArray]:
    """Return what is cut out of each line, None where few can be cut, and which are cut rightly."""
    at = len(_HEADS[0])
    is_cut = pc.is_in(pc.binary_slice(raws, 0, at), pa.array(_HEADS, raws.type))
    words = {}
    for name, behind in _TIMES.items():
        words[name] = pc.binary_slice(raws, at, at + _KEPT)
        begin, at = at + _DIGITS, at + _DIGITS + len(behind)
        is_good = pc.equal(pc.binary_slice(raws, begin, at), pa.scalar(behind, raws.type))
        is_cut = _all(is_cut, is_good, pc.invert(pc.starts_with(words[name], b"-")))
    if is_cut.true_count * 2 < len(raws) or not raws:
        return None, is_cut
    middle, has_middle = _found(pc.binary_slice(raws, at, at + _LONGEST_MIDDLE), _MIDDLE)
    end, has_end = _found(pc.binary_slice(raws, -_LONGEST_END, None), _END)
    return words | middle | end, _all(is_cut, has_middle, has_end)


def _found(texts: pa.LargeBinaryArray, pattern: str) -> tuple[dict[str, pa.Array], pa.BooleanArray]:
    """Return what the named groups of a pattern find in each text, and in which it is found."""
    groups = pc.extract_regex(texts, pattern)
    names = [field.name for field in groups.type]
    return dict(zip(names, groups.flatten(), strict=True)), pc.is_valid(groups)


def _all(*flags: pa.BooleanArray) -> pa.BooleanArray:
    return functools.reduce(pc.and_, flags)


def _columns(words: dict[str, pa.Array]) -> dict[str, pa.Array]:
    texts = {name: pc.cast(column, pa.string()) for name, column in words.items()}
    texts["owner"] = pc.if_else(pc.equal(texts["owner"], ""), pa.scalar(None, pa.string()), texts["owner"])
    texts["kind"] = pa.repeat(pa.scalar("file", pa.string()), len(texts["owner"]))  # to guess the type takes dateutil
    kinds = {field.name: field.type for field in tables.schema_of("items")}
    return {
        name: text if kinds[name] == pa.string() else pc.cast(pc.cast(text, pa.int64()), kinds[name])
        for name, text in texts.items()
    }


def _laid_together(runs: list[tuple[bool, int]], cut: pa.Array, read: pa.Array) -> pa.Array:
    """Return a column of all lines from that of the lines that were cut and that of those that were read."""
    begun = {True: 0, False: 0}
    pieces = []
    for is_cut, rows in runs:
        pieces.append((cut if is_cut else read).slice(begun[is_cut], rows))
        begun[is_cut] += rows
    return pa.concat_arrays(pieces)
