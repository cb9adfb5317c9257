"""What a store's answers say, read carefully: ETags, digests, dates.

>>> whole_object_sha256({"ChecksumSHA256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="})[:8]
'2cf24dba'
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from archiver.errors import WorldError

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, PutObjectOutputTypeDef

__all__ = ["differs", "etag_of", "instant", "whole_object_sha256"]


def etag_of(answer: PutObjectOutputTypeDef | HeadObjectOutputTypeDef) -> str | None:
    """Return an ETag without its quotes, None where the answer has none."""
    return answer.get("ETag", "").strip('"') or None


def differs(subject: str, expected: str, found: str) -> WorldError:
    """Say that what was read back is not what was put."""
    hint = (
        "an answer was cut or changed on its way, or the store does not keep what it is given: "
        "run the same command again; if it stays, do not use this store"
    )
    return WorldError("read-back-differs", f"{subject}: expected {expected}, found {found}", hint=hint)


def whole_object_sha256(head: HeadObjectOutputTypeDef) -> str | None:
    """Return the SHA-256 that the store keeps; that of a multipart object is one of parts (`…-3`) and is no digest."""
    try:
        digest = base64.b64decode(head.get("ChecksumSHA256", ""), validate=True)
    except ValueError:
        return None
    return (
        digest.hex()
        if len(digest) == hashlib.sha256().digest_size and head.get("ChecksumType") != "COMPOSITE"
        else None
    )


def instant(date: str | None) -> datetime | None:
    """Read a Date header."""
    try:
        return None if date is None else parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return None
