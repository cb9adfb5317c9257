"""Whole archives whose keys lie in a token or in a key service; and what the doctor says of such keys."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from key_places import PIN

from archiver.errors import UsageError, WorldError
from archiver.events import silent
from archiver.flows.doctor.doctor import doctor
from archiver.flows.setup import can_set_up_quietly, set_up
from archiver.flows.snapshot.snapshot import snapshot

ENVIRON = {"ARCHIVER_PIN": PIN}


def with_keys(place, statement, log="file:keys/log.pem"):
    (place.papers / "memo.txt").write_bytes(b"keep everything\n")
    (place.logs / "chat.jsonl").write_bytes(b'{"model":"m"}\n')
    place.write_policy(lambda text: f'{text}keys: {{statement: "{statement}", log: "{log}"}}\n')
    return place


def begin(place):
    return set_up(place.policy, clock=place.clock, random=place.random, environ=ENVIRON)


def take(place):
    place.later(hours=1)
    return snapshot(place.policy, clock=place.clock, random=place.random, environ=ENVIRON, listener=silent)


def looked(place, code="signing-key"):
    items = doctor(place.policy, clock=place.clock, random=place.random, environ=ENVIRON).items
    return [(item.state.value, item.found) for item in items if item.code == code]


def test_an_archive_is_written_with_both_keys_in_a_token(token, organisation, verified):
    place = with_keys(organisation, token.uri("statement"), token.uri("log"))
    assert not can_set_up_quietly(place.policy)
    made = begin(place)
    assert made.statement_key == "pkcs11 token archive, key statement"
    assert sorted(path.name for path in (place.root / "keys").iterdir()) == ["trust.json"]
    assert int(take(place).exit) == int(take(place).exit) == 0
    verified(place)
    assert [state for state, _ in looked(place)] == ["ok", "ok"]


def test_an_archive_is_written_with_the_statement_key_in_a_key_service(key_service, organisation, verified):
    place = with_keys(organisation, key_service.make("statement", ec.generate_private_key(ec.SECP256R1())))
    begin(place)
    take(place)
    verified(place)
    assert [state for state, _ in looked(place)] == ["ok"]
    key_service.states["statement"] = "Disabled"
    assert looked(place) == [("failed", "a key that is Disabled")]
    with pytest.raises(WorldError) as caught:
        take(place)
    assert caught.value.code == "kms-failed"
    key_service.states["statement"] = "Enabled"
    take(place)
    verified(place)


def test_another_key_than_the_trust_files_opens_nothing(token, organisation):
    place = with_keys(organisation, token.uri("statement"))
    begin(place)
    take(place)
    place.write_policy(lambda text: f'{text}keys: {{statement: "{token.uri("statement-2")}"}}\n')
    with pytest.raises(UsageError) as caught:
        take(place)
    assert caught.value.code == "key-mismatch"
    [(state, found)] = looked(place)
    assert (state, "not in the trust file" in found) == ("failed", True)


def test_a_token_that_is_not_there_leaves_nothing_half_made(token, organisation):
    place = with_keys(organisation, token.uri("statement", token="gone"))
    with pytest.raises(UsageError) as caught:
        begin(place)
    assert caught.value.code == "token-missing"
    assert list((place.root / "keys").iterdir()) == []
    assert looked(place)[0][0] == "failed"
    with_keys(place, token.uri("statement"))
    begin(place)
    assert int(take(place).exit) == 0
