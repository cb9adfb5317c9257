"""The engine of processes: columns of row groups are derived by so many workers on this machine.

>>> with Processes(4) as engine:
...     columns = engine.derive(index, group)()
"""

from __future__ import annotations

from typing import Self

from archiver.workers import Workers
from archiver.writer.engine import Columns
from archiver.writer.groups import Indexer, RowGroup

__all__ = ["Processes"]


class Processes:
    """Processes on this machine, started when the first group comes; they read raw from the scratch file."""

    reads_here = False

    def __init__(self, jobs: int) -> None:
        """Start nothing yet."""
        self.ahead = jobs
        self._workers = Workers(jobs, over="one row group")

    def derive(self, index: Indexer, group: RowGroup) -> Columns:
        """Begin to derive; call what is returned for the answer."""
        return self._workers.begin(index, group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()
