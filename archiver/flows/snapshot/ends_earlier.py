"""Which batches are locked until an earlier date than the hold in force, as the catalog knows it.

An object has to be held for the matters that the policy gave its source when it was stored, until the latest date that
policy, `hold` statements or both name for them. A later date in the policy alone binds new objects; the older ones are
named here until `archiver hold extend` or a snapshot that still needs them has raised their locks.

>>> [row.object_key for row in ends_earlier(catalog, dates(catalog, policy))]
['data/documents/date=20261123/20261123T120000Z-0a1b2c-documents-00000000.parquet']
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from archiver.catalog.catalog import BatchRow, Catalog
from archiver.model.instant import format_instant, parse_instant, round_up
from archiver.model.policy import Policy
from archiver.model.statement import PolicyPredicate

__all__ = ["dates", "ends_earlier"]

_NEVER: Final = parse_instant("1970-01-01T00:00:00Z")


def dates(catalog: Catalog, policy: Policy | None) -> dict[str, datetime]:
    """Return until when each matter is held that is not released; without a policy, by the signed one in force."""
    if policy is not None:
        found = {matter.id: round_up(matter.hold.retain_until) for matter in policy.matters}
    else:
        signed = catalog.policy()
        found = {one.id: parse_instant(one.retain_until) for one in signed.matters} if signed else {}
    for matter, until in catalog.holds().items():
        found[matter] = max(parse_instant(until), found.get(matter, parse_instant(until)))
    released = catalog.releases()
    return {matter: until for matter, until in found.items() if matter not in released}


def ends_earlier(catalog: Catalog, held: Mapping[str, datetime]) -> list[BatchRow]:
    """Return the batches whose lock ends before the hold of their matters, in log order."""
    if not held:
        return []
    served = _Served(catalog)
    rows = catalog.below_each({source: format_instant(until) for source, until in served.latest(held).items()})
    return [row for row in rows if parse_instant(row.retain_until) < _latest(held, served.matters(row))]


def _latest(held: Mapping[str, datetime], matters: Iterable[str]) -> datetime:
    return max((held[matter] for matter in matters if matter in held), default=_NEVER)


class _Served:
    """Which matters a batch serves, by the policy that was in force when it was entered."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._positions: list[int] = []
        self._sources: list[dict[str, list[str]]] = []
        for position, statement in catalog.statements("policy"):
            if isinstance(statement.predicate, PolicyPredicate):
                self._positions.append(position)
                self._sources.append({one.id: one.matters for one in statement.predicate.sources})

    def latest(self, held: Mapping[str, datetime]) -> dict[str, datetime]:
        """Return an instant for each source that no batch of it has to be held beyond; "" is that of `items`."""
        found: dict[str, datetime] = {}
        for sources in self._sources:
            for name, matters in sources.items():
                found[name] = max(_latest(held, matters), found.get(name, _NEVER))
        return {**found, "": max(found.values(), default=_NEVER)}

    def matters(self, row: BatchRow) -> set[str]:
        """Return the matters of a batch; one of `items` serves all sources of its snapshot."""
        place = bisect_left(self._positions, self._catalog.position_of(row.object_key) or 0) - 1
        sources = self._sources[place] if place >= 0 else {}
        if row.table != "items":
            return set(sources.get(row.source, ()))
        snapshot = self._catalog.snapshot(row.snapshot)
        names = [one.id for one in snapshot.sources] if snapshot and snapshot.sources else list(sources)
        return {matter for name in names for matter in sources.get(name, ())}
