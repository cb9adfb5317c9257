"""The log's second key, ML-DSA-65, in a file: kept and sealed as the other key files are.

`openssl pkey` reads it from OpenSSL 3.5 on. Tokens and services do not sign with ML-DSA yet.

>>> open_post_quantum(Path("keys/post-quantum.pem"), None)
<ML-DSA-65 key>
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from archiver.errors import UsageError
from archiver.signing import file

__all__ = ["PostQuantumFileSigner", "create_post_quantum", "open_post_quantum"]


class PostQuantumFileSigner:
    """ML-DSA-65, hedged: two signatures over one message differ."""

    __slots__ = ("_key", "public_bytes")

    def __init__(self, key: MLDSA65PrivateKey) -> None:
        """Sign with this key."""
        self._key = key
        self.public_bytes = key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return "<ML-DSA-65 key>"

    def sign(self, message: bytes, context: bytes, /) -> bytes:
        """Return the 3,309 bytes of a signature over the message."""
        return self._key.sign(message, context)


def create_post_quantum(path: Path, passphrase: bytes | None) -> PostQuantumFileSigner:
    """Make a new ML-DSA-65 key in a new file; raises `UsageError("key-exists")` when something is there."""
    key = MLDSA65PrivateKey.generate()
    file.write_key(path, key, passphrase)
    return PostQuantumFileSigner(key)


def open_post_quantum(path: Path, passphrase: bytes | None) -> PostQuantumFileSigner:
    """Open an ML-DSA-65 key; raises `UsageError` for a missing, readable, sealed or other key."""
    key = file.load_key(path, passphrase)
    if not isinstance(key, MLDSA65PrivateKey):
        raise UsageError("key-kind", f"{path}: expected an ML-DSA-65 key, found another kind")
    return PostQuantumFileSigner(key)
