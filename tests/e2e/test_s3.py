"""The main job against an S3 bucket. moto stands in for it, which says nothing about whether locks hold."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws
from shell import Shell

from archiver.events import Stage
from archiver.flows import session
from archiver.judge.verify import verify
from archiver.stores import s3

BUCKET = "evidence-bucket"


@pytest.fixture
def bucket(monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1")
        client.create_bucket(
            Bucket=BUCKET,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        yield client


@pytest.fixture
def in_bucket(filled, bucket):
    filled.write_policy(
        lambda text: text.replace(
            "{id: vault, location: ./archive}", f'{{id: vault, location: "s3://{BUCKET}/evidence", region: eu-west-1}}'
        )
    )
    return filled


def findings(place) -> list[tuple[str, str]]:
    store = session.destination_store(place.policy, place.clock)
    report = verify(store, place.trust.read_bytes(), clock=place.clock)
    return [(finding.code, finding.subject) for finding in report.findings if finding.severity != "note"]


def test_a_snapshot_into_a_bucket_is_verified(in_bucket, bucket):
    result = in_bucket.take()
    assert result.exit == 0
    assert findings(in_bucket) == []
    keys = [one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert all(key.startswith("evidence/") for key in keys)


def test_a_run_says_that_it_waits_for_a_store_before_it_asks_it_anything(in_bucket, bucket):
    heard = []
    in_bucket.listener = heard.append
    in_bucket.take()
    assert heard[0] == Stage("reach the store", None, "answers")


def test_every_version_was_put_with_its_lock(in_bucket, bucket):
    in_bucket.take()
    for one in bucket.list_object_versions(Bucket=BUCKET)["Versions"]:
        head = bucket.head_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
        assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON")
        assert head["ObjectLockRetainUntilDate"].isoformat() == "2027-01-01T12:00:00+00:00"


def test_a_delete_marker_and_a_shadow_version_are_named_and_do_not_hide_the_content(in_bucket, bucket):
    result = in_bucket.take()
    batch = f"evidence/data/documents/date={result.id[:8]}/{result.id}-documents-00000000.parquet"
    bucket.delete_object(Bucket=BUCKET, Key=batch)
    bucket.put_object(Bucket=BUCKET, Key="evidence/log/checkpoints/000000000003", Body=b"shadow")
    found = findings(in_bucket)
    assert {code for code, _ in found} == {"delete-marker", "stranger-version", "lock-missing"} or {
        code for code, _ in found
    } == {"delete-marker", "stranger-version"}
    again = in_bucket.take()
    assert again.exit == 0


def test_what_a_run_found_out_of_a_store_is_taken_for_known_by_a_reader_who_states_something(
    in_bucket, capsys, monkeypatch
):
    asked, opened = [], []
    monkeypatch.setattr(s3, "learn", noted(s3.learn, asked))
    in_bucket.take()
    assert len(asked) == 1
    monkeypatch.setattr(session, "destination_store", noted(session.destination_store, opened))
    status, answer, _ = Shell(in_bucket, capsys)("verify")
    assert (status, len(answer["stated"]), len(asked)) == (0, 1, 1)
    assert len(opened) == 1


def noted(function, calls):
    def note(*words, **more):
        calls.append(words)
        return function(*words, **more)

    return note
