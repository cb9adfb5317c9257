"""What the doctor looks at where the policy keeps items in quarantine: whose keys open it, and the place that seals.

That the place is not the archive's own, and that every matter has a recipient, is refused when the policy is read.
Nothing is written, and no private key is asked for: whether somebody still has it cannot be seen from here.

>>> [item.code for item in quarantine_items(policy, clock)]
['recipient', 'sealing-store', 'sealed-objects', 'object-lock', ...]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError
from archiver.flows.doctor.bucket import bucket_items
from archiver.flows.doctor.items import Item, State
from archiver.flows.doctor.local import folder_items
from archiver.flows.session import destination_store
from archiver.flows.state import StateFolder
from archiver.model import instant, layout
from archiver.model.key_uri import place_of
from archiver.model.policy import DestinationSpec, Policy
from archiver.model.statement import SealedPredicate
from archiver.signing.recipient import open_recipient
from archiver.stores.base import Store
from archiver.stores.s3_inspect import inspect
from archiver.writer.place import first_under, versions_of

__all__ = ["quarantine_items"]


def quarantine_items(policy: Policy, clock: Callable[[], datetime]) -> Iterator[Item]:
    """Look at recipients and at the place that seals, where the policy names them."""
    yield from _recipients(policy)
    spec = policy.sealing
    if spec is None or spec.ended is not None:
        return
    store = destination_store(policy, clock, spec)
    subject, expected = f"{spec.location}, which seals", "a store that answers"
    try:
        first_under(store, layout.SEALED)
    except ArchiverError as problem:
        yield Item("sealing-store", State.FAILED, subject, expected, problem.message, problem.hint)
        return
    yield Item("sealing-store", State.OK, subject, expected, "it does")
    yield _all_there(policy, store, subject)
    yield from _settings(policy, store, spec, clock())


def _recipients(policy: Policy) -> Iterator[Item]:
    expected = "a recipient's key that can be sealed for"
    for matter in policy.matters:
        if matter.recipient is None:
            continue
        subject = f"matter {matter.id}, {place_of(matter.recipient)}"
        try:
            keyid = open_recipient(matter.recipient, os.urandom).keyid
        except ArchiverError as problem:
            yield Item("recipient", State.FAILED, subject, expected, problem.message, problem.hint)
            continue
        remedy = "have its holder open something: `archiver verify --open KEYFILE`; without it the bytes are lost"
        yield Item("recipient", State.OK, subject, expected, f"the key {keyid}", remedy)


def _all_there(policy: Policy, store: Store, subject: str) -> Item:
    """Look whether every sealed object that the log names is in the place, by name and size."""
    state = StateFolder(policy.state)
    expected = "every sealed object that the log names"
    if not state.exists:
        return Item("sealed-objects", State.NOTE, subject, expected, "no log is known here yet")
    with closing(Catalog(state.catalog, read_only=True)) as catalog:
        stated = [one.predicate for _, one in catalog.statements("sealed")]
    wanted = [one for one in stated if isinstance(one, SealedPredicate)]
    missing = [one.key for one in wanted if all(found.size != one.size for found in versions_of(store, one.key))]
    if missing:
        remedy = "find out what happened there; `archiver verify --sealed LOCATION` looks at every byte"
        found = f"{len(missing)} of {len(wanted)} are not there, the first {missing[0]}"
        return Item("sealed-objects", State.FAILED, subject, expected, found, remedy)
    return Item("sealed-objects", State.OK, subject, expected, f"all {len(wanted)}")


def _settings(policy: Policy, store: Store, spec: DestinationSpec, now: datetime) -> Iterator[Item]:
    if spec.path is not None:
        yield from folder_items(policy, spec.path)
        return
    inspector = inspect(store.destination, region=spec.region, profile=spec.profile)
    yield from bucket_items(store, inspector, until=instant.round_up(policy.retain_until()), now=now)
