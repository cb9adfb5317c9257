"""What one destination has and another lacks, and bringing it there.

Nothing is remembered about a backlog: it is the difference between the catalogs of two logs, however it came about. So
a destination that was down, one that was added later and one that a kill left behind are one case.

    1  every statement that another log has, in the order of that log: first the objects that it is about, then itself
    2  `receipt` statements, in every log, for the batches that a destination had not confirmed when they were stated

What is copied is hashed on its way and must be what the log commits to. Requests for a release and timestamps speak of
one log; their statements stay in it. A log that lacks a policy which only a destination that is down could give must
not go on by itself: the chain of policies would fork.

>>> clear(session)
0
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import IO, Final

from archiver.catalog.catalog import UNCONFIRMED, BatchRow
from archiver.catalog.compare import missing, note_all_known
from archiver.errors import EvidenceError, Exit, WorldError
from archiver.events import Advanced, Stage
from archiver.flows import begin
from archiver.flows.session import Session, statement_opener
from archiver.flows.subjects import objects_of
from archiver.flows.vault import Vault
from archiver.flows.waiting import OWN, kind_of, waiting
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.statement import ReceiptPredicate, Subject
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof import dsse, entry
from archiver.proof.digest import sha256_of, sha256_of_copy
from archiver.stores.base import Receipt
from archiver.stores.bodies import Spooled
from archiver.writer.place import check_receipt, place, versions_of
from archiver.writer.seal import receipt_words

__all__ = ["RECEIPTS_AT_ONCE", "LeftBehind", "clear", "left_behind", "state_receipts"]

RECEIPTS_AT_ONCE: Final = 40  # of some 600 bytes each, well below the limit of an envelope
_CHAINED: Final = {"archive", "policy"}


@dataclass(frozen=True)
class LeftBehind:
    """A destination that a run went on without: why, what that means for the run, and the statements it lacks."""

    id: str
    problem: str
    exit: Exit
    waiting: tuple[str, ...]


def left_behind(session: Session) -> tuple[LeftBehind, ...]:
    """Return the destinations that were set aside."""
    return tuple(
        LeftBehind(
            late.id,
            late.problem.message,
            late.problem.exit_status,
            tuple(waiting(late.catalog.path, [one.catalog.path for one in session.vaults if one is not late])),
        )
        for late in session.vaults
        if late.problem is not None
    )


def clear(session: Session) -> int:
    """Bring every destination that answers what it lacks; return how many statements were entered."""
    if len(session.vaults) == 1:
        return 0
    entered = sum(session.everywhere(lambda late: _bring(session, late)))
    for vault, other in permutations(session.vaults, 2):
        note_all_known(vault.catalog.path, other.catalog.path, lambda data: kind_of(entry.decode(data).key) not in OWN)
    for vault in session.up:
        _demand_chain(session, vault)
    return entered + sum(session.everywhere(lambda vault: _confirm(session, vault)))


# 1


def _bring(session: Session, late: Vault) -> int:
    """Bring one destination what the others have; return how many statements that were."""
    entered = 0
    for source in session.up:
        if source is not late and source.problem is None:
            entered += _bring_from(session, late, source)
    return entered


def _bring_from(session: Session, late: Vault, source: Vault) -> int:
    confirmed: list[tuple[Subject, Receipt]] = []
    entered = 0
    for data in missing(late.catalog.path, source.catalog.path):
        named = entry.decode(data)
        if late.problem is not None:
            break
        if kind_of(named.key) in OWN:
            continue
        if late.catalog.log_size() == 0:
            begin.put_readme(session, late)
        if not entered:
            session.listener(Stage(f"bring {late.id} what {source.id} has", None, "statements"))
        try:
            envelope = _statement(source, named)
            confirmed += _objects(session, late, source, envelope)
        except _SourceError as problem:
            session.set_aside(source, problem.problem)
            break
        session.place(late, named.key, envelope)
        # A crash here leaves a stored statement that the next run enters, its objects before it.
        late.log.append(named.key, envelope)
        entered += 1
        session.listener(Advanced())
        if len(confirmed) >= RECEIPTS_AT_ONCE:
            entered += state_receipts(session, confirmed)
            confirmed = []
    return entered + state_receipts(session, confirmed)


class _SourceError(Exception):
    """The destination that is read from does not answer."""

    def __init__(self, problem: WorldError) -> None:
        super().__init__(problem.message)
        self.problem = problem


@contextmanager
def _read_from() -> Iterator[None]:
    """Tell what the destination that is read from does not answer from what the late one does not take."""
    try:
        yield
    except WorldError as problem:
        raise _SourceError(problem) from problem


def _statement(source: Vault, named: entry.Entry) -> bytes:
    with _read_from():
        for version in versions_of(source.store, named.key):
            with source.store.read(version.key, version.version) as stream:
                data = stream.read(dsse.MAX_ENVELOPE + 1)
            if sha256(data).hexdigest() == named.sha256:
                return data
    raise _lost(source, named.key, named.sha256)


def _objects(session: Session, late: Vault, source: Vault, envelope: bytes) -> list[tuple[Subject, Receipt]]:
    """Bring the objects that a statement is about; return the receipts of batches."""
    statement = statement_opener(session.trust)(envelope).statement
    predicate = statement.predicate if statement is not None else None
    matters = tuple(predicate.matters) or None if isinstance(predicate, BatchPredicate) else None
    receipts = []
    for subject in objects_of(envelope):
        wanted = session.lock_for(matters, store=late.store)
        with _body(session, source, subject) as body:
            receipt = place(late.store, subject.name, body, lock=wanted, strangers=session.strangers.append)
        if isinstance(predicate, BatchPredicate):
            check_receipt(receipt, wanted)
            receipts.append((subject, receipt))
    return receipts


@contextmanager
def _body(session: Session, source: Vault, subject: Subject) -> Iterator[Spooled]:
    """Yield a file with the bytes of an object: the spool's own, or a checked copy from another destination."""
    spooled = session.state.spool / subject.name.rpartition("/")[2]
    if subject.name.startswith((layout.DATA, layout.DERIVED)) and spooled.exists():
        with spooled.open("rb") as file:
            if sha256_of(file) == subject.digest.sha256:
                yield Spooled.of(spooled, subject.digest.sha256)
                return
    with tempfile.NamedTemporaryFile(dir=session.state.spool, prefix="copy-") as copy:
        _fetch(source, subject, copy)
        yield Spooled.of(Path(copy.name), subject.digest.sha256)


def _fetch(source: Vault, subject: Subject, copy: IO[bytes]) -> None:
    with _read_from():
        for version in versions_of(source.store, subject.name):
            copy.seek(0)
            copy.truncate()
            with source.store.read(version.key, version.version) as stream:
                digest, _ = sha256_of_copy(stream, copy)
            copy.flush()
            if digest == subject.digest.sha256:
                return
    raise _lost(source, subject.name, subject.digest.sha256)


def _demand_chain(session: Session, vault: Vault) -> None:
    """Set a destination aside whose log lacks a policy that only a destination has which does not answer."""
    for other in session.vaults:
        if vault.problem is None and other.problem is not None:
            kinds = {kind_of(entry.decode(data).key) for data in missing(vault.catalog.path, other.catalog.path)}
            if kinds & _CHAINED:
                problem = WorldError(
                    "destination-behind",
                    f"{vault.id}: expected the policy in force in its log, found that only {other.id} has it, "
                    "which does not answer",
                    hint=f"run the same command again when {other.id} answers",
                )
                session.set_aside(vault, problem)


# 2


def _confirm(session: Session, vault: Vault) -> int:
    """Make receipts for batches that this destination's log has, and no receipt of it."""
    entered = 0
    rows = vault.catalog.below(UNCONFIRMED)
    for first in range(0, len(rows), RECEIPTS_AT_ONCE):
        some = rows[first : first + RECEIPTS_AT_ONCE]
        entered += state_receipts(session, [(_subject(row), _receipt(session, vault, row)) for row in some])
    return entered


def _receipt(session: Session, vault: Vault, row: BatchRow) -> Receipt:
    """Make sure that a destination has a batch: from itself, or else from another one."""
    key = layout.statement_key("batch", row.id)
    envelope = _statement(vault, entry.decode(vault.catalog.entry_of(key) or b""))
    there = any(versions_of(vault.store, row.object_key))
    sources = [vault] if there else [one for one in session.up if one is not vault] or [vault]
    return _objects(session, vault, sources[0], envelope)[0][1]


def state_receipts(session: Session, confirmed: list[tuple[Subject, Receipt]]) -> int:
    """State in every log what destinations have confirmed; return the number of statements, 0 or 1."""
    if not confirmed:
        return 0
    subjects = list({subject.name: subject for subject, _ in confirmed}.values())
    predicate = ReceiptPredicate(**session.seal.common(), receipts=[receipt_words(one) for _, one in confirmed])
    key, envelope = session.seal.seal("receipt", subjects, predicate)
    # A crash before this line leaves objects without a receipt: the next run asks for it again.
    session.enter(key, session.keep(key, envelope))
    return 1


def _subject(row: BatchRow) -> Subject:
    return Subject.of(row.object_key, row.object_sha256)


def _lost(source: Vault, key: str, digest: str) -> EvidenceError:
    return EvidenceError(
        "object-missing",
        f"{key}: expected the version with SHA-256 {digest} in {source.id}, found none to be copied",
        hint="run `archiver verify` and find out what happened to it",
    )
