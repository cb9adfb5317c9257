"""The catalog anew, from the store alone, and the lines of snapshots that others have made.

Both feed the catalog through the doors of normal work. A rebuilt catalog is written beside the old one and takes its
place when it is whole. A store that holds less than the old catalog knew is refused: the old one is the only witness.

>>> rebuild(policy, clock=clock, listener=silent).entries
42
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.catalog.compare import head_of
from archiver.errors import EvidenceError
from archiver.events import Advanced, Listener, Stage
from archiver.flows.destinations import Named, destinations, receipts_of
from archiver.flows.hold import receipts
from archiver.flows.judged import judged_on, note_judged
from archiver.flows.reading import check_items_batches, items_of
from archiver.flows.session import destination_store, own_trust
from archiver.flows.state import StateFolder
from archiver.flows.witness.seen import keep, seen_in_store
from archiver.judge.few_batches import lines_of
from archiver.judge.reader import Archive, open_archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.items import ItemLine
from archiver.model.policy import Policy
from archiver.model.statement import Statement, parse_statement
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.model.trust import TrustFile
from archiver.proof import dsse, entry, merkle
from archiver.proof.digest import sha256_hex
from archiver.stores.base import Store
from archiver.stores.one_key import stored
from archiver.writer.durable import sync_folder

__all__ = ["Rebuilt", "rebuild", "rebuild_one", "take_in_items", "take_in_lines", "take_in_log"]

_BLOCK = 256  # entries in one transaction, 64 KiB each at most; a commit waits for the disk


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuilt catalog holds; `items` counts the lines of all snapshots."""

    entries: int
    snapshots: int
    batches: int
    items: int
    root: str


def take_in_items(catalog: Catalog, store: Store, trust: TrustFile, origin: str) -> int:
    """Take in the lines of finished snapshots that the catalog lacks; return how many snapshots these were.

    Asks nothing of the store when there are none, which is so on nearly every run. `origin` is the log of the store.
    """
    missing = catalog.snapshots_without_items()
    if missing and judged_on(catalog, store, trust, origin):
        for snapshot in missing:
            lines = lines_of(store, _items_batches(catalog, store, snapshot))
            catalog.absorb_items(snapshot, map(ItemLine.parse, lines))
    elif missing:
        with open_archive(store, trust) as archive:
            archive.demand()
            for snapshot in missing:
                take_in_lines(catalog, archive, snapshot)
            note_judged(catalog, archive)
    return len(missing)


def _items_batches(catalog: Catalog, store: Store, snapshot: str) -> list[Statement]:
    """Return the batch statements of the items of a snapshot whose statement is known and was judged."""
    found = list[Statement]()
    while (data := catalog.entry_of(_items_key(snapshot, len(found)))) is not None:
        named = entry.decode(data)
        envelopes = (one for one in stored(store, named.key, dsse.MAX_ENVELOPE) if sha256_hex(one) == named.sha256)
        envelope = next(envelopes, None)
        if envelope is None:
            raise EvidenceError(
                "statement-missing",
                f"{named.key}: expected the statement with SHA-256 {named.sha256}, found none",
                hint="run `archiver verify` for all that is missing",
            )
        found.append(parse_statement(dsse.open_envelope(envelope).payload))
    predicate = catalog.snapshot(snapshot)
    check_items_batches(snapshot, 0 if predicate is None else predicate.batches.get("items", 0), len(found))
    return found


def _items_key(snapshot: str, number: int) -> str:
    return layout.statement_key("batch", layout.batch_id(snapshot, "items", number))


def rebuild(policy: Policy, *, clock: Callable[[], datetime], listener: Listener) -> Rebuilt:
    """Make the catalog of every destination again; an old one is replaced when the new one is whole.

    Return what the fullest of them holds.
    """
    trust = own_trust(policy)
    state = StateFolder(policy.state)
    with state.locked():
        made = [rebuild_one(state, trust, one, destination_store(policy, clock, one.spec), listener)
                for one in destinations(policy, trust)]  # fmt: skip
    return max(made, key=lambda one: one.entries)


def rebuild_one(state: StateFolder, trust: TrustFile, named: Named, store: Store, listener: Listener) -> Rebuilt:
    """Make the catalog of one destination again; the state folder must be locked."""
    fresh = named.catalog.with_name(f"{named.catalog.name}.new")
    _remove(fresh)
    try:
        with open_archive(store, trust, listener=listener) as archive:
            archive.demand()
            with closing(Catalog(fresh, mine=receipts_of(store.destination, trust))) as catalog:
                take_in_log(catalog, archive, listener, "rebuild the catalog")
                items = sum(take_in_lines(catalog, archive, one) for one in catalog.snapshots_without_items())
                receipts.take_in(catalog, archive.store)
                note_judged(catalog, archive)
                _refuse_rollback(named.catalog, catalog)
                made = _count(catalog, items)
            if trust.witnesses:
                origin = archive.log.origin
                keep(state, origin, seen_in_store(archive.store, trust, origin), anew=True)
        # A kill before this line leaves the old catalog and a file that the next rebuild removes.
        _take_place(fresh, named.catalog)
    finally:
        _remove(fresh)
    return made


def take_in_log(catalog: Catalog, archive: Archive, listener: Listener, stage: str) -> None:
    """Take the whole log of an archive into an empty catalog; raises `WorldError` for one that was not read whole."""
    archive.demand_read()
    listener(Stage(stage, archive.log.size, "entries"))
    stream = archive.statements()
    coming: tuple[int, Statement, bytes] | None = next(stream, None)
    entries = archive.log.entries()
    while some := list(itertools.islice(entries, _BLOCK)):
        with catalog.block():
            for index, data in some:
                if coming is not None and coming[0] == index:
                    catalog.absorb(index, data, coming[1], coming[2])
                    coming = next(stream, None)
                else:
                    catalog.absorb(index, data, None, b"")  # a kind that only a later version knows
        listener(Advanced(len(some)))
    if catalog.frontier().root() != archive.log.root:
        raise EvidenceError("log-root", f"log: expected the root {archive.log.root.hex()}, found another")


def take_in_lines(catalog: Catalog, archive: Archive, snapshot: str) -> int:
    """Take in the lines of one finished snapshot; return how many there were."""
    found = archive.statement("snapshot", snapshot)
    if found is None or not isinstance(found[1].predicate, SnapshotPredicate):
        raise EvidenceError("statement-missing", f"snapshot {snapshot}: expected its statement in the log, found none")
    lines = itertools.count()
    catalog.absorb_items(
        snapshot, (line for line, _ in zip(items_of(archive, found[1].predicate), lines, strict=False))
    )
    return next(lines)


def _refuse_rollback(old: Path, fresh: Catalog) -> None:
    """Compare with the old catalog, where that can be read: the log may only have grown since."""
    if not old.exists():
        return
    known = head_of(old)
    if known is None:
        return  # it is being rebuilt because it cannot be read
    size, root = known
    if size > fresh.log_size() or _root_at(fresh, size) != root:
        raise EvidenceError(
            "log-rollback",
            f"log: expected the {size} entries that the catalog knew, found another log of {fresh.log_size()}",
            hint="keep the old catalog, it is evidence; run `archiver verify` and find out what happened to the store",
        )


def _root_at(catalog: Catalog, size: int) -> bytes:
    frontier = merkle.Frontier()
    for data in catalog.entries(0, size):
        frontier.append(merkle.leaf_hash(data))
    return frontier.root()


def _count(catalog: Catalog, items: int) -> Rebuilt:
    return Rebuilt(
        entries=catalog.log_size(),
        snapshots=sum(1 for _ in catalog.statements("snapshot")),
        batches=catalog.totals()["batches"],
        items=items,
        root=catalog.frontier().root().hex(),
    )


def _take_place(fresh: Path, old: Path) -> None:
    """Put the finished catalog where the old one was; SQLite's own files of the old one must not outlive it."""
    for name in _companions(old):
        name.unlink(missing_ok=True)
    fresh.replace(old)
    sync_folder(old.parent)


def _remove(path: Path) -> None:
    for name in (path, *_companions(path)):
        name.unlink(missing_ok=True)


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
