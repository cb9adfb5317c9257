"""The first entries of a log, and the policy in force (FORMAT.md, Statements).

An archive begins with its README, its policy, the statement `archive` and the first statement `policy`. Whenever the
policy's bytes change, a new `policy` statement says how, before anything is collected under it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from archiver.errors import OvertakenError
from archiver.flows.hold import in_force
from archiver.flows.instrument import order_of
from archiver.flows.readme import readme
from archiver.flows.session import Session
from archiver.flows.vault import Vault
from archiver.late import dataclass
from archiver.model import layout, policy_change
from archiver.model.instant import format_instant, round_up
from archiver.model.statement import (
    ArchivePredicate,
    MatterWords,
    PolicyPredicate,
    PublishedKey,
    SourceWords,
    Subject,
)
from archiver.proof import keys
from archiver.writer.place import versions_of

__all__ = ["Began", "bring_into_force", "check_policy", "put_readme"]

_MAX_CHANGES = 200  # lines; more would not fit a statement, and nobody reads them in one


@dataclass(frozen=True)
class Began:
    """What the policy in force means for the run: lines that say what changed, and sources that went without notice."""

    changes: tuple[str, ...]
    missing_sources: tuple[str, ...]


def check_policy(session: Session) -> policy_change.Change:
    """Compare the policy with the last one that was signed; raises `PolicyError` for what a hold does not allow.

    A released matter may go; a matter that was extended may still have its old date in the policy, which is said.
    """
    released = session.releases()
    in_force.refuse_released(session.policy, released)
    if any(vault.store.destination.enforces_locks for vault in session.vaults):
        in_force.refuse_too_late(session.policy)
    for line in in_force.earlier_in_policy(session.policy, session.holds()):
        session.say(line, "warning")
    last = session.catalog.policy()
    if last is None:
        return policy_change.Change(refusals=(), changes=())
    facts = policy_change.PolicyFacts.of(last, _old_text(session, last.sha256))
    facts = replace(facts, matters=tuple(one for one in facts.matters if one.id not in released))
    change = policy_change.compare(facts, session.policy)
    change.require(session.policy)
    return change


def bring_into_force(session: Session, change: policy_change.Change) -> Began:
    """Begin the log if it is empty, and enter the policy if it is not the one in force.

    Another host may do so at the same time, or have done so while the sources were looked at.
    """
    if _is_new(session, session.catalog.policy()):
        known = session.catalog.log_size()
        session.everywhere(lambda vault: vault.log.catch_up())
        if session.catalog.log_size() != known:
            change = check_policy(session)
    try:
        return _bring_into_force(session, change)
    except OvertakenError:
        return bring_into_force(session, check_policy(session))


def _is_new(session: Session, last: PolicyPredicate | None) -> bool:
    return last is None or last.sha256 != session.policy.sha256


def _bring_into_force(session: Session, change: policy_change.Change) -> Began:
    last = session.catalog.policy()
    is_new = _is_new(session, last)
    for matter in session.policy.matters if is_new else ():
        order_of(matter)  # read before anything is put: where one is missing, nothing was done
    stored = _begin_archive(session) if session.catalog.log_size() == 0 else None
    if is_new:
        _enter_policy(session, last, change, stored or _put_policy(session))
    here = {source.id for source in session.policy.sources}
    return Began(tuple(change.changes), tuple(sorted(session.catalog.sources_ever() - here)))


def _begin_archive(session: Session) -> Subject:
    """Enter what a log begins with; return the policy that it names, which is stored with it."""
    continues = session.state.continues
    session.everywhere(lambda vault: put_readme(session, vault))
    subject = _put_policy(session)
    predicate = ArchivePredicate(
        **session.seal.common(),
        origin=session.origin,
        log_vkey=session.lead.vkey,
        format=1,
        hash="sha-256",
        tree="rfc6962",
        leaf="archiver-leaf-v1",
        keys=[
            PublishedKey(
                keyid=key.keyid,
                role="statement" if "statement" in key.roles else "approver",
                pem=keys.to_pem(keys.load_public_pem(key.pem)),
            )
            for key in session.trust.statement_keys
        ],
        policy_sha256=session.policy.sha256,
        demo_keys=session.state.demo_keys,
        continues=continues,
    )
    _keep_and_enter(session, "archive", [subject], predicate)
    return subject


def _enter_policy(
    session: Session,
    last: PolicyPredicate | None,
    change: policy_change.Change,
    stored: Subject,
) -> None:
    """Enter the policy, which is `stored`, with the orders of its matters."""
    subjects = [stored]
    instruments: dict[str, str | None] = {matter.id: None for matter in session.policy.matters}
    for matter in session.policy.matters:
        order = order_of(matter)  # one at a time in memory
        if order is None:
            continue
        subject = order.subject
        session.put(subject.name, order.data)
        instruments[matter.id] = subject.digest.sha256
        if subject not in subjects:
            subjects.append(subject)
    changes = list(change.changes)
    if len(changes) > _MAX_CHANGES:
        changes = [*changes[:_MAX_CHANGES], f"and {len(changes) - _MAX_CHANGES} more"]
    predicate = PolicyPredicate(
        **session.seal.common(),
        revision=1 if last is None else last.revision + 1,
        sha256=session.policy.sha256,
        previous=None if last is None else last.sha256,
        matters=[
            MatterWords(
                id=matter.id,
                retain_until=format_instant(round_up(matter.hold.retain_until)),
                mode=matter.hold.lock_mode,
                legal_hold=True,
                instrument=instruments[matter.id],
            )
            for matter in session.policy.matters
        ],
        sources=[
            SourceWords(id=source.id, kind=source.kind, location=source.location, matters=list(source.matters))
            for source in session.policy.sources
        ],
        expected_every_hours=session.policy.expected_every_hours,
        changes=changes,
    )
    _keep_and_enter(session, "policy", subjects, predicate)


def _keep_and_enter(
    session: Session, kind: str, subjects: list[Subject], predicate: ArchivePredicate | PolicyPredicate
) -> None:
    key, envelope = session.seal.seal(kind, subjects, predicate)
    # A crash after this line leaves the signed envelope in the journal; the next run enters it before anything else.
    session.keep(key, envelope)
    session.enter(key, envelope)


def _put_policy(session: Session) -> Subject:
    key = layout.policy_key(session.policy.sha256)
    session.put(key, session.policy.text)
    return Subject.of(key, session.policy.sha256)


def _old_text(session: Session, sha256: str) -> bytes | None:
    """Return the text of the last policy, if need be from the archive, for the comparison of its rules."""
    if sha256 == session.policy.sha256:
        return session.policy.text
    for version in versions_of(session.store, layout.policy_key(sha256)):
        with session.store.read(version.key, version.version) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    return None


def put_readme(session: Session, vault: Vault) -> None:
    """Store the README of a destination, unless there is one."""
    if not versions_of(vault.store, layout.README):
        session.place(vault, layout.README, readme(session.on(vault)))
