"""Custody on a store that locks: statements of accesses are locked like evidence, and the chain tells its lock."""

from __future__ import annotations

import json

from real_organisation import PREFIX, bad, move_in, now, until, verified

from archiver.cli import run


def test_accesses_are_locked_and_told(filled, ceph, monkeypatch, capsys, tmp_path):
    filled.until = until(days=1)
    bucket = move_in(filled, ceph, monkeypatch)
    filled.take()

    def ask(*arguments):
        head = ["-p", str(filled.root / "retention_policy.yaml"), "--json"]
        status = run([*head, *map(str, arguments)], clock=now, random=filled.random, environ=None)
        return status, json.loads(capsys.readouterr().out)

    assert ask("restore", "--to", tmp_path / "out", "--path", "jdoe/**", "--reason", "question 4")[0] == 0
    assert ask("verify")[0] == 0
    status, chain = ask("custody", "papers/jdoe/memo.txt")
    assert (status, [one["kind"] for one in chain["events"]].count("accessed")) == (0, 2)
    assert "enforced by the store" in chain["events"][-1]["what"]
    status, made = ask("declare", "-o", tmp_path / "papers", "--item", "papers/jdoe/memo.txt")
    assert (status, made["verdict"]) == (0, "ok")
    assert bad(verified(filled)) == []
    client = ceph.client()
    for key in ("reports/", "statements/access/"):
        for one in client.list_objects_v2(Bucket=bucket, Prefix=f"{PREFIX}/{key}")["Contents"]:
            held = client.head_object(Bucket=bucket, Key=one["Key"])
            assert (held["ObjectLockMode"], held["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON")
