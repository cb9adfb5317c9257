"""No private key, passphrase or PIN is in anything that the program writes: answers, errors, state folder, archive."""

from __future__ import annotations

import base64
import json
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from key_places import PIN

from archiver.cli import run

PASSPHRASE = "correct-horse-5c1e77b0-battery"
ENVIRON = {"ARCHIVER_PASSPHRASE": PASSPHRASE, "ARCHIVER_PIN": PIN}


def spellings(secret: bytes) -> set[bytes]:
    """Return the ways in which bytes are written down."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode(), b":".join(b"%02x" % one for one in secret)}
    for shift in range(3):  # base64 of something that has the secret in it, wherever it begins
        text = base64.b64encode(bytes(shift) + secret)
        middle = text[4 if shift else 0 : -4]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return {one for one in found if len(one) >= 8}


def of_key(path, passphrase):
    """Return what may not be seen of a key file: the secret number, its encodings, the lines of the file."""
    pem = path.read_bytes()
    key = load_pem_private_key(pem, passphrase)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, Ed25519PrivateKey):
        number = key.private_bytes_raw()
    else:
        number = key.private_numbers().private_value.to_bytes(32, "big")
    lines = {line for line in pem.splitlines() if not line.startswith(b"-----")}
    decimal = {str(int.from_bytes(number, "big")).encode()}
    return spellings(number) | spellings(der[-64:]) | lines | decimal


COMMANDS = [
    "plan", "snapshot", "status", "verify", "list snapshots", "list statements", "list items", "trust export",
    "hold show", "key list", "doctor", "catalog rebuild", "restore --to {folder}/restored",
    "prove papers/memo.txt 0 -o {folder}/proof", "check-proof {folder}/proof --trust {folder}/keys/trust.json",
    "trust show {folder}/keys/trust.json", "verify --archive {folder}/archive --trust {folder}/keys/trust.json",
    "key rotate statement", "key rotate log", "snapshot", "key list", "verify", "key show zzzzzzzz",
    "key rotate log --to x",
]  # fmt: skip


class Everything:
    """An archive, everything that was said about it, and everything that was written."""

    def __init__(self, place, capfd, keys):
        self.place, self.capfd = place, capfd
        (place.papers / "memo.txt").write_bytes(b"keep everything\n")
        (place.logs / "chat.jsonl").write_bytes(b'{"model":"m"}\n')
        place.write_policy(lambda text: f"{text}{keys}")
        self.said = b""

    def say(self, words, environ):
        self.place.later(minutes=10)
        policy = str(self.place.root / "retention_policy.yaml")
        arguments = words.format(folder=self.place.root).split()
        self.capfd.readouterr()
        status = run(
            ["-p", policy, *arguments], clock=self.place.clock, random=self.place.random, environ=dict(environ)
        )
        out, err = self.capfd.readouterr()
        self.said += out.encode() + err.encode()
        return status

    def written(self):
        for path in sorted(self.place.root.rglob("*")):
            if path.is_file() and not (path.parent.name == "keys" and path.suffix == ".pem"):
                yield path, path.read_bytes()

    def demand_none(self, secrets):
        for path, data in [("what was said", self.said), *self.written()]:
            seen = [one for one in secrets if one in data]
            assert seen == [], path


def test_the_search_finds_what_it_looks_for():
    secret = bytes(range(100, 132))
    for before in range(6):
        text = bytes(before) + secret + b"after"
        for written in (text, text.hex().encode(), base64.b64encode(text), base64.urlsafe_b64encode(text)):
            assert any(one in written for one in spellings(secret))


def test_a_sealed_key_and_its_passphrase_are_seen_nowhere(organisation, capfd):
    everything = Everything(organisation, capfd, "keys: {passphrase: env:ARCHIVER_PASSPHRASE}\n")
    folder = organisation.root / "keys"
    assert everything.say("init", ENVIRON) == 0
    secrets = spellings(PASSPHRASE.encode()) | {b"PRIVATE KEY"}
    secrets |= of_key(folder / "statement.pem", PASSPHRASE.encode()) | of_key(folder / "log.pem", PASSPHRASE.encode())
    worked = 0
    for words in COMMANDS:
        worked += everything.say(words, ENVIRON) == 0
        if not words.startswith("restore") and " -o " not in words and "rotate" not in words:
            everything.say(f"--json {words}", ENVIRON)
        for environ in ({}, {"ARCHIVER_PASSPHRASE": f"{PASSPHRASE}x"}):
            everything.say("snapshot", environ) if words == "status" else None
    assert worked >= len(COMMANDS) - 4  # the two that are wrong on purpose, and a doctor who found something
    for path in folder.glob("*.pem"):
        secrets |= of_key(path, PASSPHRASE.encode())
    everything.demand_none(secrets)


def test_a_key_without_passphrase_is_seen_nowhere_whatever_is_wrong_with_it(organisation, capfd):
    everything = Everything(organisation, capfd, "")
    path = organisation.root / "keys" / "statement.pem"
    everything.say("init", {})
    everything.say("snapshot", {})
    secrets, pem = of_key(path, None), path.read_bytes()
    for damaged in (pem[:-40], pem.replace(b"PRIVATE", b"PUBLIC"), pem[::-1], pem + pem, b"\n" + pem[20:]):
        path.write_bytes(damaged)
        for words in ("snapshot", "key rotate statement", "--json snapshot", "doctor"):
            everything.say(words, {})
    path.chmod(0o644)
    everything.say("snapshot", {})
    everything.demand_none(secrets)


def test_a_pin_is_seen_nowhere(token, organisation, capfd):
    everything = Everything(
        organisation, capfd, f'keys: {{statement: "{token.uri("statement")}", log: "file:keys/log.pem"}}\n'
    )
    assert everything.say("init", ENVIRON) == 0
    for words in ("plan", "snapshot", "--json snapshot", "doctor", "key list", "verify"):
        everything.say(words, ENVIRON)
    everything.demand_none(spellings(PIN.encode()))


def test_a_process_that_opens_a_key_leaves_no_core(tmp_path):
    code = """
import ctypes, json, resource, sys
from pathlib import Path
from archiver.signing.file import create_p256, open_p256
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
create_p256(Path(sys.argv[1]), None)
open_p256(Path(sys.argv[1]), None)
print(json.dumps([before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)]))
"""
    if sys.platform != "linux":
        pytest.skip("prctl is Linux's own")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "key.pem")], check=True, capture_output=True)
    assert json.loads(done.stdout) == [1, 0, [0, 0]]
