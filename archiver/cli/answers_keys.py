"""What the commands of `key` answer with `--json`. Public keys only; no answer ever has anything else of a key."""

from __future__ import annotations

from typing import Literal

from archiver.cli.answers_shared import Position
from archiver.cli.answers_timestamp import StampedLog
from archiver.late import dataclass

__all__ = [
    "EndedKey",
    "KeyEffect",
    "KeyEntry",
    "KeyWords",
    "KeysListed",
    "LogSizes",
    "RecipientShown",
    "RotatedKey",
    "SecondKey",
    "ShownKey",
]

_Role = Literal["statement", "log", "approver", "post-quantum"]


@dataclass(frozen=True)
class KeyEntry:
    """A statement about a key: the log entry that names it, and when it was made."""

    entry: int
    at: str


@dataclass(frozen=True)
class KeyWords:
    """A key. `current` signs now, `trusted` may sign, `chained` is named by the log alone and by no trust file.

    `from_size` and `to_size` are the sizes of the log that a log key signs; `to_size` is null while it has no end.
    """

    keyid: str
    role: _Role
    state: Literal["current", "trusted", "chained", "retired", "revoked"]
    place: str | None
    added: KeyEntry | None
    ended: KeyEntry | None
    reason: str | None
    valid_until: str | None
    revoked_since: str | None
    from_size: int | None
    to_size: int | None


@dataclass(frozen=True)
class KeysListed:
    """All keys of the archive, by the operator's own trust file and the local records of the log."""

    keys: list[KeyWords]


@dataclass(frozen=True)
class ShownKey:
    """One key: `public` is its PEM, or the vkey of a log's key."""

    key: KeyWords
    public: str
    if_lost: list[str]
    if_stolen: list[str]


@dataclass(frozen=True)
class LogSizes:
    """The last size of a log that its old key signs."""

    origin: str
    to_size: int


@dataclass(frozen=True)
class KeyEffect:
    """What the end of a key does: how many statements by it count now, and how many of each kind become worse."""

    statements: int
    unknown: dict[str, int]
    failed: dict[str, int]


@dataclass(frozen=True)
class RotatedKey:
    """A key and its successor; `finished` is false while the policy has to name the new one first.

    With `dry_run` nothing was done, and there is no new key; `effect` is counted then alone.
    """

    role: Literal["statement", "log", "post-quantum"]
    dry_run: bool
    effect: KeyEffect | None
    old: str
    new: str | None
    place: str
    set_aside: str | None
    finished: bool
    sizes: list[LogSizes]
    statements: list[str]
    timestamps: list[StampedLog]
    trust_file: str
    trust_sha256: str
    log: Position | None


@dataclass(frozen=True)
class SecondKey:
    """The log's second key, which signs its head when a run ends."""

    place: str
    vkeys: list[str]
    trust_file: str
    trust_sha256: str


@dataclass(frozen=True)
class RecipientShown:
    """The key of a recipient: `public` is its PEM, null where it has none; `public_file` where that was written."""

    keyid: str
    kind: str
    place: str
    public: str | None
    public_file: str | None


@dataclass(frozen=True)
class EndedKey:
    """A key that has ended, and the statements that were made for it now.

    `finished` is false while the policy has to name its successor first. With `dry_run` nothing was done, and `state`
    is as before. `effect` is what was counted before it was done; null for a key that only the log names.
    """

    dry_run: bool
    effect: KeyEffect | None
    keyid: str
    role: _Role
    state: Literal["current", "trusted", "chained", "retired", "revoked"]
    since: str | None
    finished: bool
    statements: list[str]
    timestamps: list[StampedLog]
    trust_file: str
    trust_sha256: str
    log: Position | None
