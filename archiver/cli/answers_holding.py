"""What the commands of `hold` answer with `--json`."""

from __future__ import annotations

from archiver.cli.answers_shared import Position
from archiver.cli.answers_timestamp import StampedLog
from archiver.cli.answers_writing import LeftBehind
from archiver.late import dataclass

__all__ = [
    "AdmittedApprover",
    "ExtendedHold",
    "HeldFailure",
    "HoldExtension",
    "HoldLocks",
    "HoldReading",
    "HoldShown",
    "HoldsShown",
    "MadeApproval",
    "MadeApprover",
    "MadeRequest",
    "ReleasedHold",
]


@dataclass(frozen=True)
class HoldReading:
    """One reading of the words of an order: where its last day ends then."""

    name: str
    ends: str


@dataclass(frozen=True)
class HoldExtension:
    """A signed extension."""

    statement: str
    at: str
    since: str
    to: str
    scope: str
    instrument: str


@dataclass(frozen=True)
class HoldLocks:
    """The locks of all versions in scope; `below` the hold, `unknown` where the store does not say."""

    objects: int
    bytes: int
    below: int
    unknown: int
    earliest: str | None
    earliest_key: str | None
    latest: str | None


@dataclass(frozen=True)
class HoldShown:
    """A matter's hold and the locks behind it; `released` is when it was released, null while it is held."""

    matter: str
    title: str
    authority: str
    issued: str
    stated_as: str
    instruments: list[str]
    policy_retain_until: str
    retain_until: str
    days_left: int
    passed: bool
    released: str | None
    readings: list[HoldReading]
    extensions: list[HoldExtension]
    locks: HoldLocks
    of_other_matters: int
    strangers: int


@dataclass(frozen=True)
class HoldsShown:
    """The holds that were asked for."""

    holds: list[HoldShown]


@dataclass(frozen=True)
class HeldFailure:
    """A version whose lock could not be changed, and why."""

    key: str
    version: str | None
    why: str


@dataclass(frozen=True)
class ExtendedHold:
    """What an extension did; `before` are the locks as they were found."""

    matter: str
    since: str
    to: str
    scope: str
    instrument: str
    statement: str
    before: HoldLocks
    raised: int
    passes: int
    failures: list[HeldFailure]
    receipts: str | None
    of_other_matters: int
    strangers: int
    timestamps: list[StampedLog]
    log: Position
    left_behind: list[LeftBehind]


@dataclass(frozen=True)
class MadeRequest:
    """A release request that was written; approvers sign for its SHA-256."""

    file: str
    sha256: str
    request: dict[str, object]


@dataclass(frozen=True)
class MadeApprover:
    """A new approver's key; the public key is for the operator and for the auditor."""

    file: str
    keyid: str
    public_key: str


@dataclass(frozen=True)
class AdmittedApprover:
    """An approver's key in the operator's own trust file, whose SHA-256 has changed.

    `statement` is the log's statement about it, null before the log has begun.
    """

    keyid: str
    trust_file: str
    trust_sha256: str
    statement: str | None
    timestamps: list[StampedLog]


@dataclass(frozen=True)
class MadeApproval:
    """An approval that was signed."""

    file: str
    keyid: str
    request: str
    matter: str


@dataclass(frozen=True)
class ReleasedHold:
    """What a release did, or would do (`statement` null): versions that nobody holds any more, and those kept.

    `sealed` are legal holds that went off objects in the place that seals; they follow the batches they belong to.
    """

    matter: str
    statement: str | None
    list_file: str | None
    objects: int
    bytes: int
    released: int
    kept: int
    failures: list[HeldFailure]
    receipts: str | None
    timestamps: list[StampedLog]
    log: Position | None
    sealed: int = 0
