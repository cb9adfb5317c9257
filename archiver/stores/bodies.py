"""What is put: bytes, or a spool file together with what its writer knows of its bytes.

Laws: a spool file has the SHA-256 that it is said to have, or nothing of it is stored; it is opened without following a
link; errors of the spool are told apart from errors of the store. Whoever writes a spool file hashes it meanwhile and
hands on what it is: nobody reads it again to learn that, and each store reads it to see that it still is so.

>>> digest_of(b"hello")[:8], size_of(b"hello")
('2cf24dba', 5)
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from archiver.errors import EvidenceError, WorldError
from archiver.late import dataclass
from archiver.proof.digest import sha256_hex, sha256_of

__all__ = [
    "BLOCK",
    "Body",
    "Spooled",
    "blocks",
    "digest_of",
    "measured",
    "open_body",
    "open_raw",
    "size_of",
    "spool_changed",
]

BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Spooled:
    """A finished spool file: its SHA-256 in hex and its size, as whoever wrote it knows them.

    `md5`, in hex, is there where it was made beside, as destinations in S3 ask for it; else they read the file again.
    """

    path: Path
    sha256: str
    size: int
    md5: str | None = None

    @staticmethod
    def of(path: Path, sha256: str) -> Spooled:
        """Return a file of which somebody knows the SHA-256; raises `WorldError("spool-unreadable")`."""
        try:
            return Spooled(path, sha256, path.stat().st_size)
        except OSError as error:
            raise _unreadable(path, error) from error


Body = bytes | Spooled


def digest_of(body: Body) -> str:
    """Return the SHA-256 in hex that a body is to have."""
    return sha256_hex(body) if isinstance(body, bytes) else body.sha256


def size_of(body: Body) -> int:
    """Return the size that a body is to have."""
    return len(body) if isinstance(body, bytes) else body.size


@contextmanager
def open_body(body: Body) -> Iterator[BinaryIO]:
    """Open what is to be put for reading; raises `WorldError("spool-unreadable")`."""
    if isinstance(body, bytes):
        yield io.BytesIO(body)
        return
    with io.BufferedReader(open_raw(body), BLOCK) as stream:
        yield stream


def open_raw(file: Spooled) -> io.FileIO:
    """Open a spool file for reading, without a buffer; raises `WorldError("spool-unreadable")`."""
    try:
        return io.FileIO(os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise _unreadable(file.path, error) from error


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a stream in blocks."""
    while block := stream.read(BLOCK):
        yield block


def measured(body: Body) -> str:
    """Return the SHA-256 in hex that a body has now."""
    with open_body(body) as stream:
        return sha256_of(stream)


def spool_changed(key: str, expected: str, found: str) -> EvidenceError:
    """Return the error for bytes that are not the ones that were hashed before."""
    return EvidenceError(
        "spool-changed",
        f"{key}: expected bytes with SHA-256 {expected}, found {found}; nothing was stored",
        hint="the spool was changed or the disk is failing; check it before running again",
    )


def _unreadable(path: Path, error: OSError) -> WorldError:
    return WorldError("spool-unreadable", f"{path}: expected a finished spool file, found {error.strerror}")
