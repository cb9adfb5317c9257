"""The trust file: what an auditor brings, and the only thing that is trusted (FORMAT.md, Trust file).

Public keys, the log's name and key, the authorities and the holds that the auditor expects. It is handed over outside
the archive and its SHA-256 is read out on the telephone, eight digits at a time:

>>> groups("00ff" * 16)[:20]
'00ff00ff 00ff00ff 00'
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Final, Literal

from archiver.errors import ArchiverError, EvidenceError, UsageError
from archiver.model.checked import BaseModel, ConfigDict, Field, ValidationError
from archiver.model.statement_words import ArchiveId, ArchiveName, Count, Instant, MatterId, Sha256
from archiver.proof import cosignature, keys, note

__all__ = [
    "WITNESS_LAG",
    "LogTrust",
    "Seen",
    "StatementKey",
    "TrustFile",
    "TrustedHold",
    "groups",
    "parse_trust",
    "with_witness",
]

MAX_TRUST_FILE = 1 << 20  # a thousand keys fit many times over
WITNESS_LAG: Final = timedelta(days=7)
"""How long entries may wait for their witnesses before that is unknown: one that looks every week is in time."""


class _Words(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


class LogKey(_Words):
    """A log key and the sizes of the log that it signs."""

    vkey: str
    from_size: Count
    to_size: Count | None


class Seen(_Words):
    """A checkpoint that the auditor has seen; the log may only have grown since."""

    size: Count
    root: Sha256


class LogTrust(_Words):
    """A log that the auditor expects, by its origin."""

    origin: str
    keys: Annotated[list[LogKey], Field(min_length=1)]
    seen: Seen | None
    post_quantum: Annotated[list[LogKey], Field(min_length=1)] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """Keys whose signature must stand beside a checkpoint, too; a copy of the log without it is not ok."""

    def key_at(self, size: int) -> note.VerifierKey | None:
        """Return the newest of the keys that sign a checkpoint of this size."""
        for key in reversed(self.keys):
            if key.from_size <= size and (key.to_size is None or size <= key.to_size):
                return note.parse_vkey(key.vkey)
        return None


class Revoked(_Words):
    """From when a key is not to be believed, and why."""

    since: Instant
    reason: str


class StatementKey(_Words):
    """A key that signs statements, and for what."""

    keyid: Sha256
    pem: str
    roles: Annotated[list[Literal["statement", "approver"]], Field(min_length=1)]
    valid_from: Instant | None
    valid_until: Instant | None
    revoked: Revoked | None


class Qualified(_Words):
    """What a trusted list said: these certificates stood for a qualified service, from then until then."""

    certificates: Annotated[list[Sha256], Field(min_length=1)]
    valid_from: Instant
    valid_until: Instant | None
    source: str


class TimestampAuthority(_Words):
    """A timestamp authority by its roots, and whether it is known to be qualified."""

    id: Annotated[str, Field(min_length=1)]
    roots: Annotated[list[str], Field(min_length=1)]
    qualified: Qualified | None = Field(default=None, exclude_if=lambda value: value is None)


class TimestampTrust(_Words):
    """How many timestamps are demanded, how late they may be, and from whom."""

    required: Count
    max_delay_s: Count
    tsas: list[TimestampAuthority]


class TrustedHold(_Words):
    """The auditor's own minimum for a matter."""

    matter: MatterId
    until: Instant
    mode: Literal["COMPLIANCE"]
    legal_hold: bool


class TrustFile(_Words):
    """The whole file; unknown members are refused."""

    version: Literal[1]
    archive: ArchiveName
    archive_id: ArchiveId
    logs: Annotated[list[LogTrust], Field(min_length=1)]
    statement_keys: Annotated[list[StatementKey], Field(min_length=1)]
    timestamps: TimestampTrust
    holds: list[TrustedHold]
    max_silence_hours: Annotated[int, Field(ge=1, lt=1 << 53)] | None
    witnesses: list[str]

    def encode(self) -> bytes:
        """Write it for people: indented, members in the published order, one newline at the end."""
        return (json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def parse_trust(data: bytes, *, name: str = "trust file") -> TrustFile:
    """Read a trust file strictly.

    Raises `EvidenceError` with code `trust-unreadable`, or `trust-key-refused` for a key that nobody should use.
    """
    if len(data) > MAX_TRUST_FILE:
        raise EvidenceError("trust-unreadable", f"{name}: expected at most {MAX_TRUST_FILE} bytes, found {len(data)}")
    try:
        trust = TrustFile.model_validate(json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates))
    except (ValidationError, ValueError, RecursionError) as problem:
        raise EvidenceError("trust-unreadable", f"{name}: {_words(problem)}", hint=_HINT) from problem
    _check_keys(trust, name)
    return trust


def with_witness(trust: TrustFile, vkey: str) -> tuple[cosignature.WitnessKey, TrustFile]:
    """Return a trust file with one witness more; raises `UsageError("witness-refused")` for what cannot be one."""
    changed = trust.model_copy(update={"witnesses": [*trust.witnesses, vkey]})
    try:
        key = cosignature.parse_witness_key(vkey)
        parse_trust(changed.encode())
    except ArchiverError as problem:
        hint = "take the vkey as `archiver witness show` prints it; a witness has one key, of its own"
        raise UsageError("witness-refused", problem.message, hint=hint) from problem
    return key, changed


def groups(sha256: str) -> str:
    """Spell a digest in groups of eight, to be read out."""
    return " ".join(sha256[place : place + 8] for place in range(0, len(sha256), 8))


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a trust file's bytes, as it is read out."""
    return hashlib.sha256(data).hexdigest()


_HINT = "ask the operator for the trust file again and compare its SHA-256 over the telephone"


def _check_keys(trust: TrustFile, name: str) -> None:
    try:
        for key in trust.statement_keys:
            found = keys.keyid(keys.load_public_pem(key.pem))
            if found != key.keyid:
                raise EvidenceError("trust-key-refused", f"keyid: expected {found}, found {key.keyid}")
        logs: set[bytes] = set()
        for log in trust.logs:
            for log_key in log.keys:
                vkey = note.parse_vkey(log_key.vkey)
                if vkey.name != log.origin:
                    raise EvidenceError("trust-key-refused", f"vkey: expected the name {log.origin}, found {vkey.name}")
                logs.add(vkey.public)
            if log.post_quantum:
                _check_second_keys(log, log.post_quantum)
        _check_witnesses(trust, logs)
        if trust.timestamps.tsas:
            _check_roots(trust.timestamps.tsas)
    except ArchiverError as problem:
        raise EvidenceError("trust-key-refused", f"{name}: {problem.message}", hint=_HINT) from problem


def _check_second_keys(log: LogTrust, second_keys: list[LogKey]) -> None:
    from archiver.proof import post_quantum  # noqa: PLC0415 - few logs have a second key

    for second in second_keys:
        origin = post_quantum.parse_vkey(second.vkey).origin
        if origin != log.origin:
            raise EvidenceError("trust-key-refused", f"vkey: expected the name {log.origin}, found {origin}")


def _check_roots(authorities: list[TimestampAuthority]) -> None:
    from archiver.proof import timestamp_path  # noqa: PLC0415 - what reads certificates is slow to load

    for authority in authorities:
        for root in authority.roots:
            timestamp_path.load_root(root)


def _check_witnesses(trust: TrustFile, logs: set[bytes]) -> None:
    """Refuse witnesses that are one and the same, or the log itself: what two saw, two must have seen."""
    known: set[bytes] = set()
    for vkey in trust.witnesses:
        witness = cosignature.parse_witness_key(vkey)
        if witness.public in logs:
            raise EvidenceError(
                "trust-key-refused", f"witness {witness.name}: expected a key of its own, found a log's"
            )
        if witness.public in known:
            raise EvidenceError(
                "trust-key-refused", f"witness {witness.name}: expected every witness once, found its key twice"
            )
        known.add(witness.public)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _words(problem: Exception) -> str:
    """Say for people what keeps bytes from being a trust file."""
    match problem:
        case ValidationError():
            first = problem.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            if not place:
                return "expected a trust file, found JSON that is no object"
            return f"{place}: expected it, found nothing" if first["type"] == "missing" else f"{place}: {first['msg']}"
        case json.JSONDecodeError():
            return f"expected a trust file, found something that is no JSON (line {problem.lineno}: {problem.msg})"
        case UnicodeDecodeError():
            return f"expected a trust file, found something that is no text (byte {problem.start})"
        case RecursionError():
            return "expected a trust file, found JSON that is nested without end"
        case _:
            return str(problem)
