"""The facts of a declaration, gathered from an archive that was verified a moment ago and is still open.

Laws: nothing comes from anywhere but checked statements, checked lists of items, and the report of the verification;
what grows with the archive goes to exhibits, which the declaration names by their SHA-256.

>>> facts = gather(reading, report, Scope("snapshot", None), folder, by=by)
>>> facts.items, facts.exhibits[0].name
(41, 'exhibit-a-items.csv')
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, Self

from archiver.errors import ArchiverError, UsageError
from archiver.flows.custody.chain import Chain, custody
from archiver.flows.custody.csv import safe_cell, to_csv
from archiver.flows.custody.item import lines_of
from archiver.flows.reading import Reading, finished_snapshot, items_of
from archiver.judge.batches import predicate_of
from archiver.judge.brackets import Bracket
from archiver.judge.verify import Report
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy_words import MatterWords, PolicyWords
from archiver.model.policy_yaml import read_yaml
from archiver.model.statement import AccessPredicate, By, ReceiptPredicate, Statement
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate

__all__ = ["BatchFact", "Exhibit", "FactsFound", "MatterFact", "Scope", "gather"]

_POLICY_LIMIT: Final = 16 << 20


@dataclass(frozen=True)
class Scope:
    """What is declared about: a snapshot, a batch or an item, by its id or name; None is the newest snapshot."""

    kind: Literal["snapshot", "batch", "item"]
    name: str | None


@dataclass(frozen=True)
class Exhibit:
    """A list beside the declaration: its name, digest and number of lines without the head."""

    name: str
    sha256: str
    lines: int


@dataclass(frozen=True)
class MatterFact:
    """A matter as the archived policy words it, whose key is `policy`, and until when the log holds it."""

    id: str
    title: str
    authority: str
    issued: str
    stated_as: str
    until: str
    instrument: str | None
    policy: str


@dataclass(frozen=True)
class BatchFact:
    """A batch that holds the evidence, and between which instants timestamps put its statement."""

    id: str
    key: str
    sha256: str
    words: BatchPredicate
    entry: int
    bracket: Bracket


@dataclass(frozen=True)
class CopyFact:
    """A place that the log has receipts of, and of how many of the objects it confirmed that they lie there locked."""

    store: str
    bucket: str
    objects: int


@dataclass(frozen=True)
class AccessFact:
    """An access that the log states."""

    at: str
    who: str
    what: str
    why: str
    verdict: str


@dataclass(frozen=True)
class FactsFound:
    """Everything that a declaration says; `items` and `item_bytes` are of exhibit A."""

    scope: Scope
    archive: str
    archive_id: str
    origin: str
    location: str
    enforced: bool
    copies: tuple[CopyFact, ...]
    elsewhere: tuple[str, ...]
    """The other destinations of the archive, which have logs of their own and were not looked at."""
    demo_keys: bool
    snapshot: SnapshotPredicate
    snapshot_entry: int
    snapshot_keyids: tuple[str, ...]
    matters: tuple[MatterFact, ...]
    batches: tuple[BatchFact, ...]
    items: int
    item_bytes: int
    single: ItemLine | None
    chain: Chain | None
    accesses: tuple[AccessFact, ...]
    verifications: int
    report: Report
    exhibits: tuple[Exhibit, ...]
    by: By


def gather(reading: Reading, report: Report, scope: Scope, folder: Path, *, by: By, clock: Callable[..., Any],
           plain: Callable[[str], str]) -> FactsFound:  # fmt: skip
    """Gather the facts and write the exhibits into a folder; raises `UsageError` for a scope that is not there."""
    archive = reading.archive
    snapshot, lines, chain = _scoped(reading, scope, by, clock)
    wanted: dict[str, None] = {}
    count = _Count()
    exhibits = [_exhibit(folder, "exhibit-a-items.csv", _ITEM_HEAD, _items(lines, wanted, count), plain)]
    if not count.items:
        raise UsageError("no-content", f"{scope.kind} {snapshot.id}: expected items whose bytes were kept, found none")
    batches = tuple(_batches(reading, wanted if scope.kind != "batch" else {str(scope.name): None}))
    exhibits.append(
        _exhibit(
            folder,
            "exhibit-b-batches.csv",
            _BATCH_HEAD,
            itertools.chain.from_iterable(map(_batch_rows, batches)),
            plain,
        )
    )
    if chain is not None:
        exhibits.append(_text_exhibit(folder, "exhibit-c-custody.csv", to_csv(chain, plain), len(chain.events)))
    found = archive.statement("snapshot", snapshot.id)
    assert found is not None
    held = {matter for one in batches for matter in one.words.matters}
    return FactsFound(
        scope=scope,
        archive=archive.trusted.archive,
        archive_id=archive.trusted.archive_id,
        origin=archive.log.origin,
        location=archive.store.destination.location,
        enforced=archive.store.destination.enforces_locks,
        copies=_copies(reading, batches),
        elsewhere=tuple(
            log.origin.rpartition("/")[2] for log in archive.trusted.logs if log.origin != archive.log.origin
        ),
        demo_keys=report.demo_keys,
        snapshot=snapshot,
        snapshot_entry=found[0],
        snapshot_keyids=tuple(key.keyid for key in archive.trusted.statement_keys if "statement" in key.roles),
        matters=tuple(_matters(reading, held)),
        batches=batches,
        items=count.items,
        item_bytes=count.bytes,
        single=count.last if count.items == 1 else None,
        chain=chain,
        accesses=tuple(_accesses(reading)),
        verifications=archive.table_of_statements.count("verification"),
        report=report,
        exhibits=tuple(exhibits),
        by=by,
    )


def _scoped(
    reading: Reading, scope: Scope, by: By, clock: Callable[..., Any]
) -> tuple[SnapshotPredicate, Iterable[ItemLine], Chain | None]:
    """Return the snapshot, the lines with content that are declared about, and for an item its chain."""
    archive = reading.archive
    if scope.kind == "item":
        source, _, path = str(scope.name).partition("/")
        chain = custody(reading, source, path, by=by, clock=clock)
        kept = [one for one in lines_of(archive, source, path) if one.line.status in CONTENT_STATUSES]
        if not kept:
            raise UsageError("no-content", f"{scope.name}: expected an item whose bytes were kept, found none")
        return finished_snapshot(archive, kept[-1].snapshot.id), [kept[-1].line], chain
    name = scope.name
    if scope.kind == "batch":
        found = archive.statement("batch", str(name))
        if found is None:
            raise UsageError("no-such-batch", f"{name}: expected a batch of the log, found none",
                             hint="see `archiver list batches`")  # fmt: skip
        name = predicate_of(found[1]).snapshot
    snapshot = finished_snapshot(archive, name)
    lines = (line for line in items_of(archive, snapshot) if line.status in CONTENT_STATUSES)
    if scope.kind == "batch":
        lines = (line for line in lines if any(part.batch == scope.name for part in line.parts))
    return snapshot, lines, None


# Exhibits


@dataclass
class _Count:
    items: int = 0
    bytes: int = 0
    last: ItemLine | None = None


_ITEM_HEAD: Final = ("source", "path", "inside", "size", "sha256", "status", "observed_at", "batches", "item")
_BATCH_HEAD: Final = (
    "batch", "key", "sha256", "merkle_root", "records", "raw_bytes", "log_entry", "stated_at", "not_before",
    "not_after", "hold_until", "store", "bucket", "version", "lock_mode", "lock_until", "legal_hold", "read_back_at",
)  # fmt: skip


def _items(lines: Iterable[ItemLine], wanted: dict[str, None], count: _Count) -> Iterator[tuple[object, ...]]:
    for line in lines:
        count.items += 1
        count.bytes += line.size or 0
        count.last = line
        batches = dict.fromkeys(part.batch for part in line.parts)
        wanted.update(batches)
        item = line.item
        yield (
            item.source, item.path, "!".join(item.members), line.size, line.sha256, line.status, line.observed_at,
            " ".join(batches), item.text(),
        )  # fmt: skip


def _batch_rows(one: BatchFact) -> Iterator[tuple[object, ...]]:
    """Yield a line for each place that confirmed a batch, one at least."""
    words = one.words
    stored: list[tuple[object, ...]] = [
        (receipt.store, receipt.bucket, receipt.version, receipt.mode, receipt.retain_until, receipt.legal_hold,
         receipt.read_back_at) for receipt in words.receipts
    ]  # fmt: skip
    for receipt in stored or [("",) * 7]:
        yield (
            one.id, one.key, one.sha256, words.merkle_root, words.records, words.raw_bytes, one.entry, words.at,
            one.bracket.not_before, one.bracket.not_after, words.hold.retain_until, *receipt,
        )  # fmt: skip


def _exhibit(
    folder: Path, name: str, head: Sequence[str], rows: Iterable[Sequence[object]], plain: Callable[[str], str]
) -> Exhibit:
    """Write a list, line by line, and hash it on its way."""
    digest, lines = _Hashed(folder / name), 0
    with digest:
        writer = csv.writer(digest, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(head)
        for row in rows:
            lines += 1
            writer.writerow([safe_cell(plain("" if cell is None else str(cell))) for cell in row])
    return Exhibit(name, digest.sha256, lines)


def _text_exhibit(folder: Path, name: str, text: str, lines: int) -> Exhibit:
    data = text.encode()
    (folder / name).write_bytes(data)
    return Exhibit(name, sha256(data).hexdigest(), lines)


class _Hashed:
    """A new text file that is hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._digest = sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, text: str) -> int:
        data = text.encode()
        self._digest.update(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


# Statements


def _batches(reading: Reading, wanted: dict[str, None]) -> Iterator[BatchFact]:
    for entry, statement, _ in reading.archive.statements("batch"):
        words = statement.predicate
        if isinstance(words, BatchPredicate) and words.id in wanted:
            subject = statement.subject[0]
            bracket = reading.archive.brackets.of(entry)
            yield BatchFact(words.id, subject.name, subject.digest.sha256, words, entry, bracket)


def _copies(reading: Reading, batches: Sequence[BatchFact]) -> tuple[CopyFact, ...]:
    """Count by place what the statements of batches, and later ones of receipts, say was confirmed there."""
    keys = {one.key for one in batches}
    later = (statement.predicate for _, statement, _ in reading.archive.statements("receipt"))
    receipts = [receipt for one in batches for receipt in one.words.receipts]
    receipts += [
        receipt for words in later if isinstance(words, ReceiptPredicate) for receipt in words.receipts
        if receipt.key in keys
    ]  # fmt: skip
    found: dict[tuple[str, str], set[str]] = {}
    for receipt in receipts:
        found.setdefault((receipt.store, receipt.bucket), set()).add(receipt.key)
    return tuple(CopyFact(*place, len(confirmed)) for place, confirmed in sorted(found.items()))


def _matters(reading: Reading, held: set[str]) -> Iterator[MatterFact]:
    """Yield the matters of the evidence: dates from signed statements, words from the archived policy."""
    from archiver.judge.holds import read_holds  # noqa: PLC0415 - only where holds are told

    holds, policies = read_holds(reading.archive), reading.archive.table_of_statements.policies
    for identity in sorted(held):
        stated = [one for _, policy in policies for one in policy.matters if one.id == identity]
        key, words = _worded(reading, [policy.sha256 for _, policy in policies], identity)
        until = max([*(one.retain_until for one in stated), holds.until({identity})])
        instruments = [one.instrument for one in stated if one.instrument]
        yield MatterFact(
            identity,
            words.title if words else "not readable in the archived policy",
            words.authority if words else "not readable in the archived policy",
            words.issued if words else "not readable in the archived policy",
            words.hold.stated_as if words else "not readable in the archived policy",
            until,
            instruments[-1] if instruments else None,
            key,
        )


def _worded(reading: Reading, policies: list[str], matter: str) -> tuple[str, MatterWords | None]:
    """Return the key of the newest archived policy that words a matter, and its words; the newest where none does."""
    for digest in reversed(policies):
        words = _policy_words(reading, digest, matter)
        if words is not None:
            return layout.policy_key(digest), words
    return layout.policy_key(policies[-1]), None


def _policy_words(reading: Reading, digest: str, matter: str) -> MatterWords | None:
    """Return what an archived policy says of a matter; None where it does not, or was of another program version."""
    try:
        with reading.archive.object(layout.policy_key(digest), digest) as stream:
            words = PolicyWords.model_validate(read_yaml(stream.read(_POLICY_LIMIT), "policy").value)
    except (ArchiverError, ValueError):
        return None
    return next((one for one in words.matters if one.id == matter), None)


def _accesses(reading: Reading) -> Iterator[AccessFact]:
    for _, statement, _ in reading.archive.statements("access"):
        words = statement.predicate
        if isinstance(words, AccessPredicate) and words.verdict != "begun":
            yield AccessFact(words.at, _who(statement), words.what, words.why or "no reason was given", words.verdict)


def _who(statement: Statement) -> str:
    by = statement.predicate.by
    return f"{by.user}@{by.host}"
