"""A store that takes locks and does not hold them is caught by the probe. moto is one, by its own nature."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from moto import mock_aws

from archiver.flows.doctor.items import State, exit_of
from archiver.flows.doctor.probe import probe_items
from archiver.s3.client import connect
from archiver.stores.probe import probe
from archiver.stores.s3 import S3Store
from archiver.stores.s3_inspect import inspect


def now():
    return datetime.now(UTC)


@pytest.fixture
def items(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = connect(endpoint=None, region="us-east-1", profile=None)
        client.create_bucket(Bucket="vault", ObjectLockEnabledForBucket=True)
        store = S3Store(client, bucket="vault", prefix="case", location="s3://vault/case", clock=now)
        inspector = inspect(store.destination, region="us-east-1", profile=None)
        probed = probe(inspector, store, identity="20261123T120000Z-000000", now=now(), policy=None)
        return {item.code: item for item in probe_items(probed, "bucket vault")}


def test_locks_that_can_be_shortened_or_weakened_are_a_failure(items):
    failed = {code for code, item in items.items() if item.state is State.FAILED}
    assert failed >= {"probe-shorten", "probe-weaken"}
    assert items["probe-shorten"].found.startswith("accepted; retain until: expected ")
    assert exit_of(items.values()) == 4


def test_bytes_that_arrive_damaged_and_are_stored_are_a_failure(items):
    assert items["probe-damaged"].state is State.FAILED


def test_a_lock_that_holds_against_deleting_is_said_to_hold(items):
    assert items["probe-overwrite"].state is State.OK
