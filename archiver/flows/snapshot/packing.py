"""Packs of the journal (`writer.said_again`), filled line by line with what a look has settled.

>>> packing = Packing("vault", enter)
>>> packing.begin("mail")
>>> packing.add(7, line, (known, 660), 48123, "jdoe", "2026-11-26T02:00:00Z")
>>> packing.close()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from archiver.flows.snapshot.plain_lines import batch_at
from archiver.model.rows import Rows
from archiver.writer.said_again import Pack, Run

__all__ = ["Packing"]

_PACK: Final = 8192
_NONE: Final = b'""'
"""Begins the name of no batch."""


class Packing:
    """A pack that is being filled with lines of one source; a full one is entered, and the next begun."""

    def __init__(self, destination: str, enter: Callable[[Pack, list[int]], None]) -> None:
        """Take the destination whose catalog knows the items, and who enters a pack and the rows of its items."""
        self._destination = destination
        self._enter = enter
        self._source = ""
        self._lines: list[bytes] = []
        self._rows: list[int] = []
        self._size = 0
        self._batches: set[bytes] = set()
        self._batch = _NONE
        self._runs: list[Run] = []
        self._run: tuple[str | None, str] = (None, "")
        self._since = 0

    def begin(self, source: str) -> None:
        """Go on with the lines of another source."""
        self.close()
        self._source = source

    def add(  # noqa: PLR0917 - by position: a name costs as much as its value
        self, row: int, line: bytes, where: tuple[bytes, int], size: int, custodian: str | None, observed_at: str
    ) -> None:
        """Add the line of an item, which is in this row of the catalog.

        `where` is the line that it says again, and the place in it where the name of its batch begins.
        """
        if observed_at != self._run[1] or custodian != self._run[0]:
            self._end_run()
            self._run = custodian, observed_at
        if not where[0].startswith(self._batch, where[1]):
            name = batch_at(*where)
            self._batch = name + b'"'
            self._batches.add(name)
        self._size += size
        self._rows.append(row)
        self._lines.append(line)
        if len(self._lines) >= _PACK:
            self.close()

    def close(self) -> None:
        """Enter what is in it."""
        if not self._lines:
            return
        self._end_run()
        batches = frozenset(batch.decode() for batch in self._batches)
        pack = Pack(self._source, self._destination, self._size, batches, tuple(self._runs), Rows.of(self._lines))
        self._enter(pack, self._rows)
        self._lines, self._rows, self._size, self._batches, self._runs, self._since = [], [], 0, set(), [], 0
        self._batch = _NONE

    def _end_run(self) -> None:
        if len(self._lines) > self._since:
            self._runs.append(Run(*self._run, len(self._lines) - self._since))
            self._since = len(self._lines)
