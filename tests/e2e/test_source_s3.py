"""Buckets as sources, on a real gateway: every version, what stores say, keys that are no paths, what fails."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from botocore import endpoint
from other_verifiers import others_say
from real_organisation import live_now, wait_until_settled

from archiver.events import silent
from archiver.flows.doctor.items import State
from archiver.flows.doctor.sources import source_items
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.model.item import unescape_path
from archiver.sources.base import ReadProblem, SourceUnavailable
from archiver.sources.s3 import BucketLocation

LOG = b"".join(b'{"request_id":"r%d","model":"grok-4"}\n' % number for number in range(50))
STRANGE = [
    "a",
    "a/b",
    "a//b",
    "/lead",
    "up/../down",
    "./x",
    "folder/",
    "tab\tand\nline",
    "\x01",
    "per%41cent",
    "é😀",
    "q?x#y",
]


@pytest.fixture
def place(organisation, ceph, monkeypatch):
    """An organisation whose papers and logs lie in a bucket with versions, and its archive in a folder."""
    ceph.enter(monkeypatch)
    organisation.client, organisation.bucket = ceph.client(), ceph.bucket()
    where = f"endpoint: {ceph.endpoint}\n    region: us-east-1"
    for name in ("papers", "logs"):
        location = f"location: s3://{organisation.bucket}/{name}\n    {where}"
        text = (organisation.root / "retention_policy.yaml").read_text(encoding="utf-8")
        organisation.write_policy(lambda _, text=text, name=name, to=location: text.replace(f"location: ./{name}", to))
    live_now(organisation)
    organisation.own_client = ceph.own_client
    organisation.put = lambda key, data, **words: organisation.client.put_object(
        Bucket=organisation.bucket, Key=key, Body=data, **words
    )["VersionId"]
    organisation.location = lambda prefix: BucketLocation(
        organisation.client, bucket=organisation.bucket, prefix=prefix, endpoint=ceph.endpoint
    )
    return organisation


def bring_back(place, to: Path, **options):
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        return restore(reading, to=to, listener=silent, **options)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_version_and_delete_marker_is_kept_and_comes_back(place, verified, tmp_path):
    first = place.put("papers/memo.txt", b"draft")
    second = place.put(
        "papers/memo.txt", b"final", Metadata={"author": "jane"}, Tagging="case=7", ContentType="text/plain"
    )
    gone = place.put("papers/gone.txt", b"deleted later")
    place.client.delete_object(Bucket=place.bucket, Key="papers/gone.txt")
    place.put("logs/chat.jsonl", LOG)
    zipped = place.put("logs/chat.jsonl.gz", gzip.compress(LOG + b"one more\n"))
    done = place.take()
    assert (done.exit, done.reasons) == (0, ())
    lines = {(line.item.path, line.item.version): line for line in place.said()}
    newest = lines["memo.txt", second]
    assert (newest.kind, newest.status, newest.basis, newest.file) == ("object", "captured", "read", None)
    assert newest.object["latest"] is True
    assert lines["memo.txt", first].object["latest"] is False
    assert newest.object["read"]["tags"] == {"case": "7"}
    assert newest.object["read"]["headers"]["x-amz-meta-author"] == "jane"
    assert newest.object["read"]["headers"]["content-type"] == "text/plain"
    (marker,) = [line for line in lines.values() if line.object and line.object["deleted"]]
    assert (marker.item.path, marker.status, marker.size) == ("gone.txt", "recorded", None)
    verified(place)
    assert others_say(place.archive, place.trust) == [(set(), 0)] * 2
    target = tmp_path / "back"
    assert bring_back(place, target, decoded=True).exit == 0
    assert tree(target) == {
        "papers/memo.txt": b"final",
        f"papers.versions/memo.txt!@{first}": b"draft",
        f"papers.versions/gone.txt!@{gone}": b"deleted later",
        "logs/chat.jsonl": LOG,
        "logs/chat.jsonl.gz": (target / "logs" / "chat.jsonl.gz").read_bytes(),
        f"logs.decoded/chat.jsonl.gz!@{zipped}!gzip": LOG + b"one more\n",
    }


def test_a_container_in_a_bucket_is_taken_apart_version_by_version(place, verified, tmp_path):
    text = (place.root / "retention_policy.yaml").read_text(encoding="utf-8")
    place.write_policy(lambda _: text.replace("kind: documents", "kind: documents\n    unpack: [zip]"))
    versions = []
    for content in (b"first", b"second"):
        with zipfile.ZipFile(tmp_path / "export.zip", "w") as file:
            file.writestr("a/b.txt", content)
        versions.append(place.put("papers/export.zip", (tmp_path / "export.zip").read_bytes()))
    place.put("logs/chat.jsonl", LOG)
    assert place.take().exit == 0
    verified(place)
    bring_back(place, tmp_path / "back", source="papers", decoded=True)
    decoded = tree(tmp_path / "back" / "papers.decoded")
    assert decoded == {
        f"export.zip!@{versions[0]}!/zip:0:a%2Fb.txt": b"first",
        f"export.zip!@{versions[1]}!/zip:0:a%2Fb.txt": b"second",
    }


def test_what_has_the_same_version_is_not_read_again(place, verified, monkeypatch):
    place.put("papers/memo.txt", b"one", Tagging="a=b")
    place.put("logs/chat.jsonl", LOG)
    place.take()
    monkeypatch.setattr(BucketLocation, "open", None)
    done = place.take()
    assert (done.exit, done.stored_bytes) == (0, 0)
    (memo,) = [line for line in place.said() if line.item.path == "memo.txt"]
    assert (memo.status, memo.basis, memo.object["read"]["tags"]) == ("unchanged", "etag", {"a": "b"})
    verified(place)


def test_a_log_that_grew_by_being_written_anew_shares_its_beginning(place, verified):
    place.put("papers/memo.txt", b"one")
    place.put("logs/chat.jsonl", LOG)
    place.take()
    longer = place.put("logs/chat.jsonl", LOG + b'{"request_id":"new"}\n')
    done = place.take()
    assert (done.exit, done.stored_bytes) == (0, len(b'{"request_id":"new"}\n'))
    (line,) = [line for line in place.said() if line.item.version == longer]
    assert (line.reason, line.size) == ("grown", len(LOG) + 21)
    verified(place)


def test_keys_that_are_no_paths_are_kept_and_none_takes_anothers_place(place, verified, tmp_path):
    for key in STRANGE:
        place.put(f"papers/{key}", f"bytes of {key}".encode())
    place.put("papers/", b"the prefix itself")
    place.put("logs/a", LOG)
    assert place.take().exit == 0
    lines = [line for line in place.said() if line.item.source == "papers"]
    keys = {unescape_path(line.object["key"]).decode() for line in lines}
    assert keys == {f"papers/{key}" for key in ["", *STRANGE]}
    assert len({line.item.path for line in lines}) == len(lines)
    assert {"a/%00/b", "up/%00../down", "%00./x", "folder/%00", "%00"} <= {line.item.path for line in lines}
    verified(place)
    done = bring_back(place, tmp_path / "back", source="papers")
    assert (done.exit, done.files) == (0, len(lines))
    expected = sorted([*(f"bytes of {key}".encode() for key in STRANGE), b"the prefix itself"])
    assert sorted(tree(tmp_path / "back").values()) == expected
    assert (tmp_path / "back" / "papers" / "q?x#y").read_bytes() == b"bytes of q?x#y"


def test_a_bucket_that_is_missing_and_a_prefix_that_is_empty_are_never_fine(place):
    place.put("logs/chat.jsonl", LOG)
    done = place.take()
    assert done.exit == 3
    assert done.reasons == ("papers: its location is empty; check bucket and prefix",)
    place.write_policy(lambda text: text.replace(place.bucket, "no-such-bucket-anywhere"))
    place.write_policy(
        lambda text: text.replace(
            "location: ./papers",
            f"location: s3://no-such-bucket-anywhere\n    endpoint: {place.client.meta.endpoint_url}",
        )
    )
    done = place.take()
    assert done.exit == 3
    assert "NoSuchBucket" in done.reasons[0]


def test_what_may_not_be_read_is_an_item_that_failed(place, ceph):
    place.put("papers/open.txt", b"read me")
    place.put("papers/closed.txt", b"not for you")
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": f"arn:aws:s3:::{place.bucket}/papers/closed.txt",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    place.client.put_bucket_policy(Bucket=place.bucket, Policy=policy)
    place.put("logs/chat.jsonl", LOG)
    done = place.take()
    assert done.exit == 3
    failed = {line.item.path: (line.status, line.reason) for line in place.said() if line.status == "failed"}
    assert failed == {"closed.txt": ("failed", "permission-denied")}


def test_the_doctor_looks_at_a_source_as_a_reader_does(place):
    place.put("papers/a.txt", b"a")
    assert [(item.code, item.subject, item.state) for item in source_items(place.policy)] == [
        ("source", "source papers", State.OK),
        ("source", "source logs", State.UNKNOWN),
    ]
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": f"arn:aws:s3:::{place.bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    place.client.put_bucket_policy(Bucket=place.bucket, Policy=policy)
    (papers, _) = source_items(place.policy)
    assert (papers.state, papers.found) == (State.FAILED, "papers/a.txt: AccessDenied")


def test_what_vanishes_between_listing_and_reading_is_said(place):
    version = place.put("papers/a.txt", b"a")
    (found,) = place.location("papers").walk()
    place.client.delete_object(Bucket=place.bucket, Key="papers/a.txt", VersionId=version)
    with pytest.raises(ReadProblem) as raised, place.location("papers").open(found):
        pass
    assert raised.value.problem.reason == "vanished"


def test_without_versions_what_is_written_again_meanwhile_is_read_as_it_is_then(place, ceph):
    place.bucket = ceph.bucket(ObjectLockEnabledForBucket=False)
    place.client.put_object(Bucket=place.bucket, Key="papers/a", Body=b"before")
    place.client.put_object(Bucket=place.bucket, Key="papers/b", Body=b"stays")
    found = list(place.location("papers").walk())
    place.client.put_object(Bucket=place.bucket, Key="papers/a", Body=b"after, and longer")
    read = []
    for one in found:
        with place.location("papers").open(one) as reading:
            read.append((one.version, reading.first.size, b"".join(reading.blocks())))
            assert reading.first.words["etag"] in reading.first.words["read"]["headers"]["etag"]
    assert read == [(None, 17, b"after, and longer"), (None, 5, b"stays")]


def test_without_versions_an_etag_speaks_for_bytes_once_it_is_old_enough(place, ceph):
    bucket = ceph.bucket(ObjectLockEnabledForBucket=False)
    place.write_policy(
        lambda text: text.replace(
            "location: ./papers", f"location: s3://{bucket}/\n    endpoint: {ceph.endpoint}\n    region: us-east-1"
        )
    )
    (place.logs / "a.log").write_bytes(LOG)
    live, written = place.clock, place.clock()
    place.client.put_object(Bucket=bucket, Key="a", Body=b"bytes")
    bases = []
    for pause in (False, True, True):
        if pause:
            wait_until_settled()
        place.clock = live if pause else lambda: written  # however long the first run takes, it looks at once
        place.take()
        (line,) = [line for line in place.said() if line.item.source == "papers"]
        bases.append((line.status, line.basis, line.item.version))
    assert bases == [("captured", "read", None), ("unchanged", "read", None), ("unchanged", "etag", None)]


def test_a_gateway_that_is_not_there_ends_the_source(place):
    place.client = place.own_client()
    place.client.meta.events.register("before-send.s3", _refused)
    with pytest.raises(SourceUnavailable) as raised:
        list(place.location("papers").walk())
    assert "Could not connect" in raised.value.message


def _refused(**_words):
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url="http://gone")


def test_what_a_store_gives_back_only_when_asked_before_is_said(localstack, monkeypatch):
    localstack.enter(monkeypatch)
    client, bucket = localstack.client(), localstack.bucket()
    client.put_object(Bucket=bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
    location = BucketLocation(client, bucket=bucket, prefix="", endpoint=localstack.endpoint)
    (cold,) = location.walk()
    with pytest.raises(ReadProblem) as raised, location.open(cold):
        pass
    assert raised.value.problem.reason == "cold-storage"


def test_bytes_that_are_not_those_of_the_stores_own_checksum_are_an_item_that_failed(localstack, monkeypatch):
    localstack.enter(monkeypatch)
    client, bucket = localstack.client(), localstack.bucket()
    client.put_object(Bucket=bucket, Key="sound", Body=b"sound", ChecksumAlgorithm="SHA256")
    location = BucketLocation(client, bucket=bucket, prefix="", endpoint=localstack.endpoint)
    (sound,) = location.walk()
    with location.open(sound) as reading:
        assert b"".join(reading.blocks()) == b"sound"
        assert "x-amz-checksum-sha256" in reading.first.words["read"]["headers"]

    compare = endpoint.handle_checksum_body

    def bend(answer, response, *words):
        response["headers"]["x-amz-checksum-sha256"] = "A" * 43 + "="
        compare(answer, response, *words)

    monkeypatch.setattr(endpoint, "handle_checksum_body", bend)
    with location.open(sound) as reading, pytest.raises(ReadProblem) as raised:
        list(reading.blocks())
    assert raised.value.problem.reason == "checksum-mismatch"
