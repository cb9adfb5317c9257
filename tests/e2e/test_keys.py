"""Successors and ends of keys: whole archives before and after, stopped at every step, on files and in a token."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from answer_schema import demand_published
from key_places import PIN
from other_verifiers import others_say

from archiver.cli import run
from archiver.errors import EvidenceError, UsageError, WorldError
from archiver.flows.key import end as key_end
from archiver.flows.key import rotate as key_rotate
from archiver.flows.key.end import end_key, known_keys
from archiver.flows.key.rotate import rotate

ENVIRON = {"ARCHIVER_PIN": PIN, "ARCHIVER_PASSPHRASE": "correct horse"}
ROLES = pytest.mark.parametrize("role", ["statement", "log"])


@pytest.fixture
def place(organisation):
    (organisation.papers / "memo.txt").write_bytes(b"keep everything\n")
    (organisation.logs / "chat.jsonl").write_bytes(b'{"model":"m"}\n')
    organisation.take()
    return organisation


def turned(place, role, to=None):
    from archiver.events import silent

    place.later(hours=1)
    words = {"clock": place.clock, "random": place.random, "environ": ENVIRON, "listener": silent}
    return rotate(place.policy, role, to, "test", **words)


def ended(place, name, since=None, to=None):
    from archiver.events import silent

    place.later(hours=1)
    words = {"to": to, "clock": place.clock, "random": place.random, "environ": ENVIRON, "listener": silent}
    return end_key(place.policy, name, since, "test", **words)


def states(place):
    return [(one.role, one.state) for one in known_keys(place.policy)]


@ROLES
def test_a_key_has_a_successor_and_the_archive_goes_on(place, role, verified):
    old = {one.role: one.keyid for one in known_keys(place.policy)}[role]
    done = turned(place, role)
    assert (done.old, done.finished, len(done.statements)) == (old, True, 2)
    assert (place.root / "keys" / f"{role}-{old[:8]}.pem").exists()
    assert not (place.root / "keys" / f"{role}.pem.next").exists()
    verified(place)
    assert int(place.take().exit) == 0
    verified(place)
    assert sorted(states(place)) == sorted([(role, "retired"), (role, "current"), (_other(role), "current")])
    turned(place, role)
    place.take()
    verified(place)
    assert [status for _, status in others_say(place.archive, place.trust)] == [0, 0]


def _other(role):
    return {"statement": "log", "log": "statement"}[role]


class _StopError(WorldError):
    pass


STEPS = {
    "statement": ["create_signer", "state_key", "replace_trust", "put_in_place", "state_key"],
    "log": ["create_log_signer", "state_key", "put_in_place", "replace_trust", "state_key"],
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("role", "step"), [(role, number) for role, names in STEPS.items() for number in range(len(names))]
)
def test_a_rotation_that_was_stopped_is_finished_by_the_same_command(  # noqa: PLR0917
    place, role, step, after, verified, monkeypatch
):
    """Each step fails once, before it was done or after."""
    name = STEPS[role][step]
    calls = STEPS[role][:step].count(name)
    honest = getattr(key_rotate, name)

    def stopping(*words, **more):
        nonlocal calls
        calls -= 1
        if calls == -1:
            if after:
                honest(*words, **more)
            raise _StopError("stopped", "stopped")
        return honest(*words, **more)

    old = {one.role: one.keyid for one in known_keys(place.policy)}[role]
    with monkeypatch.context() as patch:
        patch.setattr(key_rotate, name, stopping)
        with pytest.raises(_StopError):
            turned(place, role)
    if role == "statement" or name in {"create_log_signer", "state_key"}:
        assert int(place.take().exit) == 0  # a run in between goes on with whatever key is in place
        verified(place)
    done = turned(place, role) if (role, step, after) != (role, 4, True) else None
    if done is not None:
        assert (done.old, done.finished) == (old, True)
    assert int(place.take().exit) == 0
    verified(place)
    assert [state for one, state in states(place) if one == role] == ["retired", "current"]
    assert sorted(path.name for path in (place.root / "keys").iterdir()) == sorted(
        ["log.pem", "statement.pem", "trust.json", f"{role}-{old[:8]}.pem"]
    )


def test_a_log_key_in_place_that_the_trust_file_does_not_name_yet_writes_nothing(place, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(key_rotate, "replace_trust", lambda *_: (_ for _ in ()).throw(_StopError("stopped", "stopped")))
        with pytest.raises(_StopError):
            turned(place, "log")
    with pytest.raises(UsageError) as caught:
        place.take()
    assert (caught.value.code, "archiver key rotate log" in caught.value.hint) == ("key-mismatch", True)


def test_a_retired_key_put_back_in_place_signs_nothing(place):
    done = turned(place, "statement")
    (place.root / "keys" / "statement.pem").write_bytes(
        (place.root / "keys" / f"statement-{done.old[:8]}.pem").read_bytes()
    )
    with pytest.raises(UsageError) as caught:
        place.take()
    assert caught.value.code == "key-ended"


def test_what_a_thief_of_a_retired_key_leaves_in_the_store_is_not_entered(place, verified):
    from hashlib import sha256

    from archiver.flows.session import own_trust
    from archiver.model import layout
    from archiver.proof import entry
    from archiver.signing.file import open_p256
    from archiver.writer.seal import Seal

    done = turned(place, "statement")
    thief = open_p256(place.root / "keys" / f"statement-{done.old[:8]}.pem", None)
    trust = own_trust(place.policy)
    from archiver.flows.session import whoami
    from archiver.model.statement import IncidentPredicate, Subject

    seal = Seal(thief, trust.archive, trust.archive_id, whoami(None), place.clock, place.random)
    words = IncidentPredicate(**seal.common(), what="forged", decision="adopted", objects=[])
    digest = sha256(b"x").hexdigest()
    key, envelope = seal.seal("incident", [Subject.of(layout.report_key(digest, "x"), digest)], words)
    for name, data in (
        (key, envelope),
        (layout.entry_key(done.log_size), entry.encode(key, sha256(envelope).hexdigest())),
    ):
        path = place.archive / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with pytest.raises(EvidenceError) as caught:  # on a folder the position is taken; nothing of the thief's is signed
        place.take()
    assert caught.value.code == "key-taken"
    checkpoints = sorted(path.name for path in (place.archive / "log/checkpoints").iterdir())
    assert int(checkpoints[-1]) == done.log_size


def test_a_successor_in_a_token_wants_the_policy_to_name_it(token, place, verified):
    from archiver.model.key_uri import parse_key_uri

    uri = token.uri("statement-2")
    first = turned(place, "statement", parse_key_uri(uri))
    assert (first.finished, len(first.statements)) == (False, 1)
    assert int(place.take().exit) == 0  # the old key is still good
    place.write_policy(lambda text: f'{text}keys: {{statement: "{uri}", log: "file:keys/log.pem"}}\n')
    second = turned(place, "statement")
    assert (second.old, second.new, second.finished) == (first.old, first.new, True)
    _take(place)
    verified(place)


def test_a_successor_of_the_log_key_in_a_token_too(token, place, verified):
    from archiver.model.key_uri import parse_key_uri

    uri = token.uri("log-2")
    assert not turned(place, "log", parse_key_uri(uri)).finished
    place.write_policy(lambda text: f'{text}keys: {{statement: "file:keys/statement.pem", log: "{uri}"}}\n')
    done = turned(place, "log", parse_key_uri(uri))
    assert (done.finished, done.statements[0].startswith("statements/key/")) == (True, True)
    _take(place)
    verified(place)


def _take(place):
    from archiver.events import silent
    from archiver.flows.snapshot.snapshot import snapshot

    place.later(hours=1)
    assert (
        int(snapshot(place.policy, clock=place.clock, random=place.random, environ=ENVIRON, listener=silent).exit) == 0
    )


def test_a_key_that_signed_before_is_no_successor(place):
    done = turned(place, "statement")
    from archiver.model.key_uri import FileKey

    with pytest.raises(UsageError) as caught:
        turned(place, "statement", FileKey(place.root / "keys" / f"statement-{done.old[:8]}.pem"))
    assert caught.value.code == "key-not-new"


def test_a_key_in_place_does_not_just_end(place):
    current = {one.role: one.keyid for one in known_keys(place.policy)}
    for role, since in (("log", place.now), ("log", None), ("statement", None)):
        with pytest.raises(UsageError) as caught:
            ended(place, current[role][:12], since)
        assert (caught.value.code, f"key rotate {role}" in caught.value.hint) == ("key-in-use", True)
    with pytest.raises(UsageError, match="expected the first 8 digits or more"):
        ended(place, "abc", place.now)


@pytest.mark.parametrize("stop", [None, "trust_statement_key", "put_in_place", "state_key", "replace_trust"])
def test_the_statement_key_in_place_is_revoked_and_has_a_successor(place, stop, monkeypatch):
    """Nothing of the successor rests on the stolen key; what that one signed before is unknown, not failed."""
    since = place.now + timedelta(seconds=1)
    old = known_keys(place.policy)[0].keyid
    if stop is not None:
        with monkeypatch.context() as patch:
            patch.setattr(key_end, stop, lambda *_: (_ for _ in ()).throw(_StopError("stopped", "stopped")))
            with pytest.raises(_StopError):
                ended(place, old, since)
    done = ended(place, old, since)
    assert (done.state, done.finished, len(done.statements)) == ("revoked", True, 0 if stop == "replace_trust" else 2)
    assert states(place) == [("statement", "revoked"), ("statement", "current"), ("log", "current")]
    place.take()
    report = looked_at(place)
    found = {(one.code, one.severity.value) for one in report.findings if one.severity != "note"}
    assert (found, int(report.exit)) == ({("statement-key-expired", "unknown")}, 3)


def looked_at(place):
    from archiver.judge.verify import verify
    from archiver.stores.folder import FolderStore

    store = FolderStore(place.archive, location=str(place.archive), clock=place.clock)
    return verify(store, place.trust.read_bytes(), clock=place.clock)


def test_the_successor_of_a_stolen_key_in_a_token(token, place):
    from archiver.model.key_uri import parse_key_uri

    since, uri = place.now + timedelta(seconds=1), token.uri("statement-2")
    old = known_keys(place.policy)[0].keyid
    first = ended(place, old, since, to=parse_key_uri(uri))
    assert (first.finished, first.statements) == (False, ())
    place.write_policy(lambda text: f'{text}keys: {{statement: "{uri}", log: "file:keys/log.pem"}}\n')
    done = ended(place, old, since)
    assert (done.finished, done.state, len(done.statements)) == (True, "revoked", 2)
    _take(place)
    assert int(looked_at(place).exit) == 3


def test_what_a_revoked_key_signed_is_unknown_without_a_timestamp(place):
    done = turned(place, "statement")
    since = place.now + timedelta(seconds=1)  # the successor was certified a second before
    once = ended(place, done.old, since)
    again = ended(place, done.old, since)
    assert (once.state, len(once.statements), again.statements) == ("revoked", 1, ())
    trust = json.loads(place.trust.read_bytes())
    assert trust["statement_keys"][0]["revoked"] == {"reason": "test", "since": "2026-11-23T14:00:01Z"}
    report = looked_at(place)
    assert {one.code for one in report.findings if one.severity == "unknown"} == {"statement-key-expired"}
    assert int(report.exit) == 3
    assert others_say(place.archive, place.trust) == [({"statement-key-expired"}, 3)] * 2


def test_an_approver_is_added_and_retired_in_the_log(place, verified, tmp_path):
    from archiver.events import silent
    from archiver.flows.hold.approve import admit
    from archiver.proof import keys
    from archiver.signing.file import create_p256

    pem = keys.to_pem(create_p256(tmp_path / "approver.pem", None).public)
    admitted = partial(admit, place.policy, pem, clock=place.clock, random=place.random, environ={}, listener=silent)
    done = admitted()
    assert done.statement is not None
    with pytest.raises(UsageError, match="expected no key"):
        admitted()
    assert ("approver", "trusted") in states(place)
    assert ended(place, done.keyid[:8]).state == "retired"
    verified(place)
    assert ("approver", "retired") in states(place)


def test_an_approver_from_before_the_first_snapshot_is_named_by_the_archive(organisation, verified, tmp_path):
    from archiver.catalog.catalog import Catalog
    from archiver.events import silent
    from archiver.flows.hold.approve import admit
    from archiver.flows.state import StateFolder
    from archiver.proof import keys
    from archiver.signing.file import create_p256

    organisation.set_up()
    pem = keys.to_pem(create_p256(tmp_path / "approver.pem", None).public)
    place = organisation
    words = {"clock": place.clock, "random": place.random, "environ": {}, "listener": silent}
    (place.papers / "memo.txt").write_bytes(b"memo")
    (place.logs / "chat.jsonl").write_bytes(b"{}\n")
    place.take()
    admit(place.policy, pem, **words)
    catalog = Catalog(StateFolder(place.policy.state).catalog, read_only=True)
    try:
        assert [key.role for key in catalog.archive().keys] == ["statement"]
    finally:
        catalog.close()
    verified(place)


def test_a_sealed_key_has_a_sealed_successor(organisation, verified):
    from archiver.events import silent
    from archiver.flows.setup import set_up
    from archiver.flows.snapshot.snapshot import snapshot

    place = organisation
    (place.papers / "memo.txt").write_bytes(b"memo")
    (place.logs / "chat.jsonl").write_bytes(b"{}\n")
    place.write_policy(lambda text: f"{text}keys: {{passphrase: env:ARCHIVER_PASSPHRASE}}\n")
    set_up(place.policy, clock=place.clock, random=place.random, environ=ENVIRON)
    snapshot(place.policy, clock=place.clock, random=place.random, environ=ENVIRON, listener=silent)
    for role in ("statement", "log"):
        turned(place, role)
        assert b"ENCRYPTED" in (place.root / "keys" / f"{role}.pem").read_bytes()
    verified(place)


def test_readers_without_a_trust_file_follow_the_keys_of_the_archive(place):
    from archiver.judge.reader import open_archive
    from archiver.stores.folder import FolderStore

    turned(place, "log")
    turned(place, "statement")
    place.take()
    store = FolderStore(place.archive, location=str(place.archive), clock=place.clock)
    with open_archive(store, None) as archive:
        archive.demand()
        assert len(list(archive.statements("snapshot"))) == 2


@pytest.mark.parametrize(("hours", "kinds"), [(1, {"key": 1}), (-24, {"archive": 1})])
def test_what_a_revocation_does_is_counted_before_it_is_done_and_comes_so(place, capsys, hours, kinds):
    """The count is what `verify` finds afterwards, of each kind and severity; the dry run changes nothing."""
    done = turned(place, "statement")
    since = (place.now + timedelta(hours=hours - 1, seconds=-1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = place.trust.read_bytes()
    words = ("revoke", done.old[:12], "--since", since, "--reason", "test")
    dry = said(place, *words, "--dry-run", capsys=capsys)
    assert (dry["dry_run"], place.trust.read_bytes()) == (True, before)
    acted = said(place, *words, capsys=capsys)
    assert (acted["dry_run"], acted["effect"]) == (False, dry["effect"])
    report, found = looked_at(place), {"unknown": {}, "failed": {}}
    for one in report.findings:
        if one.code == "statement-key-expired":
            counts, kind = found[one.severity.value], one.subject.split("/")[1]
            counts[kind] = counts.get(kind, 0) + 1
    assert found == {name: dry["effect"][name] for name in found}
    assert kinds.items() <= dry["effect"]["failed"].items()
    again = said(place, *words, "--dry-run", capsys=capsys)["effect"]
    assert (again["unknown"], again["failed"]) == ({}, {})


@pytest.mark.parametrize("command", [("rotate", "statement"), ("rotate", "log"), ("retire",)])
def test_a_rotation_changes_nothing_that_was_signed(place, capsys, command):
    old = turned(place, "statement").old
    words = command if command[0] == "rotate" else ("retire", old[:12], "--reason", "test")
    answer = said(place, *words, "--dry-run", capsys=capsys)
    assert (answer["dry_run"], answer["effect"]["unknown"], answer["effect"]["failed"]) == (True, {}, {})
    assert (answer["effect"]["statements"] > 0) == (command[-1] != "log")
    assert looked_at(place).exit == 0


def said(place, *words, capsys):
    capsys.readouterr()
    place.later(hours=1)
    policy = str(place.root / "retention_policy.yaml")
    status = run(["-p", policy, "--json", "key", *words], clock=place.clock, random=place.random, environ=dict(ENVIRON))
    found = json.loads(capsys.readouterr().out)
    demand_published(found, f"key {words[0]}")
    assert found["exit"] == status
    return found


def test_every_answer_is_as_published(place, capsys):
    listed = said(place, "list", capsys=capsys)["keys"]
    assert [(one["role"], one["state"]) for one in listed] == [("statement", "current"), ("log", "current")]
    shown = said(place, "show", listed[0]["keyid"][:8], capsys=capsys)
    assert shown["public"].startswith("-----BEGIN PUBLIC KEY-----")
    assert any("init --continues" in line for line in shown["if_lost"])
    turned_ = said(place, "rotate", "statement", capsys=capsys)
    assert turned_["finished"]
    assert said(place, "rotate", "log", "--reason", "yearly", capsys=capsys)["sizes"][0]["to_size"] > 0
    revoked = said(
        place, "revoke", turned_["old"][:8], "--since", "2026-11-23T12:30:00Z", "--reason", "r", capsys=capsys
    )
    assert (revoked["state"], revoked["since"]) == ("revoked", "2026-11-23T12:30:00Z")
    assert said(place, "show", "00000000", capsys=capsys)["error"]["code"] == "no-such-key"
    assert (
        said(place, "revoke", turned_["old"], "--since", "2030-01-01T00:00:00Z", "--reason", "r", capsys=capsys)["exit"]
        == 2
    )
    assert said(place, "revoke", turned_["old"], "--since", "yesterday", "--reason", "r", capsys=capsys)["exit"] == 2
    assert said(place, "rotate", "log", "--to", "nonsense", capsys=capsys)["exit"] == 2


def test_when_keys_are_lost_a_new_archive_goes_on(place, organisations, verified, capsys):
    """Nobody can write to the old archive; anybody with its trust file can read it, and the next one names it."""
    new = organisations(seed=2)
    (new.papers / "memo.txt").write_bytes(b"keep everything\n")
    (new.logs / "chat.jsonl").write_bytes(b'{"model":"m"}\n')
    for name in ("statement.pem", "log.pem"):
        (place.root / "keys" / name).unlink()
    policy = str(new.root / "retention_policy.yaml")
    words = ["-p", policy, "init", "--continues", str(place.archive), "--trust", str(place.trust)]
    assert run(words, clock=new.clock, random=new.random, environ={}) == 0
    new.take()
    verified(new)
    verified(place)


def test_every_destinations_log_has_the_successor(place, verified):
    """Each log ends its old key at its own size; a destination that does not answer stops the rotation."""
    from archiver.flows.setup import add_destinations

    second = "  - {id: vault, location: ./archive}\n  - {id: second, location: ./second}\n"
    place.write_policy(lambda text: text.replace("  - {id: vault, location: ./archive}\n", second))
    add_destinations(place.policy, clock=place.clock)
    place.take()
    done = turned(place, "log")
    assert (done.finished, len(done.sizes), len(done.statements)) == (True, 2, 4)
    assert turned(place, "statement").finished
    place.take()
    verified(place)
    for folder in (place.archive, place.root / "second"):
        assert [status for _, status in others_say(folder, place.trust)] == [0, 0]
        assert len(list((folder / "statements/key").iterdir())) == 6
