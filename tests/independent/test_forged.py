"""What a thief of the keys writes is found where it contradicts itself; what FORMAT.md allows is not called forged."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from other_verifiers import others_say


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keyid(key) -> str:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256(key.public_key().public_bytes(*form))


def pem(key) -> str:
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form).decode()


@pytest.fixture
def approvers():
    return [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]


def outcome(forger) -> tuple[set[str], int]:
    forger.publish()
    verdict = forger.copy.verify_here()
    return verdict.codes, verdict.status


def test_an_honest_hand_with_the_keys_is_believed(forger):
    assert outcome(forger) == (set(), 0)


def test_other_keys_are_believed_nothing(forger, stranger_keys):
    forger.log_key = stranger_keys["log_key"]
    codes, status = outcome(forger)
    assert ({"log-signature", "log-missing"} <= codes, status) == (True, 1)


def test_another_statement_key_is_unknown(forger, stranger_keys):
    forger.statement_key = stranger_keys["statement_key"]
    codes, status = outcome(forger)
    assert ("statement-key-unknown" in codes, status) == (True, 1)


def test_a_trusted_key_id_over_another_signature_is_found(small):
    key = small.key("statements/snapshot/*")
    envelope = json.loads(small.read(key))
    other = json.loads(small.read(small.key("statements/policy/*")))
    envelope["signatures"] = other["signatures"]
    data = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    small.write(key, data)
    verdict = small.verify_here()
    assert ("statement-differs" in verdict.codes, verdict.names(key), verdict.status) == (True, True, 1)


def test_the_second_signature_of_a_pair_is_none(forger):
    forger.high_s = True
    codes, status = outcome(forger)
    assert ("statement-signature" in codes, status) == (True, 1)


def test_a_payload_in_another_spelling_is_malformed(forger):
    forger.spell = lambda payload: json.dumps(payload).encode()
    codes, status = outcome(forger)
    assert ("statement-malformed" in codes, status) == (True, 1)


def snapshot(payload):
    return payload["predicate"]["sources"][0]


MEMBERS = {
    "a member too many": ("/snapshot/", "statement-malformed", lambda p: p["predicate"].update(more=1)),
    "a member too few": ("/policy/", "statement-malformed", lambda p: p["predicate"].pop("changes")),
    "a number as text": ("/batch/", "statement-malformed", lambda p: p["predicate"].update(records="1")),
    "true as a number": ("/batch/", "statement-malformed", lambda p: p["predicate"].update(number=False)),
    "a date that is none": (
        "/archive/", "statement-malformed", lambda p: p["predicate"].update(at="2026-02-30T00:00:00Z"),
    ),
    "another kind": ("/archive/", "statement-malformed", lambda p: p.update(predicateType="urn:archiver:policy:v1")),
    "another id": ("/snapshot/", "statement-malformed", lambda p: p["predicate"].update(id="20260101T000000Z-000000")),
    "another subject": ("/batch/", "statement-malformed", lambda p: p["subject"][0].update(name="data/x.parquet")),
    "no subject": ("/snapshot/", "statement-malformed", lambda p: p["subject"].clear()),
    "another archive": ("/policy/", "statement-archive", lambda p: p["predicate"].update(archive_id="0" * 32)),
    "another log": ("/archive/", "statement-archive", lambda p: p["predicate"].update(origin="a/b/c")),
    "a policy out of turn": ("/policy/", "statement-number", lambda p: p["predicate"].update(revision=2)),
    "a policy behind none": ("/policy/", "statement-number", lambda p: p["predicate"].update(previous="0" * 64)),
    "a policy that is not there": (
        "/batch/", "statement-number", lambda p: p["predicate"].update(policy_sha256="0" * 64),
    ),
    "a snapshot before it that is not": (
        "/snapshot/", "statement-number", lambda p: p["predicate"].update(previous="20200101T000000Z-000000"),
    ),
    "a log longer than it was": (
        "/snapshot/", "statement-number", lambda p: p["predicate"].update(log_size_at_start=9999),
    ),
    "fewer bytes": ("/batch/", "statement-number", lambda p: p["predicate"].update(raw_bytes=1)),
    "more items": ("/batch/", "statement-number", lambda p: p["predicate"].update(items=77)),
    "more records": ("/batch/", "record-order", lambda p: p["predicate"].update(records=77)),
    "another root": ("/batch/", "record-root", lambda p: p["predicate"].update(merkle_root="0" * 64)),
    "another table version": ("/batch/", "record-schema", lambda p: p["predicate"].update(table_version=7)),
    "another size": ("/batch/", "object-size", lambda p: p["predicate"]["receipts"][0].update(size=1)),
    "another digest": ("/batch/", "object-sha256", lambda p: p["subject"][0]["digest"].update(sha256="0" * 64)),
    "more seen": ("/snapshot/", "snapshot-counts", lambda p: snapshot(p)["counts"].update(seen=99)),
    "fewer excluded": ("/snapshot/", "snapshot-counts", lambda p: snapshot(p).update(excluded=[])),
    "fewer bytes of a source": ("/snapshot/", "snapshot-counts", lambda p: snapshot(p).update(bytes=1)),
    "fewer new bytes": ("/snapshot/", "snapshot-counts", lambda p: snapshot(p).update(new_bytes=1)),
    "a source left out": ("/snapshot/", "snapshot-counts", lambda p: p["predicate"]["sources"].pop()),
    "a batch more": ("/snapshot/", "snapshot-counts", lambda p: p["predicate"]["batches"].update(items=9)),
}  # fmt: skip


@pytest.mark.parametrize(("word", "code", "change"), MEMBERS.values(), ids=MEMBERS)
def test_a_statement_that_says_otherwise_is_found(forger, word, code, change):
    change(forger.find(word))
    key = next(key for key, _ in forger.statements if word in key)
    forger.publish()
    verdict = forger.copy.verify_here()
    named = verdict.names(key) or verdict.names(key.split("/")[-1].removesuffix(".json"))
    assert (code in verdict.codes, named, verdict.status) == (True, True, 1)


def test_a_statement_twice_is_found(forger):
    forger.statements.append(forger.statements[-1])
    assert outcome(forger) == ({"statement-duplicate"}, 1)


def test_a_log_that_does_not_begin_with_the_archive_is_found(forger):
    forger.statements[:2] = reversed(forger.statements[:2])
    codes, status = outcome(forger)
    assert ("statement-number" in codes, status) == (True, 1)


def test_a_batch_taken_out_of_a_snapshot_leaves_a_gap(forger):
    forger.drop("documents-00000000")
    codes, status = outcome(forger)
    assert ({"batch-gap", "item-parts", "snapshot-counts"} <= codes, status) == (True, 1)


def test_the_last_batch_taken_out_of_a_snapshot_is_missed(forger):
    newest = max(key for key, _ in forger.statements if "-items-" in key)
    forger.drop(newest)
    codes, status = outcome(forger)
    assert ("snapshot-counts" in codes, status) == (True, 1)


def test_a_batch_of_items_before_the_batches_that_it_names_is_found(forger):
    word = next(key for key, _ in forger.statements if "-items-" in key)
    one = next(one for one in forger.statements if one[0] == word)
    forger.statements.remove(one)
    forger.statements.insert(2, one)
    codes, status = outcome(forger)
    assert ("item-parts" in codes, status) == (True, 1)


def test_a_snapshot_taken_out_is_missed_by_its_batches(forger):
    forger.drop("/snapshot/")
    codes, status = outcome(forger)
    assert ({"snapshot-unfinished", "statement-number"} <= codes, status) == (True, 1)


def test_a_kind_from_later_editions_is_no_failure(forger):
    forger.publish()
    forger.add("endorsement", {"share": 0.25}, {"reports/" + sha256(b"who") + "/who.txt": b"who"})
    forger.lock()
    verdict = forger.copy.verify_here()
    assert (verdict.codes, verdict.status) == ({"statement-kind-unknown"}, 3)


@pytest.mark.parametrize(
    ("kind", "change", "codes"),
    [
        ("access", {}, set()),
        ("verification", {"verdict": "partial"}, set()),
        ("verification", {}, {"statement-malformed"}),  # nobody begins to verify
        ("access", {"verdict": "denied"}, {"statement-malformed"}),
        ("access", {"what": ""}, {"statement-malformed"}),
        ("access", {"counts": {"items": -1}}, {"statement-malformed"}),
        ("access", {"by_whom": "x"}, {"statement-malformed"}),
    ],
)
def test_what_people_did_is_stated_in_its_words_or_not_at_all(forger, kind, change, codes):
    report = b'{"what":"restore"}'
    forger.publish()
    said = {"counts": {"items": 1}, "verdict": "begun", "what": "restore", "why": None} | change
    forger.add(kind, said, {f"reports/{sha256(report)}/access.json": report})
    forger.lock()
    verdict = forger.copy.verify_here()
    assert (verdict.codes - {"stranger-key"}, verdict.status) == (codes, 1 if codes else 0)


def test_an_incident_makes_a_stranger_a_note(forger):
    key = "data/documents/extra.parquet"
    forger.publish()
    objects = [{"key": key, "sha256": sha256(b"extra"), "version": None}]
    forger.add("incident", {"decision": "not evidence", "objects": objects, "what": "found"}, {key: b"extra"})
    forger.lock()
    verdict = forger.copy.verify_here()
    assert (verdict.codes, verdict.status) == (set(), 0)
    forger.copy.write(key, b"other")
    verdict = forger.copy.verify_here()
    assert (verdict.codes, verdict.names(key), verdict.status) == ({"stranger-key"}, True, 3)


def extend(forger, scope: str, report: bytes) -> None:
    counts = {"below": 0, "bytes": 0, "earliest": None, "latest": None, "objects": 0}
    members = {
        "counts": counts, "from": "2027-01-01T12:00:00Z", "instrument": sha256(b"order"), "legal_hold": True,
        "matter": "CASE-1", "mode": "COMPLIANCE", "scope": scope, "to": "2100-01-01T00:00:00Z",
    }  # fmt: skip
    objects = {f"reports/{sha256(report)}/before.jsonl": report, f"instruments/{sha256(b'order')}/order.pdf": b"order"}
    forger.publish()
    forger.add("hold", members, objects)


def test_a_hold_that_was_extended_wants_longer_locks(forger):
    extend(forger, "all", b"")
    forger.lock()
    verdict = forger.copy.verify_here()
    assert (verdict.codes, verdict.status) == ({"lock-date"}, 4)
    assert verdict.names("data/documents/", "log/entries/", "policies/")
    forger.lock(retain_until="2100-01-01T00:00:00Z")
    assert forger.copy.verify_here().status == 0


def test_a_hold_of_some_batches_wants_longer_locks_of_these_alone(forger):
    key, other = forger.copy.key("data/documents/*/*"), forger.copy.key("data/model_logs/*/*")
    extend(forger, "batches", canonical_line({"key": key}))
    forger.lock()
    verdict = forger.copy.verify_here()
    assert (verdict.codes, verdict.names(key), verdict.names(other)) == ({"lock-date"}, True, False)


def canonical_line(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def release(forger):
    """Let the matter go, with approvals by some keys, after a change to the request."""

    def let_go(keys: list[object], **changes: object) -> None:
        forger.publish()
        size, root, predicate = len(forger.leaves), forger.root(), forger.statements[0][1]["predicate"]
        request = {
            "archive": predicate["archive"], "archive_id": predicate["archive_id"], "at": "2026-11-23T20:00:00Z",
            "batches": 1, "bytes": 1, "format": "urn:archiver:release-request:v1", "instrument": sha256(b"consent"),
            "log_root": root, "log_size": size, "matter": "CASE-1", "objects": 1, "origin": predicate["origin"],
        } | changes  # fmt: skip
        data = canonical_line(request).strip()
        objects = {f"reports/{sha256(data)}/release-request.json": data}
        approvals = []
        for key in keys:
            said = {"keyid": keyid(key), "kind": "release", "sha256": sha256(data)}
            approvals.append({"id": forger.add("approval", said, objects, key)["id"], "keyid": said["keyid"]})
        members = {
            "approvals": approvals, "counts": {"bytes": 1, "objects": 1}, "instrument": sha256(b"consent"),
            "log_size": size, "matter": "CASE-1", "request": sha256(data),
        }  # fmt: skip
        forger.add("release", members, objects | {f"instruments/{sha256(b'consent')}/consent.pdf": b"consent"})
        forger.lock()
        key = forger.copy.key("data/documents/*/*").encode()
        off = b'{"key":"%s","released":true}\n' % key
        forger.copy.write(".locks.jsonl", forger.copy.read(".locks.jsonl") + off)

    return let_go


def trust_approvers(forger, keys: list[object]) -> None:
    entry = json.loads(forger.copy.trust.read_text())["statement_keys"][0] | {"roles": ["approver"]}
    forger.copy.edit_trust(
        lambda trust: trust["statement_keys"].extend(entry | {"keyid": keyid(key), "pem": pem(key)} for key in keys)
    )


def test_two_approvers_let_a_legal_hold_go(forger, release, approvers):
    trust_approvers(forger, approvers)
    release(approvers)
    assert (forger.copy.verify_here().codes, forger.copy.verify_here().status) == (set(), 0)


def test_a_batch_of_no_matter_is_never_let_go(forger, release, approvers):
    forger.find("-documents-")["predicate"]["matters"] = []
    trust_approvers(forger, approvers)
    release(approvers)
    assert others_say(forger.copy.archive, forger.copy.trust) == [({"lock-hold"}, 4)] * 2


@pytest.mark.parametrize(
    ("signed_by", "changes"),
    [
        ([0], {}),
        ([0, 0], {}),
        ([0, 1], {"log_root": "0" * 64}),
        ([0, 1], {"matter": "CASE-2"}),
        ([0, 1], {"log_size": 1}),
        ([0, 1], {"origin": "another/log"}),
        ([0, 1], {"format": "urn:archiver:release-request:v2"}),
    ],
    ids=["one approver", "one approver twice", "root", "matter", "size", "log", "format"],
)
def test_a_release_that_is_not_borne_out_has_no_effect(forger, release, approvers, signed_by, changes):
    trust_approvers(forger, approvers)
    release([approvers[number] for number in signed_by], **changes)
    verdict = forger.copy.verify_here()
    assert (verdict.codes, verdict.status) == ({"release-invalid", "lock-hold"}, 1)


def test_approvers_whom_the_auditor_does_not_know_approve_nothing(forger, release, approvers):
    release(approvers)
    verdict = forger.copy.verify_here()
    assert ({"release-invalid", "lock-hold", "statement-key-unknown"} <= verdict.codes, verdict.status) == (True, 1)


def column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def edited(name: str, edit):
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        edit(values)
        return column(table, name, values)

    return change


def swap(values):
    values[0], values[1] = values[1], values[0]


def withhold(table: pa.Table) -> pa.Table:
    raw, kept = table["raw"].to_pylist(), table["withheld"].to_pylist()
    kept[0] = {"length": len(raw[0]), "sha256": hashlib.sha256(raw[0]).digest()}
    raw[0] = None
    return column(column(table, "raw", raw), "withheld", kept)


def line_edited(change):
    def edit(values):
        line = json.loads(values[0])
        change(line)
        text = json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
        values[0] = text.encode()

    return edited("raw", edit)


def first(values, value):
    values[0] = value


ROWS = {
    "a byte": ("model_logs", "item-sha256", edited("raw", lambda v: first(v, v[0].replace(b"r0", b"r1")))),
    "an offset": ("model_logs", "item-parts", edited("offset", lambda v: first(v, 1))),
    "an item": ("model_logs", "item-parts", edited("item", lambda v: first(v, v[0].replace("logs", "papers")))),
    "two numbers": ("model_logs", "record-order", edited("record", swap)),
    "no bytes": ("model_logs", "record-order", edited("raw", lambda v: first(v, None))),
    "a column more": ("model_logs", "record-schema", lambda t: t.append_column("more", pa.array(range(t.num_rows)))),
    "a column less": ("model_logs", "record-schema", lambda t: t.drop_columns(["error_type"])),
    "another type": (
        "model_logs", "record-schema", lambda t: t.set_column(2, "offset", pc.cast(t["offset"], pa.int64())),
    ),
    "columns in another order": (
        "items", "record-schema", lambda t: t.select([*t.column_names[1:], t.column_names[0]]),
    ),
    "item text that is not canonical": (
        "model_logs", "item-malformed", edited("item", lambda v: first(v, v[0] + " ")),
    ),
    "a path with dots": (
        "model_logs", "item-malformed", edited("item", lambda v: first(v, '{"path":"../x","source":"logs"}')),
    ),
    "a name in another spelling": (
        "model_logs", "item-malformed", edited("item", lambda v: first(v, '{"path":"%41","source":"logs"}')),
    ),
    "a line that is no line": ("items", "item-malformed", edited("raw", lambda v: first(v, v[0][:-1] + b" "))),
    "a status": ("items", "item-malformed", line_edited(lambda line: line.update(status="fine"))),
    "a line with a member more": ("items", "item-malformed", line_edited(lambda line: line.update(more=None))),
}  # fmt: skip


@pytest.mark.parametrize(("table", "code", "change"), ROWS.values(), ids=ROWS)
def test_rows_that_were_rewritten_are_found(forger, table, code, change):
    forger.rewrite(f"{table}-00000000", change)
    codes, status = outcome(forger)
    assert (code in codes, status) == (True, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: keys | {"more": "1"},
        lambda keys: {key: value for key, value in keys.items() if key != "archiver.salt"},
        lambda keys: keys | {"archiver.archive_id": "0" * 32},
        lambda keys: keys | {"archiver.batch": "20260101T000000Z-000000-model_logs-00000000"},
    ],
    ids=["a key more", "no salt", "another archive", "another batch"],
)
def test_metadata_that_says_otherwise_is_found(forger, change):
    forger.rewrite("model_logs-00000000", lambda table: table, change)
    codes, status = outcome(forger)
    assert ("record-schema" in codes, status) == (True, 1)


def test_bytes_that_were_withheld_keep_their_proof_and_are_unknown(forger):
    forger.rewrite("model_logs-00000000", withhold)
    assert outcome(forger) == ({"item-sha256"}, 3)


def test_a_file_that_another_library_wrote_is_as_good(forger):
    forger.rewrite("documents-00000000", lambda table: table)
    assert outcome(forger) == (set(), 0)
