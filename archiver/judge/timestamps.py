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

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from archiver.errors import EvidenceError, WorldError
from archiver.judge.brackets import Stamp
from archiver.judge.content import Content
from archiver.judge.inventory import Inventory
from archiver.judge.log import Log
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.statement import Statement, TimestampPredicate, parse_statement
from archiver.model.trust import TrustFile
from archiver.proof import dsse, entry

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["TokenResult", "read_tokens", "stamps_of"]

_KIND: Final = "timestamp"
_BEGINS: Final = f'{{"key":"statements/{_KIND}/'.encode()
"""How an entry about a token begins: an entry has one spelling."""


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
    named = [(position, found) for position, data in log.entries() if (found := _named(data)) is not None]
    if not named:
        return []
    from archiver.judge.tokens import TokenReader  # noqa: PLC0415 - it says why

    reader = TokenReader(content, log, trusted)
    judged = ((position, _statement(inventory, content, one)) for position, one in named)
    return [
        reader.judge(position, statement, statement.predicate)
        for position, statement in judged
        if statement is not None and isinstance(statement.predicate, TimestampPredicate)
    ]


def stamps_of(tokens: Iterable[TokenResult]) -> list[Stamp]:
    """Return what the good ones prove."""
    return [Stamp(token.entry, token.log_size, token.gen_time, token.latest) for token in tokens if token.good]


def _named(data: bytes) -> entry.Entry | None:
    """Return an entry that is about a token; one that is no entry is a finding of check 4."""
    if not data.startswith(_BEGINS):
        return None
    try:
        named = entry.decode(data)
    except EvidenceError:
        return None
    return named if (layout.statement_of_key(named.key) or ("",))[0] == _KIND else None


def _statement(inventory: Inventory, content: Content, named: entry.Entry) -> Statement | None:
    """Return the statement of an entry; what is not stored or not well-formed is a finding of check 4."""
    for listed in inventory.versions(named.key):
        try:
            envelope = content.small(listed, dsse.MAX_ENVELOPE)
            if sha256(envelope).hexdigest() == named.sha256:
                return parse_statement(dsse.open_envelope(envelope).payload)
        except (EvidenceError, WorldError):
            continue
    return None
