"""A plan says whose account and which bucket will hold what nobody can delete."""

from __future__ import annotations

import json
import re

import pytest
from answer_schema import demand_published
from botocore.session import Session
from moto import mock_aws

from archiver.cli import run
from archiver.flows.session import destination_store


@pytest.fixture
def in_bucket(filled, monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    filled.write_policy(
        lambda text: text.replace(
            "{id: vault, location: ./archive}", '{id: vault, location: "s3://vault/evidence", region: eu-west-1}'
        )
    )
    with mock_aws():
        yield filled


def plan(place, capsys, *options):
    policy = str(place.root / "retention_policy.yaml")
    assert run(["-p", policy, *options, "plan"], clock=place.clock, environ={}) == 0
    return capsys.readouterr().out


def test_the_account_stands_beside_the_bucket(in_bucket, capsys):
    lines = plan(in_bucket, capsys).split("\n")
    account = next(line for line in lines if line.startswith("account"))
    assert account.startswith("account       123456789012, arn:aws:")
    assert account.endswith("; the default credentials of this machine")
    assert "bucket        vault/evidence" in lines
    assert "nobody can delete this earlier, not even the owner of the account" in lines


def test_the_answer_is_as_published(in_bucket, capsys):
    found = json.loads(plan(in_bucket, capsys, "--json"))
    demand_published(found, "plan")
    assert found["destinations"][0]["account"].startswith("123456789012, ")


def test_who_is_refused_the_question_is_unknown(in_bucket, capsys, monkeypatch):
    monkeypatch.setattr(Session, "create_client", refusing(Session.create_client))
    assert "account       unknown; the default credentials of this machine" in plan(in_bucket, capsys)


def refusing(honest):
    from botocore.exceptions import ClientError

    class Refusing:
        def get_caller_identity(self):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetCallerIdentity")

    return lambda self, name, **words: Refusing() if name == "sts" else honest(self, name, **words)


def test_a_store_of_ones_own_is_asked_itself_and_need_not_answer(filled, monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    filled.write_policy(
        lambda text: text.replace(
            "{id: vault, location: ./archive}",
            '{id: vault, location: "s3://vault/evidence", endpoint: "http://127.0.0.1:9", region: eu-west-1}',
        )
    )
    assert destination_store(filled.policy, filled.clock).account() is None


def test_a_folder_has_no_account(filled, capsys):
    assert "account       this machine's file system\n" in plan(filled, capsys)
    assert json.loads(plan(filled, capsys, "--json"))["destinations"][0]["account"] is None


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("instrument: null", "instrument: ./order.pdf", "instrument-unreadable"),
        ("kind: model_logs", "kind: model_logs\n    dialect: nosuch", "no-such-dialect"),
    ],
)
def test_what_a_snapshot_would_refuse_a_plan_refuses_and_neither_has_done_anything(filled, capsys, old, new, code):
    filled.take()
    filled.write_policy(lambda text: text.replace(old, new))
    policy, before = str(filled.root / "retention_policy.yaml"), sorted(filled.archive.rglob("*"))
    assert new in (filled.root / "retention_policy.yaml").read_text()
    for command in ("plan", "snapshot"):
        assert run(["-p", policy, "--json", command], clock=filled.clock, random=filled.random, environ={}) == 2
        found = json.loads(capsys.readouterr().out)
        assert (command, found["error"]["code"]) == (command, code)
        assert sorted(filled.archive.rglob("*")) == before


def test_a_hold_whose_date_has_passed_is_said_before_anything_is_locked_under_it(filled, capsys):
    filled.write_policy(lambda text: re.sub('retain_until: "[^"]*"', 'retain_until: "2026-01-02T00:00:00Z"', text))
    assert run(["-p", str(filled.root / "retention_policy.yaml"), "plan"], clock=filled.clock, environ={}) == 3
    assert "warning: matter CASE-1: its hold date 2026-01-02T00:00:00Z has passed" in capsys.readouterr().err
