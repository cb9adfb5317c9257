"""Holds on a store that enforces them: what an extension and a release change for somebody who wants to delete.

Dates come from the real clock; where one must be seen to pass it is a few seconds ahead.
"""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from attack_versions import attack
from botocore.exceptions import ClientError
from real_organisation import PREFIX, bad, move_in, now, until, verified

from archiver.events import silent
from archiver.flows.hold.approve import admit, approve
from archiver.flows.hold.extend import extend
from archiver.flows.hold.release import make_request, release
from archiver.flows.instrument import Instrument
from archiver.flows.session import whoami
from archiver.model.statement_holds import encode_request
from archiver.proof import keys
from archiver.signing.file import create_p256

ORDER = Instrument("order.pdf", b"an order\n")


@pytest.fixture
def held(filled, ceph, monkeypatch):
    """An archive in a bucket of its own, held until a day from now unless `until` is changed before the first run."""
    filled.until = until(days=1)
    filled.bucket = move_in(filled, ceph, monkeypatch)
    filled.client = ceph.client()
    return filled


def ends_in(place, **ahead) -> None:
    text = (place.root / "retention_policy.yaml").read_text()
    (place.root / "retention_policy.yaml").write_text(text.replace(place.until, until(**ahead)))
    place.until = until(**ahead)


def prolong(place, **ahead):
    return extend(
        place.policy,
        "CASE-1",
        (now() + timedelta(**ahead)).replace(microsecond=0),
        ORDER,
        clock=now,
        random=place.random,
        environ={},
        listener=silent,
        confirm=lambda _plan: None,
    )


def versions(place) -> list[dict[str, str]]:
    found = place.client.get_paginator("list_object_versions").paginate(Bucket=place.bucket)
    return [
        {"Bucket": place.bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        for page in found
        for one in page.get("Versions", [])
    ]


def wait_for(moment) -> None:
    time.sleep(max((moment - now()).total_seconds(), 0) + 1.5)


def test_six_months_more_hold_every_version_and_nobody_can_undo_it(held):
    held.take()
    done = prolong(held, days=182)
    dates = {place["Key"]: held.client.get_object_retention(**place)["Retention"] for place in versions(held)}
    assert {words["Mode"] for words in dates.values()} == {"COMPLIANCE"}
    assert {words["RetainUntilDate"] for words in dates.values()} == {done.plan.to}
    assert bad(verified(held)) == []
    shortened = [line for line in attack(held.client, held.bucket) if "hide" not in line and "legal hold" not in line]
    assert [line for line in shortened if ": 0 of " not in line] == []


def test_when_the_date_has_passed_new_objects_have_the_legal_hold_alone_until_the_hold_is_extended(held):
    ends_in(held, seconds=30)
    assert held.take().exit == 0
    wait_for(held.policy.retain_until())
    (held.papers / "later.txt").write_text("later\n")
    late = held.take()
    assert int(late.exit) == 3
    assert any("has passed without a signed release" in reason for reason in late.reasons)
    report = verified(held)
    assert (
        [(one.code, one.severity.value) for one in report.findings if one.severity != "note"],
        int(report.exit),
    ) == (
        [("lock-date", "unknown")],
        3,
    )
    for place in versions(held):  # the legal hold is what is left, and it holds
        with pytest.raises(ClientError):
            held.client.delete_object(**place)
    assert prolong(held, days=1).exit == 0
    assert bad(verified(held)) == []
    assert held.take().exit == 0


def admitted(place, signer):
    words = {"clock": now, "random": place.random, "environ": {}, "listener": silent}
    return admit(place.policy, keys.to_pem(signer.public), **words)


def test_what_is_released_can_be_deleted_when_its_date_has_passed_and_not_before(held, tmp_path):
    ends_in(held, seconds=60)
    held.take()
    signers = [create_p256(tmp_path / f"{name}.pem", None) for name in ("a", "b")]
    for signer in signers:
        admitted(held, signer)
    before = versions(held)
    request = encode_request(make_request(held.policy, "CASE-1", ORDER, clock=now, listener=silent))
    approvals = [approve(request, one, by=whoami(None), clock=now, random=held.random)[1] for one in signers]
    done = release(
        held.policy,
        "CASE-1",
        ORDER,
        request,
        approvals,
        clock=now,
        random=held.random,
        environ={},
        listener=silent,
        confirm=lambda _plan: None,
    )
    assert (done.released, int(done.exit)) == (len(before), 0)
    assert {held.client.get_object_legal_hold(**place)["LegalHold"]["Status"] for place in before} == {"OFF"}
    assert bad(verified(held)) == []
    with pytest.raises(ClientError):
        held.client.delete_object(**before[0])
    wait_for(held.policy.retain_until())
    batch = next(place for place in before if place["Key"].startswith(f"{PREFIX}/data/documents/"))
    held.client.delete_object(**batch)
    report = verified(held)
    assert ("object-disposed", batch["Key"].removeprefix(f"{PREFIX}/")) in [
        (one.code, one.subject) for one in report.findings
    ]
    assert (bad(report), report.verdict, int(report.exit)) == ([], "partial", 0)
