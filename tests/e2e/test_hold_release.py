"""A hold that ends: by two people and a signed statement, never by a date, and never for what another matter holds."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import EvidenceError, UsageError
from archiver.events import silent
from archiver.flows.derivation.derivation import Wanted, derive
from archiver.flows.hold.approve import admit, approve
from archiver.flows.hold.release import make_request, release, would_release
from archiver.flows.instrument import Instrument
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.session import own_trust, whoami
from archiver.judge.verify import verify
from archiver.model.statement_holds import encode_request
from archiver.proof import dsse, keys
from archiver.signing.file import create_p256, open_p256
from archiver.stores.folder import FolderStore

CONSENT = Instrument("consent.pdf", b"the documents need not be kept any longer\n")
AFTER = datetime(2027, 1, 2, 12, tzinfo=UTC)


def admitted(place, signer):
    words = {"clock": place.clock, "random": place.random, "environ": {}, "listener": silent}
    return admit(place.policy, keys.to_pem(signer.public), **words)


@pytest.fixture
def approvers(filled, tmp_path):
    """Two people with keys of their own, admitted to the trust file after the archive was begun."""
    filled.take()
    signers = [create_p256(tmp_path / f"approver-{name}.pem", None) for name in ("a", "b")]
    for signer in signers:
        admitted(filled, signer)
    return signers


def request_of(place, matter="CASE-1") -> bytes:
    return encode_request(make_request(place.policy, matter, CONSENT, clock=place.clock, listener=silent))


def approval(place, request, signer) -> bytes:
    place.later(seconds=1)
    return approve(request, signer, by=whoami(None), clock=place.clock, random=place.random)[1]


def let_go(place, request, approvals, matter="CASE-1", confirm=lambda _plan: None):
    place.later(minutes=1)
    return release(
        place.policy,
        matter,
        CONSENT,
        request,
        approvals,
        clock=place.clock,
        random=place.random,
        environ={},
        listener=place.listener,
        confirm=confirm,
    )


def store_of(place):
    return FolderStore(place.archive, location=str(place.archive), clock=place.clock)


def locks(place) -> dict:
    store = store_of(place)
    return {version.key: store.stat(version.key).lock for version in store.list()}


def report_of(place):
    return verify(store_of(place), place.trust.read_bytes(), clock=place.clock)


def bad(place) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in report_of(place).findings if one.severity != "note"]


def test_two_approvals_take_the_legal_holds_off_and_leave_dates_and_objects(filled, approvers):
    before = locks(filled)
    request = request_of(filled)
    done = let_go(filled, request, [approval(filled, request, one) for one in approvers])
    after = locks(filled)
    assert before.keys() < after.keys()
    assert {key: after[key].legal_hold for key in before} == dict.fromkeys(before, False)
    assert {key: after[key].retain_until for key in before} == {key: lock.retain_until for key, lock in before.items()}
    assert (done.released, done.failures, int(done.exit)) == (len(before), (), 0)
    assert bad(filled) == []


def test_what_was_written_with_and_after_the_release_keeps_its_legal_hold(filled, approvers):
    before = locks(filled)
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    assert {lock.legal_hold for key, lock in locks(filled).items() if key not in before} == {True}


@pytest.mark.parametrize("which", ["one", "one twice", "none", "operator", "other request", "garbage"])
def test_fewer_than_two_approvers_of_this_request_let_go_of_nothing(filled, approvers, which):
    request = request_of(filled)
    filled.later(seconds=5)
    other = request_of(filled)
    operator = open_p256(filled.policy.keys.files[0], None)
    first = approval(filled, request, approvers[0])
    approvals = {
        "one": [first],
        "one twice": [first, approval(filled, request, approvers[0])],
        "none": [],
        "operator": [first, approval(filled, request, operator)],
        "other request": [first, approval(filled, other, approvers[1])],
        "garbage": [first, b"{}"],
    }[which]
    before = locks(filled)
    with pytest.raises(UsageError) as refusal:
        let_go(filled, request, approvals)
    assert (refusal.value.code, locks(filled)) == ("approval-refused", before)


def test_an_approver_who_was_not_admitted_approves_nothing(filled, approvers, tmp_path):
    request = request_of(filled)
    stranger = create_p256(tmp_path / "stranger.pem", None)
    with pytest.raises(UsageError, match="expected the key of an approver"):
        let_go(filled, request, [approval(filled, request, one) for one in (approvers[0], stranger)])


def test_an_approver_key_signs_nothing_but_approvals(filled, approvers):
    from archiver.errors import EvidenceError
    from archiver.flows.session import statement_opener

    (path,) = (filled.archive / "statements" / "snapshot").glob("*.json")
    payload = dsse.open_envelope(path.read_bytes()).payload
    with pytest.raises(EvidenceError, match="has not the role statement"):
        statement_opener(own_trust(filled.policy))(dsse.seal(payload, approvers[0]))


def test_the_auditor_needs_the_approvers_in_the_trust_file(filled, approvers):
    own = json.loads(filled.trust.read_bytes())
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    own["statement_keys"] = [key for key in own["statement_keys"] if key["roles"] == ["statement"]]
    filled.trust.write_text(json.dumps(own))
    codes = {code for code, _ in bad(filled)}
    assert {"statement-key-unknown", "release-invalid", "lock-hold"} <= codes


def test_the_list_beforehand_names_what_the_release_then_lets_go(filled, approvers, tmp_path):
    file = tmp_path / "list.jsonl"
    would_release(filled.policy, "CASE-1", clock=filled.clock, listener=silent, to=file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    before = locks(filled)
    assert {line["key"]: line["retain_until"] for line in lines} == dict.fromkeys(before, "2027-01-01T12:00:00Z")
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    assert {key for key, lock in locks(filled).items() if lock.legal_hold is False} == {line["key"] for line in lines}


def test_a_person_may_decline_at_the_end(filled, approvers):
    request = request_of(filled)
    before = locks(filled)

    def decline(_plan):
        raise UsageError("not-confirmed", "no")

    with pytest.raises(UsageError, match="no"):
        let_go(filled, request, [approval(filled, request, one) for one in approvers], confirm=decline)
    assert locks(filled) == before


def test_a_request_for_another_matter_instrument_or_archive_is_refused(filled, approvers):
    request = request_of(filled)
    approvals = [approval(filled, request, one) for one in approvers]
    words = json.loads(request)
    for member in ("matter", "instrument", "archive_id", "log_root"):
        changed = dict(words)
        changed[member] = "CASE-2" if member == "matter" else "0" * len(words[member])
        with pytest.raises(UsageError):
            let_go(filled, json.dumps(changed, separators=(",", ":"), sort_keys=True).encode(), approvals)


@pytest.mark.parametrize("after", range(0, 60, 3))
def test_a_release_that_is_killed_anywhere_is_finished_by_the_same_command(filled, approvers, after, monkeypatch):
    before = locks(filled)
    request = request_of(filled)
    approvals = [approval(filled, request, one) for one in approvers]
    count = 0

    def counted(name):
        honest = getattr(FolderStore, name)

        def verb(self, *arguments, **options):
            nonlocal count
            count += 1
            if count == after:
                raise KeyboardInterrupt
            return honest(self, *arguments, **options)

        return verb

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        for name in ("put", "release"):
            patch.setattr(FolderStore, name, counted(name))
        let_go(filled, request, approvals)
    let_go(filled, request, approvals)
    assert {lock.legal_hold for key, lock in locks(filled).items() if key in before} == {False}
    assert len(list((filled.archive / "statements" / "release").iterdir())) == 1
    assert bad(filled) == []


def test_a_policy_that_still_names_the_matter_is_refused_before_it_locks_everything_again(filled, approvers):
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    with pytest.raises(UsageError) as refusal:
        filled.take()
    assert refusal.value.code == "matter-released"


def test_what_was_released_and_whose_date_has_passed_may_be_disposed_of(filled, approvers):
    """A batch, and the table that was derived from it: its rows tell what was in that."""
    filled.take()
    given = {"clock": filled.clock, "random": filled.random, "environ": {}, "listener": silent}
    derive(filled.policy, Wanted(), dry_run=False, **given)
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    gone = [*filled.archive.glob("data/model_logs/*/*.parquet"), *filled.archive.glob("derived/*/*/*.parquet")]
    for path in gone:
        path.unlink()
    keys = {path.relative_to(filled.archive).as_posix() for path in gone}
    assert {("object-missing", key) for key in keys} <= set(bad(filled)), "their date has not passed yet"
    filled.now = AFTER
    report = report_of(filled)
    assert {("object-disposed", key) for key in keys} <= {(one.code, one.subject) for one in report.findings}
    assert [one for one in report.findings if one.severity != "note"] == []
    assert (report.verdict, int(report.exit)) == ("partial", 0)
    again = derive(filled.policy, Wanted(again=True), dry_run=True, **given)
    assert (again.derived, again.disposed) == ((), 1)


def test_restore_says_what_was_disposed_of_and_gives_back_the_rest(filled, approvers, tmp_path):
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    (batch,) = (filled.archive / "data" / "documents").rglob("*.parquet")
    batch.unlink()
    key = batch.relative_to(filled.archive).as_posix()
    before = restored(filled, tmp_path / "before")  # its date has not passed yet
    assert (set(before.counts) >= {"object-missing"}, int(before.exit)) == (True, 1)
    filled.now = AFTER
    after = restored(filled, tmp_path / "after")
    assert (after.counts["object-disposed"], int(after.exit)) == (before.counts["object-missing"], 3)
    assert {one.detail.split(":")[0] for one in after.not_restored if one.reason == "object-disposed"} == {key}
    assert (tmp_path / "after" / "logs" / "chat.jsonl").read_bytes() == (filled.logs / "chat.jsonl").read_bytes()


def restored(place, to):
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        return restore(reading, to=to, listener=silent)


def test_lists_of_items_may_be_disposed_of_with_what_they_list(filled, approvers):
    request = request_of(filled)
    let_go(filled, request, [approval(filled, request, one) for one in approvers])
    for batch in (filled.archive / "data").rglob("*.parquet"):
        batch.unlink()
    filled.now = AFTER
    report = report_of(filled)
    assert {one.code for one in report.findings if one.severity == "failed"} == set()
    assert (report.verdict, int(report.exit)) == ("partial", 3)  # no record is left to check
    with pytest.raises(EvidenceError, match="its list of items: released by two approvers") as refusal:
        restored(filled, filled.root / "restored")
    assert (refusal.value.code, int(refusal.value.exit_status)) == ("object-disposed", 3)


def test_a_batch_that_was_not_released_is_missing_whatever_its_date(filled, approvers):
    (batch,) = (filled.archive / "data" / "documents").rglob("*.parquet")
    batch.unlink()
    filled.now = AFTER
    assert ("object-missing", batch.relative_to(filled.archive).as_posix()) in bad(filled)


# Two matters


def second_matter(text: str) -> str:
    """Give the logs to another matter, with a date of its own."""
    matter = re.search(r"  - id: CASE-1\n(?:    .*\n|      .*\n)+", text)[0]
    other = matter.replace("CASE-1", "CASE-2").replace("2027-01-01T12:00:00Z", "2026-12-15T12:00:00Z")
    text = text.replace(matter, matter + other)
    head, tail = text.split("  - id: logs", 1)
    return f"{head}  - id: logs{tail.replace('matters: [CASE-1]', 'matters: [CASE-2]', 1)}"


@pytest.fixture
def shared(filled, tmp_path):
    """An archive of two matters; two approvers."""
    filled.write_policy(second_matter)
    filled.take()
    signers = [create_p256(tmp_path / f"approver-{name}.pem", None) for name in ("a", "b")]
    for signer in signers:
        admitted(filled, signer)
    return filled, signers


def tables_of(keys_) -> set[str]:
    return {key.split("/")[1] if key.startswith("data/") else "not data" for key in keys_}


def test_only_what_no_other_matter_holds_is_let_go(shared):
    place, signers = shared
    request = request_of(place, "CASE-2")
    let_go(place, request, [approval(place, request, one) for one in signers], "CASE-2")
    off = {key for key, lock in locks(place).items() if lock.legal_hold is False}
    assert tables_of(off) == {"model_logs"}
    assert bad(place) == []


def test_when_the_last_matter_lets_go_everything_is_free(shared):
    place, signers = shared
    before = locks(place)
    for matter in ("CASE-2", "CASE-1"):
        request = request_of(place, matter)
        let_go(place, request, [approval(place, request, one) for one in signers], matter)
    after = locks(place)
    assert {after[key].legal_hold for key in before} == {False}
    assert bad(place) == []


def test_an_extension_leaves_the_batches_of_other_matters_as_they_are(shared):
    from archiver.flows.hold.extend import extend

    place, _ = shared
    place.later(minutes=1)
    until = datetime(2027, 7, 1, 12, tzinfo=UTC)
    done = extend(
        place.policy,
        "CASE-1",
        until,
        CONSENT,
        clock=place.clock,
        random=place.random,
        environ={},
        listener=silent,
        confirm=lambda _plan: None,
    )
    dates = {key: lock.retain_until for key, lock in locks(place).items()}
    assert tables_of(key for key, date in dates.items() if date != until) == {"model_logs"}
    assert (done.plan.scope, done.plan.left) == ("batches", 1)
    assert bad(place) == []


def test_an_auditor_demands_what_the_report_of_a_limited_hold_names(shared, monkeypatch):
    from archiver.flows.hold import extend

    place, _ = shared
    place.later(minutes=1)

    class Killed:
        def __init__(self, *_arguments):
            raise KeyboardInterrupt

    monkeypatch.setattr(extend, "holds", Killed)
    with pytest.raises(KeyboardInterrupt):
        extend.extend(
            place.policy,
            "CASE-1",
            datetime(2027, 7, 1, 12, tzinfo=UTC),
            CONSENT,
            clock=place.clock,
            random=place.random,
            environ={},
            listener=silent,
            confirm=lambda _plan: None,
        )
    below = {subject for code, subject in bad(place) if code == "lock-date"}
    assert "documents" in tables_of(below)
    assert "model_logs" not in tables_of(below)


# The verb apart


def files_with(pattern: str) -> set[str]:
    root = Path(__file__).resolve().parents[2] / "archiver"
    found = (path for path in root.rglob("*.py") if re.search(pattern, path.read_text(encoding="utf-8")))
    return {path.relative_to(root).as_posix() for path in found}


def test_nothing_but_the_flow_of_releases_takes_a_legal_hold_off():
    assert files_with(r"\.release\(|import .*\bReleases\b") == {"flows/hold/release.py"}


def test_nothing_but_that_verb_and_the_probe_of_a_sentinel_sends_such_a_request():
    assert files_with(r'LegalHold=\{"Status": "OFF"') == {"stores/probe_attacks.py", "stores/s3.py"}
    assert files_with(r"\breleasing\(") == {"stores/folder.py", "stores/lockbook.py"}
