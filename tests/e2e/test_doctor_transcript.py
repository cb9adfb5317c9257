"""The transcripts below tests/transcripts/ceph are played on a real gateway, with several users of one bucket.

Beside the lines of the other transcripts:

    as owner|writer|auditor     whose credentials count from here on
    limit writer auditor        the owner puts on the bucket what `archiver doctor policy` prints for these roles
    attack                      try to make every version go away, with these credentials
    overwrite ENDING            put garbage over keys with this ending, with these credentials

`<in six months>` in a command is an instant.

The clock is the real one, as a real store judges locks by its own; what varies by that has placeholders.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attack_versions
import pytest

from archiver.flows.doctor.printed import print_policies
from archiver.model.policy_reading import load_policy

ROOT = Path(__file__).resolve().parent.parent.parent
TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts" / "ceph").glob("*.txt"))
VARYING = (
    (re.compile(r"\b[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\b"), "<id>"),
    (re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"), "<instant>"),
    (re.compile(r"\b[0-9]+ s apart"), "<n> s apart"),
    (re.compile(r"archive/[0-9a-f]{32}/"), "archive/<archive id>/"),
    (re.compile(r"date=[0-9]{8}/"), "date=<date>/"),
    (re.compile(r"request id tx[0-9a-z-]+"), "request id <request>"),
)
POLICY = """\
version: 1
archive: test-archive
matters:
  - id: CASE-1
    title: A case
    authority: The Commission
    issued: "2026-01-08"
    hold: {{stated_as: "until then", retain_until: "{until}", mode: compliance, legal_hold: true}}
sources:
  - {{id: papers, kind: documents, location: ./papers, matters: [CASE-1], include: ["**"]}}
destinations:
  - {{id: vault, location: "s3://{bucket}/eu/grok", endpoint: "{endpoint}", region: us-east-1}}
keys: {{statement: "file:keys/statement.pem", log: "file:keys/log.pem"}}
"""


def _transcripts():
    spec = importlib.util.spec_from_file_location("transcripts", Path(__file__).with_name("test_transcripts.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = _transcripts()
stage = plain.stage


class _Player(plain._Player):
    def __init__(self, folder, capfd, monkeypatch, users, bucket):
        super().__init__(folder, capfd)
        self.monkeypatch, self.users, self.bucket = monkeypatch, users, bucket
        self.later = (datetime.now(UTC) + timedelta(days=182)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def do(self, line):
        word, _, rest = line.partition(" ")
        if word == "as":
            self.user = self.users[rest][1]
            self.user.enter(self.monkeypatch)
        elif word == "limit":
            self.limit(rest.split())
        elif word == "attack":
            return [f"| {line}" for line in attack_versions.attack(self.user.client(), self.bucket)]
        elif word == "overwrite":
            return [f"| {attack_versions.overwrite(self.user.client(), self.bucket, rest)}"]
        else:
            self.now = datetime.now(UTC)
            return super().do(line.replace("<in six months>", self.later))
        return []

    def limit(self, roles):
        policy = load_policy(self.folder / "retention_policy.yaml")
        named = [(role, self.users[role][0]) for role in roles]
        (printed,) = print_policies(policy, named, clock=lambda: datetime.now(UTC))
        owner = self.users["owner"][1]
        owner.enter(self.monkeypatch)
        owner.client().put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(printed.document))

    def random(self, size):
        return secrets.token_bytes(size)

    def same(self, text):
        text = text.replace(self.bucket, "<bucket>").replace(self.users["owner"][1].endpoint, "<endpoint>")
        for role, (name, _) in self.users.items():
            text = text.replace(name, f"<{role}>") if name else text
        for pattern, placeholder in VARYING:
            text = pattern.sub(placeholder, text)
        return super().same(text)


@pytest.fixture
def player(stage, capfd, monkeypatch, ceph):
    ceph.enter(monkeypatch)
    bucket, users = ceph.bucket(), {"owner": ("", ceph)}
    for role, may in (("writer", "readwrite"), ("auditor", "read")):
        name = f"{role}{secrets.token_hex(4)}"
        ceph.server.add_subuser("root-admin", name, f"key-{name}", f"secret-{name}", may=may)
        user = dataclasses.replace(ceph, access=f"key-{name}", secret=f"secret-{name}")
        users[role] = (f"arn:aws:iam:::user/root-admin:{name}", user)
    until = (datetime.now(UTC) + timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = POLICY.format(bucket=bucket, endpoint=ceph.endpoint, until=until)
    (stage / "retention_policy.yaml").write_text(text)
    (stage / "papers").mkdir()
    (stage / "papers" / "memo.txt").write_text("keep everything\n")
    return _Player(stage, capfd, monkeypatch, users, bucket)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_program_says_on_a_real_store_what_the_transcript_says(transcript, player):
    played = player.play(transcript.read_text(encoding="utf-8").splitlines())
    if os.environ.get("ARCHIVER_WRITE_TRANSCRIPTS"):
        transcript.write_text("\n".join(played) + "\n", encoding="utf-8")
    assert played == transcript.read_text(encoding="utf-8").splitlines()
