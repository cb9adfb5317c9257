"""What may only follow one state of a log: its first statement, and each policy the one in force before it.

Two hosts that come to the same step at the same time both sign one; the log has room for one of them, and where both
were entered it could never be verified. So a statement is entered only where it still follows (`Log.append`); who was
overtaken looks again what the log says now.

>>> log.append(key, envelope, follows=partial(follows, catalog, key, envelope))
"""

from __future__ import annotations

from archiver.catalog.catalog import Catalog
from archiver.model import layout
from archiver.model.statement import PolicyPredicate, parse_statement
from archiver.proof import dsse

__all__ = ["follows"]


def follows(catalog: Catalog, key: str, envelope: bytes) -> bool:
    """Say whether a statement may be the next one of the log that a catalog knows."""
    kind, _ = layout.statement_of_key(key) or ("", "")
    if kind == "archive":
        return catalog.log_size() == 0
    if kind != "policy":
        return True
    predicate, last = parse_statement(dsse.open_envelope(envelope).payload).predicate, catalog.policy()
    before = (0, None) if last is None else (last.revision, last.sha256)
    return isinstance(predicate, PolicyPredicate) and (predicate.revision - 1, predicate.previous) == before
