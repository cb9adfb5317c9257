"""Which stored versions a hold is about: the content that the log commits to, from one listing of the store.

Laws: a key that the log does not name is a stranger, and is left alone; of several versions of a key only those are
meant whose bytes are the committed ones; a batch belongs to a matter when its statement says so, or when items of a
source of that matter have their bytes in it; everything outside `data/` belongs to all matters.

>>> scope = Scope(catalog, store, trust)
>>> for version in scope.versions(): ...
>>> scope.strangers, scope.others
(0, 0)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from operator import attrgetter

from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError
from archiver.judge.ahead import ahead
from archiver.judge.batches import open_parquet, predicate_of
from archiver.judge.reader import Archive
from archiver.judge.usual_runs import Run, runs_of
from archiver.late import pattern
from archiver.model import layout
from archiver.model.items import ItemLine
from archiver.model.statement import PolicyPredicate, Statement
from archiver.model.trust import TrustFile
from archiver.proof import checkpoint, note, tiles
from archiver.proof.digest import sha256_of
from archiver.stores.base import Store, Version

__all__ = ["Scope", "matters_ever", "only", "serving"]

_SMALL = 65_535
_SIZED = pattern(r"(?:log/checkpoints|log/cosignatures|timestamps)/([0-9]{12})(?:/|$)")


def matters_ever(catalog: Catalog) -> set[str]:
    """Return every matter that a policy or a hold in this log has named."""
    predicates = [statement.predicate for _, statement in catalog.statements("policy")]
    named = {one.id for policy in predicates if isinstance(policy, PolicyPredicate) for one in policy.matters}
    return named | catalog.holds().keys()


def serving(archive: Archive, matters: set[str], sources: frozenset[str] = frozenset()) -> dict[str, set[str]]:
    """Return the keys of the batches that hold evidence for each of these matters, from the store's own log.

    With `sources` only what comes from these, and all lists of items, which account for it.
    """
    found = {matter: set[str]() for matter in matters}
    policies = {policy.sha256: policy for _, policy in archive.table_of_statements.policies}
    for _, predicate, statement in archive.batch_statements():
        if not sources or predicate.source in {"", *sources}:
            for matter in matters.intersection(predicate.matters):
                found[matter].add(statement.subject[0].name)
        policy = policies.get(predicate.policy_sha256)
        if predicate.table != "items" or policy is None:
            continue
        of = {one.id: one.matters for one in policy.sources if one.id in sources or not sources}
        for source, batch in _named(archive, statement):
            for matter in matters.intersection(of.get(source, ())):
                found[matter].add(layout.batch_key(layout.parse_batch_id(batch).table, batch))
    return found


def _named(archive: Archive, statement: Statement) -> set[tuple[str, str]]:
    """Return the batches that a list of items names, each with the source whose items have their bytes there."""
    found: set[tuple[str, str]] = set()
    with archive.batch(statement) as stream:
        predicate = predicate_of(statement)
        for rows in ahead(archive.rows(open_parquet(stream, predicate), predicate.id)):
            for one in runs_of(rows):
                if isinstance(one, Run):
                    found.add((one.told.source, one.told.batch))
                else:
                    line = ItemLine.parse(one.raw)
                    found.update((line.item.source, part.batch) for part in line.parts)
    return found


def only(batches: set[str] | None) -> Callable[[str], bool]:
    """Return the rule that takes everything but other batches; None takes those, too."""
    return lambda key: batches is None or not key.startswith(layout.DATA) or key in batches


class Scope:
    """The versions of one archive that a flow of holds works on."""

    def __init__(
        self, catalog: Catalog, store: Store, trust: TrustFile, *, takes: Callable[[str], bool] = lambda _key: True
    ) -> None:
        """Know what the log commits to; of that, `takes` says which keys are meant."""
        self._catalog = catalog
        self._store = store
        self._takes = takes
        self._vkeys = [note.parse_vkey(key.vkey) for log in trust.logs for key in log.keys]
        self._size = catalog.log_size()
        self._subjects = _subjects(catalog)
        self._tiles = {tile.key for size in range(tiles.WIDTH, self._size + 1, tiles.WIDTH) for tile in tiles.due(size)}
        self.strangers = 0
        self.others = 0

    def versions(self) -> Iterator[Version]:
        """Yield the content versions in scope, in the order of keys; afterwards the counts of all others stand."""
        self.strangers = self.others = 0
        for key, group in itertools.groupby(self._store.list(), key=attrgetter("key")):
            versions = [version for version in group if not version.is_delete_marker]
            chosen = self._content(key, versions) if self.commits_to(key) else []
            self.strangers += len(versions) - len(chosen)
            if self._takes(key):
                yield from chosen
            else:
                self.others += len(chosen)

    def commits_to(self, key: str) -> bool:
        """Say whether the log, as far as it is known here, names this key."""
        if key == layout.README or key in self._subjects or key in self._tiles:
            return True
        if not layout.is_archive_key(key):
            return False
        sized = _SIZED.match(key)
        if sized is not None:
            return 1 <= int(sized[1]) <= self._size
        return self._catalog.committed(key) is not None

    def _content(self, key: str, versions: list[Version]) -> list[Version]:
        """Return the versions with the committed bytes. One alone is it: `verify` says when its bytes are not."""
        if len(versions) <= 1:
            return versions
        if key == layout.README:  # nobody signs it: what was there first, and any version with the same bytes
            first = self._digest(versions[-1])
            return [one for one in versions if self._digest(one) == first]
        if key.startswith(layout.CHECKPOINTS):
            return [one for one in versions if self._is_checkpoint(one)]
        digests = {self._catalog.committed(key)} - {None} or self._subjects.get(key)
        if digests is None:
            return versions
        return [one for one in versions if self._digest(one) in digests]

    def _is_checkpoint(self, version: Version) -> bool:
        with self._store.read(version.key, version.version) as stream:
            data = stream.read(_SMALL)
        for vkey in self._vkeys:
            try:
                head = checkpoint.open_signed(data, vkey)
            except EvidenceError:
                continue
            return layout.checkpoint_key(head.size) == version.key
        return False

    def _digest(self, version: Version) -> str:
        with self._store.read(version.key, version.version) as stream:
            return sha256_of(stream)


def _subjects(catalog: Catalog) -> dict[str, set[str]]:
    """Return what statements other than batches name, with its digests; objects that incidents met are not named."""
    found: dict[str, set[str]] = {}
    for _, statement in catalog.statements():
        for subject in statement.objects:
            if statement.kind != "incident" or subject.name.startswith(layout.REPORTS):
                found.setdefault(subject.name, set()).add(subject.digest.sha256)
    return found
