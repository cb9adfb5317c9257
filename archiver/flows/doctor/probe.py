"""What a probe of a bucket came to, as items, and as a signed statement in the log.

The report lies under `reports/<sha256>/doctor.json`; the statement `verification` names it, and a statement `incident`
("not evidence") names every sentinel, so that `verify` knows what lies below `ext/probe/`. Before the archive has begun
nothing is signed: the first entry of its log says what it is.

>>> [item.code for item in probe_items(probed, "bucket vault")][:2]
['probe-lock', 'probe-listing']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Final

from archiver.flows import begin
from archiver.flows.doctor.items import Item, State, counts_of, verdict_of
from archiver.flows.session import Session
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import format_instant
from archiver.model.statement import IncidentObject, IncidentPredicate, Predicate, Subject, VerificationPredicate
from archiver.proof import canonical
from archiver.proof.digest import sha256_of
from archiver.stores.base import Store
from archiver.stores.probe import Attempt, Capabilities, Probed

__all__ = ["Signed", "capability_words", "power_results", "probe_items", "sign_probe"]

REPORT: Final = "urn:archiver:doctor:v1"
_REFUSE: Final = "do not keep evidence in this store: it does not hold its locks"
_ROLES: Final = "use credentials under the policy that `archiver doctor policy writer` prints"


@dataclass(frozen=True)
class Signed:
    """Keys of the report and of the statement about it."""

    report: str
    statement: str


def probe_items(probed: Probed, subject: str) -> list[Item]:
    """Say what the store withstood and what it can do."""
    able = probed.capabilities
    withstood = [_attempt(f"probe-{one.name}", one, subject, _REFUSE) for one in probed.attempts]
    damage = able.checks_md5 or able.checks_sha256
    damaged = Item(
        "probe-damaged",
        State.OK if damage else State.FAILED,
        subject,
        "bytes that arrive damaged are refused",
        "so it is" if damage else "they are stored as if nothing was",
        "" if damage else "use another store: what is damaged on the way would only be seen by a full read-back",
    )
    keeps_sha256 = None if able.checks_sha256 is None else able.checks_sha256 and able.echoes_sha256
    return [
        *withstood,
        damaged,
        _ability("probe-conditions", able.conditional_writes, subject, "a second write of a key is refused on demand"),
        _ability("probe-checksums", keeps_sha256, subject, "a SHA-256 is checked, kept and shown"),
        _ability("probe-multipart", able.multipart_lock, subject, "an upload in parts keeps its lock"),
        _date(able.latest_date, subject),
    ]


def power_results(items: Sequence[Item], probed: Probed, subject: str) -> list[Item]:
    """Put what was tried in place of what a policy only promised; a failure that the policy shows stays one."""
    tried = {f"writer-{one.name}": one for one in probed.powers if one.holds is not None}
    return [
        _attempt(item.code, tried[item.code], f"these credentials in {subject}", _ROLES)
        if item.code in tried and not (item.state is State.FAILED and tried[item.code].holds)
        else item
        for item in items
    ]


def capability_words(able: Capabilities) -> dict[str, canonical.JSON]:
    """Return the capabilities for a report."""
    date = able.latest_date
    return {**asdict(able), "latest_date": None if date is None else format_instant(date)}


def sign_probe(session: Session, probed: Probed, items: Sequence[Item], at: datetime) -> Signed | None:
    """Store the report and enter the statements; None when the archive has not begun."""
    if session.log.catch_up() == 0:
        return None
    begin.check_policy(session)
    left = _left(session.store, probed.folder)
    report = canonical.encode(
        {
            "format": REPORT,
            "archive": session.policy.archive,
            "at": format_instant(at),
            "location": session.store.destination.location,
            "capabilities": capability_words(probed.capabilities),
            "items": [{**asdict(item), "state": item.state.value} for item in items],
            "sentinels": [one.model_dump() for one in left],
        }
    )
    digest = sha256(report).hexdigest()
    key = layout.report_key(digest, "doctor.json")
    session.put(key, report)
    # A crash from here on leaves a report that nobody names, or sentinels that no incident names: strangers, in verify.
    statement = _enter(
        session,
        "verification",
        Subject.of(key, digest),
        VerificationPredicate(
            **session.seal.common(),
            what="doctor --probe",
            why=None,
            verdict=verdict_of(items).value,
            counts=counts_of(items),
        ),
    )
    what = f"sentinels of a probe of this store; what came of it is in {statement}"
    incident = IncidentPredicate(**session.seal.common(), what=what, decision="not evidence", objects=left)
    _enter(session, "incident", Subject.of(key, digest), incident)
    return Signed(key, statement)


def _enter(session: Session, kind: str, subject: Subject, predicate: Predicate) -> str:
    key, envelope = session.seal.seal(kind, [subject], predicate)
    session.enter(key, session.keep(key, envelope))
    return key


def _left(store: Store, folder: str) -> list[IncidentObject]:
    """Return every version below the probe's folder, as the store has it now."""
    return [
        IncidentObject(key=one.key, version=one.version, sha256=_digest(store, one.key, one.version))
        for one in store.list(folder)
        if not one.is_delete_marker
    ]


def _digest(store: Store, key: str, version: str | None) -> str:
    with store.read(key, version) as stream:
        return sha256_of(stream)


def _attempt(code: str, one: Attempt, subject: str, remedy: str) -> Item:
    if one.holds is None:
        return Item(code, State.UNKNOWN, subject, one.expected, one.found, remedy)
    state = State.OK if one.holds else State.FAILED
    return Item(code, state, subject, one.expected, one.found, "" if one.holds else remedy)


def _ability(code: str, able: bool | None, subject: str, expected: str) -> Item:  # noqa: FBT001 - of this module alone
    if able:
        return Item(code, State.OK, subject, expected, "so it is")
    found = "could not be tried" if able is None else "it is not so; this program does not rely on it"
    return Item(code, State.NOTE, subject, expected, found)


def _date(latest: datetime | None, subject: str) -> Item:
    expected = "dates far away come back as they were asked for"
    if latest is None:
        return Item("probe-date", State.NOTE, subject, expected, "could not be tried")
    state = State.OK if latest.year > _FAR else State.NOTE
    return Item("probe-date", state, subject, expected, f"up to {format_instant(latest)}")


_FAR: Final = 2106
