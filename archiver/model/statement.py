"""Signed statements: the words of every fact that the log keeps (FORMAT.md, Statements).

A statement is an in-toto Statement v1 in canonical JSON. Its predicate type is `urn:archiver:<kind>:v1`; the models
below say which members each kind has, and nothing else is accepted:

>>> sorted(PREDICATES)
['access', 'approval', 'archive', 'batch', 'derivation', 'hold', 'incident', 'key', 'policy', 'receipt', 'release',
 'sealed', 'snapshot', 'timestamp', 'verification']
"""

from typing import Annotated, Any, Final, Literal

from archiver.errors import EvidenceError
from archiver.late import pattern
from archiver.model import layout
from archiver.model.checked import AfterValidator, ConfigDict, Field, ValidationError, remade
from archiver.model.statement_access import AccessPredicate, VerificationPredicate
from archiver.model.statement_derivation import DerivationPredicate, derived_subjects
from archiver.model.statement_holds import ApprovalPredicate, HoldPredicate, ReleasePredicate
from archiver.model.statement_keys import KeyPredicate, subject_name
from archiver.model.statement_sealed import SealedPredicate
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate
from archiver.model.statement_timestamp import TimestampPredicate
from archiver.model.statement_words import (
    By,
    Count,
    HoldWords,
    Instant,
    MatterId,
    Predicate,
    ReceiptWords,
    Sha256,
    SourceId,
    Words,
)
from archiver.proof import canonical

__all__ = [
    "MAX_PAYLOAD",
    "PREDICATES",
    "AccessPredicate",
    "ArchivePredicate",
    "By",
    "DerivationPredicate",
    "HoldWords",
    "IncidentObject",
    "IncidentPredicate",
    "KeyPredicate",
    "MatterWords",
    "PolicyPredicate",
    "Predicate",
    "PublishedKey",
    "ReceiptPredicate",
    "ReceiptWords",
    "SealedPredicate",
    "SourceWords",
    "Statement",
    "Subject",
    "TimestampPredicate",
    "UnknownKindError",
    "VerificationPredicate",
    "encode_statement",
    "identify_statement",
    "identify_value",
    "parse_statement",
    "remade_statement",
    "understand_statement",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
MAX_PAYLOAD: Final = 65_535  # an envelope is no larger, so neither is what is in it
_PREDICATE_TYPE = pattern(r"urn:archiver:([a-z][a-z0-9-]{0,62}):v([1-9][0-9]{0,3})")


class PublishedKey(Words):
    """A public key and what it is for."""

    keyid: Sha256
    role: Literal["statement", "log", "approver"]
    pem: str


class Continues(Words):
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


class MatterWords(Words):
    """A matter as the policy in force states it."""

    id: MatterId
    retain_until: Instant
    mode: Literal["COMPLIANCE"]
    legal_hold: bool
    instrument: Sha256 | None


def _distinct(matters: list[MatterWords]) -> list[MatterWords]:
    if len({matter.id.lower() for matter in matters}) != len(matters):
        raise ValueError("two matters of one id, ignoring case")
    return matters


class SourceWords(Words):
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
    matters: Annotated[list[MatterWords], AfterValidator(_distinct)]
    sources: list[SourceWords]
    expected_every_hours: Count
    changes: list[str]


class ReceiptPredicate(Predicate):
    """Receipts for objects that are in the log already: a raised lock, a late destination."""

    receipts: Annotated[list[ReceiptWords], Field(min_length=1)]


class IncidentObject(Words):
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
    "hold": HoldPredicate,
    "approval": ApprovalPredicate,
    "release": ReleasePredicate,
    "verification": VerificationPredicate,
    "access": AccessPredicate,
    "timestamp": TimestampPredicate,
    "key": KeyPredicate,
    "sealed": SealedPredicate,
    "derivation": DerivationPredicate,
}


class _Later(Predicate):
    """The common members of a kind or version that is not known here; what else it has is not looked at."""

    model_config = ConfigDict(extra="ignore")


class Digest(Words):
    """SHA-256 of a subject's bytes."""

    sha256: Sha256


class Subject(Words):
    """An object that a statement is about: its key, and the digest of its bytes."""

    name: Annotated[str, Field(min_length=1)]
    digest: Digest

    @staticmethod
    def of(key: str, sha256: str) -> "Subject":
        """Name an object."""
        return Subject(name=key, digest=Digest(sha256=sha256))


class UnknownKindError(EvidenceError):
    """A statement of a kind or version that this program does not know: not wrong, but not understood."""


class Statement(Words):
    """A parsed statement: its kind, its subjects and its predicate."""

    kind: str
    subject: tuple[Subject, ...]
    predicate: Predicate

    @property
    def id(self) -> str:
        """Its id, unique per kind in a log."""
        return self.predicate.id

    @property
    def objects(self) -> tuple[Subject, ...]:
        """The subjects that are stored objects; a statement about a key has none."""
        return () if isinstance(self.predicate, KeyPredicate) else self.subject

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
    return understand_statement(canonical.decode(payload, limit=MAX_PAYLOAD))


def understand_statement(value: canonical.JSON) -> Statement:
    """Do the same with the value of a payload that was canonical."""
    if not isinstance(value, dict) or value.keys() != {"_type", "predicate", "predicateType", "subject"}:
        raise _malformed("the members _type, predicate, predicateType and subject", value)
    if value["_type"] != STATEMENT_TYPE:
        raise _malformed(STATEMENT_TYPE, value["_type"])
    kind = _kind_of(value["predicateType"])
    known = kind in PREDICATES and value["predicateType"] == f"urn:archiver:{kind}:v1"
    try:
        subjects = tuple(Subject.model_validate(subject) for subject in _nonempty_list(value["subject"]))
        predicate = (PREDICATES[kind] if known else _Later).model_validate(value["predicate"])
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _malformed(f"a {kind} statement", f"{place}: {first['msg']}") from problem
    statement = Statement(kind=kind, subject=subjects, predicate=predicate)
    _check_id(statement)
    if not known:
        raise UnknownKindError("statement-kind-unknown", f"statement: {value['predicateType']} is not known here")
    return statement


def remade_statement(payload: bytes) -> Statement:
    """Return the statement of a payload that `parse_statement` took before, without asking all of it again."""
    value: Any = canonical.decode_known(payload)
    kind = value["predicateType"].split(":")[2]
    subjects = tuple([remade(Subject, subject) for subject in value["subject"]])
    return Statement(kind=kind, subject=subjects, predicate=remade(PREDICATES[kind], value["predicate"]))


def identify_statement(payload: bytes) -> tuple[str, str, str]:
    """Return kind, id and archive id of a statement, also of one whose kind is not known here."""
    return identify_value(canonical.decode(payload, limit=MAX_PAYLOAD))


def identify_value(value: canonical.JSON) -> tuple[str, str, str]:
    """Do the same with the value of a payload that was canonical."""
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
    return found[1]


def _nonempty_list(value: canonical.JSON) -> list[canonical.JSON]:
    if not isinstance(value, list) or not value:
        raise _malformed("a subject", value)
    return value


def _check_id(statement: Statement) -> None:
    """Refuse a batch that is not called by its batch id, any other id without the plain form, and stray receipts."""
    predicate = statement.predicate
    expected = predicate.id[: len("YYYYMMDDTHHMMSSZ-xxxxxx")]
    if isinstance(predicate, BatchPredicate):
        expected = layout.batch_id(predicate.snapshot, predicate.table, predicate.number)
        key = layout.batch_key(predicate.table, expected)
        if [subject.name for subject in statement.subject] != [key]:
            raise _malformed(f"the subject {key}", [subject.name for subject in statement.subject])
    if isinstance(predicate, SealedPredicate):
        expected = predicate.batch
        named = layout.batch_key(layout.parse_batch_id(expected).table, expected)
        if [subject.name for subject in statement.subject] != [named]:
            raise _malformed(f"the subject {named}", [subject.name for subject in statement.subject])
        if predicate.key != layout.sealed_key(expected) or predicate.receipt.key != predicate.key:
            raise _malformed(f"the sealed object {layout.sealed_key(expected)}", predicate.key)
    if isinstance(predicate, DerivationPredicate):
        named_here = [(subject.name, subject.digest.sha256) for subject in statement.subject]
        keys = derived_subjects(predicate)
        if [name for name, _ in named_here] != keys or named_here[1][1] != predicate.dialects:
            raise _malformed(f"the subjects {keys}", named_here)
    if isinstance(predicate, (BatchPredicate, ReceiptPredicate)):
        names = {subject.name for subject in statement.subject}
        others = [receipt.key for receipt in predicate.receipts if receipt.key not in names]
        if others:
            raise _malformed("receipts for its subjects", f"one for {others[0]}")
    if predicate.id != expected:
        raise _malformed(f"the id {expected}", predicate.id)
    if isinstance(predicate, KeyPredicate):
        found = [(subject.name, subject.digest.sha256) for subject in statement.subject]
        if found != [(subject_name(predicate.keyid), predicate.keyid)]:
            raise _malformed(f"the one subject {subject_name(predicate.keyid)}", found)


def _malformed(expected: str, found: object) -> EvidenceError:
    return EvidenceError("statement-malformed", f"statement: expected {expected}, found {str(found)[:200]}")
