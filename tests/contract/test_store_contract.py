"""One suite for every store. What a store is known to do otherwise stands in `DIFFERENCES`, with the reason.

The folder and moto always run, Ceph and LocalStack where they are installed. Another store runs too when
ARCHIVER_S3_ENDPOINT, ARCHIVER_S3_ACCESS_KEY, ARCHIVER_S3_SECRET_KEY and ARCHIVER_S3_KIND ("aws", say) are set. Each
test makes a bucket of its own and leaves it behind: what is locked cannot be cleaned up. Locks last an hour.

moto keeps locks and enforces none of them: no test here says that anything is immutable or denied.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from real_stores import RealStore

from archiver.errors import ArchiverError, EvidenceError, KeyExistsError, NotStoredError, UsageError
from archiver.s3.client import connect
from archiver.stores.base import Lock, Store
from archiver.stores.bodies import Spooled
from archiver.stores.folder import FolderStore
from archiver.stores.manner import Manner
from archiver.stores.open import open_store
from archiver.stores.s3 import S3Store

KNOWN = {"folder", "moto", "ceph", "localstack", "aws"}
DIFFERENCES: dict[tuple[str, str], str] = {
    ("moto", "says-unlocked"): "GetObjectRetention is not there, so that an unlocked object's lock stays unknown",
    ("moto", "mixes-markers"): "versions and delete markers are listed apart, so that their order is lost",
    ("moto", "says-its-time"): "no Date header within the process",
    ("ceph", "conditional"): "If-None-Match is ignored on versioned buckets; the key is looked up first",
    ("moto", "checks-payload"): "whatever arrives is stored, so that the bytes are read back",
    ("ceph", "echoes-sha256"): "x-amz-checksum headers are neither checked nor kept",
    ("folder", "versions"): "a key has one version and is refused ever after",
    ("folder", "says-its-time"): "it has no clock",
    ("folder", "echoes-sha256"): "the bytes are read again instead",
}
NOW = datetime.now(UTC).replace(microsecond=0)  # real stores judge retention by their own clock
UNTIL = NOW + timedelta(hours=1)  # the whole suite is collected first, and runs for a while
HELD = Lock("COMPLIANCE", UNTIL, legal_hold=True)
FREE = Lock("NONE", None, legal_hold=False)


@dataclass
class Place:
    """A store under test, which one it is, and how a stranger would reach behind it."""

    kind: str
    store: Store
    folder: Path | None = None
    client: Any = None
    bucket: str = ""
    prefix: str = ""

    def does(self, what: str) -> bool:
        return (self.kind, what) not in DIFFERENCES

    def stranger_puts(self, key: str, body: bytes) -> None:
        if self.folder is None:
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body)
        else:
            path = self.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)


def other_stores() -> list[str]:
    return [os.environ.get("ARCHIVER_S3_KIND", "aws")] if "ARCHIVER_S3_ENDPOINT" in os.environ else []


def make_bucket(client: Any, **options: Any) -> str:
    bucket = f"archiver-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=bucket, **options)
    return bucket


def bucket_place(kind: str, client: Any, prefix: str) -> Place:
    bucket = make_bucket(client, ObjectLockEnabledForBucket=True)
    location = f"s3://{bucket}/{prefix}"
    store = S3Store(client, bucket=bucket, prefix=prefix, location=location, clock=lambda: NOW)
    if kind == "moto":  # finding out about a store that takes everything leaves a version more
        store.manner = Manner(conditional=True, checks_payload=False)
    return Place(kind, store, client=client, bucket=bucket, prefix=f"{prefix}/" if prefix else "")


@pytest.fixture(params=["folder", "moto", "moto-without-prefix", "ceph", "localstack", *other_stores()])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "folder":
        root = tmp_path / "not there yet" / "archive"
        yield Place("folder", FolderStore(root, location="./archive", clock=lambda: NOW), folder=root)
        return
    if not request.param.startswith("moto"):
        yield bucket_place(request.param, real_client(request, monkeypatch), "eu/grok")
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = connect(endpoint=None, region="us-east-1", profile=None)
        yield bucket_place("moto", client, "" if request.param.endswith("without-prefix") else "eu/grok")


def real_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param in ("ceph", "localstack"):
        store = request.getfixturevalue(request.param)
    else:
        names = (os.environ[f"ARCHIVER_S3_{name}"] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"))
        store = RealStore(request.param, *names)
    store.enter(monkeypatch)
    return store.client()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def put(place: Place, key: str, body: bytes = b"hello", lock: Lock = HELD, **more: Any) -> Any:
    return place.store.put(key, body, lock=lock, **more)


def read(place: Place, key: str, version: str | None = None) -> bytes:
    with place.store.read(key, version) as stream:
        return stream.read()


def test_every_difference_names_a_known_store() -> None:
    assert {kind for kind, _ in DIFFERENCES} <= KNOWN


def test_an_empty_store_lists_nothing(place: Place) -> None:
    assert list(place.store.list()) == []


def test_what_was_put_is_read_back_byte_for_byte(place: Place) -> None:
    body = bytes(range(256)) * 20_000
    receipt = put(place, "data/documents/date=20261123/a.parquet", body)
    assert read(place, "data/documents/date=20261123/a.parquet", receipt.version) == body


def test_an_object_of_no_bytes_can_be_put_and_read(place: Place) -> None:
    put(place, "reports/empty", b"")
    assert read(place, "reports/empty") == b""


def test_a_spool_file_is_put_like_bytes(place: Place, tmp_path: Path) -> None:
    spool = tmp_path / "spool.parquet"
    spool.write_bytes(b"batch" * 1000)
    digest = sha256(b"batch" * 1000)
    receipt = place.store.put("data/a", Spooled(spool, digest, 5000), lock=HELD)
    assert (receipt.size, receipt.sha256) == (5000, digest)
    assert read(place, "data/a") == b"batch" * 1000


def test_a_receipt_repeats_what_the_store_said(place: Place) -> None:
    receipt = put(place, "README.txt", b"hello")
    assert (receipt.key, receipt.size, receipt.sha256) == ("README.txt", 5, sha256(b"hello"))
    assert (receipt.mode, receipt.retain_until, receipt.legal_hold) == ("COMPLIANCE", UNTIL, True)
    assert (receipt.version is not None) == place.store.destination.versioned
    assert receipt.read_back_at == NOW
    assert receipt.bucket == place.store.destination.bucket


def test_the_basis_of_a_receipt_is_what_this_store_can_give(place: Place) -> None:
    basis = {"folder": "read-back", "moto": "read-back", "ceph": "signed-payload"}.get(place.kind, "store")
    assert put(place, "README.txt").basis == basis


def test_a_fraction_of_a_second_in_a_date_is_rounded_up(place: Place) -> None:
    asked = replace(HELD, retain_until=UNTIL + timedelta(microseconds=1))
    assert put(place, "a", lock=asked).retain_until == UNTIL + timedelta(seconds=1)


def test_a_governance_lock_is_kept_as_such(place: Place) -> None:
    put(place, "a", lock=Lock("GOVERNANCE", UNTIL, legal_hold=False))
    assert place.store.stat("a").lock.mode == "GOVERNANCE"


def test_stat_says_size_version_and_lock(place: Place) -> None:
    receipt = put(place, "a")
    stat = place.store.stat("a", receipt.version)
    assert (stat.key, stat.version, stat.size, stat.lock) == ("a", receipt.version, 5, HELD)
    assert stat.sha256 == (sha256(b"hello") if place.does("echoes-sha256") else None)


def test_an_object_without_lock_is_never_called_locked(place: Place) -> None:
    put(place, "a", lock=FREE)
    put(place, "b")  # so that a folder has a lock file
    expected = FREE if place.does("says-unlocked") else Lock(None, None, None)
    assert place.store.stat("a").lock == expected


def test_a_key_that_exists_is_refused_whatever_its_bytes(place: Place) -> None:
    put(place, "a", b"one")
    for body in (b"one", b"two"):
        with pytest.raises(KeyExistsError) as caught:
            put(place, "a", body)
        assert caught.value.code == "key-exists"
    assert read(place, "a") == b"one"


def test_a_store_is_dealt_with_as_it_was_found_to_be(place: Place) -> None:
    if isinstance(place.store, S3Store):
        place.store.manner = Manner()
    receipt = put(place, "a", b"one")
    if not isinstance(place.store, S3Store):
        assert receipt.basis == "read-back"
        return
    conditional, checks = place.does("conditional"), place.does("checks-payload")
    assert (place.store.manner.conditional, place.store.manner.checks_payload) == (conditional, checks)
    seen = "store" if place.does("echoes-sha256") else "signed-payload"
    assert put(place, "b", b"two").basis == (seen if checks else "read-back")
    versions = [found for found in place.store.list() if not found.is_delete_marker]
    assert len(versions) == (2 if checks else 3)  # what is taken though signed for other bytes is the same bytes again
    for version in versions:
        assert read(place, version.key, version.version) == {"a": b"one", "b": b"two"}[version.key]


def test_every_byte_is_read_back_where_that_is_asked_for(place: Place) -> None:
    if isinstance(place.store, S3Store):
        place.store.manner = replace(place.store.manner, read_back=True)
    assert put(place, "a", b"one").basis == "read-back"


def test_without_the_condition_a_version_is_added_where_there_are_versions(place: Place) -> None:
    first = put(place, "a", b"one")
    if not place.does("versions"):
        with pytest.raises(KeyExistsError):
            put(place, "a", b"two", condition=False)
        return
    second = put(place, "a", b"two", condition=False)
    assert [version.version for version in place.store.list("a")] == [second.version, first.version]
    assert read(place, "a", first.version) == b"one"
    assert read(place, "a") == b"two"


@pytest.mark.parametrize("now", [b"changed", b"hash", b"hashed!", b""], ids=["other", "shorter", "longer", "empty"])
@pytest.mark.parametrize("md5", [hashlib.md5(b"hashed").hexdigest(), None], ids=["md5", "no-md5"])
def test_a_spool_file_that_is_not_what_was_hashed_is_not_stored(
    place: Place, tmp_path: Path, now: bytes, md5: str | None
) -> None:
    spool = tmp_path / "spool.parquet"
    spool.write_bytes(now)
    with pytest.raises(EvidenceError) as caught:
        place.store.put("a", Spooled(spool, sha256(b"hashed"), 6, md5), lock=HELD)
    assert (caught.value.code, sha256(now) in caught.value.message) == ("spool-changed", True)
    assert list(place.store.list()) == []


def test_a_spool_file_that_changes_behind_its_signature_gets_no_receipt(place: Place, tmp_path: Path) -> None:
    if not isinstance(place.store, S3Store):
        return  # a folder signs nothing
    spool = tmp_path / "spool.parquet"
    spool.write_bytes(b"hashed")
    body = Spooled(spool, sha256(b"hashed"), 6, hashlib.md5(b"hashed").hexdigest())

    def change(**_: object) -> None:
        spool.write_bytes(b"change")

    place.store._client.meta.events.register_last("before-send.s3.PutObject", change)
    with pytest.raises(ArchiverError) as caught:
        place.store.put("a", body, lock=HELD)
    refused = place.does("checks-payload")
    assert caught.value.code == ("spool-changed" if refused else "read-back-differs")
    assert [read(place, one.key, one.version) for one in place.store.list()] == ([] if refused else [b"change"])


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "a/../b", "..", ".", ".locks.jsonl", ".tmp/a", "ä", "a\n", "a\\b"]
)
def test_a_key_that_means_something_else_somewhere_is_refused(place: Place, key: str) -> None:
    with pytest.raises(UsageError) as caught:
        put(place, key)
    assert caught.value.code == "key-refused"


@pytest.mark.parametrize("key", ["a", "a/b", "a/b/c", "../a", "ä"])
def test_what_is_not_there_is_not_stored(place: Place, key: str) -> None:
    put(place, "b")
    for ask in (place.store.stat, lambda name: read(place, name)):
        with pytest.raises(NotStoredError) as caught:
            ask(key)
        assert caught.value.code == "not-stored"


def test_keys_are_listed_in_byte_order(place: Place) -> None:
    keys = ["a-b/c", "a.b", "a/b", "a/b-c", "a/b.c", "aB", "ab", "b/x001/067", "b/x001/x002/067", "z"]
    for key in reversed(keys):
        put(place, key, lock=FREE)
    assert [version.key for version in place.store.list()] == keys == sorted(keys)


def test_a_listing_has_only_keys_of_its_prefix(place: Place) -> None:
    for key in ("log/entries/000000000000", "log/entries/000000000001", "log/entriesx", "logs", "a"):
        put(place, key, lock=FREE)
    listed = {
        prefix: [found.key for found in place.store.list(prefix)] for prefix in ("log/entries/", "log/e", "none/")
    }
    assert listed["log/entries/"] == ["log/entries/000000000000", "log/entries/000000000001"]
    assert listed["log/e"] == ["log/entries/000000000000", "log/entries/000000000001", "log/entriesx"]
    assert listed["none/"] == []


def test_a_listing_says_size_and_which_is_the_latest(place: Place) -> None:
    receipt = put(place, "a", b"hello")
    (found,) = place.store.list()
    assert (found.key, found.version, found.size) == ("a", receipt.version, 5)
    assert found.is_latest
    assert not found.is_delete_marker
    assert found.modified.tzinfo is not None


def test_what_a_stranger_left_is_listed_and_can_be_read(place: Place) -> None:
    place.stranger_puts("data/Thumbs ü.db", b"stranger")
    assert [found.key for found in place.store.list()] == ["data/Thumbs ü.db"]
    assert read(place, "data/Thumbs ü.db") == b"stranger"


def test_a_lock_is_raised_and_read_back(place: Place) -> None:
    receipt = put(place, "a", lock=Lock("COMPLIANCE", UNTIL, legal_hold=False))
    later = Lock("COMPLIANCE", UNTIL + timedelta(seconds=60), legal_hold=True)
    held = place.store.hold("a", receipt.version, later)
    assert (held.mode, held.retain_until, held.legal_hold) == (later.mode, later.retain_until, True)
    assert place.store.stat("a", receipt.version).lock == later


def test_a_lock_is_never_lowered(place: Place) -> None:
    receipt = put(place, "a")
    weaker = Lock("GOVERNANCE", UNTIL - timedelta(seconds=60), legal_hold=False)
    held = place.store.hold("a", receipt.version, weaker)
    assert (held.mode, held.retain_until, held.legal_hold) == ("COMPLIANCE", UNTIL, True)


def test_a_later_date_of_a_weaker_mode_keeps_the_mode(place: Place) -> None:
    receipt = put(place, "a")
    later = Lock("GOVERNANCE", UNTIL + timedelta(seconds=60), legal_hold=False)
    held = place.store.hold("a", receipt.version, later)
    assert (held.mode, held.retain_until, held.legal_hold) == ("COMPLIANCE", later.retain_until, True)


def test_what_was_put_unlocked_can_be_locked_later(place: Place) -> None:
    receipt = put(place, "a", lock=FREE)
    place.store.hold("a", receipt.version, HELD)
    assert place.store.stat("a", receipt.version).lock == HELD


def test_nothing_can_be_held_that_is_not_there(place: Place) -> None:
    with pytest.raises(NotStoredError):
        place.store.hold("a", None, HELD)


def test_a_mode_without_date_is_refused_before_anything_is_stored(place: Place) -> None:
    with pytest.raises(UsageError) as caught:
        put(place, "a", lock=Lock("COMPLIANCE", None, legal_hold=True))
    assert caught.value.code == "lock-refused"
    assert list(place.store.list()) == []


def test_a_delete_marker_is_listed_over_the_version_that_it_hides(place: Place) -> None:
    if place.client is None:
        pytest.skip("a folder has no delete markers")
    receipt = put(place, "a")
    place.client.delete_object(Bucket=place.bucket, Key=place.prefix + "a")
    listed = list(place.store.list())
    assert [(found.key, found.is_delete_marker, found.is_latest) for found in listed] == [
        ("a", True, True),
        ("a", False, False),
    ]
    with pytest.raises(NotStoredError):
        read(place, "a")
    assert read(place, "a", receipt.version) == b"hello"


def test_a_delete_marker_between_two_versions_is_listed_between_them(place: Place) -> None:
    if place.client is None or not place.does("mixes-markers"):
        pytest.skip(DIFFERENCES.get((place.kind, "mixes-markers"), "a folder has no delete markers"))
    put(place, "a", b"one")
    place.client.delete_object(Bucket=place.bucket, Key=place.prefix + "a")
    put(place, "a", b"two")
    assert [found.is_delete_marker for found in place.store.list()] == [False, True, False]


def test_a_store_says_how_far_its_clock_is_from_ours(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(place.store, FolderStore | S3Store)
    monkeypatch.setattr(place.store, "_clock", lambda: datetime.now(UTC))
    offset = place.store.clock_offset_s()
    if place.does("says-its-time"):
        assert offset is not None
        assert abs(offset) < 300
    else:
        assert offset is None


def test_a_location_opens_the_same_store(place: Place, tmp_path: Path) -> None:
    put(place, "a")
    location = place.store.destination.location if place.folder is None else str(place.folder)
    endpoint = place.client.meta.endpoint_url if place.kind not in ("folder", "moto") else None
    store = open_store(location, base=tmp_path, endpoint=endpoint, clock=lambda: NOW)
    assert [found.key for found in store.list()] == ["a"]
