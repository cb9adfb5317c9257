"""How an archive stands, from local records: nothing is asked of the store, so it is quick and says as of when.

What needs a person comes first: a run that was not finished, a backlog, items that failed, a hold that ends soon or
has ended, objects locked below the hold, silence for longer than the policy expects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.catalog.catalog import Catalog
from archiver.errors import Exit, UsageError
from archiver.flows.session import own_trust
from archiver.flows.state import StateFolder
from archiver.model import hold, instant
from archiver.model.policy import Matter, Policy
from archiver.writer.journal import Journal

__all__ = ["HoldStatus", "Status", "status"]

SOON = timedelta(days=60)


@dataclass(frozen=True)
class HoldStatus:
    """A matter's hold: its date, every reading of the order's words, and the days that are left."""

    matter: str
    title: str
    retain_until: datetime
    readings: tuple[tuple[str, datetime], ...]
    days_left: int
    passed: bool
    soon: bool


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


def status(policy: Policy, *, clock: Callable[[], datetime]) -> Status:
    """Read catalog and journal; raises `UsageError("never-run")` before the first snapshot."""
    own_trust(policy)
    state = StateFolder(policy.state)
    if not state.exists:
        raise UsageError(
            "never-run",
            f"{state.path}: expected the records of a run, found none",
            hint="run `archiver snapshot` first",
        )
    catalog = Catalog(state.catalog, read_only=True)
    try:
        return _status(policy, state, catalog, clock())
    finally:
        catalog.close()


def _status(policy: Policy, state: StateFolder, catalog: Catalog, now: datetime) -> Status:
    unfinished, backlog = _unfinished(state)
    last, success = catalog.last_snapshot(), catalog.last_success()
    holds = tuple(_hold(matter, now) for matter in policy.matters)
    below = tuple((row.object_key, row.retain_until) for row in catalog.below(_wanted(policy)))
    failed = tuple(_failed(catalog, last.id if last else None))
    silent = None if last is None else int((now - instant.parse_instant(last.finished)).total_seconds() // 3600)
    found = Status(
        as_of=last.finished if last else None,
        demo_keys=state.demo_keys,
        log_size=catalog.log_size(),
        root=catalog.frontier().root().hex(),
        last_success=success.id if success else None,
        last_success_at=success.finished if success else None,
        last_attempt=last.id if last else None,
        last_attempt_at=last.finished if last else None,
        last_attempt_status=last.status if last else None,
        unfinished=unfinished,
        backlog=backlog,
        counts=catalog.counts_by_status(),
        failed=failed,
        holds=holds,
        below_hold=below,
        totals=catalog.totals(),
        silent_hours=silent,
        reasons=(),
        exit=Exit.OK,
    )
    return _judged(policy, found)


def _judged(policy: Policy, found: Status) -> Status:
    """Add what is wrong, in the order in which it matters."""
    reasons = []
    if found.below_hold:
        reasons.append(
            (Exit.LOCK, f"{len(found.below_hold)} batches are locked below the hold; run `archiver snapshot`")
        )
    for one in found.holds:
        if one.passed:
            text = f"the hold of {one.matter} has passed its date without a signed release: extend retain_until"
            reasons.append((Exit.INCOMPLETE, text))
    if found.last_success is None:
        reasons.append((Exit.INCOMPLETE, "no snapshot was ever complete"))
    elif found.last_attempt_status != "complete":
        reasons.append((Exit.INCOMPLETE, f"the last snapshot is {found.last_attempt_status}"))
    if found.unfinished or found.backlog:
        reasons.append((Exit.INCOMPLETE, "a snapshot is unfinished: run `archiver snapshot` again"))
    if found.silent_hours is not None and found.silent_hours >= policy.expected_every_hours:
        text = f"no snapshot for {found.silent_hours} hours, expected every {policy.expected_every_hours}"
        reasons.append((Exit.INCOMPLETE, text))
    return Status(
        **{
            **found.__dict__,
            "reasons": tuple(text for _, text in reasons),
            "exit": Exit.worst([exit_status for exit_status, _ in reasons]),
        }
    )


def _hold(matter: Matter, now: datetime) -> HoldStatus:
    day = hold.last_day(matter.hold.stated_as)
    left = matter.hold.retain_until - now
    return HoldStatus(
        matter=matter.id,
        title=matter.title,
        retain_until=matter.hold.retain_until,
        readings=tuple((one.name, one.ends) for one in hold.readings(day)) if day else (),
        days_left=max(left.days, 0),
        passed=left <= timedelta(0),
        soon=left <= SOON,
    )


def _wanted(policy: Policy) -> str:
    earliest = min(policy.retain_until(source.matters) for source in policy.sources)
    return instant.format_instant(instant.round_up(earliest))


def _failed(catalog: Catalog, snapshot: str | None) -> list[tuple[str, str]]:
    if snapshot is None:
        return []
    return [
        (f"{line.item.source}/{line.item.path}", line.detail or line.reason or status)
        for status in ("failed", "changed_during_read", "damaged", "absent")
        for line in catalog.lines_of(snapshot, status)
    ]


def _unfinished(state: StateFolder) -> tuple[str | None, tuple[str, ...]]:
    if not state.journal.exists():
        return None, ()
    journal = Journal(state.journal)
    try:
        run = journal.run()
        waiting = [batch.key for batch in journal.unlogged_batches()] + [key for key, _ in journal.unlogged_envelopes()]
        return (run.snapshot if run else None), tuple(waiting)
    finally:
        journal.close()
