"""Signing keys in AWS KMS: P-256 over a digest, Ed25519 for the log.

Laws: the service gets the SHA-256 of what is signed (`MessageType` DIGEST: RAW stops at 4,096 bytes), its s is
brought to s <= n/2, and what it returns is checked against the public key like every signature. Ed25519 has no digest
form that others verify, so the log's checkpoints, which are short, go as they are.

>>> open_service_key(parse_key_uri("awskms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd"))
<P-256 key 5a7a78cc... in awskms arn:aws:kms:eu-central-1:111122223333:key/1234abcd>
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from archiver.errors import UsageError, WorldError
from archiver.model.key_uri import ServiceKey
from archiver.proof import keys
from archiver.signing.base import checked

__all__ = ["Ed25519ServiceSigner", "P256ServiceSigner", "connect", "key_state", "open_service_key", "said"]

MAX_RAW: Final = 4096  # "Message: up to 4096 bytes for RAW", AWS KMS API reference, Sign
_WRONGLY_NAMED: Final = {"NotFoundException", "InvalidArnException", "UnsupportedOperationException"}


class P256ServiceSigner:
    """ECDSA P-256 with SHA-256, in the service; signatures are DER with s <= n/2."""

    def __init__(self, where: ServiceKey, client: Any, public: ec.EllipticCurvePublicKey) -> None:
        """Sign with this key."""
        self._where, self._client = where, client
        self.public: keys.PublicKey = public
        self.keyid = keys.keyid(public)

    def __repr__(self) -> str:
        return f"<P-256 key {self.keyid} in {self._where}>"

    def sign(self, message: bytes, /) -> bytes:
        """Return a signature over the message; raises `WorldError` when the service does not sign."""
        with said(self._where):
            answer = self._client.sign(
                KeyId=self._where.arn,
                Message=sha256(message).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        return checked(self.public, keys.to_low_s(answer["Signature"]), message)


class Ed25519ServiceSigner:
    """Ed25519 in the service, for the log."""

    def __init__(self, where: ServiceKey, client: Any, public: Ed25519PublicKey) -> None:
        """Sign with this key."""
        self._where, self._client = where, client
        self.public: Ed25519PublicKey = public
        self.public_bytes = keys.raw_ed25519(public)
        self.keyid = keys.keyid(public)

    def __repr__(self) -> str:
        return f"<Ed25519 key {self.keyid} in {self._where}>"

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of a signature over the message; raises `WorldError` when the service does not sign."""
        if len(message) > MAX_RAW:
            raise UsageError(
                "kms-message",
                f"{self._where}: expected at most {MAX_RAW} bytes to sign with Ed25519, found {len(message)}",
                hint="sign statements with a P-256 key: of them the service gets a digest",
            )
        with said(self._where):
            answer = self._client.sign(
                KeyId=self._where.arn, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
            )
        return checked(self.public, answer["Signature"], message)


def open_service_key(where: ServiceKey) -> P256ServiceSigner | Ed25519ServiceSigner:
    """Ask the service for the public key.

    Raises `UsageError("kms-key")` for what the policy names wrongly, and `WorldError("kms-failed")` for a service that
    does not answer or does not let this principal use the key.
    """
    client = connect(where)
    with said(where):
        answer = client.get_public_key(KeyId=where.arn)
    public = load_der_public_key(answer["PublicKey"])
    if answer["KeyUsage"] == "SIGN_VERIFY":
        if isinstance(public, Ed25519PublicKey):
            return Ed25519ServiceSigner(where, client, keys.load_ed25519(keys.raw_ed25519(public)))
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
            return P256ServiceSigner(where, client, public)
    raise UsageError(
        "kms-key",
        f"{where}: expected a key of the spec ECC_NIST_P256 (statements) or ECC_NIST_EDWARDS25519 (log) that signs, "
        f"found {answer.get('KeySpec')} for {answer['KeyUsage']}",
        hint="aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY",
    )


def key_state(where: ServiceKey) -> str:
    """Return the state of the key as the service words it, `Enabled` when it can sign; raises as `open_service_key`."""
    client = connect(where)
    with said(where):
        return str(client.describe_key(KeyId=where.arn)["KeyMetadata"]["KeyState"])


def connect(where: ServiceKey) -> Any:
    """Return a client of the service in the key's region."""
    import boto3  # noqa: PLC0415 - a tenth of a second that only this needs
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        session = boto3.session.Session(profile_name=where.profile, region_name=where.region)
        return session.client(
            "kms",
            endpoint_url=where.endpoint,
            config=Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4}),
        )
    except (BotoCoreError, ValueError) as problem:
        raise UsageError(
            "kms-key", f"{where}: {problem}", hint="see profile= and endpoint= in the policy, and ~/.aws/config"
        ) from problem


@contextmanager
def said(where: ServiceKey, *, needs: str = "the writer needs kms:GetPublicKey, kms:Sign") -> Iterator[None]:
    """Word what the service answers; `needs` says which rights a caller has to have, kms:DescribeKey beside them."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded with the client

    try:
        yield
    except ClientError as problem:
        code = problem.response.get("Error", {}).get("Code", "")
        text = f"{where}: expected the key service to use this key, found {code}"
        if code in _WRONGLY_NAMED:
            raise UsageError(
                "kms-key", text, hint="name the key's ARN, and its region and account with it"
            ) from problem
        if code in {"DisabledException", "KMSInvalidStateException"}:
            hint = "enable the key or cancel its deletion now: aws kms enable-key, cancel-key-deletion"
        else:
            hint = f"{needs} and kms:DescribeKey on this key"
        raise WorldError("kms-failed", text, hint=hint) from problem
    except BotoCoreError as problem:
        raise WorldError(
            "kms-failed",
            f"{where}: expected the key service to answer, found {type(problem).__name__}",
            hint="check the network and the credentials, then run the same command again",
        ) from problem
