"""Verification keys: ECDSA P-256 and Ed25519, and what a good signature is.

    key        SubjectPublicKeyInfo, in PEM exactly as `openssl pkey -pubout` writes it
    key id     hex SHA-256 of the DER
    P-256      ECDSA with SHA-256, DER, 0 < s <= n/2, so that nobody can make a second signature out of a first
    Ed25519    RFC 8032, a key that is a point and not of low order

Everything else is refused: other curves, RSA, compressed points, explicit parameters, text around the PEM block.

>>> pem = to_pem(load_ed25519(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")))
>>> keyid(load_public_pem(pem))[:16]
'06e3fd8fda29bb60'
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from archiver.errors import EvidenceError, UsageError
from archiver.proof.digest import sha256_hex
from archiver.proof.edwards import is_trustworthy

__all__ = [
    "KeyRefusedError",
    "PublicKey",
    "SignatureError",
    "keyid",
    "load_ed25519",
    "load_public_pem",
    "raw_ed25519",
    "to_low_s",
    "to_pem",
    "verify",
]

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | Ed25519PublicKey

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MAX_PEM: Final = 4096  # a P-256 key has 178 characters


class KeyRefusedError(UsageError):
    """A public key that nobody should trust, or that is not one."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__(
            "key-refused", message, hint="ask for the public key again, as `openssl pkey -in KEY -pubout` writes it"
        )


class SignatureError(EvidenceError):
    """A signature is not good."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("signature-invalid", message)


def load_public_pem(pem: str) -> PublicKey:
    """Return the key of a PEM block; raises `KeyRefusedError` for all but the one spelling of a good key."""
    key = _parse_pem(pem)
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1):
            raise KeyRefusedError(f"public key: expected the curve P-256, found {key.curve.name}")
    elif not is_trustworthy(raw_ed25519(key)):
        raise KeyRefusedError("public key: expected a canonical Ed25519 point of high order, found another one")
    if to_pem(key) != pem:
        raise KeyRefusedError("public key: expected the PEM that `openssl pkey -pubout` writes, found another spelling")
    return key


@lru_cache(maxsize=256)  # the same few, for every checkpoint of a log
def load_ed25519(raw: bytes) -> Ed25519PublicKey:
    """Return the Ed25519 key of 32 bytes; raises `KeyRefusedError` for bytes that are no trustworthy point."""
    if not is_trustworthy(raw):
        raise KeyRefusedError("Ed25519 key: expected 32 bytes of a canonical point of high order, found others")
    return Ed25519PublicKey.from_public_bytes(raw)


def raw_ed25519(public: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of an Ed25519 key."""
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def keyid(public: PublicKey) -> str:
    """Return the hex SHA-256 of the key's SubjectPublicKeyInfo in DER."""
    return sha256_hex(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def to_pem(public: PublicKey) -> str:
    """Return the key's PEM, which `load_public_pem` takes back."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def verify(public: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a signature over a message; raises `SignatureError` unless it is good, and the only good one."""
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, message)
        else:
            _check_p256_form(signature)
            public.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature as problem:
        raise SignatureError(f"signature: expected one by key {keyid(public)}, found another") from problem


def to_low_s(signature: bytes) -> bytes:
    """Return the ECDSA P-256 signature with s <= n/2 that says the same; raises `SignatureError` when it is not DER."""
    r, s = _numbers(signature)
    return encode_dss_signature(r, min(s, P256_ORDER - s))


def _check_p256_form(signature: bytes) -> None:
    r, s = _numbers(signature)
    if encode_dss_signature(r, s) != signature:
        raise SignatureError("signature: expected DER, found another encoding of the same numbers")
    if s > P256_ORDER // 2:
        raise SignatureError("signature: expected s <= n/2, found the other s")


def _numbers(signature: bytes) -> tuple[int, int]:
    try:
        r, s = decode_dss_signature(signature)
    except ValueError as problem:
        raise SignatureError("signature: expected an ECDSA signature in DER") from problem
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        raise SignatureError("signature: expected numbers between 0 and the group order")
    return r, s


def _parse_pem(pem: str) -> PublicKey:
    if len(pem) > MAX_PEM:
        raise KeyRefusedError(f"public key: expected at most {MAX_PEM} characters, found {len(pem)}")
    try:
        key = load_pem_public_key(pem.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise KeyRefusedError(
            "public key: expected one PEM block of a P-256 or Ed25519 key, found something else"
        ) from problem
    if not isinstance(key, (ec.EllipticCurvePublicKey, Ed25519PublicKey)):
        raise KeyRefusedError(f"public key: expected P-256 or Ed25519, found {type(key).__name__}")
    return key
