"""Members of a proof file, each of its one type; anything else is `proof-malformed` (FORMAT.md, Proof files)."""

from __future__ import annotations

from archiver.errors import EvidenceError
from archiver.proof import b64, canonical

__all__ = ["data", "malformed", "number", "text"]


def text(value: dict[str, canonical.JSON], name: str) -> str:
    """Return a member that is text."""
    found = value[name]
    if not isinstance(found, str):
        raise malformed(f"text as {name}")
    return found


def number(value: dict[str, canonical.JSON], name: str) -> int:
    """Return a member that is a count."""
    found = value[name]
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise malformed(f"a count as {name}")
    return found


def data(value: dict[str, canonical.JSON], name: str) -> bytes:
    """Return the bytes of a member that is base64."""
    try:
        return b64.decode(text(value, name))
    except ValueError as problem:
        raise malformed(f"base64 as {name}") from problem


def malformed(expected: str) -> EvidenceError:
    """Return the error for a proof that is not as it should be."""
    return EvidenceError("proof-malformed", f"proof: expected {expected}, found something else")
