r"""A log's second signature, ML-DSA-65 (FIPS 204), for the day on which nobody trusts elliptic curves any more.

    signature line   U+2014 SP origin SP base64(key hash || signature of 3,309 bytes)
    signed           the checkpoint's text, with the context "urn:archiver:checkpoint:v1"
    key hash         SHA-256(origin || 0x0A || type || key)[:4], type = 0xFF || "urn:archiver:ml-dsa-65:v1"
    vkey             origin "+" hex(key hash) "+" base64(type || key of 1,952 bytes)

It stands beside the checkpoint, as `log/cosignatures/<size>/<key hash>`, never in it: stock readers of checkpoints and
single-signature readers of envelopes refuse what they do not know. One line over a checkpoint covers every statement
before it, as SHA-256 binds them all. 0xFF is the type that C2SP leaves to others.

>>> len(TYPE)
26
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from archiver.late import dataclass, pattern
from archiver.proof import b64
from archiver.proof.keys import KeyRefusedError, SignatureError
from archiver.proof.note import NoteSignature, is_name

__all__ = ["CONTEXT", "TYPE", "PostQuantumKey", "PostQuantumSigner", "check_line", "parse_vkey", "sign_line"]

TYPE: Final = b"\xff" + b"urn:archiver:ml-dsa-65:v1"
CONTEXT: Final = b"urn:archiver:checkpoint:v1"
_KEY_BYTES: Final = 1952
_HASH_BYTES: Final = 4
_VKEY: Final = pattern(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,4096})")


class PostQuantumSigner(Protocol):
    """Whoever can sign so: see `archiver.signing.post_quantum`."""

    @property
    def public_bytes(self) -> bytes:
        """The 1,952 bytes of the public key."""
        ...

    def sign(self, message: bytes, context: bytes, /) -> bytes:
        """Return the 3,309 bytes of a signature; two over one message differ."""
        ...


@dataclass(frozen=True)
class PostQuantumKey:
    """A key and the log that it signs; `str` gives the vkey."""

    origin: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_name(self.origin):
            raise KeyRefusedError(f"post-quantum key: expected the name of a log, found {self.origin!r}")
        if len(self.public) != _KEY_BYTES:
            raise KeyRefusedError(f"post-quantum key: expected {_KEY_BYTES} bytes, found {len(self.public)}")

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes by which signature lines name the key."""
        return hashlib.sha256(self.origin.encode() + b"\n" + TYPE + self.public).digest()[:_HASH_BYTES]

    @property
    def keyid(self) -> str:
        """The hex SHA-256 of the vkey: what people compare."""
        return hashlib.sha256(str(self).encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.origin}+{self.key_hash.hex()}+{b64.encode(TYPE + self.public)}"


def parse_vkey(text: str) -> PostQuantumKey:
    """Read a vkey; raises `KeyRefusedError` for another type, a wrong hash or a key of another length."""
    found = _VKEY.fullmatch(text)
    if found is None:
        raise KeyRefusedError(f"post-quantum key: expected name+hash+key, found {text[:120]!r}")
    try:
        typed = b64.decode(found[3])
    except ValueError as problem:
        raise KeyRefusedError(f"post-quantum key: {problem}") from problem
    if not typed.startswith(TYPE):
        raise KeyRefusedError("post-quantum key: expected the type of ML-DSA-65, found another")
    key = PostQuantumKey(found[1], typed[len(TYPE) :])
    if key.key_hash.hex() != found[2]:
        raise KeyRefusedError(f"post-quantum key: expected the key hash {key.key_hash.hex()}, found {found[2]}")
    return key


def sign_line(text: str, origin: str, signer: PostQuantumSigner) -> NoteSignature:
    """Return the signature line over a checkpoint's text, which was checked before it is returned."""
    key = PostQuantumKey(origin, signer.public_bytes)
    line = NoteSignature(origin, key.key_hash, signer.sign(text.encode(), CONTEXT))
    check_line(text, line, key)
    return line


def check_line(text: str, line: NoteSignature, key: PostQuantumKey) -> None:
    """Check that a line is this key's, over this text; raises `SignatureError`."""
    if (line.name, line.key_hash) != (key.origin, key.key_hash):
        raise SignatureError(f"signature line: expected one by {key.origin}+{key.key_hash.hex()}, found another's")
    try:
        MLDSA65PublicKey.from_public_bytes(key.public).verify(line.signature, text.encode(), CONTEXT)
    except InvalidSignature as problem:
        raise SignatureError("signature line: expected a good ML-DSA-65 signature, found a bad one") from problem
