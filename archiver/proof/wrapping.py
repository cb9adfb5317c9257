"""Data keys wrapped for a recipient: X25519, HKDF-SHA256 and AES-256-GCM (FORMAT.md, Sealed objects).

    shared  = X25519(ephemeral private, recipient public), refused when it is all zero
    wrapper = HKDF-SHA256(shared, salt = ephemeral public || recipient public,
                          info = "archiver-wrap-v1" NUL archive_id NUL batch NUL matter, 32 bytes)
    wrapped = AES-256-GCM(wrapper, nonce = 12 zero bytes, data key, no additional data), 48 bytes

Laws: an ephemeral key is used once, so a wrapper encrypts one data key and its nonce cannot repeat; a wrapped key opens
for its archive, batch and matter alone. Randomness is passed in. Nothing here says what a key is in an error.

>>> wrapped = wrap(data_key, recipient, context, ephemeral=random(32))
>>> unwrap(wrapped, private, context) == data_key
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from archiver.errors import EvidenceError
from archiver.proof.digest import sha256_hex
from archiver.proof.keys import MAX_PEM, KeyRefusedError

__all__ = ["DATA_KEY", "WRAPPED", "Context", "WrappedKey", "load_recipient", "recipient_id", "unwrap", "wrap"]

DATA_KEY: Final = 32
WRAPPED: Final = DATA_KEY + 16
_NONCE: Final = bytes(12)
_LABEL: Final = b"archiver-wrap-v1"


@dataclass(frozen=True)
class Context:
    """What a wrapped key is for; it opens for nothing else."""

    archive_id: str
    batch: str
    matter: str

    def info(self) -> bytes:
        """Return the bytes that bind a wrapper to it; no part of them can have a NUL."""
        return b"\0".join([_LABEL, self.archive_id.encode(), self.batch.encode(), self.matter.encode()])


@dataclass(frozen=True)
class WrappedKey:
    """A data key for one recipient: the ephemeral public key, and the key encrypted under what both share."""

    ephemeral: bytes
    wrapped: bytes


def load_recipient(pem: str) -> X25519PublicKey:
    """Return the X25519 public key of a PEM block; raises `KeyRefusedError` for all but the one spelling of one."""
    try:
        key = load_pem_public_key(pem.encode("utf-8")) if len(pem) <= MAX_PEM else None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey) or _to_pem(key) != pem:
        raise KeyRefusedError("recipient: expected the PEM of an X25519 public key, found something else")
    return key


def recipient_id(public: X25519PublicKey) -> str:
    """Return the hex SHA-256 of the key's SubjectPublicKeyInfo in DER."""
    return sha256_hex(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def wrap(data_key: bytes, recipient: X25519PublicKey, context: Context, *, ephemeral: bytes) -> WrappedKey:
    """Wrap a data key with the 32 random bytes of an ephemeral private key that is used for nothing else."""
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    public = _raw(private.public_key())
    try:
        shared = private.exchange(recipient)
    except ValueError as problem:  # a recipient of low order: everybody would know what is shared
        raise KeyRefusedError("recipient: expected an X25519 public key of high order, found one of low order") from (
            problem
        )
    wrapper = _wrapper(shared, public + _raw(recipient), context)
    return WrappedKey(public, AESGCM(wrapper).encrypt(_NONCE, data_key, None))


def unwrap(wrapped: WrappedKey, private: X25519PrivateKey, context: Context) -> bytes:
    """Return the data key; raises `EvidenceError("sealed-key")` for another recipient, archive, batch or matter."""
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(wrapped.ephemeral))
        wrapper = _wrapper(shared, wrapped.ephemeral + _raw(private.public_key()), context)
        return AESGCM(wrapper).decrypt(_NONCE, wrapped.wrapped, None)
    except (InvalidTag, ValueError) as problem:
        raise EvidenceError(
            "sealed-key",
            f"sealed object of {context.batch}: expected a key that was wrapped for this recipient, this batch and the "
            f"matter {context.matter}, found one that does not open",
        ) from problem


def _wrapper(shared: bytes, salt: bytes, context: Context) -> bytes:
    return HKDF(algorithm=SHA256(), length=DATA_KEY, salt=salt, info=context.info()).derive(shared)


def _raw(public: X25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _to_pem(public: X25519PublicKey) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
