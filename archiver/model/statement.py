"""Signed statements: the words of every fact that the log keeps (FORMAT.md, Statements).

A statement is an in-toto Statement v1 in canonical JSON. Its predicate type is `urn:archiver:<kind>:v1`; the models
below say which members each kind has, and nothing else is accepted:

>>> sorted(PREDICATES)
['archive', 'batch', 'incident', 'policy', 'receipt', 'snapshot']
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from archiver.errors import EvidenceError
from archiver.model import instant, layout
from archiver.proof import canonical

__all__ = [
    "PREDICATES",
    "ArchivePredicate",
    "BatchPredicate",
    "By",
    "Counts",
    "Excluded",
    "HoldWords",
    "IncidentObject",
    "IncidentPredicate",
    "MatterWords",
    "PolicyPredicate",
    "Predicate",
    "PublishedKey",
    "ReceiptPredicate",
    "ReceiptWords",
    "SnapshotPredicate",
    "SnapshotSource",
    "SourceWords",
    "Statement",
    "Subject",
    "UnknownKindError",
    "encode_statement",
    "identify_statement",
    "parse_statement",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
MAX_PAYLOAD: Final = 65_535  # an envelope is no larger, so neither is what is in it
_PREDICATE_TYPE = re.compile(r"urn:archiver:([a-z][a-z0-9-]{0,62}):v([1-9][0-9]{0,3})")


def _instant(text: str) -> str:
    try:
        instant.parse_instant(text)
    except EvidenceError as problem:
        raise ValueError(problem.message) from problem
    return text


Instant = Annotated[str, AfterValidator(_instant)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ArchiveId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ArchiveName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
SourceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
MatterId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
SnapshotId = Annotated[str, Field(pattern=rf"^{layout.STAMP}$")]
BatchName = Annotated[str, Field(pattern=rf"^{layout.STAMP}-{layout.TABLE}-[0-9]{{8}}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class _Words(BaseModel):
    """Strict and frozen: no member more, none of another JSON type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class By(_Words):
    """Who says it: the tool, and the person and machine it ran as."""

    tool: str
    version: str
    host: str
    user: str
    principal: str | None
    clock_offset_s: int | None


class HoldWords(_Words):
    """The hold that objects were written under."""

    retain_until: Instant
    mode: Literal["COMPLIANCE"]
    legal_hold: bool


class ReceiptWords(_Words):
    """What a store reported after a write (FORMAT.md, Receipts)."""

    store: str
    endpoint: str | None
    bucket: str
    key: str
    version: str | None
    etag: str | None
    size: Count
    sha256: Sha256 | None
    basis: Literal["store", "signed-payload", "read-back"]
    mode: str | None
    retain_until: Instant | None
    legal_hold: bool | None
    request_id: str | None
    read_back_at: Instant


class Predicate(_Words):
    """What every predicate has."""

    archive: ArchiveName
    archive_id: ArchiveId
    id: Annotated[str, Field(pattern=rf"^{layout.STAMP}(-{layout.TABLE}-[0-9]{{8}})?$")]
    at: Instant
    by: By


class PublishedKey(_Words):
    """A public key and what it is for."""

    keyid: Sha256
    role: Literal["statement", "log", "approver"]
    pem: str


class Continues(_Words):
    """The log that this archive goes on from."""

    origin: str
    size: Count
    root: Sha256


class ArchivePredicate(Predicate):
    """The first entry of every log, and only there: what this archive is."""

    origin: str
    log_vkey: str
    format: Literal[1]
    hash: Literal["sha-256"]
    tree: Literal["rfc6962"]
    leaf: Literal["archiver-leaf-v1"]
    keys: list[PublishedKey]
    policy_sha256: Sha256
    demo_keys: bool
    continues: Continues | None


class MatterWords(_Words):
    """A matter as the policy in force states it."""

    id: MatterId
    retain_until: Instant
    mode: Literal["COMPLIANCE"]
    legal_hold: bool
    instrument: Sha256 | None


class SourceWords(_Words):
    """A source as the policy in force states it."""

    id: SourceId
    kind: Literal["documents", "model_logs"]
    location: str
    matters: list[MatterId]


class PolicyPredicate(Predicate):
    """A policy comes into force."""

    revision: Annotated[int, Field(ge=1, lt=1 << 53)]
    sha256: Sha256
    previous: Sha256 | None
    matters: list[MatterWords]
    sources: list[SourceWords]
    expected_every_hours: Count
    changes: list[str]


class BatchPredicate(Predicate):
    """A batch was written, locked and read back. `source` is empty for the table `items`, which serves all sources."""

    source: SourceId | Literal[""]
    snapshot: SnapshotId
    table: Annotated[str, Field(pattern=rf"^{layout.TABLE}$")]
    table_version: Annotated[int, Field(ge=1, lt=1 << 16)]
    number: Annotated[int, Field(ge=0, lt=100_000_000)]
    records: Annotated[int, Field(ge=1, lt=1 << 53)]
    items: Annotated[int, Field(ge=1, lt=1 << 53)]
    raw_bytes: Count
    merkle_root: Sha256
    collected_from: Instant
    collected_to: Instant
    parquet_writer: str
    encryption: Literal["none"]
    policy_sha256: Sha256
    matters: list[MatterId]
    hold: HoldWords
    receipts: list[ReceiptWords]


class Counts(_Words):
    """Counts of items without members; seen is the sum of the six that follow it."""

    seen: Count
    captured: Count
    unchanged: Count
    changed_during_read: Count
    failed: Count
    excluded: Count
    recorded: Count
    absent: Count


class Excluded(_Words):
    """What one rule kept out: `rule` is a glob, or `include` for what no include matches."""

    rule: str
    reason: str
    items: Count
    bytes: Count


class SnapshotSource(_Words):
    """What a snapshot found in one source; `bytes` counts all content, `new_bytes` what was stored now."""

    id: SourceId
    location: str
    device: str | None
    counts: Counts
    excluded: list[Excluded]
    bytes: Count
    new_bytes: Count


class SnapshotPredicate(Predicate):
    """A run over the sources ended; also when nothing was new."""

    previous: SnapshotId | None
    started: Instant
    finished: Instant
    log_size_at_start: Count
    status: Literal["complete", "incomplete", "aborted"]
    sources: list[SnapshotSource]
    batches: dict[Annotated[str, Field(pattern=rf"^{layout.TABLE}$")], Count]


class ReceiptPredicate(Predicate):
    """Receipts for objects that are in the log already: a raised lock, a late destination."""

    receipts: Annotated[list[ReceiptWords], Field(min_length=1)]


class IncidentObject(_Words):
    """A version that an incident is about."""

    key: str
    version: str | None
    sha256: Sha256


class IncidentPredicate(Predicate):
    """Something was met that nobody stated; what it was taken for."""

    what: str
    decision: Literal["adopted", "not evidence", "unexplained"]
    objects: list[IncidentObject]


PREDICATES: Final[dict[str, type[Predicate]]] = {
    "archive": ArchivePredicate,
    "policy": PolicyPredicate,
    "batch": BatchPredicate,
    "snapshot": SnapshotPredicate,
    "receipt": ReceiptPredicate,
    "incident": IncidentPredicate,
}


class Digest(_Words):
    """SHA-256 of a subject's bytes."""

    sha256: Sha256


class Subject(_Words):
    """An object that a statement is about: its key, and the digest of its bytes."""

    name: Annotated[str, Field(min_length=1)]
    digest: Digest

    @staticmethod
    def of(key: str, sha256: str) -> Subject:
        """Name an object."""
        return Subject(name=key, digest=Digest(sha256=sha256))


class UnknownKindError(EvidenceError):
    """A statement of a kind or version that this program does not know: not wrong, but not understood."""


class Statement(_Words):
    """A parsed statement: its kind, its subjects and its predicate."""

    kind: str
    subject: tuple[Subject, ...]
    predicate: Predicate

    @property
    def id(self) -> str:
        """Its id, unique per kind in a log."""
        return self.predicate.id

    @property
    def key(self) -> str:
        """The key that its envelope is stored under."""
        return layout.statement_key(self.kind, self.id)


def encode_statement(subjects: list[Subject], kind: str, predicate: Predicate) -> bytes:
    """Return the canonical payload of a statement."""
    if type(predicate) is not PREDICATES[kind]:
        raise TypeError(f"statement: {kind} expects {PREDICATES[kind].__name__}, found {type(predicate).__name__}")
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "predicate": predicate.model_dump(mode="json"),
            "predicateType": f"urn:archiver:{kind}:v1",
            "subject": [subject.model_dump(mode="json") for subject in subjects],
        }
    )


def parse_statement(payload: bytes) -> Statement:
    """Read a payload strictly.

    Raises `EvidenceError("statement-malformed")`, or `UnknownKindError` when it is a well-formed statement of a kind
    or version that is not known here.
    """
    value = canonical.decode(payload, limit=MAX_PAYLOAD)
    if not isinstance(value, dict) or value.keys() != {"_type", "predicate", "predicateType", "subject"}:
        raise _malformed("the members _type, predicate, predicateType and subject", value)
    if value["_type"] != STATEMENT_TYPE:
        raise _malformed(STATEMENT_TYPE, value["_type"])
    kind = _kind_of(value["predicateType"])
    try:
        subjects = tuple(Subject.model_validate(subject) for subject in _nonempty_list(value["subject"]))
        predicate = PREDICATES[kind].model_validate(value["predicate"])
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _malformed(f"a {kind} statement", f"{place}: {first['msg']}") from problem
    statement = Statement(kind=kind, subject=subjects, predicate=predicate)
    _check_id(statement)
    return statement


def identify_statement(payload: bytes) -> tuple[str, str, str]:
    """Return kind, id and archive id of a statement, also of one whose kind is not known here."""
    value = canonical.decode(payload, limit=MAX_PAYLOAD)
    predicate = value.get("predicate") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(predicate, dict):
        raise _malformed("a predicate", value)
    found = _PREDICATE_TYPE.fullmatch(str(value.get("predicateType")))
    identity, archive_id = predicate.get("id"), predicate.get("archive_id")
    if found is None or not isinstance(identity, str) or not isinstance(archive_id, str):
        raise _malformed("a predicateType, an id and an archive id", value)
    return found[1], identity, archive_id


def _kind_of(predicate_type: canonical.JSON) -> str:
    found = _PREDICATE_TYPE.fullmatch(predicate_type) if isinstance(predicate_type, str) else None
    if found is None:
        raise _malformed("a predicateType urn:archiver:<kind>:v<n>", predicate_type)
    if found[1] not in PREDICATES or found[2] != "1":
        raise UnknownKindError("statement-kind-unknown", f"statement: {found[0]} is not known to this version")
    return found[1]


def _nonempty_list(value: canonical.JSON) -> list[canonical.JSON]:
    if not isinstance(value, list) or not value:
        raise _malformed("a subject", value)
    return value


def _check_id(statement: Statement) -> None:
    """Refuse a batch that is not called by its batch id, and anything else whose id has not the plain form."""
    predicate = statement.predicate
    expected = predicate.id[: len("YYYYMMDDTHHMMSSZ-xxxxxx")]
    if isinstance(predicate, BatchPredicate):
        expected = layout.batch_id(predicate.snapshot, predicate.table, predicate.number)
        key = layout.batch_key(predicate.table, expected)
        if [subject.name for subject in statement.subject] != [key]:
            raise _malformed(f"the subject {key}", [subject.name for subject in statement.subject])
    if predicate.id != expected:
        raise _malformed(f"the id {expected}", predicate.id)


def _malformed(expected: str, found: object) -> EvidenceError:
    return EvidenceError("statement-malformed", f"statement: expected {expected}, found {str(found)[:200]}")
