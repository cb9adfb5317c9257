"""Attacks that the checks of trust, log, timestamps find."""

from __future__ import annotations

import json

import pytest
from attack import ELSEWHERE, SNAPSHOT, Attacks, fill_up, judge, open_payload, seen, until
from world import ORIGIN, SECOND, signers

from archiver.model import layout
from archiver.model.finding import CODES
from archiver.proof import canonical, checkpoint, dsse, entry
from archiver.proof.digest import sha256_hex
from archiver.stores.base import Lock

attacks = Attacks()


# trust


@attacks("trust-unreadable")
def trust_unreadable(world):
    """a trust file with a member that is not published"""
    words = json.loads(world.trust().encode())
    return {"trusted": json.dumps({**words, "more": 1}).encode()}


@attacks("trust-key-refused")
def trust_key_refused(world):
    """a trust file whose key is not the one that its keyid names"""
    words = json.loads(world.trust().encode())
    words["statement_keys"][0]["keyid"] = "00" * 32
    return {"trusted": json.dumps(words).encode()}


# log


@attacks("log-missing", 3)
def log_missing(world):
    """all of the log is gone and the auditor never saw it"""
    world.remove("log/")


@attacks("log-missing", 1)
def log_missing_but_seen(world):
    """all of the log is gone and the auditor has seen it"""
    world.remove("log/")
    return {"trusted": seen(world, 8, world.tree.root())}


@attacks("log-signature")
def checkpoint_by_another_key(world):
    """a checkpoint signed by somebody else's key"""
    _, stranger = signers(2)
    body = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, 8, world.tree.root()), stranger)
    world.change(layout.checkpoint_key(8), body)


@attacks("log-signature")
def checkpoint_of_another_size(world):
    """a good checkpoint under the key of another size"""
    world.change(layout.checkpoint_key(5), world.store.versions[layout.checkpoint_key(4)][0].data)


@attacks("log-signature")
def all_checkpoints_by_another_key(world):
    """every checkpoint is signed by somebody else's key"""
    _, stranger = signers(2)
    for size in range(1, 9):
        head = checkpoint.Checkpoint(ORIGIN, size, b"\x01" * 32)
        world.change(layout.checkpoint_key(size), checkpoint.sign(head, stranger))


@attacks("log-signature")
def checkpoint_of_a_waiting_entry(world):
    """an entry waits for its checkpoint, and what lies there is none"""
    entry_without_checkpoint(world)
    world.slip_in(layout.checkpoint_key(9), b"mine!")


@attacks("stranger-key", 3)
def checkpoint_next(world):
    """garbage on the key of the next checkpoint, whose entry is not there yet"""
    world.slip_in(layout.checkpoint_key(9), b"mine!")


@attacks("stranger-key", 3)
def checkpoints_far_ahead(world):
    """garbage, and a checkpoint by somebody else's key, on sizes that the log has not come to"""
    _, stranger = signers(2)
    world.slip_in(layout.checkpoint_key(16), b"mine!")
    head = checkpoint.Checkpoint(ORIGIN, 4096, b"\x01" * 32)
    world.slip_in(layout.checkpoint_key(4096), checkpoint.sign(head, stranger))


@attacks("log-checkpoint-gap")
def checkpoint_removed(world):
    """a checkpoint in the middle is gone"""
    world.remove(layout.checkpoint_key(4))


@attacks("log-root", root=lambda root, size: b"\x01" * 32 if size == 6 else root)
def signed_root_of_nothing(world):
    """a signed root that the entries do not make"""


@attacks("log-tile")
def tile_changed(world):
    """a tile that is not the recomputed one"""
    fill_up(world, 256)
    world.change("log/tile/0/000", b"\x00" * 8192)


@attacks("log-entry-missing")
def entry_removed(world):
    """an entry in the middle is gone"""
    world.remove(layout.entry_key(3))


@attacks("log-entry-missing")
def entry_unreadable(world):
    """an entry is no entry any more"""
    world.change(layout.entry_key(3), b"{}")


@attacks("log-root")
def entries_exchanged(world):
    """two entries stand in each other's place"""
    three, four = layout.entry_key(3), layout.entry_key(4)
    versions = world.store.versions
    versions[three], versions[four] = versions[four], versions[three]


@attacks("log-rollback")
def end_cut_off(world):
    """the last entries, statements and batches are cut off cleanly"""
    root = world.tree.root()
    for position in range(5, 8):
        world.remove(layout.entry_key(position))
        world.remove(layout.checkpoint_key(position + 1))
    world.remove(layout.statement_key("snapshot", SECOND))
    world.remove(layout.statement_key("batch", f"{SECOND}-items-00000000"))
    return {"trusted": seen(world, 8, root)}


@attacks("log-fork")
def other_history_than_seen(world):
    """another root of the size that the auditor has seen"""
    return {"trusted": seen(world, 5, b"\x07" * 32)}


@attacks("log-fork")
def two_signed_roots(world):
    """a second checkpoint of a size, with another root and a good signature"""
    other = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, 5, b"\x07" * 32), world.log_signer)
    world.slip_in(layout.checkpoint_key(5), other)


@attacks("log-tail-unfinished", 3)
def entry_without_checkpoint(world):
    """an entry that no checkpoint covers"""
    payload = open_payload(world, SNAPSHOT)
    identity = "20261123T090000Z-cccccc"
    words = json.loads(payload)
    words["predicate"].update(id=identity, previous=SECOND, log_size_at_start=8)
    envelope = dsse.seal(canonical.encode(words), world.signer)
    key = layout.statement_key("snapshot", identity)
    world.put(key, envelope)
    world.put(layout.entry_key(8), entry.encode(key, sha256_hex(envelope)))


@attacks("log-entry-stranger", 0)
def entry_that_lost_a_race(world):
    """another writer's entry came second and was entered later"""
    world.store.add(layout.entry_key(3), world.entries[4], Lock("COMPLIANCE", until(), legal_hold=True))


# timestamps


@attacks("timestamp-missing", 3)
def timestamps_demanded(world):
    """the auditor demands timestamps and there are none"""
    return {"trusted": world.trust(timestamps={"required": 1, "max_delay_s": 60, "tsas": []})}


@attacks("timestamp-unproven", 0)
def timestamps_not_demanded(world):
    """times are the operator's claims"""


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    report = judge(bends, harm, tmp_path)
    assert code in {finding.code for finding in report.findings}
    assert int(report.exit) == exit_status
    assert (report.verdict == "ok") == (exit_status == 0 and not report.left_out)


def test_every_code_of_these_checks_has_an_attack():
    checks = {1, 2, 3}
    codes = {code for code, (check, _) in CODES.items() if check in checks}
    assert codes - ELSEWHERE - attacks.codes() == set()


def test_what_lies_ahead_of_the_log_is_named_as_a_stranger_and_nothing_else(tmp_path):
    report = judge({}, checkpoints_far_ahead, tmp_path)
    bad = {(one.code, one.subject) for one in report.findings if one.severity != "note"}
    assert bad == {("stranger-key", layout.checkpoint_key(size)) for size in (16, 4096)}
