"""What a signer promises, wherever its key lies: in a file, in a token, in a service.

A signer signs bytes, whole; hashing is its own business. What it returns is what `proof.keys.verify` accepts, and it is
checked before it is returned: a wrong signature in a locked object could never be taken back. No signer shows its
private key, in an error, in a `repr` or otherwise.

>>> isinstance(object(), Signer)
False
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archiver.errors import WorldError
from archiver.proof import keys
from archiver.proof.keys import PublicKey

__all__ = ["LogSigner", "Signer", "checked"]


@runtime_checkable
class Signer(Protocol):
    """Signs statements, with ECDSA P-256 (DER, s <= n/2) or Ed25519."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the public key's SubjectPublicKeyInfo."""
        ...

    @property
    def public(self) -> PublicKey:
        """The public key."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Return a signature over the whole message; raises `WorldError` when the key cannot be used."""
        ...


@runtime_checkable
class LogSigner(Protocol):
    """Signs checkpoints, and nothing else, with Ed25519. The name it signs under is given by the caller."""

    @property
    def public(self) -> Ed25519PublicKey:
        """The public key."""
        ...

    @property
    def public_bytes(self) -> bytes:
        """The public key's 32 bytes."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of the signature; the same message always gets the same."""
        ...


def checked(public: PublicKey, signature: bytes, message: bytes) -> bytes:
    """Return the signature if it is good; raises `WorldError("signing-failed")`.

    A flipped bit while signing would be locked away for years, and can tell the private key to whoever reads it.
    """
    try:
        keys.verify(public, signature, message)
    except keys.SignatureError as problem:
        raise WorldError(
            "signing-failed",
            f"key {keys.keyid(public)}: expected a good signature, found a bad one",
            hint="whatever holds the key computes wrongly; do not write with it before it was tested",
        ) from problem
    return signature
