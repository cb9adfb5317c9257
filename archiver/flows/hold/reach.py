"""Until when each object of a matter must be locked, where signed holds reach only some of what is stored.

Laws: a hold of scope `all` reaches everything; another one reaches what its report names and every batch that was
entered after it; whatever serves the whole archive is held until the latest date (FORMAT.md, `hold`; `verify` demands
the same).

>>> reach("CASE-1", catalog, opened, latest=latest, in_policy=in_policy)("data/documents/date=20261123/...")
datetime.datetime(2027, 1, 1, 12, 0, tzinfo=datetime.timezone.utc)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from archiver.catalog.catalog import Catalog
from archiver.judge.holds import read_holds
from archiver.judge.reader import Archive
from archiver.model import layout
from archiver.model.instant import parse_instant
from archiver.model.statement_holds import HoldPredicate

__all__ = ["reach"]


def reach(
    matter: str, catalog: Catalog, opened: Callable[[], Archive], *, latest: datetime, in_policy: datetime
) -> Callable[[str], datetime]:
    """Return the rule of until when a key must be locked for a matter that is held until `latest` at most.

    `opened` opens the archive, or returns it where it was opened before: few holds need it.
    """
    holds = (statement.predicate for _, statement in catalog.statements("hold"))
    if not any(isinstance(one, HoldPredicate) and one.matter == matter and one.scope != "all" for one in holds):
        return lambda _key: latest
    named: dict[str, str] = {}
    archive = opened()
    held = read_holds(archive)
    for one in held.extended:
        if one.words.matter == matter and one.words.scope != "all":
            for key in one.objects(archive):
                if key.startswith(layout.DATA):
                    named[key] = max(one.words.to, named.get(key, one.words.to))

    def until(key: str) -> datetime:
        position = catalog.position_of(key) if key.startswith(layout.DATA) else None
        if position is None:
            return latest
        reached = max(held.until({matter}, at=position), named.get(key, ""))
        return max(in_policy, parse_instant(reached))

    return until
