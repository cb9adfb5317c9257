"""The verifier's single judgements give the worked values of FORMAT.md, section 20, and of RFC 8785."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"


@pytest.fixture
def trust(evidence):
    return evidence.read_trust((EXAMPLES / "trust.json").read_bytes())


def test_leaves_and_root_are_those_of_the_vector(evidence):
    text = '{"path":"gateway/2026-01-06.jsonl","source":"gateway-logs"}'
    salts, tree, leaves = hashlib.shake_256(bytes(range(32))).digest(32), evidence.Tree(), []
    for row, raw in enumerate((b'{"n":1}\n', b'{"n":2}\n')):
        salt = salts[16 * row : 16 * row + 16]
        leaves.append(evidence.leaf_hash(text, 8 * row, 8, salt, hashlib.sha256(raw).digest()))
        tree.add(leaves[-1])
    assert [leaf.hex() for leaf in leaves] == [
        "4d41ff88d7cf0baf1534bf2cf4352a00eaec5502adffcee134d24b783b8867d6",
        "13f0e37aced839ca3e258ff5648eb724866fb0985465b7db5dcb267af407d11a",
    ]
    assert tree.root().hex() == "5135b69e7e418f0bcfce3f60ef0fa22b69d2ea42c0b2e6426d370e2c2d7c7699"


@pytest.mark.parametrize("kind", ["archive", "policy", "batch"])
def test_the_envelopes_of_the_vector_are_good(evidence, trust, kind):
    envelope = evidence.parse((EXAMPLES / f"{kind}.envelope.json").read_bytes())
    payload = evidence.unbase64(envelope["payload"])
    key = evidence.statement_key(trust["statement_keys"][0]["pem"], trust["statement_keys"][0]["keyid"])
    evidence.demand(envelope, evidence.ENVELOPE)
    evidence.demand(evidence.parse(payload)["predicate"], evidence.COMMON | evidence.KINDS[kind])
    assert evidence.signature_good(key, evidence.unbase64(envelope["signatures"][0]["sig"]), payload)


def test_the_checkpoint_of_the_vector_signs_the_root_of_its_entries(evidence, trust):
    tree = evidence.Tree()
    for kind, key in (("archive", "20260126T090000Z-0a1b2c"), ("policy", "20260126T090001Z-3d4e5f")):
        tree.add(leaf(evidence, kind, key))
    tree.add(leaf(evidence, "batch", "20260126T090002Z-6f7a8b-model_logs-00000000"))
    root = evidence.checkpoint_root((EXAMPLES / "checkpoint").read_bytes(), 3, trust["logs"][0])
    assert root == tree.root()
    assert evidence.checkpoint_root((EXAMPLES / "checkpoint").read_bytes(), 2, trust["logs"][0]) is None


def leaf(evidence, kind: str, identity: str) -> bytes:
    digest = hashlib.sha256((EXAMPLES / f"{kind}.envelope.json").read_bytes()).hexdigest()
    entry = evidence.canonical({"key": f"statements/{kind}/{identity}.json", "sha256": digest})
    return hashlib.sha256(b"\0" + entry.encode()).digest()


def test_the_line_of_the_vector_is_a_line(evidence):
    raw = (EXAMPLES / "items_line.json").read_bytes()
    assert evidence.line_fault(raw, evidence.parse(raw.removesuffix(b"\n"))) is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"a/b.txt", "a/b.txt"),
        ("résumé.pdf".encode(), "résumé.pdf"),
        (b"caf\xe9", "caf%E9"),
        (b"100%", "100%25"),
        (b"a\nb", "a%0Ab"),
        (b"\xed\xa0\x80", "%ED%A0%80"),
    ],
)
def test_a_name_has_one_spelling(evidence, name, path):
    assert evidence.is_escaped(path)
    assert not evidence.is_escaped(path + "%41")
    assert not evidence.is_escaped(path + "%e9")
    assert not evidence.is_escaped(path + "\x7f")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.000001, "0.000001"),
        (123456789012345680000.0, "123456789012345680000"),
        (-1.5, "-1.5"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (4.5, "4.5"), (1e23, "1e+23"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_ecmascript_does(evidence, number, text):
    assert evidence.canonical(number) == text


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a": 1}', b'{"a":1}\n', b'{"a":01}', b'{"a":1.0}', b'{"a":-0}',
        b'{"a":NaN}',

        b'"\\u0061"', b'"\\ud800"', b'"\xff"', b"9007199254740992", b"\xef\xbb\xbf1", b"", b"[" * 65 + b"]" * 65,
        b"[" * 100_000, b"1" * 5000, b'"\\/"',
    ],
)  # fmt: skip
def test_json_in_any_other_form_is_refused(evidence, data):
    with pytest.raises(evidence.Bad):
        evidence.parse(data)


def test_nesting_of_64_is_read(evidence):
    data = b"[" * 64 + b"]" * 64
    assert json.loads(data) == evidence.parse(data)


@pytest.mark.parametrize(
    "raw",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ],
    ids=["neutral", "order 2", "order 4", "order 8", "not canonical", "no point"],
)
def test_weak_ed25519_keys_are_refused(evidence, raw):
    with pytest.raises(evidence.Bad):
        evidence.ed25519_key(bytes.fromhex(raw))
