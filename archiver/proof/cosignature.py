r"""Cosignatures of witnesses (c2sp.org/tlog-cosignature): cosignature/v1, Ed25519, key type 0x04.

    signature line   U+2014 SP name SP base64(key hash || u64be time || signature of 64 bytes)
    signed           "cosignature/v1\ntime <decimal seconds since 1970>\n" || the checkpoint's text
    key hash         SHA-256(name || 0x0A || 0x04 || key)[:4]
    vkey             name "+" hex(key hash) "+" base64(0x04 || key)

A witness says with it: I saw this head of the log at that time, and it continues every head that I saw before. The type
keeps the key apart from keys that sign logs: the same 32 bytes under 0x01 are another key with another hash.

>>> signed_bytes("example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", 1)[:22]
b'cosignature/v1\ntime 1\n'
"""

from __future__ import annotations

import hashlib
from typing import Final

from archiver.late import dataclass, pattern
from archiver.proof import b64
from archiver.proof.keys import KeyRefusedError, SignatureError, load_ed25519, verify
from archiver.proof.note import Note, NoteError, NoteSignature, NoteSigner, is_name, parse_note

__all__ = ["MAX_LINES", "WitnessKey", "cosign", "cosigned_at", "parse_lines", "parse_witness_key", "signed_bytes"]

MAX_LINES: Final = 65_536
"""Bytes of signature lines by one witness: one has about 200."""

_TYPE: Final = b"\x04"
_HASH_BYTES: Final = 4
_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 64
_LAST_TIME: Final = 253402300799  # the end of the year 9999, the last that an instant can spell
_VKEY: Final = pattern(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class WitnessKey:
    """A witness: its name and its key; `str` gives the vkey. The key is checked where it is made."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise KeyRefusedError(f"witness: expected a name without spaces, control characters or +: {self.name!r}")
        load_ed25519(self.public)

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes by which signature lines name the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _TYPE + self.public).digest()[:_HASH_BYTES]

    @property
    def fingerprint(self) -> str:
        """The hex SHA-256 of the vkey, to be read out: the 4 bytes of the hash can be imitated, these cannot."""
        return hashlib.sha256(str(self).encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{b64.encode(_TYPE + self.public)}"


def parse_witness_key(text: str) -> WitnessKey:
    """Read a witness's vkey; raises `KeyRefusedError` for another type, a wrong hash or a key that is no good point."""
    found = _VKEY.fullmatch(text)
    if found is None:
        raise KeyRefusedError(f"witness: expected name+hash+key, found {text[:120]!r}")
    try:
        typed = b64.decode(found[3])
    except ValueError as problem:
        raise KeyRefusedError(f"witness: {problem}") from problem
    if typed[:1] != _TYPE:
        raise KeyRefusedError(f"witness: expected a key of type 04 (cosignature/v1), found {typed[:1].hex()}")
    key = WitnessKey(found[1], typed[1:])
    if key.key_hash.hex() != found[2]:
        raise KeyRefusedError(f"witness: expected the key hash {key.key_hash.hex()}, found {found[2]}")
    return key


def signed_bytes(text: str, time: int) -> bytes:
    """Return what a witness signs for a checkpoint's text at a time."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosign(text: str, time: int, name: str, signer: NoteSigner) -> NoteSignature:
    """Return a witness's signature line over a checkpoint's text; `time` in seconds since 1970."""
    if not 0 < time <= _LAST_TIME:
        raise ValueError(f"cosignature: expected a time between 1 and {_LAST_TIME}, found {time}")
    key = WitnessKey(name, signer.public_bytes)
    signature = signer.sign(signed_bytes(text, time))
    return NoteSignature(name, key.key_hash, time.to_bytes(_TIME_BYTES, "big") + signature)


def cosigned_at(text: str, line: NoteSignature, key: WitnessKey) -> int:
    """Return when this witness cosigned this text; raises `SignatureError` unless the line is its own and good."""
    if (line.name, line.key_hash) != (key.name, key.key_hash):
        raise SignatureError(f"cosignature: expected one by {key.name}+{key.key_hash.hex()}, found another's")
    if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise SignatureError(f"cosignature: expected a time and a signature, found {len(line.signature)} bytes")
    time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    if not 0 < time <= _LAST_TIME:
        raise SignatureError(f"cosignature: expected a time between the years 1970 and 9999, found {time}")
    verify(load_ed25519(key.public), line.signature[_TIME_BYTES:], signed_bytes(text, time))
    return time


def parse_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """Read signature lines as they stand under `log/cosignatures/`; raises `NoteError`. They are not checked yet."""
    if len(data) > MAX_LINES:
        raise NoteError(f"cosignatures: expected at most {MAX_LINES} bytes, found more")
    note: Note = parse_note(b"\n\n" + data)
    if note.text != "\n":
        raise NoteError("cosignatures: expected signature lines alone, found a text before them")
    return note.signatures
