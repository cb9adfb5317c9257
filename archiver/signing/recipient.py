"""Recipients of sealed objects: whose public key is sealed for, and whose private key opens.

A recipient's key is an X25519 or RSA key in a file, an RSA key in a token, or a key of AWS KMS. One in a file is a
PKCS#8 PEM with mode 0600, best with a passphrase, made by `archiver key recipient make` far from the machine that
archives, and read only to open what was sealed. Nothing of it stands in a message.

>>> open_recipient_key(parse_key_uri("file:recipient.pem"), "env:RECIPIENT", environ).keyid
'5a7a78cc...'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from archiver.errors import UsageError
from archiver.model.key_uri import FileKey, KeyUri, TokenKey, place_of
from archiver.model.named_file import read_named
from archiver.proof.keys import MAX_PEM, KeyRefusedError
from archiver.proof.wrapping import (
    Context,
    Recipient,
    RecipientKey,
    RsaKey,
    RsaRecipient,
    X25519Key,
    X25519Recipient,
    load_recipient,
    to_pem,
)
from archiver.signing import kms_recipient, pkcs11_recipient
from archiver.signing.file import passphrase_from, read_private, write_key, write_new

__all__ = ["create_recipient", "open_recipient", "open_recipient_key", "public_of", "public_pem", "write_public"]

_TRIAL: Final = bytes(range(32))  # nothing is sealed with it


def create_recipient(path: Path, passphrase: bytes | None) -> X25519Recipient:
    """Make a new X25519 key in a new file; raises `UsageError("key-exists")` when something is there."""
    key = X25519PrivateKey.generate()
    write_key(path, key, passphrase)
    return X25519Recipient(key.public_key())


def open_recipient(where: KeyUri, random: Callable[[int], bytes] | None = None) -> Recipient:
    """Return for whom can be sealed; with `random` it is tried, as a key that seals nothing must be known before.

    Raises `UsageError`, and `WorldError` for a token or service that does not answer or lets nobody seal.
    """
    if isinstance(where, FileKey):
        return _in_file(where.path)
    if isinstance(where, TokenKey):
        return pkcs11_recipient.open_token_recipient(where)
    found = kms_recipient.open_service_recipient(where)
    if random is not None:
        found.wrap(_TRIAL, Context("trial", "trial", "trial"), random)
    return found


def open_recipient_key(where: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> RecipientKey:
    """Return what opens; `passphrase` is the place of the one that seals a key file. Raises as `open_recipient`."""
    if isinstance(where, FileKey):
        return _private(where.path, passphrase_from(passphrase, environ))
    if passphrase is not None:
        raise UsageError(
            "recipient-passphrase",
            f"{place_of(where)}: expected no passphrase, as this key lies in no file, found one",
            hint="leave --open-passphrase out; a token's PIN is named by pin-source= of its URI",
        )
    if isinstance(where, TokenKey):
        pin = passphrase_from(where.pin_source, environ, what="PIN")
        return pkcs11_recipient.open_token_recipient_key(where, pin or b"")
    return kms_recipient.open_service_recipient_key(where)


def public_pem(recipient: Recipient) -> str | None:
    """Return the public key of a recipient in PEM; None where there is none."""
    return to_pem(recipient.public) if isinstance(recipient, X25519Recipient | RsaRecipient) else None


def public_of(path: Path, passphrase: str | None, environ: Mapping[str, str]) -> Recipient:
    """Return the recipient whose private key lies in a file."""
    key = _private(path, passphrase_from(passphrase, environ))
    if isinstance(key, X25519Key):
        return X25519Recipient(key.private.public_key())
    return RsaRecipient(key.private.public_key())


def write_public(path: Path, pem: str) -> None:
    """Write a public key into a new file; raises `UsageError("key-exists")` when something is there."""
    write_new(path, pem.encode("ascii"), mode=0o644)


def _in_file(path: Path) -> Recipient:
    """Read a recipient's public key, and try it: a key of low order would seal nothing."""
    try:
        key = load_recipient(read_named(path, MAX_PEM).decode("utf-8", "replace"))
        found: Recipient = RsaRecipient(key) if isinstance(key, RSAPublicKey) else X25519Recipient(key)
        found.wrap(_TRIAL, Context("", "", ""), lambda count: _TRIAL[:count])
    except (OSError, KeyRefusedError) as problem:
        words = problem.message if isinstance(problem, KeyRefusedError) else problem.strerror
        raise UsageError(
            "recipient-refused",
            f"{path}: expected the public key of a recipient, X25519 or RSA, found: {words}",
            hint="make one far from here: archiver key recipient make recipient.pem; then bring recipient.pub to "
            f"{path}; without recipient.pem nobody can open what was sealed",
        ) from problem
    return found


def _private(path: Path, passphrase: bytes | None) -> X25519Key | RsaKey:
    pem = read_private(path, "key")
    is_sealed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem
    if is_sealed != (passphrase is not None):
        found = "none" if is_sealed else "one for a key that has none"
        raise UsageError(
            "recipient-passphrase",
            f"{path}: expected {'the passphrase of this key' if is_sealed else 'no passphrase'}, found {found}",
            hint="say where it is: --open-passphrase, of `key recipient show` --passphrase, env:NAME or file:PATH"
            if is_sealed
            else "name none",
        )
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What pyca says of bad key bytes stays out of messages and out of the chain: it could quote them.
        expected = "the passphrase that seals this key" if is_sealed else "a private key in PEM"
        raise UsageError("recipient-unreadable", f"{path}: expected {expected}, found something else") from None
    if isinstance(key, X25519PrivateKey):
        return X25519Key(key)
    if isinstance(key, RSAPrivateKey):
        return RsaKey(key)
    raise UsageError(
        "recipient-kind",
        f"{path}: expected the private key of a recipient, X25519 or RSA, found a key of another kind",
        hint="the keys that sign open nothing; name the file whose public half the policy has as `recipient`",
    )
