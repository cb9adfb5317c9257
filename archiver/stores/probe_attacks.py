"""What an attacker would send, aimed at sentinels of our own: the one module that may ask a store to delete.

Laws: every request here is aimed at a key and version that this object stored itself, under `ext/probe/<id>/`; any
other aim is refused before a request is sent. A store that holds its locks refuses all of them. What each came to is
returned in the store's own words; what it did is looked up by the caller, never believed.

>>> attacks.delete(sentinel)
'AccessDenied'
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.s3.errors import REFUSALS, Subject, asked, code_of, s3_error
from archiver.stores.base import Lock

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedMultipartUploadTypeDef,
        ObjectLockRetentionTypeDef,
        PutObjectRequestTypeDef,
    )

__all__ = ["ACCEPTED", "Attacks", "Sentinel"]

ACCEPTED: Final = "accepted"
_WORLD: Final = {"store-unreachable", "store-credentials", "store-throttled", "store-clock-skew", "store-region"}

Mode = Literal["COMPLIANCE", "GOVERNANCE"]


@dataclass(frozen=True)
class Sentinel:
    """A few bytes that were stored to be attacked; `key` is relative to the destination's prefix."""

    key: str
    version: str
    body: bytes

    @property
    def sha256(self) -> str:
        """Digest of its bytes."""
        return hashlib.sha256(self.body).hexdigest()


class Attacks:
    """Puts sentinels and attacks them."""

    def __init__(self, client: S3Client, *, bucket: str, prefix: str, identity: str) -> None:
        """Work below `<prefix>ext/probe/<identity>/` alone; `prefix` ends with a slash or is empty."""
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self.folder = f"ext/probe/{identity}/"
        self._own: set[tuple[str, str]] = set()
        self.sentinels: list[Sentinel] = []

    def put(self, name: str, body: bytes, lock: Lock, *, condition: bool = False) -> Sentinel:
        """Store a sentinel; raises `WorldError` when the store refuses."""
        request = self._request(name, body)
        if lock.retain_until is not None:
            request["ObjectLockMode"] = "COMPLIANCE" if lock.mode == "COMPLIANCE" else "GOVERNANCE"
            request["ObjectLockRetainUntilDate"] = lock.retain_until
        if lock.legal_hold:
            request["ObjectLockLegalHoldStatus"] = "ON"
        if condition:
            request["IfNoneMatch"] = "*"
        with asked(self._subject(f"{self.folder}{name}", "PutObject")):
            answer = self._client.put_object(**request)
        return self._keep(name, answer.get("VersionId"), body)

    def put_damaged(self, name: str, body: bytes, *, digest: Literal["sha256", "md5"]) -> str:
        """Store bytes with a digest that is not theirs, the other one being right."""
        request = self._request(name, body)
        if digest == "sha256":
            request["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(body + b"!").digest()).decode()
        else:
            request["ContentMD5"] = _md5(body + b"!")

        def send() -> None:
            self._keep(name, self._client.put_object(**request).get("VersionId"), body)

        return self._outcome(f"{self.folder}{name}", "PutObject", send)

    def put_in_parts(self, name: str, body: bytes, until: datetime) -> Sentinel:
        """Store a sentinel as an upload in parts that asks for a lock when it begins."""
        bucket, key = self._bucket, f"{self._prefix}{self.folder}{name}"
        with asked(self._subject(f"{self.folder}{name}", "CreateMultipartUpload")):
            upload = self._client.create_multipart_upload(
                Bucket=bucket, Key=key, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
            )["UploadId"]
            part = self._client.upload_part(
                Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=body, ContentMD5=_md5(body)
            )
            parts: CompletedMultipartUploadTypeDef = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            answer = self._client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts
            )
        return self._keep(name, answer.get("VersionId"), body)

    def delete(self, sentinel: Sentinel, *, bypass: bool = False) -> str:
        """Try to delete a sentinel's version."""
        key = self._aim(sentinel)

        def send() -> None:
            if bypass:
                self._client.delete_object(
                    Bucket=self._bucket, Key=key, VersionId=sentinel.version, BypassGovernanceRetention=True
                )
            else:
                self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=sentinel.version)

        return self._outcome(sentinel.key, "DeleteObject", send)

    def retain(self, sentinel: Sentinel, mode: Mode, until: datetime, *, bypass: bool = False) -> str:
        """Try to set another retention on a sentinel's version."""
        bucket, key, version = self._bucket, self._aim(sentinel), sentinel.version
        wanted: ObjectLockRetentionTypeDef = {"Mode": mode, "RetainUntilDate": until}

        def send() -> None:
            if bypass:
                self._client.put_object_retention(
                    Bucket=bucket, Key=key, VersionId=version, Retention=wanted, BypassGovernanceRetention=True
                )
            else:
                self._client.put_object_retention(Bucket=bucket, Key=key, VersionId=version, Retention=wanted)

        return self._outcome(sentinel.key, "PutObjectRetention", send)

    def lift(self, sentinel: Sentinel) -> str:
        """Try to switch a sentinel's legal hold off."""
        key = self._aim(sentinel)

        def send() -> None:
            self._client.put_object_legal_hold(
                Bucket=self._bucket, Key=key, VersionId=sentinel.version, LegalHold={"Status": "OFF"}
            )

        return self._outcome(sentinel.key, "PutObjectLegalHold", send)

    def rewrite_policy(self, text: str) -> str:
        """Try to put the bucket's policy, the very one that it has: whether it may be changed, without a change."""

        def send() -> None:
            self._client.put_bucket_policy(Bucket=self._bucket, Policy=text)

        return self._outcome("", "PutBucketPolicy", send)

    def _request(self, name: str, body: bytes) -> PutObjectRequestTypeDef:
        return {
            "Bucket": self._bucket,
            "Key": f"{self._prefix}{self.folder}{name}",
            "Body": body,
            "ContentLength": len(body),
            "ContentMD5": _md5(body),
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        }

    def _keep(self, name: str, version: str | None, body: bytes) -> Sentinel:
        if version is None:
            raise WorldError(
                "store-error",
                f"{self._subject(name, 'PutObject')}: expected a version id, found none",
                hint="have the bucket's owner make one with Object Lock on, which keeps versions",
            )
        sentinel = Sentinel(f"{self.folder}{name}", version, body)
        self._own.add((sentinel.key, version))
        self.sentinels.append(sentinel)
        return sentinel

    def _aim(self, sentinel: Sentinel) -> str:
        """Return the full key of a sentinel; anything that was not stored here is refused."""
        if (sentinel.key, sentinel.version) not in self._own or not sentinel.key.startswith(self.folder):
            raise ValueError(f"{sentinel.key}: not a sentinel of this probe")
        return f"{self._prefix}{sentinel.key}"

    def _outcome(self, key: str, operation: str, send: Callable[[], None]) -> str:
        """Send, and return the store's code for its refusal, or `ACCEPTED`; raises when there was no real answer."""
        try:
            send()
        except REFUSALS as error:
            meant = s3_error(error, self._subject(key, operation))
            if meant.code in _WORLD:
                raise meant from error
            return code_of(error) or meant.code
        return ACCEPTED

    def _subject(self, key: str, operation: str) -> Subject:
        return Subject(self._client.meta.endpoint_url, self._bucket, f"{self._prefix}{key}", operation)


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
