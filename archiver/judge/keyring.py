"""The keys that an auditor accepts for statements, and those that are only chained inside the archive.

Laws: a key is good when the trust file has it with the role that the kind needs; a key that only an earlier, good
`archive` or `key` statement names is chained: unknown, never good; a key with an end is good only when a bracket of
timestamps ends before it, whatever the statement itself says of its time; while nothing brackets it, it is unknown at
best. The log ends keys too, and takes no time into account: what a key signs after a good statement has retired or
revoked it fails, so that whoever finds an old key cannot go on with it, at whatever time they say that they did.

>>> keyring.judge("batch", keyid, "2026-11-23T12:00:00Z", brackets.of(17))
[]
"""

from __future__ import annotations

from typing import NamedTuple

from archiver.errors import ArchiverError
from archiver.judge.brackets import OPEN, Bracket
from archiver.late import dataclass
from archiver.model.finding import Severity
from archiver.model.statement import ArchivePredicate, KeyPredicate, Statement
from archiver.model.trust import StatementKey, TrustFile
from archiver.proof import dsse, keys
from archiver.proof.keys import PublicKey

__all__ = ["Keyring", "Objection", "is_signed"]


class Objection(NamedTuple):
    """Why a key is not good for a statement, in the words of a finding."""

    code: str
    expected: str
    actual: str
    severity: Severity


@dataclass(frozen=True)
class _Ended:
    """Where the log ends a key, and since when it is not to be believed where it was revoked."""

    position: int
    since: str | None


@dataclass(frozen=True)
class _Known:
    public: PublicKey
    words: StatementKey | None


class Keyring:
    """Keys by their id."""

    def __init__(self, trusted: TrustFile) -> None:
        """Begin with the keys of the trust file."""
        self._known = {key.keyid: _Known(keys.load_public_pem(key.pem), key) for key in trusted.statement_keys}
        self._ended: dict[str, _Ended] = {}

    def public(self, keyid: str) -> PublicKey | None:
        """Return a key to check a signature with; None for one that nobody named."""
        known = self._known.get(keyid)
        return None if known is None else known.public

    def judge(self, kind: str, keyid: str, at: str, bracket: Bracket = OPEN) -> list[Objection]:
        """Say what speaks against a key that has made a good signature under a statement.

        `at` is when the statement says it was made, `bracket` what timestamps prove about that.
        """
        words, ended = self._known[keyid].words, self._ended.get(keyid)
        if ended is not None:
            return [
                Objection(
                    "statement-key-expired",
                    f"entered before entry {ended.position}, by which the key ended",
                    f"signed by {keyid} after that, whatever time it claims",
                    Severity.FAILED,
                )
            ]
        if words is None:
            return [
                Objection(
                    "statement-key-unknown",
                    "a key of the trust file",
                    f"{keyid}, which only the archive itself names",
                    Severity.UNKNOWN,
                )
            ]
        role = "approver" if kind == "approval" else "statement"
        if role not in words.roles:
            return [
                Objection(
                    "statement-key-unknown",
                    f"a key with the role {role}",
                    f"{keyid} with {', '.join(words.roles)}",
                    Severity.FAILED,
                )
            ]
        return [*_too_early(words, at), *_too_late(words, at, bracket)]

    def revoked_by_the_log(self) -> dict[str, str]:
        """Return the keys that the log revokes and the trust file does not, each with since when."""
        found = {}
        for keyid, ended in self._ended.items():
            words = self._known[keyid].words if keyid in self._known else None
            if ended.since is not None and (words is None or words.revoked is None):
                found[keyid] = ended.since
        return found

    def learn(self, position: int, statement: Statement, *, chains: bool) -> None:
        """Take in what a statement that did not fail says about keys.

        It chains a key only when nothing at all speaks against its own key; it ends one in any case, as an end only
        ever takes away.
        """
        words = statement.predicate
        if isinstance(words, ArchivePredicate) and chains:
            for key in words.keys:
                self._chain(key.role, key.pem)
        elif isinstance(words, KeyPredicate) and words.action == "add" and chains:
            self._chain(words.role, words.pem)
        elif isinstance(words, KeyPredicate) and words.action != "add" and words.role != "log":
            # A log's key has no end here: the sizes in the trust file say what it signs.
            before = self._ended.get(words.keyid, _Ended(position, None))
            since = [one for one in (before.since, words.compromised_since) if one is not None]
            self._ended[words.keyid] = _Ended(before.position, min(since, default=None))

    def _chain(self, role: str, pem: str | None) -> None:
        if role == "log":
            return
        try:
            public = keys.load_public_pem(pem or "")
        except ArchiverError:
            return  # a key that nobody should trust chains nothing; what it signs is then by an unknown key
        self._known.setdefault(keys.keyid(public), _Known(public, None))


def _too_early(words: StatementKey, at: str) -> list[Objection]:
    if words.valid_from is None or at >= words.valid_from:
        return []
    return [Objection("statement-key-expired", f"made after {words.valid_from}", f"made at {at}", Severity.FAILED)]


def _too_late(words: StatementKey, at: str, bracket: Bracket) -> list[Objection]:
    """Hold a key's end against every statement that no timestamp brackets before it, whatever its own `at` says."""
    ends = [end for end in (words.valid_until, words.revoked.since if words.revoked else None) if end is not None]
    if not ends:
        return []
    end = min(ends)
    if at < end and bracket.ends_before(end):
        return []
    late = at >= end or (bracket.not_before is not None and bracket.not_before >= end)
    return [
        Objection(
            "statement-key-expired",
            f"made before the key's end, {end}",
            f"made at {at}{_proof(at, end, bracket)}",
            Severity.FAILED if late else Severity.UNKNOWN,
        )
    ]


def _proof(at: str, end: str, bracket: Bracket) -> str:
    """Say what timestamps make of the time that a statement claims."""
    if bracket.not_before is not None and bracket.not_before >= end:
        return f" by its own words, and not before {bracket.not_before} by a timestamp that the log had before it"
    if at >= end:
        return ""
    if bracket.not_after is None:
        return ", which is only a claim: no timestamp proves it"
    return f", which is only a claim: the first timestamp that covers it is of {bracket.not_after}"


def is_signed(data: bytes, trusted: TrustFile) -> bool:
    """Say whether bytes are an envelope with a good signature by a key of the trust file."""
    try:
        envelope = dsse.open_envelope(data)
        public = {key.keyid: key.pem for key in trusted.statement_keys}.get(envelope.keyid)
        if public is None:
            return False
        dsse.check(envelope, keys.load_public_pem(public))
    except ArchiverError:
        return False
    return True
