"""Raising the locks of batches that a run says are still the content of an item.

An item may be called unchanged only when the batches it names are locked to the hold in force. Locks are only raised.
What the store answers goes into `receipt` statements, so that the catalog and every verifier learn of it.
"""

from __future__ import annotations

from archiver.catalog.catalog import BatchRow
from archiver.flows.backlog import RECEIPTS_AT_ONCE, state_receipts
from archiver.flows.session import Session
from archiver.flows.vault import Vault
from archiver.model import instant
from archiver.model.statement import Subject
from archiver.stores.base import Lock, Receipt
from archiver.writer.place import check_receipt

__all__ = ["raise_locks"]


def raise_locks(session: Session, batches: set[str]) -> int:
    """Raise whatever of these batches is locked below the hold in force, in every destination; return how many were."""
    return sum(session.everywhere(lambda vault: _raise_in(session, vault, batches)))


def _raise_in(session: Session, vault: Vault, batches: set[str]) -> int:
    wanted = session.lock_for(store=vault.store)
    if wanted.retain_until is None:
        return 0
    until = instant.format_instant(wanted.retain_until)
    below = [row for row in vault.catalog.below(until) if row.id in batches]
    below += _let_go(vault, batches - {row.id for row in below})
    for first in range(0, len(below), RECEIPTS_AT_ONCE):
        some = below[first : first + RECEIPTS_AT_ONCE]
        # A crash in here leaves raised locks without a receipt: the next run raises them again to the same date.
        state_receipts(session, [_raised(vault, row, wanted) for row in some])
    return len(below)


def _let_go(vault: Vault, batches: set[str]) -> list[BatchRow]:
    """Return those whose legal hold a release has taken off: they are content of something that is held again."""
    if not vault.catalog.releases():
        return []
    rows = [row for name in sorted(batches) if (row := vault.catalog.batch(name)) is not None]
    return [row for row in rows if not vault.store.stat(row.object_key, row.object_version).lock.legal_hold]


def _raised(vault: Vault, row: BatchRow, wanted: Lock) -> tuple[Subject, Receipt]:
    receipt = vault.store.hold(row.object_key, row.object_version, wanted)
    check_receipt(receipt, wanted)
    return Subject.of(row.object_key, row.object_sha256), receipt
