"""Two verifiers that share no line say the same of who outside has seen the log."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from archiver.judge.verify import verify
from archiver.model.finding import Severity
from archiver.stores.folder import FolderStore

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"
NAME = "counsel.example/case"


@pytest.fixture
def witness():
    return ed25519.Ed25519PrivateKey.generate()


def vkey(key, *, name=NAME, kind=4):
    typed = bytes([kind]) + key.public_key().public_bytes_raw()
    return f"{name}+{mark(key, name).hex()}+{base64.b64encode(typed).decode()}"


def mark(key, name=NAME):
    return hashlib.sha256(f"{name}\n".encode() + b"\4" + key.public_key().public_bytes_raw()).digest()[:4]


def cosign(small, key, size, *, over=None, ago=timedelta(), name=NAME):
    """Write what a witness signs for the checkpoint of a size, over another one where it is told so."""
    text = small.read(f"log/checkpoints/{over or size:012d}").partition(b"\n\n")[0] + b"\n"
    time = int((datetime.now(UTC) - ago).timestamp())
    signature = key.sign(b"cosignature/v1\ntime %d\n" % time + text)
    line = base64.b64encode(mark(key, name) + time.to_bytes(8, "big") + signature).decode()
    small.write(f"log/cosignatures/{size:012d}/{mark(key, name).hex()}", f"\u2014 {name} {line}\n".encode())


def newest(small):
    return max(int(path.name) for path in (small.archive / "log" / "checkpoints").iterdir())


def flip(small, size, key, place):
    name = f"log/cosignatures/{size:012d}/{mark(key).hex()}"
    words = small.read(name).decode().split(" ")
    data = bytearray(base64.b64decode(words[2]))
    data[place] ^= 1
    small.write(name, " ".join([*words[:2], base64.b64encode(data).decode()]).encode() + b"\n")


STORIES = {
    "all was seen": ((), cosign),
    "nothing was seen": ({("log-witness-missing", "unknown")}, lambda small, key, size: None),
    "a part was seen": ({("log-witness-behind", "note")}, lambda small, key, size: cosign(small, key, size - 1)),
    "a part was seen long ago": (
        {("log-witness-behind", "unknown")},
        lambda small, key, size: cosign(small, key, size - 1, ago=timedelta(hours=169)),
    ),
    "a part at last, all by somebody else": (
        {("log-witness-behind", "note")},
        lambda small, key, size: (cosign(small, key, 3), cosign(small, key, size, name="other.example")),
    ),
    "replayed": (
        {("log-witness-invalid", "failed"), ("log-witness-missing", "unknown")},
        lambda small, key, size: cosign(small, key, size, over=size - 1),
    ),
    "another time": (
        {("log-witness-invalid", "failed"), ("log-witness-missing", "unknown")},
        lambda small, key, size: (cosign(small, key, size), flip(small, size, key, 11)),
    ),
    "a changed signature": (
        {("log-witness-invalid", "failed"), ("log-witness-missing", "unknown")},
        lambda small, key, size: (cosign(small, key, size), flip(small, size, key, -1)),
    ),
    "tomorrow": (
        {("log-witness-invalid", "unknown"), ("log-witness-missing", "unknown")},
        lambda small, key, size: cosign(small, key, size, ago=timedelta(days=-1)),
    ),
    "rubbish": (
        {("log-witness-invalid", "unknown"), ("log-witness-missing", "unknown")},
        lambda small, key, size: small.write(f"log/cosignatures/{size:012d}/{mark(key).hex()}", b"rubbish\n"),
    ),
    "a size that is not here": (
        {("log-witness-invalid", "unknown")},
        lambda small, key, size: (cosign(small, key, size), cosign(small, key, size + 1, over=size)),
    ),
    "no key of a cosignature": (
        {("stranger-key", "unknown")},
        lambda small, key, size: (cosign(small, key, size), small.write("log/cosignatures/1/counsel", b"x")),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_both_verifiers_say_what_a_witness_has_seen(small, witness, story):
    expected, tell = STORIES[story]
    small.edit_trust(lambda trust: trust["witnesses"].append(vkey(witness)))
    tell(small, witness, newest(small))
    theirs = small.verify_here()
    assert {(code, severity) for code, _, severity in theirs.findings if counts(code)} == set(expected)
    ours = verify(
        FolderStore(small.archive, location="copy", clock=lambda: datetime.now(UTC)),
        small.trust.read_bytes(),
        clock=lambda: datetime.now(UTC),
    )
    assert {(one.code, one.severity.value) for one in ours.findings if counts(one.code)} == set(expected)
    assert int(ours.exit) == theirs.status == status(expected)
    assert [one for one in ours.findings if one.severity is Severity.FAILED and not counts(one.code)] == []


def counts(code):
    return "witness" in code or code == "stranger-key"


def status(expected):
    severities = {severity for _, severity in expected}
    return 1 if "failed" in severities else 3 if "unknown" in severities else 0


@pytest.mark.parametrize(
    "change",
    [
        lambda key, log: [vkey(key, kind=1)],
        lambda key, log: [vkey(key), vkey(key)],
        lambda key, log: [vkey(key), vkey(key, name="other")],
        lambda key, log: [vkey(key).replace(NAME, "other")],
        lambda key, log: [vkey(log)],
        lambda key, log: ["counsel"],
    ],
    ids=["type", "twice", "two names", "hash", "log key", "words"],
)
def test_both_refuse_a_trust_file_whose_witnesses_are_none(small, witness, change):
    from archiver.errors import EvidenceError
    from archiver.model.trust import parse_trust

    log = load_log_key(small)
    small.edit_trust(lambda trust: trust["witnesses"].extend(change(witness, log)))
    verdict = small.verify_here()
    assert (verdict.codes, verdict.status) == ({"trust-key-refused"}, 1)
    with pytest.raises(EvidenceError) as caught:
        parse_trust(small.trust.read_bytes())
    assert caught.value.code == "trust-key-refused"


def load_log_key(small):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key((small.keys / "log.pem").read_bytes(), None)


def test_the_cosignature_of_the_vector_holds(small):
    small.verify_here()  # puts its modules in reach
    from witnesses import good_times, witness_key

    text = (EXAMPLES / "checkpoint").read_bytes().partition(b"\n\n")[0] + b"\n"
    own = witness_key("witness.example+67550f4e+BD1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM")
    good, tried = good_times((EXAMPLES / "cosignature").read_bytes(), [own], text)
    assert (good, tried) == ([("witness.example", 1_769_418_000)], True)
    assert json.loads((EXAMPLES / "trust.json").read_bytes())["witnesses"] == []
