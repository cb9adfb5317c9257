"""The log's second signature, ML-DSA-65: over every head, demanded by the trust file, never to be stripped."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import pytest
from answer_schema import demand_published
from other_verifiers import others_say

from archiver.cli import run
from archiver.errors import UsageError
from archiver.judge.verify import verify
from archiver.proof import cosignature, post_quantum
from archiver.stores.folder import FolderStore

KEYS = 'keys: {post_quantum: "file:keys/post-quantum.pem"}\n'


@pytest.fixture
def place(organisation):
    (organisation.papers / "memo.txt").write_bytes(b"keep everything\n")
    (organisation.logs / "chat.jsonl").write_bytes(b'{"model":"m"}\n')
    return organisation


@pytest.fixture
def signed(place):
    place.write_policy(lambda text: text + KEYS)
    place.take()
    return place


def found(place, trust=None):
    store = FolderStore(place.archive, location=str(place.archive), clock=place.clock)
    report = verify(store, trust or place.trust.read_bytes(), clock=place.clock)
    return [one.code for one in report.findings if one.severity != "note"], int(report.exit)


def lines(place):
    return sorted((place.archive / "log/cosignatures").rglob("*/*"))


def test_every_run_signs_the_head_that_it_leaves(signed):
    signed.take()
    assert len(lines(signed)) == 2
    assert found(signed) == ([], 0)
    assert [status for _, status in others_say(signed.archive, signed.trust)] == [0, 0]
    assert (signed.root / "keys/post-quantum.pem").stat().st_mode & 0o777 == 0o600


def test_a_line_is_good_for_its_text_and_its_key_alone(signed):
    log = json.loads(signed.trust.read_bytes())["logs"][0]
    key = post_quantum.parse_vkey(log["post_quantum"][0]["vkey"])
    [line] = cosignature.parse_lines(lines(signed)[0].read_bytes())
    text = (signed.archive / "log/checkpoints" / lines(signed)[0].parent.name).read_text().partition("\n\n")[0] + "\n"
    post_quantum.check_line(text, line, key)
    with pytest.raises(Exception, match="found a bad one"):
        post_quantum.check_line(text.replace("\n", "\n\n", 1), line, key)
    other = post_quantum.PostQuantumKey(log["origin"], bytes(1952))
    with pytest.raises(Exception, match="found another's"):
        post_quantum.check_line(text, line, other)
    assert str(post_quantum.parse_vkey(str(key))) == str(key)


@pytest.mark.parametrize(
    "edit",
    [
        lambda vkey: vkey.replace("+", "-", 1),
        lambda vkey: vkey[:-8],
        lambda vkey: vkey.partition("+")[0] + "+00000000+" + vkey.rpartition("+")[2],
        lambda vkey: "x" + vkey,
        lambda vkey: vkey.rpartition("+")[0] + "+" + base64.b64encode(b"\x01" + bytes(32)).decode(),
    ],
)
def test_a_bent_key_is_refused_in_a_trust_file(signed, edit):
    words = json.loads(signed.trust.read_bytes())
    words["logs"][0]["post_quantum"][0]["vkey"] = edit(words["logs"][0]["post_quantum"][0]["vkey"])
    assert found(signed, json.dumps(words).encode()) == (["trust-key-refused"], 1)


def test_a_signature_that_was_stripped_is_missed(signed):
    shutil.rmtree(signed.archive / "log/cosignatures")
    assert found(signed)[0].count("log-post-quantum-missing") == 1
    assert found(signed)[1] == 3
    assert others_say(signed.archive, signed.trust) == [({"log-post-quantum-missing"}, 3)] * 2


def test_a_signature_by_another_key_does_not_count(signed, organisations):
    other = organisations(seed=2)
    (other.papers / "memo.txt").write_bytes(b"memo")
    other.write_policy(lambda text: text + KEYS)
    other.take()
    words = json.loads(signed.trust.read_bytes())
    log = words["logs"][0]
    foreign = post_quantum.parse_vkey(json.loads(other.trust.read_bytes())["logs"][0]["post_quantum"][0]["vkey"])
    log["post_quantum"][0]["vkey"] = str(post_quantum.PostQuantumKey(log["origin"], foreign.public))
    assert "log-post-quantum-missing" in found(signed, json.dumps(words).encode())[0]


def test_entries_after_the_last_line_are_not_covered(signed, monkeypatch):
    from archiver.flows import session

    with monkeypatch.context() as patch:
        patch.setattr(session, "cosign_heads", lambda *_: None)  # as if the run had been killed at its end
        signed.take()
    assert found(signed) == (["log-post-quantum-missing"], 3)
    signed.take()
    assert found(signed) == ([], 0)


def test_an_archive_gets_the_key_later_and_a_trust_file_from_before_stays_good(place, capsys):
    place.take()
    before = place.trust.read_bytes()
    place.write_policy(lambda text: text + KEYS)
    with pytest.raises(UsageError) as caught:
        place.take()
    assert (caught.value.code, "archiver key post-quantum" in caught.value.hint) == ("key-mismatch", True)
    capsys.readouterr()
    policy = str(place.root / "retention_policy.yaml")
    words = {"clock": place.clock, "random": place.random, "environ": {}}
    assert run(["-p", policy, "--json", "key", "post-quantum"], **words) == 0
    said = json.loads(capsys.readouterr().out)
    demand_published(said, "key post-quantum")
    assert found(place) == found(place, before) == ([], 0)
    assert run(["-p", policy, "key", "post-quantum"], **words) == 0
    assert len(lines(place)) == 1
    place.take()
    assert found(place) == found(place, before) == ([], 0)
    capsys.readouterr()
    assert run(["-p", policy, "--json", "key", "list"], **words) == 0
    assert "post-quantum" in [one["role"] for one in json.loads(capsys.readouterr().out)["keys"]]


def test_the_key_file_is_sealed_as_the_others_are(place):
    from archiver.flows.setup import set_up
    from archiver.signing.post_quantum import open_post_quantum

    place.write_policy(lambda text: text + KEYS.replace("{", "{passphrase: env:P, "))
    set_up(place.policy, clock=place.clock, random=place.random, environ={"P": "correct horse"})
    path = place.root / "keys/post-quantum.pem"
    assert b"ENCRYPTED" in path.read_bytes()
    assert len(open_post_quantum(path, b"correct horse").public_bytes) == 1952
    with pytest.raises(UsageError):
        open_post_quantum(path, b"wrong")
    with pytest.raises(UsageError, match="expected an ML-DSA-65 key"):
        open_post_quantum(place.root / "keys/log.pem", b"correct horse")


def test_openssl_reads_the_key_where_it_is_new_enough(signed):
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if tuple(map(int, version.split(".")[:2])) < (3, 5):
        pytest.skip(f"OpenSSL {version} has no ML-DSA; 3.5 is the first that has")
    words = ["openssl", "pkey", "-in", str(signed.root / "keys/post-quantum.pem"), "-noout", "-text"]
    assert b"ML-DSA-65" in subprocess.run(words, check=True, capture_output=True).stdout


def test_what_is_made_is_to_be_backed_up_and_what_is_trusted_is_shown(place, capsys):
    place.write_policy(lambda text: text + KEYS)
    words = {"clock": place.clock, "random": place.random, "environ": {}}
    policy = str(place.root / "retention_policy.yaml")
    assert run(["-p", policy, "--json", "init"], **words) == 0
    assert str(place.root / "keys/post-quantum.pem") in json.loads(capsys.readouterr().out)["back_up"]
    assert run(["trust", "show", str(place.trust)], **words) == 0
    assert ", ML-DSA-65" in capsys.readouterr().out


# a successor


def said(place, capsys, *words, status=0):
    place.later(hours=1)
    capsys.readouterr()
    policy = str(place.root / "retention_policy.yaml")
    assert run(["-p", policy, "--json", *words], clock=place.clock, random=place.random, environ={}) == status
    answer = json.loads(capsys.readouterr().out)
    demand_published(answer, " ".join(words[:2]))
    return answer


def seconds(place):
    keys = json.loads(place.trust.read_bytes())["logs"][0]["post_quantum"]
    return [(one["from_size"], one["to_size"]) for one in keys]


def whole(place):
    assert found(place) == ([], 0)
    assert [status for _, status in others_say(place.archive, place.trust)] == [0, 0]


@pytest.mark.parametrize("lost", [False, True])
def test_the_key_has_a_successor_whether_it_is_there_or_lost(signed, capsys, lost):
    before, key = signed.trust.read_bytes(), signed.root / "keys/post-quantum.pem"
    old = key.read_bytes()
    if lost:
        key.unlink()
    done = said(signed, capsys, "key", "rotate", "post-quantum")
    size = done["log"]["size"]
    assert (done["role"], done["finished"], seconds(signed)) == ("post-quantum", True, [(0, size), (size, None)])
    assert (done["set_aside"] is None, key.read_bytes() == old) == (lost, False)
    whole(signed)
    assert found(signed, before) == ([], 0)
    signed.take()
    whole(signed)
    assert found(signed, before) == (["log-post-quantum-missing"], 3)  # the auditor needs the new trust file
    said(signed, capsys, "key", "rotate", "post-quantum")
    signed.take()
    whole(signed)
    assert len(seconds(signed)) == 3


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["create_post_quantum", "put_in_place", "replace_trust", "_rotated"])
def test_a_rotation_that_was_stopped_is_finished_by_the_same_command(signed, capsys, monkeypatch, step, after):
    from archiver.errors import WorldError
    from archiver.flows.key import post_quantum as flow

    honest = getattr(flow, step)

    def stopping(*words, **more):
        if after:
            honest(*words, **more)
        raise WorldError("stopped", "stopped")

    with monkeypatch.context() as patch:
        patch.setattr(flow, step, stopping)
        said(signed, capsys, "key", "rotate", "post-quantum", status=5)
    done = said(signed, capsys, "key", "rotate", "post-quantum")
    assert (done["finished"], len(seconds(signed)), done["old"] != done["new"]) == (True, 2, True)
    signed.take()
    whole(signed)
    assert not (signed.root / "keys/post-quantum.pem.next").exists()


def test_a_successor_elsewhere_waits_for_the_policy(signed, capsys):
    there = f"file:{signed.root}/new/pq.pem"
    (signed.root / "new").mkdir()
    done = said(signed, capsys, "key", "rotate", "post-quantum", "--to", there)
    assert (done["finished"], len(seconds(signed))) == (False, 1)
    signed.take()
    signed.write_policy(lambda text: text + KEYS.replace("file:keys/post-quantum.pem", there))
    done = said(signed, capsys, "key", "rotate", "post-quantum")
    assert (done["finished"], len(seconds(signed))) == (True, 2)
    signed.take()
    whole(signed)


def test_a_revoked_key_is_followed_and_forgotten(signed, capsys):
    vkey = json.loads(signed.trust.read_bytes())["logs"][0]["post_quantum"][0]["vkey"]
    keyid = post_quantum.parse_vkey(vkey).keyid
    words = ("key", "revoke", keyid[:12], "--since", "2026-11-23T00:00:00Z", "--reason", "stolen")
    done = said(signed, capsys, *words)
    assert (done["role"], done["state"], done["statements"]) == ("post-quantum", "revoked", [])
    assert vkey not in signed.trust.read_text()
    whole(signed)
    signed.take()
    whole(signed)
    assert said(signed, capsys, *words, status=2)["error"]["code"] == "no-such-key"


def test_a_retired_key_can_be_revoked_later_and_the_one_in_place_is_not_retired(signed, capsys):
    old = said(signed, capsys, "key", "rotate", "post-quantum")["old"]
    keys = {one["keyid"]: one["state"] for one in said(signed, capsys, "key", "list")["keys"] if "post" in one["role"]}
    current = next(keyid for keyid, state in keys.items() if state == "current")
    refused = said(signed, capsys, "key", "retire", current[:12], "--reason", "x", status=2)
    assert (refused["error"]["code"], keys[old]) == ("key-in-use", "retired")
    said(signed, capsys, "key", "revoke", old[:12], "--since", "2026-11-23T00:00:00Z", "--reason", "stolen")
    assert len(seconds(signed)) == 1
    whole(signed)


def test_what_is_no_successor_is_refused(place, signed, capsys):
    there = signed.root / "keys/post-quantum.pem"
    words = ("key", "rotate", "post-quantum", "--to")
    codes = [
        said(signed, capsys, *words, to, status=2)["error"]["code"]
        for to in (f"file:{there}", "pkcs11:token=t;object=o?module-path=/x.so&pin-source=env:P")
    ]
    assert codes == ["key-not-new", "key-place"]
    assert len(seconds(signed)) == 1


def test_an_archive_without_such_a_key_has_none_to_rotate(place, capsys):
    place.take()
    assert said(place, capsys, "key", "rotate", "post-quantum", status=2)["error"]["code"] == "key-place"
    place.write_policy(lambda text: text + KEYS)
    assert said(place, capsys, "key", "rotate", "post-quantum", status=2)["error"]["code"] == "key-mismatch"
