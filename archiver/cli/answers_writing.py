"""What the operator's commands answer: init, plan, snapshot, status, trust export, catalog rebuild."""

from __future__ import annotations

from archiver.cli.answers_selection import SelectedLogs, UnjudgedDocuments
from archiver.cli.answers_shared import Destination, ItemMark, NamedDestination, Position
from archiver.cli.answers_timestamp import StampedBy, StampedLog
from archiver.late import dataclass

__all__ = [
    "AddedLogs",
    "Attempt",
    "BelowHold",
    "Continued",
    "Counts",
    "DestinationStanding",
    "ExplainedItem",
    "ExportedTrust",
    "Hold",
    "Initialised",
    "ItemTrouble",
    "LeftBehind",
    "MadeKeys",
    "Planned",
    "PlannedDestination",
    "PlannedRule",
    "PlannedSource",
    "Reading",
    "RebuiltCatalog",
    "SeenByWitness",
    "SnapshotRule",
    "SnapshotSource",
    "Snapshotted",
    "Standing",
]


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
class Continued:
    """The head of the older log that a new archive goes on from."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True)
class AddedLogs:
    """The logs of destinations that are new in the policy, and the trust file that has them now."""

    origins: list[str]
    trust_file: str
    trust_sha256: str


@dataclass(frozen=True)
class Initialised:
    """What `init` made, what to back up, and the older log that it goes on from, if any.

    `made` is null where the keys were there and only `added` is new.
    """

    made: MadeKeys | None
    added: AddedLogs | None
    destination: Destination
    destinations: list[NamedDestination]
    retain_until: str
    back_up: list[str]
    continues: Continued | None


@dataclass(frozen=True)
class PlannedRule:
    """What a rule keeps out."""

    rule: str
    reason: str
    items: int
    bytes: int


@dataclass(frozen=True)
class PlannedSource:
    """What would become of a source's items; `items` and `bytes` by decision, `marked` items by mark."""

    id: str
    location: str
    unavailable: str | None
    items: dict[str, int]
    bytes: dict[str, int]
    rules: list[PlannedRule]
    narrowed: list[str]
    narrowed_items: int
    marked: dict[str, int]


@dataclass(frozen=True)
class ExplainedItem:
    """Why one item is in or out."""

    source: str
    path: str
    decision: str
    why: str
    custodian: str | None
    marks: list[ItemMark]


@dataclass(frozen=True)
class PlannedDestination:
    """A destination that a snapshot would write to.

    `account` is whose credentials the store sees: "unknown" when it does not say, null for a folder.
    """

    id: str
    destination: Destination
    account: str | None


@dataclass(frozen=True)
class Planned:
    """What a snapshot would do; with `--explain` only `explained` is set."""

    explained: ExplainedItem | None
    destinations: list[PlannedDestination] | None
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
    """What a run saw in a source; `trouble` counts failed and changed items that the policy does not accept.

    `inside` counts what was found inside containers and has bytes in the archive, `damaged` those of them that came out
    in part; `closed` counts what could not be opened, by reason: it lies in its container, which is whole.

    `became` counts captured items by reason (grown, rotated, duplicate, truncated, rewritten, replaced,
    changed-unseen); `lost` names logs that are not as archived any more, `unseen` items that changed under the same
    times; `marked` counts items by mark, what is inside others too; `exposed` belong into quarantine and were stored in
    the open by this run, `open_before` by an earlier one, when no rule said so.
    """

    id: str
    counts: Counts
    excluded: list[SnapshotRule]
    bytes: int
    new_bytes: int
    records: int
    damaged: int
    inside: int
    closed: dict[str, int]
    trouble: int
    known_trouble: int
    examples: list[str]
    became: dict[str, int]
    lost: list[str]
    unseen: list[str]
    marked: dict[str, int]
    selected: list[SelectedLogs]
    unjudged: list[UnjudgedDocuments]
    exposed: int
    open_before: int


@dataclass(frozen=True)
class BelowHold:
    """An object that is locked below the hold, and until when it is locked."""

    key: str
    retain_until: str


@dataclass(frozen=True)
class LeftBehind:
    """A destination that the run went on without, why, and the statements that wait for it."""

    id: str
    problem: str
    exit: int
    waiting: list[str]


@dataclass(frozen=True)
class Snapshotted:
    """What a snapshot did. `reasons` says, one by one, why it is not simply fine."""

    snapshot: str
    status: str
    nothing_new: bool
    sources: list[SnapshotSource]
    batches: dict[str, int]
    new_bytes: int
    stored_bytes: int
    changes: list[str]
    reasons: list[str]
    recovered: int
    log: Position
    strangers: list[str]
    locks_raised: int
    ends_earlier: list[BelowHold]
    left_behind: list[LeftBehind]
    timestamps: list[StampedLog]
    made_keys: MadeKeys | None


@dataclass(frozen=True)
class Reading:
    """One reading of the words of an order: where its last day ends then."""

    name: str
    ends: str


@dataclass(frozen=True)
class Hold:
    """A matter's hold; `policy_retain_until` is the policy's own date where the signed hold is later."""

    matter: str
    title: str
    retain_until: str
    days_left: int
    passed: bool
    soon: bool
    policy_retain_until: str | None
    readings: list[Reading]


@dataclass(frozen=True)
class ItemTrouble:
    """An item that failed, changed while read, is damaged or absent."""

    item: str
    reason: str


@dataclass(frozen=True)
class Attempt:
    """A snapshot that was finished."""

    snapshot: str
    finished: str
    status: str


@dataclass(frozen=True)
class SeenByWitness:
    """A witness of the trust file: up to which size it is known to have seen the log, and when (null: never)."""

    name: str
    vkey: str
    size: int
    at: str | None


@dataclass(frozen=True)
class DestinationStanding:
    """A destination: how far its log is, and the statements and receipts that it has not yet."""

    id: str
    origin: str
    location: str
    log: Position
    waiting: list[str]
    unconfirmed: list[str]


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
    destinations: list[DestinationStanding]
    counts: dict[str, int]
    trouble: list[ItemTrouble]
    holds: list[Hold]
    below_hold: list[BelowHold]
    totals: dict[str, int]
    silent_hours: int | None
    reasons: list[str]
    witnesses: list[SeenByWitness]
    timestamps: list[StampedBy]
    marked: dict[str, int]


@dataclass(frozen=True)
class ExportedTrust:
    """The trust file as it should be handed out; `file` is null when it was not written."""

    file: str | None
    sha256: str
    trust: dict[str, object]


@dataclass(frozen=True)
class RebuiltCatalog:
    """What the rebuilt catalog holds."""

    log: Position
    snapshots: int
    batches: int
    items: int
