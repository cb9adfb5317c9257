"""What a bucket policy lets a writer do, read from the policy alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from archiver.flows.doctor.items import State
from archiver.flows.doctor.policies import ROLES, role_policy
from archiver.flows.doctor.powers import POWERS, power_items
from archiver.stores.base import Destination

CODES = [power.code for power in POWERS]
BUCKET, PREFIX = "vault", "eu/grok/"
NOW, UNTIL = datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)


def states(*statements, conditions=False):
    items = power_items({"Statement": list(statements)}, bucket=BUCKET, prefix=PREFIX, conditions=conditions)
    return {item.code: item.state for item in items}


def statement(effect, action, resource="arn:aws:s3:::vault/*", principal="*", **more):
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource, **more}


ALL = statement("Deny", "s3:*", ["arn:aws:s3:::vault", "arn:aws:s3:::vault/*"])
WRITER = {"AWS": ["arn:aws:iam:::user/owner:writer"]}


def test_without_a_policy_nothing_is_known():
    found = power_items(None, bucket=BUCKET, prefix=PREFIX, conditions=False)
    assert [(item.code, item.state) for item in found] == [(code, State.UNKNOWN) for code in CODES]


def test_what_everybody_is_denied_is_fine():
    assert states(ALL) == dict.fromkeys(CODES, State.OK)


def test_what_one_is_denied_is_a_note_since_a_policy_does_not_say_who_writes():
    assert set(states({**ALL, "Principal": WRITER}).values()) == {State.NOTE}


@pytest.mark.parametrize(
    ("code", "action", "resource"),
    [
        ("writer-delete", "s3:DeleteObjectVersion", "arn:aws:s3:::vault/*"),
        ("writer-delete", "s3:delete*", "arn:aws:s3:::vault/eu/grok/data/*"),
        ("writer-bypass", ["s3:GetObject", "s3:BypassGovernanceRetention"], "arn:aws:s3:::vault/eu/*"),
        ("writer-lift", "s3:PutObject*", "*"),
        ("writer-policy", "s3:PutBucketPolicy", "arn:aws:s3:::vault"),
        ("writer-policy", "s3:PutLifecycleConfiguration", "arn:aws:s3:::va*"),
    ],
)
def test_what_somebody_is_allowed_is_a_failure(code, action, resource):
    found = states(statement("Allow", action, resource, WRITER))
    assert {name for name, state in found.items() if state is State.FAILED} == {code}


def test_a_denial_wins_over_a_permission_for_the_same_one():
    allowed = statement("Allow", "s3:*", ["arn:aws:s3:::vault", "arn:aws:s3:::vault/*"], WRITER)
    assert set(states(allowed).values()) == {State.FAILED}
    assert set(states(allowed, {**ALL, "Principal": WRITER}).values()) == {State.NOTE}
    assert set(states(allowed, ALL).values()) == {State.OK}


def test_a_permission_for_other_keys_does_not_matter():
    found = states(statement("Allow", "s3:DeleteObject*", "arn:aws:s3:::vault/other/*", WRITER))
    assert found["writer-delete"] is State.UNKNOWN


def test_a_denial_for_some_keys_or_under_a_condition_is_none():
    some = statement("Deny", "s3:DeleteObject*", "arn:aws:s3:::vault/eu/grok/log/*")
    maybe = statement("Deny", "s3:DeleteObject*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})
    assert states(some)["writer-delete"] is State.UNKNOWN
    assert states(maybe)["writer-delete"] is State.UNKNOWN


def test_a_permission_under_a_condition_is_unknown():
    found = states(statement("Allow", "s3:DeleteObject", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    assert found["writer-delete"] is State.UNKNOWN


def test_a_denial_by_exception_never_counts_as_one():
    denial = statement("Deny", "", ["arn:aws:s3:::vault", "arn:aws:s3:::vault/*"])
    del denial["Action"]
    assert set(states({**denial, "NotAction": ["s3:GetObject"]}).values()) == {State.UNKNOWN}


def test_a_permission_by_exception_is_one():
    permission = statement("Allow", "")
    del permission["Action"]
    found = states({**permission, "NotAction": ["s3:GetObject"]})
    assert found["writer-delete"] is State.FAILED


def test_switching_holds_off_may_be_denied_by_its_condition_where_that_works():
    allowed = statement("Allow", "s3:PutObjectLegalHold")
    off = statement("Deny", "s3:PutObjectLegalHold", Condition={"StringEquals": {"s3:object-lock-legal-hold": "OFF"}})
    assert states(allowed, off, conditions=True)["writer-lift"] is State.OK
    assert states(allowed, off, conditions=False)["writer-lift"] is State.FAILED


@pytest.mark.parametrize("endpoint", [None, "https://s3.example"])
@pytest.mark.parametrize("role", ROLES)
def test_the_policies_that_are_printed_let_nobody_do_any_of_it(role, endpoint):
    place = Destination("s3", "s3://vault/eu/grok", endpoint, BUCKET, "eu/grok", enforces_locks=True, versioned=True)
    document = role_policy([(role, "arn:aws:iam::1:role/x")], place, until=UNTIL, now=NOW)
    found = power_items(document, bucket=BUCKET, prefix=PREFIX, conditions=endpoint is None)
    assert [(item.code, item.state) for item in found] == [(code, State.NOTE) for code in CODES]


def test_at_aws_a_writer_may_not_lock_for_longer_than_the_hold():
    place = Destination("s3", "s3://vault", None, "vault", "", enforces_locks=True, versioned=True)
    document = role_policy([("writer", "arn:aws:iam::1:role/x")], place, until=UNTIL, now=NOW)
    limits = [one["Condition"] for one in document["Statement"] if one["Sid"].endswith("LocksNoLonger")]
    assert limits == [{"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "39"}}]
