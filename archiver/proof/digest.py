"""SHA-256 as text: lower-case hex, 64 digits, no other spelling.

>>> sha256_hex(b"")[:16]
'e3b0c44298fc1c14'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import IO, Final

from archiver.late import pattern

__all__ = ["HEX64", "hashed", "is_sha256_hex", "sha256_hex", "sha256_of", "sha256_of_blocks", "sha256_of_copy"]

HEX64: Final = pattern(r"[0-9a-f]{64}")
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


def sha256_of_copy(stream: IO[bytes], copy: IO[bytes]) -> tuple[str, int]:
    """Write what is left of an open stream into a copy; return SHA-256 and size, the copy standing at its end."""
    digest, size = hashlib.sha256(), 0
    while block := stream.read(_BLOCK):
        digest.update(block)
        size += len(block)
        copy.write(block)
    return digest.hexdigest(), size


def sha256_of_blocks(blocks: Iterable[bytes]) -> str:
    """Return the SHA-256 in hex of bytes that come in blocks."""
    digest = hashlib.sha256()
    for _ in hashed(blocks, digest):
        pass
    return digest.hexdigest()


def hashed(blocks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield blocks as they come, each once it is hashed."""
    for block in blocks:
        digest.update(block)
        yield block


def is_sha256_hex(value: object) -> bool:
    """Say whether a value is a SHA-256 in hex, spelled the only way."""
    return isinstance(value, str) and HEX64.fullmatch(value) is not None
