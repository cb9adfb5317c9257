"""Statements that move a hold: it is extended, its release is approved, it is released (FORMAT.md, Statements).

Laws: a hold only grows, `to` is never before `from`; what a release covers is what its request names, and the request
is what two approvers have signed for; nothing here deletes anything. The request is canonical JSON of its own:

>>> parse_request(encode_request(request)).matter
'EU-DSA-GROK'
"""

from typing import Annotated, Final, Literal

from archiver.errors import EvidenceError
from archiver.model.checked import ConfigDict, Field, ValidationError
from archiver.model.statement_words import ArchiveId, ArchiveName, Count, Instant, MatterId, Predicate, Sha256, Words
from archiver.proof import canonical

__all__ = [
    "APPROVALS",
    "REQUEST_FORMAT",
    "ApprovalPredicate",
    "Approved",
    "HoldCounts",
    "HoldPredicate",
    "ReleaseCounts",
    "ReleasePredicate",
    "Request",
    "encode_request",
    "parse_request",
]

APPROVALS: Final = 2
"""How many approvers must have signed for a release."""
REQUEST_FORMAT: Final = "urn:archiver:release-request:v1"
MAX_REQUEST: Final = 65_535  # it has less than a thousand bytes; the limit of an envelope is good for it too


class HoldCounts(Words):
    """What was found before the locks were raised: all versions in scope, those of them below, their lock dates."""

    objects: Count
    bytes: Count
    below: Count
    earliest: Instant | None
    latest: Instant | None


class HoldPredicate(Predicate):
    """A matter is held until a later date from now on, whatever its policy says."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True, serialize_by_alias=True)

    matter: MatterId
    instrument: Sha256
    scope: Literal["all", "sources", "batches"]
    since: Annotated[Instant, Field(alias="from")]
    to: Instant
    mode: Literal["COMPLIANCE"]
    legal_hold: Literal[True]
    counts: HoldCounts


class ApprovalPredicate(Predicate):
    """An approver agrees to a payload, by its SHA-256; signed with that approver's own key."""

    keyid: Sha256
    kind: Literal["release"]
    sha256: Sha256


class Approved(Words):
    """An approval statement that a release stands on: its id, and the approver's key."""

    id: str
    keyid: Sha256


class ReleaseCounts(Words):
    """Versions whose legal hold goes off, and their bytes."""

    objects: Count
    bytes: Count


class ReleasePredicate(Predicate):
    """A matter does not hold any more what the log had at `log_size`; dates stay as they are."""

    matter: MatterId
    instrument: Sha256
    request: Sha256
    log_size: Count
    approvals: Annotated[list[Approved], Field(min_length=APPROVALS)]
    counts: ReleaseCounts


class Request(Words):
    """What is asked for: that a matter lets go of everything that the log has at a size."""

    format: Literal["urn:archiver:release-request:v1"]
    archive: ArchiveName
    archive_id: ArchiveId
    origin: str
    matter: MatterId
    instrument: Sha256
    log_size: Annotated[int, Field(ge=1, lt=1 << 53)]
    log_root: Sha256
    batches: Count
    objects: Count
    bytes: Count
    at: Instant


def encode_request(request: Request) -> bytes:
    """Return the bytes whose SHA-256 is approved."""
    return canonical.encode(request.model_dump(mode="json"))


def parse_request(data: bytes) -> Request:
    """Read a request strictly; raises `EvidenceError("request-malformed")`."""
    try:
        return Request.model_validate(canonical.decode(data, limit=MAX_REQUEST))
    except (EvidenceError, ValidationError) as problem:
        words = problem.message if isinstance(problem, EvidenceError) else _first(problem)
        raise EvidenceError("request-malformed", f"release request: {words}") from problem


def _first(problem: ValidationError) -> str:
    first = problem.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
