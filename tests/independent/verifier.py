"""A verifier of evidence archives in folders, written from schemas/FORMAT.md alone; it shares no line with the project.

    python verifier.py ARCHIVE_FOLDER TRUST_JSON

Each finding is one line, `code subject [severity] words`. Exit status: 0 whole, 1 failed, 3 something could not be
checked, 4 locks alone are at fault (17). Numbers in comments are sections of FORMAT.md; `evidence.py` beside this file
judges single objects. Left out: whether tokens are qualified (14.6), proof files (16), index columns (`--only index`).
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -I does not look beside the program

from derived import judge as judge_derived
from evidence import (
    ACCOUNTED,
    COMMON,
    ENTRY,
    ENTRY_KEY,
    ENVELOPE,
    EVIDENCE,
    FILE_NAME,
    HEX,
    INDEX,
    KINDS,
    MODES,
    PAYLOAD,
    UNJUDGED,
    Bad,
    Tree,
    account_of,
    canonical,
    checkpoint_root,
    demand,
    instant,
    leaf_hash,
    line_fault,
    parse,
    read_trust,
    schema_fault,
    sha256,
    signature_good,
    spki,
    statement_key,
    sum_of,
    text_fault,
    tile_key,
    unbase64,
    verifier_key,
)  # fmt: skip
from footers import metadata_keys
from holds import UNLOCKED, Holds, read_locks
from second import covered, second_key
from timestamps import Foreign, Stamps, check_token, read_roots
from witnesses import judge, read_witnesses

FAILED, UNKNOWN, NOTE = "failed", "unknown", "note"


@dataclass(frozen=True)
class Statement:
    """A good statement: its place in the log, what it says."""

    index: int
    key: str
    kind: str
    predicate: dict[str, Any]
    subjects: dict[str, str]
    keyid: str


class Archive:
    """One verification: the folder, what was found so far, and the checks of section 17 in the order of need."""

    def __init__(self, root: Path, trust: dict[str, Any]) -> None:
        self.root, self.trust = root, trust
        self.findings: list[tuple[str, str, str, str]] = []
        self.keys, self.placed = set(self.list_keys()), {"README.txt"}
        self.entries: list[dict[str, Any] | None] = []
        self.statements: list[Statement] = []
        self.owner: dict[str, int] = {}  # key to the entry that it belongs to (12)
        self.digests: dict[str, str] = {}  # of objects that are as stated
        self.explained: set[tuple[str, str]] = set()
        self.unfinished: set[tuple[str, str]] = set()
        self.lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.content: set[str] = set()
        self.chained: dict[str, dict[str, Any]] = {}
        self.ended: dict[str, str | None] = {}  # keys that the log ends, and since when they are revoked
        self.gone: set[str] = set()
        self.disposed: set[str] = set()  # snapshots of which batches were disposed
        self.origin = ""
        self.heads: dict[int, tuple[str, str]] = {}  # root and SHA-256 of good checkpoints, by size
        self.stamps = Stamps()
        self.texts: dict[int, bytes] = {}  # of good checkpoints, by size
        self.grown: list[bytes] = []  # the root of each size
        self.withheld: set[str] = set()  # snapshots of whose lines some are withheld
        self.group = lru_cache(maxsize=4)(self.read_group)

    def find(self, code: str, subject: str, severity: str = FAILED, words: str = "") -> None:
        self.findings.append((code, subject, severity, words))

    def list_keys(self) -> Iterator[str]:
        """Return every key; a root name with a dot is none (3), and what is no plain file holds no content."""
        for folder, folders, files in os.walk(self.root):
            top = Path(folder) == self.root
            folders[:] = [name for name in folders if not (top and name.startswith("."))]
            for name in files + [name for name in folders if (Path(folder) / name).is_symlink()]:
                if not (top and name.startswith(".")):
                    yield (Path(folder) / name).relative_to(self.root).as_posix()

    def read(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if key in self.keys and path.is_file() and not path.is_symlink() else None

    # Check 2

    def check_log(self) -> None:
        sizes = sorted(int(key[-12:]) for key in self.keys if re.fullmatch(r"log/checkpoints/[0-9]{12}", key))
        notes = {size: self.read(f"log/checkpoints/{size:012d}") or b"" for size in sizes if size}
        roots: dict[int, bytes] = {}
        for log in self.trust["logs"]:  # which of its logs a folder holds, only its checkpoints say
            roots = {size: root for size, data in notes.items() if (root := checkpoint_root(data, size, log))}
            if roots:
                break
        else:
            log = self.trust["logs"][0]
        for size in roots:
            self.place(f"log/checkpoints/{size:012d}", size - 1)
        self.origin = log["origin"]
        self.heads = {size: (root.hex(), sha256(notes[size])) for size, root in roots.items()}
        self.texts = {size: notes[size].partition(b"\n\n")[0] + b"\n" for size in roots}
        seen, newest = log["seen"], max(roots, default=0)
        if not roots:
            self.find("log-missing", "log/checkpoints", FAILED if seen else UNKNOWN)
        for size in range(1, newest + 1):
            if size not in notes:
                self.find("log-checkpoint-gap", f"log/checkpoints/{size:012d}")
        ended = max((key["to_size"] or 0 for key in log["keys"]), default=0)
        if roots and newest < ended:
            self.find("log-rollback", self.origin, words=f"{newest} entries, an ended key signed {ended}")
        if seen and newest < seen["size"]:
            self.find("log-rollback", self.origin, words=f"{newest} entries, {seen['size']} were seen")
        if seen and seen["size"] in roots and roots[seen["size"]].hex() != seen["root"]:
            self.find("log-fork", f"log/checkpoints/{seen['size']:012d}")
        self.read_entries(newest, roots)
        for size in notes:  # ahead of what the log has come to lies what a stranger put there
            if size not in roots and (not roots or size <= newest + bool(self.unfinished)):
                self.placed.add(f"log/checkpoints/{size:012d}")
                self.find("log-signature", f"log/checkpoints/{size:012d}")

    def read_entries(self, newest: int, roots: dict[int, bytes]) -> None:
        tree, leaves, stored, whole, differing = Tree(), [], [], True, []
        while (key := f"log/entries/{len(self.entries):012d}") in self.keys or len(self.entries) < newest:
            index, data = len(self.entries), self.read(key) or b""
            try:
                entry = parse(data)
                demand(entry, ENTRY if len(data) <= 1024 else "at most 1,024 bytes")
            except Bad as error:
                if index >= newest:
                    break  # an invalid entry in the tail is a stranger (13.2)
                self.find("log-entry-missing", key, words=str(error))
                entry, whole = None, False
            if index >= newest:
                self.read_tail(index)
                break
            self.entries.append(entry)
            self.place(key, index)
            leaves.append(hashlib.sha256(b"\x00" + data).digest())
            stored.append(data)
            tree.add(leaves[-1])
            self.grown.append(tree.root())
            if whole and index + 1 in roots and self.grown[-1] != roots[index + 1]:
                differing.append(index + 1)
        for size in differing:
            self.find("log-root", f"log/checkpoints/{size:012d}")
        if differing and differing == [size for size in sorted(roots) if size >= differing[0]]:
            self.blame_entry(differing[0], roots)
        self.check_tiles(leaves, stored, newest)

    def read_tail(self, index: int) -> None:
        """Name the entries that no checkpoint covers; what they name is explained by that, and not checked (17)."""
        while (key := f"log/entries/{index:012d}") in self.keys:
            try:
                entry = parse(self.read(key) or b"")
                demand(entry, ENTRY)
                data = self.read(entry["key"]) or b""
                envelope = parse(data) if sha256(data) == entry["sha256"] else None
                demand(envelope, ENVELOPE)
                signed, raw = envelope["signatures"][0], unbase64(envelope["payload"])
                key_of = {one["keyid"]: one["pem"] for one in self.trust["statement_keys"]}
                public = statement_key(key_of.get(signed["keyid"], ""), signed["keyid"])
                if not signature_good(public, unbase64(signed["sig"]), raw):
                    return
                self.find("log-tail-unfinished", key, UNKNOWN)
                self.unfinished |= {(key, sha256(self.read(key) or b"")), (entry["key"], entry["sha256"])}
                payload = parse(raw)
                self.unfinished |= {(one["name"], one["digest"]["sha256"]) for one in payload["subject"]}
            except (Bad, KeyError, TypeError, IndexError):
                return
            index += 1

    def blame_entry(self, differs: int, roots: dict[int, bytes]) -> None:
        """No root agrees from a size on: name the entries since the last that did, one is not what was signed."""
        agreed = max((size for size in roots if size < differs), default=0)
        for index in range(agreed, differs):
            self.find("log-entry-missing", f"log/entries/{index:012d}", words="no version gives the signed root")

    def check_tiles(self, leaves: list[bytes], stored: list[bytes], newest: int) -> None:
        expected: dict[str, tuple[int, bytes]] = {}
        for first in range(0, len(stored) // 256 * 256, 256):
            bundle = b"".join(len(data).to_bytes(2, "big") + data for data in stored[first : first + 256])
            expected[tile_key("entries", first // 256)] = (first + 255, bundle)
        level, nodes = 0, leaves
        while len(nodes) >= 256:
            above = []
            for first in range(0, len(nodes) // 256 * 256, 256):
                last = (first + 256) * 256**level - 1
                expected[tile_key(level, first // 256)] = (last, b"".join(nodes[first : first + 256]))
                tree = Tree()
                for node in nodes[first : first + 256]:
                    tree.add(node)
                above.append(tree.root())
            level, nodes = level + 1, above
        for key, (last, data) in expected.items():
            if key in self.keys:
                self.place(key, last)
                if self.read(key) != data:
                    self.find("log-tile", key)
            elif last < newest:
                self.find("log-tile", key, NOTE, "a full tile is not stored")

    def place(self, key: str, index: int) -> None:
        self.placed.add(key)
        self.owner.setdefault(key, index)

    # Check 4

    # Check 3: tokens before statements, for the ends of keys rest on them

    def read_tokens(self) -> None:
        roots = read_roots(self.trust)
        for index, entry in enumerate(self.entries):
            if entry is None or not entry["key"].startswith("statements/timestamp/"):
                continue
            data = self.read(entry["key"])
            try:
                if data is None or sha256(data) != entry["sha256"] or len(data) > 65_535:
                    continue
                envelope = parse(data)
                demand(envelope, ENVELOPE)
                payload = parse(unbase64(envelope["payload"]))
                demand(payload, PAYLOAD)
                demand(payload["predicate"], COMMON | KINDS["timestamp"])
            except Bad:
                continue  # check 4 says so
            self.take_token(index, payload, roots)

    def judge_token(self, index: int, said: dict[str, Any], subjects: list[tuple[str, str]], roots: list[Any]) -> Any:
        """Return what `check_token` says; Bad for what does not belong together (14.2)."""
        response = subjects[1][1] if len(subjects) > 1 else ""
        stem = f"timestamps/{said['log_size']:012d}/{said['authority']}-{response[:16]}"
        if [one[0] for one in subjects] != [f"{stem}.{kind}" for kind in ("tsq", "tsr", "revocation")]:
            raise Bad("subjects")
        if said["log_size"] > index or self.heads.get(said["log_size"]) != (said["log_root"], said["imprint"]):
            raise Bad("no such checkpoint before it")
        files = [self.read(key) or b"" for key, _ in subjects[:2]]
        if [sha256(one) for one in files] != [digest for _, digest in subjects[:2]]:
            raise Bad("request or response is not as stated")
        try:
            return check_token(files[0], files[1], said, roots)
        except ValueError as error:
            raise Bad(str(error)) from error

    def take_token(self, index: int, payload: dict[str, Any], roots: list[Any]) -> None:
        said, subjects = payload["predicate"], [(one["name"], one["digest"]["sha256"]) for one in payload["subject"]]
        name = subjects[min(1, len(subjects) - 1)][0]
        try:
            up, tsa, end = self.judge_token(index, said, subjects, roots)
        except Foreign:
            if roots:
                self.find("timestamp-invalid", name, UNKNOWN)
        except Bad as error:
            self.find("timestamp-invalid", name, words=str(error))
        else:
            self.stamps.good.append((index, said["log_size"], said["gen_time"], up, tsa))
            self.stamps.ends.append((index, end))

    def check_times(self) -> None:
        good = [(one.index, one.key, one.kind, one.predicate["at"]) for one in self.statements if one.kind]
        self.findings += [(*one, "") for one in self.stamps.judge(good, self.trust["timestamps"], datetime.now(UTC))]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for index, end in self.stamps.ends:
            newer = self.stamps.bracket(index)[1]
            if end < now and (not newer or newer > end):
                self.find("timestamp-unproven", f"log/entries/{index:012d}", NOTE)

    def check_statements(self) -> None:
        self.read_tokens()
        known: set[str] = set()
        for index, entry in enumerate(self.entries):
            if entry is None:
                continue
            key = entry["key"]
            data = self.read(key)
            self.placed.add(key)
            if data is None or sha256(data) != entry["sha256"]:
                self.find("statement-missing" if data is None else "statement-differs", key)
                continue
            self.place(key, index)
            try:
                if key in known:
                    self.find("statement-duplicate", f"log/entries/{index:012d}", words=key)
                elif statement := self.open_statement(index, key, data):
                    known.add(key)
                    self.check_numbers(statement)
                    self.statements.append(statement)
                    self.learn_keys(statement)
            except Bad as error:
                self.find("statement-malformed", key, words=str(error))
        self.look_back()

    def learn_keys(self, statement: Statement) -> None:
        """Chain keys that a statement adds with nothing against it, and end those that any good one ends (11.13)."""
        says, sound = statement.predicate, all(one[1] != statement.key for one in self.findings)
        if statement.kind == "archive" and sound:
            for one in says["keys"]:
                if one["role"] != "log":
                    self.chained.setdefault(one["keyid"], one)
        if statement.kind != "key" or says["role"] == "log":
            return
        if says["action"] == "add" and sound:
            self.chained.setdefault(says["keyid"], says)
        elif says["action"] != "add":
            self.ended.setdefault(says["keyid"], None)
        if says["action"] == "revoke":
            before = self.ended[says["keyid"]]
            self.ended[says["keyid"]] = min(filter(None, (before, says["compromised_since"])))

    def look_back(self) -> None:
        """Doubt what a key signed that the log alone revoked later, unless a bracket proves it older."""
        trusted = {one["keyid"]: one for one in self.trust["statement_keys"]}
        for statement in self.statements:
            since = self.ended.get(statement.keyid)
            high = self.stamps.bracket(statement.index)[1]
            if since and not (high and high < since) and not (trusted.get(statement.keyid) or {}).get("revoked"):
                self.find("statement-key-expired", statement.key, UNKNOWN, f"the log revokes its key since {since}")

    def open_statement(self, index: int, key: str, data: bytes) -> Statement | None:
        """Take a statement out of its envelope; None where it is not good, Bad where it is malformed."""
        if len(data) > 65_535:
            raise Bad("longer than 65,535 bytes")
        envelope = parse(data)
        demand(envelope, ENVELOPE)
        if len(envelope["signatures"]) != 1:
            raise Bad("not exactly one signature")
        raw = unbase64(envelope["payload"])
        payload = parse(raw)
        demand(payload, PAYLOAD)
        found, predicate = re.fullmatch(ENTRY_KEY, key), payload["predicate"]
        assert found
        kind, known = found[1], payload["predicateType"] == f"urn:archiver:{found[1]}:v1" and found[1] in KINDS
        demand({name: predicate.get(name) for name in COMMON}, COMMON)
        if known:
            demand(predicate, COMMON | KINDS[kind])
        elif not re.fullmatch(f"urn:archiver:{kind}:v[1-9][0-9]*", payload["predicateType"]):
            raise Bad("predicateType is not of the kind in the key")
        if predicate["id"] != found[2]:
            raise Bad("id is not that in the key")
        subjects = {one["name"]: one["digest"]["sha256"] for one in payload["subject"]}
        if not subjects:
            raise Bad("no subject")
        if not self.key_good((index, key, kind), envelope["signatures"][0], raw, predicate["at"]):
            return None
        if any(predicate[name] != self.trust[name] for name in ("archive", "archive_id")):
            self.find("statement-archive", key)
            return None
        if not known:
            self.find("statement-kind-unknown", key, UNKNOWN)
        else:
            self.check_members(kind, predicate, [(one["name"], one["digest"]["sha256"]) for one in payload["subject"]])
        return Statement(index, key, kind if known else "", predicate, subjects, envelope["signatures"][0]["keyid"])

    def key_good(self, place: tuple[int, str, str], signed: dict[str, str], payload: bytes, at: str) -> bool:
        index, key, kind = place
        trusted = {one["keyid"]: one for one in self.trust["statement_keys"]}.get(signed["keyid"])
        role = "approver" if kind == "approval" else "statement"
        listed = trusted or self.chained.get(signed["keyid"])
        if not listed or (trusted and role not in trusted["roles"]):
            self.find("statement-key-unknown", key)
            return False
        if not signature_good(statement_key(listed["pem"], listed["keyid"]), unbase64(signed["sig"]), payload):
            self.find("statement-signature", key)
            return False
        if signed["keyid"] in self.ended:
            self.find("statement-key-expired", key, words="the log has ended this key before")
            return False
        if not trusted:
            self.find("statement-key-unknown", key, UNKNOWN, "only the archive names this key")
            return True
        ends = [trusted["valid_until"], trusted["revoked"] and trusted["revoked"]["since"]]
        end = min((one for one in ends if one), default=None)
        low, high = self.stamps.bracket(index)
        if (trusted["valid_from"] and at < trusted["valid_from"]) or (end and (at >= end or low >= end)):
            self.find("statement-key-expired", key)
            return False
        if end and not (high and high < end):
            self.find("statement-key-expired", key, UNKNOWN, "no timestamp proves that it is older than the key's end")
        return True

    def check_members(self, kind: str, predicate: dict[str, Any], subjects: list[tuple[str, str]]) -> None:
        """Compare members, subjects and keys that say the same (11)."""
        policy = lambda digest: (f"policies/{digest}.yaml", digest)  # noqa: E731
        if kind == "archive" and subjects != [policy(predicate["policy_sha256"])]:
            raise Bad("subject is not the first policy")
        if kind == "policy":
            orders = {one["instrument"] for one in predicate["matters"]} - {None}
            fits = all(re.fullmatch(f"instruments/{digest}/{FILE_NAME}", name) for name, digest in subjects[1:])
            if subjects[0] != policy(predicate["sha256"]) or not fits or {one[1] for one in subjects[1:]} != orders:
                raise Bad("subjects are not the policy and its instruments")
            if len({one["id"].lower() for one in predicate["matters"]}) != len(predicate["matters"]):
                raise Bad("two matters of one id")
        if kind == "batch":
            identity = f"{predicate['snapshot']}-{predicate['table']}-{predicate['number']:08d}"
            name = f"data/{predicate['table']}/date={identity[:8]}/{identity}.parquet"
            if predicate["id"] != identity or [one[0] for one in subjects] != [name]:
                raise Bad("id, members and subject are not of one batch")
            if (predicate["source"] == "") != (predicate["table"] == "items"):
                raise Bad("source")
        if kind == "sealed":
            batch, table = predicate["batch"], predicate["batch"][24:-9]
            if [one[0] for one in subjects] != [f"data/{table}/date={batch[:8]}/{batch}.parquet"]:
                raise Bad("subject is not the batch")
            if predicate["id"] != batch or not predicate["recipients"]:
                raise Bad("id is not the batch, or no recipient")
            if {predicate["key"], predicate["receipt"]["key"]} != {f"sealed/{batch}.sealed"}:
                raise Bad("key of the sealed object")
        if kind == "derivation":
            table, dialects = predicate["table"], predicate["dialects"]
            names = [f"derived/{table}/date={predicate['id'][:8]}/{predicate['id']}.parquet",
                     f"reports/{dialects}/dialects.json"]  # fmt: skip
            if [one[0] for one in subjects] != names or subjects[1][1] != dialects:
                raise Bad("subjects are not the table and its dialects")
        if kind == "snapshot" and (len(subjects) != 1 or subjects[0] != policy(subjects[0][1])):
            raise Bad("subject is not a policy")
        if kind == "hold" and predicate["to"] < predicate["from"]:
            raise Bad("to is before from")
        if kind == "hold" and not any(
            re.fullmatch(f"instruments/{digest}/{FILE_NAME}", name) and digest == predicate["instrument"]
            for name, digest in subjects
        ):
            raise Bad("no subject is the instrument")
        if kind == "key":
            public, name = predicate["pem"], f"key:{predicate['keyid']}"
            if (predicate["role"] == "log") == (public is not None) or (public is None) == (predicate["vkey"] is None):
                raise Bad("not one key of its role")
            if (predicate["action"] == "revoke") != (predicate["compromised_since"] is not None):
                raise Bad("compromised_since")
            vkey, found = predicate["vkey"] or "", predicate["keyid"]
            if public is None:
                found = spki(verifier_key(vkey, vkey.partition("+")[0])[1])
            else:
                statement_key(public, found)
            if found != predicate["keyid"] or subjects != [(name, predicate["keyid"])]:
                raise Bad("keyid or subject")
        if kind == "receipt" and not predicate["receipts"]:
            raise Bad("no receipts")
        receipts = predicate["receipts"] if kind in ("batch", "receipt") else []
        if {one["key"] for one in receipts} - {name for name, _ in subjects}:
            raise Bad("a receipt for a key that is no subject")

    def check_numbers(self, statement: Statement) -> None:
        """Check order and numbers against the log before (11, `statement-number`)."""
        kind, predicate, index = statement.kind, statement.predicate, statement.index
        before = lambda kind: [one.predicate for one in self.statements if one.kind == kind]  # noqa: E731
        policies, faults = before("policy"), []
        if (kind == "archive") != (index == 0):
            faults.append("archive is the first entry and no other")
        if kind == "archive":
            logs = {log["origin"]: {key["vkey"] for key in log["keys"]} for log in self.trust["logs"]}
            if predicate["log_vkey"] not in logs.get(predicate["origin"], ()):
                self.find("statement-archive", statement.key, words="origin or log key")
        if kind == "policy":
            last = policies[-1] if policies else {"revision": 0, "sha256": None}
            if (predicate["revision"], predicate["previous"]) != (last["revision"] + 1, last["sha256"]):
                faults.append("revision or previous does not go on")
            if not policies and index != 1:
                faults.append("revision 1 is the second entry")
        if kind == "batch":
            if predicate["policy_sha256"] not in {one["sha256"] for one in policies}:
                faults.append("its policy is not in the log before")
            if predicate["snapshot"] in {one["id"] for one in before("snapshot")}:
                faults.append("its snapshot has ended")
        if kind == "snapshot":
            if predicate["previous"] not in {one["id"] for one in before("snapshot")} | {None}:
                faults.append("previous is not in the log before")
            begun_here = [one["origin"] for one in before("archive")] in ([], [self.origin])
            if begun_here and predicate["log_size_at_start"] > index:
                faults.append("log_size_at_start")
        for fault in faults:
            self.find("statement-number", statement.key, words=fault)

    def of_kind(self, kind: str) -> list[Statement]:
        return [one for one in self.statements if one.kind == kind]

    # Check 5

    def check_objects(self) -> None:
        sizes: dict[str, set[int]] = defaultdict(set)
        stated: dict[str, set[str]] = defaultdict(set)
        for statement in self.statements:
            incident = statement.kind == "incident"
            if incident:
                objects = statement.predicate["objects"]  # a folder has no versions, so null alone names what is there
                self.explained |= {(one["key"], one["sha256"]) for one in objects if one["version"] is None}
            for name, digest in statement.subjects.items() if statement.kind != "key" else ():
                # What an incident is about is no content by that; an unknown kind's subject need not be a key (11.7).
                if statement.kind and not (incident and (name, digest) in self.explained):
                    stated[name].add(digest)
                    self.place(name, statement.index)
                elif not statement.kind:
                    self.placed.add(name)
            if statement.kind == "derivation":
                sizes[next(iter(statement.subjects))].add(statement.predicate["size"])
            for receipt in statement.predicate.get("receipts", []) if statement.kind in ("batch", "receipt") else []:
                sizes[receipt["key"]].add(receipt["size"])
                stated[receipt["key"]] |= {receipt["sha256"]} - {None}
        for name, digests in sorted(stated.items()):
            self.check_object(name, digests, sizes[name])

    def check_object(self, name: str, digests: set[str], sizes: set[int]) -> None:
        path = self.root / name
        if name not in self.keys or path.is_symlink() or not path.is_file():
            self.gone.add(name)  # missing or disposed, which the lines of `items` help to tell
            return
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sizes - {path.stat().st_size}:
            self.find("object-size", name)
        if digests - {digest}:
            self.find("object-sha256", name)
        else:
            self.digests[name] = digest

    # Check 7

    def check_records(self) -> None:
        batches = {one.predicate["id"]: one for one in self.of_kind("batch") if set(one.subjects) <= set(self.digests)}
        self.batches = {name: one for name, one in batches.items() if self.check_batch(one)}
        self.batch_of = {name: one for one in self.of_kind("batch") for name in one.subjects}
        self.holds = Holds(self.statements, self.trust, self.read, (self.origin, self.grown))
        self.stated = {one.predicate["id"]: one for one in self.of_kind("batch")}
        offsets: dict[str, int] = {}
        for statement in sorted(self.batches.values(), key=lambda one: one.predicate["id"]):
            if statement.predicate["table"] == "items":
                self.check_lines(statement, offsets)
        judge_derived(self.of_kind("derivation"), self.stated, self.root, self.digests, self.find)

    def open_batch(self, statement: Statement) -> pq.ParquetFile:
        return pq.ParquetFile(self.root / next(iter(statement.subjects)), page_checksum_verification=True)

    def read_group(self, batch: str, group: int) -> list[tuple[str, int, bytes | None, dict[str, Any] | None, int]]:
        """Return item text, offset, raw, withheld and record number of a row group."""
        table = self.open_batch(self.batches[batch]).read_row_group(group, columns=[field.name for field in EVIDENCE])
        columns = (table[name].to_pylist() for name in ("item", "offset", "raw", "withheld", "record"))
        return list(zip(*columns, strict=True))

    def rows(self, batch: str, first: int, count: int) -> Iterator[tuple[Any, ...]]:
        metadata, start = self.open_batch(self.batches[batch]).metadata, 0
        for group in range(metadata.num_row_groups):
            end = start + metadata.row_group(group).num_rows
            if start < first + count and end > first:
                yield from self.group(batch, group)[max(first - start, 0) : first + count - start]
            start = end

    def check_batch(self, statement: Statement) -> bool:
        name, said = next(iter(statement.subjects)), statement.predicate
        self.batches = {said["id"]: statement}
        try:
            file = self.open_batch(statement)
            metadata = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
            keys = metadata_keys(self.read(name) or b"")
            if len(keys) != len(set(keys)):
                self.find("record-schema", name, words="a key of the metadata twice")
                return False
            return self.check_schema(name, said, file, metadata) and self.check_rows(name, said, metadata)
        except (pa.ArrowException, OSError, ValueError) as error:
            self.find("record-schema", name, words=str(error).splitlines()[0])
            return False

    def check_schema(self, name: str, said: dict[str, Any], file: pq.ParquetFile, metadata: dict[str, str]) -> bool:
        index = INDEX.get((said["table"], said["table_version"]))
        fields = EVIDENCE + [pa.field(*column) for column in index or []]
        if fault := schema_fault(file, fields, whole=index is not None):
            self.find("record-schema", name, FAILED if index is not None else UNKNOWN, fault)
            return False
        if index is None:
            self.find("record-schema", name, UNKNOWN, "a table that this verifier does not know")
        stated = {
            "format": "1", "archive_id": said["archive_id"], "table": said["table"], "batch": said["id"],
            "table_version": str(said["table_version"]), "merkle_root": said["merkle_root"],
        }  # fmt: skip
        expected = {f"archiver.{key}": value for key, value in stated.items()}
        if set(metadata) != {*expected, "archiver.salt", "ARROW:schema"} or not HEX(metadata["archiver.salt"]):
            self.find("record-schema", name, words="keys of the metadata")
            return False
        wrong = [key for key, value in expected.items() if metadata[key] != value]
        if wrong:
            self.find(
                "record-root" if wrong == ["archiver.merkle_root"] else "record-schema", name, words=", ".join(wrong)
            )
        return not wrong

    def check_rows(self, name: str, said: dict[str, Any], metadata: dict[str, str]) -> bool:
        facts = self.open_batch(self.batches[said["id"]]).metadata
        groups = [facts.row_group(number_).num_rows for number_ in range(facts.num_row_groups)]
        count = facts.num_rows
        if min([count, *groups]) < 0 or groups != [len(self.group(said["id"], place)) for place in range(len(groups))]:
            self.find("record-order", name, words="rows of the groups")
            return False
        if count != sum(groups):
            self.find("record-order", name, words="number of rows")
            return False
        salts = hashlib.shake_256(bytes.fromhex(metadata["archiver.salt"])).digest(16 * count)
        tree, texts, total, good = Tree(), set(), 0, count == said["records"]
        hidden = [0, 0]
        for number_, (text, offset, raw, withheld, record) in enumerate(self.rows(said["id"], 0, count)):
            good = good and record == number_ and (raw is None) != (withheld is None)
            texts.add(text)
            kept = withheld or {"length": 0, "sha256": b""}
            length, digest = (len(raw), hashlib.sha256(raw).digest()) if raw is not None else kept.values()
            if length is None or digest is None:  # the fields of `withheld` may be null by their Parquet type
                good, length, digest = False, 0, b""
            tree.add(leaf_hash(text, offset, length, salts[16 * number_ : 16 * number_ + 16], digest))
            total += length
            hidden = [hidden[0] + 1, hidden[1] + length] if raw is None else hidden
        sealed = self.sealed(said["id"])
        if sealed and [sealed["rows"], sealed["raw_bytes"]] != hidden:
            self.find("sealed-differs", name)
        elif sealed:
            self.find("record-sealed", name, NOTE)
        if not good:
            self.find("record-order", name)
        if not count or tree.root().hex() != said["merkle_root"]:
            self.find("record-root", name)
        if (len(texts), total) != (said["items"], said["raw_bytes"]):
            self.find("statement-number", name, words="items or raw_bytes")
        own = canonical({"path": "items", "source": "", "version": said["snapshot"]})
        for text in sorted(texts):
            fault = text_fault(text) or ((text == own) != (said["table"] == "items") and "item of another table")
            if fault:
                self.find("item-malformed", name, words=f"{text[:200]}: {fault}")
        return good

    def check_lines(self, statement: Statement, ends: dict[str, int]) -> None:
        """Read the lines of a batch of `items`, whose offsets go on where the batch before it ends (7.1)."""
        name, said = next(iter(statement.subjects)), statement.predicate
        snapshot, before = said["snapshot"], f"{said['id'][:-8]}{said['number'] - 1:08d}"
        position = ends.get(before, 0 if not said["number"] else None)  # None: that batch has its own finding
        for _, offset, raw, withheld, record in self.rows(said["id"], 0, said["records"]):
            if position not in (None, offset):
                self.find("item-parts", name, words=f"row {record}: gap or overlap")
            position = ends[said["id"]] = offset + (len(raw) if raw is not None else withheld["length"])
            if raw is None:
                self.find("item-sha256", name, UNKNOWN, f"row {record} is withheld")
                self.withheld.add(snapshot)
                continue
            try:
                line = parse(raw.removesuffix(b"\n")) if raw.endswith(b"\n") else None
                fault = line_fault(raw, line)
            except Bad as error:
                fault = str(error)
            if fault:
                self.find("item-malformed", name, words=f"row {record}: {fault}")
                continue
            self.lines[snapshot].append(line)
            for mark in line.get("marks", ()):
                self.find("item-marked", f"mark {mark['mark']}", NOTE)
            self.check_content(statement, f"{name} row {record}", line)

    def check_content(self, statement: Statement, subject: str, line: dict[str, Any]) -> None:
        """Follow the parts of a line to its bytes (8)."""
        item, position, digest = canonical(line["item"]), 0, hashlib.sha256()
        identity = canonical([line["item"], line["parts"], line["sha256"], line["size"], line["table"]])
        complete = identity not in self.content
        for part in line["parts"]:
            named = self.holds.named.setdefault(part["batch"], set())
            named.add((statement.index, line["item"]["source"]))
            batch = self.stated.get(part["batch"])
            if not batch or batch.index >= statement.index or batch.predicate["table"] != line["table"]:
                self.find(
                    "item-parts", subject, words=f"{part['batch']} is not a batch of this table in the log before"
                )
                return
            if part["first"] + part["count"] > batch.predicate["records"]:
                self.find("item-parts", subject, words="rows outside the batch")
                return
            if not complete or part["batch"] not in self.batches:
                complete = False  # checked already, or the batch has its own finding
                continue
            wanted = canonical(part["of"]) if "of" in part else item
            for text, offset, raw, withheld, _ in self.rows(part["batch"], part["first"], part["count"]):
                if text != wanted or offset != position:
                    self.find("item-parts", subject, words=f"row of another item, gap or overlap at {offset}")
                    return
                position += len(raw) if raw is not None else withheld["length"]
                digest.update(raw or b"")
                if raw is not None and "sealed" in part:
                    self.find("item-parts", subject, words="a sealed part whose bytes are here")
                    return
                if raw is None:
                    self.judge_withheld(subject, line, part, withheld["sha256"])
                    complete = False
        if line["parts"] and complete:
            self.content.add(identity)
            if (position, digest.hexdigest()) != (line["size"], line["sha256"]):
                self.find("item-sha256", subject)

    def judge_withheld(self, subject: str, line: dict[str, Any], part: dict[str, Any], digest: bytes) -> None:
        """Say what is not known of an item with a withheld row: of an item of one row its digest is known (8)."""
        alone = [one["count"] for one in line["parts"]] == [1]
        if alone and digest.hex() != line["sha256"]:
            self.find("item-sha256", subject)
        if not self.sealed(part["batch"]):
            self.find("item-sha256", subject, UNKNOWN, "bytes are withheld")
        elif not alone:
            self.find("item-sealed", "items with withheld records", NOTE)

    def sealed(self, batch: str) -> dict[str, Any] | None:
        """Return what the first statement about the sealed object of a batch says (11.14)."""
        return next((one.predicate for one in self.of_kind("sealed") if one.predicate["batch"] == batch), None)

    # Check 6

    def check_locks(self) -> None:
        for key, fault in self.holds.invalid:
            self.find("release-invalid", key, words=fault)
        for key in sorted(self.gone):
            batch = self.batch_of.get(key)
            index = self.owner.get(key, 0)
            passed = self.holds.until(key, index, batch) < f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            if (batch or key.startswith("derived/")) and passed and self.holds.may_be_off(index, batch):
                self.find("object-disposed", key, NOTE)
                self.disposed |= {batch.predicate["snapshot"]} if batch else set()
            else:
                self.find("object-missing", key)
        path = self.root / ".locks.jsonl"
        if not path.is_file() or path.is_symlink():
            self.find("lock-unknown", ".locks.jsonl", UNKNOWN)
            return
        self.find("lock-not-enforced", ".locks.jsonl", NOTE)
        locks, bare = read_locks(path.read_bytes()), []
        for key, index in sorted(self.owner.items()):
            if key in self.keys:
                bare += self.check_lock(key, index, locks.get(key, UNLOCKED))
        if bare:
            self.find(
                "lock-date", bare[0], UNKNOWN, f"{len(bare)} objects have the legal hold alone; their date has passed"
            )

    def check_lock(self, key: str, index: int, lock: tuple[int, str, bool]) -> list[str]:
        """Judge a lock; return the key where a passed date leaves the legal hold alone."""
        batch = self.batch_of.get(key)
        until, (mode, date, legal) = self.holds.until(key, index, batch), lock
        if mode == MODES["NONE"]:
            at = next((one.predicate["at"] for one in self.statements if one.index == index), "")
            made = datetime.fromtimestamp((self.root / key).stat().st_mtime, UTC)
            if legal and max(at, f"{made:%Y-%m-%dT%H:%M:%SZ}") >= until:
                return [key]
            self.find("lock-missing", key)
            return []
        if mode < MODES["COMPLIANCE"]:
            self.find("lock-mode", key)
        if date < until:
            self.find("lock-date", key, words=f"{date}, the hold lasts until {until}")
        if not legal and not self.holds.may_be_off(index, batch):
            self.find("lock-hold", key)
        return []

    # Check 8

    def check_completeness(self) -> None:
        numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
        for one in self.of_kind("batch"):
            numbers[one.predicate["snapshot"], one.predicate["table"]].append(one.predicate["number"])
        for (snapshot, table), found in numbers.items():
            if sorted(found) != list(range(len(found))):
                self.find("batch-gap", f"{snapshot}-{table}")
        finished = {one.predicate["id"]: one for one in self.of_kind("snapshot")}
        for snapshot in sorted({snapshot for snapshot, _ in numbers} - set(finished)):
            self.find("snapshot-unfinished", snapshot, UNKNOWN)
        for identity, statement in finished.items():
            batches = {table: len(found) for (snapshot, table), found in numbers.items() if snapshot == identity}
            if statement.predicate["batches"] != batches:
                self.find("snapshot-counts", statement.key, words=f"batches are {batches}")
            if statement.predicate["status"] != "aborted":
                self.check_counts(statement)
            elif statement.predicate["sources"]:
                self.find("snapshot-counts", statement.key, words="aborted with sources")
        self.check_silence([one.predicate for one in finished.values()])
        self.check_strangers()
        for kind in ("archive", "snapshot"):
            if not self.of_kind(kind):
                self.find("nothing-checked", kind, UNKNOWN)

    def check_counts(self, statement: Statement) -> None:
        lines, said = self.lines[statement.predicate["id"]], statement.predicate
        if said["id"] in self.disposed:
            return
        items = Counter(canonical(line["item"]) for line in lines)
        words = [f"{item} has {n} lines" for item, n in items.items() if n > 1]
        strange = {line["item"]["source"] for line in lines} - {one["id"] for one in said["sources"]}
        words += [f"lines of the source {name}" for name in sorted(strange)]
        for source in said["sources"]:
            own = [line for line in lines if line["item"]["source"] == source["id"] and "members" not in line["item"]]
            words += [
                f"{source['id']}: {name}"
                for name, value in self.tally(said["id"], own).items()
                if bare(source)[name] != value
            ]
            words += self.selections(source, [line for line in lines if line["item"]["source"] == source["id"]])
        for one in words:
            self.find("snapshot-counts", statement.key, UNKNOWN if said["id"] in self.withheld else FAILED, one)

    def selections(self, source: dict[str, Any], lines: list[dict[str, Any]]) -> list[str]:
        """Hold what is said of selections against the accounts of the logs, and against what they are selected from."""
        rules: dict[str, list[dict[str, Any]]] = defaultdict(list)
        kept: Counter[str] = Counter()
        for line in lines:
            if account := account_of(line):
                rules[account["select"]].append(account)
            member = line["item"].get("members", [""])[-1]
            if member.startswith("select:") and line["parts"]:
                kept[member.removeprefix("select:")] += line["size"]
        sums = [sum_of(rules[rule]) for rule in sorted(rules)]
        words = [] if source.get("selected", []) == sums else [f"{source['id']}: selected"]
        same = +kept == +Counter({one["select"]: one["kept"]["bytes"] for one in sums})
        return words if same else [*words, f"{source['id']}: what was kept of logs"]

    def tally(self, snapshot: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        counts = dict.fromkeys(ACCOUNTED["counts"], 0)
        rules: dict[str, dict[str, int]] = defaultdict(lambda: {"items": 0, "bytes": 0})
        for line in lines:
            counts[line["status"]] += 1
            counts["seen"] += line["status"] != "absent"
            if line["status"] == "excluded":
                rules[line["detail"]]["items"] += 1
                rules[line["detail"]]["bytes"] += line["size"] or 0
        content = [line for line in lines if line["parts"]]
        new = [line for line in content if line["status"] != "unchanged"]
        excluded = sorted(canonical({"rule": rule, **numbers}) for rule, numbers in rules.items())
        total = lambda some: sum(line["size"] for line in some)  # noqa: E731
        kept: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for line in content:
            if said := re.fullmatch(UNJUDGED, line["detail"] or ""):
                kept[said[1], said[2]][0] += 1
                kept[said[1], said[2]][1] += line["size"]
        unjudged = [
            {"rule": rule, "reason": reason, "items": items, "bytes": size}
            for (rule, reason), (items, size) in sorted(kept.items())
        ]
        sizes = {"bytes": total(content), "new_bytes": total(new)}
        return {"counts": counts, **sizes, "excluded": excluded, "unjudged": unjudged}

    def check_silence(self, snapshots: list[dict[str, Any]]) -> None:
        policies = [one.predicate["expected_every_hours"] for one in self.of_kind("policy")]
        hours = self.trust["max_silence_hours"] or (policies[-1] if policies else 0)
        times = [instant(one["finished"]) for one in snapshots] + [datetime.now(UTC)]
        for before, after in pairwise(times):
            if hours and (after - before).total_seconds() > hours * 3600:
                self.find("silence", f"{before:%Y-%m-%dT%H:%M:%SZ}", NOTE)

    def check_strangers(self) -> None:
        cosignature = re.compile(r"log/cosignatures/[0-9]{12}/[0-9a-f]{8}")
        for key in sorted(self.keys - self.placed):
            if not cosignature.fullmatch(key) and (key, sha256(self.read(key) or b"")) not in self.unfinished:
                named = (key, sha256(self.read(key) or b"")) in self.explained
                self.find("stranger-key", key, NOTE if named else UNKNOWN)

    def check_witnesses(self) -> None:
        vkeys = [key["vkey"] for log in self.trust["logs"] for key in log["keys"]]
        witnesses = read_witnesses(self.trust["witnesses"], vkeys)
        self.findings += judge(witnesses, self.texts, self.origin, self.keys, self.read)

    def check_second(self) -> None:
        """Demand the second signature over the newest checkpoint where the trust file names its key (13.7)."""
        log = next(log for log in self.trust["logs"] if log["origin"] == self.origin)
        if log.get("post_quantum") and covered(log, self.texts, self.keys, self.read) < max(self.texts, default=0):
            self.find("log-post-quantum-missing", self.origin, UNKNOWN)

    def verify(self) -> None:
        for check in (
            self.check_log, self.check_witnesses, self.check_second, self.check_statements, self.check_objects,
            self.check_records, self.check_locks, self.check_completeness, self.check_times,
        ):  # fmt: skip
            check()


def bare(source: dict[str, Any]) -> dict[str, Any]:
    """Return a source's account without order, and without reasons, which are the policy's words."""
    excluded = [{name: value for name, value in one.items() if name != "reason"} for one in source["excluded"]]
    return {"unjudged": []} | source | {"excluded": sorted(map(canonical, excluded))}


def check_trust(data: bytes) -> tuple[dict[str, Any] | None, str, str]:
    """Check 1: return the trust file, or None, a code and words."""
    try:
        trust = read_trust(data)
    except Bad as error:
        return None, "trust-unreadable", str(error)
    try:
        for log in trust["logs"]:
            for key in log["keys"]:
                verifier_key(key["vkey"], log["origin"])
            for key in log.get("post_quantum", []):
                second_key(key["vkey"], log["origin"])
        read_witnesses(trust["witnesses"], [key["vkey"] for log in trust["logs"] for key in log["keys"]])
        read_roots(trust)
        for key in trust["statement_keys"]:
            statement_key(key["pem"], key["keyid"])
    except (Bad, ValueError) as error:
        return None, "trust-key-refused", str(error)
    return trust, "", ""


def main(folder: str, trust_file: str) -> int:
    trust, code, words = check_trust(Path(trust_file).read_bytes())
    findings = [(code, trust_file, FAILED, words)]
    if trust:
        archive = Archive(Path(folder), trust)
        archive.verify()
        findings = archive.findings
    for code, subject, severity, words in findings:
        line = f"{code} {subject} [{severity}] {words}".rstrip()
        print(line.encode("utf-8", "backslashreplace").decode("utf-8"))  # noqa: T201 - it is a program
    failed = [code for code, _, severity, _ in findings if severity == FAILED]
    if failed:
        return 4 if all(code.startswith("lock-") for code in failed) else 1
    return 3 if any(severity == UNKNOWN for _, _, severity, _ in findings) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else 2)
