"""What each command answers with `--json`, beside `command`, `archive`, `exit` and `error`.

Laws: the published schemas (`schemas/cli/`) are generated from these classes; members are only ever added. Sizes are
bytes, times RFC 3339 in UTC, digests lowercase hex. Names of items are spelled as in the archive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "ANSWERS",
    "Attempt",
    "BelowHold",
    "CheckedProof",
    "Counts",
    "Destination",
    "ExplainedItem",
    "ExportedTrust",
    "Hold",
    "Initialised",
    "ItemTrouble",
    "ListedBatch",
    "ListedItem",
    "ListedSnapshot",
    "ListedStatement",
    "Listing",
    "MadeKeys",
    "MadeProof",
    "NotRestored",
    "Planned",
    "PlannedRule",
    "PlannedSource",
    "Position",
    "Reading",
    "RebuiltCatalog",
    "Remark",
    "RestoredFiles",
    "ShownStatement",
    "ShownStatements",
    "ShownTrust",
    "SnapshotRule",
    "SnapshotSource",
    "Snapshotted",
    "Standing",
    "Subject",
    "Verified",
]


@dataclass(frozen=True)
class Destination:
    """Where the archive is. `enforces_locks` is false where a lock is recorded but stops no administrator."""

    kind: Literal["folder", "s3"]
    location: str
    endpoint: str | None
    bucket: str
    prefix: str
    enforces_locks: bool
    versioned: bool


@dataclass(frozen=True)
class Position:
    """The newest checkpoint: number of entries and root."""

    size: int
    root: str


@dataclass(frozen=True)
class MadeKeys:
    """Keys and trust file of a new archive; `demo_keys` were made on the way by `snapshot`."""

    statement_key: str
    log_key: str
    trust_file: str
    trust_sha256: str
    archive_id: str
    origin: str
    demo_keys: bool


@dataclass(frozen=True)
class Initialised:
    """What `init` made, and what to back up."""

    made: MadeKeys
    destination: Destination
    retain_until: str
    back_up: list[str]


@dataclass(frozen=True)
class PlannedRule:
    """What a rule keeps out."""

    rule: str
    reason: str
    items: int
    bytes: int


@dataclass(frozen=True)
class PlannedSource:
    """What would become of a source's items; `items` and `bytes` by decision."""

    id: str
    location: str
    unavailable: str | None
    items: dict[str, int]
    bytes: dict[str, int]
    rules: list[PlannedRule]
    narrowed: list[str]
    narrowed_items: int


@dataclass(frozen=True)
class ExplainedItem:
    """Why one item is in or out."""

    source: str
    path: str
    decision: str
    why: str
    custodian: str | None


@dataclass(frozen=True)
class Planned:
    """What a snapshot would do; with `--explain` only `explained` is set."""

    explained: ExplainedItem | None
    destination: Destination | None
    retain_until: str | None
    new_bytes: int | None
    sources: list[PlannedSource] | None
    changes: list[str] | None
    missing_sources: list[str] | None
    ready: bool | None


@dataclass(frozen=True)
class Counts:
    """Items of a source by status; `seen` is the sum of all but `absent`."""

    seen: int
    captured: int
    unchanged: int
    changed_during_read: int
    failed: int
    excluded: int
    recorded: int
    absent: int


@dataclass(frozen=True)
class SnapshotRule:
    """What a rule kept out."""

    rule: str
    items: int
    bytes: int


@dataclass(frozen=True)
class SnapshotSource:
    """What a run saw in a source; `trouble` counts failed and changed items that the policy does not accept."""

    id: str
    counts: Counts
    excluded: list[SnapshotRule]
    bytes: int
    new_bytes: int
    records: int
    damaged: int
    trouble: int
    known_trouble: int
    examples: list[str]


@dataclass(frozen=True)
class Snapshotted:
    """What a snapshot did. `reasons` says, one by one, why it is not simply fine."""

    snapshot: str
    status: str
    nothing_new: bool
    sources: list[SnapshotSource]
    batches: dict[str, int]
    new_bytes: int
    changes: list[str]
    reasons: list[str]
    recovered: int
    log: Position
    strangers: list[str]
    made_keys: MadeKeys | None


@dataclass(frozen=True)
class Reading:
    """One reading of the words of an order: where its last day ends then."""

    name: str
    ends: str


@dataclass(frozen=True)
class Hold:
    """A matter's hold."""

    matter: str
    title: str
    retain_until: str
    days_left: int
    passed: bool
    soon: bool
    readings: list[Reading]


@dataclass(frozen=True)
class ItemTrouble:
    """An item that failed, changed while read, is damaged or absent."""

    item: str
    reason: str


@dataclass(frozen=True)
class BelowHold:
    """An object that is locked below the hold, and until when it is locked."""

    key: str
    retain_until: str


@dataclass(frozen=True)
class Attempt:
    """A snapshot that was finished."""

    snapshot: str
    finished: str
    status: str


@dataclass(frozen=True)
class Standing:
    """How an archive stands, `as_of` its newest snapshot that is known here."""

    as_of: str | None
    demo_keys: bool
    log: Position
    last_success: Attempt | None
    last_attempt: Attempt | None
    unfinished: str | None
    backlog: list[str]
    counts: dict[str, int]
    trouble: list[ItemTrouble]
    holds: list[Hold]
    below_hold: list[BelowHold]
    totals: dict[str, int]
    silent_hours: int | None
    reasons: list[str]


@dataclass(frozen=True)
class ShownTrust:
    """A trust file and its SHA-256."""

    sha256: str
    trust: dict[str, object]


@dataclass(frozen=True)
class ExportedTrust:
    """The trust file as it should be handed out; `file` is null when it was not written."""

    file: str | None
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
    """What was restored. Lists have up to 10,000 entries, `counts_not_restored` counts all, by reason."""

    snapshot: str
    to: str
    trusted: bool
    files: int
    folders: int
    bytes: int
    counts_not_restored: dict[str, int]
    not_restored: list[NotRestored]
    notes: list[Remark]


@dataclass(frozen=True)
class RebuiltCatalog:
    """What the rebuilt catalog holds."""

    log: Position
    snapshots: int
    batches: int
    items: int


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
    """A statement in full, with the key that signed it; `counts` is of a snapshot's items by status."""

    position: int
    kind: str
    keyid: str
    subjects: list[Subject]
    predicate: dict[str, object]
    counts: dict[str, int]


@dataclass(frozen=True)
class ShownStatements:
    """All statements with the id that was asked for."""

    statements: list[ShownStatement]


@dataclass(frozen=True)
class MadeProof:
    """A proof that was written."""

    item: str
    offset: int
    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class CheckedProof:
    """What a proof proves; `at` is a claim of the operator's machine."""

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


@dataclass(frozen=True)
class Verified:
    """The report of a verification (its own schema is `schemas/report.schema.json`), and where it was written."""

    report: dict[str, object]
    file: str | None


ANSWERS: Final[dict[str, type]] = {
    "init": Initialised,
    "plan": Planned,
    "snapshot": Snapshotted,
    "status": Standing,
    "verify": Verified,
    "list": Listing,
    "show": ShownStatements,
    "restore": RestoredFiles,
    "prove": MadeProof,
    "check-proof": CheckedProof,
    "trust show": ShownTrust,
    "trust export": ExportedTrust,
    "catalog rebuild": RebuiltCatalog,
}
"""Every command and the class of its answer."""
