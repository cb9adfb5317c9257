"""The statement of a batch that a proof brings along: signed by a key of the trust file, and in a log of it.

>>> stated_batch(envelope, tlog_proof, trust).predicate.id
'20260126T090002Z-6f7a8b-model_logs-00000000'
"""

from __future__ import annotations

from hashlib import sha256

from archiver.errors import EvidenceError
from archiver.flows.prove import members
from archiver.flows.reading import UnknownError
from archiver.late import dataclass
from archiver.model.statement import Statement, parse_statement
from archiver.model.statement_snapshot import BatchPredicate
from archiver.model.trust import StatementKey, TrustFile
from archiver.proof import dsse, entry, keys, merkle, note, tlog_proof
from archiver.proof.checkpoint import Checkpoint, open_cosigned, parse_text

__all__ = ["StatedBatch", "stated_batch"]


@dataclass(frozen=True)
class StatedBatch:
    """What was stated, by which key, and where it stands: the entry, of a log of so many, and their root in hex."""

    predicate: BatchPredicate
    keyid: str
    origin: str
    entry: int
    log_size: int
    root: str


def stated_batch(envelope: bytes, proof: bytes, trust: TrustFile) -> StatedBatch:
    """Check an envelope and its tlog-proof against a trust file alone; raises `EvidenceError` and `UnknownError`."""
    opened, key = _signed(envelope, trust)
    statement = parse_statement(opened.payload)
    predicate = statement.predicate
    if not isinstance(predicate, BatchPredicate):
        raise EvidenceError("proof-malformed", f"proof: expected the statement of a batch, found a {statement.kind}")
    if (predicate.archive, predicate.archive_id) != (trust.archive, trust.archive_id):
        raise EvidenceError("statement-archive", f"proof: expected the archive {trust.archive}, found another")
    checkpoint, index = _logged(envelope, proof, statement, trust)
    return StatedBatch(predicate, key.keyid, checkpoint.origin, index, checkpoint.size, checkpoint.root.hex())


def _signed(data: bytes, trust: TrustFile) -> tuple[dsse.Envelope, StatementKey]:
    """Open an envelope that a statement key of the trust file has signed; return it and the key."""
    envelope = dsse.open_envelope(data)
    key = next((one for one in trust.statement_keys if one.keyid == envelope.keyid), None)
    if key is None or "statement" not in key.roles:
        raise UnknownError(
            "statement-key-unknown",
            f"proof: expected a statement key of the trust file, found {envelope.keyid}",
            hint="ask the operator for the trust file of this archive",
        )
    dsse.check(envelope, keys.load_public_pem(key.pem))
    if key.valid_until is not None or key.revoked is not None or key.valid_from is not None:
        _check_period(envelope, key)
    return envelope, key


def _check_period(envelope: dsse.Envelope, key: StatementKey) -> None:
    """Refuse a key that has ended: it proves nothing without a timestamp from before its end, and a proof has none."""
    at = parse_statement(envelope.payload).predicate.at
    if key.valid_from is not None and at < key.valid_from:
        raise EvidenceError("statement-key-expired", f"proof: expected a statement after {key.valid_from}, found {at}")
    ends = [end for end in (key.valid_until, key.revoked.since if key.revoked else None) if end is not None]
    if ends and at >= min(ends):
        raise EvidenceError("statement-key-expired", f"proof: expected a statement before {min(ends)}, found {at}")
    if ends:
        raise UnknownError(
            "statement-key-expired",
            f"proof: expected a key without an end, found one that ended {min(ends)}; that the statement is older is "
            "only a claim",
            hint="run `archiver verify` on the archive, where timestamps may show it",
        )


def _logged(envelope: bytes, proof: bytes, statement: Statement, trust: TrustFile) -> tuple[Checkpoint, int]:
    """Return the checkpoint that covers the statement, and the statement's place in the log."""
    data = entry.encode(statement.key, sha256(envelope).hexdigest())
    parsed = tlog_proof.parse_proof(proof)
    if parsed.extra is not None:
        raise members.malformed("a tlog-proof without the line extra, which nobody signs")
    claimed = parse_text(note.parse_note(parsed.checkpoint).text)
    log = next((one for one in trust.logs if one.origin == claimed.origin), None)
    if log is None:
        raise UnknownError(
            "log-missing",
            f"proof: expected a log of the trust file, found {claimed.origin}",
            hint="ask the operator for the trust file of this archive",
        )
    vkeys = [
        note.parse_vkey(key.vkey)
        for key in log.keys
        if key.from_size <= claimed.size and (key.to_size is None or claimed.size <= key.to_size)
    ]
    checkpoint = _open_checkpoint(parsed.checkpoint, vkeys)
    leaf_hash = merkle.leaf_hash(data)
    merkle.verify_inclusion(leaf_hash, parsed.index, checkpoint.size, parsed.path, checkpoint.root)
    if log.seen is not None and log.seen.size == checkpoint.size and log.seen.root != checkpoint.root.hex():
        raise EvidenceError(
            "log-fork",
            f"{log.origin}: expected the root {log.seen.root} at size {checkpoint.size} as seen, found another, signed",
            hint="keep both checkpoints: they prove that the log key signed two histories",
        )
    return checkpoint, parsed.index


def _open_checkpoint(data: bytes, vkeys: list[note.VerifierKey]) -> Checkpoint:
    problem = EvidenceError("log-signature", "proof: expected a checkpoint of a size that a trusted key signs")
    for vkey in vkeys:
        try:
            return open_cosigned(data, vkey)
        except EvidenceError as error:
            problem = error
    raise problem
