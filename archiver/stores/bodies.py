"""Reading what is to be put, and checking that it is still what was hashed.

Laws: a body has the SHA-256 that the caller states, or nothing is stored; a spool file is opened without following a
link; errors of the spool are told apart from errors of the store.

>>> list(blocks(io.BytesIO(b"abc")))
[b'abc']
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from archiver.errors import EvidenceError, WorldError
from archiver.stores.base import Body

__all__ = ["BLOCK", "blocks", "open_body", "spool_changed"]

BLOCK: Final = 1 << 20


@contextmanager
def open_body(body: Body) -> Iterator[BinaryIO]:
    """Open what is to be put for reading; raises `WorldError("spool-unreadable")`."""
    if isinstance(body, bytes):
        yield io.BytesIO(body)
        return
    try:
        stream = os.fdopen(os.open(body, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise WorldError(
            "spool-unreadable", f"{body}: expected a finished spool file, found {error.strerror}"
        ) from error
    with stream:
        yield stream


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a stream in blocks."""
    while block := stream.read(BLOCK):
        yield block


def spool_changed(key: str, expected: str, found: str) -> EvidenceError:
    """Return the error for bytes that are not the ones that were hashed before."""
    return EvidenceError(
        "spool-changed",
        f"{key}: expected bytes with SHA-256 {expected}, found {found}; nothing was stored",
        hint="the spool was changed or the disk is failing; check it before running again",
    )
