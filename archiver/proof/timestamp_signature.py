"""The signature under a token: the algorithms that authorities use, and no others.

RSA with PKCS #1 v1.5 or PSS, and ECDSA, each with SHA-256, SHA-384 or SHA-512; RSA keys of 2048 bits or more.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from archiver.errors import EvidenceError
from archiver.proof import der

__all__ = ["UNREADABLE", "check_signature", "hash_named", "refuse"]

UNREADABLE: Final = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    InvalidSignature,
    UnsupportedAlgorithm,
)
"""What cryptography raises about certificates that are none, or that it does not know."""

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_HASH_NAMES: Final = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_RSA_PLAIN: Final = "1.2.840.113549.1.1.1"
_RSA_PSS: Final = "1.2.840.113549.1.1.10"
_RSA: Final = {"1.2.840.113549.1.1.11": "sha256", "1.2.840.113549.1.1.12": "sha384", "1.2.840.113549.1.1.13": "sha512"}
_EC_PLAIN: Final = "1.2.840.10045.2.1"
_EC: Final = {"1.2.840.10045.4.3.2": "sha256", "1.2.840.10045.4.3.3": "sha384", "1.2.840.10045.4.3.4": "sha512"}
_MGF1: Final = "1.2.840.113549.1.1.8"
_LEAST_RSA_BITS: Final = 2048


def refuse(expected: str, found: str) -> EvidenceError:
    """Make the error for a token that is not as it must be."""
    return EvidenceError("timestamp-invalid", f"timestamp: expected {expected}, found {found}")


def hash_named(algorithm: der.Element) -> str:
    """Return the name of the hash in an AlgorithmIdentifier; SHA-1 and older ones are refused."""
    members = algorithm.expect(der.SEQUENCE, "a hash algorithm").children()
    name = der.oid(members[0]) if members else "nothing"
    if name not in _HASH_NAMES or any(one.raw != b"\x05\x00" for one in members[1:]):
        raise refuse("SHA-256, SHA-384 or SHA-512", name)
    return _HASH_NAMES[name]


def check_signature(
    signer: x509.Certificate, algorithm: der.Element, digest: str, signature: bytes, signed: bytes
) -> None:
    """Check a signature over bytes; raises `EvidenceError`. `digest` is the hash that the signer names beside it."""
    name = der.oid(algorithm.children()[0])
    try:
        public = signer.public_key()
        if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _LEAST_RSA_BITS:
            scheme, used = _rsa(algorithm, name, digest)
            public.verify(signature, signed, scheme, _HASHES[used])
        elif isinstance(public, ec.EllipticCurvePublicKey) and (name == _EC_PLAIN or name in _EC):
            public.verify(signature, signed, ec.ECDSA(_HASHES[_EC.get(name, digest)]))
        else:
            raise refuse("RSA of 2048 bits or more, or ECDSA", f"{type(public).__name__} with {name}")
    except (InvalidSignature, UnsupportedAlgorithm) as problem:
        raise refuse("a good signature by the authority's certificate", "another") from problem


def _rsa(algorithm: der.Element, name: str, digest: str) -> tuple[padding.AsymmetricPadding, str]:
    if name == _RSA_PSS:
        return _pss(algorithm)
    if name != _RSA_PLAIN and name not in _RSA:
        raise refuse("RSA with SHA-256, SHA-384 or SHA-512", name)
    return padding.PKCS1v15(), _RSA.get(name, digest)


def _pss(algorithm: der.Element) -> tuple[padding.AsymmetricPadding, str]:
    """Read the parameters of RSASSA-PSS; what is left out would mean SHA-1."""
    members = algorithm.children()
    stated = {one.tag: one.children() for one in members[1].children()} if members[1:] else {}
    if any(len(stated.get(der.context(number), ())) != 1 for number in range(3)):
        raise refuse("PSS with its hash, mask and salt", "less")
    used = hash_named(stated[der.context(0)][0])
    mask, inner = stated[der.context(1)][0].children()
    if der.oid(mask) != _MGF1 or hash_named(inner) != used:
        raise refuse("PSS with one hash", "two")
    salt = der.integer(stated[der.context(2)][0])
    if not 0 <= salt <= _HASHES["sha512"].digest_size:
        raise refuse("a salt as long as a hash", str(salt))
    return padding.PSS(padding.MGF1(_HASHES[used]), salt), used
