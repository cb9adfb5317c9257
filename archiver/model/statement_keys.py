"""Statements about keys: one is added, retired, revoked (FORMAT.md, Statements, `key`).

Laws: the statement holds the public key itself, and its keyid is that key's; its one subject is `key:<keyid>`. It adds
nothing to anybody's trust: a key that only the archive names stays unknown. It takes away: what a retired or revoked
key signs after it in the log does not count.

>>> subject_name("06e3fd8fda29bb60" + "0" * 48)[:12]
'key:06e3fd8f'
"""

from typing import Annotated, Literal

from archiver.errors import ArchiverError
from archiver.model.checked import Field, model_validator
from archiver.model.statement_words import Instant, Predicate, Sha256
from archiver.proof import keys, note

__all__ = ["KeyPredicate", "Role", "keyid_of_vkey", "subject_name"]

Role = Literal["statement", "log", "approver"]


class KeyPredicate(Predicate):
    """A key begins to sign, or has ended; `vkey` for the log's key, `pem` for all others."""

    action: Literal["add", "retire", "revoke"]
    role: Role
    keyid: Sha256
    pem: str | None
    vkey: str | None
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    compromised_since: Instant | None

    @model_validator(mode="after")
    def _is_one_key(self) -> "KeyPredicate":
        if (self.vkey is None) == (self.pem is None) or (self.vkey is not None) != (self.role == "log"):
            raise ValueError("expected vkey for the role log, pem for the others")
        if (self.compromised_since is not None) != (self.action == "revoke"):
            raise ValueError("expected compromised_since with revoke, and only there")
        try:
            found = (
                keyid_of_vkey(self.vkey) if self.vkey is not None else keys.keyid(keys.load_public_pem(self.pem or ""))
            )
        except ArchiverError as problem:
            raise ValueError(problem.message) from problem
        if found != self.keyid:
            raise ValueError(f"expected the keyid {found}")
        return self


def keyid_of_vkey(vkey: str) -> str:
    """Return the hex SHA-256 of the SubjectPublicKeyInfo of a log's key; raises `KeyRefusedError`."""
    return keys.keyid(keys.load_ed25519(note.parse_vkey(vkey).public))


def subject_name(keyid: str) -> str:
    """Return the subject of a statement about a key; its digest is the keyid."""
    return f"key:{keyid}"
