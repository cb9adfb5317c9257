"""What a lock means on a store that enforces it: the sentences of the promise, tried on Ceph with the owner's own keys.

Dates come from the real clock. Where a lock must be seen to end it lasts three seconds, elsewhere a day.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from real_organisation import now

from archiver.errors import LockError, WorldError
from archiver.stores.base import Lock
from archiver.stores.s3 import S3Store

KEY, BODY = "data/a.parquet", b"evidence"
WRAPS = datetime.fromisoformat("2106-02-07T06:28:15Z")  # the last second that 32 bits can hold


@pytest.fixture
def bucket(ceph, monkeypatch):
    ceph.enter(monkeypatch)
    return ceph.bucket()


@pytest.fixture
def client(bucket, ceph):
    return ceph.own_client()


@pytest.fixture
def store(bucket, client):
    return S3Store(client, bucket=bucket, prefix="", location=f"s3://{bucket}", clock=now)


def day_ahead() -> datetime:
    return (now() + timedelta(days=1)).replace(microsecond=0)


def put(store, lock: Lock, body: bytes = BODY):
    return store.put(KEY, body, lock=lock)


def compliance(until: datetime, *, hold: bool = True) -> Lock:
    return Lock("COMPLIANCE", until, legal_hold=hold)


def refused(call, **words) -> str:
    with pytest.raises(ClientError) as caught:
        call(**words)
    return caught.value.response["Error"]["Code"]


def name(bucket: str, receipt) -> dict[str, str]:
    return {"Bucket": bucket, "Key": KEY, "VersionId": receipt.version}


@pytest.fixture
def locked(store):
    """A version under COMPLIANCE until tomorrow and under a legal hold."""
    return put(store, compliance(day_ahead()))


def test_a_version_under_compliance_cannot_be_deleted_with_or_without_bypass(store, locked, client, bucket):
    client.put_object_legal_hold(**name(bucket, locked), LegalHold={"Status": "OFF"})
    assert refused(client.delete_object, **name(bucket, locked)) == "AccessDenied"
    assert refused(client.delete_object, **name(bucket, locked), BypassGovernanceRetention=True) == "AccessDenied"
    listed = {"Objects": [{"Key": KEY, "VersionId": locked.version}]}
    many = client.delete_objects(Bucket=bucket, Delete=listed, BypassGovernanceRetention=True)
    assert [error["Code"] for error in many["Errors"]] == ["AccessDenied"]
    with store.read(KEY, locked.version) as file:
        assert file.read() == BODY


@pytest.mark.parametrize("bypass", [False, True], ids=["plain", "with-bypass"])
def test_a_compliance_date_can_be_extended_and_never_shortened(store, locked, client, bucket, bypass):
    for days, hours in ((0, 1), (0, 23)):
        earlier = now() + timedelta(days=days, hours=hours)
        words = {"Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": earlier}, "BypassGovernanceRetention": bypass}
        assert refused(client.put_object_retention, **name(bucket, locked), **words) == "AccessDenied"
    assert store.stat(KEY, locked.version).lock == compliance(locked.retain_until)
    later = locked.retain_until + timedelta(days=30)
    store.hold(KEY, locked.version, compliance(later))
    assert store.stat(KEY, locked.version).lock == compliance(later)


@pytest.mark.parametrize("days", [0, 30], ids=["same-date", "later-date"])
def test_compliance_is_never_downgraded_to_governance(store, locked, client, bucket, days):
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": locked.retain_until + timedelta(days=days)}
    for bypass in (False, True):
        words = {"Retention": weaker, "BypassGovernanceRetention": bypass}
        assert refused(client.put_object_retention, **name(bucket, locked), **words) == "AccessDenied"
    assert store.stat(KEY, locked.version).lock == compliance(locked.retain_until)


def test_a_retention_cannot_be_removed(store, locked, client, bucket):
    for bypass in (False, True):
        assert refused(
            client.put_object_retention, **name(bucket, locked), Retention={}, BypassGovernanceRetention=bypass
        ) in {"MalformedXML", "AccessDenied"}
    assert store.stat(KEY, locked.version).lock.mode == "COMPLIANCE"


def test_a_lock_ends_at_its_date_and_the_legal_hold_goes_on(store, client, bucket):
    receipt = put(store, compliance(now().replace(microsecond=0) + timedelta(seconds=3)))
    assert refused(client.delete_object, **name(bucket, receipt)) == "AccessDenied"
    time.sleep(4)
    assert refused(client.delete_object, **name(bucket, receipt), BypassGovernanceRetention=True) == "AccessDenied"
    client.put_object_legal_hold(**name(bucket, receipt), LegalHold={"Status": "OFF"})
    client.delete_object(**name(bucket, receipt))
    assert list(store.list()) == []


def test_a_delete_marker_hides_the_key_and_the_version_stays_readable(store, locked, client, bucket):
    client.delete_object(Bucket=bucket, Key=KEY)
    assert refused(client.get_object, Bucket=bucket, Key=KEY) == "NoSuchKey"
    with store.read(KEY, locked.version) as file:
        assert file.read() == BODY
    assert [version.is_delete_marker for version in store.list()] == [True, False]
    assert store.stat(KEY, locked.version).lock == compliance(locked.retain_until)


def test_an_overwrite_adds_a_version_and_the_first_one_stays(store, locked, client, bucket):
    client.put_object(Bucket=bucket, Key=KEY, Body=b"other")
    assert [version.version for version in store.list()][-1] == locked.version
    with store.read(KEY, locked.version) as file:
        assert file.read() == BODY


def test_a_bucket_with_locked_versions_stays_and_keeps_its_versions(locked, client, bucket):
    client.delete_object(Bucket=bucket, Key=KEY)
    assert refused(client.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    suspended = {"Status": "Suspended"}
    assert (
        refused(client.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=suspended) == "InvalidBucketState"
    )


def test_a_lock_that_the_store_keeps_weaker_is_an_error_of_ours(store, client, bucket):
    """This store keeps seconds in 32 bits: a date past 2106 wraps to one in the past, and the answer is still 200."""
    assert put(store, compliance(WRAPS, hold=False)).retain_until == WRAPS
    wrapping = compliance(WRAPS + timedelta(seconds=1), hold=False)
    with pytest.raises(LockError) as caught:
        store.put("another", b"evidence", lock=wrapping)
    assert caught.value.code == "lock-not-applied"


def test_locks_in_a_bucket_without_object_lock_are_refused_in_plain_words(ceph, client):
    plain = ceph.bucket(ObjectLockEnabledForBucket=False)
    with pytest.raises(LockError) as caught:
        put(S3Store(client, bucket=plain, prefix="", location=f"s3://{plain}", clock=now), compliance(day_ahead()))
    assert caught.value.code == "store-no-object-lock"


def test_a_flipped_byte_on_the_way_is_not_stored(store, client):
    """The signed payload hash is what this store checks; the SHA-256 checksum header it ignores."""

    def flip(request, **_: object) -> None:
        request.body = b"evidencf"

    client.meta.events.register("before-send.s3.PutObject", flip)
    with pytest.raises(WorldError, match="XAmzContentSHA256Mismatch"):
        put(store, compliance(day_ahead()))
    assert list(store.list()) == []


def test_a_multipart_upload_begun_early_and_completed_late_is_not_the_oldest_version_here(store, client, bucket):
    upload = client.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]
    part = client.upload_part(Bucket=bucket, Key=KEY, UploadId=upload, PartNumber=1, Body=b"early")
    receipt = put(store, compliance(day_ahead()))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(Bucket=bucket, Key=KEY, UploadId=upload, MultipartUpload=parts)
    assert [version.version for version in store.list()][-1] == receipt.version


def test_pages_of_versions_end_wherever_the_store_likes(store, client, bucket):
    """997 versions here, 1000 elsewhere: each is listed once, in the same order every time, whatever the dates."""
    with ThreadPoolExecutor(8) as pool:
        for number in range(1005):
            pool.submit(client.put_object, Bucket=bucket, Key="many" if number % 2 else f"key-{number:04d}", Body=b"")
    listed = list(store.list())
    assert len({(version.key, version.version) for version in listed}) == 1005
    assert list(store.list()) == listed
