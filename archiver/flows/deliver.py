"""From a finished spool file to a batch that the log has: put, read back, sign, enter, and only then forget the file.

Every step may be repeated. What a crash leaves behind stands at the place where it would happen.
"""

from __future__ import annotations

from archiver.flows.session import Session
from archiver.model import instant, layout
from archiver.model.statement import BatchPredicate, HoldWords, ReceiptWords, Subject
from archiver.writer.journal import JournaledBatch
from archiver.writer.place import check_receipt, place
from archiver.writer.seal import receipt_words

__all__ = ["deliver", "deliver_rest"]


def deliver(session: Session, batch: JournaledBatch) -> None:
    """Bring one journaled batch into the store and the log."""
    spool = session.state.spool / batch.spool
    key = layout.statement_key("batch", batch.id)
    envelope = session.journal.kept(key)
    if envelope is None:
        matters = tuple(str(matter) for matter in batch.predicate["matters"])  # type: ignore[attr-defined]
        wanted = session.lock_for(matters or None)
        receipt = place(session.store, batch.key, spool, lock=wanted, strangers=session.strangers.append)
        check_receipt(receipt, wanted)
        # A crash here leaves a locked object without a statement; the next run puts the same file and finds it there.
        hold = HoldWords(
            retain_until=instant.format_instant(session.retain_until(matters or None)),
            mode="COMPLIANCE",
            legal_hold=True,
        )
        envelope = session.journal.keep(key, _seal(session, batch, hold, receipt_words(receipt)))
    # A crash from here on leaves a signed envelope in the journal, which is put as these bytes until the log has it.
    session.enter(key, envelope)
    session.journal.batch_logged(batch.id)
    # A crash here leaves a spool file that no batch waits for; the next run sweeps it away.
    spool.unlink(missing_ok=True)


def deliver_rest(session: Session) -> int:
    """Bring in whatever a killed run had finished: batches in their order, then single statements. Return how many."""
    batches = session.journal.unlogged_batches()
    for batch in batches:
        deliver(session, batch)
    envelopes = session.journal.unlogged_envelopes()
    for key, envelope in envelopes:
        session.enter(key, envelope)
    return len(batches) + len(envelopes)


def _seal(session: Session, batch: JournaledBatch, hold: HoldWords, receipt: ReceiptWords) -> bytes:
    predicate = BatchPredicate.model_validate(
        {**session.seal.common(batch.id), **batch.predicate, "hold": hold, "receipts": [receipt]}
    )
    _, envelope = session.seal.seal("batch", [Subject.of(batch.key, batch.sha256)], predicate)
    return envelope
