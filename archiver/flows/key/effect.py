"""What the end of a key does to what it signed: counted before it is done, as an auditor will find it afterwards.

Laws: the archive is read and judged as `verify` does it, with the trust file as it will be; nothing is written. What a
key signed stays good only where a timestamp shows that it is older than the end; a key that is retired ends for what
comes later alone. The key of a log and the post-quantum key sign no statements.

>>> effect_of(policy, "5a7a78cc", since, clock=clock, listener=silent)
Effect(keyid='5a7a78cc...', role='statement', state='current', statements=17, unknown={'batch': 3}, failed={})
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import datetime

from archiver.events import Listener
from archiver.flows.key.end import check_since, known_keys
from archiver.flows.key.facts import KeyFact, find_key
from archiver.flows.reading import open_reading
from archiver.judge.keyring import Keyring
from archiver.judge.reader import Archive
from archiver.late import dataclass
from archiver.model.finding import Severity
from archiver.model.instant import format_instant
from archiver.model.policy import Policy
from archiver.model.trust import Revoked, TrustFile
from archiver.proof import dsse

__all__ = ["Effect", "effect_of"]

_ORDER = (None, Severity.UNKNOWN, Severity.FAILED)


@dataclass(frozen=True)
class Effect:
    """The key, how many statements by it are good now or unknown, and how many of each kind become worse."""

    keyid: str
    role: str
    state: str
    statements: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)


def effect_of(
    policy: Policy, name: str, since: datetime | None, *, clock: Callable[[], datetime], listener: Listener
) -> Effect:
    """Count what becomes of statements when a key is revoked since an instant or, when there is none, retired.

    Raises `UsageError` for a key that is not known here, and what reading the archive raises.
    """
    check_since(since, clock())
    fact = find_key(known_keys(policy), name)
    if fact.role not in {"statement", "approver"}:
        return Effect(fact.keyid, fact.role, fact.state)
    with open_reading(policy, None, clock=clock, listener=listener) as reading:
        return _counted(fact, reading.archive, _revoked(reading.trust, fact.keyid, since))


def _counted(fact: KeyFact, archive: Archive, changed: TrustFile) -> Effect:
    signed = list(_signed(archive, fact.keyid))
    if fact.state == "chained":  # what only the log names is unknown already
        return Effect(fact.keyid, fact.role, fact.state, len(signed))
    now, then = Keyring(archive.trusted), Keyring(changed)
    worse = {Severity.UNKNOWN: Counter[str](), Severity.FAILED: Counter[str]()}
    for kind, at, position in signed:
        bracket = archive.brackets.of(position)
        before, after = (
            max((one.severity for one in keyring.judge(kind, fact.keyid, at, bracket)), key=_ORDER.index, default=None)
            for keyring in (now, then)
        )
        if after is not None and _ORDER.index(after) > _ORDER.index(before):
            worse[after][kind] += 1
    unknown, failed = (dict(worse[one]) for one in (Severity.UNKNOWN, Severity.FAILED))
    return Effect(fact.keyid, fact.role, fact.state, len(signed), unknown, failed)


def _signed(archive: Archive, keyid: str) -> Iterator[tuple[str, str, int]]:
    """Yield kind, time and position of the good statements that a key signed."""
    for position, statement, envelope in archive.statements():
        if dsse.open_envelope(envelope).keyid == keyid:
            yield statement.kind, statement.predicate.at, position


def _revoked(trust: TrustFile, keyid: str, since: datetime | None) -> TrustFile:
    """Return the trust file as it will be handed out."""
    if since is None:
        return trust
    instant = format_instant(since)
    changed = []
    for key in trust.statement_keys:
        known = min(instant, key.revoked.since) if key.revoked is not None else instant
        revoked = Revoked(since=known, reason="a preview")
        changed.append(key.model_copy(update={"revoked": revoked}) if key.keyid == keyid else key)
    return trust.model_copy(update={"statement_keys": changed})
