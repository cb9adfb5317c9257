"""The words of `retention_policy.yaml`, as models; the JSON Schema comes from them.

What a single value may be is said in `policy_values`. Every refusal is a `policy` error that says what was expected and
what to write; also of what cannot be done yet. Annotations are no texts here, see `statement_words`; defaults are
constructed, not validated, so that no model is built before a policy is read.

>>> DestinationWords.model_validate({"id": "vault", "location": "./archive"}).location
'./archive'
"""

from typing import Annotated, Literal

from archiver.model.checked import BaseModel, ConfigDict, Field
from archiver.model.policy_values import (
    ONCE,
    ArchiveName,
    Day,
    Dialect,
    Glob,
    Id,
    Instant,
    KeyFileUri,
    KeyUri,
    MatterId,
    Passphrase,
    Pattern,
    RecipientKey,
    Size,
    SizeOfBatch,
    Text,
    Value,
    WebAddress,
    must_be,
)

__all__ = [
    "AcceptWords",
    "CustodianWords",
    "DestinationWords",
    "EndedWords",
    "ExcludeWords",
    "HoldWords",
    "KeysWords",
    "LimitsWords",
    "MatterWords",
    "PolicyWords",
    "ReasonsWords",
    "SensitiveWords",
    "SourceWords",
    "WindowWords",
]


class _Words(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


class HoldWords(_Words):
    """Until when, and how strongly."""

    stated_as: Text = Field(examples=["until the end of 2026"])
    """The words of the order about its end, quoted."""
    retain_until: Instant = Field(examples=["2027-01-01T12:00:00Z"])
    """Nothing can be deleted before this instant. With its offset, in quotes; rounded up to whole seconds."""
    mode: Annotated[
        str, must_be("compliance", "nothing weaker is accepted"), Field(json_schema_extra={"const": "compliance"})
    ] = Field(examples=["compliance"])
    """How the date is enforced: nobody, not even the account's owner, can shorten a compliance lock."""
    legal_hold: Annotated[
        bool,
        must_be(wanted=True, why="a date alone would end without a release"),
        Field(json_schema_extra={"const": True}),
    ] = Field(examples=[True])
    """The open-ended hold on top of the date, removed by a signed release only."""


class MatterWords(_Words):
    """The legal case that orders preservation."""

    id: MatterId = Field(examples=["EU-DSA-GROK"])
    """Short name of the matter; other parts of the policy refer to it."""
    title: Text = Field(examples=["Commission retention order, Grok"])
    """What people call it."""
    authority: Text = Field(examples=["European Commission"])
    """Who ordered it."""
    issued: Day = Field(examples=["2026-01-08"])
    """The day of the order, in quotes."""
    instrument: Text | None = None
    """Path of the order itself; it is archived under the same lock."""
    recipient: RecipientKey | None = None
    """Whose key opens what is kept in quarantine for this matter: the path of a public key (X25519 or RSA, PEM), or the
    place of a key in a token or service, pkcs11:... or awskms:..., as for `keys`."""
    hold: HoldWords


class ExcludeWords(_Words):
    """What is passed over, and the reason that stands in every signed account."""

    glob: Glob = Field(examples=["**/~$*"])
    """Which paths; an exclude beats an include."""
    reason: Text = Field(examples=["Office lock files, no content"])
    """Why, for the reader of the account."""


class CustodianWords(_Words):
    """Whose material it is."""

    name: Text = Field(examples=["Doe, Jane"])
    """The person or team."""
    paths: Annotated[list[Glob], Field(min_length=1)] = Field(examples=[["jdoe/**"]])
    """Which paths; the first custodian with a match is the one."""


class SensitiveWords(_Words):
    """Which items are marked as sensitive: by one of their paths, a list of hashes, or what is in records of logs."""

    mark: Literal["csam_suspected", "ncii_suspected", "personal", "privileged"] = Field(examples=["privileged"])
    """What they are suspected or known to be."""
    reason: Text = Field(examples=["correspondence with counsel"])
    """Why, for the reader of the account; it stands with each item that is marked."""
    handling: Literal["mark", "quarantine"] = Field(examples=["mark"])
    """`mark`: they are kept like all others, said everywhere, and handed out only when they are asked for by name.
    `quarantine`: their bytes go, encrypted for the recipients of their matters, into the destination that seals."""
    paths: list[Glob] = Field(default=[], examples=[["legal/**"]])
    """Which paths."""
    hashes: Text | None = Field(default=None, examples=["./lists/ncii.sha256"])
    """A file of SHA-256 digests, one a line in hex: which contents."""
    where: dict[str, Annotated[list[Value], Field(min_length=1)]] = Field(
        default={}, examples=[{"media_respects_moderation": ["false"]}]
    )
    """Which records of logs: columns of `model_logs` and values of theirs, as for a source; any event counts."""
    moderation: list[Value] = Field(default=[], examples=[["sexual/minors"]])
    """Which records of logs: those with a verdict of moderation that flags one of these categories; `*` for any."""
    sources: list[Id] = Field(default=[])
    """In which sources; left out, in all."""


class EndedWords(_Words):
    """A source or a destination that ended: it is left alone from then on, and that is no alarm."""

    at: Instant = Field(examples=["2026-06-30T12:00:00Z"])
    """From when."""
    reason: Text = Field(examples=["team dissolved, share archived"])
    """Why."""


class WindowWords(_Words):
    """A span of time; one end may be left open."""

    since: Instant | None = Field(default=None, examples=["2025-01-01T00:00:00Z"])
    """From when on; this instant is in it."""
    before: Instant | None = Field(default=None, examples=["2026-07-01T00:00:00Z"])
    """Until when; this instant is not in it."""


class KnownHashesWords(_Words):
    """Files that are known and of no interest, by the SHA-256 of their bytes."""

    list: Text = Field(examples=["./lists/operating-system.sha256"])
    """A file of SHA-256 digests, one a line in hex; what follows a digest says nothing."""
    reason: Text = Field(examples=["files of the operating system"])
    """Why they are passed over, for the reader of the account."""


class SourceWords(_Words):
    """A place to collect from."""

    id: Id = Field(examples=["trust-and-safety"])
    """Short name of the source; part of every item's name, so it never changes."""
    kind: Literal["documents", "model_logs"] = Field(examples=["documents"])
    """`documents` are kept in pieces of a file, `model_logs` line by line."""
    location: Text = Field(examples=["./evidence/documents"])
    """A path relative to this policy, or file://; s3://bucket/prefix; or `-`, what `snapshot --stdin ID` gets.

    Or a database: postgresql://USER@HOST:PORT/DATABASE, sqlite://PATH.
    """
    query: Text | None = None
    """What a database is asked: one SELECT; with ORDER BY its result has an order."""
    password: Passphrase | None = None
    """Where the password of a database's user is: env:NAME or file:PATH."""
    endpoint: Text | None = None
    """URL of an S3-compatible store that the source lies in; left out for AWS."""
    region: Text | None = None
    """Region of the source's bucket."""
    profile: Text | None = None
    """Profile of the shared AWS configuration to read the source with; one that can read and nothing else is best."""
    matters: Annotated[list[MatterId], Field(min_length=1)] = Field(examples=[["EU-DSA-GROK"]])
    """For which matters it is kept; the longest hold counts."""
    include: Annotated[list[Glob], Field(min_length=1)] = Field(examples=[["**"]])
    """Which paths are taken."""
    exclude: list[ExcludeWords] = Field(default=[])
    """Which paths are passed over, each with its reason."""
    keywords: list[Pattern] = Field(default=[], examples=[["(?i)undress", "(?i)nudif\\w+"]])
    """Regular expressions (RE2) on path and text: items, of logs records, are kept in which one of them is found."""
    modified: WindowWords | None = None
    """When a file must have been modified last; what was kept once is kept on."""
    event_time: WindowWords | None = None
    """When a record of a log must have happened; one without a time is kept."""
    known_hashes: list[KnownHashesWords] = Field(default=[])
    """Documents that are passed over by the SHA-256 of their bytes."""
    only_custodians: list[Text] = Field(default=[], examples=[["Doe, Jane"]])
    """Whose material is kept, out of `custodians`; what is nobody's is kept."""
    custodians: list[CustodianWords] = Field(default=[])
    """Whose material it is, by path."""
    dialect: Dialect | None = None
    """How the lines of `model_logs` are read; `auto`, the default, recognises the shipped dialects."""
    where: dict[str, Annotated[list[Value], Field(min_length=1)]] = Field(
        default={}, examples=[{"gen_ai_request_model": ["grok-*"]}]
    )
    """Columns of `model_logs` and the values of theirs, with `*`, `?` and `[]`, that select records."""
    unpack: Annotated[
        list[Literal["zip", "tar", "compressed", "7z", "mail", "outlook", "web", "office", "git"]],
        ONCE,
        Field(json_schema_extra={"uniqueItems": True}),
    ] = Field(default=["zip", "tar", "compressed", "7z", "mail", "outlook", "web", "git"], examples=[["zip", "mail"]])
    """Which containers are taken apart, so that what is inside can be found by itself; they are kept whole as well."""
    ended: EndedWords | None = None
    """Set when the source has ended."""


class DestinationWords(_Words):
    """Where the archive is written."""

    id: Id = Field(examples=["vault"])
    """Short name of the destination; part of its log's name, so it never changes."""
    location: Text = Field(examples=["./archive"])
    """A path relative to this policy, file://, or s3://bucket/prefix with Object Lock."""
    endpoint: Text | None = None
    """URL of an S3-compatible store; left out for AWS."""
    region: Text | None = None
    """Region of the bucket."""
    profile: Text | None = None
    """Profile of the shared AWS configuration to take credentials from."""
    read_back: Literal["head", "full"] = "head"
    """What is read back after each write: `head` the size, the checksum and the lock, `full` every byte as well."""
    seals: bool = False
    """It gets nothing but what is kept in quarantine, encrypted; there is at most one such destination."""
    ended: EndedWords | None = None
    """Set when nothing can be written there any more; what lies there stays held."""


class KeysWords(_Words):
    """The signing keys."""

    statement: KeyUri = "file:keys/statement.pem"
    """Signs statements (ECDSA P-256): file:PATH, pkcs11:... or awskms:ARN."""
    log: KeyUri = "file:keys/log.pem"
    """Signs the log (Ed25519), and nothing else: as above."""
    post_quantum: KeyFileUri | None = None
    """Signs the log's head once more, with ML-DSA-65: file:PATH. Left out, nothing does."""
    passphrase: Passphrase | None = None
    """Where the passphrase of the key files is: env:NAME or file:PATH."""


class AuthorityWords(_Words):
    """A timestamp authority (RFC 3161)."""

    url: WebAddress = Field(examples=["https://tsa.example.com/rfc3161"])
    """Its address."""
    roots: Text = Field(examples=["keys/tsa-roots.pem"])
    """Path of its root certificates, PEM."""


class TimestampsWords(_Words):
    """Timestamps by outside authorities."""

    required: Annotated[int, Field(ge=0, le=16)] = 0
    """How many different authorities must stamp; the trust file demands as many."""
    authorities: Annotated[list[AuthorityWords], Field(max_length=16)] = Field(default=[])
    """Which ones are asked, all of them."""


class LimitsWords(_Words):
    """A lock cannot be undone, so what is too much is refused before the first byte."""

    batch_raw_bytes: SizeOfBatch = 512 << 20
    """A batch closes at so many bytes of evidence."""
    batch_records: Annotated[int, Field(ge=1, le=100_000_000)] = 2_000_000
    """A batch closes at so many records."""
    snapshot_bytes: Size = 1 << 40
    """A snapshot of more than this is refused."""
    confirm_above_bytes: Size = 100 << 30
    """A snapshot of more than this is confirmed by a person, or by --yes-lock."""
    unpack_depth: Annotated[int, Field(ge=1, le=64)] = 8
    """So many containers in each other are taken apart."""
    unpack_members: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """So many members of one file of a source are taken out."""
    unpack_bytes: Size = 1 << 40
    """So many bytes are taken out of one file of a source."""
    unpack_ratio: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Beyond the first GiB, so many times the bytes of the file are taken out of it."""


class AcceptWords(_Words):
    """Failures that are known: still counted and signed, but no longer an alarm until a date."""

    glob: Glob = Field(examples=["scans/broken/**"])
    """Which paths."""
    reason: Text = Field(examples=["unreadable disk, replacement ordered"])
    """Why."""
    until: Instant = Field(examples=["2026-06-30T12:00:00Z"])
    """Until when."""


class ReasonsWords(_Words):
    """Which commands of the operator want a reason, which their signed statement then carries."""

    required_for: Annotated[
        list[Literal["restore", "prove", "export", "declare", "verify"]],
        ONCE,
        Field(json_schema_extra={"uniqueItems": True}),
    ] = Field(default=[], examples=[["restore", "export"]])
    """Commands that are refused without --reason."""


class PolicyWords(_Words):
    """What is kept, for whom, until when, from where and to where."""

    version: Annotated[int, must_be(1, "this program reads version 1"), Field(json_schema_extra={"const": 1})] = Field(
        examples=[1]
    )
    """Version of this form."""
    archive: ArchiveName = Field(examples=["eu-dsa-grok"])
    """Name of the archive; it never changes."""
    matters: Annotated[list[MatterWords], Field(min_length=1)]
    """The legal cases."""
    sources: Annotated[list[SourceWords], Field(min_length=1)]
    """Where to collect from."""
    destinations: Annotated[list[DestinationWords], Field(min_length=1)]
    """Where to write to: each one gets everything, in a log of its own."""
    keys: KeysWords = KeysWords.model_construct()
    """The signing keys."""
    timestamps: TimestampsWords = TimestampsWords.model_construct()
    """Timestamps by outside authorities."""
    limits: LimitsWords = LimitsWords.model_construct()
    """How much is too much."""
    expected_every_hours: Annotated[int, Field(ge=1, le=8784)] = 24
    """A silence longer than this is reported; at most a year, or it would never be."""
    accept: list[AcceptWords] = Field(default=[])
    """Known failures."""
    sensitive: list[SensitiveWords] = Field(default=[])
    """Which items are marked as sensitive; of several rules with one mark the first that matches counts."""
    reasons: ReasonsWords = ReasonsWords.model_construct()
    """Which commands want a reason."""
    state: Text = "./.archiver"
    """Folder for the journal, the catalog, the spool and the run lock; it must survive a reboot."""
