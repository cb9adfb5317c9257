"""A quarantine: the bytes of some rows go, encrypted, into a place of their own, before their batch goes anywhere.

    1  the sealed object is put, locked and read back; its statement is signed and kept in the journal
    2  the batch is put, stated and entered as always; its withheld rows are digests there
    3  the statement about the sealed object is entered

Laws: where the place does not answer the batch waits, so no batch stands in a log whose withheld bytes are nowhere;
every step may be repeated. Nobody can open what is sealed without a recipient's private key, this program neither.

>>> recipients = recipients_of(policy, ("CASE-1",), open_recipients(policy, random), random)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from archiver.errors import WorldError
from archiver.flows.session import Session, destination_store
from archiver.model import layout
from archiver.model.instant import parse_instant
from archiver.model.policy import Policy
from archiver.model.statement import Subject
from archiver.model.statement_sealed import RecipientWords, SealedPredicate
from archiver.stores.base import Store, Version
from archiver.writer.journal_words import JournaledBatch
from archiver.writer.place import check_receipt, meets, place, versions_of
from archiver.writer.seal import receipt_words

if TYPE_CHECKING:
    from archiver.proof.wrapping import Recipient
    from archiver.writer.sealed import Recipients

__all__ = [
    "enter_sealed",
    "has_quarantine",
    "open_recipients",
    "put_sealed",
    "raise_sealed_locks",
    "recipients_of",
    "sealed_without_hold",
    "warn_of_first_seal",
]


def has_quarantine(policy: Policy) -> bool:
    """Say whether any rule of the policy keeps items in quarantine."""
    return any(rule.handling == "quarantine" for rule in policy.sensitive)


def recipients_of(
    policy: Policy, matters: Iterable[str], opened: Mapping[str, Recipient], random: Callable[[int], bytes]
) -> Recipients | None:
    """Return for whom the withheld rows of a source are sealed; None where no rule wants a quarantine."""
    if not has_quarantine(policy):
        return None
    from archiver.writer.sealed import Recipients  # noqa: PLC0415 - few policies know a quarantine

    found = tuple((name, opened[name]) for name in matters if name in opened)
    return Recipients(found, random) if found else None


def put_sealed(session: Session, batch: JournaledBatch) -> None:
    """Step 1, for a batch that has withheld rows."""
    key = layout.statement_key("sealed", batch.id)
    if batch.sealed is None or session.journal.kept(key) is not None:
        return
    from archiver.writer.sealed import SealedFile  # noqa: PLC0415 - few batches have withheld rows

    sealed, spec = SealedFile(**batch.sealed), session.policy.sealing
    if spec is None:
        raise WorldError(
            "seal-destination",
            f"batch {batch.id}: expected a destination that seals, for {sealed.rows} rows in quarantine, found none",
            hint="put the destination with `seals: true` back into the policy; this batch waits for it",
        )
    matters = tuple(matter for matter, _ in sealed.recipients)
    try:
        store = destination_store(session.policy, session.clock, spec)
        lock = session.lock_for(matters, store=store)
        name = layout.sealed_key(batch.id)
        file = sealed.spooled(session.state.spool)
        receipt = place(store, name, file, lock=lock, strangers=session.strangers.append)
        check_receipt(receipt, lock)
    except WorldError as problem:
        words = f"destination {spec.id}, which seals: {problem.message}"
        raise WorldError(problem.code, words, hint=problem.hint) from problem
    # A crash here leaves a locked object; the next run puts the same file and finds it there.
    predicate = SealedPredicate(
        **session.seal.common(batch.id),
        batch=batch.id,
        destination=spec.id,
        key=name,
        sha256=sealed.sha256,
        size=sealed.size,
        rows=sealed.rows,
        raw_bytes=sealed.raw_bytes,
        recipients=[RecipientWords(matter=matter, keyid=keyid) for matter, keyid in sealed.recipients],
        receipt=receipt_words(replace(receipt, key=name)),
    )
    session.keep(key, session.seal.seal("sealed", [Subject.of(batch.key, batch.sha256)], predicate)[1])


def enter_sealed(session: Session, batch: JournaledBatch) -> None:
    """Step 3."""
    key = layout.statement_key("sealed", batch.id)
    envelope = session.journal.kept(key)
    if batch.sealed is not None and envelope is not None:
        session.enter(key, envelope)
        # A crash here leaves a spool file that no batch waits for; the next run sweeps it away.
        (session.state.spool / str(batch.sealed["spool"])).unlink(missing_ok=True)


def open_recipients(policy: Policy, random: Callable[[int], bytes]) -> dict[str, Recipient]:
    """Return the recipients by matter, each tried; raises `UsageError` and `WorldError` before anything is done."""
    wanted = [matter for matter in policy.matters if matter.recipient]
    if not wanted:
        return {}
    from archiver.signing.recipient import open_recipient  # noqa: PLC0415 - few matters have a recipient

    return {one.id: open_recipient(one.recipient, random) for one in wanted if one.recipient is not None}


def warn_of_first_seal(session: Session, recipients: Mapping[str, Recipient]) -> None:
    """Say what depends on the recipients' keys, before anything was ever sealed for them."""
    if not has_quarantine(session.policy) or next(session.catalog.statements("sealed"), None) is not None:
        return
    for matter, recipient in recipients.items():
        session.say(
            f"what is kept in quarantine for {matter} is encrypted for the key {recipient.keyid}: whoever loses its "
            "private half loses these bytes, for nobody else can open them; keep two copies of it, far from this "
            "machine",
            "warning",
        )


def raise_sealed_locks(session: Session) -> int:
    """Bring the locks of sealed objects up to the hold in force; return how many were raised.

    Each is looked at whose own receipt is below the hold: a lock that was raised since is found as it is.
    """
    spec, raised = session.policy.sealing, 0
    stated = [one.predicate for _, one in session.catalog.statements("sealed")]
    below = [one for one in stated if isinstance(one, SealedPredicate) and _is_below(session, one)]
    if not below or spec is None:
        return 0
    store = destination_store(session.policy, session.clock, spec)
    for one in below:
        wanted = session.lock_for(_held(session, one), store=store)
        for version in versions_of(store, one.key):
            if not meets(store.stat(one.key, version.version).lock, wanted):
                check_receipt(store.hold(one.key, version.version, wanted), wanted)
                raised += 1
    return raised


def sealed_without_hold(session: Session, free: Callable[[str], bool]) -> tuple[Store, list[Version]] | None:
    """Return sealed objects whose batches nobody holds any more, `free` says which these are, and their store.

    One that another log still holds stays: the object is one for all destinations. Only those whose legal hold is not
    known to be off; None where there is none.
    """
    spec = session.policy.sealing
    stated = [(one.subject[0].name, one.predicate) for _, one in session.catalog.statements("sealed")]
    goes = [
        one for key, one in stated if isinstance(one, SealedPredicate) and free(key) and _is_free(session, key, one)
    ]
    if not goes:
        return None
    if spec is None:
        raise WorldError(
            "seal-destination",
            f"{len(goes)} sealed objects: expected a destination that seals, to take their legal holds off, found none",
            hint="put the destination with `seals: true` back into the policy, and run the same command again",
        )
    store = destination_store(session.policy, session.clock, spec)
    versions = [version for one in goes for version in versions_of(store, one.key)]
    return store, [one for one in versions if store.stat(one.key, one.version).lock.legal_hold is not False]


def _is_free(session: Session, batch: str, one: SealedPredicate) -> bool:
    """Say whether the logs of all destinations have released all matters of a sealed object behind its batch."""
    if len(session.up) != len(session.vaults):
        return False  # nobody knows what the log of one that does not answer says by now
    for vault in session.vaults:
        releases, position = vault.catalog.releases(), vault.catalog.position_of(batch)
        for matter in _matters(one):
            if position is None or matter not in releases or releases[matter].log_size <= position:
                return False
    return True


def _is_below(session: Session, one: SealedPredicate) -> bool:
    until, held = one.receipt.retain_until, _held(session, one)
    return bool(held) and (until is None or parse_instant(until) < session.retain_until(held))


def _held(session: Session, one: SealedPredicate) -> tuple[str, ...]:
    """Return the matters of a sealed object that nobody has released: what is let go is not held anew."""
    released = session.releases()
    return tuple(matter for matter in _matters(one) if matter not in released)


def _matters(one: SealedPredicate) -> tuple[str, ...]:
    return tuple(recipient.matter for recipient in one.recipients)
