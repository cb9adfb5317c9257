"""Rows of a batch as pieces of a file.

>>> Rows(batch).piece(0, 1, Item("mail", "a.eml"), offset=0).tobytes()
b'From: ...'
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pyarrow as pa

from archiver.errors import EvidenceError
from archiver.flows.restore.plain import Plain, PlainRows
from archiver.model.item import Item
from archiver.model.items import ItemLine

__all__ = ["COLUMNS", "Rows", "check_whole"]

COLUMNS = ("item", "offset", "raw")
"""What is needed of a batch; all of its columns, where withheld bytes are to be filled in."""


class Rows:
    """Some rows of a batch, looked through once for all files that have a piece in them."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        """Take rows whose schema was checked; their bytes stay where they lie."""
        raw, item = batch.column("raw"), batch.column("item")
        _, bounds, data = raw.buffers()
        self.count: int = batch.num_rows
        self._raw = raw
        self._has_withheld = bool(raw.null_count)
        self._bounds: list[int] = memoryview(bounds).cast("q")[raw.offset : raw.offset + self.count + 1].tolist()
        self._data = memoryview(b"") if data is None else memoryview(data)
        self._offsets: list[int | None] = batch.column("offset").to_pylist()
        self._texts: list[str | None] = item.dictionary.to_pylist()
        self._codes: list[int | None] = item.indices.to_pylist()

    def plain(self, start: int, files: Sequence[Plain]) -> PlainRows | None:
        """Return some rows, from `start` on, as those of plain files; None unless each can be a whole file."""
        end = start + len(files)
        texts = [None if code is None else self._texts[code] for code in self._codes[start:end]]
        items = [text for text in texts if text is not None]
        if self._has_withheld or self._offsets[start:end] != [0] * len(files) or len(items) != len(files):
            return None
        bounds = self._bounds[start : end + 1]
        begin = bounds[0]
        return PlainRows(files, items, [bound - begin for bound in bounds], self._data[begin : bounds[-1]])

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
