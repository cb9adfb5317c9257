"""Timestamps by themselves: what is pending is stamped, or everything once more before certificates end.

>>> stamp(policy, again=True, before="2029-01-01T00:00:00Z", ...).exit
<Exit.OK: 0>
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from archiver.errors import Exit
from archiver.events import Listener
from archiver.flows import recover
from archiver.flows.session import open_session
from archiver.flows.timestamps.authorities import authorities_of, name_in_trust
from archiver.flows.timestamps.pending import pending
from archiver.flows.timestamps.stamping import Stamped, not_enough, stamp_all
from archiver.late import dataclass
from archiver.model.policy import Policy

__all__ = ["Stamping", "stamp"]


@dataclass(frozen=True)
class Stamping:
    """What came of it, and why that is not simply fine."""

    stamps: tuple[Stamped, ...]
    reasons: tuple[str, ...]
    exit: Exit


def stamp(
    policy: Policy,
    *,
    again: bool,
    before: str | None,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Stamping:
    """Stamp now and wait for it; `before` leaves out authorities whose newest certificate does not end before it."""
    authorities = authorities_of(policy)
    name_in_trust(policy)
    with open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session:
        recover.take_logs(session)  # whatever the policy says: what a release entered wants its stamp, too
        recover.finish_deliveries(session)
        if before is not None:
            ends = {one.name: pending(session.catalog, one.name).certificate_until for one in authorities}
            authorities = tuple(one for one in authorities if (ends[one.name] or "") < before)
        stamps = tuple(stamp_all(session, authorities, again=again))
    reasons = [f"{one.authority}: {one.problem}" for one in stamps if one.problem]
    reasons += not_enough(stamps, policy.timestamps.required) if before is None else []
    return Stamping(stamps, tuple(reasons), Exit.INCOMPLETE if reasons else Exit.OK)
