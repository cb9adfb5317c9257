"""What the first look of a run settles, so that nobody looks a second time.

The survey looks at every item before anything is collected. Plain files that are unchanged are settled by that look:
their lines enter the journal at once, and count as soon as the run begins. The rest is kept, as far as it is not too
much, and is what the capture goes through.

The law: a line says when the item was looked at, and no earlier than the run's `started`; what was left is taken from
this look only while that is fresh, and nothing has been learnt of the archive since. In all other cases the capture
looks for itself, and passes over what is settled.

>>> look = first_look(session, marking, rehash=False)
>>> seen = survey(session.catalog, sources, clock, listener, marking, look=look)
>>> look.left(source)
deque([Sight(...)])
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from archiver.catalog.recall import Recall
from archiver.flows.number_set import NumberSet
from archiver.flows.session import Session
from archiver.flows.snapshot.early import AT_ONCE, Early
from archiver.flows.snapshot.glance import Glance, says_more
from archiver.flows.snapshot.packing import Packing
from archiver.flows.snapshot.plain_lines import said_again
from archiver.flows.snapshot.sight import Sight
from archiver.model import instant
from archiver.model.mark import Marking
from archiver.model.policy import Source
from archiver.sources.location import HeldFolder, Location
from archiver.writer.said_again import Pack

__all__ = ["FirstLook", "first_look", "taken_up"]

_KEPT: Final = 1 << 17
"""What is left in all sources; more is looked at again. One takes about a kilobyte."""
_FRESH: Final = timedelta(minutes=1)
"""Somebody may have been asked meanwhile whether so much is to be locked."""


class FirstLook:
    """What was settled by the survey of a run that is begun afresh, and what is left."""

    def __init__(self, session: Session, *, trusted: bool, early: Early | None = None) -> None:
        """Begin before the survey. What is not to be `trusted` settles nothing, and keeps nothing.

        What is kept is read `early`.
        """
        self.started = instant.format_instant(session.clock())
        self._session = session
        self._trusted = trusted
        self._catalog = session.catalog
        self._archive = self._state_of_archive()
        self._packing = Packing(session.lead.id, self._enter)
        self._settled = NumberSet()
        self._left: dict[str, deque[Sight]] = {}
        self._kept = 0
        self._early = early
        self._at: datetime | None = None

    def begin(self, source: Source) -> Callable[[Sight], None] | None:
        """Return what takes the items of a source that come now, None when nobody wants them.

        Only a folder is looked at once: of a store, the second listing is what is read.
        """
        self._packing.begin(source.id)
        if not self._trusted or source.path is None:
            return None
        self._left[source.id] = deque()
        if self._early is not None:
            self._early.begin(source)
        return self._see

    def glance(self, source: Source, recall: Recall, tell: Callable[[int], None]) -> Glance | None:
        """Return what takes the plain files of a source, None where each is to be looked at; after `begin`."""
        if not self._trusted or source.path is None:
            return None
        return Glance(source, recall, self._session.clock, tell, packing=self._packing, keep=self._keep)

    def _see(self, sight: Sight) -> None:
        again = None if _says_more(sight) else said_again(sight)
        if again is not None and sight.last.row is not None:
            where = sight.last.raw or b"", again.batch_at
            size = sight.found.size or 0
            self._packing.add(sight.last.row, again.line, where, size, sight.custodian, sight.observed_at)
            return
        self._keep(sight._replace(found=sight.found._replace(closer=None)))  # the walk goes on

    def _keep(self, sight: Sight) -> None:
        left = self._left.get(sight.item.source)
        if left is None:
            return
        left.append(sight)
        self._kept += 1
        if self._kept > _KEPT:
            self._kept -= len(left)
            del self._left[sight.item.source]
        elif self._early is not None and not self._kept % AT_ONCE:
            self._early.see(left)

    def lose(self, source: Source) -> None:
        """Note that a source could not be looked at to its end."""
        self._left.pop(source.id, None)

    def end(self) -> None:
        """Enter what is settled, when all sources were looked at."""
        self._packing.close()
        self._at = self._session.clock()

    def begun(self) -> None:
        """Forget everything if it is not true any more, as the run begins."""
        if self._trusted and (self.is_of_another_catalog or self._state_of_archive() != self._archive):
            self._left = {}
            self._settled = NumberSet()
            self._session.journal.said_again.forget()

    def left(self, source: Source) -> deque[Sight] | None:
        """Return what is left to be done of a source, once; None when it must be looked at again."""
        left = self._left.pop(source.id, None)
        is_fresh = self._at is not None and self._session.clock() - self._at < _FRESH
        return left if is_fresh else None

    def settled(self) -> NumberSet:
        """Return the rows of the catalog (`Known.row`) whose items have a line by this look."""
        if self.is_of_another_catalog:
            journal = self._session.journal
            if not journal.said_again.is_empty():  # else what lies in packs is new, and of it nobody asks for a line
                journal.take_packs_apart()
            return NumberSet()
        return self._settled

    @property
    def is_of_another_catalog(self) -> bool:
        """Say whether another destination leads now, whose catalog has other rows."""
        return self._session.catalog is not self._catalog

    def _enter(self, pack: Pack, rows: list[int]) -> None:
        self._settled.update(rows)
        self._session.journal.said_again.enter(pack)

    def _state_of_archive(self) -> tuple[str | None, tuple[str, ...]]:
        """Return what tells whether the catalog has learnt of more items."""
        last = self._session.catalog.last_snapshot()
        return None if last is None else last.id, tuple(self._session.catalog.snapshots_without_items())


def first_look(session: Session, marking: Marking, *, rehash: bool, early: Early | None = None) -> FirstLook:
    """Begin to look; a run that goes on, reads everything or marks items settles nothing by a look.

    What is left is read `early` as far as that can be.
    """
    if session.journal.run() is not None:
        return FirstLook(session, trusted=False)
    session.journal.said_again.forget()  # of a survey whose run never began
    news = session.catalog.snapshots_without_items()
    return FirstLook(session, trusted=not (rehash or marking.has_rules or news), early=early)


def taken_up(left: deque[Sight], place: Location) -> Iterator[Sight]:
    """Yield what is left, and let go of it; what is only recorded is asked now for what a quick look leaves out.

    What is to be read is looked at again by whoever reads it (`read_ahead`).
    """
    while left:
        sight = left.popleft()
        if sight.decision != "read" and isinstance(place, HeldFolder):
            found = sight.found
            if found.kind != "directory" or found.error is not None:  # one that was listed was seen closely by that
                found = place.found_again(found)
            is_closer = sight.decision not in ("read", "unchanged")
            sight = sight._replace(found=found.seen_closer() if is_closer else found)
        yield sight


def _says_more(sight: Sight) -> bool:
    """Say whether something else is said along with an unchanged item: what is inside, or beside it."""
    return sight.decision != "unchanged" or sight.last.has_inside or says_more(sight.found.path)
