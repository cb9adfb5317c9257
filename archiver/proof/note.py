r"""C2SP signed notes (c2sp.org/signed-note), with Ed25519 keys (type 0x01).

    note      text that ends in a newline, an empty line, then one line for each signature:
              U+2014 SP name SP base64(key hash || signature)
    key hash  SHA-256(name || 0x0A || 0x01 || key)[:4]
    vkey      name "+" hex(key hash) "+" base64(0x01 || key)

Signed is the text with its last newline, without the empty line; the last empty line is what separates. Signatures by
keys that are not known are passed over, a bad one by a known key refuses the note. Printing gives back what was parsed.

>>> parse_note("quiet\n\n— example.com/k AAAAAAE=\n".encode()).text
'quiet\n'
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, Protocol

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.proof import b64
from archiver.proof.keys import KeyRefusedError, SignatureError, load_ed25519, verify

__all__ = [
    "MAX_NOTE",
    "Note",
    "NoteError",
    "NoteSignature",
    "NoteSigner",
    "VerifierKey",
    "is_name",
    "parse_note",
    "parse_vkey",
    "sign_note",
    "verify_note",
]

MAX_NOTE: Final = 1_000_000
"""As in golang.org/x/mod/sumdb/note."""

MAX_SIGNATURES: Final = 100
"""The same; C2SP asks for at least 16."""

_ED25519: Final = b"\x01"
_HASH_BYTES: Final = 4
_VKEY: Final = pattern(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_LINE: Final = pattern(r"\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)")
_CONTROL: Final = pattern(r"[\x00-\x09\x0b-\x1f]")
_NO_NAME: Final = pattern(r"[+\s\x00-\x1f\ud800-\udfff]")


class NoteError(EvidenceError):
    """Bytes are not a signed note, or nobody signed it who should have."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("note-malformed", message)


class NoteSigner(Protocol):
    """Whoever can sign notes: see `archiver.signing.base.LogSigner`."""

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes of the Ed25519 public key."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of an Ed25519 signature."""
        ...


@dataclass(frozen=True)
class VerifierKey:
    """A key and the name that it signs under; `str` gives the vkey. Its key is checked where it is made."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise KeyRefusedError(f"key name: expected no spaces, control characters or +, found {self.name!r}")
        load_ed25519(self.public)

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes by which signature lines name the key."""
        return _key_hash(self.name, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{b64.encode(_ED25519 + self.public)}"


@dataclass(frozen=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_hash: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"\u2014 {self.name} {b64.encode(self.key_hash + self.signature)}\n"


@dataclass(frozen=True)
class Note:
    """A note whose signatures have not been checked yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the note's bytes: parse_note(n.encode()) == n."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()


@lru_cache(maxsize=256)  # a log asks it of the same few keys for every checkpoint
def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_HASH_BYTES]


def is_name(text: str) -> bool:
    """Say whether a text can name a key: not empty, no spaces (of all Unicode), no control characters, no plus."""
    return text != "" and _NO_NAME.search(text) is None


def parse_vkey(text: str) -> VerifierKey:
    """Read a vkey; raises `KeyRefusedError` for another type, a wrong key hash or a key that nobody should trust."""
    found = _VKEY.fullmatch(text)
    if found is None:
        raise KeyRefusedError(f"vkey: expected name+hash+key, found {text[:120]!r}")
    try:
        typed = b64.decode(found[3])
    except ValueError as problem:
        raise KeyRefusedError(f"vkey: {problem}") from problem
    if typed[:1] != _ED25519:
        raise KeyRefusedError(f"vkey: expected type 01 (Ed25519), found {typed[:1].hex()}")
    vkey = VerifierKey(found[1], typed[1:])
    if vkey.key_hash.hex() != found[2]:
        raise KeyRefusedError(f"vkey: expected the key hash {vkey.key_hash.hex()}, found {found[2]}")
    return vkey


def parse_note(data: bytes) -> Note:
    """Read a note strictly; raises `NoteError`. Its text is to be believed only after `verify_note`."""
    if len(data) > MAX_NOTE:
        raise NoteError(f"note: expected at most {MAX_NOTE} bytes, found {len(data)}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise NoteError(f"note: expected UTF-8, found another byte at {problem.start}") from problem
    if _CONTROL.search(whole):
        raise NoteError("note: expected no control characters but newline")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteError("note: expected a text, an empty line and signature lines")
    names = lines[:-1].split("\n")
    if len(names) > MAX_SIGNATURES:
        raise NoteError(f"note: expected at most {MAX_SIGNATURES} signatures, found {len(names)}")
    return Note(text + "\n", tuple(_parse_line(line) for line in names))


def sign_note(text: str, name: str, signer: NoteSigner) -> bytes:
    """Return the note of a text signed under a name, with this one signature."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("note: expected a text that ends in a newline and has no other control character")
    vkey = VerifierKey(name, signer.public_bytes)
    return Note(text, (NoteSignature(name, vkey.key_hash, signer.sign(text.encode())),)).encode()


def verify_note(note: Note, vkey: VerifierKey) -> None:
    """Check that a note is signed by this key; raises `SignatureError` for no signature by it or a bad one."""
    mine = [line for line in note.signatures if (line.name, line.key_hash) == (vkey.name, vkey.key_hash)]
    if not mine:
        raise SignatureError(f"note: expected a signature by {vkey.name}+{vkey.key_hash.hex()}, found none")
    public = load_ed25519(vkey.public)
    for line in mine:
        verify(public, line.signature, note.text.encode())


def _parse_line(line: str) -> NoteSignature:
    found = _LINE.fullmatch(line)
    if found is None or not is_name(found[1]):
        raise NoteError(f"note: expected a signature line, found {line[:120]!r}")
    try:
        data = b64.decode(found[2])
    except ValueError as problem:
        raise NoteError(f"note: {problem}") from problem
    if len(data) <= _HASH_BYTES:
        raise NoteError(f"note: expected a key hash and a signature, found {len(data)} bytes")
    return NoteSignature(found[1], data[:_HASH_BYTES], data[_HASH_BYTES:])
