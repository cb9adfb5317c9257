"""How the destinations of an archive stand to each other, from their catalogs: how far each log is, and what waits.

>>> [(one.id, len(one.waiting)) for one in standing(policy, own_trust(policy))]
[('vault', 0), ('second', 3)]
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from archiver.catalog.catalog import UNCONFIRMED
from archiver.flows.destinations import destinations, known_catalog
from archiver.flows.snapshot.ends_earlier import dates, ends_earlier
from archiver.flows.waiting import waiting
from archiver.late import dataclass
from archiver.model.policy import Policy
from archiver.model.trust import TrustFile

__all__ = ["DestinationStatus", "leading", "standing"]


@dataclass(frozen=True)
class DestinationStatus:
    """A destination: `waiting` are keys of statements it lacks, `unconfirmed` batches that it gave no receipt for."""

    id: str
    origin: str
    location: str
    log_size: int
    root: str
    waiting: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    below_hold: tuple[tuple[str, str], ...]
    catalog: Path


def standing(policy: Policy, trust: TrustFile) -> tuple[DestinationStatus, ...]:
    """Compare what is known of each destination."""
    named = destinations(policy, trust)
    found = []
    for one in named:
        late = tuple(waiting(one.catalog, [other.catalog for other in named if other is not one]))
        with closing(known_catalog(one)) as catalog:
            unconfirmed = tuple(row.object_key for row in catalog.below(UNCONFIRMED)) if len(named) > 1 else ()
            earlier = ends_earlier(catalog, dates(catalog, policy))
            below = tuple((row.object_key, row.retain_until) for row in earlier if row.object_key not in unconfirmed)
            found.append(
                DestinationStatus(
                    id=one.id,
                    origin=one.origin,
                    location=one.spec.location,
                    log_size=catalog.log_size(),
                    root=catalog.frontier().root().hex(),
                    waiting=late,
                    unconfirmed=unconfirmed,
                    below_hold=below,
                    catalog=one.catalog,
                )
            )
    return tuple(found)


def leading(found: tuple[DestinationStatus, ...]) -> DestinationStatus:
    """Return the destination that lacks the least; the first of those that lack the same."""
    return min(found, key=lambda one: len(one.waiting))
