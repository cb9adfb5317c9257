"""What an operator takes out of an archive, or looks at, is stated in its log: before, and after."""

from __future__ import annotations

import json
import os

import pytest
from shell import Shell

from archiver.events import Stage
from archiver.flows.state import StateFolder
from archiver.model.policy_reading import load_policy
from archiver.model.policy_yaml import PolicyError

REQUIRED = "reasons: {required_for: [restore, export]}\n"


@pytest.fixture
def shell(filled, capsys):
    filled.take()
    return Shell(filled, capsys)


def test_a_restore_is_stated_with_who_what_and_why_before_and_after(shell, tmp_path, verified):
    status, answer, _ = shell("restore", "--to", tmp_path / "out", "--path", "jdoe/**", "--reason", "question 4")
    assert (status, answer["files"], len(answer["stated"])) == (0, 1, 2)
    begun, ended = shell.stated("access")
    assert [begun.verdict, ended.verdict] == ["begun", "ok"]
    assert {(one.what, one.why) for one in (begun, ended)} == {("restore", "question 4")}
    assert begun.by.user
    assert begun.counts == {"items": 1, "bytes": 16}
    report = shell.report(answer["stated"][1])
    assert (report["begun"], report["about"]["path"]) == (answer["stated"][0], "jdoe/**")
    assert report["about"]["to"].endswith(f":{tmp_path / 'out'}")
    verified(shell.place)


def test_what_an_auditor_reads_is_in_no_log_and_the_answer_says_so(shell, tmp_path):
    where = ("--archive", shell.place.archive, "--trust", shell.place.trust)
    status, answer, talk = shell("restore", "--to", tmp_path / "out", *where, policy=False)
    assert (status, answer["stated"], shell.stated("access")) == (0, [], [])
    assert "not stated in the log" in talk
    status, answer, _ = shell("verify", *where, policy=False)
    assert (status, answer["stated"], shell.stated("verification")) == (0, [], [])
    status, answer, _ = shell("prove", "papers/jdoe/memo.txt", 0, "-o", tmp_path / "p", *where, "--reason", "x",
                              policy=False)  # fmt: skip
    assert (status, answer["error"]["code"]) == (2, "reason-unrecorded")


@pytest.mark.parametrize(
    ("blocked", "expected"), [("reports", 5), ("statements/access", 5), ("log/entries/000000000006", 1)]
)
def test_nothing_is_handed_out_that_cannot_be_stated(shell, tmp_path, blocked, expected):
    path = shell.place.archive / blocked
    path.parent.mkdir(exist_ok=True)
    if path.name.startswith("0"):
        path.mkdir()  # a folder where the next entry belongs
    else:
        path.write_bytes(b"a file in the place of a folder")
    status, answer, _ = shell("restore", "--to", tmp_path / "out")
    assert (status, (tmp_path / "out").exists()) == (expected, False)
    assert "nothing is handed out" in answer["error"]["message"]


def test_a_run_under_way_holds_no_reader_up(shell, tmp_path, verified):
    with StateFolder(shell.place.policy.state).locked():
        assert shell("restore", "--to", tmp_path / "out")[0] == 0
        assert shell("verify")[0] == 0
    shell.place.take()
    verified(shell.place)


def test_reading_in_the_middle_of_a_run_does_not_disturb_it(shell, tmp_path, verified):
    done = []

    def hear(event):
        if isinstance(event, Stage) and len(done) < 3:
            done.append(shell("restore", "--to", tmp_path / str(len(done)))[0])

    shell.place.listener = hear
    (shell.place.papers / "new.txt").write_bytes(b"new\n")
    assert shell.place.take().exit == 0
    assert done
    assert set(done) == {0}
    assert len(shell.stated("access")) == 2 * len(done)
    shell.place.listener = lambda _: None
    assert shell.place.take().exit == 0
    verified(shell.place)


def test_a_policy_may_demand_a_reason(shell, tmp_path):
    shell.place.write_policy(lambda text: text + REQUIRED)
    path = shell.place.root / "retention_policy.yaml"
    line = path.read_text().splitlines().index(REQUIRED.strip()) + 1
    status, answer, _ = shell("restore", "--to", tmp_path / "out")
    assert (status, answer["error"]["code"], (tmp_path / "out").exists()) == (2, "reason-missing", False)
    assert f"{path}:{line}" in answer["error"]["message"]
    assert shell("prove", "papers/jdoe/memo.txt", 0, "-o", tmp_path / "proof")[0] == 0
    assert shell("restore", "--to", tmp_path / "out", "--reason", "an order")[0] == 0
    for bad in ("", " ", "two\nlines", "x" * 2001):
        status, answer, _ = shell("restore", "--to", tmp_path / "more", "--reason", bad)
        assert (status, answer["error"]["code"]) == (2, "reason-refused")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("reasons: {required_for: [delete]}", "delete"),
        ("reasons: {required_for: restore}", "a list"),
        ("reasons: {required_for: [restore, restore]}", "found restore twice"),
        ("reasons: {require_for: [restore]}", "required_for"),
    ],
)
def test_reasons_that_mean_nothing_are_refused_with_their_line(organisation, words, said):
    organisation.write_policy(lambda text: f"{text}{words}\n")
    path = organisation.root / "retention_policy.yaml"
    with pytest.raises(PolicyError) as refusal:
        load_policy(path)
    line = len(path.read_text().splitlines())
    assert f"{path}:{line}:" in refusal.value.message
    assert said in refusal.value.message


def test_a_failed_attempt_is_stated_too(shell, tmp_path):
    batch = next(path for path in shell.place.archive.glob("data/documents/*/*00000000.parquet"))
    batch.chmod(0o600)
    batch.write_bytes(batch.read_bytes()[:-9] + b"123456789")
    status, _, _ = shell("prove", "papers/jdoe/memo.txt", 0, "-o", tmp_path / "proof", "--reason", "asked")
    assert (status, (tmp_path / "proof").exists()) == (1, False)
    (failed,) = shell.stated("access")
    assert (failed.what, failed.why, failed.verdict) == ("prove", "asked", "failed")
    status, answer, _ = shell("verify")
    (looked,) = shell.stated("verification")
    assert (status, looked.verdict, answer["stated"]) == (1, "failed", [f"statements/verification/{looked.id}.json"])


def test_a_proof_is_stated_with_its_record(shell, tmp_path):
    status, answer, _ = shell("prove", "logs/chat.jsonl", 40, "-o", tmp_path / "proof")
    assert (status, len(answer["stated"])) == (0, 2)
    about = shell.report(answer["stated"][0])["about"]
    assert (json.loads(about["item"]), about["offset"], about["record"]) == (
        {"path": "chat.jsonl", "source": "logs"}, 32, 1,
    )  # fmt: skip


def test_who_cannot_sign_is_refused_before_anything_is_read(shell, tmp_path):
    (shell.place.root / "keys" / "statement.pem").unlink()
    for command in (("restore", "--to", tmp_path / "out"), ("verify",)):
        assert shell(*command)[0] == 2
    assert shell("verify", "--no-record")[0] == 0
    assert not (tmp_path / "out").exists()


def test_a_verification_that_cannot_be_stated_is_still_given(shell):
    (shell.place.archive / "reports").write_bytes(b"a file in the place of a folder")
    status, answer, _ = shell("verify")
    assert (status, answer["verdict"], answer["stated"]) == (5, "partial", [])
    assert answer["checks"]


def test_a_verification_is_stated_with_its_verdict(shell, verified):
    status, answer, _ = shell("verify", "--reason", "weekly")
    (looked,) = shell.stated("verification")
    assert (status, looked.verdict, looked.why, looked.counts["entries"]) == (0, "ok", "weekly", answer["log_size"])
    report = shell.report(answer["stated"][0])
    assert (report["log_root"], report["verdict"]) == (answer["log_root"], "ok")
    assert shell("verify", "--no-record")[1]["stated"] == []
    verified(shell.place)


def test_what_a_killed_restore_left_is_brought_into_the_log_by_the_next_run(shell, tmp_path, verified, monkeypatch):
    from archiver.writer.append import Log

    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Log, "append", die)
    assert shell("restore", "--to", tmp_path / "out")[0] == 130
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    shell.place.later(minutes=11)
    shell.place.take()
    (begun,) = shell.stated("access")
    assert begun.verdict == "begun"
    verified(shell.place)


def test_a_report_that_no_statement_names_is_named_by_the_next_run(shell, tmp_path, verified, monkeypatch):
    from archiver.flows import access

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(access, "_enter", die)
    assert shell("restore", "--to", tmp_path / "out")[0] == 130
    monkeypatch.undo()
    (report,) = shell.place.archive.glob("reports/*/access.json")
    os.utime(report, (shell.place.now.timestamp(),) * 2)
    shell.place.take()
    (found,) = shell.stated("incident")
    assert (found.decision, len(found.objects)) == ("not evidence", 1)
    verified(shell.place)


def test_a_kit_is_an_export_and_is_stated_like_one(shell, tmp_path, verified):
    shell.place.write_policy(lambda text: text + REQUIRED)
    assert shell("audit-kit", "-o", tmp_path / "kit")[1]["error"]["code"] == "reason-missing"
    status, answer, _ = shell("audit-kit", "-o", tmp_path / "kit", "--reason", "the auditor asked")
    begun, ended = shell.stated("access")
    assert (status, begun.what, begun.why, ended.verdict) == (0, "audit-kit", "the auditor asked", "ok")
    about = shell.report(answer["stated"][0])["about"]
    assert (about["batches"], begun.counts["batches"]) == (None, answer["batches"])
    links = shell("custody", "papers/empty")[1]["events"]
    assert [one["what"].split("; ")[1] for one in links if one["kind"] == "accessed"] == ["all batches", "all batches"]
    verified(shell.place)
