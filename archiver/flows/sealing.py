"""A quarantine: the bytes of some rows go, encrypted, into a place of their own, before their batch goes anywhere.

    1  the sealed object is put, locked and read back; its statement is signed and kept in the journal
    2  the batch is put, stated and entered as always; its withheld rows are digests there
    3  the statement about the sealed object is entered

Laws: where the place does not answer the batch waits, so no batch stands in a log whose withheld bytes are nowhere;
every step may be repeated. Nobody can open what is sealed without a recipient's private key, this program neither.

>>> recipients = recipients_of(policy, ("CASE-1",), random)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from archiver.errors import UsageError, WorldError
from archiver.flows.session import Session, destination_store
from archiver.model import layout
from archiver.model.instant import parse_instant
from archiver.model.named_file import read_named
from archiver.model.policy import Policy
from archiver.model.statement import Subject
from archiver.model.statement_sealed import RecipientWords, SealedPredicate
from archiver.proof.keys import MAX_PEM, KeyRefusedError
from archiver.proof.wrapping import Context, load_recipient, recipient_id, wrap
from archiver.writer.journal import JournaledBatch
from archiver.writer.place import check_receipt, meets, place, versions_of
from archiver.writer.seal import receipt_words
from archiver.writer.sealed import Recipients, SealedFile

__all__ = [
    "check_recipients",
    "enter_sealed",
    "has_quarantine",
    "put_sealed",
    "raise_sealed_locks",
    "read_recipient",
    "recipients_of",
    "warn_of_first_seal",
]

_TRIAL = bytes(range(32))  # a private key for a trial: nothing is sealed with it


def has_quarantine(policy: Policy) -> bool:
    """Say whether any rule of the policy keeps items in quarantine."""
    return any(rule.handling == "quarantine" for rule in policy.sensitive)


def recipients_of(policy: Policy, matters: Iterable[str], random: Callable[[int], bytes]) -> Recipients | None:
    """Return for whom the withheld rows of a source are sealed; None where no rule wants a quarantine.

    Raises `UsageError` for a key that is not there or not usable, before anything is done.
    """
    if not has_quarantine(policy):
        return None
    found = [(name, path) for name in matters if (path := policy.matter(name).recipient) is not None]
    return Recipients(tuple((name, read_recipient(path)) for name, path in found), random) if found else None


def read_recipient(path: Path) -> X25519PublicKey:
    """Read a recipient's public key, and try it: a key of low order would seal nothing."""
    try:
        key = load_recipient(read_named(path, MAX_PEM).decode("utf-8", "replace"))
        wrap(_TRIAL, key, Context("", "", ""), ephemeral=_TRIAL)
    except (OSError, KeyRefusedError) as problem:
        words = problem.message if isinstance(problem, KeyRefusedError) else problem.strerror
        raise UsageError(
            "recipient-refused",
            f"{path}: expected the X25519 public key of a recipient, found: {words}",
            hint="make one: openssl genpkey -algorithm X25519 -aes256 -out recipient.pem, keep it far from here, then "
            f"openssl pkey -in recipient.pem -pubout -out {path}; without it nobody can open what was sealed",
        ) from problem
    return key


def put_sealed(session: Session, batch: JournaledBatch) -> None:
    """Step 1, for a batch that has withheld rows."""
    key = layout.statement_key("sealed", batch.id)
    if batch.sealed is None or session.journal.kept(key) is not None:
        return
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
        receipt = place(store, name, session.state.spool / sealed.spool, lock=lock, strangers=session.strangers.append)
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


def check_recipients(policy: Policy) -> dict[str, str]:
    """Return the ids of the recipients' keys by matter; raises as `recipients_of` does."""
    return {matter.id: recipient_id(read_recipient(matter.recipient)) for matter in policy.matters if matter.recipient}


def warn_of_first_seal(session: Session, recipients: Mapping[str, str]) -> None:
    """Say what depends on the recipients' keys, before anything was ever sealed for them."""
    if not has_quarantine(session.policy) or next(session.catalog.statements("sealed"), None) is not None:
        return
    for matter, keyid in recipients.items():
        session.say(
            f"what is kept in quarantine for {matter} is encrypted for the key {keyid}: whoever loses its private half "
            "loses these bytes, for nobody else can open them; keep two copies of it, far from this machine",
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
        wanted = session.lock_for(_matters(one), store=store)
        for version in versions_of(store, one.key):
            if not meets(store.stat(one.key, version.version).lock, wanted):
                check_receipt(store.hold(one.key, version.version, wanted), wanted)
                raised += 1
    return raised


def _is_below(session: Session, one: SealedPredicate) -> bool:
    until = one.receipt.retain_until
    return until is None or parse_instant(until) < session.retain_until(_matters(one))


def _matters(one: SealedPredicate) -> tuple[str, ...]:
    return tuple(recipient.matter for recipient in one.recipients)
