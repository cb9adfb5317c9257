"""Sealed objects whose statement was lost with the state folder: they get one again, from what can be seen of them.

A run that dies between a batch and the statement about its sealed object has that statement in its journal. Where the
journal is gone, nobody says any more where the withheld bytes are. The object says whose it is: its header names
archive, batch and recipients, and its rows have numbers and lengths in the open, which must be those of the batch's
withheld rows. What is in them nobody can see here; whoever has a key finds out. An incident says that it was found so;
of several different ones none is taken.

>>> adopt_sealed(session)
2
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

import pyarrow.parquet as pq

from archiver.catalog.catalog import BatchRow
from archiver.errors import EvidenceError
from archiver.flows.adopt_incidents import Left, incidents, is_settled
from archiver.flows.session import Session, destination_store
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.statement import Subject
from archiver.model.statement_sealed import RecipientWords, SealedPredicate
from archiver.proof.digest import sha256_of_copy
from archiver.proof.sealed import Header, frames, read_header
from archiver.stores.base import Store, Version
from archiver.writer.place import check_receipt, versions_of
from archiver.writer.seal import receipt_words

__all__ = ["adopt_sealed"]


def adopt_sealed(session: Session) -> int:
    """Give a statement to each sealed object of a batch in the log that has none; return how many."""
    spec = session.policy.sealing
    if spec is None or spec.ended is not None:
        return 0
    store, adopted = destination_store(session.policy, session.clock, spec), []
    for batch in [batch for batch in session.catalog.batches() if _may_lack(session, batch)]:
        versions = [one for one in versions_of(store, layout.sealed_key(batch.id)) if is_settled(session, one)]
        found = [one for version in versions if (one := _look(session, store, version, batch)) is not None]
        if len({one.sha256 for one in found}) > 1:
            session.say(f"{layout.sealed_key(batch.id)}: several sealed objects without statement, left alone", "error")
        elif found:
            _sign(session, store, batch, found[0])
            adopted.append(Left(found[0].version, found[0].sha256, "adopted"))
    if not adopted:
        return 0
    what = (
        f"{len(adopted)} sealed objects without statement have the rows of their batches, and got their statements now"
    )
    session.say(what, "warning")
    return len(adopted) + incidents(session, what, "adopted", adopted)


def _may_lack(session: Session, batch: BatchRow) -> bool:
    """Say whether a batch may be of a run that was lost: of a snapshot that nobody has finished in the log."""
    run = session.journal.run()
    if batch.table == "items" or session.catalog.has_statement("snapshot", batch.snapshot):
        return False
    return not session.catalog.has_statement("sealed", batch.id) and (run is None or run.snapshot != batch.snapshot)


@dataclass(frozen=True)
class _Found:
    """A sealed object that has the rows of its batch."""

    version: Version
    sha256: str
    size: int
    header: Header
    rows: list[tuple[int, int]]


def _look(session: Session, store: Store, version: Version, batch: BatchRow) -> _Found | None:
    """Look at one object; None where it is not one of the batch's rows."""
    with store.read(version.key, version.version) as stream, tempfile.TemporaryFile() as copy:
        digest, size = sha256_of_copy(stream, copy)
        copy.seek(0)
        try:
            header = read_header(cast("BinaryIO", copy))
            rows = list(frames(cast("BinaryIO", copy)))
        except EvidenceError as problem:
            session.say(f"{version.key}: left alone, as it is no sealed object: {problem.message}", "warning")
            return None
    named, mine = (header.archive_id, header.batch), (session.trust.archive_id, batch.id)
    known = {matter.id for matter in session.policy.matters} >= {one.matter for one in header.keys}
    if named != mine or not known or not rows or rows != list(_withheld(session, batch)):
        session.say(f"{version.key}: a sealed object without statement, and not of the rows of its batch", "warning")
        return None
    return _Found(version, digest, size, header, rows)


def _sign(session: Session, store: Store, batch: BatchRow, found: _Found) -> None:
    version, header, rows = found.version, found.header, found.rows
    wanted = session.lock_for(tuple(one.matter for one in header.keys), store=store)
    receipt = store.hold(version.key, version.version, wanted)
    if wanted.retain_until is not None:
        check_receipt(receipt, wanted)
    receipt = replace(
        receipt, sha256=found.sha256, size=found.size, basis="read-back"
    )  # it was read and hashed just now
    predicate = SealedPredicate(
        **session.seal.common(batch.id),
        batch=batch.id,
        destination=session.policy.sealing.id if session.policy.sealing else "",
        key=version.key,
        sha256=found.sha256,
        size=found.size,
        rows=len(rows),
        raw_bytes=sum(length for _, length in rows),
        recipients=[RecipientWords(matter=one.matter, keyid=one.recipient) for one in header.keys],
        receipt=receipt_words(receipt),
    )
    subject = Subject.of(batch.object_key, batch.object_sha256)
    key, envelope = session.seal.seal("sealed", [subject], predicate)
    # A crash after this line leaves the signed envelope in the journal; the next run enters it.
    session.enter(key, session.keep(key, envelope))


def _withheld(session: Session, batch: BatchRow) -> Iterator[tuple[int, int]]:
    """Yield number and length of the withheld rows of a batch, from the bytes that its statement names."""
    for version in versions_of(session.store, batch.object_key):
        with session.store.read(version.key, version.version) as stream, tempfile.TemporaryFile() as copy:
            if sha256_of_copy(stream, copy)[0] != batch.object_sha256:
                continue
            copy.seek(0)
            for rows in pq.ParquetFile(copy).iter_batches(columns=["record", "withheld"]):
                for record, words in zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True):
                    if words is not None:
                        yield record, words["length"]
            return
