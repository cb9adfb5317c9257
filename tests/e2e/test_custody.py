"""The chain of custody of an item: everything that the log says of it, in four forms."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from answer_schema import demand_published
from lxml import etree

from archiver.cli import run

ROOT = Path(__file__).resolve().parent.parent.parent
PREMIS = {"p": "http://www.loc.gov/premis/v3"}


@pytest.fixture
def ask(filled, capsys):
    def call(*arguments, policy=True):
        head = ["-p", str(filled.root / "retention_policy.yaml")] if policy else []
        status = run([*head, *map(str, arguments)], clock=filled.clock, random=filled.random, environ={})
        return status, capsys.readouterr().out

    return call


@pytest.fixture
def chain(ask):
    def call(item, *options):
        status, out = ask("--json", "custody", item, *options)
        answer = json.loads(out)
        demand_published(answer, "custody")
        return status, answer

    return call


@pytest.fixture
def schema():
    return etree.XMLSchema(etree.parse(ROOT / "tests/vectors/premis-v3-0.xsd"))


@pytest.fixture
def lived(filled, ask, tmp_path):
    """An archive with a past: collected, restored, proved, verified, changed at its source, gone from it."""
    memo = filled.papers / "jdoe" / "memo.txt"
    filled.take()
    ask("restore", "--to", tmp_path / "all", "--reason", "question 4")
    ask("restore", "--to", tmp_path / "logs", "--source", "logs")
    ask("prove", "logs/chat.jsonl", 0, "-o", tmp_path / "proof")
    ask("verify")
    filled.take()
    memo.write_bytes(b"keep everything, and more\n")
    filled.take()
    memo.unlink()
    filled.take()
    return filled


def kinds(answer):
    return [one["kind"] for one in answer["events"]]


def test_the_chain_tells_an_item_from_its_collection_to_now(lived, chain):
    status, answer = chain("papers/jdoe/memo.txt")
    assert status == 0
    told = [kind for kind in kinds(answer) if kind != "stored"]
    assert told == [
        "archive", "policy", "collected", "accessed", "accessed", "verified", "seen", "collected", "absent", "checked",
    ]  # fmt: skip
    assert (answer["custodian"], answer["matters"], answer["size"]) == ("Doe, Jane", ["CASE-1"], 26)
    first = next(one for one in answer["events"] if one["kind"] == "collected")
    assert first["user"]
    assert "custodian Doe, Jane" in first["what"]
    assert {one["why"] for one in answer["events"] if one["kind"] == "accessed"} == {"question 4"}
    entries = [one["entry"] for one in answer["events"][:-1]]
    assert entries == sorted(entries)
    for one in answer["events"][:-1]:
        assert (lived.archive / one["statement"]).exists()


def test_an_access_is_told_of_what_it_was_about_and_of_nothing_else(lived, chain):
    accesses = [one["what"].split(":")[0] for one in chain("logs/chat.jsonl")[1]["events"] if one["kind"] == "accessed"]
    assert accesses == ["restore begun", "restore ok", "restore begun", "restore ok", "prove begun", "prove ok"]
    assert kinds(chain("logs/plain.log")[1]).count("accessed") == 4


def test_what_was_only_seen_has_a_chain_too(lived, chain):
    status, answer = chain("papers/~$memo.docx")
    assert (status, answer["size"], answer["sha256"]) == (0, None, None)
    assert "not-collected" in kinds(answer)


def test_an_item_that_the_log_never_named_is_refused(lived, ask):
    status, out = ask("--json", "custody", "papers/nothing")
    assert (status, json.loads(out)["error"]["code"]) == (2, "no-such-item")


def test_a_changed_object_is_found_now(lived, chain):
    batch = min(lived.archive.glob("data/model_logs/*/*.parquet"))
    batch.chmod(0o600)
    batch.write_bytes(batch.read_bytes()[:-9] + b"123456789")
    status, answer = chain("logs/chat.jsonl")
    assert (status, answer["events"][-1]["verdict"]) == (1, "failed")


def test_an_auditor_reads_the_same_chain(lived, chain, ask):
    auditor = ("--archive", lived.archive, "--trust", lived.trust)
    _, out = ask("--json", "custody", "papers/jdoe/memo.txt", *auditor, policy=False)
    assert json.loads(out)["events"][:-1] == chain("papers/jdoe/memo.txt")[1]["events"][:-1]


def test_csv_opens_in_a_spreadsheet_and_does_nothing_there(filled, ask):
    (filled.papers / '=cmd|\' !A1,"x"').write_bytes(b"a name that is a formula\n")
    filled.write_policy(lambda text: text.replace('"Doe, Jane", paths: ["jdoe/**"]', '"=1+1", paths: ["**"]'))
    filled.take()
    status, out = ask("custody", 'papers/=cmd|\' !A1,"x"', "--format", "csv")
    assert status == 0
    assert out.count("\r\n") == out.count("\n")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert rows[-1]["kind"] == "checked"
    assert {row["path"] for row in rows} == {"'=cmd|' !A1,\"x\""}
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+-@\t\r" and cell]


def test_premis_is_valid_by_the_schema_of_the_library_of_congress(lived, ask, schema, tmp_path):
    for number, item in enumerate(("papers/jdoe/memo.txt", "papers/~$memo.docx", "logs/chat.jsonl", "papers/jdoe")):
        file = tmp_path / f"{number}.xml"
        assert ask("custody", item, "--format", "premis", "-o", file)[0] == 0
        found = etree.parse(file)
        schema.assertValid(found)
    found = etree.parse(tmp_path / "2.xml")
    events = found.findall("p:event", PREMIS)
    linked = {one.text for one in found.iterfind(".//p:linkingAgentIdentifierValue", PREMIS)}
    agents = {one.text for one in found.iterfind(".//p:agentIdentifierValue", PREMIS)}
    objects = {one.text for one in found.iterfind(".//p:objectIdentifierValue", PREMIS)}
    assert linked == agents
    assert {one.text for one in found.iterfind(".//p:linkingObjectIdentifierValue", PREMIS)} <= objects
    identities = [one.findtext(".//p:eventIdentifierValue", namespaces=PREMIS) for one in events]
    assert len(set(identities)) == len(identities)


def test_the_schema_would_find_what_is_wrong(lived, ask, schema):
    found = etree.fromstring(ask("custody", "papers/empty", "--format", "premis")[1].encode())
    assert schema.validate(found)
    event = found.find("p:event", PREMIS)
    event.remove(event.find("p:eventDateTime", PREMIS))
    assert not schema.validate(found)


def test_names_that_xml_cannot_hold_are_escaped(filled, ask, schema):
    (filled.papers / "bell\x07<&>\u200b.txt").write_bytes(b"x")
    filled.take()
    status, out = ask("custody", "papers/bell%07<&>\u200b.txt", "--format", "premis")
    assert status == 0
    schema.assertValid(etree.fromstring(out.encode()))


def test_a_year_of_daily_looks_is_folded_for_people(filled, ask, chain):
    for _ in range(5):
        filled.take()
    _, text = ask("custody", "papers/empty")
    assert "links like this; --json lists them all" in text
    assert kinds(chain("papers/empty")[1]).count("seen") == 4


def test_a_hold_and_its_locks_are_in_the_chain(filled, ask, chain, tmp_path):
    filled.take()
    (tmp_path / "order.pdf").write_bytes(b"keep longer")
    assert ask("hold", "extend", "CASE-1", "--until", "2027-07-01T12:00:00Z", "--instrument", tmp_path / "order.pdf",
               "--yes")[0] == 0  # fmt: skip
    answer = chain("papers/jdoe/memo.txt")[1]
    assert [kind for kind in kinds(answer) if kind in ("held", "locked")] == ["held", "locked"]
    assert "until 2027-07-01T12:00:00Z" in answer["events"][-1]["what"]
