"""Batches that travel while the next ones are built: their puts go ahead, side by side, their statements in order.

Laws:
1. What is sent ahead is on record in the journal: after a kill at any point the next run puts the same file again and
   finds what has arrived, as after any other kill.
2. Nothing is signed, entered or set aside here. `deliver` asks for the outcome at its own step, and a put that failed
   fails there.
3. Not to a store that is still finding out what it deals with: that bends the puts of the same client. A batch with
   withheld rows is not sent ahead, since its sealed object goes first.
4. At most `AT_ONCE` batches wait in the spool besides the one that is built.

>>> with Uploads(session, stamper.poll) as uploads:
...     uploads.take(batch)
...     uploads.settle()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self

from archiver.flows.deliver import Sent, batch_lock, deliver, put_batch
from archiver.flows.session import Session
from archiver.stores.base import Receipt, Store
from archiver.stores.manner import Adapts
from archiver.writer.journal_words import JournaledBatch

__all__ = ["AT_ONCE", "Uploads"]

AT_ONCE: Final = 2
"""Batches under way. Each is a file that is read as it is sent; two keep a gateway busy while one is being hashed."""


class Uploads:
    """The journaled batches of one run that are not delivered yet, oldest first."""

    def __init__(self, session: Session, delivered: Callable[[], object]) -> None:
        """Begin with none; `delivered` is called after each that the logs have."""
        self._session = session
        self._delivered = delivered
        self._waiting: deque[tuple[JournaledBatch, Sent]] = deque()
        self._threads = ThreadPoolExecutor(AT_ONCE * len(session.vaults), "upload")

    def take(self, batch: JournaledBatch) -> None:
        """Send a batch ahead where that can be, and deliver what has waited long enough."""
        sent = self._ahead(batch)
        self._waiting.append((batch, sent))
        self._deliver_down_to(AT_ONCE if sent else 0)

    def take_last(self, batch: JournaledBatch) -> None:
        """Take a batch that says what has become of the others: they travel while it is built, and arrive first."""
        self.settle()
        self.take(batch)

    def settle(self) -> None:
        """Deliver everything that waits."""
        self._deliver_down_to(0)

    def __enter__(self) -> Self:
        """Use it in a `with` statement, so that no thread outlives the run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is under way; what was not delivered is in the journal."""
        self._threads.shutdown(cancel_futures=True)

    def _ahead(self, batch: JournaledBatch) -> Sent:
        if batch.sealed is not None:
            return {}
        return {vault.id: self._send(batch, vault.store) for vault in self._session.up if _is_known(vault.store)}

    def _send(self, batch: JournaledBatch, store: Store) -> Future[Receipt]:
        lock = batch_lock(self._session, batch, store)  # asked here: a catalog is read by its own thread alone
        return self._threads.submit(put_batch, self._session, store, batch, lock)

    def _deliver_down_to(self, most: int) -> None:
        while len(self._waiting) > most:
            batch, sent = self._waiting[0]
            deliver(self._session, batch, sent)
            self._waiting.popleft()
            self._delivered()


def _is_known(store: Store) -> bool:
    return not isinstance(store, Adapts) or store.manner.known
