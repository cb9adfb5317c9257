"""Whether a good token is a qualified one: by the trust file, else by national lists that the auditor brings.

Laws: the trust file's own word on an authority comes first, and where it has none the lists are asked; of several lists
the one that was issued last and has an answer decides; without evidence the answer is unknown, and what the token says
of itself decides nothing. Every answer but unknown names its evidence (FORMAT.md, Timestamps, 14.6).

>>> [(line.qualified, line.qualified_by) for line in token_lines(archive.tokens, trusted, lists)]
[('yes', 'list 312 of DE, SHA-256 1c0f92aa: granted since 2017-06-01T00:00:00Z to ...')]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from archiver.judge.timestamps import TokenResult
from archiver.late import dataclass
from archiver.model.finding import Severity
from archiver.model.instant import format_instant, parse_instant
from archiver.model.trust import Qualified, TrustFile

if TYPE_CHECKING:
    from archiver.proof.trusted_list import TrustedList

__all__ = ["ListLine", "TokenLine", "list_lines", "token_lines"]

_Answer = tuple[Literal["yes", "no", "unknown"], str | None]


@dataclass(frozen=True)
class TokenLine:
    """One timestamp of the log: by whom, over what, when, whether it counts, and whether it is a qualified one."""

    key: str
    authority: str
    trusted_as: str | None
    log_size: int
    entry: int
    gen_time: str
    certificate_until: str
    result: str
    qualified: str
    qualified_by: str | None
    claims_qualified: bool


@dataclass(frozen=True)
class ListLine:
    """A national list that was asked; its own signature is not checked, so `signature_checked` is always False."""

    territory: str
    sequence: int
    issued: str
    sha256: str
    signature_checked: bool = False


def list_lines(lists: Iterable[TrustedList]) -> list[ListLine]:
    """Return lists as a report has them."""
    return [ListLine(one.territory, one.sequence, format_instant(one.issued), one.sha256) for one in lists]


def token_lines(
    tokens: Iterable[TokenResult], trusted: TrustFile, lists: Sequence[TrustedList] = ()
) -> list[TokenLine]:
    """Return tokens as a report has them."""
    stated = {authority.id: authority.qualified for authority in trusted.timestamps.tsas}
    asked = sorted(lists, key=lambda one: one.issued, reverse=True)
    return [_line(token, stated.get(token.tsa or ""), asked) for token in tokens]


def _line(token: TokenResult, stated: Qualified | None, lists: Sequence[TrustedList]) -> TokenLine:
    qualified, evidence = _answer(token, stated, lists) if token.good else ("unknown", None)
    return TokenLine(
        key=token.key,
        authority=token.authority,
        trusted_as=token.tsa,
        log_size=token.log_size,
        entry=token.entry,
        gen_time=token.gen_time,
        certificate_until=token.certificate_until,
        result="ok" if token.good else (token.severity or Severity.NOTE).value,
        qualified=qualified,
        qualified_by=evidence,
        claims_qualified=token.claims_qualified,
    )


def _answer(token: TokenResult, stated: Qualified | None, lists: Sequence[TrustedList]) -> _Answer:
    if stated is not None:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - few trust files say so

        listed = any(one.fingerprint(SHA256()).hex() in stated.certificates for one in token.path)
        stood = stated.valid_from <= token.gen_time and (
            stated.valid_until is None or token.gen_time <= stated.valid_until
        )
        return "yes" if listed and stood else "no", f"the trust file: {stated.source}"
    why = None
    for one in lists:
        standing = one.standing(token.path, parse_instant(token.gen_time))
        if standing.answer != "unknown":
            return standing.answer, f"{one}: {standing.why}"
        why = why or f"{one}: {standing.why}"
    return "unknown", why
