"""What a timestamp authority has not stamped of a log, as the catalog knows it.

>>> pending(catalog, "tsa.example.com").statements
0
"""

from __future__ import annotations

from typing import Final

from archiver.catalog.catalog import Catalog
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.statement import TimestampPredicate
from archiver.proof import entry

__all__ = ["Pending", "pending"]

_KIND: Final = "timestamp"


@dataclass(frozen=True)
class Pending:
    """What an authority has not stamped: statements, the oldest of them, and its newest token."""

    statements: int
    since: str | None
    newest: str | None
    certificate_until: str | None


def pending(catalog: Catalog, authority: str) -> Pending:
    """Return what an authority has not stamped of a log; statements about tokens need no stamp themselves.

    A token covers less than where its statement stands, so none before the largest size that was found covers more.
    """
    size, newest, until, stamps = 0, None, None, set[int]()
    for position, statement in catalog.statements(_KIND, newest_first=True):
        if position < size:
            break
        words = statement.predicate
        stamps.add(position)
        if isinstance(words, TimestampPredicate) and words.authority == authority and words.log_size > size:
            size, newest, until = words.log_size, words.gen_time, words.certificate_until
    count = catalog.log_size() - size - sum(position >= size for position in stamps)
    first = next((place for place in range(size, catalog.log_size()) if place not in stamps), None)
    return Pending(count, None if first is None else _made(catalog, first), newest, until)


def _made(catalog: Catalog, position: int) -> str | None:
    """Return when the statement of an entry was made, by its own word."""
    named = layout.statement_of_key(entry.decode(catalog.entries(position, 1)[0]).key)
    if named is None:
        return None
    if named[0] == "batch":
        row = catalog.batch(named[1])
        return None if row is None else row.at
    place, statement = next(catalog.statements(first=position), (None, None))
    return None if statement is None or place != position else statement.predicate.at
