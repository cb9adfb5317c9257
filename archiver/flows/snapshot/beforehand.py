"""The lines of a run on their way into catalogs that know no item yet, while the run goes on.

Laws:
1. No answer of a catalog changes before the statement of the snapshot is in its log. What is laid by until then is
   taken in at the same step as ever (`recover.take_in_own`); where a run does not come so far, it is nobody's.
2. What went wrong is raised where the run `wait`s, before that statement is made.
3. Packs are laid by while they wait for their batch, as long as that keeps up. All lines of the run are in the journal
   when it `begin`s with the others: there, each pack that was laid by is met again by its digest.

A catalog that knows items, and one whose items are said again in packs, take the lines in at their step as ever.

>>> with Beforehand(session, snapshot) as beforehand:
...     capture(packed=beforehand.take)
...     beforehand.begin()
...     write_items()
...     beforehand.wait()
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Final, Self

from archiver.flows.session import Session
from archiver.flows.vault import Vault
from archiver.writer.line_packs import LinePack, Packed

__all__ = ["Beforehand"]

_MOST: Final = 2
"""Packs that wait to be laid by, each as large as its lines: what comes faster is left for the end."""


class Beforehand:
    """What is laid by for the catalogs of one run."""

    def __init__(self, session: Session, snapshot: str) -> None:
        """Begin with nothing."""
        self._session = session
        self._snapshot = snapshot
        self._thread = ThreadPoolExecutor(1, "books")
        self._stopped = Event()
        self._begun: deque[Future[None]] = deque()
        self._laid_by: dict[str, set[bytes]] = {}
        """Of each destination the digests of the packs that are laid by, or about to be."""

    def take(self, pack: Packed, lines: LinePack) -> None:
        """Lay lines by that wait for their batch, where nothing else is to be done before."""
        while self._begun and self._begun[0].done():
            self._begun.popleft().result()
        if len(self._begun) < _MOST:
            for vault in self._vaults():
                laid_by = self._laid_by.setdefault(vault.id, set())
                self._begun.append(
                    self._thread.submit(vault.catalog.lay_by_some, self._snapshot, lines.alike(), goes_on=bool(laid_by))
                )
                laid_by.add(pack.digest())

    def begin(self) -> None:
        """Lay all others by, one destination after the other, in the background."""
        for vault in self._vaults():
            laid_by = self._laid_by.get(vault.id, set())
            rows = self._session.journal.all_rows_for(vault.id, but=laid_by)
            self._begun.append(
                self._thread.submit(
                    vault.catalog.lay_by, self._snapshot, rows, stop=self._stopped.is_set, goes_on=bool(laid_by)
                )
            )

    def _vaults(self) -> list[Vault]:
        """Return the destinations whose catalogs get lines in this way."""
        if not self._session.journal.said_again.is_empty():
            return []
        return [vault for vault in self._session.up if vault.catalog.may_lay_by()]

    def wait(self) -> None:
        """Wait until all of it is done."""
        while self._begun:
            self._begun.popleft().result()

    def __enter__(self) -> Self:
        """Use it in a `with` statement, so that no thread outlives the run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is under way; after an error nobody wants it."""
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
