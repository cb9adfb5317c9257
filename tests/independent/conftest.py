"""Real archives, the program that verifies them, and a forger who holds keys.

The archives are made by the project's own flows; all else here, as in `verifier.py`, knows FORMAT.md alone.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

HERE = Path(__file__).resolve().parent
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def load(path: Path, name: str) -> ModuleType:
    """Import a file that lies in no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def evidence() -> ModuleType:
    """The verifier's judgement of single objects."""
    return load(HERE / "evidence.py", "independent_evidence")


@dataclass
class Verdict:
    """What the program printed, and its exit status."""

    status: int
    findings: list[tuple[str, str, str]]

    @property
    def codes(self) -> set[str]:
        return {code for code, _, severity in self.findings if severity != "note"}

    def names(self, *words: str) -> bool:
        """Tell whether each word stands in the subject of some finding that is no note."""
        return all(any(word in line for _, line, severity in self.findings if severity != "note") for word in words)


def verdict(status: int, output: str) -> Verdict:
    lines = [line.split(" ", 1) for line in output.splitlines()]
    severities = ("failed", "unknown", "note")
    return Verdict(status, [(code, rest, next(s for s in severities if f"[{s}]" in rest)) for code, rest in lines])


@dataclass
class Copy:
    """A copy of an archive to do harm to."""

    archive: Path
    trust: Path
    keys: Path

    def verify(self) -> Verdict:
        """Run the program as a stranger would: from the command line, with nothing of the project in reach."""
        program = [sys.executable, "-I", str(HERE / "verifier.py"), str(self.archive), str(self.trust)]
        done = subprocess.run(program, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)
        assert done.stderr == ""

        return verdict(done.returncode, done.stdout)

    def verify_here(self) -> Verdict:
        """Run the same program in this process, which is faster."""
        with contextlib.redirect_stdout(io.StringIO()) as output:
            status = load(HERE / "verifier.py", "independent_verifier").main(str(self.archive), str(self.trust))
        return verdict(status, output.getvalue())

    def key(self, glob: str) -> str:
        """Return the first key that a pattern names."""
        return min(str(path.relative_to(self.archive)) for path in self.archive.glob(glob))

    def read(self, key: str) -> bytes:
        return (self.archive / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        path = self.archive / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def edit_trust(self, change: Callable[[dict[str, Any]], object]) -> None:
        trust = json.loads(self.trust.read_text(encoding="utf-8"))
        change(trust)
        self.trust.write_text(json.dumps(trust), encoding="utf-8")


@pytest.fixture(scope="session")
def organisations(tmp_path_factory) -> dict[str, Any]:
    """Archives as the project makes them: small, rich in shapes, and with a log that is long enough for tiles."""
    world = load(HERE.parent / "e2e" / "conftest.py", "independent_organisation")
    made = {
        name: world.Organisation(tmp_path_factory.mktemp(name) / "organisation", records=records)
        for name, records in (("small", 40), ("rich", 40), ("long", 1))
    }
    fill_small(made["small"])
    world.fill(made["rich"])
    fill_small(made["rich"])
    fill_rich(made["rich"])
    for number in range(130):
        (made["long"].papers / f"file-{number}").write_bytes(b"%d" % number)
    made["long"].take()
    for name in ("small", "rich"):
        live_on(made[name])
    return made


def fill_small(place: Any) -> None:
    """Lay out a few documents and logs, more records than a batch holds."""
    (place.papers / "jdoe").mkdir(exist_ok=True)
    (place.papers / "jdoe" / "memo.txt").write_bytes(b"keep everything\n")
    (place.papers / "~$memo.docx").write_bytes(b"lock")
    (place.papers / "gone").write_bytes(b"soon")
    for number in range(50):
        (place.papers / f"paper {number}").write_bytes(b"%d" % number)
    (place.logs / "chat.jsonl").write_bytes(b"".join(b'{"request_id":"r%d"}\n' % number for number in range(100)))
    (place.logs / "whole.jsonl.gz").write_bytes(gzip.compress(b'{"a":1}\n{"a":2}\n', mtime=0))


def fill_rich(place: Any) -> None:
    """Add names and shapes that are hard to keep."""
    (place.papers / "copy of memo.txt").write_bytes(b"keep everything\n")
    (place.papers / "exactly one row.bin").write_bytes(bytes(8_388_608))
    (place.papers / "link").symlink_to("no/../100%/where")
    os.mkfifo(place.papers / "pipe")
    Path(os.fsdecode(os.fsencode(place.papers) + b"/caf\xe9 100% \x01.txt")).write_bytes(b"bytes")
    (place.logs / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a":1}\n' * 500 + bytes(range(256)), mtime=0)[:-20])
    (place.logs / "empty.log").write_bytes(b"")


def live_on(place: Any) -> None:
    """Make three snapshots: all new, a few changes with bytes that were there before, an order with a later date."""
    place.take()
    (place.papers / "jdoe" / "memo.txt").write_bytes(b"changed\n")
    (place.papers / "paper 1 again").write_bytes(b"1")
    with (place.logs / "chat.jsonl").open("ab") as log:
        log.write(b'{"request_id":"r100"}\n')
    (place.papers / "gone").unlink()
    place.take()
    place.until = "2027-07-01T12:00:00Z"
    (place.root / "the order.pdf").write_bytes(b"%PDF the order")
    place.write_policy(lambda text: text.replace("instrument: null", 'instrument: "./the order.pdf"'))
    place.take()


@pytest.fixture
def copy_of(organisations, tmp_path) -> Callable[[str], Copy]:
    def copy(name: str) -> Copy:
        place, target = organisations[name], tmp_path / name
        shutil.copytree(place.archive, target / "archive")
        shutil.copytree(place.root / "keys", target / "keys")
        return Copy(target / "archive", target / "keys" / "trust.json", target / "keys")

    return copy


@pytest.fixture
def small(copy_of) -> Copy:
    return copy_of("small")


@pytest.fixture
def long(copy_of) -> Copy:
    return copy_of("long")


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


@dataclass
class Forger:
    """Somebody who stole keys: rewrites statements and signs a log over them as if nothing had been."""

    copy: Copy
    statement_key: Any = None
    log_key: Any = None
    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    spell: Callable[[dict[str, Any]], bytes] = canonical
    high_s: bool = False
    leaves: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.statement_key = self.statement_key or self._load("statement.pem")
        self.log_key = self.log_key or self._load("log.pem")
        for path in sorted((self.copy.archive / "log" / "entries").iterdir()):
            key = json.loads(path.read_bytes())["key"]
            self.statements.append((key, json.loads(base64.b64decode(json.loads(self.copy.read(key))["payload"]))))

    def _load(self, name: str) -> Any:
        return serialization.load_pem_private_key((self.copy.keys / name).read_bytes(), None)

    def find(self, word: str) -> dict[str, Any]:
        """Return the first payload whose key has this word."""
        return next(payload for key, payload in self.statements if word in key)

    def drop(self, word: str) -> None:
        """Take out a statement and what it alone names."""
        key, payload = next(one for one in self.statements if word in one[0])
        self.statements.remove((key, payload))
        if "/batch/" in key:
            (self.copy.archive / payload["subject"][0]["name"]).unlink()

    def publish(self) -> None:
        """Write all statements and a log over them, as if nothing had been before."""
        shutil.rmtree(self.copy.archive / "statements")
        shutil.rmtree(self.copy.archive / "log")
        self.leaves.clear()
        sealed: dict[bytes, bytes] = {}  # a second signature of the same would be another
        for key, payload in self.statements:
            text = self.spell(payload)
            self.enter(key, sealed.setdefault(text, self.seal(text)))
        self.lock()

    def enter(self, key: str, envelope: bytes) -> None:
        entry = canonical({"key": key, "sha256": hashlib.sha256(envelope).hexdigest()})
        self.copy.write(key, envelope)
        self.copy.write(f"log/entries/{len(self.leaves):012d}", entry)
        self.leaves.append(hashlib.sha256(b"\0" + entry).digest())
        self.copy.write(f"log/checkpoints/{len(self.leaves):012d}", self.sign(len(self.leaves), head(self.leaves)))

    def root(self) -> str:
        return head(self.leaves).hex()

    def lock(self, **other: object) -> None:
        keys = [str(path.relative_to(self.copy.archive)) for path in self.copy.archive.rglob("*") if path.is_file()]
        lock = {"legal_hold": True, "mode": "COMPLIANCE", "retain_until": "2099-01-01T00:00:00Z"} | other
        self.copy.write(".locks.jsonl", b"".join(canonical({"key": key} | lock) + b"\n" for key in keys))

    def add(self, kind: str, members: dict[str, Any], objects: dict[str, bytes], key: Any = None) -> dict[str, Any]:
        """Append a statement about objects that are stored with it, signed with any key; return its predicate."""
        identity = f"20261123T200000Z-{len(self.leaves):06x}"
        common = {name: self.statements[-1][1]["predicate"][name] for name in ("archive", "archive_id", "at", "by")}
        subject = []
        for name, data in objects.items():
            self.copy.write(name, data)
            subject.append({"digest": {"sha256": hashlib.sha256(data).hexdigest()}, "name": name})
        payload = {
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": common | {"id": identity} | members,
            "predicateType": f"urn:archiver:{kind}:v1",
            "subject": subject,
        }
        self.enter(f"statements/{kind}/{identity}.json", self.seal(canonical(payload), key))
        return payload["predicate"]

    def seal(self, payload: bytes, key: Any = None) -> bytes:
        key = key or self.statement_key
        signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
        r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = utils.encode_dss_signature(r, max(s, ORDER - s) if self.high_s else min(s, ORDER - s))
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        keyid = hashlib.sha256(key.public_key().public_bytes(*form)).hexdigest()
        signatures = [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}]
        body = {"payload": base64.b64encode(payload).decode(), "payloadType": "application/vnd.in-toto+json"}
        return canonical(body | {"signatures": signatures})

    def sign(self, size: int, root: bytes) -> bytes:
        origin = json.loads(self.copy.trust.read_text())["logs"][0]["origin"]
        public = b"\1" + self.log_key.public_key().public_bytes_raw()
        mark = hashlib.sha256(f"{origin}\n".encode() + public).digest()[:4]
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(mark + self.log_key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {origin} {signature}\n".encode()

    def rewrite(self, word: str, change: Callable[[pa.Table], pa.Table], metadata: Any = dict) -> None:
        """Change a batch's rows, and all that is said of them."""
        payload = self.find(word)
        key, said = payload["subject"][0]["name"], payload["predicate"]
        table = pq.read_table(self.copy.archive / key)
        keys = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
        table = change(table)
        said["merkle_root"] = keys["archiver.merkle_root"] = rows_root(table, bytes.fromhex(keys["archiver.salt"]))
        said["raw_bytes"] = sum(length for length, _ in digests(table))
        keys = metadata(keys)
        (self.copy.archive / key).unlink()
        pq.write_table(table.replace_schema_metadata(keys), self.copy.archive / key)
        self.state_anew(key, self.copy.read(key))

    def state_anew(self, key: str, data: bytes) -> None:
        """Change what all statements say of an object's bytes."""
        digest = hashlib.sha256(data).hexdigest()
        for _, payload in self.statements:
            for subject in payload["subject"]:
                if subject["name"] == key:
                    subject["digest"]["sha256"] = digest
            for receipt in payload["predicate"].get("receipts", []):
                if receipt["key"] == key:
                    receipt.update(size=len(data), sha256=receipt["sha256"] and digest)


def digests(table: pa.Table) -> list[tuple[int, bytes]]:
    """Return length and digest of each row's bytes, also where they are withheld."""
    rows = zip(table["raw"].to_pylist(), table["withheld"].to_pylist(), strict=True)
    empty = {"length": 0, "sha256": b""}
    return [
        (len(raw), hashlib.sha256(raw).digest()) if raw is not None else tuple((kept or empty).values())
        for raw, kept in rows
    ]


def rows_root(table: pa.Table, salt: bytes) -> str:
    salts, leaves = hashlib.shake_256(salt).digest(16 * table.num_rows), []
    texts, offsets = table["item"].to_pylist(), table["offset"].to_pylist()
    for row, (text, offset, (length, digest)) in enumerate(zip(texts, offsets, digests(table), strict=True)):
        body = hashlib.sha256(text.encode()).digest() + offset.to_bytes(8, "big") + length.to_bytes(8, "big")
        leaves.append(hashlib.sha256(b"\0" + body + salts[16 * row : 16 * row + 16] + digest).digest())
    return head(leaves).hex()


def head(leaves: list[bytes]) -> bytes:
    """Return the tree head in the words of RFC 6962."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + head(leaves[:split]) + head(leaves[split:])).digest()


@pytest.fixture
def forger(small) -> Forger:
    return Forger(small)


@pytest.fixture
def stranger_keys() -> dict[str, Any]:
    """Keys that nobody trusts."""
    return {"statement_key": ec.generate_private_key(ec.SECP256R1()), "log_key": ed25519.Ed25519PrivateKey.generate()}
