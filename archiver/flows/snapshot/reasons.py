"""Why a run is not simply fine, in words for people: each reason a line, none when everything is as it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archiver.flows.hold import in_force
from archiver.flows.session import Session
from archiver.flows.snapshot.tally import Tally
from archiver.model.items import CHANGED_UNSEEN

__all__ = ["reasons_of"]


def reasons_of(
    session: Session,
    tallies: Sequence[Tally],
    *,
    unavailable: Mapping[str, str],
    open_outside: Sequence[str],
    missing: Sequence[str],
) -> list[str]:
    """Return the reasons.

    `unavailable` says of sources why they could not be looked at, `open_outside` names items that belong into
    quarantine and were stored in the open with what they are inside, `missing` sources that left the policy.
    """
    reasons = [f"{source}: {words}" for source, words in unavailable.items()]
    for one in tallies:
        reasons += one.reasons(unavailable=one.source in unavailable)
        reasons += _of_bytes(one)
    if open_outside:
        reasons.append(
            f"{len(open_outside)} items belong into quarantine, and what they are inside was stored in the "
            f"open, with their bytes: {', '.join(open_outside[:5])}; put the SHA-256 of that on the list, too"
        )
    reasons += [
        f"{source}: was a source and is not in the policy any more; say `ended: {{at, reason}}` instead"
        for source in missing
    ]
    return reasons + in_force.passed(session.policy, session.holds(), session.clock())


def _of_bytes(one: Tally) -> list[str]:
    reasons = []
    if one.exposed:
        reasons.append(
            f"{one.source}: the bytes of {one.exposed} items that belong into quarantine were stored in the "
            "open, since they changed while they were read"
        )
    if one.unseen:
        reasons.append(
            f"{one.source}: bytes changed while size, times and inode stayed, by a fault of the disk or on "
            f"purpose, in {one.became[CHANGED_UNSEEN]} items; both versions are kept: {', '.join(one.unseen)}"
        )
    return reasons
