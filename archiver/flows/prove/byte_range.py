"""Proving a range of bytes of an item: all records that cover it, in one file, and no other record.

    {"format":"urn:archiver:range-proof:v1","item":text,"offset":n,"length":n,
     "groups":[{"statement":b64,"tlog_proof":text,"record":n,"rows":[{"raw":b64,"salt":hex}],"hashes":[hex]}]}

`offset` and `length` are those of the records: the first begins there, each goes on where the one before ends, and
together they have `length` bytes. A group has the records of one batch, `record` is the number of the first, `hashes`
the path for all of them (`proof.merkle_range`). Everything else is as with the proof of one record (`flows.prove`).

>>> check_range(prove_range(reading, "mail", "a.eml", 0, 9_000_000), trust).length
16777216
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from archiver.errors import EvidenceError, UsageError
from archiver.flows.marked import refuse_unless
from archiver.flows.prove import members
from archiver.flows.prove.prove import (
    MAX_PROOF,
    check_proof,
    find_line,
    log_proof,
    take_leaves,
)
from archiver.flows.prove.stated import StatedBatch, stated_batch
from archiver.flows.reading import Reading, UnknownError
from archiver.judge import batches
from archiver.late import dataclass, pattern
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.leaf import LOG_ROW, Salts, item_digest, leaf
from archiver.model.trust import TrustFile
from archiver.proof import b64, canonical
from archiver.proof.digest import is_sha256_hex
from archiver.proof.merkle import ProofError
from archiver.proof.merkle_range import range_path, range_root

__all__ = ["FORMAT", "CheckedGroup", "CheckedRange", "check_any", "check_range", "prove_range"]

FORMAT: Final = "urn:archiver:range-proof:v1"
MAX_RANGE: Final = LOG_ROW
"""Bytes of all records of a proof: with base64 and paths it stays below `MAX_PROOF`."""

_SALT: Final = pattern(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class CheckedGroup:
    """Records of one batch, and where and when that batch was stated."""

    offset: int
    length: int
    record: int
    records: int
    stated: StatedBatch


@dataclass(frozen=True)
class CheckedRange:
    """What is proven: these bytes stood at this offset of this item when the operator signed the batches."""

    item: str
    source: str
    path: str
    members: tuple[str, ...]
    offset: int
    raw: bytes
    sha256: str
    groups: tuple[CheckedGroup, ...]

    @property
    def length(self) -> int:
        """Number of bytes."""
        return len(self.raw)


@dataclass(frozen=True)
class _Rows:
    """Consecutive rows of a batch that cover a part of the range, and the leaves of the whole batch."""

    first: int
    start: int
    raws: list[bytes]
    salts: list[bytes]
    leaves: list[bytes]


# Proving


def prove_range(
    reading: Reading, source: str, path: str, offset: int, length: int, *, include_marked: tuple[str, ...] = ()
) -> bytes:
    """Return the proof of the records that have bytes `offset` to `offset + length - 1` of an item."""
    line = find_line(reading, source, path)
    refuse_unless(line.marks, include_marked, f"{source}/{path}")
    if offset < 0 or length < 1 or offset + length > (line.size or 0):
        raise UsageError(
            "no-such-range",
            f"{source}/{path}: expected a range within its {line.size} bytes, found {length} bytes from {offset} on",
            hint="offsets count bytes from 0; leave --length out for the record at an offset",
        )
    texts = {(part.of or line.item).text() for part in line.parts}
    if len(texts) != 1:
        raise UsageError(
            "range-shared",
            f"{source}/{path}: expected rows of one item, found rows that it shares with {len(texts)}",
            hint="prove its records one by one, without --length",
        )
    _check_size(length)
    found = [(part, rows) for part in line.parts if (rows := _rows(reading, line, part, offset, offset + length))]
    groups = [_group(reading, part, rows) for part, rows in found]
    words: dict[str, canonical.JSON] = {
        "format": FORMAT,
        "groups": list[canonical.JSON](groups),
        "item": texts.pop(),
        "length": sum(len(raw) for _, rows in found for raw in rows.raws),
        "offset": found[0][1].start,
    }
    data = canonical.encode(words)
    check_range(data, reading.trust)  # what would not convince its reader is not handed out
    return data


def _rows(reading: Reading, line: ItemLine, part: Part, low: int, high: int) -> _Rows | None:
    """Read the batch of a part once: its leaves, and the rows that have bytes from low to high; None without any."""
    statement = reading.archive.stated(part.batch)[1]
    leaves: list[bytes] = []
    taken: list[tuple[int, int, bytes]] = []
    with reading.archive.batch(statement) as stream:
        file = batches.open_parquet(stream, batches.predicate_of(statement))
        salts = Salts(batches.salt_of(file))
        for rows in reading.archive.rows(file, part.batch):
            take_leaves(rows, salts, leaves)
            first = max(part.first - rows.first, 0)
            for place in range(first, min(part.first + part.count - rows.first, len(rows.lengths))):
                start, end = rows.offsets[place], rows.offsets[place] + rows.lengths[place]
                if start < high and end > low:
                    if place in rows.withheld:
                        raise UnknownError("withheld", f"{line.item.text()}: the bytes at {start} are withheld")
                    raw = bytes(rows.data[rows.bounds[place] : rows.bounds[place + 1]])
                    taken.append((rows.first + place, start, raw))
                    _check_size(end - taken[0][1])
    if not taken:
        return None
    return _Rows(taken[0][0], taken[0][1], [raw for *_, raw in taken], [salts.row(row) for row, *_ in taken], leaves)


def _check_size(size: int) -> None:
    if size > MAX_RANGE:
        raise UsageError(
            "range-too-long",
            f"range: expected records of at most {MAX_RANGE:,} bytes, found more",
            hint="prove it in several files",
        )


def _group(reading: Reading, part: Part, rows: _Rows) -> dict[str, canonical.JSON]:
    position, _, envelope = reading.archive.stated(part.batch)
    return {
        "hashes": [value.hex() for value in range_path(rows.leaves, rows.first, len(rows.raws))],
        "record": rows.first,
        "rows": [{"raw": b64.encode(raw), "salt": salt.hex()} for raw, salt in zip(rows.raws, rows.salts, strict=True)],
        "statement": b64.encode(envelope),
        "tlog_proof": log_proof(reading, position).decode(),
    }


# Checking


def check_any(data: bytes, trust: TrustFile) -> CheckedRange:
    """Check a proof of either kind; a proof of one record is one of a range with one group."""
    if data.startswith(b'{"format":"' + FORMAT.encode()):
        return check_range(data, trust)
    one = check_proof(data, trust)
    group = CheckedGroup(one.offset, one.length, one.record, 1, one.stated)
    return CheckedRange(one.item, one.source, one.path, one.members, one.offset, one.raw, one.sha256, (group,))


def check_range(data: bytes, trust: TrustFile) -> CheckedRange:
    """Check a proof of a range against a trust file alone, offline; raises as `prove.check_proof` does."""
    value = _members(canonical.decode(data, limit=MAX_PROOF), "format groups item length offset")
    item, groups = members.text(value, "item"), value["groups"]
    start = end = members.number(value, "offset")
    if value["format"] != FORMAT or not isinstance(groups, list) or not groups:
        raise members.malformed(f"the members of {FORMAT}")
    checked, raws = [], []
    for group in groups:
        found, raw = _check_group(_members(group, "hashes record rows statement tlog_proof"), item, end, trust)
        end += len(raw)
        checked.append(found)
        raws.append(raw)
    if end - start != members.number(value, "length"):
        raise members.malformed(f"records of {value['length']} bytes")
    named, whole = Item.parse(item), b"".join(raws)
    return CheckedRange(
        item, named.source, named.path, named.members, start, whole, sha256(whole).hexdigest(), tuple(checked)
    )


def _check_group(
    words: dict[str, canonical.JSON], item: str, offset: int, trust: TrustFile
) -> tuple[CheckedGroup, bytes]:
    proof = members.text(words, "tlog_proof").encode()
    stated = stated_batch(members.data(words, "statement"), proof, trust)
    said = stated.predicate
    if Item.parse(item).source != said.source:
        raise EvidenceError("item-malformed", f"proof: expected an item of {said.source!r}, found another")
    raw, leaves = _leaves(words, item, offset)
    first = members.number(words, "record")
    root = range_root(said.records, first, leaves, _hashes(words))
    if root.hex() != said.merkle_root:
        raise ProofError(f"proof: expected the root {said.merkle_root}, found {root.hex()}")
    return CheckedGroup(offset, len(raw), first, len(leaves), stated), raw


def _leaves(words: dict[str, canonical.JSON], item: str, offset: int) -> tuple[bytes, list[bytes]]:
    rows, raws, leaves, digest = words["rows"], [], [], item_digest(item)
    if not isinstance(rows, list):
        raise members.malformed("rows")
    for one in rows:
        row = _members(one, "raw salt")
        raw, salt = members.data(row, "raw"), members.text(row, "salt")
        if _SALT.fullmatch(salt) is None:
            raise members.malformed("a salt of 32 hex digits")
        leaves.append(leaf(digest, offset, bytes.fromhex(salt), raw))
        raws.append(raw)
        offset += len(raw)
    return b"".join(raws), leaves


def _hashes(words: dict[str, canonical.JSON]) -> list[bytes]:
    hashes = words["hashes"]
    if not isinstance(hashes, list) or not all(is_sha256_hex(one) for one in hashes):
        raise members.malformed("hashes of 64 hex digits")
    return [bytes.fromhex(str(one)) for one in hashes]


def _members(value: canonical.JSON, names: str) -> dict[str, canonical.JSON]:
    if not isinstance(value, dict) or value.keys() != set(names.split()):
        raise members.malformed(f"the members {names}")
    return value
