"""What the readers' commands answer: list, show, restore, prove, check-proof, trust show."""

from __future__ import annotations

from typing import Literal

from archiver.cli.answers_shared import ItemMark, Position
from archiver.late import dataclass

__all__ = [
    "ChainOfCustody",
    "CheckedProof",
    "CustodyLink",
    "Finding",
    "ListedBatch",
    "ListedItem",
    "ListedSnapshot",
    "ListedStatement",
    "Listing",
    "MadeDeclaration",
    "MadeProof",
    "NotRestored",
    "ProvenRecords",
    "Remark",
    "RestoredFiles",
    "ShownStatement",
    "ShownStatements",
    "ShownTrust",
    "Subject",
]


@dataclass(frozen=True)
class ShownTrust:
    """A trust file and its SHA-256."""

    sha256: str
    trust: dict[str, object]


@dataclass(frozen=True)
class NotRestored:
    """An item that is not in the folder, its status in the snapshot, and why."""

    item: str
    status: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Remark:
    """Something to know of an item that was restored."""

    item: str
    remark: str


@dataclass(frozen=True)
class RestoredFiles:
    """What was restored. Lists have up to 10,000 entries, `counts_not_restored` counts all, by reason.

    `stated` has the keys of the statements in the log about this access; none with `--archive`.
    """

    snapshot: str
    to: str
    trusted: bool
    files: int
    folders: int
    bytes: int
    counts_not_restored: dict[str, int]
    not_restored: list[NotRestored]
    notes: list[Remark]
    stated: list[str]


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot; `failed` counts items that failed or changed while read."""

    id: str
    started: str
    finished: str
    status: str
    seen: int
    failed: int
    absent: int
    new_bytes: int
    batches: dict[str, int]


@dataclass(frozen=True)
class ListedBatch:
    """A batch; `source` is empty for the lines of items, which serve all sources."""

    id: str
    snapshot: str
    source: str
    table: str
    records: int
    items: int
    raw_bytes: int
    retain_until: str


@dataclass(frozen=True)
class ListedItem:
    """What a snapshot says of an item; `item` is the name that `prove` takes."""

    item: str
    source: str
    path: str
    members: list[str]
    kind: str
    status: str
    reason: str | None
    detail: str | None
    size: int | None
    sha256: str | None
    observed_at: str
    marks: list[ItemMark]


@dataclass(frozen=True)
class ListedStatement:
    """A statement in the log."""

    position: int
    kind: str
    id: str
    at: str
    by: str
    subjects: list[str]


@dataclass(frozen=True)
class Listing:
    """The list that was asked for (`what`); the others are null."""

    what: str
    snapshots: list[ListedSnapshot] | None
    batches: list[ListedBatch] | None
    items: list[ListedItem] | None
    statements: list[ListedStatement] | None


@dataclass(frozen=True)
class Subject:
    """What a statement is about, by name and digest."""

    name: str
    digest: dict[str, str]


@dataclass(frozen=True)
class ShownStatement:
    """A statement in full, with its key; `counts` is of a snapshot's items by status, `marked` by mark."""

    position: int
    kind: str
    keyid: str
    subjects: list[Subject]
    predicate: dict[str, object]
    counts: dict[str, int]
    marked: dict[str, int]


@dataclass(frozen=True)
class ShownStatements:
    """All statements with the id that was asked for."""

    statements: list[ShownStatement]


@dataclass(frozen=True)
class CustodyLink:
    """A link of a chain of custody. `entry` and `statement` are null for what was found just now.

    `at`, `user`, `host` and `tool` are claims of the signer; `not_before` and `not_after` are what timestamps prove.
    """

    kind: str
    at: str
    not_before: str | None
    not_after: str | None
    entry: int | None
    statement: str | None
    user: str
    host: str
    principal: str | None
    tool: str
    what: str
    why: str | None
    verdict: str | None
    sha256: str | None
    objects: list[str]


@dataclass(frozen=True)
class ChainOfCustody:
    """What the log says of an item, in its order, and at the end what was found just now.

    `size` and `sha256` are of the newest bytes that were kept; null when there are none.
    """

    item: str
    source: str
    path: str
    members: list[str]
    custodian: str | None
    matters: list[str]
    size: int | None
    sha256: str | None
    origin: str
    log: Position
    events: list[CustodyLink]


@dataclass(frozen=True)
class MadeDeclaration:
    """A declaration that was filled in: `files` has the SHA-256 of each, by name, `items` and `bytes` are of exhibit A.

    `letters_not_shown` are code points that the fonts of the PDF do not have; `stated` has the keys of the statements
    in the log about it, none with `--archive`.
    """

    to: str
    scope: Literal["snapshot", "batch", "item"]
    name: str
    verdict: Literal["ok", "partial", "failed"]
    items: int
    bytes: int
    files: dict[str, str]
    letters_not_shown: list[str]
    stated: list[str]


@dataclass(frozen=True)
class MadeProof:
    """A proof that was written, and the keys of the statements in the log about it; none with `--archive`."""

    item: str
    offset: int
    file: str
    size: int
    sha256: str
    stated: list[str]


@dataclass(frozen=True)
class ProvenRecords:
    """Consecutive records of one batch: bytes of the item, where they stand, and where the batch's statement stands."""

    offset: int
    length: int
    record: int
    records: int
    batch: str
    snapshot: str
    at: str
    keyid: str
    origin: str
    entry: int
    log: Position


@dataclass(frozen=True)
class CheckedProof:
    """What a proof proves; `at` is a claim of the operator's machine.

    `parts` has the records of each batch; `snapshot` to `log` are those of the first.
    """

    item: str
    source: str
    path: str
    members: list[str]
    offset: int
    length: int
    sha256: str
    snapshot: str
    batch: str
    record: int
    at: str
    keyid: str
    origin: str
    entry: int
    log: Position
    parts: list[ProvenRecords]


@dataclass(frozen=True)
class Finding:
    """One result of a check; its code is for ever."""

    code: str
    severity: Literal["note", "unknown", "failed"]
    check: int
    subject: str
    expected: str
    actual: str
    hint: str
