"""The tokens that a log names, each judged at its own time (FORMAT.md, Timestamps, 14.2).

    1  the statement, whoever signed it: well-formed, over a checkpoint of the log that is older than its entry
    2  request and response are stored as the subjects state
    3  the token is good for that checkpoint's bytes and the request's nonce, on a path to a root of the trust file
    4  what the statement says of the token is so

A token counts only when all of it holds. Signatures of statements are judged elsewhere, with the brackets that come of
this; the log's hashes bind a token whoever entered it.

>>> [(token.authority, token.gen_time, token.good) for token in read_tokens(inventory, content, log, trusted)]
[('tsa.example.com', '2026-11-23T12:00:00Z', True)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from cryptography import x509

from archiver.errors import EvidenceError, WorldError
from archiver.judge.brackets import Stamp
from archiver.judge.content import Content
from archiver.judge.inventory import Inventory
from archiver.judge.log import Log
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.instant import format_instant
from archiver.model.statement import Statement, TimestampPredicate, parse_statement
from archiver.model.trust import TrustFile
from archiver.proof import dsse, entry, timestamp, timestamp_path

__all__ = ["TokenResult", "read_tokens", "stamps_of"]

_KIND: Final = "timestamp"


@dataclass(frozen=True)
class TokenResult:
    """A token that a statement names, and what came of it.

    `tsa` is the trust file's name for the authority, None where the token is not good or nobody vouches for it, and
    `path` has the certificates of a good one, from the authority's own to the root.
    `severity` is None for a good token, and for one that a trust file without any authorities cannot judge.
    """

    entry: int
    key: str
    authority: str
    log_size: int
    gen_time: str
    latest: str
    certificate_until: str
    tsa: str | None = None
    path: tuple[x509.Certificate, ...] = ()
    claims_qualified: bool = False
    severity: Severity | None = None
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether it counts."""
        return self.tsa is not None


def read_tokens(inventory: Inventory, content: Content, log: Log, trusted: TrustFile) -> list[TokenResult]:
    """Judge every token that the log names, in log order."""
    reader = _Reader(inventory, content, log, trusted)
    return [found for position, data in log.entries() for found in reader.take(position, data)]


def stamps_of(tokens: Iterable[TokenResult]) -> list[Stamp]:
    """Return what the good ones prove."""
    return [Stamp(token.entry, token.log_size, token.gen_time, token.latest) for token in tokens if token.good]


class _Reader:
    def __init__(self, inventory: Inventory, content: Content, log: Log, trusted: TrustFile) -> None:
        self._inventory = inventory
        self._content = content
        self._log = log
        self._authorities = [
            (authority, tuple(timestamp_path.load_root(root) for root in authority.roots))
            for authority in trusted.timestamps.tsas
        ]

    def take(self, position: int, data: bytes) -> Iterator[TokenResult]:
        """Judge the token of an entry, if it is about one."""
        try:
            named = entry.decode(data)
        except EvidenceError:
            return  # check 4 says so
        if (layout.statement_of_key(named.key) or ("",))[0] != _KIND:
            return
        statement = self._statement(named)
        if statement is not None and isinstance(statement.predicate, TimestampPredicate):
            yield self._judge(position, statement, statement.predicate)

    # 1

    def _statement(self, named: entry.Entry) -> Statement | None:
        """Return the statement of an entry; what is not stored or not well-formed is a finding of check 4."""
        for listed in self._inventory.versions(named.key):
            try:
                envelope = self._content.small(listed, dsse.MAX_ENVELOPE)
                if sha256(envelope).hexdigest() == named.sha256:
                    return parse_statement(dsse.open_envelope(envelope).payload)
            except (EvidenceError, WorldError):
                continue
        return None

    def _judge(self, position: int, statement: Statement, words: TimestampPredicate) -> TokenResult:
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
