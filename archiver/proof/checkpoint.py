r"""C2SP checkpoints (c2sp.org/tlog-checkpoint): the signed head of a log, exactly three lines.

    <origin>\n<size>\n<base64 of the root>\n

In `log/checkpoints/` a checkpoint has exactly one signature, the log's own. Ed25519 signatures are deterministic, so
every writer that holds the key makes the same bytes. Extension lines are refused: nobody would check them.

>>> Checkpoint("example.com/log", 0, merkle.EMPTY_ROOT).text()
'example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'
"""

from __future__ import annotations

from typing import Final

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.proof import b64, merkle, note

__all__ = ["Checkpoint", "CheckpointError", "open_cosigned", "open_signed", "parse_text", "sign"]

MAX_SIZE: Final = 2**53 - 1
_TEXT: Final = pattern(r"([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n")


class CheckpointError(EvidenceError):
    """A note is not a checkpoint of this log."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("checkpoint-malformed", message)


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: its name, its number of entries and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed: parse_text(c.text()) == c."""
        return f"{self.origin}\n{self.size}\n{b64.encode(self.root)}\n"


def parse_text(text: str) -> Checkpoint:
    """Read the three lines strictly; raises `CheckpointError`."""
    found = _TEXT.fullmatch(text)
    if found is None or not note.is_name(found[1]):
        raise CheckpointError(f"checkpoint: expected origin, size and root on three lines, found {text[:120]!r}")
    try:
        checkpoint = Checkpoint(found[1], int(found[2]), b64.decode(found[3]))
    except ValueError as problem:
        raise CheckpointError(f"checkpoint: {problem}") from problem
    if checkpoint.size > MAX_SIZE:
        raise CheckpointError(f"checkpoint: expected a size below 2^53, found {checkpoint.size}")
    if checkpoint.size == 0 and checkpoint.root != merkle.EMPTY_ROOT:
        raise CheckpointError("checkpoint: expected the root of an empty tree for the size 0, found another")
    return checkpoint


def open_signed(data: bytes, vkey: note.VerifierKey) -> Checkpoint:
    """Return a checkpoint as it stands in a log: this log's name and key, exactly one signature.

    Raises `NoteError`, `CheckpointError` or `SignatureError`.
    """
    found = note.parse_note(data)
    if len(found.signatures) != 1:
        raise CheckpointError(f"checkpoint: expected exactly one signature, found {len(found.signatures)}")
    return _open(found, vkey)


def open_cosigned(data: bytes, vkey: note.VerifierKey) -> Checkpoint:
    """Return a checkpoint as it is handed out: as `open_signed`, but others may have signed it too."""
    return _open(note.parse_note(data), vkey)


def sign(checkpoint: Checkpoint, signer: note.NoteSigner) -> bytes:
    """Return the signed checkpoint; the key's name is the log's origin."""
    text = checkpoint.text()
    if parse_text(text) != checkpoint:
        raise ValueError("checkpoint: expected a root of 32 bytes and a size that can be read back")
    return note.sign_note(text, checkpoint.origin, signer)


def _open(found: note.Note, vkey: note.VerifierKey) -> Checkpoint:
    note.verify_note(found, vkey)
    checkpoint = parse_text(found.text)
    if checkpoint.origin != vkey.name:
        raise CheckpointError(f"checkpoint: expected the origin {vkey.name}, found {checkpoint.origin}")
    return checkpoint
