"""What came through pipes, when the newest state is restored: it is in the snapshot that took it, and in none after it.

A pipe is nowhere to be looked at again, so later snapshots say nothing of it. Whoever restores without naming a
snapshot wants it none the less: the pipes of all snapshots up to the newest one come back as `<source>/<stamp>`, once.

>>> pipes = Pipes.before(archive, newest)
>>> [ItemLine.parse(raw).item.path for raw in pipes.lines(newest, disposals.may_be_gone)]
['memo.txt', '20261125T231500Z-a1b2c3']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from archiver.flows.reading import finished_snapshots, lines_of
from archiver.judge.content import ObjectError
from archiver.judge.reader import Archive
from archiver.late import dataclass
from archiver.model.items import ItemLine
from archiver.model.statement_snapshot import SnapshotPredicate

__all__ = ["Pipes"]

_PLACE = "standard input"


@dataclass(frozen=True)
class Pipes:
    """Earlier snapshots that took pipes, the newest first."""

    archive: Archive
    snapshots: tuple[SnapshotPredicate, ...] = ()

    @classmethod
    def before(cls, archive: Archive, wanted: SnapshotPredicate) -> Pipes:
        """Return those that are older than a snapshot."""
        found: list[SnapshotPredicate] = []
        for one in finished_snapshots(archive):
            if one.id == wanted.id:
                break
            if _sources(one):
                found.append(one)
        return cls(archive, tuple(reversed(found)))

    @cached_property
    def sources(self) -> frozenset[str]:
        """The sources that they came from."""
        return frozenset(source for one in self.snapshots for source in _sources(one))

    @property
    def ids(self) -> list[str]:
        """The snapshots, the oldest first."""
        return sorted(one.id for one in self.snapshots)

    def lines(self, wanted: SnapshotPredicate, may_be_gone: Callable[[str], bool]) -> Iterator[bytes]:
        """Yield the lines of the snapshot that is wanted, then of pipes: of one that two snapshots have the newest.

        A list of items that was released and is gone is passed over: nobody is owed what it named.
        """
        seen: set[tuple[str, str]] = set()
        for raw in lines_of(self.archive, wanted):
            if self.snapshots and (key := _name(raw))[0] in self.sources:
                seen.add(key)
            yield raw
        for snapshot in self.snapshots:
            pipes, met = _sources(snapshot), set[tuple[str, str]]()
            try:
                for raw in lines_of(self.archive, snapshot):
                    key = _name(raw)
                    if key[0] in pipes and key not in seen:
                        met.add(key)
                        yield raw
            except ObjectError as problem:
                if problem.code != "object-missing" or not may_be_gone(problem.key):
                    raise
            seen |= met


def _name(raw: bytes) -> tuple[str, str]:
    item = ItemLine.parse(raw).item
    return item.source, item.path


def _sources(snapshot: SnapshotPredicate) -> set[str]:
    return {source.id for source in snapshot.sources if source.location.partition(":")[2] == _PLACE}
