"""SHA-256 as text: lower-case hex, 64 digits, no other spelling.

>>> sha256_hex(b"")[:16]
'e3b0c44298fc1c14'
"""

from __future__ import annotations

import hashlib
import re
from typing import IO, Final

__all__ = ["HEX64", "is_sha256_hex", "sha256_hex", "sha256_of"]

HEX64: Final = re.compile(r"[0-9a-f]{64}")
_BLOCK: Final = 1 << 20


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of some bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(stream: IO[bytes]) -> str:
    """Return the SHA-256 in hex of what is left of an open stream; memory stays at one block."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def is_sha256_hex(value: object) -> bool:
    """Say whether a value is a SHA-256 in hex, spelled the only way."""
    return isinstance(value, str) and HEX64.fullmatch(value) is not None
