"""Raising the locks of batches that a run says are still the content of an item.

An item may be called unchanged only when the batches it names are locked to the hold in force. Locks are only raised.
What the store answers goes into `receipt` statements, so that the catalog and every verifier learn of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from archiver.catalog.catalog import BatchRow
from archiver.flows.session import Session
from archiver.model import instant
from archiver.model.statement import ReceiptPredicate, Subject
from archiver.stores.base import Lock, Receipt
from archiver.writer.place import check_receipt
from archiver.writer.seal import receipt_words

__all__ = ["raise_locks"]

_RECEIPTS_AT_ONCE = 40  # of some 600 bytes each, well below the limit of an envelope


def raise_locks(session: Session, batches: set[str]) -> int:
    """Raise whatever of these batches is locked below the hold in force; return how many were."""
    wanted = session.lock_for()
    if wanted.retain_until is None:
        return 0
    until = instant.format_instant(wanted.retain_until)
    below = [row for row in session.catalog.below(until) if row.id in batches]
    below += _let_go(session, batches - {row.id for row in below})
    for place in range(0, len(below), _RECEIPTS_AT_ONCE):
        _raise(session, below[place : place + _RECEIPTS_AT_ONCE], wanted)
    return len(below)


def _let_go(session: Session, batches: set[str]) -> list[BatchRow]:
    """Return those whose legal hold a release has taken off: they are content of something that is held again."""
    if not session.catalog.releases():
        return []
    rows = [row for name in sorted(batches) if (row := session.catalog.batch(name)) is not None]
    return [row for row in rows if not session.store.stat(row.object_key, row.object_version).lock.legal_hold]


def _raise(session: Session, rows: list[BatchRow], wanted: Lock) -> None:
    receipts = list(_receipts(session, rows, wanted))
    subjects = [Subject.of(row.object_key, row.object_sha256) for row in rows]
    predicate = ReceiptPredicate(**session.seal.common(), receipts=[receipt_words(one) for one in receipts])
    key, envelope = session.seal.seal("receipt", subjects, predicate)
    # A crash before this line leaves raised locks without a receipt: the next run raises them again to the same date.
    session.journal.keep(key, envelope)
    session.enter(key, envelope)


def _receipts(session: Session, rows: list[BatchRow], wanted: Lock) -> Iterable[Receipt]:
    for row in rows:
        receipt = session.store.hold(row.object_key, row.object_version, wanted)
        check_receipt(receipt, wanted)
        yield receipt
