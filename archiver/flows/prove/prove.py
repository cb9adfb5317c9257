"""Proving one record to somebody who has nothing but the proof and a trust file.

A proof is canonical JSON:

    {"format":"urn:archiver:proof:v1","item":text,"offset":n,"raw":b64,"salt":hex,"record":n,"hashes":[hex],
     "statement":b64 of the envelope,"tlog_proof":text}

    1  the proof is parsed strictly
    2  its statement is signed by a key of the trust file, about a batch of this archive
    3  the statement stands in the log that the trust file names, under a checkpoint signed by its key
    4  the record is a leaf of the batch: item, offset, length, salt and bytes lead to the root in the statement

Number of records, table and root come from the signed statement, never from the proof. Nothing about other records of
the batch is disclosed. Not proven: that the log has not gone on, and when the statement was made; its `at` is a claim.

>>> check_proof(prove(reading, "mail", "a.eml", 0), trust).path
'a.eml'
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from archiver.errors import EvidenceError, UsageError
from archiver.flows.marked import refuse_unless
from archiver.flows.prove import members
from archiver.flows.prove.stated import StatedBatch, stated_batch
from archiver.flows.reading import Reading, UnknownError, finished_snapshot, items_of
from archiver.flows.restore.places import is_called
from archiver.judge import batches
from archiver.late import dataclass, pattern
from archiver.model.item import Item
from archiver.model.items import CONTENT_STATUSES, ItemLine, Part
from archiver.model.leaf import LOG_ROW, Salts, item_digest, leaf, leaf_of_digest
from archiver.model.statement import Statement
from archiver.model.statement_snapshot import BatchPredicate
from archiver.model.trust import TrustFile
from archiver.proof import b64, canonical, merkle, tlog_proof
from archiver.proof.digest import is_sha256_hex

__all__ = [
    "FORMAT",
    "MAX_PROOF",
    "Checked",
    "check_proof",
    "find_line",
    "log_proof",
    "prove",
    "take_leaves",
]

FORMAT: Final = "urn:archiver:proof:v1"
MAX_PROOF: Final = 2 * LOG_ROW
"""The longest record has 64 MiB, a third more in base64; the rest is below 2 MiB."""

_MEMBERS: Final = {"format", "item", "offset", "raw", "salt", "record", "hashes", "statement", "tlog_proof"}
_SALT: Final = pattern(r"[0-9a-f]{32}")
_MAX_PATH: Final = 64


@dataclass(frozen=True)
class Checked:
    """What a proof proves: these bytes stood at this offset of this item when the operator signed the batch."""

    item: str
    source: str
    path: str
    members: tuple[str, ...]
    offset: int
    length: int
    sha256: str
    raw: bytes
    record: int
    stated: StatedBatch


@dataclass(frozen=True)
class _Proof:
    item: str
    offset: int
    raw: bytes
    salt: bytes
    record: int
    hashes: tuple[bytes, ...]
    statement: bytes
    tlog_proof: bytes


@dataclass(frozen=True)
class _Row:
    """The row that was looked for, and the leaves of its batch."""

    item: str
    offset: int
    raw: bytes
    record: int
    salt: bytes
    leaves: list[bytes]


# Proving


def prove(reading: Reading, source: str, path: str, offset: int, *, include_marked: tuple[str, ...] = ()) -> bytes:
    """Return the proof of the record of the newest snapshot that has byte `offset` of an item.

    `path` is spelled as in the archive; what was found inside an item is named as `restore --decoded` names it.
    Raises `UsageError` for an item or an offset that is not there, and for a mark that was not asked for.
    """
    line = find_line(reading, source, path)
    refuse_unless(line.marks, include_marked, f"{source}/{path}")
    if offset < 0 or offset >= max(line.size or 0, 1):
        raise UsageError(
            "no-such-offset",
            f"{source}/{path}: expected an offset below its {line.size} bytes, found {offset}",
            hint="offsets count bytes from 0",
        )
    row, statement, position, envelope = _find(reading, line, offset)
    data = canonical.encode(
        {
            "format": FORMAT,
            "hashes": [value.hex() for value in merkle.inclusion_path(row.leaves, row.record)],
            "item": row.item,
            "offset": row.offset,
            "raw": b64.encode(row.raw),
            "record": row.record,
            "salt": row.salt.hex(),
            "statement": b64.encode(envelope),
            "tlog_proof": log_proof(reading, position).decode(),
        }
    )
    checked = check_proof(data, reading.trust)  # what would not convince its reader is not handed out
    found = checked.stated.predicate.id
    if found != statement.id:
        raise EvidenceError("proof-differs", f"proof: expected the batch {statement.id}, found {found}")
    return data


def find_line(reading: Reading, source: str, path: str) -> ItemLine:
    """Return the line of an item with content in the newest finished snapshot; raises `UsageError` for any other."""
    snapshot = finished_snapshot(reading.archive, None)
    inner, whole = None, None
    for line in items_of(reading.archive, snapshot):
        if line.item.source != source:
            continue
        if not is_called(line, path):
            continue
        if line.item.members:
            inner = line
        else:
            whole = line
    found = whole or inner
    if found is None:
        raise UsageError(
            "no-such-item",
            f"{source}/{path}: expected an item of snapshot {snapshot.id}, found none",
            hint="write SOURCE/PATH as `archiver list items` shows it",
        )
    if found.status not in CONTENT_STATUSES:
        raise UsageError(
            "no-content",
            f"{source}/{path}: expected an item with content, found one that is {found.status}",
            hint="only what is in the archive can be proven",
        )
    return found


def _find(reading: Reading, line: ItemLine, offset: int) -> tuple[_Row, Statement, int, bytes]:
    """Return the row that has an offset, its batch's statement, and that statement's place in the log."""
    for part in line.parts:
        position, statement, envelope = reading.archive.stated(part.batch)
        row = _row(reading, statement, part, line, offset)
        if row is not None:
            return row, statement, position, envelope
    raise EvidenceError("item-parts", f"{line.item.text()}: expected a row that has byte {offset}, found none")


def _row(reading: Reading, statement: Statement, part: Part, line: ItemLine, offset: int) -> _Row | None:
    """Read a batch once: its leaves, and the row of a part that has an offset, None when the part has none."""
    predicate = batches.predicate_of(statement)
    text = (part.of or line.item).text()
    leaves: list[bytes] = []
    found: tuple[int, int, bytes] | None = None
    with reading.archive.batch(statement) as stream:
        file = batches.open_parquet(stream, predicate)
        salts = Salts(batches.salt_of(file))
        for rows in reading.archive.rows(file, predicate.id):
            take_leaves(rows, salts, leaves)
            first = max(part.first - rows.first, 0)
            for place in range(first, min(part.first + part.count - rows.first, len(rows.lengths))):
                start, length = rows.offsets[place], rows.lengths[place]
                if found is None and rows.texts[place] == text and (start <= offset < start + length or not line.size):
                    if place in rows.withheld:
                        raise UnknownError("withheld", f"{text}: the bytes at {offset} are withheld from this copy")
                    raw = bytes(rows.data[rows.bounds[place] : rows.bounds[place + 1]])
                    found = rows.first + place, start, raw
    if found is None:
        return None
    record, start, raw = found
    return _Row(text, start, raw, record, salts.row(record), leaves)


def take_leaves(rows: batches.Rows, salts: Salts, leaves: list[bytes]) -> None:
    """Append the leaves of some rows."""
    data, bounds = rows.data, rows.bounds
    for place, (digest, start, length) in enumerate(zip(rows.digests, rows.offsets, rows.lengths, strict=True)):
        raw = rows.withheld.get(place) or sha256(data[bounds[place] : bounds[place + 1]]).digest()
        leaves.append(leaf_of_digest(digest, start, length, salts.row(rows.first + place), raw))


def log_proof(reading: Reading, position: int) -> bytes:
    """Return the tlog-proof of an entry, with the newest checkpoint."""
    log = reading.archive.log
    path = merkle.inclusion_path(log.leaf_hashes(), position)
    return tlog_proof.format_proof(position, path, log.checkpoint)


# Checking


def check_proof(data: bytes, trust: TrustFile) -> Checked:
    """Check a proof against a trust file alone, offline; raises `EvidenceError` for what is not proven.

    `UnknownError` (exit status 3) is for a proof whose key or log the trust file does not have.
    """
    proof = _parse(data)
    stated = stated_batch(proof.statement, proof.tlog_proof, trust)
    item = _contained(proof, stated.predicate)
    return Checked(
        item=proof.item,
        source=item.source,
        path=item.path,
        members=item.members,
        offset=proof.offset,
        length=len(proof.raw),
        sha256=sha256(proof.raw).hexdigest(),
        raw=proof.raw,
        record=proof.record,
        stated=stated,
    )


def _parse(data: bytes) -> _Proof:
    value = canonical.decode(data, limit=MAX_PROOF)
    if not isinstance(value, dict) or value.keys() != _MEMBERS or value["format"] != FORMAT:
        raise members.malformed(f"the members of {FORMAT}")
    hashes = value["hashes"]
    if not isinstance(hashes, list) or len(hashes) > _MAX_PATH:
        raise members.malformed(f"at most {_MAX_PATH} hashes")
    salt = members.text(value, "salt")
    if _SALT.fullmatch(salt) is None:
        raise members.malformed("a salt of 32 hex digits")
    return _Proof(
        item=members.text(value, "item"),
        offset=members.number(value, "offset"),
        raw=members.data(value, "raw"),
        salt=bytes.fromhex(salt),
        record=members.number(value, "record"),
        hashes=tuple(_hash(one) for one in hashes),
        statement=members.data(value, "statement"),
        tlog_proof=members.text(value, "tlog_proof").encode(),
    )


def _contained(proof: _Proof, predicate: BatchPredicate) -> Item:
    """Check that the record is in the batch; return its item."""
    item = Item.parse(proof.item)
    if item.source != predicate.source:
        raise EvidenceError("item-malformed", f"proof: expected an item of {predicate.source!r}, found {item.source!r}")
    found = leaf(item_digest(proof.item), proof.offset, proof.salt, proof.raw)
    root = bytes.fromhex(predicate.merkle_root)
    merkle.verify_inclusion(found, proof.record, predicate.records, proof.hashes, root)
    return item


def _hash(value: canonical.JSON) -> bytes:
    if not isinstance(value, str) or not is_sha256_hex(value):
        raise members.malformed("hashes of 64 hex digits")
    return bytes.fromhex(value)
