"""An item whose rows are coming in: how far it is, and where its rows have gone.

>>> open_item.took(rows)
>>> open_item.size, open_item.digest.hexdigest()
(48123, '...')
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Executor, Future
from hashlib import sha256
from typing import Final

from archiver.errors import ArchiverError
from archiver.flows.snapshot.beginnings import Beginning
from archiver.model.item import Item
from archiver.model.items import Part
from archiver.model.rows import Rows
from archiver.writer.journal_words import Progress
from archiver.writer.rows import Facts, Mark

__all__ = ["OpenItem", "PrefixChangedError"]

_BIG: Final = 1 << 18
_BLOCK: Final = 2 << 20
_HASHING: Final = 4
"""Rows that may wait to be hashed, as many as come together, if they are small as a block; of larger ones the last."""


class PrefixChangedError(ArchiverError):
    """The bytes before a sealed row have changed since a killed run read them; its rows are leftovers."""


class OpenItem:
    """An item whose rows are coming in."""

    def __init__(
        self,
        item: Item,
        facts: Facts,
        begun: Beginning | None,
        progress: Progress | None,
        thread: Executor,
        *,
        withheld: bool,
    ) -> None:
        """Begin it, behind what was sealed of it before; `thread` hashes what is large."""
        self.item = item
        self.withheld = withheld
        self._thread = thread
        self._hashing: deque[Future[None]] = deque()
        self.facts = facts
        self.mark: Mark | None = None
        self.expected = 0
        self.goes_on = False
        """Whether it is expected to fill the open batch and to go on behind it."""
        self.passes = False
        """Whether its rows are wanted once, and no other item follows them in the open batch."""
        self.size = begun.size if begun else 0
        self.rows = 0
        self.last_length = -1
        self._digest = begun.digest.copy() if begun else sha256()
        self.skip = progress.rows if progress else 0
        self.prefix_sha256 = progress.prefix_sha256 if progress else ""
        self.before = list(begun.parts) if begun else []
        self.parts = [*self.before, *map(_part_of, progress.parts if progress else ())]

    @property
    def has_left(self) -> bool:
        """Say whether rows of this run have left in a sealed batch."""
        return len(self.parts) > len(self.before)

    @property
    def digest(self) -> hashlib._Hash:
        """The state of the SHA-256 behind all rows that were taken."""
        self._hashed(but=0)
        return self._digest

    def took(self, rows: Rows) -> None:
        """Count rows that were taken."""
        if not rows:
            return
        if len(rows.data) < _BIG and not self._hashing:
            self._digest.update(rows.data)
        else:  # beside the leaves of the next rows: SHA-256 of large data needs no interpreter
            self._hashing.append(self._thread.submit(self._digest.update, rows.data))
            self._hashed(but=_HASHING if len(rows.data) <= _BLOCK else 1)
        self.size += len(rows.data)
        self.rows += len(rows)
        self.last_length = rows.lengths[-1]

    def _hashed(self, *, but: int) -> None:
        """Wait until all that was taken is in the SHA-256, but for so much of the last."""
        while len(self._hashing) > but:
            self._hashing.popleft().result()

    def progress(self) -> Progress:
        """Return how far the item has come in sealed batches of this run; what was there before is found again."""
        parts = [(part.batch, part.first, part.count, part.sealed) for part in self.parts[len(self.before) :]]
        return Progress(self.item.text(), self.rows, self.size, self.digest.hexdigest(), parts)


def _part_of(words: tuple[str, int, int, bool]) -> Part:
    batch, first, count, sealed = words
    return Part(batch, first, count, sealed=sealed)
