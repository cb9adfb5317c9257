"""What an S3 store says about the lock of one version.

Laws: HEAD is asked first, as it works everywhere. What HEAD leaves out may be a lock that these credentials may not
see: it counts as "no lock" only when the store says so in words of its own (`NoSuchObjectLockConfiguration`, or a
bucket without Object Lock), else as unknown. Instants are cut to whole seconds: never more than the store keeps.

A store that does not know `?retention` sends the object itself instead (moto, old gateways). Such an answer has an
ETag, or cannot be parsed; it says nothing about the lock, whatever the object's bytes look like.

>>> lock_of(client, subject, {"ObjectLockMode": "COMPLIANCE", ...}, version)
Lock(mode='COMPLIANCE', ...)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from archiver.s3.errors import NO_LOCK, REFUSALS, Refusal, Subject, code_of, s3_error
from archiver.stores.base import Lock

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRetentionRequestTypeDef, HeadObjectOutputTypeDef

__all__ = ["bucket_without_lock", "lock_of"]

_MODES: Final = ("COMPLIANCE", "GOVERNANCE")
_NO_WORD: Final = {"store-denied", "store-error"}  # of the lock; anything else is a store that did not answer


def lock_of(client: S3Client, subject: Subject, head: HeadObjectOutputTypeDef, version: str | None) -> Lock:
    """Return the lock of the version whose HEAD this is."""
    mode, until = _known(head.get("ObjectLockMode")), _whole(head.get("ObjectLockRetainUntilDate"))
    hold = head.get("ObjectLockLegalHoldStatus")
    if mode is None:
        mode, until = _retention(client, subject, version)
    return Lock(
        mode=mode,
        retain_until=until,
        legal_hold=_legal_hold(client, subject, version) if hold is None else hold == "ON",
    )


def bucket_without_lock(client: S3Client, bucket: str) -> bool:
    """Say whether the store states that this bucket has no Object Lock; False when it does not say."""
    try:
        client.get_object_lock_configuration(Bucket=bucket)
    except REFUSALS as error:
        return code_of(error) in NO_LOCK
    return False


def _retention(client: S3Client, subject: Subject, version: str | None) -> tuple[str | None, datetime | None]:
    try:
        answer = client.get_object_retention(**_request(subject, version))
    except REFUSALS as error:
        return ("NONE" if _says_none(client, subject, error) else None), None
    if _is_the_object(answer["ResponseMetadata"]["HTTPHeaders"]):
        return None, None
    found = answer.get("Retention", {})
    return _known(found.get("Mode")), _whole(found.get("RetainUntilDate"))


def _legal_hold(client: S3Client, subject: Subject, version: str | None) -> bool | None:
    try:
        answer = client.get_object_legal_hold(**_request(subject, version))
    except REFUSALS as error:
        return False if _says_none(client, subject, error) else None
    status = answer.get("LegalHold", {}).get("Status")
    if status is None or _is_the_object(answer["ResponseMetadata"]["HTTPHeaders"]):
        return None
    return status == "ON"


def _request(subject: Subject, version: str | None) -> GetObjectRetentionRequestTypeDef:
    request: GetObjectRetentionRequestTypeDef = {"Bucket": subject.bucket, "Key": subject.key}
    if version is not None:
        request["VersionId"] = version
    return request


def _says_none(client: S3Client, subject: Subject, error: Refusal) -> bool:
    """Say whether a refusal states that there is no lock; raises when the store did not answer at all."""
    if code_of(error) in NO_LOCK:
        return True
    if code_of(error) == "InvalidRequest":  # also said for other reasons, so the bucket is asked
        return bucket_without_lock(client, subject.bucket)
    meant = s3_error(error, subject)
    if meant.code not in _NO_WORD:
        raise meant from error
    return False


def _is_the_object(headers: Mapping[str, str]) -> bool:
    return "etag" in headers


def _known(mode: str | None) -> str | None:
    return mode if mode in _MODES else None


def _whole(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)
