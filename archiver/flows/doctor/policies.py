"""Least-privilege bucket policies for the roles that meet an archive, to be printed.

    writer     puts and reads; cannot delete, shorten, bypass, lift, or change the bucket's rules
    extender   a writer that may also set later dates
    auditor    reads, lists, sees locks and settings; changes nothing
    witness    reads the log and its statements, which hold no evidence, and lists names; changes nothing

Laws: a policy allows what is needed below the prefix and denies the rest by name in the whole bucket, since some stores
take `NotAction` and conditions and ignore them; a denial wins over every permission from elsewhere. On AWS a lock in a
put needs the permissions to set retention and legal hold, so there conditions keep a writer from lifting holds, from
weaker modes and from longer dates; elsewhere a put carries its lock without these permissions, and they are denied.

>>> role_policy([("auditor", "arn:aws:iam::1:role/a")], place, until=until, now=now)["Statement"][0]["Sid"]
'ArchiverAuditorReads'
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from archiver.stores.base import Destination

__all__ = ["ROLES", "default_principal", "is_aws", "role_policy"]

JsonObject = dict[str, Any]

ROLES: Final = ("writer", "auditor", "extender", "witness")

_READ_BYTES: Final = ("GetObject", "GetObjectVersion")
_READ_KEYS: Final = (*_READ_BYTES, "GetObjectRetention", "GetObjectLegalHold")
_LIST: Final = ("ListBucket", "ListBucketVersions", "GetBucketLocation")
_READ_BUCKET: Final = (
    *_LIST,
    "GetBucketVersioning",
    "GetBucketObjectLockConfiguration",
    "GetLifecycleConfiguration",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketAcl",
)
_DELETE: Final = ("DeleteObject", "DeleteObjectVersion", "BypassGovernanceRetention")
_RULES: Final = (
    "DeleteBucket",
    "DeleteBucketPolicy",
    "PutBucketAcl",
    "PutBucketObjectLockConfiguration",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketVersioning",
    "PutLifecycleConfiguration",
    "PutReplicationConfiguration",
)
_ACCESS: Final = ("PutObjectAcl", "PutObjectVersionAcl")
_WITNESSED: Final = ("log/", "statements/")
_EVIDENCE: Final = ("data/", "derived/", "instruments/", "policies/", "reports/")
_SECONDS_A_DAY: Final = 86_400


def is_aws(place: Destination) -> bool:
    """Say whether a bucket lies with AWS itself, whose conditions on locks work."""
    return place.endpoint is None or place.endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def default_principal(role: str, place: Destination) -> str:
    """Return a stand-in for whom a policy is about: a role at AWS, a user of the bucket's owner elsewhere."""
    return f"arn:aws:iam::ACCOUNT:role/archiver-{role}" if is_aws(place) else f"arn:aws:iam:::user/OWNER:{role}"


def role_policy(roles: Sequence[tuple[str, str]], place: Destination, *, until: datetime, now: datetime) -> JsonObject:
    """Return the bucket policy for some roles, each with its principal, in one: a bucket has only one."""
    days = max(-(-int((until - now).total_seconds()) // _SECONDS_A_DAY), 1)
    statements = [one for role, principal in roles for one in _statements(role, principal, place, days)]
    return {"Version": "2012-10-17", "Statement": statements}


def _statements(role: str, principal: str, place: Destination, days: int) -> list[JsonObject]:
    maker = _Maker(role, principal, place)
    aws = is_aws(place)
    bucket = (*_READ_BUCKET, "GetEncryptionConfiguration") if aws else _READ_BUCKET
    rules = (*_RULES, "PutEncryptionConfiguration") if aws else _RULES
    reads = [maker.allow("Reads", _READ_KEYS), maker.allow("SeesSettings", bucket, on_bucket=True)]
    keeps = [maker.deny("KeepsObjects", (*_DELETE, *_ACCESS)), maker.deny("KeepsRules", rules, on_bucket=True)]
    nothing = maker.deny("ChangesNothing", ("PutObject", "PutObjectRetention", "PutObjectLegalHold"))
    if role == "auditor":
        return [*reads, *keeps, nothing]
    if role == "witness":
        log = maker.allow("ReadsTheLog", _READ_BYTES, below=_WITNESSED)
        names = maker.allow("SeesNames", _LIST, on_bucket=True)
        return [log, names, *keeps, nothing, maker.deny("SeesNoEvidence", _READ_BYTES, below=_EVIDENCE)]
    if aws:
        locks = maker.allow("PutsLocked", ("PutObject", "PutObjectRetention", "PutObjectLegalHold"))
        return [*reads, locks, *keeps, *_conditions(maker, role, days)]
    if role == "extender":
        puts = maker.allow("PutsAndExtends", ("PutObject", "PutObjectRetention"))
        return [*reads, puts, *keeps, maker.deny("LiftsNothing", ("PutObjectLegalHold",))]
    locked = maker.deny("LeavesLocks", ("PutObjectRetention", "PutObjectLegalHold"))
    return [*reads, maker.allow("Puts", ("PutObject",)), *keeps, locked]


def _conditions(maker: _Maker, role: str, days: int) -> list[JsonObject]:
    """Return what keeps somebody at AWS from lifting a hold, from weaker modes and, a writer, from longer dates."""
    lifts = maker.deny("LiftsNothing", ("PutObjectLegalHold",))
    weakens = maker.deny("WeakensNothing", ("PutObjectRetention",))
    found = [
        {**lifts, "Condition": {"StringEquals": {"s3:object-lock-legal-hold": "OFF"}}},
        {**weakens, "Condition": {"StringEquals": {"s3:object-lock-mode": "GOVERNANCE"}}},
    ]
    if role == "writer":
        limit = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": str(days)}}
        found.append({**maker.deny("LocksNoLonger", ("PutObject", "PutObjectRetention")), "Condition": limit})
    return found


class _Maker:
    def __init__(self, role: str, principal: str, place: Destination) -> None:
        self._name = f"Archiver{role.capitalize()}"
        self._principal = principal
        self._bucket = f"arn:aws:s3:::{place.bucket}"
        self._prefix = f"{place.prefix}/" if place.prefix else ""

    def allow(
        self, what: str, actions: Sequence[str], *, on_bucket: bool = False, below: Sequence[str] = ("",)
    ) -> JsonObject:
        """Allow something below the prefix, in these folders of it, or on the bucket itself."""
        return self._statement("Allow", what, actions, [self._bucket] if on_bucket else self._below(below))

    def deny(
        self, what: str, actions: Sequence[str], *, on_bucket: bool = False, below: Sequence[str] = ()
    ) -> JsonObject:
        """Deny something in the whole bucket, or in these folders of the archive, or on the bucket itself."""
        everywhere = self._below(below) if below else [f"{self._bucket}/*"]
        return self._statement("Deny", what, actions, [self._bucket] if on_bucket else everywhere)

    def _below(self, folders: Sequence[str]) -> list[str]:
        return [f"{self._bucket}/{self._prefix}{folder}*" for folder in folders]

    def _statement(self, effect: str, what: str, actions: Sequence[str], resources: list[str]) -> JsonObject:
        return {
            "Sid": f"{self._name}{what}",
            "Effect": effect,
            "Principal": {"AWS": [self._principal]},
            "Action": [f"s3:{action}" for action in actions],
            "Resource": resources,
        }
