"""What a bucket says about itself: settings that decide whether locks hold. Questions only, nothing is changed.

Laws: None means that the store states that there is no such setting; what the credentials may not see, or the store
cannot answer, is raised as `WorldError` and is unknown to whoever asked, never fine; an answer without content, as
old gateways give for settings that they do not know, counts as none.

>>> inspector.object_lock()
ObjectLock(default_mode='COMPLIANCE', default_days=365)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import boto3

from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.s3.client import connect
from archiver.s3.errors import NO_LOCK, REFUSALS, Subject, asked, code_of, s3_error
from archiver.stores.base import Destination

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["EncryptionKey", "Inspector", "LifecycleRule", "ObjectLock", "Public", "inspect"]

JsonObject = dict[str, Any]

_EVERYBODY: Final = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_ENDS: Final = ("Expiration", "NoncurrentVersionExpiration")
_MOVES: Final = ("Transitions", "NoncurrentVersionTransitions")


@dataclass(frozen=True)
class ObjectLock:
    """Object Lock is on; the default retention of new objects, None where there is none."""

    default_mode: str | None
    default_days: int | None


@dataclass(frozen=True)
class LifecycleRule:
    """An enabled rule: its name, the prefix that it is about ("" all keys), what it ends and whether it moves data."""

    name: str
    prefix: str
    ends: tuple[str, ...]
    moves: bool


@dataclass(frozen=True)
class Public:
    """Who outside may come in: grants to everybody as `permission`, the policy's own status, all four blocks on."""

    grants: tuple[str, ...]
    policy_is_public: bool
    blocked: bool


@dataclass(frozen=True)
class EncryptionKey:
    """A key of the key service: "Enabled", "Disabled", "PendingDeletion" and so on."""

    key: str
    state: str
    deletion: datetime | None


class Inspector:
    """Looks at one bucket."""

    def __init__(
        self, client: S3Client, *, bucket: str, prefix: str, describe_key: Callable[[str], Mapping[str, Any]]
    ) -> None:
        """Keep the client; `prefix` ends with a slash or is empty; `describe_key` asks the key service."""
        self.client, self.bucket, self.prefix = client, bucket, prefix
        self._describe_key = describe_key

    def object_lock(self) -> ObjectLock | None:
        """Return Object Lock and its default retention, None when it is off."""
        found = self._ask(
            "GetObjectLockConfiguration", lambda: self.client.get_object_lock_configuration(Bucket=self.bucket), NO_LOCK
        )
        words: JsonObject = dict(found.get("ObjectLockConfiguration", {}))
        if words.get("ObjectLockEnabled") != "Enabled":
            return None
        default = words.get("Rule", {}).get("DefaultRetention", {})
        days = default.get("Days") or (default.get("Years") or 0) * 365
        return ObjectLock(default.get("Mode"), int(days) or None)

    def versioning(self) -> str:
        """Return "Enabled", "Suspended", or "Disabled" where versioning was never on."""
        found = self._ask("GetBucketVersioning", lambda: self.client.get_bucket_versioning(Bucket=self.bucket))
        return str(found.get("Status", "Disabled"))

    def lifecycle(self) -> list[LifecycleRule]:
        """Return the enabled rules that are about keys of the prefix."""
        found = self._ask(
            "GetBucketLifecycleConfiguration",
            lambda: self.client.get_bucket_lifecycle_configuration(Bucket=self.bucket),
            {"NoSuchLifecycleConfiguration"},
        )
        rules = [_rule(dict(one)) for one in found.get("Rules", ()) if one.get("Status") == "Enabled"]
        return [rule for rule in rules if _overlap(rule.prefix, self.prefix)]

    def policy_text(self) -> str | None:
        """Return the text of the bucket policy."""
        found = self._ask(
            "GetBucketPolicy", lambda: self.client.get_bucket_policy(Bucket=self.bucket), {"NoSuchBucketPolicy"}
        )
        return found.get("Policy") or None

    def policy(self) -> JsonObject | None:
        """Return the bucket policy."""
        text = self.policy_text()
        if text is None:
            return None
        try:
            words = json.loads(text)
        except ValueError as error:
            raise WorldError("store-error", f"{self._subject('GetBucketPolicy')}: expected JSON, found none") from error
        return words if isinstance(words, dict) else {}

    def public(self) -> Public:
        """Return what lets everybody in."""
        acl = self._ask("GetBucketAcl", lambda: self.client.get_bucket_acl(Bucket=self.bucket))
        status = self._ask(
            "GetBucketPolicyStatus",
            lambda: self.client.get_bucket_policy_status(Bucket=self.bucket),
            {"NoSuchBucketPolicy", "NotImplemented", "MethodNotAllowed"},
        )
        block = self._ask(
            "GetPublicAccessBlock",
            lambda: self.client.get_public_access_block(Bucket=self.bucket),
            {"NoSuchPublicAccessBlockConfiguration", "NotImplemented", "MethodNotAllowed"},
        )
        blocks = block.get("PublicAccessBlockConfiguration", {})
        grants: list[JsonObject] = [dict(one) for one in acl.get("Grants", ())]
        return Public(
            grants=tuple(
                str(one.get("Permission")) for one in grants if one.get("Grantee", {}).get("URI") in _EVERYBODY
            ),
            policy_is_public=bool(status.get("PolicyStatus", {}).get("IsPublic")),
            blocked=bool(blocks) and all(blocks.values()),
        )

    def encryption_key(self) -> str | None:
        """Return the key that new objects are encrypted with, None where the store keeps the keys itself."""
        found = self._ask(
            "GetBucketEncryption",
            lambda: self.client.get_bucket_encryption(Bucket=self.bucket),
            {"ServerSideEncryptionConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"},
        )
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
        for rule in rules:
            default: JsonObject = dict(rule.get("ApplyServerSideEncryptionByDefault", {}))
            if str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
                return str(default.get("KMSMasterKeyID") or "alias/aws/s3")
        return None

    def key_state(self, key: str) -> EncryptionKey:
        """Ask the key service about a key."""
        with asked(Subject(self.client.meta.endpoint_url, self.bucket, key, "kms:DescribeKey")):
            words = self._describe_key(key)["KeyMetadata"]
        return EncryptionKey(key, str(words.get("KeyState")), words.get("DeletionDate"))

    def _ask(
        self, operation: str, question: Callable[[], Mapping[str, object]], none: Collection[str] = ()
    ) -> JsonObject:
        """Return an answer, empty where the store states that there is none."""
        try:
            return {**question()}
        except REFUSALS as error:
            if code_of(error) in none:
                return {}
            raise s3_error(error, self._subject(operation)) from error

    def _subject(self, operation: str) -> Subject:
        return Subject(self.client.meta.endpoint_url, self.bucket, self.prefix, operation)


def inspect(place: Destination, *, region: str | None, profile: str | None) -> Inspector:
    """Return an inspector of a destination's bucket, with a connection of its own; no request is sent."""
    endpoint = None if _is_aws(place.endpoint) else place.endpoint

    def describe_key(key: str) -> Mapping[str, Any]:
        kms = boto3.Session(profile_name=profile, region_name=region).client("kms", endpoint_url=endpoint)
        found: Mapping[str, Any] = kms.describe_key(KeyId=key)
        return found

    return Inspector(
        connect(endpoint=endpoint, region=region, profile=profile),
        bucket=place.bucket,
        prefix=f"{place.prefix}/" if place.prefix else "",
        describe_key=describe_key,
    )


def _is_aws(endpoint: str | None) -> bool:
    """Say whether an endpoint is the one that the client would find by itself."""
    return endpoint is None or endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _rule(words: JsonObject) -> LifecycleRule:
    selection = words.get("Filter") or {}
    prefix = words.get("Prefix") or selection.get("Prefix") or selection.get("And", {}).get("Prefix") or ""
    return LifecycleRule(
        name=str(words.get("ID", "")),
        prefix=str(prefix),
        ends=tuple(name for name in _ENDS if _ends(words.get(name))),
        moves=any(words.get(name) for name in _MOVES),
    )


def _ends(expiration: JsonObject | None) -> bool:
    """Say whether an expiration ends objects; one that only takes lonely delete markers away does not."""
    return bool(expiration) and set(expiration or {}) != {"ExpiredObjectDeleteMarker"}


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
