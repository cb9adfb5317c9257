"""The lines of a run on their way into catalogs that know no item yet, while the account of them is written and sent.

Laws:
1. No answer of a catalog changes before the statement of the snapshot is in its log. What is laid by until then is
   taken in at the same step as ever (`recover.take_in_own`); where a run does not come so far, it is nobody's.
2. Nobody writes to a catalog while rows are laid by: whoever is about to `wait`s. What went wrong is raised there.
3. All lines of the run are in the journal when it begins.

A catalog that knows items, and one whose items are said again in packs, take the lines in at their step as ever.

>>> with Beforehand(session, snapshot) as beforehand:
...     beforehand.begin()
...     write_items(before_each_delivery=beforehand.wait)
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Self

from archiver.flows.session import Session

__all__ = ["Beforehand"]


class Beforehand:
    """What is laid by for the catalogs of one run."""

    def __init__(self, session: Session, snapshot: str) -> None:
        """Begin with nothing."""
        self._session = session
        self._snapshot = snapshot
        self._thread = ThreadPoolExecutor(1, "books")
        self._stopped = Event()
        self._begun: dict[str, Future[None]] = {}

    def begin(self) -> None:
        """Lay the lines by wherever that can be, one destination after the other, in the background."""
        session = self._session
        if session.journal.said_again.is_empty():
            for vault in session.up:
                if vault.catalog.may_lay_by():
                    rows = session.journal.all_rows_for(vault.id)
                    self._begun[vault.id] = self._thread.submit(
                        vault.catalog.lay_by, self._snapshot, rows, stop=self._stopped.is_set
                    )

    def wait(self) -> None:
        """Wait until all of it is done."""
        for one in self._begun.values():
            one.result()

    def __enter__(self) -> Self:
        """Use it in a `with` statement, so that no thread outlives the run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is under way; after an error nobody wants it."""
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
