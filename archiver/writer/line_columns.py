"""Index columns of `items`, read out of its lines: many at once, by a reader of JSON that makes no object of them.

Lines are canonical JSON, as `ItemLine.encode` writes it. Times are floored to microseconds; one that does not fit the
column is null, and the line still has it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.json as pj

from archiver import arrow_functions as pc
from archiver.model import instant, tables
from archiver.proof import canonical

__all__ = ["columns_of_lines", "instant_microseconds", "microseconds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999, in microseconds
_TIMES: Final = {"modified": "mtime_ns", "changed": "ctime_ns", "accessed": "atime_ns", "born": "btime_ns"}
_TEXTS: Final = ("status", "kind", "sha256")
_FILE: Final = pa.struct([(name, pa.string()) for name in ("owner", *_TIMES.values())])
_WORDS: Final = pa.schema(
    [*((name, pa.string()) for name in _TEXTS), ("size", pa.int64()), ("file", _FILE)],
)
_ITEM: Final = b',"item":'
_KIND: Final = b',"kind":'
"""What is before and behind the item of a line; within a text a quote is escaped, so that neither is in one."""
_XATTRS: Final = b',"xattrs":{"'
_OBJECT: Final = b',"object":{"'


def columns_of_lines(raws: list[bytes]) -> dict[str, pa.Array]:
    """Return the columns of `items` that stand in the lines themselves."""
    schema = tables.schema_of("items")
    words = _words(raws)
    file = dict(zip((field.name for field in _FILE), words["file"].combine_chunks().flatten(), strict=True))
    columns = {name: words[name].combine_chunks() for name in (*_TEXTS, "size")}
    columns["item_text"] = pa.array(list(map(_item_text, raws)), pa.string())
    columns["owner"] = file["owner"]
    for name, member in _TIMES.items():
        columns[name] = _microseconds_of(file[member])
    told = {row: _modified(raw) for row, raw in enumerate(raws) if _OBJECT in raw}
    if told:
        modified = columns["modified"].to_pylist()
        columns["modified"] = pa.array([told.get(row, own) for row, own in enumerate(modified)], pa.int64())
    return {name: pc.cast(column, schema.field(name).type) for name, column in columns.items()}


def microseconds(nanoseconds: int | None) -> int | None:
    """Return a time in the unit of the columns, None for one that is not in them."""
    if nanoseconds is None:
        return None
    whole = nanoseconds // 1000
    return whole if _FIRST <= whole <= _LAST else None


@lru_cache(maxsize=256)  # a second has many items
def instant_microseconds(text: str) -> int:
    """Return an instant in the unit of the columns."""
    return (instant.parse_instant(text) - _EPOCH) // timedelta(microseconds=1)


def _words(raws: list[bytes]) -> pa.Table:
    if not raws:
        return _WORDS.empty_table()
    data = b"".join(raws)
    found = pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=_WORDS, unexpected_field_behavior="ignore"),
    )
    if found.num_rows != len(raws):
        raise RuntimeError(f"items: {len(raws)} lines were read as {found.num_rows}")
    return found


def _item_text(raw: bytes) -> str:
    """Return the member `item` as it is spelled; an attribute may have its name, and stands before it."""
    if _XATTRS in raw:
        return canonical.encode_plain(orjson.loads(raw)["item"]).decode()
    return raw[raw.index(_ITEM) + len(_ITEM) : raw.index(_KIND)].decode()


def _modified(raw: bytes) -> int | None:
    """Return the one time that a store tells of an object."""
    told = orjson.loads(raw)["object"].get("modified")
    return None if told is None else instant_microseconds(told)


def _microseconds_of(decimals: pa.StringArray) -> pa.Int64Array:
    """Return times of decimal nanoseconds in the unit of the columns."""
    try:
        whole = pc.cast(decimals, pa.int64())
    except pa.ArrowInvalid:  # some time is beyond the years 1677 to 2262
        found = [None if text is None else microseconds(int(text)) for text in decimals.to_pylist()]
        return pa.array(found, pa.int64())
    cut = pc.divide(whole, 1000)  # towards zero
    return pc.subtract(cut, pc.cast(pc.less(whole, pc.multiply(cut, 1000)), pa.int64()))
