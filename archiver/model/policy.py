"""The retention policy: what is kept, for whom, until when, from where and to where, as values.

`policy_reading` makes them of a file; what is left out there has the published default here, and paths are absolute.
What is doubtful but allowed stands in `warnings`, for people.

>>> policy.matter("EU-DSA-GROK").hold.retain_until.isoformat()
'2027-01-01T12:00:00+00:00'
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.model.key_uri import FileKey, KeyUri
from archiver.model.policy_sql import Query

__all__ = [
    "Accept",
    "Authority",
    "Custodian",
    "DestinationSpec",
    "Ended",
    "Exclude",
    "Hold",
    "Keys",
    "KnownHashes",
    "Limits",
    "Matter",
    "Policy",
    "Sensitive",
    "Source",
    "Timestamps",
    "Window",
]


@dataclass(frozen=True)
class Hold:
    """Until when and how: `retain_until` is aware UTC in whole seconds, `mode` is always "compliance"."""

    stated_as: str
    retain_until: datetime
    mode: Literal["compliance"] = "compliance"
    legal_hold: Literal[True] = True

    @property
    def lock_mode(self) -> Literal["COMPLIANCE"]:
        """The mode as stores and statements spell it."""
        return "COMPLIANCE"


@dataclass(frozen=True)
class Matter:
    """A legal case that orders preservation; `instrument` is the absolute path of the order."""

    id: str
    title: str
    authority: str
    issued: date
    instrument: Path | None
    hold: Hold
    recipient: KeyUri | None = None


@dataclass(frozen=True)
class Exclude:
    """A glob of what is passed over, and why."""

    glob: str
    reason: str


@dataclass(frozen=True)
class Custodian:
    """A person or team and the globs of their material."""

    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """From when a source has ended, and why."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class Window:
    """A span of time: `since` is in it, `before` is not; None where it is open."""

    since: datetime | None
    before: datetime | None

    def __str__(self) -> str:
        """Say it for people."""
        ends = (("since", self.since), ("before", self.before))
        return " and ".join(f"{word} {format_instant(end)}" for word, end in ends if end is not None)


@dataclass(frozen=True)
class KnownHashes:
    """A list of SHA-256 digests of files that are passed over, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Source:
    """A place to collect from; `location` as written, `dialect` "auto" unless the policy names one.

    `path` is the absolute folder or file, None for what lies elsewhere; `received` is where a pipe's bytes wait.
    """

    id: str
    kind: Literal["documents", "model_logs"]
    location: str
    path: Path | None
    matters: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[Exclude, ...] = ()
    custodians: tuple[Custodian, ...] = ()
    dialect: str = "auto"
    ended: Ended | None = None
    keywords: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    received: Path | None = None
    unpack: tuple[str, ...] = ()
    query: Query | None = None
    modified: Window | None = None
    event_time: Window | None = None
    only_custodians: tuple[str, ...] = ()
    known_hashes: tuple[KnownHashes, ...] = ()


@dataclass(frozen=True)
class DestinationSpec:
    """Where the archive is written; `path` is the absolute folder, None for S3."""

    id: str
    location: str
    path: Path | None
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    read_back: Literal["head", "full"] = "head"
    ended: Ended | None = None


@dataclass(frozen=True)
class Keys:
    """Key URIs, and the passphrase's place as `env:NAME` or `file:<absolute path>`; never a passphrase.

    `folder` is where the trust file lies: beside the first key that is a file, else in `keys/` beside the policy.
    """

    statement: str
    log: str
    passphrase: str | None
    statement_key: KeyUri
    log_key: KeyUri
    folder: Path
    post_quantum: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The private keys that are files, without the post-quantum one."""
        return tuple(key.path for key in (self.statement_key, self.log_key) if isinstance(key, FileKey))


@dataclass(frozen=True)
class Authority:
    """A timestamp authority: its name in keys and statements, its address, the file of its roots."""

    name: str
    url: str
    roots: Path


@dataclass(frozen=True)
class Timestamps:
    """How many timestamp authorities must stamp, and which ones are asked."""

    required: int = 0
    authorities: tuple[Authority, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How much is too much, in bytes of evidence and in records; `unpack_*` are of one file of a source."""

    batch_raw_bytes: int
    batch_records: int
    snapshot_bytes: int
    confirm_above_bytes: int
    unpack_depth: int = 8
    unpack_members: int = 1_000_000
    unpack_bytes: int = 1 << 40
    unpack_ratio: int = 1000


@dataclass(frozen=True)
class Accept:
    """Known failures on paths that match `glob`: no alarm before `until`."""

    glob: str
    reason: str
    until: datetime


@dataclass(frozen=True)
class Sensitive:
    """Which items are marked: by `paths`, or by a list of SHA-256 digests at the absolute path `hashes`.

    Or for records of theirs: `where` columns have certain values, or a verdict of `moderation` flags a category.
    """

    mark: str
    reason: str
    handling: Literal["mark", "quarantine"]
    paths: tuple[str, ...]
    hashes: Path | None
    sources: tuple[str, ...]
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    moderation: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A whole policy; `text` is its exact bytes, `sha256` their digest, `path` the absolute path of the file."""

    version: int
    archive: str
    matters: tuple[Matter, ...]
    sources: tuple[Source, ...]
    destinations: tuple[DestinationSpec, ...]
    keys: Keys
    timestamps: Timestamps
    limits: Limits
    sealing: DestinationSpec | None
    """Where the bytes of items in quarantine go; no copy of the archive."""
    expected_every_hours: int
    accept: tuple[Accept, ...]
    sensitive: tuple[Sensitive, ...]
    reasons_required_for: tuple[str, ...]
    state: Path
    path: Path
    text: bytes = field(repr=False)
    sha256: str
    warnings: tuple[str, ...] = ()

    @property
    def destination(self) -> DestinationSpec:
        """The first destination."""
        return self.destinations[0]

    def matter(self, identity: str) -> Matter:
        """Return a matter by its id; raises `KeyError`."""
        return {matter.id: matter for matter in self.matters}[identity]

    def source(self, identity: str) -> Source:
        """Return a source by its id; raises `KeyError`."""
        return {source.id: source for source in self.sources}[identity]

    def retain_until(self, matters: Iterable[str] | None = None) -> datetime:
        """Return the latest end of these matters' holds; of all matters for what serves the whole archive."""
        wanted = [matter.id for matter in self.matters] if matters is None else matters
        return max(self.matter(identity).hold.retain_until for identity in wanted)
