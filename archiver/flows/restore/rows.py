"""Rows of a batch as pieces of a file.

>>> Rows(batch).piece(0, 1, Item("mail", "a.eml"), offset=0).tobytes()
b'From: ...'
"""

from __future__ import annotations

import itertools
from functools import cached_property
from operator import sub

import pyarrow as pa

from archiver.errors import EvidenceError
from archiver.flows.restore.plain import Plain, PlainRows
from archiver.judge.batch_error import BatchError
from archiver.judge.columns import integers_of, raw_of, spelled_of
from archiver.model.item import Item
from archiver.model.items import ItemLine

__all__ = ["COLUMNS", "Rows", "check_whole"]

COLUMNS = ("item", "offset", "raw")
"""What is needed of a batch; all of its columns, where withheld bytes are to be filled in."""


class Rows:
    """Some rows of a batch, looked through once for all files that have a piece in them."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        """Take rows whose schema was checked; their bytes stay where they lie."""
        raw, self._item, self._offset = batch.column("raw"), batch.column("item"), batch.column("offset")
        self.count: int = batch.num_rows
        self._raw = raw
        self._has_nulls = bool(raw.null_count or self._item.null_count or self._offset.null_count)
        self._data, self._bounds = raw_of(raw)

    @cached_property
    def _offsets(self) -> list[int | None]:
        offsets: list[int | None] = self._offset.to_pylist()
        return offsets

    @cached_property
    def _texts(self) -> list[str | None]:
        texts: list[str | None] = self._item.dictionary.to_pylist()
        return texts

    @cached_property
    def _codes(self) -> list[int | None]:
        codes: list[int | None] = self._item.indices.to_pylist()
        return codes

    def plain(self, start: int, files: Plain) -> PlainRows | None:
        """Return some rows, from `start` on, as those of plain files; None unless each is the whole of its file.

        They have the items and sizes that are stated, and begin at offset 0; their bytes are still to be compared.
        """
        end = start + files.length
        bounds = self._bounds[start : end + 1]
        if self._has_nulls or tuple(map(sub, bounds[1:], bounds)) != tuple(files.sizes):
            return None
        offsets = integers_of(self._offset.slice(start, files.length), "Q")
        if any(offsets) or self._items(start, files.length) != list(files.items):
            return None
        begin = bounds[0]
        return PlainRows(files, [bound - begin for bound in bounds], self._data[begin : bounds[-1]])

    def _items(self, start: int, count: int) -> list[bytes]:
        """Return the items of some rows, none of them null; nothing where the dictionary has not all of them."""
        dictionary = self._item.dictionary
        if dictionary.null_count:
            return []
        try:
            return spelled_of(dictionary, integers_of(self._item.indices.slice(start, count), "i"))
        except BatchError:
            return []

    def piece(self, start: int, end: int, item: Item, offset: int) -> memoryview:
        """Return the bytes of rows `start` to `end`; raises `EvidenceError` unless they are what their part says.

        They are rows of this item, without gap or overlap from `offset` on, nothing withheld.
        """
        if self._raw.null_count and self._raw.slice(start, end - start).null_count:
            raise EvidenceError("withheld", f"{item.text()}: its bytes are withheld; --open KEYFILE opens a quarantine")
        bounds = self._bounds[start : end + 1]
        begin = offset - bounds[0]
        if [begin + bound for bound in itertools.islice(bounds, end - start)] != self._offsets[start:end]:
            raise EvidenceError(
                "item-parts", f"{item.text()}: expected rows from offset {offset} on without gap, found others"
            )
        texts = {None if code is None else self._texts[code] for code in set(self._codes[start:end])}
        if texts != {item.text()}:
            raise EvidenceError(
                "item-parts", f"{item.text()}: expected rows of this item, found {sorted(map(str, texts))[:3]}"
            )
        return self._data[bounds[0] : bounds[-1]]


def check_whole(line: ItemLine, size: int, sha256: str) -> None:
    """Refuse bytes that are not those of an item's line."""
    if (size, sha256) != (line.size, line.sha256):
        raise EvidenceError(
            "item-sha256",
            f"{line.item.text()}: expected {line.size} bytes with SHA-256 {line.sha256}, found {size} with {sha256}",
        )
