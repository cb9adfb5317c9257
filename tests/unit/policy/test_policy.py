"""The policy as a value: defaults, places, warnings, the repository's own policy."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from archiver.errors import Exit
from archiver.model.key_uri import FileKey
from archiver.model.policy import Accept, Custodian, Ended, Exclude, Limits
from archiver.model.policy_reading import load_policy
from archiver.model.policy_yaml import PolicyError
from archiver.model.selection import decide

ROOT = Path(__file__).resolve().parents[3]
END = datetime(2027, 1, 1, 12, tzinfo=UTC)


def test_the_repositorys_policy_is_the_order_of_the_commission():
    policy = load_policy(ROOT / "retention_policy.yaml")
    (matter,) = policy.matters
    assert (matter.authority, matter.issued) == ("European Commission", date(2026, 1, 8))
    assert (matter.hold.retain_until, matter.hold.mode, matter.hold.legal_hold) == (END, "compliance", True)
    assert policy.warnings == ()
    assert [source.path.is_dir() for source in policy.sources] == [True, True]
    assert policy.destination.path == ROOT / "archive"


def test_the_repositorys_policy_takes_every_sample_but_the_office_lock_file():
    policy = load_policy(ROOT / "retention_policy.yaml")
    passed_over = [
        (source.id, path.name, decide(source, os.fsencode(path.relative_to(source.path))).reason)
        for source in policy.sources
        for path in sorted(source.path.rglob("*"))
        if path.is_file() and not decide(source, os.fsencode(path.relative_to(source.path))).taken
    ]
    assert passed_over == [("trust-and-safety", "~$holding-statement.docx", "Office lock files, no content")]


def test_what_is_left_out_has_the_published_default(bench):
    policy = bench.read()
    folder = bench.path.parent
    assert policy.keys.statement == "file:keys/statement.pem"
    assert policy.keys.statement_key == FileKey(folder / "keys/statement.pem")
    assert policy.keys.log_key == FileKey(folder / "keys/log.pem")
    assert policy.keys.folder == folder / "keys"
    assert policy.keys.passphrase is None
    assert policy.timestamps.required == 0
    assert policy.limits == Limits(512 << 20, 2_000_000, 1 << 40, 100 << 30)
    assert policy.expected_every_hours == 24
    assert policy.accept == ()
    assert policy.state == folder / ".archiver"
    mail = policy.source("mail")
    assert (mail.exclude, mail.custodians, mail.keywords, mail.where, mail.ended, mail.dialect) == (
        (), (), (), (), None, "auto",
    )  # fmt: skip
    assert policy.matter("EU-DSA-GROK").instrument is None


def test_a_full_policy_is_read_whole(bench):
    policy = bench.read(
        '    include: ["**"]\n',
        """    include: ["**"]
    exclude: [{glob: "**/~$*", reason: "Office lock files, no content"}]
    keywords: []
    custodians: [{name: "Doe, Jane", paths: ["jdoe/**"]}]
    where: {}
    ended: {at: "2026-06-30T12:00:00Z", reason: "share closed"}
""",
        add="""\
keys: {statement: "file:/etc/a.pem", log: "file:b.pem", passphrase: "file:secret"}
timestamps: {required: 0, authorities: []}
limits: {batch_raw_bytes: 1GiB, batch_records: 5, snapshot_bytes: 7, confirm_above_bytes: 3TiB}
expected_every_hours: 48
accept: [{glob: "bad/**", reason: "disk", until: "2026-06-30T12:00:00+02:00"}]
state: state
""",
    )
    source, folder = policy.source("mail"), bench.path.parent
    assert source.exclude == (Exclude("**/~$*", "Office lock files, no content"),)
    assert source.custodians == (Custodian("Doe, Jane", ("jdoe/**",)),)
    assert source.ended == Ended(datetime(2026, 6, 30, 12, tzinfo=UTC), "share closed")
    assert policy.keys.files == (Path("/etc/a.pem"), folder / "b.pem")
    assert policy.keys.passphrase == f"file:{folder / 'secret'}"
    assert policy.limits == Limits(1 << 30, 5, 7, 3 << 40)
    assert policy.accept == (Accept("bad/**", "disk", datetime(2026, 6, 30, 10, tzinfo=UTC)),)
    assert (policy.state, policy.expected_every_hours) == (folder / "state", 48)


def test_a_limit_that_is_left_out_keeps_its_default(bench):
    assert bench.read(add="limits: {snapshot_bytes: 1GiB}\n").limits.batch_raw_bytes == 512 << 20


def test_the_digest_is_that_of_the_exact_bytes(bench):
    policy = bench.read(add="# a comment\r\n")
    assert policy.text == bench.text(add="# a comment\r\n").encode()
    assert policy.sha256 == hashlib.sha256(policy.text).hexdigest()


def test_a_byte_order_mark_is_no_problem(bench):
    bench.base = "\ufeff" + bench.base
    assert bench.read().archive == "eu-dsa-grok"


def test_a_hold_whose_date_has_passed_is_still_a_hold(bench):
    policy = bench.read('"2027-01-01T12:00:00Z"', '"2020-01-01T00:00:00Z"')
    assert policy.matter("EU-DSA-GROK").hold.legal_hold is True


def test_the_hold_is_rounded_up_to_whole_seconds(bench):
    policy = bench.read('"2027-01-01T12:00:00Z"', '"2027-01-01T11:59:59.001Z"')
    assert policy.matter("EU-DSA-GROK").hold.retain_until == END


def test_the_longest_hold_serves_several_matters(bench):
    other = """  - id: B
    title: b
    authority: b
    issued: "2026-01-08"
    hold: {stated_as: "for long", retain_until: "2030-01-01T00:00:00Z", mode: compliance, legal_hold: true}
sources:
"""
    policy = bench.read("sources:\n", other)
    assert policy.retain_until(["EU-DSA-GROK"]) == END
    assert policy.retain_until() == policy.retain_until(["B", "EU-DSA-GROK"]) == datetime(2030, 1, 1, tzinfo=UTC)
    assert policy.warnings == ("matter B: no source is kept for it",)


@pytest.mark.parametrize(
    ("until", "missed"),
    [
        ("2027-01-01T12:00:00Z", []),
        ("2026-12-31T23:59:59Z", ["Dublin, London", "UTC", "New York", "Chicago", "San Francisco", "last time zone"]),
        ("2027-01-01T11:59:59Z", ["last time zone"]),
        ("2026-12-31T23:59:59+01:00", ["Brussels", "Dublin, London", "UTC", "New York"]),
        ("2026-12-31T00:00:00Z", ["Brussels", "last time zone"]),
        ("2027-01-31T00:00:00Z", []),
    ],
)
def test_a_hold_that_ends_before_a_reading_of_its_words_is_a_warning(bench, until, missed):
    warnings = bench.read("2027-01-01T12:00:00Z", until).warnings
    assert len(warnings) == bool(missed)
    for place in missed:
        assert place in warnings[0]
    if missed:
        assert warnings[0].endswith('write "2027-01-01T12:00:00Z"')
        assert "working day" not in warnings[0], "the open-ended hold covers that reading"


def test_a_hold_far_beyond_the_words_of_the_order_is_a_warning(bench):
    (warning,) = bench.read("2027-01-01T12:00:00Z", "2037-01-01T12:00:00Z").warnings
    assert warning.endswith("a lock cannot be shortened")


@pytest.mark.parametrize(
    ("location", "path"),
    [("./evidence/x", "evidence/x"), ("/srv/x", "/srv/x"), ("file:///srv/a%20b", "/srv/a b"), ("../x", "../x")],
)
def test_a_location_is_relative_to_the_policy_or_a_file_uri(bench, location, path):
    assert bench.read("./evidence/mail", location).source("mail").path == bench.path.parent / path


@pytest.mark.parametrize("location", ["s3://bucket", "s3://bucket/", "s3://bucket/some/prefix"])
def test_a_destination_may_be_a_bucket(bench, location):
    policy = bench.read(
        "    location: ./archive\n",
        f"    location: {location}\n    endpoint: http://127.0.0.1:9000\n"
        "    region: eu-central-1\n    profile: legal\n",
    )
    spec = policy.destination
    assert (spec.location, spec.path, spec.endpoint) == (location, None, "http://127.0.0.1:9000")
    assert (spec.region, spec.profile) == ("eu-central-1", "legal")


def test_a_missing_policy_says_how_to_name_one(tmp_path):
    with pytest.raises(PolicyError) as refused:
        load_policy(tmp_path / "none.yaml")
    assert (refused.value.code, refused.value.exit_status) == ("policy-missing", Exit.USAGE)
    assert "-p FILE" in refused.value.hint


def test_a_folder_is_no_policy(tmp_path):
    with pytest.raises(PolicyError) as refused:
        load_policy(tmp_path)
    assert refused.value.code == "policy-unreadable"


def test_a_policy_is_a_value(bench):
    assert bench.read() == bench.read()
    assert hash(bench.read()) == hash(bench.read())
