"""Until when a matter is held: the later of what the policy names and what signed `hold` statements say.

A policy that names an earlier date than a signed hold still works; the signed one is in force, and people are told.

>>> retain_until(policy, catalog.holds(), ("EU-DSA-GROK",))
datetime.datetime(2027, 7, 1, 12, 0, tzinfo=datetime.timezone.utc)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from archiver.errors import UsageError
from archiver.model.hold import extend_command
from archiver.model.instant import format_instant, parse_instant, round_up
from archiver.model.policy import Policy
from archiver.model.statement_holds import ReleasePredicate

__all__ = [
    "LATEST",
    "demand_matter",
    "earlier_in_policy",
    "passed",
    "refuse_released",
    "refuse_too_late",
    "retain_until",
]


LATEST: Final = datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)
"""The last second that fits 32 bits: a store that was measured takes a later date, and keeps one that has passed."""


def retain_until(policy: Policy, signed: Mapping[str, str], matters: Iterable[str] | None = None) -> datetime:
    """Return the latest end of these matters' holds; of all matters for what serves the whole archive."""
    named = {matter.id: round_up(matter.hold.retain_until) for matter in policy.matters}
    held = {matter: parse_instant(until) for matter, until in signed.items()}
    wanted = {*named, *held} if matters is None else set(matters)
    if unknown := wanted - named.keys() - held.keys():
        raise KeyError(min(unknown))
    return max(max(dates[matter] for dates in (named, held) if matter in dates) for matter in wanted)


def demand_matter(policy: Policy, matter: str) -> None:
    """Refuse a matter that the policy does not have."""
    known = [one.id for one in policy.matters]
    if matter not in known:
        raise UsageError(
            "no-such-matter", f"{matter}: expected one of {', '.join(known)}", hint="see `matters` in the policy"
        )


def refuse_too_late(policy: Policy) -> None:
    """Refuse a date that a store may turn into one that has passed, before anything is stored under it."""
    for matter in policy.matters:
        if round_up(matter.hold.retain_until) > LATEST:
            raise UsageError(
                "hold-too-late",
                f"matter {matter.id}: expected at most {format_instant(LATEST)}, found "
                f"{format_instant(round_up(matter.hold.retain_until))}",
                hint="stores exist that turn a later date into one that has passed; extend when the time comes",
            )


def earlier_in_policy(policy: Policy, signed: Mapping[str, str]) -> list[str]:
    """Return a line for every matter whose date in the policy is earlier than the signed hold."""
    return [
        f"matter {matter.id}: the policy names {format_instant(round_up(matter.hold.retain_until))}, which is earlier "
        f"than the signed hold until {signed[matter.id]}, the one in force; write that date into the policy"
        for matter in policy.matters
        if matter.id in signed and parse_instant(signed[matter.id]) > matter.hold.retain_until
    ]


def passed(policy: Policy, signed: Mapping[str, str], now: datetime) -> list[str]:
    """Return a line for every matter whose date has passed, though nobody has released it."""
    return [
        f"matter {matter.id}: its hold date {format_instant(until)} has passed without a signed release; "
        f"it is still a hold: {extend_command(matter.id)}"
        for matter in policy.matters
        if (until := retain_until(policy, signed, (matter.id,))) <= now
    ]


def refuse_released(policy: Policy, released: Mapping[str, ReleasePredicate]) -> None:
    """Refuse a policy that still names a released matter: what was let go would be locked again."""
    for matter in policy.matters:
        if matter.id in released:
            raise UsageError(
                "matter-released",
                f"{policy.path}: expected no matter that was released, found {matter.id}, released at "
                f"{released[matter.id].at}",
                hint="take the matter out of the policy, with its sources; a new order is a new matter with its own id",
            )
