"""One token that a log names, judged at its own time: what `archiver.judge.timestamps` asks of each of them.

What reads certificates and tokens is slow to load; a log that names no token needs none of it.

>>> TokenReader(content, log, trusted).judge(position, statement, statement.predicate).good
True
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from archiver.errors import EvidenceError, WorldError
from archiver.judge.content import Content
from archiver.judge.log import Log
from archiver.judge.timestamps import TokenResult
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.instant import format_instant
from archiver.model.statement import Statement, TimestampPredicate
from archiver.model.trust import TrustFile
from archiver.proof import timestamp, timestamp_path

__all__ = ["TokenReader"]


class TokenReader:
    """Judges tokens by the roots of a trust file; the numbers are those of `archiver.judge.timestamps`."""

    def __init__(self, content: Content, log: Log, trusted: TrustFile) -> None:
        """Load the roots of the trust file."""
        self._content = content
        self._log = log
        self._authorities = [
            (authority, tuple(timestamp_path.load_root(root) for root in authority.roots))
            for authority in trusted.timestamps.tsas
        ]

    def judge(self, position: int, statement: Statement, words: TimestampPredicate) -> TokenResult:
        """Judge the token of an entry by what its statement says."""
        subjects = [subject.name for subject in statement.subject]
        key = subjects[1] if len(subjects) > 1 else statement.key
        result = TokenResult(
            entry=position,
            key=key,
            authority=words.authority,
            log_size=words.log_size,
            gen_time=words.gen_time,
            latest=words.gen_time,
            certificate_until=words.certificate_until,
        )
        try:
            self._check_statement(position, statement, words)
            return self._token(result, statement, words)
        except timestamp.UnknownAuthorityError as problem:
            return _failed(result, problem.message, Severity.UNKNOWN if self._authorities else None)
        except EvidenceError as problem:
            return _failed(result, problem.message, Severity.FAILED)
        except WorldError as problem:
            return _failed(result, problem.message, Severity.UNKNOWN)

    # 1

    def _check_statement(self, position: int, statement: Statement, words: TimestampPredicate) -> None:
        subjects = [subject.name for subject in statement.subject]
        response = statement.subject[1].digest.sha256 if len(subjects) > 1 else ""
        expected = [
            layout.timestamp_key(words.log_size, words.authority, response, kind)
            for kind in ("tsq", "tsr", "revocation")
        ]
        if subjects != expected:
            raise _refuse("request, response and revocation data as subjects", ", ".join(subjects))
        head = self._log.head(words.log_size)
        if head is None and words.log_size in self._log.unread_heads:
            raise WorldError(
                "object-unreadable",
                f"timestamp: expected the checkpoint of size {words.log_size}, found one that cannot be read",
            )
        if words.log_size > position or head is None:
            raise _refuse(f"a checkpoint that entry {position} does not come before", f"one of size {words.log_size}")
        root, signed = head
        if (words.log_root, words.imprint) != (root.hex(), sha256(signed).hexdigest()):
            raise _refuse(f"root and imprint of the checkpoint of size {words.log_size}", "others")

    # 2 to 4

    def _token(self, result: TokenResult, statement: Statement, words: TimestampPredicate) -> TokenResult:
        request = timestamp.parse_request(self._stored(statement, 0, timestamp.MAX_REQUEST))
        response = self._stored(statement, 1, timestamp.MAX_RESPONSE)
        imprint = bytes.fromhex(words.imprint)
        if request.imprint != imprint:
            raise _refuse(f"a request to stamp {words.imprint}", request.imprint.hex())
        roots = [root for _, some in self._authorities for root in some]
        verified = timestamp.verify(response, imprint=imprint, nonce=request.nonce, roots=roots)
        token = verified.token
        said = (words.gen_time, words.serial, words.policy)
        found = (format_instant(token.gen_time), str(token.serial), token.policy)
        if said != found:
            raise _refuse(f"a token of {', '.join(found)}, as it says itself", ", ".join(said))
        authority = next(one for one, some in self._authorities if verified.path[-1] in some)
        return replace(
            result,
            latest=format_instant(token.latest),
            certificate_until=format_instant(verified.path[0].not_valid_after_utc),
            tsa=authority.id,
            path=verified.path,
            claims_qualified=token.claims_qualified,
        )

    def _stored(self, statement: Statement, place: int, limit: int) -> bytes:
        subject = statement.subject[place]
        with self._content.object(subject.name, subject.digest.sha256) as stream:
            return stream.read(limit + 1)


def _failed(result: TokenResult, problem: str, severity: Severity | None) -> TokenResult:
    return replace(result, severity=severity, problem=problem.removeprefix("timestamp: "))


def _refuse(expected: str, found: str) -> EvidenceError:
    return EvidenceError("timestamp-invalid", f"timestamp: expected {expected}, found {found}")
