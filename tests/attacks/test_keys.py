"""Attacks with keys: retired, revoked, only chained, of another role; and an archive that a thief signs anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from attack import Attacks, demand_found, judge, renamed, with_key
from authority import Authority
from world import ORIGIN, World, signers

from archiver.model import trust
from archiver.model.statement import Subject
from archiver.proof import checkpoint, keys, note
from archiver.signing.file import Ed25519FileSigner

attacks = Attacks()
NEW = "20261123T090000Z-cccccc"


def state(world, action, signer, by=None, since=None):
    """Enter a statement about a key, signed by another one."""
    honest, world.signer = world.signer, by or world.signer
    is_log = isinstance(signer, Ed25519FileSigner)
    words = {
        "action": action,
        "role": "log" if is_log else "statement",
        "keyid": signer.keyid,
        "pem": None if is_log else keys.to_pem(signer.public),
        "vkey": str(note.VerifierKey(ORIGIN, signer.public_bytes)) if is_log else None,
        "reason": "test",
        "compromised_since": since,
    }
    world.state("key", [Subject.of(f"key:{signer.keyid}", signer.keyid)], words)
    world.signer = honest


def trusting(world, *more, **edit):
    """Return the auditor's trust file with further statement keys."""
    words = json.loads(world.trust(**edit).encode())
    first = words["statement_keys"][0]
    words["statement_keys"] += [{**first, "keyid": one.keyid, "pem": keys.to_pem(one.public)} for one in more]
    return trust.TrustFile.model_validate(words)


def rotated(world, action="retire", since=None):
    """Give the statement key a successor; return the trust file that was handed out then."""
    second, _ = signers(2)
    state(world, "add", second)
    state(world, action, world.signer, by=second, since=since)
    return trusting(world, second)


def another_log(world):
    """Give the log key a successor as the archive's own flow does; return the trust file."""
    _, second = signers(2)
    state(world, "add", second)
    size, old = world.tree.size, str(world.vkey)
    world.log_signer = second
    keys_now = [
        {"vkey": old, "from_size": 0, "to_size": size},
        {"vkey": str(world.vkey), "from_size": size + 1, "to_size": None},
    ]
    state(world, "retire", signers(1)[1])
    return world.trust(logs=[{"origin": ORIGIN, "keys": keys_now, "seen": None}])


def again(world, signer):
    """Enter one more statement, signed by a key; it claims to be as old as the first snapshot."""
    world.enter_payload(renamed(world, NEW), "snapshot", NEW, signer)


@attacks("statement-key-expired")
def retired_key_goes_on(world):
    """a thief of a retired key, and of the log's, enters a statement and dates it back"""
    trusted = rotated(world)
    again(world, world.signer)
    return {"trusted": trusted}


@attacks("statement-key-expired")
def revoked_key_goes_on(world):
    """the same with a revoked key, and a trust file from before"""
    trusted = rotated(world, "revoke", since="2027-01-01T00:00:00Z")
    again(world, world.signer)
    return {"trusted": trusted}


@attacks("statement-key-expired", 3)
def key_revoked_by_the_log(world):
    """a key was revoked in the log after the trust file was handed out, and nothing proves its statements older"""
    return {"trusted": rotated(world, "revoke", since="2026-11-20T00:00:00Z")}


@attacks("statement-key-expired")
def key_revoked_by_the_trust_file(world):
    """statements say themselves that they were made after somebody else had the key"""
    rotated(world, "revoke", since="2026-11-20T00:00:00Z")
    second, _ = signers(2)
    words = json.loads(with_key(world, revoked={"since": "2026-11-20T00:00:00Z", "reason": "stolen"}).encode())
    first = words["statement_keys"][0]
    words["statement_keys"].append({**first, "keyid": second.keyid, "pem": keys.to_pem(second.public), "revoked": None})
    return {"trusted": trust.TrustFile.model_validate(words)}


@attacks("statement-key-expired")
def retired_by_a_chained_key(world):
    """an old trust file knows the old key alone, which signs after the log has retired it"""
    rotated(world)
    again(world, world.signer)


@attacks("statement-key-unknown", 3)
def successor_that_only_the_archive_names(world):
    """a rotation that the auditor was not told of: certified by the old key, unknown all the same"""
    second, _ = signers(2)
    state(world, "add", second)
    again(world, second)


@attacks("statement-key-unknown")
def statement_by_the_log_key(world):
    """the log's key signs a statement, and the log names it as a key"""
    _, log = signers(1)
    state(world, "add", log)
    again(world, log)


@attacks("statement-key-unknown")
def archive_signed_again_by_a_thief(world):
    """everything is signed anew with keys that a thief rotated in, the auditor's trust file is the old one"""
    forged = World(tell=False)
    forged.signer, _ = signers(3)
    forged.story()
    state(forged, "add", signers(4)[0])
    return {"world": forged, "trusted": world.trust()}


@attacks("log-missing")
def log_signed_again_by_a_thief(world):
    """the same with the log's key"""
    forged = World(tell=False)
    forged.signer, forged.log_signer = signers(3)
    forged.story()
    return {"world": forged, "trusted": world.trust()}


@attacks("statement-key-unknown")
def statement_by_a_key_that_a_revoked_key_added(world):
    """a revoked key certifies another: the certificate does not count, nobody named the key"""
    third, _ = signers(3)
    trusted = rotated(world, "revoke", since="2027-01-01T00:00:00Z")
    state(world, "add", third)
    again(world, third)
    return {"trusted": trusted}


@attacks("statement-malformed")
def key_statement_about_another_key(world):
    """a statement about a key names the id of another one"""
    second, _ = signers(2)
    words = {"action": "add", "role": "statement", "keyid": "ab" * 32, "pem": keys.to_pem(second.public), "vkey": None}
    words |= {"reason": "test", "compromised_since": None}
    common = json.loads(renamed(world, NEW))["predicate"]
    predicate = {name: common[name] for name in ("archive", "archive_id", "id", "at", "by")} | words
    subject = [{"digest": {"sha256": "ab" * 32}, "name": f"key:{'ab' * 32}"}]
    from archiver.proof import canonical

    payload = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": predicate,
        "predicateType": "urn:archiver:key:v1",
        "subject": subject,
    }
    world.enter_payload(canonical.encode(payload), "key", NEW)


@attacks("log-signature")
def old_log_key_goes_on(world):
    """a thief of the old log key signs a size after the one at which it ended"""
    trusted = another_log(world)
    world.log_signer = signers(1)[1]
    again(world, None)
    return {"trusted": trusted}


@attacks("log-rollback")
def log_cut_off_by_the_old_log_key(world):
    """everything after the old log key's time is gone; the trust file says until when it signed"""
    trusted = another_log(world)
    last = world.tree.size
    for folder in ("log/entries/", "log/checkpoints/"):
        for size in (last - 1, last) if folder.endswith("checkpoints/") else (last - 2, last - 1):
            world.remove(f"{folder}{size:012d}")
    return {"trusted": trusted}


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    demand_found(judge(bends, harm, tmp_path), code, exit_status)


@pytest.mark.parametrize("rotate", [rotated, another_log])
def test_an_archive_whose_keys_had_successors_is_whole(rotate):
    world = World()
    trusted = rotate(world)
    assert [one for one in world.verify(trusted).findings if one.severity != "note"] == []


def test_old_and_new_log_key_sign_nothing_of_each_others():
    world = World()
    trusted = another_log(world)
    ended = trusted.logs[0].keys[0].to_size
    heads = {size: world.store.versions[f"log/checkpoints/{size:012d}"][0].data for size in (ended, ended + 1)}
    for size, data in heads.items():
        assert checkpoint.open_signed(data, trusted.logs[0].key_at(size)).size == size
        with pytest.raises(Exception, match="expected a signature by"):
            checkpoint.open_signed(data, trusted.logs[0].key_at(2 * ended + 1 - size))


@pytest.mark.parametrize("handed", ["before", "after"])
def test_what_a_revoked_key_signed_stays_good_where_a_timestamp_proves_it_older(handed):
    """A stolen key: what a token covers before the theft is good, what came after it is not, told or not told."""
    world, second = World(), signers(2)[0]
    state(world, "add", second)
    first, world.signer = world.signer, second
    world.stamp(Authority())  # at 09:00:05, over everything that the first key signed
    world.store.now += timedelta(hours=3)
    state(world, "revoke", first, since="2026-11-22T10:00:00Z")
    words = json.loads(trusting(world, first).encode())
    words["timestamps"] = {"required": 0, "max_delay_s": 86_400, "tsas": [Authority().trust()]}
    if handed == "after":
        words["statement_keys"][1]["revoked"] = {"since": "2026-11-22T10:00:00Z", "reason": "stolen"}
    trusted = trust.parse_trust(json.dumps(words).encode())

    def bad():
        found = world.verify(trusted, clock=lambda: datetime(2026, 11, 22, 13, tzinfo=UTC)).findings
        return [(one.code, one.severity.value) for one in found if one.severity != "note"]

    assert bad() == []
    again(world, first)
    assert bad() == [("statement-key-expired", "failed")]
