"""Reports of many locks and receipts: too many for statements, so they are objects that a statement names.

Laws: a report is JSON lines, put under the lock in force before the statement that names it; receipts reach the
catalog through the report, here and on every other machine (`take_in`), so that nobody raises a lock twice.

>>> enter_receipts(session, path, "hold-20261123T120000Z-0a1b2c-receipts.jsonl")
'reports/3f…/hold-20261123T120000Z-0a1b2c-receipts.jsonl'
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError
from archiver.flows.session import Session
from archiver.model import layout
from archiver.model.checked import ValidationError
from archiver.model.statement import ReceiptPredicate, Subject
from archiver.model.statement_words import ReceiptWords
from archiver.proof import canonical
from archiver.proof.digest import sha256_of, sha256_of_copy
from archiver.stores.base import Receipt, Store
from archiver.stores.bodies import Spooled
from archiver.writer.place import versions_of
from archiver.writer.seal import receipt_words

__all__ = ["enter_receipts", "has_report", "put_report", "take_in"]

_LONGEST: Final = 8192  # a receipt has about 600 bytes; keys have at most 900


def put_report(session: Session, path: Path, name: str) -> Subject:
    """Store a finished file as a report; return what a statement calls it."""
    return _put(session, path, name)[0]


def enter_receipts(session: Session, path: Path, name: str) -> str:
    """Store a file of receipts, state it in a `receipt` statement, and take it into the catalog; return its key."""
    subject, receipts = _put(session, path, name)
    predicate = ReceiptPredicate(**session.seal.common(), receipts=[receipt_words(one) for one in receipts])
    key, envelope = session.seal.seal("receipt", [subject], predicate)
    # A crash up to here leaves a report that no statement names; the next run makes one of its own.
    session.enter(key, session.keep(key, envelope))
    # A crash here leaves receipts that the catalog does not know; `take_in` of the next run does.
    session.everywhere(lambda vault: take_in(vault.catalog, vault.store))
    return subject.name


def has_report(catalog: Catalog, name: str) -> bool:
    """Say whether the log has a `receipt` statement about a report of this name."""
    return any(
        subject.name.endswith(f"/{name}")
        for _, statement in catalog.statements("receipt")
        for subject in statement.subject
    )


def take_in(catalog: Catalog, store: Store) -> int:
    """Take the reports of receipts that the catalog lacks into it; asks nothing of the store when there are none."""
    missing = catalog.receipt_reports()
    for position, key, digest in missing:
        catalog.absorb_receipts(position, _receipts(store, key, digest))
    return len(missing)


def _put(session: Session, path: Path, name: str) -> tuple[Subject, list[Receipt]]:
    with path.open("rb") as file:
        digest = sha256_of(file)
    key = layout.report_key(digest, name)
    return Subject.of(key, digest), session.put(key, Spooled.of(path, digest))


def _receipts(store: Store, key: str, digest: str) -> Iterator[ReceiptWords]:
    """Yield the receipts of the stored report with this digest; its bytes are checked before they are read."""
    for version in versions_of(store, key):
        with tempfile.TemporaryFile() as copy:
            with store.read(version.key, version.version) as stream:
                found, _ = sha256_of_copy(stream, copy)
            if found == digest:
                copy.seek(0)
                yield from _lines(copy, key)
                return
    raise EvidenceError(
        "object-missing", f"{key}: expected the report with SHA-256 {digest}, found none", hint="run `archiver verify`"
    )


def _lines(file: IO[bytes], key: str) -> Iterator[ReceiptWords]:
    while line := file.readline(_LONGEST):
        try:
            yield ReceiptWords.model_validate(canonical.decode(line.removesuffix(b"\n"), limit=_LONGEST))
        except (EvidenceError, ValidationError) as problem:
            raise EvidenceError(
                "report-malformed", f"{key}: expected a receipt in each line, found another"
            ) from problem
