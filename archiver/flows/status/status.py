"""How an archive stands: from local records, quick and as of the last run here, or from the store, for who has none.

What needs a person comes first: a run that was not finished, a backlog, items that failed, a hold that ends soon or
has ended, objects locked below the hold, silence for longer than the policy expects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import field, replace
from datetime import datetime, timedelta

from archiver.catalog.catalog import Catalog
from archiver.errors import Exit
from archiver.flows.own_trust import own_trust
from archiver.flows.snapshot.ends_earlier import dates, ends_earlier
from archiver.flows.state import StateFolder
from archiver.flows.status.destinations import DestinationStatus, leading, standing
from archiver.flows.timestamps.pending import pending
from archiver.flows.witness.seen import SeenBy, is_late, kept
from archiver.late import dataclass
from archiver.model import hold, instant, layout
from archiver.model.policy import Policy
from archiver.writer.journal import Journal

__all__ = ["HoldStatus", "Status", "judged", "of_catalog", "status"]

SOON = timedelta(days=60)


@dataclass(frozen=True)
class HoldStatus:
    """A matter's hold: the date in force and the days that are left; from a policy also title and readings."""

    matter: str
    title: str
    retain_until: datetime
    readings: tuple[tuple[str, datetime], ...]
    days_left: int
    passed: bool
    soon: bool
    named: datetime | None = None
    """The policy's own date, where it is earlier than the signed hold that is in force."""


@dataclass(frozen=True)
class StampedBy:
    """How a timestamp authority of the policy stands: what it has not stamped, since when, and its newest token."""

    authority: str
    pending: int
    since: str | None
    newest: str | None
    certificate_until: str | None
    late: bool


@dataclass(frozen=True)
class Status:
    """How the archive stands. `as_of` is when the newest log entry that is known here was made."""

    as_of: str | None
    demo_keys: bool
    log_size: int
    root: str
    last_success: str | None
    last_success_at: str | None
    last_attempt: str | None
    last_attempt_at: str | None
    last_attempt_status: str | None
    unfinished: str | None
    backlog: tuple[str, ...]
    counts: dict[str, int]
    failed: tuple[tuple[str, str], ...]
    holds: tuple[HoldStatus, ...]
    below_hold: tuple[tuple[str, str], ...]
    totals: dict[str, int]
    silent_hours: int | None
    reasons: tuple[str, ...]
    exit: Exit
    witnesses: tuple[SeenBy, ...] = ()
    timestamps: tuple[StampedBy, ...] = ()
    destinations: tuple[DestinationStatus, ...] = ()
    marked: Mapping[str, int] = field(default_factory=dict)
    """Items by mark, as they were last seen."""


def status(policy: Policy, *, clock: Callable[[], datetime]) -> Status:
    """Read catalog and journal; raises `UsageError("never-run")` before the first snapshot."""
    trust, state = own_trust(policy), StateFolder(policy.state)
    state.demand_run("run `archiver snapshot` first")
    places = standing(policy, trust)
    lead = leading(places)
    with closing(Catalog(lead.catalog, read_only=True)) as catalog:
        unfinished, backlog = _unfinished(state)
        found = of_catalog(catalog, dates(catalog, policy), clock())
        demo_keys = state.demo_keys or found.demo_keys
        found = replace(found, demo_keys=demo_keys, unfinished=unfinished, backlog=backlog)
        delay = timedelta(seconds=trust.timestamps.max_delay_s)
        stamps = tuple(_stamps(catalog, one.name, clock() - delay) for one in policy.timestamps.authorities)
        below = tuple(dict.fromkeys(pair for one in places for pair in one.below_hold))
        found = replace(found, timestamps=stamps, destinations=places, below_hold=below)
    words = {matter.id: (matter.title, matter.hold.stated_as) for matter in policy.matters}
    named = {matter.id: instant.round_up(matter.hold.retain_until) for matter in policy.matters}
    holds = tuple(_named(_worded(one, words), named) for one in found.holds)
    found = replace(found, holds=holds, witnesses=kept(state, trust, lead.origin))
    return judged(found, policy.expected_every_hours, clock())


def of_catalog(catalog: Catalog, held: Mapping[str, datetime], now: datetime) -> Status:
    """Return what a catalog alone tells; `held` is the hold of each matter."""
    begun, last, success = catalog.archive(), catalog.last_snapshot(), catalog.last_success()
    return Status(
        as_of=last.finished if last else None,
        demo_keys=begun is not None and begun.demo_keys,
        log_size=catalog.log_size(),
        root=catalog.frontier().root().hex(),
        last_success=success.id if success else None,
        last_success_at=success.finished if success else None,
        last_attempt=last.id if last else None,
        last_attempt_at=last.finished if last else None,
        last_attempt_status=last.status if last else None,
        unfinished=None,
        backlog=(),
        counts=catalog.counts_by_status(),
        failed=tuple(_failed(catalog, last.id if last else None)),
        holds=tuple(_hold(matter, until, now) for matter, until in held.items()),
        below_hold=tuple((row.object_key, row.retain_until) for row in ends_earlier(catalog, held)),
        totals=catalog.totals(),
        marked=catalog.counts_by_mark(),
        silent_hours=_hours(last.finished, now) if last else None,
        reasons=(),
        exit=Exit.OK,
    )


def _hours(finished: str, now: datetime) -> int:
    return int((now - instant.parse_instant(finished)).total_seconds() // 3600)


def judged(found: Status, expected_every_hours: int | None, now: datetime) -> Status:
    """Add what is wrong, in the order in which it matters."""
    reasons = []
    if found.below_hold:
        number = len(found.below_hold)
        text = "1 batch is" if number == 1 else f"{number:,} batches are"
        reasons.append((Exit.LOCK, f"{text} locked below the hold: {hold.extend_command()} raises all locks"))
    for one in found.holds:
        if one.passed:
            extend = hold.extend_command(one.matter)
            text = f"the hold of {one.matter} has passed its date without a signed release: {extend}"
            reasons.append((Exit.INCOMPLETE, text))
    if found.last_success is None:
        reasons.append((Exit.INCOMPLETE, "no snapshot was ever complete"))
    elif found.last_attempt_status != "complete":
        reasons.append((Exit.INCOMPLETE, f"the last snapshot is {found.last_attempt_status}"))
    if found.unfinished or found.backlog:
        reasons.append((Exit.INCOMPLETE, "a snapshot is unfinished: run `archiver snapshot` again"))
    for place in found.destinations:
        if place.waiting or place.unconfirmed:
            number = len(place.waiting) + len(place.unconfirmed)
            text = f"destination {place.id} is behind by {number:,}: `archiver snapshot` brings what it lacks"
            reasons.append((Exit.INCOMPLETE, text))
    if found.silent_hours is not None and found.silent_hours >= (expected_every_hours or found.silent_hours + 1):
        text = f"no snapshot for {found.silent_hours} hours, expected every {expected_every_hours}"
        reasons.append((Exit.INCOMPLETE, text))
    reasons += [
        (Exit.INCOMPLETE, f"{one.authority} has not stamped what is in the log since {one.since}: `archiver timestamp`")
        for one in found.timestamps
        if one.late
    ]
    late = [one for one in found.witnesses if is_late(one, found.log_size, now)]
    reasons += [(Exit.INCOMPLETE, _late(one)) for one in late]
    return replace(
        found,
        reasons=tuple(text for _, text in reasons),
        exit=Exit.worst([exit_status for exit_status, _ in reasons]),
    )


def _stamps(catalog: Catalog, authority: str, due: datetime) -> StampedBy:
    found = pending(catalog, authority)
    late = found.statements > 0 and (found.since is None or found.since < instant.format_instant(due))
    return StampedBy(authority, found.statements, found.since, found.newest, found.certificate_until, late)


def _late(witness: SeenBy) -> str:
    when = "is not known to have seen the log" if witness.at is None else f"has not seen the log since {witness.at}"
    return f"the witness {witness.name} {when}: have it look, then `archiver witness add FILE`"


def _hold(matter: str, until: datetime, now: datetime) -> HoldStatus:
    left = until - now
    return HoldStatus(
        matter=matter,
        title="",
        retain_until=until,
        readings=(),
        days_left=max(left.days, 0),
        passed=left <= timedelta(0),
        soon=left <= SOON,
    )


def _worded(one: HoldStatus, words: Mapping[str, tuple[str, str]]) -> HoldStatus:
    """Add what only the policy knows of a matter: its title, and the words of the order with all their readings."""
    title, stated_as = words.get(one.matter, ("", ""))
    day = hold.last_day(stated_as)
    readings = tuple((reading.name, reading.ends) for reading in hold.readings(day)) if day else ()
    return replace(one, title=title, readings=readings)


def _named(one: HoldStatus, named: Mapping[str, datetime]) -> HoldStatus:
    until = named.get(one.matter, one.retain_until)
    return replace(one, named=until if until < one.retain_until else None)


def _failed(catalog: Catalog, snapshot: str | None) -> list[tuple[str, str]]:
    if snapshot is None:
        return []
    return [
        (f"{line.item.source}/{line.item.path}", line.detail or line.reason or status)
        for status in ("failed", "changed_during_read", "damaged", "absent")
        for line in catalog.trouble_of(snapshot, status)
    ]


def _unfinished(state: StateFolder) -> tuple[str | None, tuple[str, ...]]:
    if not state.journal.exists():
        return None, ()
    journal = Journal(state.journal)
    try:
        run = journal.run()
        waiting = [batch.key for batch in journal.unlogged_batches()] + [
            key for key, _, _ in journal.unlogged_envelopes() if layout.statement_of_key(key) is not None
        ]
        return (run.snapshot if run else None), tuple(waiting)
    finally:
        journal.close()
