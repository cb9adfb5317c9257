"""The sealed object of a batch: its withheld rows in a spool file of their own, encrypted before the batch is built.

A data key is made here, wrapped for the recipient of every matter that the rows serve, used for this one file, and
forgotten: from then on only the holders of the recipients' private keys can open it. Where a run dies and builds a
batch anew, it makes another key. Rows are read back from the scratch file one at a time.

>>> recipients = Recipients((("CASE-1", X25519Recipient(public)),), os.urandom)
>>> seal_rows(batch, path, recipients, identity=batch_id, archive_id=archive_id)
SealedFile(spool='20261123T120000Z-0a1b2c-documents-00000000.sealed', ...)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.model.leaf import item_digest
from archiver.proof.sealed import Header, KeyFor, Sealing
from archiver.proof.wrapping import DATA_KEY, Context, Recipient
from archiver.stores.bodies import Spooled
from archiver.writer.hashed_file import HashedFile
from archiver.writer.rows import OpenBatch, disk_error

__all__ = ["Recipients", "SealedFile", "seal_rows"]


@dataclass(frozen=True)
class Recipients:
    """For whom rows are sealed, by matter, and where randomness comes from."""

    keys: tuple[tuple[str, Recipient], ...]
    random: Callable[[int], bytes]


@dataclass(frozen=True)
class SealedFile:
    """A finished spool file with sealed rows, synced to disk; `recipients` are pairs of matter and key id."""

    spool: str
    sha256: str
    size: int
    rows: int
    raw_bytes: int
    recipients: list[tuple[str, str]]

    def spooled(self, folder: Path) -> Spooled:
        """Return the file in the folder of the spool."""
        return Spooled(folder / self.spool, self.sha256, self.size)


def seal_rows(
    batch: OpenBatch, path: Path, recipients: Recipients, *, identity: str, archive_id: str
) -> SealedFile | None:
    """Write the withheld rows of an open batch to `path` and sync it; None where the batch has none."""
    if not batch.withholds:
        return None
    try:
        with HashedFile(path, md5=False) as sink:
            sealing = _seal(batch, sink, recipients, identity, archive_id)
            file = sink.finish()
    except OSError as problem:
        raise disk_error(problem, path) from problem
    ids = [(matter, recipient.keyid) for matter, recipient in recipients.keys]
    return SealedFile(path.name, file.sha256, file.size, sealing.rows, sealing.raw_bytes, ids)


def _seal(batch: OpenBatch, sink: HashedFile, recipients: Recipients, identity: str, archive_id: str) -> Sealing:
    data_key = recipients.random(DATA_KEY)
    keys = [
        KeyFor(
            matter,
            recipient.keyid,
            recipient.wrap(data_key, Context(archive_id, identity, matter), recipients.random),
        )
        for matter, recipient in recipients.keys
    ]
    sealing = Sealing(sink, Header(archive_id, identity, tuple(keys)), data_key)
    with batch.scratch.open("rb") as scratch:
        for member, one in enumerate(batch.members):
            digest, after = item_digest(one.text), batch.after(member)
            at = one.first
            for record in range(one.first, after) if one.withheld else batch.hidden_between(one.first, after):
                scratch.seek(sum(batch.lengths[at:record]), os.SEEK_CUR)
                sealing.row(record, digest, _exactly(scratch, batch.lengths[record]))
                at = record + 1
            scratch.seek(sum(batch.lengths[at:after]), os.SEEK_CUR)
    sealing.end()
    return sealing


def _exactly(scratch: BinaryIO, length: int) -> bytes:
    raw = scratch.read(length)
    if len(raw) != length:
        raise WorldError("spool-short", f"{scratch.name}: expected {length} more bytes, found {len(raw)}")
    return raw
