"""The published JSON Schema says what the program accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from archiver.model.policy_schema import schema_text

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((ROOT / "schemas" / "retention_policy.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_schema_is_the_generated_one():
    published = (ROOT / "schemas" / "retention_policy.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "write it anew as archiver/model/policy_schema.py says"


def test_the_repositorys_policy_follows_the_schema(validator):
    validator.validate(yaml.safe_load((ROOT / "retention_policy.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mode: compliance", "mode: governance"),
        ("legal_hold: true", "legal_hold: false"),
        ("version: 1\n", "version: 2\n"),
        ("archive: eu-dsa-grok", "archive: EU"),
        ("matters: [EU-DSA-GROK]", "matters: []"),
        ('"2027-01-01T12:00:00Z"', '"2026-12-31"'),
        ('"2027-01-01T12:00:00Z"', '"2026-12-31T23:59:59"'),
        ("kind: documents", "kind: mail"),
        ('include: ["**"]', 'include: ["/x"]'),
        ("version: 1\n", "version: 1\nstat: x\n"),
        ("version: 1\n", "version: 1\nlimits: {snapshot_bytes: 1GB}\n"),
    ],
)
def test_an_editor_with_the_schema_refuses_what_the_program_refuses(validator, bench, old, new):
    assert validator.is_valid(yaml.safe_load(bench.text()))
    assert not validator.is_valid(yaml.safe_load(bench.text(old, new)))
