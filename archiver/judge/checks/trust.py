"""Check 1: the trust file is read strictly, and its keys are keys that anyone should trust.

>>> trusted, findings = read_trust(b"{}")
>>> findings[0].code
'trust-unreadable'
"""

from __future__ import annotations

from archiver.errors import EvidenceError
from archiver.model.finding import Finding
from archiver.model.trust import TrustFile, parse_trust

__all__ = ["read_trust"]


def read_trust(data: bytes, name: str = "trust file") -> tuple[TrustFile | None, list[Finding]]:
    """Return the trust file, or None and why it cannot be used."""
    try:
        return parse_trust(data, name=name), []
    except EvidenceError as problem:
        finding = Finding.of(problem.code, name, "a trust file as published", problem.message, hint=problem.hint)
        return None, [finding]
