"""What speaks of the archive speaks of each of its destinations: plans, declarations, bucket policies, releases."""

from __future__ import annotations

import csv
import json

import pytest
from answer_schema import demand_published

from archiver.cli.entry import run
from archiver.errors import UsageError
from archiver.flows.doctor.printed import print_policies
from archiver.flows.hold.release import make_request, release
from archiver.flows.session import own_trust
from archiver.judge.verify import verify
from archiver.model.statement_holds import encode_request
from archiver.signing.file import create_p256
from archiver.stores.folder import FolderStore
from tests.e2e.test_destinations import folder, with_two
from tests.e2e.test_hold_release import CONSENT, admitted, approval

BUCKETS = """\
  - {id: vault, location: "s3://evidence/eu", region: eu-west-1}
  - {id: elsewhere, location: "s3://other", endpoint: "https://s3.example", region: eu-west-1}
  - {id: paper, location: ./paper}
"""


@pytest.fixture
def two(filled):
    return with_two(filled)


@pytest.fixture
def answer(filled, capsys):
    def answered(*words, code=0):
        policy = ["-p", str(filled.root / "retention_policy.yaml"), "--json"]
        status = run([*policy, *map(str, words)], clock=filled.clock, random=filled.random, environ={})
        found = json.loads(capsys.readouterr().out)
        assert (status, found["exit"]) == (code, code), found
        demand_published(found, found["command"])
        return found

    return answered


def test_a_plan_names_every_destination(two, answer, capsys):
    planned = answer("plan")["destinations"]
    assert [(one["id"], one["destination"]["location"]) for one in planned] == [
        ("vault", "./archive"),
        ("second", "./second"),
    ]
    run(["-p", str(two.root / "retention_policy.yaml"), "plan"], clock=two.clock, random=two.random, environ={})
    lines = capsys.readouterr().out.split("\n")
    assert [line for line in lines if line.startswith(("destination ", "bucket "))] == [
        "destination   vault",
        f"bucket        {two.archive}",
        "destination   second",
        f"bucket        {two.root / 'second'}",
    ]


def test_a_policy_is_printed_for_each_bucket(filled, answer):
    filled.write_policy(lambda text: text.replace("  - {id: vault, location: ./archive}\n", BUCKETS))
    found = answer("doctor", "policy", "writer", "witness")["buckets"]
    assert [(one["bucket"], one["destination"]) for one in found] == [("evidence", "vault"), ("other", "elsewhere")]
    for one, keys in zip(found, ("evidence/eu/*", "other/*"), strict=True):
        reads = {each["Sid"]: each["Resource"] for each in one["document"]["Statement"]}
        assert reads["ArchiverWriterReads"] == [f"arn:aws:s3:::{keys}"]
        assert len(reads) == len(one["document"]["Statement"])
    (alone,) = answer("doctor", "policy", "writer", "witness", "--destination", "elsewhere")["buckets"]
    assert alone == found[1]
    assert answer("doctor", "policy", "writer", "--destination", "paper", code=2)["error"]["code"] == "no-bucket"
    with pytest.raises(UsageError, match="expected one of vault, elsewhere, paper"):
        print_policies(filled.policy, [("writer", None)], clock=filled.clock, only="nowhere")


def test_a_declaration_says_where_else_the_records_are(two, answer, tmp_path):
    two.take()
    answer("declare", "-o", tmp_path / "out", "--no-pdf", "--destination", "second")
    text = (tmp_path / "out" / "declaration.md").read_text().replace("\\", "")
    objects = sum(1 for _ in folder(two, "second").list("data/documents/"))
    objects += sum(1 for _ in folder(two, "second").list("data/model_logs/"))
    for place in (two.archive, two.root / "second"):
        assert f"folder, {place}: {objects} of {objects} objects" in text
    assert "Also kept in vault" in text
    assert "Also kept in second" not in text
    with (tmp_path / "out" / "exhibit-b-batches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["bucket"] for row in rows} == {str(two.archive), str(two.root / "second")}
    assert len(rows) == 2 * objects
    assert answer("declare", "-o", tmp_path / "no", "--destination", "third", code=2)["error"]["code"] == (
        "no-such-destination"
    )


def legal_holds(place, name, keys=None):
    store = folder(place, name)
    return {store.stat(one.key).lock.legal_hold for one in store.list() if keys is None or one.key in keys}


def test_a_release_lets_go_in_one_destination_and_in_the_other_by_a_request_of_its_own(two, tmp_path):
    two.take()
    signers = [create_p256(tmp_path / f"approver-{name}.pem", None) for name in ("a", "b")]
    for signer in signers:
        admitted(two, signer)
    words = {"clock": two.clock, "listener": two.listener}
    requests = {
        name: encode_request(make_request(two.policy, "CASE-1", CONSENT, of=name, **words))
        for name in ("vault", "second")
    }
    before = {name: {one.key for one in folder(two, name).list()} for name in ("archive", "second")}

    def let_go(name):
        two.later(minutes=1)
        signed = [approval(two, requests[name], one) for one in signers]
        more = {"random": two.random, "environ": {}, "confirm": lambda _plan: None}
        return release(two.policy, "CASE-1", CONSENT, requests[name], signed, **words, **more)

    def bad(name):
        report = verify(
            FolderStore(two.root / name, location=name, clock=two.clock),
            own_trust(two.policy).encode(),
            clock=two.clock,
        )
        return [(one.code, one.subject) for one in report.findings if one.severity != "note"], int(report.exit)

    first = let_go("vault")
    assert (first.released, first.failures) == (len(before["archive"]), ())
    assert legal_holds(two, "archive", before["archive"]) == {False}
    assert legal_holds(two, "second") == {True}
    assert (bad("archive"), bad("second")) == (([], 0), ([], 0))

    second = let_go("second")
    assert (second.released, second.failures) == (len(before["second"]), ())
    assert legal_holds(two, "second", before["second"]) == {False}
    assert (bad("archive"), bad("second")) == (([], 0), ([], 0))
    assert first.statement != second.statement
