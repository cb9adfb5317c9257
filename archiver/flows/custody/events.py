"""One link of a chain of custody: what happened to an item, who says so, when, and where that is signed.

>>> event_of(41, statement, "verified", "verify: ok", verdict="ok").statement
'statements/verification/20261123T120000Z-0a1b2c.json'
"""

from __future__ import annotations

from typing import Final

from archiver.late import dataclass
from archiver.model.statement import By, Statement

__all__ = ["KINDS", "Event", "event_of", "now_event"]

KINDS: Final = {
    "archive": "the archive began",
    "policy": "a policy that names its source came into force",
    "collected": "its bytes were read at the source",
    "seen": "it was there and had not changed",
    "absent": "it was not there any more",
    "not-collected": "it could not be read, or a rule passed it over",
    "stored": "bytes or lines of it were written, locked and read back",
    "derived": "what dialects read in its batch was written as a table beside it",
    "locked": "the lock of what holds it was raised or read",
    "held": "a matter that it is kept for was extended",
    "approved": "somebody approved of a release",
    "released": "a matter that it was kept for was released",
    "accessed": "somebody was given it, or began to be",
    "verified": "the archive was verified",
    "timestamped": "an authority stamped the log over it",
    "key": "a key was added, retired or revoked",
    "incident": "something was found beside it that nobody had stated",
    "checked": "this program read and hashed it just now",
}
"""Kinds of links and what each means."""


@dataclass(frozen=True)
class Event:
    """A link. `entry` and `statement` are None for what was found just now and is in no log.

    `at`, `user`, `host` and `tool` are claims of the signer; `not_before` and `not_after` are what timestamps prove.
    """

    kind: str
    at: str
    entry: int | None
    statement: str | None
    user: str
    host: str
    principal: str | None
    tool: str
    what: str
    why: str | None = None
    verdict: str | None = None
    sha256: str | None = None
    objects: tuple[str, ...] = ()
    not_before: str | None = None
    not_after: str | None = None


def event_of(
    entry: int,
    statement: Statement,
    kind: str,
    what: str,
    *,
    at: str | None = None,
    why: str | None = None,
    verdict: str | None = None,
    sha256: str | None = None,
    objects: tuple[str, ...] = (),
) -> Event:
    """Make the link that a statement signs."""
    by = statement.predicate.by
    return Event(
        kind=kind,
        at=at or statement.predicate.at,
        entry=entry,
        statement=statement.key,
        user=by.user,
        host=by.host,
        principal=by.principal,
        tool=f"{by.tool} {by.version}",
        what=what,
        why=why,
        verdict=verdict,
        sha256=sha256,
        objects=objects,
    )


def now_event(by: By, at: str, what: str, verdict: str, sha256: str | None = None) -> Event:
    """Make the link of what was found just now."""
    tool = f"{by.tool} {by.version}"
    return Event("checked", at, None, None, by.user, by.host, by.principal, tool, what, verdict=verdict, sha256=sha256)
