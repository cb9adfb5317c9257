"""C2SP tlog-proofs (c2sp.org/tlog-proof@v1): one file proves that an entry stands in a log, offline.

    c2sp.org/tlog-proof@v1
    index <index>
    <base64 hash>               the path from the leaf's sibling up, none in a log of one entry
                                an empty line
    <signed checkpoint>         as stored; signatures by others than the log may follow

An `extra` line is read and kept as the standard has it. Nobody signs it, so nothing here looks at it.

>>> format_proof(0, [], b"checkpoint").splitlines()[1]
b'index 0'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.proof import b64, merkle, note
from archiver.proof.checkpoint import MAX_SIZE, Checkpoint, open_cosigned

__all__ = ["MAX_PROOF", "TlogProof", "TlogProofError", "check_proof", "format_proof", "parse_proof"]

MAX_PROOF: Final = note.MAX_NOTE + 65_536
MAX_PATH: Final = 63
"""As in sumdb's tlog: a tree of 2^63 entries."""

_HEAD: Final = "c2sp.org/tlog-proof@v1"
_PROOF: Final = pattern(
    re.escape(_HEAD) + r"\n(?:extra ([A-Za-z0-9+/=]*)\n)?index (0|[1-9][0-9]{0,15})\n((?:[A-Za-z0-9+/]{43}=\n)*)\n(.+)",
    re.DOTALL,
)


class TlogProofError(EvidenceError):
    """Text is not a tlog-proof."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("tlog-proof-malformed", message)


@dataclass(frozen=True)
class TlogProof:
    """A proof that has not been checked yet; `extra` is signed by nobody."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the proof's bytes: parse_proof(p.encode()) == p."""
        extra = "" if self.extra is None else f"extra {b64.encode(self.extra)}\n"
        path = "".join(f"{b64.encode(value)}\n" for value in self.path)
        return f"{_HEAD}\n{extra}index {self.index}\n{path}\n".encode() + self.checkpoint


def format_proof(index: int, path: Sequence[bytes], checkpoint: bytes) -> bytes:
    """Return the proof file of the entry at `index`, under a signed checkpoint."""
    return TlogProof(index, tuple(path), checkpoint).encode()


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof file strictly; raises `TlogProofError`. It proves something only after `check_proof`."""
    if len(data) > MAX_PROOF:
        raise TlogProofError(f"tlog-proof: expected at most {MAX_PROOF} bytes, found {len(data)}")
    try:
        found = _PROOF.fullmatch(data.decode("utf-8"))
    except UnicodeDecodeError as problem:
        raise TlogProofError(f"tlog-proof: expected UTF-8, found another byte at {problem.start}") from problem
    if found is None:
        raise TlogProofError("tlog-proof: expected its head, an index, a path and a checkpoint, found another text")
    lines = found[3].splitlines()
    if len(lines) > MAX_PATH or int(found[2]) >= MAX_SIZE:
        raise TlogProofError(f"tlog-proof: expected at most {MAX_PATH} hashes and an index below 2^53, found more")
    try:
        extra = None if found[1] is None else b64.decode(found[1])
        return TlogProof(int(found[2]), tuple(map(b64.decode, lines)), found[4].encode(), extra)
    except ValueError as problem:
        raise TlogProofError(f"tlog-proof: {problem}") from problem


def check_proof(data: bytes, entry: bytes, vkey: note.VerifierKey) -> Checkpoint:
    """Check that an entry stands in the log of this key; return the checkpoint that says so.

    Raises `TlogProofError`, `NoteError`, `CheckpointError`, `SignatureError` or `ProofError`.
    """
    proof = parse_proof(data)
    checkpoint = open_cosigned(proof.checkpoint, vkey)
    merkle.verify_inclusion(merkle.leaf_hash(entry), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint
