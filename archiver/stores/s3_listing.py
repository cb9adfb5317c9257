"""Version listings in the store's own order.

Laws: keys in byte order; within a key the order in which the store lists its versions and delete markers, newest
first, which decides who came first in the log. botocore sorts one list of versions and one of delete markers out of the
XML and so loses the order between the two; it is read from the XML itself and kept. A date is never used for order.

>>> keep_order(client); [version.key for version in in_order(page, "prefix/")]
['README.txt', 'log/entries/000000000000']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from archiver.stores.base import Version

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import (
        DeleteMarkerEntryTypeDef,
        ListObjectVersionsOutputTypeDef,
        ObjectVersionTypeDef,
        OwnerTypeDef,
    )

__all__ = ["in_order", "is_listing", "keep_order"]

_EVENT: Final = "before-parse.s3.ListObjectVersions"
_ORDER: Final = "ArchiverOrder"
_TAGS: Final = ("Version", "DeleteMarker")


def keep_order(client: S3Client) -> None:
    """Let this client keep the order of the XML in every page of versions."""
    client.meta.events.register(_EVENT, _note_order, unique_id="archiver-version-order")


def is_listing(page: ListObjectVersionsOutputTypeDef) -> bool:
    """Say whether a page is what a store answers; botocore reads any other XML, or HTML, as a listing of nothing."""
    return _ORDER in page


def in_order(page: ListObjectVersionsOutputTypeDef, prefix: str) -> list[Version]:
    """Return a page's versions and delete markers, the prefix taken off their keys.

    A store that does not mix the two (moto) gets its latest version first; for all others sorting changes nothing.
    """
    versions = (_version(entry, prefix) for entry in page.get("Versions", ()))
    markers = (_marker(entry, prefix) for entry in page.get("DeleteMarkers", ()))
    mixed = [next(versions if tag == "Version" else markers) for tag in _tags(page)]
    return sorted(mixed, key=lambda version: (version.key.encode("utf-8", "surrogatepass"), not version.is_latest))


def _tags(page: ListObjectVersionsOutputTypeDef) -> Iterator[str]:
    order: dict[str, Any] = {**page}
    yield from order.get(_ORDER, ())


def _note_order(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Note the sequence of elements; botocore keeps the order within each of the two kinds."""
    if response_dict["status_code"] >= 300:  # noqa: PLR2004 - not a page: botocore makes an error of it
        return
    try:
        page = ET.fromstring(response_dict["body"])  # noqa: S314 - botocore parses the same bytes the same way
    except ET.ParseError:
        return  # botocore parses it next and says what is wrong
    if page.tag.rpartition("}")[2] != "ListVersionsResult":
        return  # somebody else's answer: `is_listing` says so
    tags = [element.tag.rpartition("}")[2] for element in page]
    customized_response_dict[_ORDER] = [tag for tag in tags if tag in _TAGS]


def _version(entry: ObjectVersionTypeDef, prefix: str) -> Version:
    return Version(
        key=entry["Key"].removeprefix(prefix),
        version=entry.get("VersionId"),
        size=entry["Size"],
        modified=entry["LastModified"],
        is_latest=entry["IsLatest"],
        etag=entry.get("ETag", "").strip('"') or None,
        owner=_owner(entry.get("Owner", {})),
    )


def _marker(entry: DeleteMarkerEntryTypeDef, prefix: str) -> Version:
    return Version(
        key=entry["Key"].removeprefix(prefix),
        version=entry.get("VersionId"),
        size=0,
        modified=entry["LastModified"],
        is_latest=entry["IsLatest"],
        is_delete_marker=True,
        owner=_owner(entry.get("Owner", {})),
    )


def _owner(owner: OwnerTypeDef) -> str | None:
    return owner.get("DisplayName") or owner.get("ID")
