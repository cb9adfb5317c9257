"""A store in an S3 bucket with Object Lock.

Laws, each of which has a store behind it that needs it:
1. One `put_object` carries bytes, lock, SHA-256 and MD5, its payload signed: multipart uploads drop lock headers on
   some stores, trailing checksums are refused by others, and some check only one of the two digests. All three say what
   the body is said to be; a file that is not signed as that does not leave (`s3_sending`).
2. What the store keeps is read back by version id and compared: a lock that is missing, weaker or earlier is an error.
3. `If-None-Match: *` is not relied on: some stores ignore it where versions are kept, and a retried put may leave
   several versions. Where it was not seen to be honoured the key is looked up first. What a key means is decided by
   the log.
4. Bytes are read back and hashed where the store was not seen to refuse other bytes than the digested ones, and
   wherever the policy says so. What a store does is found out by its answers (`s3_learn`).
5. A version is never removed and a date never lowered; no request of this module could do either. A legal hold goes
   off by `release` alone (`base.Releases`).

>>> with store.read("README.txt") as stream:
...     stream.read(4)
b'This'
"""

from __future__ import annotations

import base64
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NotRequired, TypedDict

from botocore.exceptions import ClientError

from archiver.errors import ArchiverError, KeyExistsError, LockError, NotStoredError, WorldError
from archiver.proof.digest import sha256_of
from archiver.s3.errors import CONFLICTS, DAMAGED, REFUSALS, Refusal, Subject, asked, code_of, no_store, s3_error
from archiver.s3.stream import ObjectStream
from archiver.stores.base import Body, Destination, Lock, Receipt, Stat, Version
from archiver.stores.bodies import BLOCK, Spooled, blocks, digest_of, measured, open_body, size_of, spool_changed
from archiver.stores.keys import check_key
from archiver.stores.locks import demand, highest, lifted, shortfalls, wanted_lock
from archiver.stores.manner import Manner
from archiver.stores.s3_answers import differs, etag_of, instant, whole_object_sha256
from archiver.stores.s3_learn import LARGEST_LESSON, learn
from archiver.stores.s3_listing import in_order, is_listing, keep_order
from archiver.stores.s3_lock import bucket_without_lock, lock_of
from archiver.stores.s3_sending import demand_stated, to_send

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        GetObjectRequestTypeDef,
        HeadObjectOutputTypeDef,
        PutObjectOutputTypeDef,
        PutObjectRequestTypeDef,
    )

__all__ = ["LARGEST", "S3Store"]

LARGEST: Final = 5 * 1024**3  # what one PutObject may carry; multipart would lose the lock on some stores
UNKNOWN: Final = Manner()
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)  # while another conditional put of the same key is under way (409)


class S3Store:
    """A store below one prefix of one bucket."""

    def __init__(
        self,
        client: S3Client,
        *,
        bucket: str,
        prefix: str,
        location: str,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        identify: Callable[[], str | None] = lambda: None,
        manner: Manner = UNKNOWN,
    ) -> None:
        """Keep a client made by `archiver.s3.client.connect`; `prefix` has no slash at its ends, or is empty."""
        self._client, self._bucket, self._prefix = client, bucket, f"{prefix}/" if prefix else ""
        self._location, self._clock, self._sleep, self._identify = location, clock, sleep, identify
        self._endpoint = client.meta.endpoint_url
        self.manner = manner
        keep_order(client)
        demand_stated(client)

    @property
    def destination(self) -> Destination:
        """Say who this store is."""
        return Destination(
            kind="s3",
            location=self._location,
            endpoint=self._endpoint,
            bucket=self._bucket,
            prefix=self._prefix.removesuffix("/"),
            enforces_locks=True,
            versioned=True,
        )

    def account(self) -> str | None:
        """Return whose credentials these are, None where nobody says so."""
        return self._identify()

    def clock_offset_s(self) -> int | None:
        """Return by how many seconds the store's clock is ahead of ours (behind: negative), None if it does not say.

        The store's Date header also stands on refusals, so that a missing permission does not matter here.
        """
        before = self._clock()
        try:
            headers = self._client.head_bucket(Bucket=self._bucket)["ResponseMetadata"]["HTTPHeaders"]
        except ClientError as error:
            headers = error.response["ResponseMetadata"]["HTTPHeaders"]
        except REFUSALS as error:
            raise s3_error(error, self._subject("", "HeadBucket")) from error
        middle = before + (self._clock() - before) / 2
        date = instant(headers.get("date"))
        return None if date is None else round((date - middle).total_seconds())

    def put(self, key: str, body: Body, *, lock: Lock, condition: bool = True) -> Receipt:
        """Store `body` as a new version of `key`, locked, and read it back."""
        sha256, wanted = digest_of(body), wanted_lock(lock)
        request = self._request(check_key(key), body, sha256)
        if wanted.retain_until is not None:
            request["ObjectLockMode"] = "COMPLIANCE" if wanted.mode == "COMPLIANCE" else "GOVERNANCE"
            request["ObjectLockRetainUntilDate"] = wanted.retain_until
        if wanted.legal_hold:
            request["ObjectLockLegalHoldStatus"] = "ON"
        if condition and not self.manner.conditional:
            self._refuse_existing(key)
        if condition and self.manner.conditional is not False:
            request["IfNoneMatch"] = "*"
        answer = self._send(request, body, key)
        # a crash here leaves a locked version without receipt: the next run finds it under its key and adopts it
        found = self._read_back(key, answer, wanted, sha256, request["ContentLength"])
        self._learn(request, body)
        basis = self._basis(found, sha256)
        return self._receipt(found, sha256, basis, answer["ResponseMetadata"].get("RequestId"))

    @contextmanager
    def read(self, key: str, version: str | None = None) -> Iterator[BinaryIO]:
        """Open one version for reading, forward only."""
        stream = ObjectStream(partial(self._open, key, version), self._subject(key, "GetObject"), sleep=self._sleep)
        with io.BufferedReader(stream, BLOCK) as buffered:
            yield buffered

    def stat(self, key: str, version: str | None = None) -> Stat:
        """Say what the store answers about one version."""
        head = self._head(key, version)
        found, size = head.get("VersionId") or version, head.get("ContentLength")
        if size is None:
            raise no_store(self._subject(key, "HeadObject"), "a size")
        return Stat(
            key=key,
            version=found,
            size=size,
            etag=etag_of(head),
            sha256=whole_object_sha256(head),
            lock=lock_of(self._client, self._subject(key, "GetObjectRetention"), head, found),
            request_id=head["ResponseMetadata"].get("RequestId"),
        )

    def list(self, prefix: str = "") -> Iterator[Version]:
        """Yield versions and delete markers in the order of the store's listing."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        with asked(self._subject(prefix, "ListObjectVersions")):
            for page in pages:
                if not is_listing(page):
                    raise no_store(self._subject(prefix, "ListObjectVersions"), "a listing")
                yield from in_order(page, self._prefix)

    def hold(self, key: str, version: str | None, lock: Lock) -> Receipt:
        """Raise the lock of one version. The receipt's SHA-256 is what the store itself keeps, if it does."""
        wanted, present = wanted_lock(lock), self.stat(key, version)
        if shortfalls(present.lock, wanted=wanted):
            self._raise(key, present.version, wanted=wanted, present=present.lock)
            # a crash here leaves one of the two raised; the same call goes on from there
            present = self.stat(key, present.version)
        demand(present.lock, wanted=wanted, subject=str(self._subject(key, "PutObjectRetention")))
        return self._receipt(present, present.sha256, "store", present.request_id)

    def release(self, key: str, version: str | None) -> Receipt:
        """Take the legal hold off one version; its date stays."""
        name = _name(self._bucket, self._prefix + key, version)
        with asked(self._subject(key, "PutObjectLegalHold")):
            self._client.put_object_legal_hold(**name, LegalHold={"Status": "OFF"})
        found = self.stat(key, version)
        return lifted(self._receipt(found, found.sha256, "store", found.request_id))

    def _request(self, key: str, body: Body, sha256: str) -> PutObjectRequestTypeDef:
        size = size_of(body)
        if size > LARGEST:
            raise WorldError(
                "object-too-large",
                f"{key}: expected at most {LARGEST} bytes, which is what one locked put may carry, found {size}",
                hint="lower limits.batch_raw_bytes in the policy",
            )
        return {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "ContentLength": size,
            "ContentMD5": base64.b64encode(_md5_of(body)).decode(),
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "Metadata": {"sha256": sha256},  # for people: a claim that nobody checks
        }

    def _send(self, request: PutObjectRequestTypeDef, body: Body, key: str) -> PutObjectOutputTypeDef:
        pauses = iter(_PAUSES)
        while True:
            try:
                with to_send(key, body) as stream:
                    sent = request.copy()
                    sent["Body"] = stream
                    return self._client.put_object(**sent)
            except REFUSALS as error:
                pause = next(pauses, None) if code_of(error) in CONFLICTS else None
                if pause is None:
                    raise self._refusal(error, request, body, key) from error
                self._sleep(pause)

    def _refusal(self, error: Refusal, request: PutObjectRequestTypeDef, body: Body, key: str) -> ArchiverError:
        """Say what a refused put means: the spool, a bucket without Object Lock, or the store itself."""
        subject = self._subject(key, "PutObject")
        if code_of(error) in DAMAGED:
            stated, found = digest_of(body), measured(body)
            return s3_error(error, subject) if found == stated else spool_changed(key, stated, found)
        locked = "ObjectLockMode" in request or "ObjectLockLegalHoldStatus" in request
        if code_of(error) == "InvalidRequest" and locked and bucket_without_lock(self._client, self._bucket):
            return LockError(
                "store-no-object-lock",
                f"{subject}: expected a bucket with Object Lock, found one without",
                hint="have the bucket's owner make one with Object Lock on; nothing was stored",
            )
        return s3_error(error, subject)

    def _refuse_existing(self, key: str) -> None:
        """Look a key up, for a store that does not, or may not, do so itself; as there, a delete marker hides it."""
        newest = next((one for one in self.list(key) if one.key == key), None)
        if newest is not None and not newest.is_delete_marker:
            raise KeyExistsError("key-exists", f"{key}: expected no object of this key, found one")

    def _learn(self, request: PutObjectRequestTypeDef, body: Body) -> None:
        """Find out, once, what this store refuses: with an object that it has just taken."""
        if not self.manner.known and isinstance(body, bytes) and 0 < len(body) <= LARGEST_LESSON:
            request.pop("IfNoneMatch", None)
            learnt = learn(self._client, request, body)
            self.manner = Manner(learnt.conditional, learnt.checks_payload, self.manner.read_back)

    def _basis(self, found: Stat, sha256: str) -> str:
        """Say how the bytes are confirmed; where nothing else does it, read them back."""
        if self.manner.checks_payload and not self.manner.read_back:
            return "signed-payload" if found.sha256 is None else "store"
        with self.read(found.key, found.version) as stream:
            digest = sha256_of(stream)
        if digest != sha256:
            raise differs(str(self._subject(found.key, "GetObject")), f"SHA-256 {sha256}", digest)
        return "read-back"

    def _read_back(self, key: str, answer: PutObjectOutputTypeDef, wanted: Lock, sha256: str, size: int) -> Stat:
        subject, version, tag = str(self._subject(key, "HeadObject")), answer.get("VersionId"), etag_of(answer)
        if tag is None:
            raise no_store(self._subject(key, "PutObject"), "an ETag")
        expected = f"version {version} of {size} bytes with SHA-256 {sha256}, ETag {tag}"
        try:
            found = self.stat(key, version)
        except NotStoredError as problem:  # not passed on: to others it would say that nothing was put
            raise differs(subject, expected, "none") from problem
        right = found.size == size and found.sha256 in (None, sha256) and version in (None, found.version)
        if not right or found.etag not in (None, tag):
            kept = f"SHA-256 {found.sha256 or 'unknown'}, ETag {found.etag}"
            raise differs(subject, expected, f"version {found.version} of {found.size} bytes with {kept}")
        demand(found.lock, wanted=wanted, subject=subject)
        return found

    def _receipt(self, found: Stat, sha256: str | None, basis: str, request_id: str | None) -> Receipt:
        return Receipt(
            store="s3",
            endpoint=self._endpoint,
            bucket=self._bucket,
            key=found.key,
            version=found.version,
            etag=found.etag,
            size=found.size,
            sha256=sha256,
            basis=basis,
            mode=found.lock.mode,
            retain_until=found.lock.retain_until,
            legal_hold=found.lock.legal_hold,
            request_id=request_id,
            read_back_at=self._clock(),
        )

    def _raise(self, key: str, version: str | None, *, wanted: Lock, present: Lock) -> None:
        """Send what is missing. No bypass is ever asked for, so the store refuses whatever would lower a lock."""
        target = highest(present, wanted)
        name = _name(self._bucket, self._prefix + key, version)
        dated = Lock(mode=wanted.mode, retain_until=wanted.retain_until, legal_hold=None)
        if target.retain_until is not None and shortfalls(present, wanted=dated):
            mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE" if target.mode == "COMPLIANCE" else "GOVERNANCE"
            with asked(self._subject(key, "PutObjectRetention")):
                self._client.put_object_retention(
                    **name, Retention={"Mode": mode, "RetainUntilDate": target.retain_until}
                )
        if wanted.legal_hold and not present.legal_hold:
            with asked(self._subject(key, "PutObjectLegalHold")):
                self._client.put_object_legal_hold(**name, LegalHold={"Status": "ON"})

    def _head(self, key: str, version: str | None) -> HeadObjectOutputTypeDef:
        try:
            return self._client.head_object(**_name(self._bucket, self._prefix + key, version), ChecksumMode="ENABLED")
        except ClientError as error:
            self._explain(key, version)
            raise s3_error(error, self._subject(key, "HeadObject")) from error
        except REFUSALS as error:
            raise s3_error(error, self._subject(key, "HeadObject")) from error

    def _explain(self, key: str, version: str | None) -> None:
        """Ask for the reason of a refused HEAD, which carries none: a missing bucket also says just 404."""
        self._get(key, version, span="bytes=0-0")["Body"].close()

    def _open(
        self, key: str, asked_for: str | None, offset: int, *, version: str | None, etag: str | None
    ) -> GetObjectOutputTypeDef:
        return self._get(key, version or asked_for, span=f"bytes={offset}-" if offset else None, etag=etag)

    def _get(
        self, key: str, version: str | None, *, span: str | None = None, etag: str | None = None
    ) -> GetObjectOutputTypeDef:
        request: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": self._prefix + key}
        if version is not None:
            request["VersionId"] = version
        if span is not None:
            request["Range"] = span
        if etag is not None:
            request["IfMatch"] = etag
        subject = self._subject(key, "GetObject")
        try:
            return self._client.get_object(**request)
        except REFUSALS as error:
            if version is not None and code_of(error) == "InvalidArgument":  # the id of another store
                raise NotStoredError("not-stored", f"{subject}: expected version {version}, found none") from error
            raise s3_error(error, subject) from error

    def _subject(self, key: str, operation: str) -> Subject:
        return Subject(self._endpoint, self._bucket, self._prefix + key, operation)


class _Name(TypedDict):
    """What names one version, for every operation alike."""

    Bucket: str
    Key: str
    VersionId: NotRequired[str]


def _name(bucket: str, key: str, version: str | None) -> _Name:
    return {"Bucket": bucket, "Key": key} if version is None else {"Bucket": bucket, "Key": key, "VersionId": version}


def _md5_of(body: Body) -> bytes:
    """Return the MD5 of what is to be put, from whoever wrote it or by reading it."""
    if isinstance(body, Spooled) and body.md5 is not None:
        return bytes.fromhex(body.md5)
    md5 = hashlib.md5(usedforsecurity=False)
    with open_body(body) as stream:
        for block in blocks(stream):
            md5.update(block)
    return md5.digest()
