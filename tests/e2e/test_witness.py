"""A witness and an operator at work, in a folder and in a bucket: what is handed over, refused and said."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import boto3
import botocore.client
import pytest
from answer_schema import demand_published
from moto import mock_aws

from archiver.cli import run
from archiver.flows.status.status import status
from archiver.proof import checkpoint, cosignature, merkle, note
from archiver.signing.file import open_ed25519

BUCKET = "evidence-bucket"


@pytest.fixture
def call(filled, capsys):
    """Run a command as the operator or the witness would; return its answer."""

    def answered(*arguments, code=0):
        capsys.readouterr()
        found_status = run(["--json", *map(str, arguments)], clock=filled.clock, random=filled.random, environ={})
        found = json.loads(capsys.readouterr().out)
        assert (found_status, found["exit"]) == (code, code), found
        demand_published(found, found["command"])
        return found

    return answered


@pytest.fixture
def parties(filled, call):
    """An organisation with a snapshot, a policy to name, and a witness that both sides know."""
    filled.take()
    policy = ["-p", filled.root / "retention_policy.yaml"]
    home = filled.root / "counsel"
    made = call("witness", "init", "--name", "counsel.example", "--home", home)
    call(*policy, "trust", "witness", made["vkey"])
    return filled, policy, home, made["vkey"]


def look(call, filled, home, name="cosigned", **options):
    output = filled.root / name
    found = call(
        "witness", "look", "--home", home, "--archive", filled.archive, "--trust", filled.trust, "-o", output, **options
    )
    return output, found


def codes(found):
    return {one["code"]: one["severity"] for one in found["findings"] if "witness" in one["code"]}


def test_what_a_witness_cosigns_is_demanded_kept_and_said(parties, call):
    filled, policy, home, vkey = parties
    place = ["--archive", filled.archive, "--trust", filled.trust]
    assert codes(call("verify", *place, code=3)) == {"log-witness-missing": "unknown"}
    assert call(*policy, "status", code=3)["witnesses"] == [
        {"name": "counsel.example", "vkey": vkey, "size": 0, "at": None}
    ]
    output, looked = look(call, filled, home)
    assert call("witness", "show", "--home", home)["logs"][0]["size"] == looked["size"]
    kept = call(*policy, "witness", "add", output)["cosignatures"]
    assert [(one["size"], one["fresh"]) for one in kept] == [(looked["size"], True)]
    report = call("verify", *place)
    assert codes(report) == {}
    seen = {"name": "counsel.example", "vkey": vkey, "size": looked["size"], "at": looked["at"]}
    assert report["witnesses"] == [seen]
    assert call(*policy, "status")["witnesses"] == [seen] == call("status", *place)["witnesses"]
    assert {one["state"] for one in call(*policy, "doctor")["items"] if one["code"] == "witness"} == {"ok"}


def test_a_witness_that_stops_looking_is_missed_by_all(parties, call):
    filled, policy, home, _ = parties
    call(*policy, "witness", "add", look(call, filled, home)[0])
    filled.later(days=8)
    filled.take()
    found = call(*policy, "status", code=3)
    assert [one for one in found["reasons"] if "counsel.example" in one]
    doctored = call(*policy, "doctor", code=3)
    assert {one["state"] for one in doctored["items"] if one["code"] == "witness"} == {"unknown"}
    report = call("verify", "--archive", filled.archive, "--trust", filled.trust, code=3)
    assert codes(report) == {"log-witness-behind": "unknown"}


def test_a_lost_state_folder_learns_again_what_witnesses_have_seen(parties, call):
    filled, policy, home, _ = parties
    call(*policy, "witness", "add", look(call, filled, home)[0])
    before = call(*policy, "status")["witnesses"]
    (filled.policy.state / "witnesses.json").write_bytes(b"{")
    assert call(*policy, "status", code=5)["error"]["code"] == "state-folder"
    call(*policy, "catalog", "rebuild")
    assert call(*policy, "status")["witnesses"] == before


def test_a_cosigned_checkpoint_may_be_brought_as_what_was_seen(parties, call):
    filled, _, home, _ = parties
    place = ["--archive", filled.archive, "--trust", filled.trust]
    output, _ = look(call, filled, home)
    newest = max(int(path.name) for path in (filled.archive / "log" / "entries").iterdir())
    (filled.archive / "log" / "entries" / f"{newest:012d}").unlink()
    (filled.archive / "log" / "checkpoints" / f"{newest + 1:012d}").unlink()
    found = call("verify", *place, "--seen", output, code=1)
    assert "log-rollback" in {one["code"] for one in found["findings"]}


@pytest.fixture
def forged(parties):
    """Make a cosigned checkpoint of anything, with the log's own key and the witness's."""
    filled, _, home, _ = parties
    log, counsel = (open_ed25519(path, None) for path in (filled.root / "keys" / "log.pem", home / "key.pem"))
    origin = json.loads(filled.trust.read_bytes())["logs"][0]["origin"]

    def make(*, size, root=b"\x07" * 32, name=origin, witness="counsel.example", bad=False):
        head = checkpoint.Checkpoint(name, size, root)
        line = cosignature.cosign(head.text(), int(filled.now.timestamp()), witness, counsel)
        if bad:
            line = note.NoteSignature(line.name, line.key_hash, line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
        path = filled.root / "forged"
        path.write_bytes(checkpoint.sign(head, log) + str(line).encode())
        return path

    return make


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        ({"size": 3}, ("log-fork", 1)),
        ({"size": 999}, ("log-rollback", 1)),
        ({"size": 3, "name": "other/log"}, ("cosignature-refused", 2)),
        ({"size": 3, "witness": "somebody.else"}, ("log-fork", 1)),
        ({"size": 3, "root": None, "witness": "somebody.else"}, ("cosignature-refused", 2)),
        ({"size": 3, "root": None, "bad": True}, ("signature-invalid", 1)),
    ],
    ids=["another root", "a longer log", "another log", "another root, by a stranger", "a stranger", "a bad signature"],
)
def test_what_does_not_belong_here_is_not_kept(parties, call, forged, edit, refusal):
    filled, policy, _, _ = parties
    if edit.get("root", b"") is None:
        tree = merkle.Frontier()
        for position in range(3):
            tree.append(merkle.leaf_hash((filled.archive / "log" / "entries" / f"{position:012d}").read_bytes()))
        edit = {**edit, "root": tree.root()}
    found = call(*policy, "witness", "add", forged(**edit), code=refusal[1])
    assert found["error"]["code"] == refusal[0]
    assert not (filled.archive / "log" / "cosignatures").exists()


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\xff" * 10, b"a text\n\n\xe2\x80\x94 name AAAAAAA=\n"])
def test_what_is_no_cosigned_checkpoint_is_refused(parties, call, data):
    filled, policy, _, _ = parties
    path = filled.root / "rubbish"
    path.write_bytes(data)
    assert call(*policy, "witness", "add", path, code=2)["error"]["code"] == "cosignature-refused"


def test_a_sealed_key_wants_its_passphrase(parties, call, tmp_path):
    filled, _, _, _ = parties
    (tmp_path / "words").write_bytes(b"correct horse\n")
    (tmp_path / "words").chmod(0o600)
    home, sealed = tmp_path / "sealed", ["--passphrase", f"file:{tmp_path / 'words'}"]
    call("witness", "init", "--name", "sealed", "--home", home, *sealed)
    place = ["witness", "look", "--home", home, "--archive", filled.archive, "--trust", filled.trust]
    assert call(*place, code=2)["error"]["code"] == "key-sealed"
    assert call(*place, *sealed)["before"] is None


@pytest.fixture
def bucket(filled, monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    place = f'{{id: vault, location: "s3://{BUCKET}/evidence", region: eu-west-1}}'
    filled.write_policy(lambda text: text.replace("{id: vault, location: ./archive}", place))
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1")
        region = {"LocationConstraint": "eu-west-1"}
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=region)
        yield client


@pytest.fixture
def asked(monkeypatch):
    """Record what is asked of S3."""
    calls = []
    real = botocore.client.BaseClient._make_api_call

    def recorded(self, name, words):
        calls.append(name)
        return real(self, name, words)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
    return calls


def test_a_look_at_a_bucket_only_reads_and_one_that_puts_locks(filled, call, bucket, asked):
    filled.take()
    home = filled.root / "counsel"
    call("witness", "init", "--name", "counsel.example", "--home", home)
    place = ["--archive", f"s3://{BUCKET}/evidence", "--region", "eu-west-1", "--trust", filled.trust]
    asked.clear()
    first = call("witness", "look", "--home", home, *place)
    assert {name for name in asked if not name.startswith(("Get", "List", "Head"))} == set()
    filled.take()
    filled.later(hours=1)
    asked.clear()
    second = call("witness", "look", "--home", home, *place, "--put")
    assert (first["before"], second["before"]) == (None, first["size"])
    # more than one: what was put is sent again, to learn what this store refuses, and it refuses nothing
    assert {name for name in asked if name.startswith(("Put", "Delete"))} == {"PutObject"}
    head = bucket.head_object(Bucket=BUCKET, Key=f"evidence/{second['kept']['key']}")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON")
    assert head["ObjectLockRetainUntilDate"] - timedelta(days=1) > filled.now
    line = second["line"].split(" ")
    assert base64.b64decode(line[2])[:4].hex() == second["kept"]["key"].rpartition("/")[2]


def test_the_status_of_an_organisation_without_witnesses_says_nothing_of_them(filled):
    filled.take()
    assert status(filled.policy, clock=filled.clock).witnesses == ()
