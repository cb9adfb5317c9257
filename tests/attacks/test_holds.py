"""Holds and releases that the operator alone states, without the people whom a release needs; and dates that passed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from attack import DATA, until
from world import ARCHIVE_ID, ORIGIN, UNTIL, World, signers

from archiver.model import layout
from archiver.model.statement import Subject, encode_statement
from archiver.model.statement_holds import ApprovalPredicate, Request, encode_request
from archiver.proof import keys

CONSENT = b"the documents need not be kept any longer\n"
DIGEST = hashlib.sha256(CONSENT).hexdigest()


class Story(World):
    """The honest story, and a release with two approvers, every part of which may be forged."""

    def __init__(self):
        super().__init__()
        self.approvers = [signers(2)[0], signers(3)[0]]

    def request(self, **edit) -> bytes:
        words = {
            "format": "urn:archiver:release-request:v1",
            "archive": "test-archive",
            "archive_id": ARCHIVE_ID,
            "origin": ORIGIN,
            "matter": "CASE-1",
            "instrument": DIGEST,
            "log_size": self.tree.size,
            "log_root": self.tree.root().hex(),
            "batches": 4,
            "objects": 30,
            "bytes": 1000,
            "at": self.at,
        }
        return encode_request(Request.model_validate({**words, **edit}))

    def approve(self, request: bytes, signer, **edit) -> dict:
        self.ids += 1
        digest = hashlib.sha256(request).hexdigest()
        common = {"archive": "test-archive", "archive_id": ARCHIVE_ID, "at": self.at}
        identity = f"20261120T100000Z-{self.ids:06x}"
        by = {"tool": "t", "version": "1", "host": "h", "user": "u", "principal": None, "clock_offset_s": None}
        words = {"id": identity, "by": by, "keyid": signer.keyid, "kind": "release", "sha256": digest}
        predicate = ApprovalPredicate.model_validate({**common, **words, **edit})
        subject = Subject.of(layout.report_key(digest, "release-request.json"), digest)
        self.enter_payload(encode_statement([subject], "approval", predicate), "approval", identity, signer)
        return {"id": identity, "keyid": signer.keyid}

    def release(self, asked: bytes, approvals: list[dict], **edit) -> None:
        digest = hashlib.sha256(asked).hexdigest()
        order = self.put_object(layout.instrument_key(DIGEST, "consent.pdf"), CONSENT)
        subject = self.put_object(layout.report_key(digest, "release-request.json"), asked)
        words = {
            "matter": "CASE-1",
            "instrument": DIGEST,
            "request": digest,
            "log_size": Request.model_validate_json(asked).log_size,
            "approvals": approvals,
            "counts": {"objects": 30, "bytes": 1000},
        }
        self.state("release", [subject, order], {**words, **edit})

    def let_go(self) -> None:
        for key, versions in self.store.versions.items():
            self.store.versions[key] = [replace(one, lock=replace(one.lock, legal_hold=False)) for one in versions]

    def trusting(self, *, approvers: bool = True):
        words = self.trust().model_dump(mode="json")
        for signer in self.approvers if approvers else []:
            key = {"keyid": signer.keyid, "pem": keys.to_pem(signer.public), "roles": ["approver"]}
            words["statement_keys"].append({**key, "valid_from": None, "valid_until": None, "revoked": None})
        return type(self.trust()).model_validate(words)


def codes(report) -> set[str]:
    return {finding.code for finding in report.findings if finding.severity == "failed"}


def test_an_honest_release_lets_go_of_what_the_log_had():
    story = Story()
    request = story.request()
    before = set(story.store.versions)
    story.release(request, [story.approve(request, one) for one in story.approvers])
    for key in before:
        story.store.versions[key] = [
            replace(one, lock=replace(one.lock, legal_hold=False)) for one in story.store.versions[key]
        ]
    report = story.verify(story.trusting())
    assert (codes(report), int(report.exit)) == (set(), 0)


FORGERIES = {
    "approvals that do not exist": lambda s, r: [
        {"id": "20261120T100000Z-ffffff", "keyid": one.keyid} for one in s.approvers
    ],
    "one approver twice": lambda s, r: [s.approve(r, s.approvers[0]), s.approve(r, s.approvers[0])],
    "approvals of another request": lambda s, r: [s.approve(s.request(objects=1), one) for one in s.approvers],
    "the operator as an approver": lambda s, r: [s.approve(r, s.approvers[0]), s.approve(r, s.signer)],
    "a stranger as an approver": lambda s, r: [s.approve(r, s.approvers[0]), s.approve(r, signers(9)[0])],
    "an approval in somebody else's name": lambda s, r: [
        s.approve(r, s.approvers[0]),
        {**s.approve(r, s.approvers[0], keyid=s.approvers[1].keyid), "keyid": s.approvers[1].keyid},
    ],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_release_without_two_approvers_has_no_effect(forgery):
    story = Story()
    request = story.request()
    story.release(request, FORGERIES[forgery](story, request))
    story.let_go()
    assert {"release-invalid", "lock-hold"} <= codes(story.verify(story.trusting()))


@pytest.mark.parametrize(
    "edit", [{"matter": "CASE-2"}, {"instrument": "0" * 64}, {"log_size": 3}, {"request": "0" * 64}]
)
def test_a_release_of_something_else_than_was_approved_has_no_effect(edit):
    story = Story()
    request = story.request()
    story.release(request, [story.approve(request, one) for one in story.approvers], **edit)
    story.let_go()
    assert {"release-invalid", "lock-hold"} <= codes(story.verify(story.trusting()))


@pytest.mark.parametrize("edit", [{"log_root": "0" * 64}, {"log_size": 10_000}, {"origin": "other/log/vault"}])
def test_a_request_about_another_log_lets_go_of_nothing(edit):
    story = Story()
    request = story.request(**edit)
    story.release(request, [story.approve(request, one) for one in story.approvers])
    story.let_go()
    assert {"release-invalid", "lock-hold"} <= codes(story.verify(story.trusting()))


def test_approvers_that_only_the_operator_knows_are_nobody_to_the_auditor():
    story = Story()
    request = story.request()
    story.release(request, [story.approve(request, one) for one in story.approvers])
    story.let_go()
    assert {"release-invalid", "lock-hold"} <= codes(story.verify(story.trusting(approvers=False)))


def test_approvals_after_the_release_do_not_heal_it():
    story = Story()
    request = story.request()
    story.release(
        request,
        [
            {"id": f"20261120T100000Z-{story.ids + n:06x}", "keyid": one.keyid}
            for n, one in enumerate(story.approvers, 2)
        ],
    )
    made = [story.approve(request, one) for one in story.approvers]
    story.let_go()
    assert {"release-invalid", "lock-hold"} <= codes(story.verify(story.trusting()))
    assert len(made) == 2


def test_a_signed_hold_that_no_lock_follows_is_found_on_every_object():
    story = Story()
    order = story.put_object(layout.instrument_key(DIGEST, "order.pdf"), CONSENT)
    report = story.put_object(layout.report_key(hashlib.sha256(b"").hexdigest(), "hold.jsonl"), b"")
    words = {
        "matter": "CASE-1",
        "instrument": DIGEST,
        "scope": "all",
        "from": UNTIL,
        "to": "2027-07-01T12:00:00Z",
        "mode": "COMPLIANCE",
        "legal_hold": True,
        "counts": {"objects": 0, "bytes": 0, "below": 0, "earliest": None, "latest": None},
    }
    story.state("hold", [report, order], words)
    short = {finding.subject for finding in story.verify().findings if finding.code == "lock-date"}
    assert short == set(story.store.versions)


# The date passes: both sides of 2027-01-01T12:00:00Z


def legal_hold_alone(story, key, *, modified=None):
    """Leave a version with the legal hold and no date, as a store has it that takes no date in the past."""
    stored = story.store.versions[key][0]
    lock = replace(stored.lock, mode="NONE", retain_until=None)
    story.store.versions[key] = [replace(stored, lock=lock, modified=modified or stored.modified)]


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_what_was_locked_must_still_show_it_on_either_side_of_the_date(seconds):
    story = Story()
    assert codes(story.verify(clock=lambda: until(seconds=seconds))) == set()
    legal_hold_alone(story, DATA)
    assert codes(story.verify(clock=lambda: until(seconds=seconds))) == {"lock-missing"}


def test_what_was_written_after_the_date_has_the_legal_hold_alone_and_that_is_unknown_and_not_ok():
    story = Story()
    legal_hold_alone(story, DATA, modified=until(seconds=1))
    report = story.verify(clock=lambda: until(days=1))
    found = [(one.code, one.severity.value) for one in report.findings if one.severity != "note"]
    assert (found, int(report.exit)) == ([("lock-date", "unknown")], 3)


def test_before_the_date_the_legal_hold_alone_is_never_enough():
    story = Story()
    legal_hold_alone(story, DATA, modified=until(seconds=1))
    assert codes(story.verify(clock=lambda: until(seconds=-1))) == {"lock-missing"}


def test_a_passed_date_without_release_still_wants_the_legal_hold():
    story = Story()
    story.let_go()
    assert codes(story.verify(clock=lambda: datetime(2028, 1, 1, tzinfo=UTC))) == {"lock-hold"}
