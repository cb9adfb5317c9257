"""Recipients whose keys lie in AWS KMS: what is sealed for them is opened by whoever may use the key there.

A symmetric key encrypts 32 random bytes (`Encrypt`), with archive, batch and matter as the encryption context, so that
the service's own log says who opened what. Of an RSA key the public half is asked for, and the service is not needed
to seal. Either way the data key itself never goes to the service (`proof.wrapping`).

>>> open_service_recipient(parse_key_uri("awskms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd"))
<recipient 5a7a78cc... in awskms arn:aws:kms:eu-central-1:111122223333:key/1234abcd>
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from archiver.errors import UsageError
from archiver.late import dataclass
from archiver.model.key_uri import ServiceKey
from archiver.proof.digest import sha256_hex
from archiver.proof.wrapping import (
    AWS_KMS,
    DATA_KEY,
    RSA_OAEP,
    Context,
    RsaRecipient,
    WrappedKey,
    does_not_open,
    recipient_id,
    unwrap_by,
    wrap_by,
)
from archiver.signing.kms import connect, said

__all__ = ["ServiceRecipient", "ServiceRecipientKey", "open_service_recipient", "open_service_recipient_key"]

_TO_SEAL: Final = "who seals needs kms:Encrypt, of an RSA key kms:GetPublicKey,"
_TO_OPEN: Final = "who opens needs kms:Decrypt, of an RSA key kms:GetPublicKey,"
_DAMAGED: Final = {"InvalidCiphertextException", "IncorrectKeyException"}


@dataclass(frozen=True, repr=False)
class ServiceRecipient:
    """Whoever may decrypt with a symmetric key of the service; `arn` is the key's own, also where it has an alias."""

    where: ServiceKey
    client: Any
    arn: str

    def __repr__(self) -> str:
        return f"<recipient {self.keyid} in {self.where}>"

    @property
    def keyid(self) -> str:
        """The hex SHA-256 of `awskms:` and the ARN: such a key has no public half."""
        return _keyid(self.arn)

    def wrap(self, data_key: bytes, context: Context, random: Callable[[int], bytes]) -> WrappedKey:
        """Wrap a data key; raises `WorldError("kms-failed")` where the service does not encrypt."""
        shared = random(DATA_KEY)
        with said(self.where, needs=_TO_SEAL):
            answer = self.client.encrypt(KeyId=self.arn, Plaintext=shared, EncryptionContext=_named(context))
        wrapped = wrap_by(shared, data_key, self.keyid, context)
        return WrappedKey(bytes(answer["CiphertextBlob"]), wrapped, AWS_KMS, f"awskms:{self.arn}")


@dataclass(frozen=True, repr=False)
class ServiceRecipientKey:
    """A key of the service that opens; `public` is its public half where it has one."""

    where: ServiceKey
    client: Any
    arn: str
    public: RSAPublicKey | None

    def __repr__(self) -> str:
        return f"<recipient's key {self.keyid} in {self.where}>"

    @property
    def keyid(self) -> str:
        """The id as the recipient has it."""
        return _keyid(self.arn) if self.public is None else recipient_id(self.public)

    def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """Return the data key; raises `WorldError("kms-failed")` where the service does not let this principal."""
        words: dict[str, Any] = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
        if self.public is None:
            words = {"EncryptionContext": _named(context)}
        if wrapped.means != (AWS_KMS if self.public is None else RSA_OAEP):
            raise does_not_open(context)
        with said(self.where, needs=_TO_OPEN), _damaged(context):
            answer = self.client.decrypt(KeyId=self.arn, CiphertextBlob=wrapped.share, **words)
        return unwrap_by(bytes(answer["Plaintext"]), wrapped, self.keyid, context)


def open_service_recipient(where: ServiceKey) -> ServiceRecipient | RsaRecipient:
    """Look at a key of the service, to seal for it; raises `UsageError("kms-key")` and `WorldError("kms-failed")`."""
    client, arn, public = _look(where, _TO_SEAL)
    return ServiceRecipient(where, client, arn) if public is None else RsaRecipient(public, f"awskms:{arn}")


def open_service_recipient_key(where: ServiceKey) -> ServiceRecipientKey:
    """Look at a key of the service, to open what was sealed for it; raises as `open_service_recipient`."""
    return ServiceRecipientKey(where, *_look(where, _TO_OPEN))


def _look(where: ServiceKey, needs: str) -> tuple[Any, str, RSAPublicKey | None]:
    client = connect(where)
    with said(where, needs=needs):
        facts = client.describe_key(KeyId=where.arn)["KeyMetadata"]
    spec, usage = facts.get("KeySpec"), facts.get("KeyUsage")
    if usage == "ENCRYPT_DECRYPT" and spec == "SYMMETRIC_DEFAULT":
        return client, str(facts["Arn"]), None
    if usage == "ENCRYPT_DECRYPT" and str(spec).startswith("RSA_"):
        with said(where, needs=needs):
            public = load_der_public_key(client.get_public_key(KeyId=where.arn)["PublicKey"])
        if isinstance(public, RSAPublicKey):
            return client, str(facts["Arn"]), public
    raise UsageError(
        "kms-key",
        f"{where}: expected a key that encrypts, symmetric or RSA, found {spec} for {usage}",
        hint="aws kms create-key; the keys that sign open nothing",
    )


@contextmanager
def _damaged(context: Context) -> Iterator[None]:
    """Tell bytes that the key does not open from a service that does not let one."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded with the client

    try:
        yield
    except ClientError as problem:
        if problem.response.get("Error", {}).get("Code") in _DAMAGED:
            raise does_not_open(context) from problem
        raise


def _named(context: Context) -> dict[str, str]:
    return {"archive_id": context.archive_id, "batch": context.batch, "matter": context.matter}


def _keyid(arn: str) -> str:
    return sha256_hex(f"awskms:{arn}".encode())
