"""What the doctor looks at where the trust file names witnesses: has each of them seen the log, and not too long ago.

Without a witness an operator with all keys can rewrite the log unseen; that is no fault, so nothing is said of it.

>>> [item.found for item in witness_items(policy, store, entries=42, now=now)]
['42 entries at 2026-11-23T12:00:00Z']
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from archiver.errors import ArchiverError
from archiver.flows.doctor.items import Item, State
from archiver.flows.session import own_trust, trust_path
from archiver.flows.witness.seen import SeenBy, is_late, seen_in_store
from archiver.model.policy import Policy
from archiver.stores.base import Store

__all__ = ["witness_items"]

_REMEDY = "have it look (archiver witness look), then archiver witness add FILE"


def witness_items(policy: Policy, store: Store, *, entries: int, now: datetime) -> Iterator[Item]:
    """Look at what each witness has seen of so many entries, by the cosignatures in the store."""
    if not trust_path(policy).exists():
        return
    try:
        trust = own_trust(policy)
        if not trust.witnesses:
            return
        seen = seen_in_store(store, trust, trust.logs[0].origin)
    except ArchiverError as problem:
        place = store.destination.location
        yield Item("witness", State.UNKNOWN, place, "witnesses that see the log", problem.message, problem.hint)
        return
    yield from (_item(one, entries, now) for one in seen)


def _item(one: SeenBy, entries: int, now: datetime) -> Item:
    expected = f"all of {entries} entries seen, or a look within a week"
    if one.at is None:
        return Item("witness", State.UNKNOWN, one.name, expected, "nothing seen yet", _REMEDY)
    state = State.UNKNOWN if is_late(one, entries, now) else State.OK
    remedy = _REMEDY if state is State.UNKNOWN else ""
    return Item("witness", state, one.name, expected, f"{one.size} entries at {one.at}", remedy)
