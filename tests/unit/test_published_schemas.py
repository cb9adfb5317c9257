"""What is published under schemas/ is what the models say, and FORMAT.md's examples and numbers are true."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from archiver.errors import EvidenceError
from archiver.model import statement
from archiver.model.finding import CHECKS, CODES
from archiver.model.item import Item
from archiver.model.items import KINDS, STATUSES, ItemLine
from archiver.model.leaf import Salts, item_digest, leaf
from archiver.model.published_schemas import published
from archiver.model.tables import EVIDENCE, VERSIONS, index_names
from archiver.model.trust import parse_trust
from archiver.proof import b64, canonical, checkpoint, digest, dsse, entry, keys, merkle, note, tlog_proof
from archiver.stores.lockbook import parse_line

PUBLISHED = published()
SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
EXAMPLES = SCHEMAS / "examples"
FORMAT = (SCHEMAS / "FORMAT.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```json ([a-z-]+)\n(.*?)^```$", FORMAT, re.DOTALL | re.MULTILINE)
ROWS = [b'{"n":1}\n', b'{"n":2}\n']


def schema_of(word, value):
    if word == "item":
        return json.loads((SCHEMAS / "items_line.schema.json").read_bytes())["properties"]["item"]
    if word == "statement":
        kind = value["predicateType"].split(":")[2]
        return json.loads((SCHEMAS / "statements" / f"{kind}.schema.json").read_bytes())
    return json.loads((SCHEMAS / f"{word.replace('-', '_')}.schema.json").read_bytes())


def parse(word, value):
    """Give the program an example as the bytes it would really be."""
    data = canonical.encode(value)
    if word == "item":
        assert Item.parse(data.decode()).text().encode() == data
    elif word == "items-line":
        assert replace(ItemLine.parse(data + b"\n")).encode() == data + b"\n"
    elif word == "statement":
        assert statement.parse_statement(data).kind in value["predicateType"]
    elif word == "trust":
        parse_trust(data)
    elif word == "entry":
        assert entry.encode(*entry.decode(data)) == data
    else:
        assert parse_line(data + b"\n") is not None


def example(name):
    return (EXAMPLES / name).read_bytes()


@pytest.fixture(scope="module")
def trusted():
    return parse_trust(example("trust.json"))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_committed_schema_is_the_generated_one(name):
    assert (SCHEMAS / name).read_bytes() == PUBLISHED[name], "run: python .ci/schemas.py --write"


def test_nothing_that_looks_generated_is_left_over():
    found = {
        path.relative_to(SCHEMAS).as_posix() for path in (*SCHEMAS.glob("statements/*"), *SCHEMAS.glob("tables/*"))
    }
    assert found == {name for name in PUBLISHED if "/" in name}


@pytest.mark.parametrize("name", sorted(name for name in PUBLISHED if name.endswith(".schema.json")))
def test_a_published_schema_is_a_json_schema(name):
    Draft202012Validator.check_schema(json.loads(PUBLISHED[name]))


@pytest.mark.parametrize(("word", "text"), BLOCKS)
def test_an_example_of_the_format_follows_its_schema_and_is_accepted_by_the_program(word, text):
    value = json.loads(text)
    Draft202012Validator(schema_of(word, value)).validate(value)
    parse(word, value)


def test_every_json_block_of_the_format_is_an_example_that_is_checked():
    assert len(BLOCKS) == FORMAT.count("```json")


def test_every_kind_of_statement_has_an_example():
    kinds = [json.loads(text)["predicateType"].split(":")[2] for word, text in BLOCKS if word == "statement"]
    assert kinds == list(statement.PREDICATES)


def test_every_member_of_every_statement_is_explained():
    for kind, model in statement.PREDICATES.items():
        section = FORMAT.split(f" `{kind}`\n", 1)[1].split("```json", 1)[0]
        fields = {
            name: field for name, field in model.model_fields.items() if name not in statement.Predicate.model_fields
        }
        own = {field.alias or name for name, field in fields.items()}
        assert {name for name in own if f"`{name}`" not in section} == set(), kind


def test_every_finding_code_and_check_is_explained():
    assert [code for code in CODES if f"`{code}`" not in FORMAT] == []
    assert [check for check in CHECKS.values() if f"| {check} |" not in FORMAT] == []


def test_the_usual_severity_of_every_code_is_the_stated_one():
    words = {"failed": "F", "unknown": "U", "note": "N"}
    table = dict(re.findall(r"^\| (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*) \| ([FUN]) \|", FORMAT, re.MULTILINE))
    stated = {code: letter for codes, letter in table.items() for code in re.findall(r"`([a-z0-9-]+)`", codes)}
    stated |= dict(re.findall(r"`((?:trust|timestamp)-[a-z-]+)` ([FUN])", FORMAT))
    assert {code: words[severity] for code, (_, severity) in CODES.items()} == {code: stated[code] for code in CODES}


def test_every_column_stands_in_the_format_in_its_order():
    for table, version in VERSIONS:
        section = FORMAT.split(f" `{table}`, version {version}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
        rows = re.findall(r"^\| (`[a-z0-9_]+`(?:, `[a-z0-9_]+`)*) \|", section, re.MULTILINE)
        before = [] if version == 1 else index_names(table, version - 1)
        own = [name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)]
        assert [*before, *own] == index_names(table, version)
    evidence = [field.name for field in EVIDENCE]
    assert re.findall(r"^\| `([a-z]+)` \| [^|]+ \| (?:no|yes) \| [A-Z]", FORMAT, re.MULTILINE) == evidence


def test_every_kind_and_status_of_an_item_is_explained():
    section = FORMAT.split("\n## 8. ", 1)[1].split("\n## 9. ", 1)[0]
    assert [word for word in (*KINDS, *STATUSES) if f"`{word}`" not in section] == []


def test_the_stated_leaves_and_root_are_the_computed_ones():
    item, salts = Item("gateway-logs", "gateway/2026-01-06.jsonl").text(), Salts(bytes(range(32)))
    leaves = [leaf(item_digest(item), 8 * row, salts.row(row), raw) for row, raw in enumerate(ROWS)]
    stated = [item, item_digest(item).hex(), *(salts.row(row).hex() for row in (0, 1)), *(one.hex() for one in leaves)]
    stated += [hashlib.sha256(raw).hexdigest() for raw in (*ROWS, b"".join(ROWS))]
    assert [value for value in (*stated, merkle.root_of(leaves).hex()) if value not in FORMAT] == []


def test_the_stated_envelope_is_the_example_and_is_signed_by_the_trusted_key(trusted):
    data = example("batch.envelope.json")
    envelope = dsse.open_envelope(data)
    dsse.check(envelope, keys.load_public_pem(trusted.statement_keys[0].pem))
    signed = dsse.pae(dsse.PAYLOAD_TYPE, envelope.payload)
    stated = [digest.sha256_hex(one) for one in (data, envelope.payload, signed)]
    stated += [envelope.keyid, b64.encode(envelope.signature), f"{len(data)} bytes", f"{len(envelope.payload)} bytes"]
    assert [value for value in stated if value not in FORMAT] == []


@pytest.mark.parametrize("kind", ["archive", "policy", "batch"])
def test_an_example_envelope_holds_the_statement_that_the_format_shows(kind):
    data = example(f"{kind}.envelope.json")
    Draft202012Validator(schema_of("envelope", None)).validate(json.loads(data))
    shown = [json.loads(text) for word, text in BLOCKS if word == "statement" and f"urn:archiver:{kind}:v1" in text]
    assert [dsse.open_envelope(data).payload] == [canonical.encode(value) for value in shown]


def test_the_stated_log_is_the_one_of_the_example_envelopes(trusted):
    entries = []
    for kind in ("archive", "policy", "batch"):
        data = example(f"{kind}.envelope.json")
        key = statement.parse_statement(dsse.open_envelope(data).payload).key
        entries.append(entry.encode(key, digest.sha256_hex(data)))
    hashes = [merkle.leaf_hash(one) for one in entries]
    head = checkpoint.open_signed(example("checkpoint"), note.parse_vkey(trusted.logs[0].keys[0].vkey))
    assert (head.size, head.root) == (3, merkle.root_of(hashes))
    assert [one.hex() for one in (*hashes, head.root) if one.hex() not in FORMAT] == []
    assert example("checkpoint").decode() in FORMAT


def test_the_example_proof_proves_its_record(trusted):
    data = example("proof.json")
    proof = canonical.decode(data, limit=1 << 20)
    Draft202012Validator(schema_of("proof", None)).validate(proof)
    envelope = b64.decode(proof["statement"])
    batch = statement.parse_statement(dsse.open_envelope(envelope).payload)
    found = leaf(item_digest(proof["item"]), proof["offset"], bytes.fromhex(proof["salt"]), b64.decode(proof["raw"]))
    path = [bytes.fromhex(one) for one in proof["hashes"]]
    root = bytes.fromhex(batch.predicate.merkle_root)
    merkle.verify_inclusion(found, proof["record"], batch.predicate.records, path, root)
    vkey = note.parse_vkey(trusted.logs[0].keys[0].vkey)
    tlog_proof.check_proof(proof["tlog_proof"].encode(), entry.encode(batch.key, digest.sha256_hex(envelope)), vkey)
    assert digest.sha256_hex(data) in FORMAT


def test_the_example_line_and_trust_file_are_the_ones_that_the_format_shows():
    shown = dict(BLOCKS)
    assert canonical.encode(json.loads(shown["items-line"])) + b"\n" == example("items_line.json")
    assert json.loads(shown["trust"]) == json.loads(example("trust.json"))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("status", "lost"),
        ("size", None),
        ("size", -1),
        ("size", 1 << 53),
        ("parts", []),
        ("sha256", "00"),
        ("observed_at", "2026-01-26 09:00:03"),
        ("item", {"path": "a"}),
        ("item", {"path": "a\nb", "source": "s"}),
        ("file", {}),
        ("more", 1),
    ],
)
def test_the_schema_of_a_line_refuses_what_the_program_refuses(member, value):
    line = {**json.loads(example("items_line.json")), member: value}
    assert not Draft202012Validator(schema_of("items-line", None)).is_valid(line)
    with pytest.raises(EvidenceError):
        ItemLine.parse(json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n")
