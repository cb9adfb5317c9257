"""An honest small archive in memory, written with `proof` and `model` alone, every step of which a test may bend.

`World(**bends)` tells a story of two snapshots. A bend is a function that gets what the honest writer would write and
returns what is written instead, signed and entered like everything else: only the holder of the keys can do that. What
others can do is done to the store afterwards: `change`, `slip_in`, `remove`, `mark_deleted`.

    bends   archive policy batch snapshot incident   the words of a predicate, a dict
            table                                    the Arrow table of a batch, by its id
            metadata                                 its key-value metadata
            parquet                              the bytes of its Parquet object
            line                                     the members of a line of items
            root                                     the root of a checkpoint, by its size
            request response timestamp               what `stamp` stores, and the words of its predicate
            lock                                     the lock that an object gets, by its key
"""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from memory_store import MemoryStore, Stored

from archiver.judge.verify import Report, verify
from archiver.model import layout, tables, trust
from archiver.model.instant import format_instant
from archiver.model.item import Item, items_item
from archiver.model.items import ItemLine, Part
from archiver.model.leaf import Salts, item_digest, leaf
from archiver.model.statement import PREDICATES, By, Subject, encode_statement
from archiver.proof import canonical, checkpoint, dsse, entry, keys, merkle, note, tiles, timestamp
from archiver.signing.file import Ed25519FileSigner, P256FileSigner
from archiver.stores.base import Lock, Receipt

ARCHIVE = "test-archive"
ARCHIVE_ID = "000102030405060708090a0b0c0d0e0f"
ORIGIN = f"{ARCHIVE}/{ARCHIVE_ID}/vault"
UNTIL = "2027-01-01T12:00:00Z"
FIRST, SECOND = "20261121T090000Z-aaaaaa", "20261122T090000Z-bbbbbb"
POLICY = b"version: 1\n"
BY = By(tool="world", version="1", host="host", user="user", principal=None, clock_offset_s=None)

MEMO, EMPTY = Item("papers", "jdoe/memo.txt"), Item("papers", "empty")
CHAT = Item("logs", "chat.jsonl")
CHAT_ROWS = [b'{"n":1}\n', b'{"n":2}\n', b"no end"]


def signers(number: int) -> tuple[P256FileSigner, Ed25519FileSigner]:
    """Return a statement key and a log key, always the same ones for a number."""
    return (
        P256FileSigner(ec.derive_private_key(1000 + number, ec.SECP256R1())),
        Ed25519FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)),
    )


class World:
    """An archive and its writer."""

    rows_in_group: int | None = None
    facts_of_files: dict[str, Any] | None = None

    def __init__(self, *, tell: bool = True, **bends: Callable[..., Any]) -> None:
        self.bends = bends
        self.store = MemoryStore()
        self.signer, self.log_signer = signers(1)
        self.tree = merkle.Frontier()
        self.entries: list[bytes] = []
        self.until = UNTIL
        self.policy_sha256 = hashlib.sha256(POLICY).hexdigest()
        self.revision = 0
        self.ids = 0
        if tell and not bends and type(self) is World and self.rows_in_group is None and self.facts_of_files is None:
            self.__dict__.update(_honest().told_again().__dict__)
        elif tell:
            self.story()

    def told_again(self) -> World:
        """Return a world of its own in which the same has happened."""
        again = World(tell=False)
        again.store = replace(self.store, versions={key: list(found) for key, found in self.store.versions.items()})
        again.tree, again.entries = copy.deepcopy(self.tree), list(self.entries)
        again.policy_sha256, again.revision, again.ids = self.policy_sha256, self.revision, self.ids
        return again

    # The story

    def story(self) -> None:
        self.put(layout.README, b"read me\n")
        self.begin()
        memo = self.documents(FIRST, 0, [(MEMO, 0, b"keep everything\n"), (EMPTY, 0, b"")])
        logs = self.model_logs(FIRST, 0, [(CHAT, 0, CHAT_ROWS[0]), (CHAT, 8, CHAT_ROWS[1]), (CHAT, 16, CHAT_ROWS[2])])
        lines = [
            self.kept(MEMO, "documents", b"keep everything\n", Part(memo, 0, 1)),
            self.kept(EMPTY, "documents", b"", Part(memo, 1, 1)),
            self.kept(CHAT, "model_logs", b"".join(CHAT_ROWS), Part(logs, 0, 3)),
            ItemLine(
                Item("papers", "~$x"), "file", None, "excluded", self.at, reason="exclude", detail="**/~$*", size=4
            ),
        ]
        self.items(FIRST, lines)
        self.snapshot(FIRST, None, lines, {"documents": 1, "model_logs": 1, "items": 1})
        self.store.now += timedelta(days=1)
        again = [replace(line, status="unchanged", basis="stat") if line.parts else line for line in lines]
        self.items(SECOND, again)
        self.snapshot(SECOND, FIRST, again, {"items": 1})

    def begin(self) -> None:
        subject = self.put_object(layout.policy_key(self.policy_sha256), POLICY)
        published = {"keyid": self.signer.keyid, "role": "statement", "pem": keys.to_pem(self.signer.public)}
        words = {
            "origin": ORIGIN,
            "log_vkey": str(self.vkey),
            "format": 1,
            "hash": "sha-256",
            "tree": "rfc6962",
            "leaf": "archiver-leaf-v1",
            "keys": [published],
            "policy_sha256": self.policy_sha256,
            "demo_keys": False,
            "continues": None,
        }
        self.state("archive", [subject], words)
        self.policy()

    def policy(self, text: bytes = POLICY, until: str = UNTIL) -> None:
        subject = self.put_object(layout.policy_key(hashlib.sha256(text).hexdigest()), text)
        self.revision += 1
        words = {
            "revision": self.revision,
            "sha256": subject.digest.sha256,
            "previous": None if self.revision == 1 else self.policy_sha256,
            "matters": [
                {"id": "CASE-1", "retain_until": until, "mode": "COMPLIANCE", "legal_hold": True, "instrument": None}
            ],
            "sources": [
                {"id": "papers", "kind": "documents", "location": "./papers", "matters": ["CASE-1"]},
                {"id": "logs", "kind": "model_logs", "location": "./logs", "matters": ["CASE-1"]},
            ],
            "expected_every_hours": 24,
            "changes": [],
        }
        self.policy_sha256 = subject.digest.sha256
        self.state("policy", [subject], words)

    # Steps

    @property
    def at(self) -> str:
        return format_instant(self.store.now)

    @property
    def vkey(self) -> note.VerifierKey:
        return note.VerifierKey(ORIGIN, self.log_signer.public_bytes)

    def kept(self, item: Item, table: str, data: bytes, *parts: Part) -> ItemLine:
        digest = hashlib.sha256(data).hexdigest()
        words = {"basis": "read", "size": len(data), "sha256": digest, "parts": parts, "file": self.facts_of_files}
        return ItemLine(item, "file", table, "captured", self.at, **words)

    def documents(self, snapshot: str, number: int, rows: list[tuple[Item, int, bytes]]) -> str:
        return self.batch("documents", snapshot, number, "papers", rows)

    def model_logs(self, snapshot: str, number: int, rows: list[tuple[Item, int, bytes]]) -> str:
        return self.batch("model_logs", snapshot, number, "logs", rows)

    def items(self, snapshot: str, lines: list[ItemLine], number: int = 0, offset: int = 0) -> str:
        rows = []
        for line in lines:
            raw = canonical.encode(self.bend("line", line.to_json())) + b"\n"
            rows.append((items_item(snapshot), offset, raw))
            offset += len(raw)
        return self.batch("items", snapshot, number, "", rows)

    def batch(self, table: str, snapshot: str, number: int, source: str, rows: list[tuple[Item, int, bytes]]) -> str:
        identity = layout.batch_id(snapshot, table, number)
        salt = hashlib.sha256(identity.encode()).digest()
        salts = Salts(salt)
        leaves = [
            leaf(item_digest(item.text()), offset, salts.row(place), raw)
            for place, (item, offset, raw) in enumerate(rows)
        ]
        root = merkle.root_of(leaves).hex()
        data = self.parquet(table, identity, rows, salt, root)
        key = layout.batch_key(table, identity)
        subject = self.put_object(key, data)
        receipt = self.store.receipt(key, self.store.versions[key][0])
        words = {
            "source": source,
            "snapshot": snapshot,
            "table": table,
            "table_version": tables.TABLES[table],
            "number": number,
            "records": len(rows),
            "items": len({item for item, _, _ in rows}),
            "raw_bytes": sum(len(raw) for _, _, raw in rows),
            "merkle_root": root,
            "collected_from": self.at,
            "collected_to": self.at,
            "parquet_writer": "pyarrow",
            "encryption": "none",
            "policy_sha256": self.policy_sha256,
            "matters": ["CASE-1"],
            "hold": {"retain_until": self.until, "mode": "COMPLIANCE", "legal_hold": True},
            "receipts": [_receipt_words(receipt)],
        }
        self.state("batch", [subject], words, identity)
        return identity

    def parquet(self, table: str, identity: str, rows: list[tuple[Item, int, bytes]], salt: bytes, root: str) -> bytes:
        schema = tables.schema_of(table)
        columns: dict[str, Any] = {name: [None] * len(rows) for name in schema.names}
        columns["record"] = list(range(len(rows)))
        columns["item"] = [item.text() for item, _, _ in rows]
        columns["offset"] = [offset for _, offset, _ in rows]
        columns["raw"] = [raw for _, _, raw in rows]
        made = pa.table([pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema)
        metadata = {
            "archiver.format": "1",
            "archiver.archive_id": ARCHIVE_ID,
            "archiver.table": table,
            "archiver.table_version": str(tables.TABLES[table]),
            "archiver.batch": identity,
            "archiver.salt": salt.hex(),
            "archiver.merkle_root": root,
        }
        made = self.bend("table", made, identity).replace_schema_metadata(self.bend("metadata", metadata, identity))
        sink = io.BytesIO()
        pq.write_table(made, sink, write_page_checksum=True, compression="zstd", row_group_size=self.rows_in_group)
        return self.bend("parquet", sink.getvalue(), identity)

    def snapshot(self, identity: str, previous: str | None, lines: list[ItemLine], batches: dict[str, int]) -> None:
        words = {
            "previous": previous,
            "started": self.at,
            "finished": self.at,
            "log_size_at_start": 2,
            "status": "complete",
            "sources": [_source_words(name, lines) for name in ("papers", "logs")],
            "batches": batches,
        }
        subject = Subject.of(layout.policy_key(self.policy_sha256), self.policy_sha256)
        self.state("snapshot", [subject], words, identity)

    def incident(self, key: str, version: str | None, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        words = {
            "what": "met",
            "decision": "not evidence",
            "objects": [{"key": key, "version": version, "sha256": digest}],
        }
        self.state("incident", [Subject.of(key, digest)], words)

    def stamp(self, tsa: Any, size: int | None = None, *, seconds: int = 5, **edit: Any) -> str:
        """Let an authority stamp a checkpoint, the newest one by default, and enter the token; return the token's key.

        It says that it is `seconds` later than the writer's clock; bends of `request`, `response`, `timestamp` apply.
        """
        size = size or self.tree.size
        signed = self.store.versions[layout.checkpoint_key(size)][-1].data or b""
        imprint, nonce = hashlib.sha256(signed).digest(), 1000 + self.ids
        moment = datetime.strptime(self.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) + timedelta(seconds=seconds)
        response = self.bend("response", tsa.stamp(imprint, nonce, moment))
        request = self.bend("request", timestamp.write_request(timestamp.Request(imprint, nonce)))
        name, digest = "tsa.example.com", hashlib.sha256(response).hexdigest()
        keys_of = {kind: layout.timestamp_key(size, name, digest, kind) for kind in ("tsq", "tsr", "revocation")}
        bodies = {"tsq": request, "tsr": response, "revocation": b"{}"}
        words = {
            "authority": name,
            "url": "https://tsa.example.com",
            "log_size": size,
            "log_root": checkpoint.open_signed(signed, self.vkey).root.hex(),
            "imprint": imprint.hex(),
            "gen_time": format_instant(moment),
            "serial": str(tsa.count),
            "policy": "1.3.6.1.4.1.99999.1",
            "certificate_until": format_instant(tsa.certificate.not_valid_after_utc),
            **edit,
        }
        self.state("timestamp", [self.put_object(keys_of[kind], body) for kind, body in bodies.items()], words)
        return keys_of["tsr"]

    # Signing and the log

    def state(self, kind: str, subjects: list[Subject], words: dict[str, Any], identity: str | None = None) -> str:
        self.ids += 1
        common = {
            "archive": ARCHIVE,
            "archive_id": ARCHIVE_ID,
            "id": identity or f"20261120T090000Z-{self.ids:06x}",
            "at": self.at,
            "by": BY.model_dump(),
        }
        words = self.bend(kind, {**common, **words})
        predicate = PREDICATES[kind].model_validate(words)
        return self.enter_payload(encode_statement(subjects, kind, predicate), kind, str(words["id"]))

    def enter_payload(self, payload: bytes, kind: str, identity: str, signer: P256FileSigner | None = None) -> str:
        key = layout.statement_key(kind, identity)
        self.enter(key, dsse.seal(payload, signer or self.signer))
        return key

    def enter(self, key: str, envelope: bytes) -> None:
        if key not in self.store.versions:
            self.put(key, envelope)
        self.append(entry.encode(key, hashlib.sha256(envelope).hexdigest()))

    def append(self, data: bytes) -> None:
        self.put(layout.entry_key(self.tree.size), data)
        self.entries.append(data)
        self.tree.append(merkle.leaf_hash(data))
        for tile in tiles.due(self.tree.size):
            if tile.level is None:
                self.put(tile.key, tiles.entries_tile(self.entries[tile.first :]))
            else:
                hashes = [merkle.leaf_hash(one) for one in self.entries[tile.first :]]
                self.put(tile.key, tiles.hash_tile(hashes))
        self.put(layout.checkpoint_key(self.tree.size), self.signed(self.tree.size, self.tree.root()))

    def signed(self, size: int, root: bytes) -> bytes:
        return checkpoint.sign(checkpoint.Checkpoint(ORIGIN, size, self.bend("root", root, size)), self.log_signer)

    def put_object(self, key: str, data: bytes) -> Subject:
        if key not in self.store.versions:
            self.put(key, data)
        return Subject.of(key, hashlib.sha256(data).hexdigest())

    def put(self, key: str, data: bytes) -> None:
        lock = Lock("COMPLIANCE", datetime.strptime(self.until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC), True)  # noqa: FBT003
        self.store.add(key, data, self.bend("lock", lock, key))

    def bend(self, step: str, honest: Any, *facts: Any) -> Any:
        return self.bends[step](honest, *facts) if step in self.bends else honest

    # What others do to the store

    def change(self, key: str, data: bytes) -> None:
        """Put other bytes in place, as only the storage itself could."""
        self.store.versions[key] = [replace(self.store.versions[key][0], data=data)]

    def slip_in(self, key: str, data: bytes, *, oldest: bool = False) -> Stored:
        """Add a version over or under the others, as anyone with write access can."""
        return self.store.add(key, data, Lock("NONE", None, False), oldest=oldest, owner="mallory")  # noqa: FBT003

    def remove(self, prefix: str) -> None:
        for key in [key for key in self.store.versions if key.startswith(prefix)]:
            del self.store.versions[key]

    def mark_deleted(self, key: str) -> None:
        self.store.add(key, None, Lock(None, None, None), owner="mallory")

    # What an auditor does

    def trust(self, **edit: Any) -> trust.TrustFile:
        words = {
            "version": 1,
            "archive": ARCHIVE,
            "archive_id": ARCHIVE_ID,
            "logs": [
                {"origin": ORIGIN, "keys": [{"vkey": str(self.vkey), "from_size": 0, "to_size": None}], "seen": None}
            ],
            "statement_keys": [
                {
                    "keyid": self.signer.keyid,
                    "pem": keys.to_pem(self.signer.public),
                    "roles": ["statement"],
                    "valid_from": None,
                    "valid_until": None,
                    "revoked": None,
                }
            ],
            "timestamps": {"required": 0, "max_delay_s": 0, "tsas": []},
            "holds": [{"matter": "CASE-1", "until": UNTIL, "mode": "COMPLIANCE", "legal_hold": True}],
            "max_silence_hours": 24,
            "witnesses": [],
        }
        return trust.TrustFile.model_validate({**words, **edit})

    def verify(self, trusted: trust.TrustFile | None = None, **options: Any) -> Report:
        clock = options.pop("clock", lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
        return verify(options.pop("store", self.store), trusted or self.trust(), clock=clock, **options)

    def write_folder(self, folder: Path, *, locks: bool = True) -> None:
        """Write the newest versions out as a folder store has them."""
        lines = []
        for key, versions in self.store.versions.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(versions[0].data or b"")
            lines.append({"key": key, "legal_hold": True, "mode": "COMPLIANCE", "retain_until": self.until})
        if locks:
            (folder / ".locks.jsonl").write_bytes(b"".join(canonical.encode(line) + b"\n" for line in lines))


@cache
def _honest() -> World:
    """Tell the story once where nothing is bent: many tests begin there, and it takes longer than most of them."""
    world = World(tell=False)
    world.story()
    return world


def _receipt_words(receipt: Receipt) -> dict[str, Any]:
    words = {name: getattr(receipt, name) for name in Receipt.__dataclass_fields__}
    until = receipt.retain_until
    words["retain_until"] = None if until is None else format_instant(until)
    return {**words, "read_back_at": format_instant(receipt.read_back_at)}


def _source_words(name: str, lines: list[ItemLine]) -> dict[str, Any]:
    mine = [line for line in lines if line.item.source == name]
    statuses = [line.status for line in mine]
    names = ("captured", "unchanged", "changed_during_read", "failed", "excluded", "recorded")
    counts = {one: statuses.count(one) for one in (*names, "absent")}
    counts["seen"] = sum(counts[one] for one in names)
    out = [line for line in mine if line.status == "excluded"]
    excluded = [{"rule": str(line.detail), "reason": "lock files", "items": 1, "bytes": line.size or 0} for line in out]
    kept = [line for line in mine if line.parts]
    return {
        "id": name,
        "location": f"host:/{name}",
        "device": None,
        "counts": counts,
        "excluded": excluded,
        "bytes": sum(line.size or 0 for line in kept),
        "new_bytes": sum(line.size or 0 for line in kept if line.status == "captured"),
    }
