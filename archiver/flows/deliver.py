"""From a finished spool file to a batch that the logs have: put, read back, sign, enter, and only then forget the file.

Every step may be repeated. What a crash leaves behind stands at the place where it would happen. A batch is done when
every destination has it; while one is set aside its spool file stays, as far as the spool has room for a backlog.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from archiver.catalog.compare import missing
from archiver.errors import OvertakenError, WorldError
from archiver.flows.sealing import enter_sealed, put_sealed
from archiver.flows.session import Session
from archiver.flows.subjects import objects_of
from archiver.flows.vault import Vault
from archiver.model import instant, layout
from archiver.model.statement import HoldWords, ReceiptWords, Subject
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof import entry
from archiver.stores.base import Lock, Receipt, Store
from archiver.stores.bodies import Spooled
from archiver.writer.journal_words import JournaledBatch
from archiver.writer.place import check_receipt, place, versions_of
from archiver.writer.seal import receipt_words

__all__ = [
    "Sent",
    "batch_lock",
    "deliver",
    "deliver_rest",
    "place_kept",
    "put_batch",
    "spooled_tables",
    "wanted_by_others",
]

_MOST_KEPT: Final = 8
"""Batches' worth of spool files that wait for a destination; what is beyond is copied from another one later."""

Sent = Mapping[str, Future[Receipt]]
"""By destination: the put of a batch that was begun before its turn came (`archiver.flows.uploads`)."""

_NOTHING_SENT: Final[Sent] = MappingProxyType({})


def deliver(session: Session, batch: JournaledBatch, sent: Sent = _NOTHING_SENT) -> None:
    """Bring one journaled batch into the stores and the logs."""
    spool = session.state.spool / batch.spool
    key = layout.statement_key("batch", batch.id)
    envelope = session.journal.kept(key)
    put_sealed(session, batch)
    if envelope is None:
        receipts = session.everywhere(lambda vault: _put(session, vault, batch, sent))
        # A crash here leaves locked objects without a statement; the next run puts the same file and finds them there.
        hold = HoldWords(
            retain_until=instant.format_instant(session.retain_until(_matters(batch))),
            mode="COMPLIANCE",
            legal_hold=True,
        )
        envelope = session.keep(key, _seal(session, batch, hold, [receipt_words(one) for one in receipts]))
    elif len(session.vaults) > 1:
        # One that was down when this was signed has not the object; its receipt is stated by itself later.
        session.everywhere(lambda vault: _put_if_missing(session, vault, batch))
    # A crash from here on leaves a signed envelope in the journal, which is put as these bytes until the logs have it.
    session.enter(key, envelope)
    enter_sealed(session, batch)
    session.journal.batch_logged(batch.id)
    # A crash here leaves a spool file that no batch waits for; the next run sweeps it away.
    if len(session.up) == len(session.vaults) or not _has_room(session):
        spool.unlink(missing_ok=True)


def deliver_rest(session: Session) -> int:
    """Bring in whatever a killed run had finished: batches in their order, then single statements. Return how many."""
    batches = session.journal.unlogged_batches()
    for batch in batches:
        deliver(session, batch)
    envelopes = [one for one in session.journal.unlogged_envelopes() if layout.statement_of_key(one[0]) is not None]
    for key, envelope, only in envelopes:
        if len(session.vaults) == 1 or _is_derivation(key):
            session.everywhere(lambda vault, it=envelope: place_kept(session, vault, it))  # type: ignore[misc] # as below
            with suppress(OvertakenError):  # the run signs what is to follow now
                session.enter(key, envelope)
            for subject in objects_of(envelope) if _is_derivation(key) else ():
                # A crash before here leaves a spool file that nothing waits for; the next run sweeps it away.
                (session.state.spool / subject.name.rpartition("/")[2]).unlink(missing_ok=True)
        else:
            session.everywhere(lambda vault, it=(key, envelope, only): _enter_in(session, vault, *it))  # type: ignore[misc] # mypy cannot infer a lambda with a default
    return len(batches) + len(envelopes)


def place_kept(session: Session, vault: Vault, envelope: bytes) -> None:
    """Store the objects that a statement is about and that are kept here: in the journal, or a table in the spool."""
    for subject in objects_of(envelope):
        body = session.journal.kept(subject.name)
        if body is not None:
            session.place(vault, subject.name, body)
            session.journal.envelope_logged(subject.name)
        elif subject.name.startswith(layout.DERIVED):
            _place_derived(session, vault, subject)


def _place_derived(session: Session, vault: Vault, subject: Subject) -> None:
    """Store a derived table from its spool file; where that is gone, the store must have it."""
    path = session.state.spool / subject.name.rpartition("/")[2]
    if path.exists():
        receipt = session.place(vault, subject.name, Spooled.of(path, subject.digest.sha256))
        check_receipt(receipt, session.lock_for(store=vault.store))
    elif not versions_of(vault.store, subject.name):
        raise WorldError(
            "spool-missing",
            f"{path}: expected the derived table that its statement waits for, found none",
            hint="put the file back: nothing else has its bytes",
        )


def wanted_by_others(session: Session) -> set[str]:
    """Return the names of spool files that a destination which was set aside still lacks."""
    late = [vault for vault in session.vaults if vault.problem is not None]
    keys = {entry.decode(data).key for one in late for data in missing(one.catalog.path, session.catalog.path)}
    named = (layout.statement_of_key(key) for key in keys)
    kinds = ("batch", "derivation")
    return {f"{name[1]}.parquet" for name in named if name is not None and name[0] in kinds}


def spooled_tables(session: Session) -> set[str]:
    """Return the names of spool files with derived tables whose statements are not in the logs yet."""
    named = (layout.statement_of_key(key) for key, _, _ in session.journal.unlogged_envelopes())
    return {f"{name[1]}.parquet" for name in named if name is not None and name[0] == "derivation"}


def _is_derivation(key: str) -> bool:
    named = layout.statement_of_key(key)
    return named is not None and named[0] == "derivation"


def batch_lock(session: Session, batch: JournaledBatch, store: Store) -> Lock:
    """Return the lock that a batch is to have in a store."""
    return session.lock_for(_matters(batch), store=store)


def put_batch(session: Session, store: Store, batch: JournaledBatch, lock: Lock) -> Receipt:
    """Put the file of a batch; touches nothing of the session that another thread could not bear."""
    file = batch.spooled(session.state.spool)
    return place(store, batch.key, file, lock=lock, strangers=session.strangers.append)


def _put(session: Session, vault: Vault, batch: JournaledBatch, sent: Sent = _NOTHING_SENT) -> Receipt:
    wanted, begun = batch_lock(session, batch, vault.store), sent.get(vault.id)
    receipt = put_batch(session, vault.store, batch, wanted) if begun is None else begun.result()
    check_receipt(receipt, wanted)
    return receipt


def _put_if_missing(session: Session, vault: Vault, batch: JournaledBatch) -> None:
    if not versions_of(vault.store, batch.key):
        _put(session, vault, batch)


def _matters(batch: JournaledBatch) -> tuple[str, ...] | None:
    return tuple(str(matter) for matter in batch.predicate["matters"]) or None  # type: ignore[attr-defined]


def _enter_in(session: Session, vault: Vault, key: str, envelope: bytes, only: str | None) -> None:
    """Enter a statement where what it is about was stored; the others get both as their backlog."""
    if only == vault.id:
        place_kept(session, vault, envelope)
    if only in (None, vault.id) and all(versions_of(vault.store, one.name) for one in objects_of(envelope)):
        with suppress(OvertakenError):
            session.on(vault).enter(key, envelope)


def _has_room(session: Session) -> bool:
    """Say whether the spool may keep what a destination is waiting for."""
    kept = sum(path.stat().st_size for path in session.state.spool.glob("*.parquet"))
    return kept <= _MOST_KEPT * session.policy.limits.batch_raw_bytes


def _seal(session: Session, batch: JournaledBatch, hold: HoldWords, receipts: list[ReceiptWords]) -> bytes:
    predicate = BatchPredicate.model_validate(
        {**session.seal.common(batch.id), **batch.predicate, "hold": hold, "receipts": receipts}
    )
    _, envelope = session.seal.seal("batch", [Subject.of(batch.key, batch.sha256)], predicate)
    return envelope
