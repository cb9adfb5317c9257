"""DSSE envelopes around statements: exactly three members, exactly one signature (FORMAT.md, Statements).

    {"payload":b64,"payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":hex,"sig":b64}]}

Signed is PAE(type, payload) = "DSSEv1" SP len(type) SP type SP len(payload) SP payload, lengths in bytes. The payload
is opaque here and stays the bytes it was. `keyid` proves nothing: the caller chooses the key to check with.

>>> pae("t", b"two")
b'DSSEv1 1 t 3 two'
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Any, Final, Protocol

from archiver.errors import EvidenceError
from archiver.late import dataclass
from archiver.proof import b64, canonical
from archiver.proof.digest import is_sha256_hex
from archiver.proof.keys import PublicKey, SignatureError, keyid, verify

__all__ = [
    "MAX_ENVELOPE",
    "PAYLOAD_TYPE",
    "Envelope",
    "EnvelopeError",
    "check",
    "known_payload",
    "open_envelope",
    "pae",
    "seal",
]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

MAX_ENVELOPE: Final = 65_535
"""What grows with the data is a report or a row, not a member of a statement; a C2SP log entry has the same limit."""


class Sealer(Protocol):
    """Whoever can sign: see `archiver.signing.base.Signer`."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the public key's DER."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Return a signature that `keys.verify` accepts."""
        ...


class EnvelopeError(EvidenceError):
    """Bytes are not an envelope of this format."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("envelope-malformed", message)


@dataclass(frozen=True)
class Envelope:
    """An envelope whose signature has not been checked yet."""

    payload: bytes
    keyid: str
    signature: bytes

    def encode(self) -> bytes:
        """Return the envelope's bytes: open_envelope(e.encode()) == e."""
        return canonical.encode(
            {
                "payload": b64.encode(self.payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"keyid": self.keyid, "sig": b64.encode(self.signature)}],
            }
        )


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed (DSSE v1, pre-authentication encoding)."""
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def seal(payload: bytes, signer: Sealer) -> bytes:
    """Sign a payload and return its envelope; the caller refuses one that is longer than `MAX_ENVELOPE`."""
    return Envelope(payload, signer.keyid, signer.sign(pae(PAYLOAD_TYPE, payload))).encode()


def open_envelope(data: bytes) -> Envelope:
    """Read an envelope strictly; raises `EnvelopeError`. What it says is to be believed only after `check`."""
    try:
        value = canonical.decode_plain(data, limit=MAX_ENVELOPE)  # all that is accepted below is text
    except canonical.CanonicalError as problem:
        raise EnvelopeError(f"envelope: {problem.message}") from problem
    if not isinstance(value, dict) or value.keys() != {"payload", "payloadType", "signatures"}:
        raise EnvelopeError("envelope: expected the members payload, payloadType and signatures, found others")
    if value["payloadType"] != PAYLOAD_TYPE:
        raise EnvelopeError(f"envelope: expected the payload type {PAYLOAD_TYPE}, found another")
    name, signature = _only_signature(value["signatures"])
    return Envelope(_bytes_of(value["payload"], "payload"), name, signature)


def known_payload(data: bytes) -> bytes:
    """Return the payload of an envelope that `open_envelope` has taken before."""
    value: Any = canonical.decode_known(data)
    return a2b_base64(value["payload"])


def check(envelope: Envelope, public: PublicKey) -> None:
    """Check that the envelope was sealed by this key; raises `SignatureError`."""
    verify(public, envelope.signature, pae(PAYLOAD_TYPE, envelope.payload))
    # A good signature under a false name would be a second envelope that says the same.
    if envelope.keyid != keyid(public):
        raise SignatureError(f"keyid: expected {keyid(public)}, found {envelope.keyid}")


def _only_signature(value: canonical.JSON) -> tuple[str, bytes]:
    if not isinstance(value, list) or len(value) != 1:
        raise EnvelopeError("envelope: expected exactly one signature")
    signature = value[0]
    if not isinstance(signature, dict) or signature.keys() != {"keyid", "sig"}:
        raise EnvelopeError("envelope: expected a signature with the members keyid and sig, found others")
    name = signature["keyid"]
    if not isinstance(name, str) or not is_sha256_hex(name):
        raise EnvelopeError("envelope: expected a keyid of 64 lower-case hex digits, found something else")
    return name, _bytes_of(signature["sig"], "sig")


def _bytes_of(value: canonical.JSON, member: str) -> bytes:
    if not isinstance(value, str):
        raise EnvelopeError(f"envelope: expected base64 text as {member}, found {type(value).__name__}")
    try:
        return b64.decode(value)
    except ValueError as problem:
        raise EnvelopeError(f"envelope: {member}: {problem}") from problem
