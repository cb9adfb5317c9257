"""The doctor on real stores: every item of a bucket fails somewhere real, and the probe finds what settings hide.

Dates come from the real clock, as real stores judge locks by theirs. Ceph enforces locks, policies and users;
LocalStack has what Ceph lacks: conditional writes, checksums, uploads in parts that keep their lock, a key service.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from archiver.errors import Exit, WorldError
from archiver.flows.doctor.doctor import doctor
from archiver.flows.doctor.items import State
from archiver.flows.doctor.printed import print_policies
from archiver.flows.session import destination_store
from archiver.flows.setup import set_up
from archiver.flows.snapshot.snapshot import snapshot
from archiver.judge.verify import verify
from archiver.model.policy_reading import load_policy
from archiver.stores.base import Lock

PREFIX = "eu/grok"
POLICY = """\
version: 1
archive: test-archive
matters:
  - id: CASE-1
    title: A case
    authority: The Commission
    issued: "2026-01-08"
    hold: {{stated_as: "until then", retain_until: "{until}", mode: compliance, legal_hold: true}}
sources:
  - {{id: papers, kind: documents, location: ./papers, matters: [CASE-1], include: ["**"]}}
destinations:
  - {{id: vault, location: "s3://{bucket}/eu/grok", endpoint: "{endpoint}", region: us-east-1}}
keys: {{statement: "file:keys/statement.pem", log: "file:keys/log.pem"}}
limits: {{batch_raw_bytes: 1MiB, batch_records: 1000, snapshot_bytes: 1GiB, confirm_above_bytes: 1GiB}}
"""
WITHSTOOD = {
    f"probe-{name}"
    for name in (
        "lock", "listing", "delete", "delete-bypass", "shorten", "shorten-bypass", "weaken", "weaken-bypass",
        "overwrite", "delete-held", "delete-held-bypass", "damaged",
    )
}  # fmt: skip
POWERS = {"writer-delete", "writer-bypass", "writer-lift"}


def now():
    return datetime.now(UTC)


@dataclasses.dataclass
class Place:
    """An organisation whose destination is a bucket of a real store."""

    root: object
    store: object
    bucket: str
    client: object

    @property
    def policy(self):
        return load_policy(self.root / "retention_policy.yaml")

    def write(self, *, until=None):
        until = until or now() + timedelta(minutes=20)
        text = POLICY.format(
            bucket=self.bucket, endpoint=self.store.endpoint, until=until.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        (self.root / "retention_policy.yaml").write_text(text)

    def begin(self):
        set_up(self.policy, clock=now, random=os.urandom, environ={})
        return self.take()

    def take(self):
        return snapshot(self.policy, clock=now, random=os.urandom, environ={}, listener=lambda _: None)

    def look(self, *, probed=False, clock=now):
        return doctor(self.policy, clock=clock, random=os.urandom, environ={}, probed=probed)

    def put_policy(self, *statements):
        self.client.put_bucket_policy(
            Bucket=self.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        )

    def statement(self, effect, *actions, principal="*"):
        name = f"arn:aws:s3:::{self.bucket}"
        return {
            "Effect": effect,
            "Principal": principal,
            "Action": list(actions),
            "Resource": [name, f"{name}/*"],
        }


@pytest.fixture
def place_at(tmp_path, monkeypatch):
    def make(store, **options):
        store.enter(monkeypatch)
        root = tmp_path / secrets.token_hex(3)
        (root / "papers").mkdir(parents=True)
        (root / "papers" / "memo.txt").write_text("keep everything\n")
        place = Place(root, store, store.bucket(**options), store.client())
        place.write()
        return place

    return make


@pytest.fixture
def place(place_at, ceph):
    return place_at(ceph)


@pytest.fixture
def user(ceph, monkeypatch):
    """Make a second identity of the buckets' owner, and become it."""

    def become(may):
        name = f"user{secrets.token_hex(4)}"
        ceph.server.add_subuser("root-admin", name, f"key-{name}", f"secret-{name}", may=may)
        return f"arn:aws:iam:::user/root-admin:{name}", dataclasses.replace(
            ceph, access=f"key-{name}", secret=f"secret-{name}"
        )

    return become


def item(found, code):
    (one,) = [one for one in found.items if one.code == code]
    return one


def failed(found):
    return {one.code for one in found.items if one.state is State.FAILED}


def unknown(found):
    return {one.code for one in found.items if one.state is State.UNKNOWN}


def findings(place):
    store = destination_store(place.policy, now)
    report = verify(store, (place.root / "keys" / "trust.json").read_bytes(), clock=now)
    return {(one.code, one.severity.value) for one in report.findings}, int(report.exit)


# Settings


def test_a_bucket_with_object_lock_in_good_order_leaves_only_the_powers_of_the_writer_unknown(place):
    place.begin()
    found = place.look()
    assert (failed(found), unknown(found)) == (set(), {*POWERS, "writer-policy"})
    assert found.exit == Exit.INCOMPLETE


def test_a_bucket_whose_policy_denies_everybody_is_fine(place):
    place.begin()
    place.put_policy(
        place.statement(
            "Deny",
            *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectLegalHold"),
            *("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutLifecycleConfiguration"),
            *("s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning", "s3:PutBucketAcl"),
        )
    )
    found = place.look()
    assert (failed(found), unknown(found), found.exit) == (set(), set(), Exit.OK)


def test_a_bucket_without_object_lock_and_versioning_is_a_failure(place_at, ceph):
    found = place_at(ceph, ObjectLockEnabledForBucket=False).look()
    assert failed(found) == {"object-lock", "versioning"}
    assert found.exit == Exit.LOCK


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, "none; every"),
        ({"Mode": "COMPLIANCE", "Days": 1}, "COMPLIANCE for 1 day; every"),
        ({"Mode": "GOVERNANCE", "Days": 9000}, "GOVERNANCE for 9000 days; every"),
    ],
)
def test_a_default_retention_that_is_absent_shorter_or_weaker_is_a_note(place, rule, words):
    place.write(until=now() + timedelta(days=39))
    if rule:
        place.client.put_object_lock_configuration(
            Bucket=place.bucket,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": rule}},
        )
    found = item(place.look(), "default-retention")
    assert (found.state, found.found.startswith(words)) == (State.NOTE, True)


@pytest.mark.parametrize(
    ("prefix", "state"), [("", State.FAILED), ("eu/", State.FAILED), ("eu/grok/log/", State.FAILED), ("us/", State.OK)]
)
def test_a_lifecycle_rule_that_ends_objects_below_the_prefix_is_a_failure(place, prefix, state):
    rule = {
        "ID": "tidy",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    place.client.put_bucket_lifecycle_configuration(Bucket=place.bucket, LifecycleConfiguration={"Rules": [rule]})
    found = place.look()
    assert item(found, "lifecycle").state is state
    if state is State.FAILED:
        assert item(found, "lifecycle").found == "rule tidy: NoncurrentVersionExpiration"
        assert found.exit == Exit.LOCK


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("writer-delete", "s3:DeleteObjectVersion"),
        ("writer-bypass", "s3:BypassGovernanceRetention"),
        ("writer-lift", "s3:PutObjectLegalHold"),
        ("writer-policy", "s3:PutBucketPolicy"),
    ],
)
def test_a_policy_that_lets_a_writer_break_the_promise_is_a_failure(place, user, code, action):
    writer, _ = user("readwrite")
    place.put_policy(place.statement("Allow", action, principal={"AWS": [writer]}))
    found = place.look()
    assert failed(found) == {code}
    assert item(found, code).found == f"{writer} may"


def test_settings_that_may_not_be_read_are_unknown_and_never_fine(place, user, monkeypatch):
    place.begin()
    _, reader = user("read")
    reader.enter(monkeypatch)
    found = place.look()
    assert unknown(found) >= {*POWERS, "writer-policy", "lifecycle", "public-access"}
    assert "AccessDenied" in item(found, "lifecycle").found
    assert found.exit == Exit.INCOMPLETE


def test_locks_that_may_not_be_read_are_unknown(place, user, monkeypatch):
    place.begin()
    name, reader = user("read")
    denied = place.statement("Deny", "s3:GetObjectRetention", "s3:GetObjectLegalHold", principal={"AWS": [name]})
    place.put_policy(denied)
    reader.enter(monkeypatch)
    found = item(place.look(), "lock-readable")
    assert (found.state, "s3:GetObjectRetention" in found.remedy) == (State.UNKNOWN, True)


def test_a_bucket_that_everybody_may_read_is_a_failure(place):
    place.client.put_bucket_acl(Bucket=place.bucket, ACL="public-read")
    found = place.look()
    assert (item(found, "public-access").state, found.exit) == (State.FAILED, Exit.LOCK)
    assert item(found, "public-access").found == "READ is granted to everybody"


def test_a_policy_that_lets_everybody_in_is_a_failure(place):
    place.put_policy(place.statement("Allow", "s3:GetObject"))
    assert "the bucket policy lets everybody in" in item(place.look(), "public-access").found


def test_blocked_public_access_is_fine(place):
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    place.client.put_public_access_block(Bucket=place.bucket, PublicAccessBlockConfiguration=dict.fromkeys(names, True))
    assert item(place.look(), "public-access").state is State.OK


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_that_is_more_than_five_minutes_off_is_a_failure(place, minutes):
    found = place.look(clock=lambda: now() + timedelta(minutes=minutes))
    assert (item(found, "clock-skew").state, found.exit) == (State.FAILED, Exit.WORLD)


def test_a_store_that_does_not_answer_is_a_failure_and_everything_else_is_looked_at(place, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    found = place.look()
    assert failed(found) == {"store"}
    assert found.exit == Exit.WORLD
    assert item(found, "spool-space").state is State.OK


def test_the_log_of_another_archive_under_the_prefix_is_a_failure(place, place_at, ceph):
    other = place_at(ceph)
    other.begin()
    set_up(place.policy, clock=now, random=os.urandom, environ={})
    place.bucket = other.bucket
    place.write()
    found = place.look()
    assert failed(found) == {"log-origin"}


def test_a_hold_after_2106_is_unknown_until_it_was_tried_and_then_a_failure_on_ceph(place):
    place.write(until=datetime(2107, 1, 1, tzinfo=UTC))
    assert item(place.look(), "hold-date").state is State.UNKNOWN
    found = place.look(probed=True)
    assert (item(found, "hold-date").state, found.exit) == (State.FAILED, Exit.LOCK)
    assert item(found, "hold-date").found == "later dates than 2106-01-01T00:00:00Z come back as others"


def test_an_encryption_key_that_is_disabled_or_about_to_go_is_a_failure(place_at, localstack):
    place = place_at(localstack)
    keys = boto3.client("kms", endpoint_url=localstack.endpoint, region_name="us-east-1")
    key = keys.create_key()["KeyMetadata"]["KeyId"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    place.client.put_bucket_encryption(
        Bucket=place.bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    assert item(place.look(), "kms-key").state is State.NOTE
    keys.disable_key(KeyId=key)
    disabled = place.look()
    assert (item(disabled, "kms-key").state, disabled.exit) == (State.FAILED, Exit.LOCK)
    assert item(disabled, "kms-key").found == f"key {key} is Disabled"
    keys.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert f"key {key} is PendingDeletion, from " in item(place.look(), "kms-key").found


def test_an_encryption_key_that_cannot_be_looked_at_is_unknown(place_at, localstack):
    place = place_at(localstack)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "00000000-0000-0000-0000-000000000000"}
    place.client.put_bucket_encryption(
        Bucket=place.bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    assert item(place.look(), "kms-key").state is State.UNKNOWN


# The probe


def test_ceph_withstands_every_attack_and_says_what_it_cannot(place):
    place.begin()
    found = place.look(probed=True)
    assert {one.code for one in found.items if one.code.startswith("probe-") and one.state is State.OK} >= WITHSTOOD
    assert found.capabilities == dataclasses.replace(
        found.capabilities,
        conditional_writes=False,
        checks_md5=True,
        checks_sha256=False,
        echoes_sha256=False,
        multipart_lock=False,
        latest_date=datetime(2106, 1, 1, tzinfo=UTC),
    )


def test_localstack_withstands_every_attack_and_does_what_aws_does(place_at, localstack):
    place = place_at(localstack)
    place.begin()
    found = place.look(probed=True)
    assert {one.code for one in found.items if one.code.startswith("probe-") and one.state is State.OK} >= WITHSTOOD
    assert found.capabilities == dataclasses.replace(
        found.capabilities,
        conditional_writes=True,
        checks_md5=True,
        checks_sha256=True,
        echoes_sha256=True,
        multipart_lock=True,
        latest_date=datetime(2110, 1, 1, tzinfo=UTC),
    )


def test_the_owners_own_credentials_can_do_what_a_writer_must_not(place):
    place.put_policy(place.statement("Deny", "s3:PutBucketWebsite"))
    found = place.look(probed=True)
    assert failed(found) == {*POWERS, "writer-policy"}
    assert found.exit == Exit.LOCK


def test_a_probe_is_signed_and_verify_knows_what_it_left(place):
    place.begin()
    found = place.look(probed=True)
    assert item(found, "probe-statement").state is State.OK
    seen, status = findings(place)
    assert status == 0
    assert {one for one in seen if one[1] != "note"} == set()
    assert ("stranger-key", "note") in seen
    store = destination_store(place.policy, now)
    with store.read(found.signed.report) as stream:
        report = json.loads(stream.read())
    assert report["capabilities"]["conditional_writes"] is False
    assert {one["key"] for one in report["sentinels"]} == {
        version.key for version in store.list("ext/probe/") if not version.is_delete_marker
    }
    assert place.take().exit == 0


def test_a_probe_before_the_archive_has_begun_writes_sentinels_and_nothing_else(place):
    found = place.look(probed=True)
    assert item(found, "probe-statement").state is State.NOTE
    keys = {version.key for version in destination_store(place.policy, now).list()}
    assert {key.split("/")[0] for key in keys} == {"ext"}
    assert {key.rpartition("/")[2] for key in keys} == {
        "sentinel", "held", "lifted", "damaged-sha256", "parts", "until-2110", "until-2106",
    }  # fmt: skip


def test_a_probe_locks_nothing_that_was_there_and_ends_no_lock(place):
    place.begin()
    store = destination_store(place.policy, now)
    before = {(one.key, one.version): store.stat(one.key, one.version).lock for one in store.list()}
    place.look(probed=True)
    after = {(one.key, one.version): store.stat(one.key, one.version).lock for one in store.list()}
    assert {name: after.get(name) for name in before} == before


def test_what_a_probe_locks_is_free_again_within_minutes(place):
    place.look(probed=True)
    store = destination_store(place.policy, now)
    for one in store.list("ext/probe/"):
        lock = store.stat(one.key, one.version).lock
        if lock.mode == "COMPLIANCE":
            assert lock.retain_until < now() + timedelta(minutes=6)


def test_a_bucket_without_object_lock_cannot_be_probed(place_at, ceph):
    found = place_at(ceph, ObjectLockEnabledForBucket=False).look(probed=True)
    assert failed(found) == {"object-lock", "versioning", "probe"}
    assert found.exit == Exit.LOCK


def test_a_default_retention_leaves_it_unknown_whether_versions_may_be_deleted(place):
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    place.client.put_object_lock_configuration(
        Bucket=place.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    found = place.look(probed=True)
    assert item(found, "writer-delete").state is State.UNKNOWN
    assert failed(found) == {"writer-bypass", "writer-lift"}


# Policies for second users


@pytest.fixture
def roles(place, user):
    """Put the printed policies on the bucket, and return who has them."""
    users = {
        "writer": user("readwrite"),
        "auditor": user("read"),
        "extender": user("readwrite"),
        "witness": user("read"),
    }
    (printed,) = print_policies(place.policy, [(role, name) for role, (name, _) in users.items()], clock=now)
    place.client.put_bucket_policy(Bucket=place.bucket, Policy=json.dumps(printed.document))
    return {role: store for role, (_, store) in users.items()}


def test_a_writer_under_the_printed_policy_does_the_main_job_and_nothing_fails(place, roles, monkeypatch):
    roles["writer"].enter(monkeypatch)
    assert place.begin().exit == 0
    found = place.look(probed=True)
    assert (failed(found), unknown(found), found.exit) == (set(), set(), Exit.OK)
    assert {item(found, code).state for code in (*POWERS, "writer-policy")} == {State.OK}
    assert findings(place)[1] == 0
    assert place.take().exit == 0


@pytest.mark.parametrize("role", ["writer", "auditor", "extender", "witness"])
def test_nobody_can_delete_shorten_lift_or_change_the_rules(place, roles, monkeypatch, role):
    place.begin()
    until = now() + timedelta(minutes=5)
    roles[role].enter(monkeypatch)
    client = roles[role].client()
    key = f"{PREFIX}/README.txt"
    version = client.list_object_versions(Bucket=place.bucket, Prefix=key)["Versions"][0]["VersionId"]
    name = {"Bucket": place.bucket, "Key": key}
    bucket = {"Bucket": place.bucket}
    lock = {"ObjectLockEnabled": "Enabled"}
    attempts = {
        "hide": lambda: client.delete_object(**name),
        "delete": lambda: client.delete_object(**name, VersionId=version),
        "bypass": lambda: client.delete_object(**name, VersionId=version, BypassGovernanceRetention=True),
        "shorten": lambda: client.put_object_retention(
            **name, VersionId=version, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
        ),
        "weaken": lambda: client.put_object_retention(
            **name, VersionId=version, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until + timedelta(days=1)}
        ),
        "lift": lambda: client.put_object_legal_hold(**name, VersionId=version, LegalHold={"Status": "OFF"}),
        "open": lambda: client.put_object_acl(**name, ACL="public-read"),
        "policy": lambda: client.put_bucket_policy(**bucket, Policy="{}"),
        "no policy": lambda: client.delete_bucket_policy(**bucket),
        "lock settings": lambda: client.put_object_lock_configuration(**bucket, ObjectLockConfiguration=lock),
        "access": lambda: client.put_bucket_acl(**bucket, ACL="public-read"),
        "bucket": lambda: client.delete_bucket(**bucket),
    }
    codes = {}
    for what, attempt in attempts.items():
        with pytest.raises(client.exceptions.ClientError) as refused:
            attempt()
        codes[what] = refused.value.response["Error"]["Code"]
    assert codes == dict.fromkeys(attempts, "AccessDenied")


def test_a_writer_cannot_extend_and_an_extender_can(place, roles, monkeypatch):
    place.begin()
    later = Lock("COMPLIANCE", (now() + timedelta(minutes=40)).replace(microsecond=0), legal_hold=True)
    roles["writer"].enter(monkeypatch)
    with pytest.raises(WorldError) as refused:
        destination_store(place.policy, now).hold("README.txt", None, later)
    assert refused.value.code == "store-denied"
    roles["extender"].enter(monkeypatch)
    assert destination_store(place.policy, now).hold("README.txt", None, later).retain_until == later.retain_until


def test_an_auditor_can_verify_and_see_all_settings_and_write_nothing(place, roles, monkeypatch):
    place.begin()
    roles["auditor"].enter(monkeypatch)
    assert findings(place)[1] == 0
    found = place.look()
    assert (failed(found), unknown(found)) == (set(), set())
    with pytest.raises(WorldError) as refused:
        place.take()
    assert refused.value.code == "store-denied"
    assert item(place.look(probed=True), "probe").state is State.FAILED


def test_a_writer_can_end_nothing_under_other_prefixes_either(place, roles, monkeypatch):
    place.client.put_object(Bucket=place.bucket, Key="us/other", Body=b"x")
    roles["writer"].enter(monkeypatch)
    client = roles["writer"].client()
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.delete_object(Bucket=place.bucket, Key="us/other")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
