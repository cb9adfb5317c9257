"""Marked items: the mark is signed and said everywhere, and nothing of them is handed out that was not asked for."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from shell import Shell

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = b"\xff\xd8\xff an image that somebody knows"
RULES = """\
sensitive:
  - {{mark: privileged, reason: letters to counsel, handling: mark, paths: ["legal/**"]}}
  - {{mark: ncii_suspected, reason: known images, handling: mark, hashes: ./known.sha256}}
  - {{mark: personal, reason: applications, handling: mark, paths: ["hr/**"], sources: [{source}]}}
"""


def add_rules(text, source="papers"):
    return text.replace("limits:", RULES.format(source=source) + "limits:")


@pytest.fixture
def place(organisation):
    for name, data in {
        "legal/a.eml": b"privileged words",
        "plain/memo.txt": b"nothing special",
        "plain/image.jpg": IMAGE,
        "hr/cv.pdf": b"a life",
    }.items():
        (organisation.papers / name).parent.mkdir(exist_ok=True)
        (organisation.papers / name).write_bytes(data)
    (organisation.root / "known.sha256").write_text(f"{sha256(IMAGE).hexdigest()}  image.jpg\n")
    (organisation.logs / "hr").mkdir()
    (organisation.logs / "hr" / "app.jsonl").write_bytes(b'{"a": 1}\n')
    organisation.write_policy(add_rules)
    return organisation


@pytest.fixture
def shell(place, capsys):
    place.take()
    return Shell(place, capsys)


MARKED = {"legal/a.eml": ["privileged"], "plain/image.jpg": ["ncii_suspected"], "hr/cv.pdf": ["personal"]}


def marked(answer):
    return {one["path"]: [mark["mark"] for mark in one["marks"]] for one in answer["items"] if one["marks"]}


def test_marks_are_in_the_signed_list_and_every_command_says_them(shell, verified):
    assert marked(shell("list", "items")[1]) == MARKED
    assert list(marked(shell("list", "items", "--mark", "privileged")[1])) == ["legal/a.eml"]
    assert shell("status")[1]["marked"] == {"ncii_suspected": 1, "personal": 1, "privileged": 1}
    planned = shell("plan")[1]["sources"][0]
    assert planned["marked"] == {"ncii_suspected": 1, "personal": 1, "privileged": 1}
    explained = shell("plan", "--explain", "papers/legal/a.eml")[1]["explained"]
    assert explained["marks"] == [
        {
            "mark": "privileged",
            "by": "path:legal/**",
            "reason": "letters to counsel",
            "handling": "mark",
            "records": None,
        }
    ]
    answer = shell("snapshot")[1]
    assert answer["sources"][0]["marked"] == {"ncii_suspected": 1, "personal": 1, "privileged": 1}
    assert shell("show", answer["snapshot"])[1]["statements"][0]["marked"]["privileged"] == 1
    verified(shell.place)


def test_verify_notes_them_and_the_verdict_stays(shell):
    status, answer, _ = shell("verify", "--archive", shell.place.archive, "--trust", shell.place.trust, policy=False)
    found = sorted((one["subject"], one["severity"]) for one in answer["findings"] if one["code"] == "item-marked")
    assert found == [(f"mark {mark}", "note") for mark in ("ncii_suspected", "personal", "privileged")]
    assert (answer["verdict"], status) == ("ok", 0)


def test_a_restore_leaves_marked_items_out_and_says_how_to_get_them(shell, tmp_path):
    status, answer, _ = shell("restore", "--to", tmp_path / "out")
    assert (status, answer["counts_not_restored"]) == (3, {"marked": 3})
    assert not any((tmp_path / "out" / "papers" / name).exists() for name in MARKED)
    assert "--include-marked privileged --reason TEXT" in next(
        one["detail"] for one in answer["not_restored"] if one["item"] == "papers/legal/a.eml"
    )


def test_marked_items_that_were_asked_for_are_restored_and_that_is_stated(shell, tmp_path):
    every = [word for mark in ("privileged", "ncii_suspected", "personal") for word in ("--include-marked", mark)]
    status, answer, _ = shell("restore", "--to", tmp_path / "out", *every, "--reason", "order of the court")
    assert (status, (tmp_path / "out/papers/plain/image.jpg").read_bytes()) == (0, IMAGE)
    about = shell.report(answer["stated"][0])["about"]
    assert about["include_marked"] == ["ncii_suspected", "personal", "privileged"]
    assert about["marked"] == {"ncii_suspected": 1, "personal": 1, "privileged": 1}


@pytest.mark.parametrize(
    "command",
    [
        ("restore", "--to", "out"),
        ("audit-kit", "-o", "out"),
        ("prove", "papers/legal/a.eml", "0", "-o", "out"),
    ],
    ids=lambda words: words[0],
)
def test_asking_for_marked_items_wants_a_reason(shell, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, answer, _ = shell(*command, "--include-marked", "privileged")
    assert (status, answer["error"]["code"]) == (2, "reason-missing")
    assert not Path("out").exists()


@pytest.mark.parametrize("more", [(), ("--length", "4")])
def test_a_proof_of_a_marked_item_must_be_asked_for(shell, tmp_path, more):
    proof, name = tmp_path / "proof.json", "papers/legal/a.eml"
    status, answer, _ = shell("prove", name, "0", "-o", proof, *more)
    assert (status, answer["error"]["code"], proof.exists()) == (2, "marked", False)
    asked = ("--include-marked", "privileged", "--reason", "question 4")
    status, answer, _ = shell("prove", name, "0", "-o", proof, *more, *asked)
    assert (status, shell.report(answer["stated"][0])["about"]["include_marked"]) == (0, ["privileged"])


def test_a_kit_takes_no_marked_items_along_unasked(shell, tmp_path):
    status, answer, _ = shell("audit-kit", "-o", tmp_path / "kit")
    assert (status, answer["error"]["code"], (tmp_path / "kit").exists()) == (2, "marked", False)
    batches = [one["id"] for one in shell("list", "batches")[1]["batches"] if one["table"] == "model_logs"]
    assert shell("audit-kit", "-o", tmp_path / "logs", "--batch", batches[0])[0] == 0
    every = [word for mark in ("privileged", "ncii_suspected", "personal") for word in ("--include-marked", mark)]
    assert shell("audit-kit", "-o", tmp_path / "all", *every, "--reason", "for the auditor")[0] == 0
    kit = [sys.executable, str(tmp_path / "all" / "verify.py"), "--trust", str(shell.place.trust), "--no-locks"]
    done = subprocess.run(kit, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("item-marked")) == (0, 3), done.stdout


def test_an_auditor_without_policy_asks_for_them_by_name_too(shell, tmp_path):
    where = ("--archive", shell.place.archive, "--trust", shell.place.trust)
    status, answer, _ = shell("restore", "--to", tmp_path / "a", *where, policy=False)
    assert (status, answer["counts_not_restored"]) == (3, {"marked": 3})
    status, answer, _ = shell("restore", "--to", tmp_path / "b", *where, "--include-marked", "privileged", policy=False)
    assert (answer["counts_not_restored"], (tmp_path / "b/papers/legal/a.eml").exists()) == ({"marked": 2}, True)


def test_a_rule_that_comes_later_marks_what_was_kept_before_without_reading_it(place, capsys, tmp_path):
    place.write_policy()
    first = place.take().id
    place.write_policy(add_rules)
    shell = Shell(place, capsys)
    second = place.take()
    assert any(line.startswith("sensitive: privileged, letters to counsel") for line in second.changes)
    assert (second.tallies[0].counts.unchanged, second.tallies[0].marked["ncii_suspected"]) == (4, 1)
    status, answer, _ = shell("restore", first, "--to", tmp_path / "out")
    assert (status, answer["counts_not_restored"]) == (3, {"marked": 3})


def test_what_is_inside_a_marked_log_is_marked(place, capsys):
    data = gzip.compress(b'{"a": 1}\n')
    (place.logs / "hr" / "old.jsonl.gz").write_bytes(data)
    (place.root / "known.sha256").write_text(f"{sha256(data).hexdigest()}\n")
    place.write_policy(lambda text: add_rules(text, "logs"))
    place.take()
    found = Shell(place, capsys)("list", "items", "--mark", "ncii_suspected")[1]["items"]
    assert [one["item"] for one in found] == ["logs/hr/old.jsonl.gz", "logs/hr/old.jsonl.gz!gzip"]
    assert all([mark["mark"] for mark in one["marks"]] == ["ncii_suspected", "personal"] for one in found)


@pytest.mark.parametrize(
    ("text", "code"),
    [(None, "hash-list-refused"), ("d41d8cd98f00b204e9800998ecf8427e\n", "hash-list-refused")],
    ids=["no file", "MD5"],
)
def test_a_list_that_cannot_be_read_stops_everything_before_it_begins(shell, text, code):
    known = shell.place.root / "known.sha256"
    known.unlink() if text is None else known.write_text(text)
    before = sorted(shell.place.archive.rglob("*"))
    for command in ("plan", "snapshot"):
        status, answer, _ = shell(command)
        assert (status, answer["error"]["code"]) == (2, code)
    assert json.dumps(answer).count("d41d8cd9") == 0
    assert sorted(shell.place.archive.rglob("*")) == before
