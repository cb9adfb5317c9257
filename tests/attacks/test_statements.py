"""Attacks that the checks of statements find."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from attack import (
    SNAPSHOT,
    STATEMENT,
    Attacks,
    Refusing,
    demand_found,
    judge,
    of,
    open_payload,
    published,
    renamed,
    with_key,
)
from world import EMPTY, SECOND, World, signers

from archiver.model import layout
from archiver.proof import canonical, dsse

attacks = Attacks()


# statements


@attacks("statement-missing")
def statement_removed(world):
    """a statement is gone"""
    world.remove(STATEMENT)


@attacks("statement-differs")
def statement_signed_again(world):
    """a statement says something else, with a good signature"""
    words = json.loads(open_payload(world, STATEMENT))
    words["predicate"]["at"] = "2026-11-01T00:00:00Z"
    world.change(STATEMENT, dsse.seal(canonical.encode(words), world.signer))


@attacks("statement-malformed")
def statement_with_a_member_more(world):
    """a signed and entered statement has a member that is not published"""
    words = json.loads(open_payload(world, SNAPSHOT))
    words["predicate"].update(id="20261123T090000Z-cccccc", previous=SECOND, more=1)
    world.enter_payload(canonical.encode(words), "snapshot", "20261123T090000Z-cccccc")


@attacks("statement-malformed")
def statement_of_another_id(world):
    """an entry names a key, and the statement under it is another one"""
    world.enter_payload(open_payload(world, SNAPSHOT), "snapshot", "20261123T090000Z-cccccc")


def altered(world, key, kind, change):
    """Enter one more statement, like the one under a key but for one change of its predicate."""
    words = json.loads(open_payload(world, key))
    identity = "20261123T090000Z-cccccc"
    words["predicate"]["id"] = identity
    change(words)
    world.enter_payload(canonical.encode(words), kind, identity)


@attacks("statement-malformed")
def table_without_batches_counted(world):
    """a snapshot counts no batches of a table, which is then left out"""
    altered(world, SNAPSHOT, "snapshot", lambda words: words["predicate"].update(previous=SECOND, batches={"items": 0}))


@attacks("statement-malformed")
def matters_of_one_name(world):
    """two matters of a policy differ in case alone"""
    first = next(key for key in world.store.versions if key.startswith("statements/policy/"))

    def change(words):
        matters = words["predicate"]["matters"]
        words["predicate"].update(revision=2, previous=world.policy_sha256)
        matters.append({**matters[0], "id": matters[0]["id"].lower()})

    altered(world, first, "policy", change)


@attacks("statement-malformed")
def order_that_is_no_subject(world):
    """a policy names an order that it is not about"""
    first = next(key for key in world.store.versions if key.startswith("statements/policy/"))

    def change(words):
        words["predicate"].update(revision=2, previous=world.policy_sha256)
        words["predicate"]["matters"][0]["instrument"] = "00" * 32

    altered(world, first, "policy", change)


def receipt(world, **edit):
    """Enter a receipt statement about the documents, its receipt edited."""

    def change(words):
        predicate = words["predicate"]
        kept = {name: predicate[name] for name in ("archive", "archive_id", "id", "at", "by")}
        words["predicate"] = {**kept, "receipts": [{**predicate["receipts"][0], **edit}]}
        words["predicateType"] = "urn:archiver:receipt:v1"

    altered(world, STATEMENT, "receipt", change)


@attacks("statement-malformed")
def receipt_for_a_key_that_it_is_not_about(world):
    """a receipt is for a key that is not there and no subject"""
    receipt(world, key="data/documents/another")


@attacks("statement-malformed")
def receipt_of_a_store_of_no_kind(world):
    """a receipt is of a store of no published kind"""
    receipt(world, store="tape")


@attacks("object-size")
def receipt_of_another_size(world):
    """a receipt states another size than the object has"""
    receipt(world, size=1)


@attacks("statement-malformed")
def later_kind_without_the_common_members(world):
    """a statement of a later kind does not say who made it"""
    words = json.loads(renamed(world, "20261123T090000Z-cccccc"))
    words["predicateType"] = "urn:archiver:weather:v1"
    del words["predicate"]["by"]
    world.enter_payload(canonical.encode(words), "weather", "20261123T090000Z-cccccc")


@attacks("statement-archive")
def later_kind_of_another_archive(world):
    """a statement of a later kind is of another archive"""
    words = json.loads(renamed(world, "20261123T090000Z-cccccc"))
    words["predicateType"] = "urn:archiver:snapshot:v2"
    words["predicate"]["archive"] = "other"
    world.enter_payload(canonical.encode(words), "snapshot", "20261123T090000Z-cccccc")


@attacks("statement-signature")
def statement_signed_by_a_stranger_under_our_name(world):
    """a statement entered in the log names our key and was signed by another"""
    stranger, _ = signers(2)
    payload = renamed(world, "20261123T090000Z-cccccc")
    envelope = dsse.open_envelope(dsse.seal(payload, stranger))
    forged = replace(envelope, keyid=world.signer.keyid).encode()
    world.enter(layout.statement_key("snapshot", "20261123T090000Z-cccccc"), forged)


@attacks("statement-key-unknown")
def statement_by_a_key_that_nobody_named(world):
    """a statement entered in the log is signed by a key that nobody named"""
    stranger, _ = signers(2)
    world.enter_payload(renamed(world, "20261123T090000Z-cccccc"), "snapshot", "20261123T090000Z-cccccc", stranger)


@attacks("statement-key-unknown")
def statement_by_an_approver(world):
    """the key is in the trust file, for something else"""
    words = json.loads(world.trust().encode())
    words["statement_keys"][0]["roles"] = ["approver"]
    return {"trusted": json.dumps(words).encode()}


@attacks("statement-key-unknown", 3)
def statement_by_a_chained_key(world):
    """the key is named by an earlier good statement only"""
    stranger, _ = signers(2)
    world = World(archive=lambda words: {**words, "keys": [*words["keys"], published(stranger)]})
    world.enter_payload(renamed(world, "20261123T090000Z-cccccc"), "snapshot", "20261123T090000Z-cccccc", stranger)
    return {"world": world}


@attacks("statement-key-expired")
def key_ended_before(world):
    """statements claim to be made after their key's end"""
    return {"trusted": with_key(world, valid_until="2026-11-22T00:00:00Z")}


@attacks("statement-key-expired", 3)
def key_ended_after(world):
    """a key ended, and nothing proves that the statements are older than its end"""
    return {"trusted": with_key(world, revoked={"since": "2026-12-01T00:00:00Z", "reason": "lost"})}


@attacks("statement-archive", snapshot=of("snapshot", archive="other-archive"))
def statement_of_another_archive(world):
    """a statement of another archive"""


@attacks("statement-archive", archive=of("archive", origin="test-archive/other/vault"))
def archive_statement_of_another_log(world):
    """the archive statement names another log"""


@attacks("statement-archive")
def statement_of_another_archive_id(world):
    """a statement with another archive id"""
    words = json.loads(renamed(world, "20261123T090000Z-cccccc"))
    words["predicate"]["archive_id"] = "ff" * 16
    world.enter_payload(canonical.encode(words), "snapshot", "20261123T090000Z-cccccc")


@attacks("statement-duplicate")
def statement_entered_twice(world):
    """the same statement stands in the log twice"""
    world.enter(SNAPSHOT, world.store.versions[SNAPSHOT][0].data)


@attacks("statement-number", policy=of("policy", revision=2))
def policy_revision_left_out(world):
    """the first policy is revision 2"""


@attacks("statement-number", policy=of("policy", previous="00" * 32))
def policy_that_follows_nothing(world):
    """the first policy goes on from one that is not there"""


@attacks("statement-number", batch=of("batch", policy_sha256="00" * 32))
def batch_under_an_unknown_policy(world):
    """a batch was made under a policy that the log does not have"""


@attacks("statement-number", snapshot=of("snapshot", previous="20260101T000000Z-000000"))
def snapshot_after_an_unknown_one(world):
    """a snapshot goes on from one that the log does not have"""


@attacks("statement-number", snapshot=of("snapshot", log_size_at_start=100))
def snapshot_from_the_future(world):
    """a snapshot began when the log was longer than it is"""


@attacks("statement-number", batch=of("batch", raw_bytes=1))
def raw_bytes_miscounted(world):
    """a batch states another number of raw bytes"""


@attacks("statement-number", batch=of("batch", items=7))
def items_miscounted(world):
    """a batch states another number of items"""


@attacks("statement-number")
def batch_behind_its_snapshot(world):
    """a batch is entered when its snapshot has ended"""
    world.documents(SECOND, 0, [(EMPTY, 0, b"")])


@attacks("statement-number")
def second_archive_statement(world):
    """an archive statement stands in the middle of the log"""
    words = json.loads(
        open_payload(world, next(k for k in world.store.versions if k.startswith("statements/archive/")))
    )
    words["predicate"]["id"] = "20261123T090000Z-cccccc"
    world.enter_payload(canonical.encode(words), "archive", "20261123T090000Z-cccccc")


@attacks("statement-kind-unknown", 3)
def statement_of_a_later_kind(world):
    """a well-signed statement of a kind that is not known yet"""
    words = json.loads(renamed(world, "20261123T090000Z-cccccc"))
    words["predicateType"] = "urn:archiver:weather:v1"
    world.enter_payload(canonical.encode(words), "weather", "20261123T090000Z-cccccc")


def test_what_the_store_does_not_hand_out_is_unknown_and_so_is_what_depends_on_it(tmp_path):
    def harm(world):
        policy = next(key for key in world.store.versions if key.startswith("statements/policy/"))
        world.store = Refusing(world.store, policy)

    report = judge({}, harm, tmp_path)
    assert {one.code for one in report.findings if one.severity != "note"} >= {"object-unreadable", "statement-number"}
    assert (report.verdict, int(report.exit)) == ("partial", 3)


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    demand_found(judge(bends, harm, tmp_path), code, exit_status)


def test_every_code_of_these_checks_has_an_attack():
    assert attacks.lacking(4) == set()
