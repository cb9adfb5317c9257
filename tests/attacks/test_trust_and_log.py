"""Attacks that the checks of trust, log, timestamps find."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from attack import SNAPSHOT, Attacks, demand_found, fill_up, judge, open_payload, seen, until
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from world import ORIGIN, SECOND, signers

from archiver.model import layout
from archiver.proof import b64, canonical, checkpoint, cosignature, dsse, entry, note
from archiver.proof.digest import sha256_hex
from archiver.proof.post_quantum import PostQuantumKey
from archiver.stores.base import Lock

attacks = Attacks()

WITNESS = signers(9)[1]
COUNSEL = str(cosignature.WitnessKey("counsel", WITNESS.public_bytes))
SEEN_AT = int(datetime(2026, 11, 22, 11, tzinfo=UTC).timestamp())  # an hour before the auditor looks


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


@attacks("trust-key-refused")
def witness_of_low_order(world):
    """a witness whose key takes one signature for many messages"""
    typed = b"\x04" + bytes(32)
    hashed = hashlib.sha256(b"counsel\n" + typed).hexdigest()[:8]
    return {"trusted": with_witnesses(world, f"counsel+{hashed}+{b64.encode(typed)}")}


@attacks("trust-key-refused")
def witness_that_is_the_log(world):
    """a witness whose key is the log's own"""
    return {"trusted": with_witnesses(world, str(cosignature.WitnessKey("counsel", world.vkey.public)))}


@attacks("trust-key-refused")
def witness_that_is_two(world):
    """one key under two names, to be counted twice"""
    return {"trusted": with_witnesses(world, COUNSEL, str(cosignature.WitnessKey("other", WITNESS.public_bytes)))}


@attacks("trust-key-refused")
def witness_with_the_key_of_a_log(world):
    """a witness's key of the type that signs logs"""
    return {"trusted": with_witnesses(world, str(note.VerifierKey("counsel", WITNESS.public_bytes)))}


def with_witnesses(world, *vkeys):
    return world.trust(witnesses=list(vkeys)).encode()


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


@attacks("stranger-key", 3)
def entry_of_somebody_without_keys(world):
    """whoever may write put an entry for a statement of their own behind the log, and a checkpoint"""
    key = layout.statement_key("snapshot", "20261123T090000Z-cccccc")
    envelope = dsse.seal(open_payload(world, SNAPSHOT), signers(2)[0])
    world.put(key, envelope)
    world.put(layout.entry_key(8), entry.encode(key, sha256_hex(envelope)))
    world.put(layout.checkpoint_key(9), b"garbage")


@attacks("log-entry-stranger", 0)
def entry_that_lost_a_race(world):
    """another writer's entry came second and was entered later"""
    world.store.add(layout.entry_key(3), world.entries[4], Lock("COMPLIANCE", until(), legal_hold=True))


# witnesses


def cosigned(world, size, *, time=SEEN_AT, witness="counsel", text=None, **slipped):
    """Put the cosignature of a witness over a checkpoint where it belongs; return what the auditor brings."""
    line = cosignature.cosign(text or head_of(world, size), time, witness, WITNESS)
    key = layout.cosignature_key(size, line.key_hash)
    if slipped:
        world.slip_in(key, slipped["data"])
    else:
        world.put(key, str(line).encode())
    return {"trusted": world.trust(witnesses=[COUNSEL])}


def head_of(world, size):
    return note.parse_note(world.store.versions[layout.checkpoint_key(size)][0].data).text


@attacks("log-witness-missing", 3)
def witness_demanded(world):
    """the auditor's witness has cosigned nothing"""
    return {"trusted": world.trust(witnesses=[COUNSEL])}


@attacks("log-witness-missing", 3)
def somebody_else_witnessed(world):
    """the only cosignature is by a witness that the auditor does not know"""
    cosigned(world, 8, witness="stranger")
    return {"trusted": world.trust(witnesses=[COUNSEL])}


@attacks("log-witness-behind", 0)
def witness_has_not_seen_the_end(world):
    """the last entries came after the witness had looked"""
    return cosigned(world, 5)


@attacks("log-witness-behind", 3)
def witness_has_stopped_looking(world):
    """the witness saw a part of the log long ago, and never the rest"""
    return cosigned(world, 5, time=SEEN_AT - 8 * 86_400)


@attacks("log-witness-invalid")
def cosignature_over_another_checkpoint(world):
    """a cosignature is replayed under another checkpoint"""
    return cosigned(world, 8, text=head_of(world, 5))


@attacks("log-witness-invalid")
def cosignature_at_another_time(world):
    """the time in a cosignature was changed"""
    options = cosigned(world, 8)
    key = next(key for key in world.store.versions if key.startswith(layout.COSIGNATURES))
    line = cosignature.parse_lines(world.store.versions[key][0].data)[0]
    later = note.NoteSignature(line.name, line.key_hash, (SEEN_AT + 1).to_bytes(8, "big") + line.signature[8:])
    world.change(key, str(later).encode())
    return options


@attacks("log-witness-invalid", 3)
def cosignature_of_tomorrow(world):
    """a cosignature bears a time to come"""
    return cosigned(world, 8, time=SEEN_AT + 86_400)


@attacks("log-witness-invalid", 3)
def cosignature_of_a_longer_log(world):
    """a witness is said to have seen more entries than there are"""
    longer = checkpoint.Checkpoint(ORIGIN, 9, b"\x07" * 32).text()
    return cosigned(world, 9, text=longer)


@attacks("log-witness-invalid", 3)
def rubbish_where_a_cosignature_belongs(world):
    """an object without a line of the witness stands under its key hash"""
    return cosigned(world, 8, data=b"rubbish")


# timestamps


@attacks("timestamp-missing", 3)
def timestamps_demanded(world):
    """the auditor demands timestamps and there are none"""
    return {"trusted": world.trust(timestamps={"required": 1, "max_delay_s": 60, "tsas": []})}


@attacks("timestamp-unproven", 0)
def timestamps_not_demanded(world):
    """times are the operator's claims"""


@attacks("log-post-quantum-missing", 3)
def second_signature_stripped(world):
    """the trust file names the log's second key, and its signature is nowhere"""
    public = MLDSA65PrivateKey.generate().public_key().public_bytes_raw()
    words = json.loads(world.trust().encode())
    second = {"vkey": str(PostQuantumKey(ORIGIN, public)), "from_size": 0, "to_size": None}
    words["logs"][0]["post_quantum"] = [second]
    return {"trusted": json.dumps(words).encode()}


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    demand_found(judge(bends, harm, tmp_path), code, exit_status)


def test_every_code_of_these_checks_has_an_attack():
    assert attacks.lacking(1, 2, 3) == set()


def test_what_lies_ahead_of_the_log_is_named_as_a_stranger_and_nothing_else(tmp_path):
    report = judge({}, checkpoints_far_ahead, tmp_path)
    bad = {(one.code, one.subject) for one in report.findings if one.severity != "note"}
    assert bad == {("stranger-key", layout.checkpoint_key(size)) for size in (16, 4096)}
