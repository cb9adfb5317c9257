"""The private key of a recipient of sealed objects: X25519 in a PKCS#8 PEM file with mode 0600, best with a passphrase.

It is made by `openssl genpkey -algorithm X25519 -aes256 -out recipient.pem`, far from the machine that archives, and is
read only to open what was sealed. Nothing of it stands in a message.

>>> open_recipient(Path("recipient.pem"), passphrase_from("env:RECIPIENT", environ))
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from archiver.errors import UsageError
from archiver.signing.file import read_private

__all__ = ["open_recipient"]


def open_recipient(path: Path, passphrase: bytes | None) -> X25519PrivateKey:
    """Read the private key of a recipient; raises `UsageError`."""
    pem = read_private(path, "key")
    is_sealed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem
    if is_sealed != (passphrase is not None):
        found = "none" if is_sealed else "one for a key that has none"
        raise UsageError(
            "recipient-passphrase",
            f"{path}: expected {'the passphrase of this key' if is_sealed else 'no passphrase'}, found {found}",
            hint="--open-passphrase env:NAME or file:PATH" if is_sealed else "leave --open-passphrase out",
        )
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What pyca says of bad key bytes stays out of messages and out of the chain: it could quote them.
        expected = "the passphrase that seals this key" if is_sealed else "a private key in PEM"
        raise UsageError("recipient-unreadable", f"{path}: expected {expected}, found something else") from None
    if not isinstance(key, X25519PrivateKey):
        raise UsageError(
            "recipient-kind",
            f"{path}: expected the X25519 private key of a recipient, found a key of another kind",
            hint="the keys that sign open nothing; name the file whose public half the policy has as `recipient`",
        )
    return key
