"""A small policy to change one line of."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.model.policy_reading import parse_policy

BASE = """\
version: 1
archive: eu-dsa-grok
matters:
  - id: EU-DSA-GROK
    title: Commission retention order, Grok
    authority: European Commission
    issued: "2026-01-08"
    hold:
      stated_as: "until the end of 2026"
      retain_until: "2027-01-01T12:00:00Z"
      mode: compliance
      legal_hold: true
sources:
  - id: mail
    kind: documents
    location: ./evidence/mail
    matters: [EU-DSA-GROK]
    include: ["**"]
  - id: logs
    kind: model_logs
    location: ./evidence/logs
    matters: [EU-DSA-GROK]
    include: ["**/*.jsonl"]
destinations:
  - id: vault
    location: ./archive
"""


class Workbench:
    """Reads the small policy with some text replaced or added, as if it stood in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "retention_policy.yaml"
        self.base = BASE

    def text(self, old="", new="", *, add=""):
        assert not old or self.base.count(old) >= 1, f"the small policy has no {old!r}"
        return (self.base.replace(old, new, 1) if old else self.base) + add

    def read(self, old="", new="", *, add=""):
        return parse_policy(self.text(old, new, add=add).encode(), self.path)


@pytest.fixture
def bench(tmp_path) -> Workbench:
    return Workbench(tmp_path)
