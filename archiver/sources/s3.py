r"""A prefix of an S3 bucket as a source: every version of every key, and every delete marker.

The laws:

1. One listing of versions is all that is asked about what is there. A version is an item; what a store keeps without
   versions is one item for each key, without `version`.
2. Reading is pinned: by version id, and by the ETag of the listing. What was written again meanwhile, where no versions
   are kept, is looked at once more and read as it is now.
3. A key is bytes. Its part behind the prefix is the item's path; a component that no path can have (empty, `.` or `..`)
   gets one NUL byte in front, and so does one that begins with NUL, so that no two keys share a path.
4. What cannot be read is an item that failed, with the store's words. What says that nothing at all can be read (no
   bucket, no network, no credentials) ends the source: `SourceUnavailable`.
5. Nothing is written, and nothing is asked for that a reader has no business with.

>>> path_of_key(b"a//../b")
b'a/\x00/\x00../b'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from archiver.errors import WorldError, printable
from archiver.model.instant import format_instant
from archiver.model.item import escape_path, unescape_path
from archiver.model.items import ItemLine
from archiver.model.policy import Source
from archiver.proof import canonical
from archiver.s3.client import connect
from archiver.s3.errors import REFUSALS, Refusal, Subject, asked, code_of, no_store, s3_error
from archiver.sources.base import Found, ObjectFacts, Problem, ReadProblem, SourceUnavailable
from archiver.sources.s3_reading import ObjectReading

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

__all__ = ["BucketLocation", "bucket_location", "path_of_key"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNVERSIONED: Final = (None, "null")
_ENDS_THE_SOURCE: Final = {"store-no-bucket", "store-credentials", "store-clock-skew", "store-unreachable"}
_REASONS: Final = {
    "NoSuchKey": "vanished",
    "NoSuchVersion": "vanished",
    "404": "vanished",
    "PreconditionFailed": "replaced",
    "412": "replaced",
    "InvalidObjectState": "cold-storage",
}
_COLD: Final = "it lies in a storage class that must be asked to give it back first"
_KEPT_HEADERS: Final = ("cache-control", "expires", "etag", "last-modified")
_OF_THE_ANSWER: Final = ("content-length", "content-range", "x-amz-request-id", "x-amz-id-2")


def bucket_location(source: Source) -> BucketLocation:
    """Return the location of a source that the policy says is in a bucket; no request is sent."""
    bucket, _, prefix = source.location.removeprefix("s3://").partition("/")
    try:
        client = connect(endpoint=source.endpoint, region=source.region, profile=source.profile)
    except WorldError as problem:
        raise _unavailable(problem) from problem
    return BucketLocation(client, bucket=bucket, prefix=prefix, endpoint=source.endpoint)


def path_of_key(key: bytes) -> bytes:
    """Return the path of a key's part behind the prefix (law 3)."""
    return b"/".join(
        b"\0" + name if name in (b"", b".", b"..") or name.startswith(b"\0") else name for name in key.split(b"/")
    )


class BucketLocation:
    """What lies below a prefix, which ends with `/` unless it is the whole bucket."""

    lasting = True

    def __init__(
        self,
        client: S3Client,
        *,
        bucket: str,
        prefix: str,
        endpoint: str | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Bind to a bucket; no request is sent."""
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.removesuffix('/')}/" if prefix else ""
        self._endpoint = endpoint or "AWS"
        self._clock = clock
        self._sleep = sleep

    def walk(self, *, quick: bool = False) -> Iterator[Found]:  # noqa: ARG002 - a listing tells all it tells
        """Yield versions and delete markers, keys in the order of their bytes, a key's newest version first."""
        subject = self._subject(self._prefix, "ListObjectVersions")
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._prefix)
        last: tuple[str, str | None] | None = None
        try:
            with asked(subject):
                for page in pages:
                    if "IsTruncated" not in page:  # botocore reads any other XML, or HTML, as a listing of nothing
                        raise no_store(subject, "a listing")
                    versions: list[Any] = [*page.get("Versions", ())]
                    markers: list[Any] = [{**marker, "deleted": True} for marker in page.get("DeleteMarkers", ())]
                    for entry in sorted([*versions, *markers], key=_order):
                        name = entry["Key"], entry.get("VersionId")
                        if name != last:  # some stores begin a page with the last of the one before
                            yield self._found(entry)
                        last = name
        except WorldError as problem:
            raise _unavailable(problem) from problem

    @contextmanager
    def open(self, found: Found) -> Iterator[ObjectReading]:
        """Open one version, or the object of a key that has none."""
        assert isinstance(found.facts, ObjectFacts)
        reading = self._open(found.facts)
        try:
            yield reading
        finally:
            reading.close()

    def stays(self, line: ItemLine) -> bool:
        """Say yes of every other key: only versions of one key are taken for one log that grew."""
        return line.item.version is None

    def spell(self, _host: str) -> str:
        """Return bucket and prefix, and whose they are."""
        return f"s3://{self._bucket}/{self._prefix} at {self._endpoint}"

    def device(self) -> None:
        """Return nothing: where a bucket lies, its endpoint says."""

    def _open(self, facts: ObjectFacts) -> ObjectReading:
        try:
            return self._pinned(facts)
        except ReadProblem as problem:
            if problem.problem.reason != "replaced" or facts.words["version"] not in _UNVERSIONED:
                raise
        return self._pinned(self._looked_at_again(facts))

    def _pinned(self, facts: ObjectFacts) -> ObjectReading:
        subject = self._subject(_text_of(facts), "GetObject")
        answers: list[GetObjectOutputTypeDef] = []

        def request(offset: int) -> GetObjectOutputTypeDef:
            words: dict[str, Any] = self._name(facts)
            if facts.words["etag"]:
                words["IfMatch"] = f'"{facts.words["etag"]}"'
            if offset:
                words["Range"] = f"bytes={offset}-"
            else:
                words["ChecksumMode"] = "ENABLED"
            try:
                answer = self._client.get_object(**words)
            except REFUSALS as error:
                raise _problem_of(error, subject) from error
            answers[:] = answers or [answer]
            return answer

        reading = ObjectReading(request, subject, sleep=self._sleep)
        headers = answers[0]["ResponseMetadata"]["HTTPHeaders"]
        at, tags = format_instant(self._clock()), self._tags(facts)
        read: canonical.JSON = {"at": at, "headers": _kept(headers), "tags": tags}
        reading.first = replace(facts, size=reading.size, words={**facts.words, "read": read})
        return reading

    def _tags(self, facts: ObjectFacts) -> canonical.JSON:
        """Ask for the tags; None where they are not to be had, which is no reason to leave an object behind."""
        try:
            found = self._client.get_object_tagging(**self._name(facts))
        except REFUSALS:
            return None
        return {tag["Key"]: tag["Value"] for tag in found.get("TagSet", ())}

    def _looked_at_again(self, facts: ObjectFacts) -> ObjectFacts:
        subject = self._subject(_text_of(facts), "HeadObject")
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=_text_of(facts))
        except REFUSALS as error:
            raise _problem_of(error, subject) from error
        etag = head["ETag"].strip('"')
        words = {**facts.words, "etag": etag, "modified": format_instant(head["LastModified"]), "latest": True}
        words["version"] = head.get("VersionId")
        return ObjectFacts(head["ContentLength"], words, _nanoseconds(head["LastModified"]))

    def _found(self, entry: dict[str, Any]) -> Found:
        key, deleted = entry["Key"].encode("utf-8", "surrogatepass"), bool(entry.get("deleted"))
        version, modified = entry.get("VersionId"), entry.get("LastModified")
        words = {
            "store": "s3",
            "key": escape_path(key),
            "version": version,
            "latest": bool(entry.get("IsLatest")),
            "deleted": deleted,
            "etag": entry.get("ETag", "").strip('"') or None,
            "modified": None if modified is None else format_instant(modified),
            "storage_class": entry.get("StorageClass"),
            "owner": (owner := entry.get("Owner", {})).get("DisplayName") or owner.get("ID"),
            "read": None,
        }
        size = None if deleted else entry["Size"]
        return Found(
            path=path_of_key(key.removeprefix(self._prefix.encode())),
            kind="object",
            facts=ObjectFacts(size or 0, words, None if modified is None else _nanoseconds(modified)),
            size=size,
            version=None if version in _UNVERSIONED else version,
            content=not deleted,
        )

    def _name(self, facts: ObjectFacts) -> dict[str, Any]:
        """Return what names the object in a request: the version too, unless the store keeps none of this key."""
        version = facts.words["version"]
        pinned = {} if version in _UNVERSIONED and facts.words["latest"] else {"VersionId": version}
        return {"Bucket": self._bucket, "Key": _text_of(facts), **pinned}

    def _subject(self, key: str, operation: str) -> Subject:
        return Subject(self._endpoint, self._bucket, key, operation)


def _order(entry: dict[str, Any]) -> tuple[bytes, bool]:
    return entry["Key"].encode("utf-8", "surrogatepass"), not entry.get("IsLatest")


def _text_of(facts: ObjectFacts) -> str:
    return unescape_path(str(facts.words["key"])).decode("utf-8", "surrogatepass")


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _kept(headers: dict[str, str]) -> canonical.JSON:
    """Return the headers that are about the object and not about the answer, their bytes escaped as in paths."""
    return {
        name: escape_path(value.encode("latin-1", "replace"))
        for name, value in sorted((name.lower(), value) for name, value in headers.items())
        if (name in _KEPT_HEADERS or name.startswith(("content-", "x-amz-"))) and name not in _OF_THE_ANSWER
    }


def _problem_of(error: Refusal, subject: Subject) -> ReadProblem | SourceUnavailable:
    """Return what a refused request means for one item, or for all of them."""
    meaning = s3_error(error, subject)
    if meaning.code in _ENDS_THE_SOURCE:
        return _unavailable(meaning)
    found = code_of(error)
    reason = _REASONS.get(found, "permission-denied" if meaning.code == "store-denied" else "unreadable")
    detail = f"{printable(subject.key)}: {found or meaning.message}"
    return ReadProblem(Problem(reason, f"{detail}: {_COLD}" if reason == "cold-storage" else detail))


def _unavailable(problem: WorldError) -> SourceUnavailable:
    text = f"source location: expected a bucket whose versions can be listed and read, found {problem.message}"
    return SourceUnavailable("source-unavailable", text, hint=problem.hint)
