"""The retention policy: what is kept, for whom, until when, from where and to where (`retention_policy.yaml`).

A policy is read from exact bytes, and its SHA-256 is what statements name. Reading is strict and reports all problems
at once, each with file, line, column and what to write instead. What is left out has the published default. Relative
paths are relative to the policy's own folder. What is doubtful but allowed stands in `warnings`, for people.

>>> policy = load_policy(Path("retention_policy.yaml"))
>>> policy.matter("EU-DSA-GROK").hold.retain_until.isoformat()
'2027-01-01T12:00:00+00:00'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from archiver.late import dataclass
from archiver.model import policy_checks, policy_places, policy_problems, policy_yaml
from archiver.model.checked import ValidationError, real_model
from archiver.model.instant import format_instant
from archiver.model.key_uri import FileKey, KeyUri, parse_recipient, resolve_key_uri
from archiver.model.named_file import read_named
from archiver.model.policy_places import PIPE
from archiver.model.policy_sql import Query, query_of
from archiver.model.policy_words import PolicyWords, WindowWords
from archiver.model.policy_yaml import Mark, PolicyError, Problem, read_yaml
from archiver.model.statement_timestamp import authority_name

__all__ = [
    "Accept",
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
    "PolicyError",
    "Sensitive",
    "Source",
    "Window",
    "load_policy",
    "parse_policy",
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


def load_policy(path: Path) -> Policy:
    """Read a policy file; raises `PolicyError` with code `policy-missing`, `policy-unreadable` or `policy-refused`."""
    try:
        text = read_named(path, policy_yaml.MAX_BYTES)
    except FileNotFoundError as problem:
        hint = "name the policy with -p FILE or $ARCHIVER_POLICY, or go to the folder that holds retention_policy.yaml"
        found = Problem(Mark(1, 1), "", "expected a policy, found no such file")
        raise PolicyError(str(path), [found], code="policy-missing", hint=hint) from problem
    except OSError as problem:
        found = Problem(Mark(1, 1), "", f"expected a readable file, found: {problem.strerror}")
        hint = "name the policy file itself with -p FILE, and see that this user may read it"
        raise PolicyError(str(path), [found], code="policy-unreadable", hint=hint) from problem
    return parse_policy(text, path)


def parse_policy(text: bytes, path: Path) -> Policy:
    """Read a policy from its bytes, as if it stood at `path`; raises `PolicyError("policy-refused")`."""
    document = read_yaml(text, str(path))
    problems = list(document.problems)
    try:
        words = PolicyWords.model_validate(document.value)
    except ValidationError as refusal:
        problems += policy_problems.explain(refusal, document, real_model(PolicyWords))
        raise PolicyError(str(path), problems) from refusal
    absolute = path.absolute()
    problems += policy_checks.check(words, document)
    places = policy_places.resolve(words, absolute.parent, document, problems)
    if problems:
        raise PolicyError(str(path), problems)
    return _policy(words, places, absolute, text)


def _keys(words: PolicyWords, places: policy_places.Places, path: Path) -> Keys:
    files = [key.path for key in (places.statement_key, places.log_key) if isinstance(key, FileKey)]
    folder = files[0].parent if files else path.parent / "keys"
    return Keys(
        words.keys.statement,
        words.keys.log,
        places.passphrase,
        places.statement_key,
        places.log_key,
        folder,
        places.post_quantum.path if isinstance(places.post_quantum, FileKey) else None,
    )


def _specs(words: PolicyWords, places: policy_places.Places, *, seals: bool) -> Iterator[DestinationSpec]:
    for number, one in enumerate(words.destinations):
        if one.seals == seals:
            yield DestinationSpec(
                one.id,
                one.location,
                places.destinations[number],
                one.endpoint,
                one.region,
                one.profile,
                one.read_back,
                Ended(one.ended.at, one.ended.reason) if one.ended else None,
            )


def _window(words: WindowWords | None) -> Window | None:
    return None if words is None else Window(words.since, words.before)


def _recipient(text: str | None, base: Path) -> KeyUri | None:
    return None if text is None else resolve_key_uri(parse_recipient(text), base)


def _policy(words: PolicyWords, places: policy_places.Places, path: Path, text: bytes) -> Policy:
    return Policy(
        version=words.version,
        archive=words.archive,
        matters=tuple(
            Matter(
                id=matter.id,
                title=matter.title,
                authority=matter.authority,
                issued=date.fromisoformat(matter.issued),
                instrument=path.parent / matter.instrument if matter.instrument else None,
                hold=Hold(matter.hold.stated_as, matter.hold.retain_until),
                recipient=_recipient(matter.recipient, path.parent),
            )
            for matter in words.matters
        ),
        sources=tuple(
            Source(
                id=source.id,
                kind=source.kind,
                location=source.location,
                path=places.sources[number],
                matters=tuple(source.matters),
                include=tuple(source.include),
                exclude=tuple(Exclude(rule.glob, rule.reason) for rule in source.exclude),
                custodians=tuple(Custodian(one.name, tuple(one.paths)) for one in source.custodians),
                dialect=source.dialect or "auto",
                unpack=tuple(source.unpack),
                keywords=tuple(source.keywords),
                modified=_window(source.modified),
                event_time=_window(source.event_time),
                only_custodians=tuple(source.only_custodians),
                known_hashes=tuple(KnownHashes(path.parent / one.list, one.reason) for one in source.known_hashes),
                where=tuple((column, tuple(values)) for column, values in source.where.items()),
                ended=Ended(source.ended.at, source.ended.reason) if source.ended else None,
                endpoint=source.endpoint,
                region=source.region,
                profile=source.profile,
                received=places.state / "received" / source.id if source.location == PIPE else None,
                query=query_of(source, path.parent, places.state, words.limits.confirm_above_bytes),
            )
            for number, source in enumerate(words.sources)
        ),
        destinations=tuple(_specs(words, places, seals=False)),
        sealing=next(_specs(words, places, seals=True), None),
        keys=_keys(words, places, path),
        timestamps=Timestamps(
            words.timestamps.required,
            tuple(
                Authority(authority_name(one.url), one.url, path.parent / one.roots)
                for one in words.timestamps.authorities
            ),
        ),
        limits=Limits(**words.limits.model_dump()),
        expected_every_hours=words.expected_every_hours,
        accept=tuple(Accept(one.glob, one.reason, one.until) for one in words.accept),
        sensitive=tuple(
            Sensitive(
                one.mark,
                one.reason,
                one.handling,
                tuple(one.paths),
                path.parent / one.hashes if one.hashes else None,
                tuple(one.sources),
                tuple(sorted((column, tuple(sorted(set(values)))) for column, values in one.where.items())),
                tuple(sorted(set(one.moderation))),
            )
            for one in words.sensitive
        ),
        reasons_required_for=tuple(words.reasons.required_for),
        state=places.state,
        path=path,
        text=text,
        sha256=hashlib.sha256(text).hexdigest(),
        warnings=tuple(policy_checks.warn(words)),
    )
