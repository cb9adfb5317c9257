"""From a location, as a person writes it, to a store.

Laws: a location is a path, `file://` or `s3://bucket/prefix`; what is meant is never guessed; nothing is created and no
request is sent by opening; botocore is loaded only for a bucket.

>>> open_store("./archive", base=Path("/srv"), clock=clock).destination.bucket
'/srv/archive'
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from archiver.errors import UsageError
from archiver.late import pattern
from archiver.stores.base import Store
from archiver.stores.folder import FolderStore
from archiver.stores.keys import check_key
from archiver.stores.manner import Manner

__all__ = ["open_store"]

_SCHEME: Final = pattern(r"([A-Za-z][A-Za-z0-9+.-]*):/")
_BUCKET: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")


def open_store(
    location: str,
    *,
    base: Path,
    clock: Callable[[], datetime],
    endpoint: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    read_back: bool = False,
) -> Store:
    """Open the store that `location` names; a relative path is relative to `base`. Raises `UsageError`.

    `read_back` has every byte read back after a put, which a folder does anyway.
    """
    scheme = _SCHEME.match(location)
    if scheme is not None and scheme[1] == "s3":
        return _open_bucket(
            location, manner=Manner(read_back=read_back), clock=clock, endpoint=endpoint, region=region, profile=profile
        )
    if endpoint or region or profile:
        raise _refused(location, "an s3:// location, as endpoint, region or profile are given", "a folder")
    return FolderStore(_folder(location, base), location=location, clock=clock)


def _open_bucket(
    location: str,
    *,
    manner: Manner,
    clock: Callable[[], datetime],
    endpoint: str | None,
    region: str | None,
    profile: str | None,
) -> Store:
    bucket, prefix = _bucket_and_prefix(location)
    if endpoint is not None and not (urlsplit(endpoint).scheme in ("http", "https") and urlsplit(endpoint).hostname):
        raise UsageError("endpoint-refused", f"endpoint: expected http://host or https://host, found {endpoint!r}")
    from archiver.s3.client import caller, connect  # noqa: PLC0415 - the same
    from archiver.stores.s3 import S3Store  # noqa: PLC0415 - loads botocore, a third of a second

    client = connect(endpoint=endpoint, region=region, profile=profile)
    identify = partial(caller, endpoint=endpoint, region=region, profile=profile)
    return S3Store(
        client, bucket=bucket, prefix=prefix, location=location, clock=clock, identify=identify, manner=manner
    )


def _bucket_and_prefix(location: str) -> tuple[str, str]:
    bucket, _, prefix = location.removeprefix("s3://").removesuffix("/").partition("/")
    if not location.startswith("s3://") or not _BUCKET.fullmatch(bucket):
        raise _refused(location, "s3://bucket/prefix", f"the bucket {bucket!r}")
    if "?" in prefix or "#" in prefix:
        raise _refused(location, "s3://bucket/prefix and nothing more", "a query or fragment")
    return bucket, check_key(prefix) if prefix else ""


def _folder(location: str, base: Path) -> Path:
    scheme = _SCHEME.match(location)
    if location.startswith("file://"):
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
            raise _refused(location, "file:///absolute/path", "another form")
        return Path(os.path.realpath(unquote(parts.path)))
    if scheme is not None:
        raise _refused(location, "a path, file:// or s3://", f"{scheme[1]}:")
    if not location.strip() or "\0" in location or location.startswith("~"):
        raise _refused(location, "a path written out in full", "something that is none")
    return Path(os.path.realpath(base / location))


def _refused(location: str, expected: str, found: str) -> UsageError:
    return UsageError(
        "location-refused",
        f"location {location!r}: expected {expected}, found {found}",
        hint="write a path such as ./archive, file:///srv/archive, or s3://bucket/prefix",
    )
