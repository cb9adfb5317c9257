"""Declarations are filled in from a verified archive, say how each figure is checked, and are stated in the log."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from answer_schema import demand_published

from archiver.cli import run
from archiver.flows.declare.blocks import Document, Fact, Facts, Paragraph, Table
from archiver.flows.declare.markdown import escaped, to_markdown
from archiver.flows.declare.pdf import to_pdf
from archiver.flows.reading import open_reading

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = {
    "SHA256SUMS", "certificate-902-14.md", "certificate-902-14.pdf", "declaration.md", "declaration.pdf",
    "exhibit-a-items.csv", "exhibit-b-batches.csv",
}  # fmt: skip


@pytest.fixture
def declared(filled, capsys):
    filled.take()

    def call(to, *options, policy=True):
        head = ["-p", str(filled.root / "retention_policy.yaml")] if policy else []
        arguments = [*head, "--json", "declare", "-o", str(to), *map(str, options)]
        status = run(arguments, clock=filled.clock, random=filled.random, environ={})
        answer = json.loads(capsys.readouterr().out)
        demand_published(answer, "declare")
        return status, answer

    return call


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def figures(path, *names):
    """Return the values of facts, by name, from the Markdown."""
    rows = re.findall(r"^\| ([^|]*) \| (.*?) \| ", path.read_text(), re.MULTILINE)
    found = {name: value.replace("\\", "") for name, value in rows}
    return tuple(found[name] for name in names)


def test_a_declaration_of_a_snapshot_says_what_the_archive_has(declared, filled, tmp_path, verified):
    status, answer = declared(tmp_path / "out", "--reason", "for counsel")
    assert (status, answer["verdict"], set(answer["files"])) == (0, "ok", NAMES)
    for name, sha256 in answer["files"].items():
        assert digest(tmp_path / "out" / name) == sha256
    exhibit = rows_of(tmp_path / "out/exhibit-a-items.csv")
    assert len(exhibit) == answer["items"]
    assert sum(int(row["size"]) for row in exhibit) == answer["bytes"]
    for row in exhibit:
        if not row["inside"]:
            assert digest((filled.papers if row["source"] == "papers" else filled.logs) / row["path"]) == row["sha256"]
    text = (tmp_path / "out/declaration.md").read_text()
    for line in rows_of(tmp_path / "out/exhibit-b-batches.csv"):
        assert digest(filled.archive / line["key"]) == line["sha256"]
        assert line["sha256"] in text
    for name in ("exhibit-a-items.csv", "exhibit-b-batches.csv"):
        assert answer["files"][name] in text
    verified(filled)


def test_the_figures_of_the_log_are_those_that_were_verified(declared, filled, tmp_path):
    declared(tmp_path / "out")
    log, root, trust = figures(tmp_path / "out/declaration.md", "Log", "Root of the log", "Trust file, SHA-256")
    size = int(re.search(r"(\d+) entries", log)[1])
    head = (filled.archive / f"log/checkpoints/{size:012d}").read_text().splitlines()
    assert base64.b64decode(head[2]).hex() == root
    assert digest(filled.trust) == trust.partition(" (")[0].replace(" ", "")


def test_what_was_declared_is_stated_and_kept_in_the_archive(declared, filled, tmp_path, verified):
    _, answer = declared(tmp_path / "out", "--item", "papers/jdoe/memo.txt", "--reason", "for counsel")
    with open_reading(filled.policy, None, clock=filled.clock, listener=lambda _: None) as reading:
        begun, ended = (one for _, one, _ in reading.archive.statements("access"))
    assert (begun.predicate.verdict, ended.predicate.verdict, ended.predicate.why) == ("begun", "ok", "for counsel")
    assert answer["stated"] == [begun.key, ended.key]
    kept = {subject.name.rpartition("/")[2]: subject.digest.sha256 for subject in ended.subject}
    for name in ("declaration.md", "declaration.pdf", "certificate-902-14.md", "certificate-902-14.pdf"):
        assert kept[name] == answer["files"][name]
        assert (filled.archive / f"reports/{kept[name]}/{name}").exists()
    verified(filled)


def test_one_item_comes_with_its_chain_and_its_hash(declared, filled, tmp_path):
    _, answer = declared(tmp_path / "out", "--item", "papers/jdoe/memo.txt")
    chain = rows_of(tmp_path / "out/exhibit-c-custody.csv")
    assert chain[-1]["kind"] == "checked"
    (sha256,) = figures(tmp_path / "out/declaration.md", "SHA-256 of its bytes")
    assert (answer["items"], sha256) == (1, digest(filled.papers / "jdoe/memo.txt"))


def test_a_batch_is_declared_with_the_items_in_it(declared, filled, tmp_path):
    key = min(filled.archive.glob("data/model_logs/*/*.parquet"))
    _, answer = declared(tmp_path / "out", "--batch", key.stem)
    rows = rows_of(tmp_path / "out/exhibit-a-items.csv")
    assert {row["source"] for row in rows} == {"logs"}
    assert answer["items"] == len(rows) > 0


def test_the_same_clock_and_archive_give_the_same_bytes(declared, filled, tmp_path):
    auditor = ("--archive", filled.archive, "--trust", filled.trust)
    first = declared(tmp_path / "one", *auditor, policy=False)[1]
    second = declared(tmp_path / "two", *auditor, policy=False)[1]
    assert first["files"] == second["files"]
    assert first["stated"] == []


def test_of_an_archive_that_fails_nothing_is_declared(declared, filled, tmp_path):
    batch = min(filled.archive.glob("data/model_logs/*/*.parquet"))
    batch.chmod(0o600)
    batch.write_bytes(batch.read_bytes()[:-9] + b"123456789")
    status, answer = declared(tmp_path / "out")
    assert (status, answer["error"]["code"], (tmp_path / "out").exists()) == (1, "archive-failed", False)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--snapshot", "20200101T000000Z-aaaaaa"), "no-such-snapshot"),
        (("--batch", "20200101T000000Z-aaaaaa-items-00000000"), "no-such-batch"),
        (("--item", "papers/nothing"), "no-such-item"),
        (("--item", "papers"), "usage"),
        (("--item", "papers/empty", "--batch", "x"), "usage"),
        (("--font", "/nowhere.ttf"), "font-refused"),
    ],
)
def test_what_cannot_be_declared_is_refused_and_leaves_nothing(declared, tmp_path, options, code):
    status, answer = declared(tmp_path / "out", *options)
    assert (status, answer["error"]["code"], (tmp_path / "out").exists()) == (2, code, False)


def test_nothing_is_claimed_that_was_not_measured(declared, tmp_path):
    declared(tmp_path / "out")
    text = (tmp_path / "out/declaration.md").read_text()
    assert "0 of 2 objects are covered by a timestamp" in text.replace("3 objects", "2 objects")
    assert "times are claims of the operator's machine" in text
    assert "a folder shows changes, it does not prevent them" in text
    assert "compliant" not in text.lower()
    for blank in ("Signature", "Name in print", "Title or position", "Place", "Date"):
        assert f"{blank}: \\_" in text


def test_markdown_and_pdf_say_the_same_and_no_name_can_be_more_than_text(organisation, tmp_path):
    names = "Łukasz Żółw, Σωκράτης, Дмитрий, <b>bold</b> | *x* & [a](b)"
    blocks = (Paragraph(names), Facts((Fact("Who", names, "archiver show <x>"),)), Table(("A",), ((names,),), (1.0,)))
    document = Document("d", "A title", "foot", blocks)
    made = to_pdf(document, at=organisation.now, font=None)
    assert made.unknown == ()
    assert made.data == to_pdf(document, at=organisation.now, font=None).data
    assert b"D:20261123120000" in made.data
    assert escaped(names) in to_markdown(document)
    if shutil.which("pdftotext"):
        (tmp_path / "d.pdf").write_bytes(made.data)
        text = subprocess.run(["pdftotext", "-layout", tmp_path / "d.pdf", "-"], capture_output=True, check=True).stdout
        assert text.decode().count("Łukasz Żółw, Σωκράτης, Дмитрий, <b>bold</b> | *x* & [a](b)") >= 1


def test_letters_that_no_font_has_are_written_as_code_points_and_counted(organisation):
    made = to_pdf(Document("d", "王", "foot", (Paragraph("王小明"),)), at=organisation.now, font=None)
    assert made.unknown == tuple(sorted("王小明"))
