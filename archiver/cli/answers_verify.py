"""What `verify` answers, and its report."""

from __future__ import annotations

from typing import Literal

from archiver.cli.answers_reading import Finding
from archiver.late import dataclass

__all__ = [
    "Check",
    "Verified",
    "VerifiedBatch",
    "VerifiedDestination",
    "VerifiedList",
    "VerifiedSnapshot",
    "VerifiedTimestamp",
    "VerifiedWitness",
]


@dataclass(frozen=True)
class Check:
    """One check: how many things it looked at, whether it was made, and how it ended."""

    number: int
    name: str
    made: bool
    subjects: int
    what: str
    result: str


@dataclass(frozen=True)
class VerifiedSnapshot:
    """A snapshot as its statement tells it."""

    id: str
    status: str
    started: str
    finished: str
    batches: int
    seen: int
    failed: int


@dataclass(frozen=True)
class VerifiedBatch:
    """A batch of the log and what came of it: ok, note, unknown, failed, or left out."""

    id: str
    key: str
    source: str
    table: str
    records: int
    items: int
    raw_bytes: int
    at: str
    entry: int
    result: str
    not_before: str | None
    not_after: str | None


@dataclass(frozen=True)
class VerifiedTimestamp:
    """A token of the log: by whom, over what, when; `trusted_as` is what the trust file calls the authority.

    `qualified_by` is the evidence of `qualified`, or what keeps it from being known; null where there is none.
    """

    key: str
    authority: str
    trusted_as: str | None
    log_size: int
    entry: int
    gen_time: str
    certificate_until: str
    result: Literal["ok", "note", "unknown", "failed"]
    qualified: Literal["yes", "no", "unknown"]
    qualified_by: str | None
    claims_qualified: bool


@dataclass(frozen=True)
class VerifiedList:
    """A national list of trust services that was asked which tokens are qualified; its signature is not checked."""

    territory: str
    sequence: int
    issued: str
    sha256: str
    signature_checked: Literal[False]


@dataclass(frozen=True)
class VerifiedWitness:
    """A witness of the trust file: up to which size it has seen the log (0: not at all), and when by its own clock."""

    name: str
    vkey: str
    size: int
    at: str | None


@dataclass(frozen=True)
class VerifiedDestination:
    """What the verification of one of several destinations came to; `problem` is why there was none."""

    id: str
    location: str | None
    origin: str | None
    verdict: Literal["ok", "partial", "failed"] | None
    exit: int
    log_size: int
    log_root: str | None
    stated: list[str]
    findings: list[Finding]
    problem: str | None


@dataclass(frozen=True)
class Verified:
    """What a verification came to; the report of `-o` has the same members, and `file` is where it was written.

    `stated` has the key of its statement in the log; none with `--archive` or `--no-record`. Of several destinations
    the members are those of the worst one, and `destinations` has all; the report of `-o` is about one.
    """

    file: str | None
    stated: list[str]
    verdict: Literal["ok", "partial", "failed"]
    location: str
    verified_at: str
    archive_id: str | None
    trust_sha256: str | None
    trust_is_own: bool
    origin: str | None
    log_size: int
    log_root: str | None
    earliest_lock: str | None
    locks_enforced: bool
    demo_keys: bool
    listed: int
    findings: list[Finding]
    checks: list[Check]
    left_out: list[str]
    snapshots: list[VerifiedSnapshot]
    batches: list[VerifiedBatch]
    timestamps: list[VerifiedTimestamp]
    trusted_lists: list[VerifiedList]
    counts: dict[str, int]
    does_not_prove: list[str]
    witnesses: list[VerifiedWitness]
    witnesses_demanded: int
    destinations: list[VerifiedDestination]
