"""Opening the signer that a key URI names, whatever holds the key (`model.key_uri`).

What is opened has shown its public key; that it is the one of the trust file is for the caller to compare, and every
signature is checked against it before it is returned.

>>> open_signer(policy.keys.statement_key, policy.keys.passphrase, environ)
<P-256 key 5a7a78cc...>
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from archiver.errors import UsageError
from archiver.model.key_uri import FileKey, KeyUri, TokenKey
from archiver.signing import file, kms, pkcs11
from archiver.signing.base import LogSigner, Signer

__all__ = ["AnySigner", "create_log_signer", "create_signer", "open_log_signer", "open_signer"]

AnySigner = (
    file.P256FileSigner
    | file.Ed25519FileSigner
    | pkcs11.P256TokenSigner
    | pkcs11.Ed25519TokenSigner
    | kms.P256ServiceSigner
    | kms.Ed25519ServiceSigner
)

_ED25519: Final = (file.Ed25519FileSigner, pkcs11.Ed25519TokenSigner, kms.Ed25519ServiceSigner)


def open_signer(key: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> Signer:
    """Open a key for statements, P-256 or Ed25519; `passphrase` is the place of the one that seals key files.

    Raises `UsageError` for a key that is missing or kept badly, `WorldError` for a token or service that fails.
    """
    return _open(key, passphrase, environ)


def open_log_signer(key: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> LogSigner:
    """Open a key for the log, which is Ed25519; raises as `open_signer`."""
    signer = _open(key, passphrase, environ)
    if not isinstance(signer, _ED25519):
        raise UsageError(
            "key-kind",
            f"{key}: expected an Ed25519 key for the log, found P-256",
            hint="name another key as keys.log; the log's key can be a file while the statement key lies in a token",
        )
    return signer


def create_signer(key: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> Signer:
    """Make a new P-256 key for statements; only in a file, raises `UsageError("key-exists")` where one is."""
    return file.create_p256(_new_file(key), file.passphrase_from(passphrase, environ))


def create_log_signer(key: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> LogSigner:
    """Make a new Ed25519 key for the log; only in a file, raises `UsageError("key-exists")` where one is."""
    return file.create_ed25519(_new_file(key), file.passphrase_from(passphrase, environ))


def _new_file(key: KeyUri) -> Path:
    if not isinstance(key, FileKey):
        raise UsageError("key-kind", f"{key}: expected a key file to be made, found a key that is made where it lies")
    return key.path


def _open(key: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> AnySigner:
    if isinstance(key, FileKey):
        return file.open_signer(key.path, file.passphrase_from(passphrase, environ))
    if isinstance(key, TokenKey):
        pin = file.passphrase_from(key.pin_source, environ, what="PIN")
        return pkcs11.open_token_key(key, pin or b"")
    return kms.open_service_key(key)
