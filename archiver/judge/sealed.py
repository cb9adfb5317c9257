"""The sealed objects of an archive, opened with a recipient's key: withheld rows get their bytes back.

What a sealed object is, the signed `sealed` statement of its batch says: an object of these bytes in the destination
that seals. Its rows must be the withheld rows of the batch, one by one, with the lengths and digests that stand in the
batch's leaves; so nothing that comes out is other than what was signed.

>>> with unsealer.opened(batch) as fill:
...     for rows in slices(file):
...         rows = fill(rows)  # no row is withheld any more
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import pyarrow as pa

from archiver.errors import EvidenceError, NotStoredError
from archiver.judge.batch_error import BatchError
from archiver.judge.batches import Rows
from archiver.late import dataclass
from archiver.model import tables
from archiver.model.leaf import item_digest
from archiver.model.statement import SealedPredicate
from archiver.proof.digest import sha256_of_copy
from archiver.proof.sealed import Unsealing, read_header
from archiver.proof.wrapping import Context, RecipientKey
from archiver.stores.base import Store, Version

__all__ = ["Filler", "SealedPlace", "Unsealer"]


@dataclass(frozen=True)
class SealedPlace:
    """Where sealed objects are, and the key of a recipient; None to look at the objects alone."""

    store: Store
    key: RecipientKey | None


class Unsealer:
    """Gives withheld rows their bytes, batch by batch."""

    def __init__(self, place: SealedPlace, find: Callable[[str], SealedPredicate | None], folder: Path) -> None:
        """Bind to a place; `find` returns the good statement about the sealed object of a batch."""
        self._place = place
        self._find = find
        self._folder = folder

    @contextmanager
    def opened(self, batch: str) -> Iterator[Filler | None]:
        """Open the sealed object of a batch; None where it has none, or where there is no key.

        Raises `BatchError` with `sealed-missing`, `sealed-sha256`, `sealed-key` or `sealed-differs`.
        """
        stated = self._find(batch)
        if stated is None or self._place.key is None or not self.is_mine(stated):
            yield None
            return
        with self.object(stated) as stream, _told(stated):
            yield Filler(_unsealing(stream, stated, self._place.key), stated)

    @contextmanager
    def object(self, stated: SealedPredicate) -> Iterator[BinaryIO]:
        """Open the version of a sealed object that has the stated bytes: hashed before anything parses it."""
        found = [
            one for one in self._place.store.list(stated.key) if one.key == stated.key and not one.is_delete_marker
        ]
        if not found:
            place = self._place.store.destination.location
            raise BatchError("sealed-missing", f"the sealed object {stated.key} in {place}", "none")
        with ExitStack() as stack:
            copy = stack.enter_context(TemporaryFile(dir=self._folder))
            for version in found:
                if version.size == stated.size and self._copy(version, copy) == stated.sha256:
                    copy.seek(0)
                    yield copy
                    return
            raise BatchError("sealed-sha256", f"{stated.key} with SHA-256 {stated.sha256}", "other bytes")

    def is_mine(self, stated: SealedPredicate) -> bool:
        """Say whether the key at hand is one that a sealed object was made for."""
        return self._place.key is not None and self.mine in {one.keyid for one in stated.recipients}

    @property
    def mine(self) -> str | None:
        """The id of the key at hand."""
        return None if self._place.key is None else self._place.key.keyid

    def versions(self, key: str) -> list[Version]:
        """Return the stored versions of a sealed object."""
        return [one for one in self._place.store.list(key) if one.key == key and not one.is_delete_marker]

    def _copy(self, version: Version, copy: BinaryIO) -> str:
        copy.seek(0)
        copy.truncate()
        try:
            with self._place.store.read(version.key, version.version) as stream:
                return sha256_of_copy(stream, copy)[0]
        except NotStoredError:
            return ""  # gone since it was listed


class Filler:
    """Fills the rows of one batch, in their order."""

    def __init__(self, unsealing: Unsealing, stated: SealedPredicate) -> None:
        """Begin before the first row."""
        self._unsealing = unsealing
        self._stated = stated
        self._rows = 0

    def __call__(self, rows: Rows) -> Rows:
        """Return rows with the bytes of those that are withheld."""
        if not rows.withheld:
            return rows
        view, pieces = rows.data, []
        for place in range(len(rows.lengths)):
            if place in rows.withheld:
                wanted = (rows.first + place, rows.lengths[place], rows.withheld[place])
                pieces.append(memoryview(self.take(rows.digests[place], *wanted)))
            else:
                pieces.append(view[rows.bounds[place] : rows.bounds[place + 1]])
        bounds = list(itertools.accumulate(map(len, pieces), initial=0))
        return replace(
            rows, data=memoryview(b"".join(pieces)), bounds=bounds, withheld={}, opened=frozenset(rows.withheld)
        )

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return an Arrow record batch, all of its columns, with the bytes of rows that are withheld."""
        column = rows.column("withheld")
        if column.null_count == rows.num_rows:
            return rows
        raw = rows.column("raw")
        filled = []
        for place, record in enumerate(rows.column("record").to_pylist()):
            words = column[place].as_py()
            if words is None:
                filled.append(raw[place].as_py())
                continue
            item = item_digest(str(rows.column("item")[place].as_py()))
            filled.append(self.take(item, int(record), int(words["length"]), bytes(words["sha256"])))
        arrays = {
            "raw": pa.array(filled, pa.large_binary()),
            "withheld": pa.nulls(rows.num_rows, tables.WITHHELD),
        }
        columns = [arrays.get(name, rows.column(name)) for name in rows.schema.names]
        return pa.RecordBatch.from_arrays(columns, schema=rows.schema)

    def take(self, item: bytes, record: int, length: int, digest: bytes) -> bytes:
        """Return the next sealed row; it must be the one that the batch withholds here."""
        found, raw = self._unsealing.row(item)
        if (found, len(raw), sha256(raw).digest()) != (record, length, digest):
            raise EvidenceError(
                "sealed-differs",
                f"sealed object: expected record {record} of {length} bytes with SHA-256 {digest.hex()}, "
                f"found record {found} of {len(raw)} bytes with another",
            )
        self._rows += 1
        if self._rows == self._stated.rows:
            self._unsealing.end()
        return raw


def _unsealing(stream: BinaryIO, stated: SealedPredicate, key: RecipientKey) -> Unsealing:
    header = read_header(stream)
    if (header.archive_id, header.batch) != (stated.archive_id, stated.batch):
        raise EvidenceError("sealed-differs", f"sealed object: expected one of {stated.batch}, found {header.batch}")
    for one in header.keys:
        if one.recipient == key.keyid:
            data_key = key.unwrap(one.key, Context(header.archive_id, header.batch, one.matter))
            return Unsealing(stream, header, data_key)
    raise EvidenceError("sealed-key", f"sealed object: expected a data key that is wrapped for {key.keyid}, found none")


@contextmanager
def _told(stated: SealedPredicate) -> Iterator[None]:
    """Turn what is wrong with a sealed object into an error about its batch."""
    try:
        yield
    except BatchError:
        raise
    except EvidenceError as problem:
        if not problem.code.startswith("sealed-") and problem.code != "canonical":
            raise
        raise BatchError(problem.code, f"{stated.key} as it was sealed", problem.message) from problem
