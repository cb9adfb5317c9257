"""The approver's part of a release, done without the archive: look at the request, sign for exactly its bytes.

Laws: an approval names the request by its SHA-256 and nothing else; it is signed with the approver's own key; a key
approves once it is admitted to the operator's trust file, and counts for an auditor whose trust file has it, too.

>>> envelope = approve(data, signer, by=by, clock=clock, random=random)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from archiver.errors import ArchiverError, UsageError
from archiver.events import Listener
from archiver.flows.key.facts import key_statements
from archiver.flows.key.rotate import state_key
from archiver.flows.session import Session, open_session, own_trust, replace_trust, trust_path
from archiver.flows.state import StateFolder
from archiver.flows.timestamps.at_end import NO_STAMPS, AtEnd, stamp_at_end
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.policy import Policy
from archiver.model.statement import By, Subject, parse_statement
from archiver.model.statement_holds import APPROVALS, ApprovalPredicate, Request, parse_request
from archiver.model.trust import StatementKey, TrustFile
from archiver.proof import dsse, keys
from archiver.signing.base import Signer
from archiver.writer.seal import Seal

__all__ = ["REQUEST_NAME", "Admitted", "Approval", "admit", "approve", "open_approvals", "read_request"]

REQUEST_NAME = "release-request.json"


@dataclass(frozen=True)
class Admitted:
    """An approver who was admitted: their key's id, the trust file as it is now, the statement that says so."""

    keyid: str
    trust: TrustFile
    statement: str | None
    timestamps: AtEnd


@dataclass(frozen=True)
class Approval:
    """An approval that was checked: its key in the archive, its envelope, its id and the approver's key."""

    key: str
    envelope: bytes
    id: str
    keyid: str


def approve(
    data: bytes, signer: Signer, *, by: By, clock: Callable[[], datetime], random: Callable[[int], bytes]
) -> tuple[Request, bytes]:
    """Sign for a request; return what it asks for, and the envelope to hand back to the operator."""
    request = read_request(data)
    seal = Seal(signer, request.archive, request.archive_id, by, clock, random)
    digest = sha256(data).hexdigest()
    predicate = ApprovalPredicate(**seal.common(), keyid=signer.keyid, kind="release", sha256=digest)
    subject = Subject.of(layout.report_key(digest, REQUEST_NAME), digest)
    return request, seal.seal("approval", [subject], predicate)[1]


def open_approvals(envelopes: list[bytes], request: bytes, trust: TrustFile, operator: set[str]) -> list[Approval]:
    """Check approvals against the request and the trust file; raises `UsageError("approval-refused")`.

    `operator` has the keys that sign releases: none of them may approve its own.
    """
    digest = sha256(request).hexdigest()
    found = [_open(data, digest, trust) for data in envelopes]
    approvers = {one.keyid for one in found} - operator
    if len(approvers) < APPROVALS:
        raise UsageError(
            "approval-refused",
            f"approvals: expected {APPROVALS} by different approvers, found {len(approvers)}",
            hint="each approver signs the same request: archiver hold approve REQUEST --key THEIR_KEY -o FILE",
        )
    return found


def admit(
    policy: Policy,
    pem: str,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Admitted:
    """Add an approver's public key to the log and to the operator's own trust file.

    Before the log has begun it is the first statement of the archive that will name the approver.
    """
    trust, path = own_trust(policy), trust_path(policy)
    try:
        keyid = keys.keyid(keys.load_public_pem(pem))
    except ArchiverError as problem:
        raise UsageError(
            "approver-refused", f"public key: {problem.message}", hint="ask for the PEM again"
        ) from problem
    known = keyid in {key.keyid for key in trust.statement_keys}
    statement, at_end = None, NO_STAMPS
    if StateFolder(policy.state).exists:
        with open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session:
            statement = _state_approver(session, keyid, pem)
            at_end = NO_STAMPS if statement is None else stamp_at_end(session)
        trust = own_trust(policy)  # which names the authorities, if that was the first stamp
    # A crash here leaves an approver whom only the log names; the same command again writes the trust file.
    if known and statement is None:
        raise UsageError("approver-known", f"{path}: expected no key {keyid}, found it", hint="it is admitted already")
    if not known:
        words = StatementKey(keyid=keyid, pem=pem, roles=["approver"], valid_from=None, valid_until=None, revoked=None)
        trust = trust.model_copy(update={"statement_keys": [*trust.statement_keys, words]})
        replace_trust(policy, trust)
    return Admitted(keyid, trust, statement, at_end)


def _state_approver(session: Session, keyid: str, pem: str) -> str | None:
    """Enter that an approver's key is added; None where the log says so, or has not begun."""
    session.everywhere(lambda vault: vault.log.catch_up())
    archive = session.catalog.archive()
    known = {one.keyid for _, one in key_statements(session.catalog)}
    if archive is None or keyid in known | {one.keyid for one in archive.keys}:
        return None
    words: dict[str, str | None] = {"action": "add", "role": "approver", "keyid": keyid, "pem": pem, "vkey": None}
    return state_key(session, {**words, "reason": "may approve releases"})


def read_request(data: bytes) -> Request:
    """Read a request as it was written; raises `UsageError("request-refused")`."""
    try:
        return parse_request(data)
    except ArchiverError as problem:
        raise UsageError(
            "request-refused", problem.message, hint="take the file that `archiver hold request` wrote, unchanged"
        ) from problem


def _open(data: bytes, digest: str, trust: TrustFile) -> Approval:
    approvers = {key.keyid: key.pem for key in trust.statement_keys if "approver" in key.roles and key.revoked is None}
    try:
        envelope = dsse.open_envelope(data)
        statement = parse_statement(envelope.payload)
        if envelope.keyid in approvers:
            dsse.check(envelope, keys.load_public_pem(approvers[envelope.keyid]))
    except ArchiverError as problem:
        raise UsageError("approval-refused", f"approval: {problem.message}", hint="ask for it again") from problem
    if envelope.keyid not in approvers:
        raise UsageError(
            "approval-refused",
            f"approval: expected the key of an approver, found {envelope.keyid}",
            hint="admit their public key first: archiver hold admit FILE",
        )
    words = statement.predicate
    if not isinstance(words, ApprovalPredicate) or words.keyid != envelope.keyid:
        raise UsageError("approval-refused", f"approval: expected an approval, found a {statement.kind}")
    if (words.archive_id, words.sha256) != (trust.archive_id, digest):
        raise UsageError(
            "approval-refused",
            f"approval by {words.keyid}: expected one of the request {digest}, found one of {words.sha256}",
            hint="both approvers must sign the same request file",
        )
    return Approval(statement.key, data, statement.id, envelope.keyid)
