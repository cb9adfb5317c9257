"""Whether a batch that is not there may be gone: released by all whom it served, and its date has passed.

The whole log is asked, and the lists of items, since a batch may serve matters that its own statement does not name;
so the question costs a reading of these, once, and only where something is missing.

>>> Disposals(archive, now).may_be_gone(layout.batch_key("documents", batch))
False
"""

from __future__ import annotations

from datetime import datetime

from archiver.events import silent
from archiver.judge.case import Case, Options
from archiver.judge.checks.locks import Demands
from archiver.judge.checks.records import check_items
from archiver.judge.claims import Claims
from archiver.judge.reader import Archive

__all__ = ["Disposals"]


class Disposals:
    """Answers for one archive as of one instant."""

    def __init__(self, archive: Archive, now: datetime) -> None:
        """Read nothing yet."""
        self._archive = archive
        self._now = now
        self._case: Case | None = None

    def may_be_gone(self, key: str) -> bool:
        """Say whether the object of this key was released and its date has passed."""
        if self._case is None:
            self._case = self._read()
        return self._case.is_disposable(key)

    def _read(self) -> Case:
        case = Case(self._archive, Options(), self._now, None, silent, Claims(self._archive.database))
        demands = Demands(case)
        demands.all()
        check_items(case, demands)
        case.lines_read = True
        return case
