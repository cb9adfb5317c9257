"""A witness on a store that enforces who may do what: it reads the log alone, and others bring its cosignature in."""

from __future__ import annotations

import dataclasses
import json
import secrets

import pytest
from real_organisation import PREFIX, move_in, now, store_of, until

from archiver.cli import run
from archiver.flows.doctor.printed import print_policies


@pytest.fixture
def place(organisations, ceph, monkeypatch):
    """An archive on Ceph with a writer, an auditor and a witness, each under the policy that the doctor prints."""
    place = organisations(until=until(minutes=20))
    place.bucket, place.owner = move_in(place, ceph, monkeypatch), ceph
    place.users = {}
    for role, may in (("writer", "readwrite"), ("auditor", "read"), ("witness", "read")):
        name = f"{role}{secrets.token_hex(4)}"
        ceph.server.add_subuser("root-admin", name, f"key-{name}", f"secret-{name}", may=may)
        user = dataclasses.replace(ceph, access=f"key-{name}", secret=f"secret-{name}")
        place.users[role] = (f"arn:aws:iam:::user/root-admin:{name}", user)
    (printed,) = print_policies(place.policy, [(role, name) for role, (name, _) in place.users.items()], clock=now)
    ceph.client().put_bucket_policy(Bucket=place.bucket, Policy=json.dumps(printed.document))
    (place.papers / "memo.txt").write_bytes(b"keep everything\n")
    (place.logs / "chat.jsonl").write_bytes(b"{}\n")
    place.users["writer"][1].enter(monkeypatch)
    assert place.take().exit == 0
    return place


@pytest.fixture
def call(place, capsys, monkeypatch):
    """Run a command with somebody's credentials; return its answer."""

    def answered(role, *arguments, code=0):
        place.users[role][1].enter(monkeypatch)
        capsys.readouterr()
        status = run(["--json", *map(str, arguments)], clock=now, random=place.random, environ={})
        found = json.loads(capsys.readouterr().out)
        assert (status, found["exit"]) == (code, code), found
        return found

    return answered


def archive(place):
    at = ["--archive", f"s3://{place.bucket}/{PREFIX}", "--endpoint-url", place.owner.endpoint, "--region", "us-east-1"]
    return [*at, "--trust", place.trust]


def test_a_witness_who_may_read_the_log_alone_is_demanded_by_an_auditor(place, call, monkeypatch):
    policy, home = ["-p", place.root / "retention_policy.yaml"], place.root / "counsel"
    vkey = call("witness", "witness", "init", "--name", "counsel.example", "--home", home)["vkey"]
    call("writer", *policy, "trust", "witness", vkey)
    look = ["witness", "look", "--home", home, *archive(place)]
    verify = ["verify", *archive(place), "--require-witnesses", "1"]
    first = call("witness", *look, "-o", place.root / "first")
    assert (first["before"], first["unknown"]) == (None, [])
    call("auditor", *verify, code=3)  # nobody has brought the cosignature in
    kept = call("writer", *policy, "witness", "add", place.root / "first")["cosignatures"]
    assert [(one["size"], one["fresh"]) for one in kept] == [(first["size"], True)]
    assert [one["size"] for one in call("auditor", *verify)["witnesses"]] == [first["size"]]

    place.owner.enter(monkeypatch)
    for folder in ("log/checkpoints/", "log/entries/", "log/cosignatures/"):  # hidden, and still there
        for version in list(store_of(place).list(folder)):
            place.owner.client().delete_object(Bucket=place.bucket, Key=f"{PREFIX}/{version.key}")
    (place.papers / "more.txt").write_bytes(b"more\n")
    place.users["writer"][1].enter(monkeypatch)
    assert place.take().exit == 0
    second = call("witness", *look, "-o", place.root / "second")
    assert (second["before"], second["size"] > first["size"]) == (first["size"], True)
    call("writer", *policy, "witness", "add", place.root / "second")
    assert [one["size"] for one in call("auditor", *verify, code=3)["witnesses"]] == [second["size"]]


def test_a_witness_sees_no_evidence_and_puts_nothing(place, call, monkeypatch):
    home = place.root / "counsel"
    vkey = call("witness", "witness", "init", "--name", "counsel.example", "--home", home)["vkey"]
    call("writer", "-p", place.root / "retention_policy.yaml", "trust", "witness", vkey)
    before = [version.key for version in store_of(place).list()]
    refused = call("witness", "witness", "look", "--home", home, *archive(place), "--put", code=5)
    assert refused["error"]["code"] == "store-denied"
    assert [version.key for version in store_of(place).list()] == before
    client = place.users["witness"][1].client()
    for folder in ("data/", "policies/", "reports/"):
        for key in {key for key in before if key.startswith(folder)}:
            with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
                client.get_object(Bucket=place.bucket, Key=f"{PREFIX}/{key}")
    assert any(key.startswith("data/") for key in before)
