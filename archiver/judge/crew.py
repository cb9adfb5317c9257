"""The processes that judge batches side by side: how many are worth their start, and how each opens the store.

>>> with crew_of(archive, None, opener) as crew:
...     crew is None or crew.workers.jobs > 1
True
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from archiver.judge.reader import Archive
from archiver.judge.unit import Opener, judge_unit
from archiver.late import dataclass

if TYPE_CHECKING:
    from archiver.workers import Workers

__all__ = ["LARGE", "Crew", "crew_of"]

LARGE: Final = 1 << 30
"""Bytes in an archive from which on several processes are worth their start, which is half a second of work each."""


@dataclass(frozen=True)
class Crew:
    """Processes that judge batches side by side, and how each of them opens the store."""

    workers: Workers
    opener: Opener


@contextmanager
def crew_of(archive: Archive, jobs: int | None, opener: Opener | None) -> Iterator[Crew | None]:
    """Start the processes that judge batches; they start while the lists of items are read. None: it is done here."""
    number = _jobs(archive) if jobs is None else jobs
    if opener is None or number <= 1:
        yield None
        return
    from archiver.workers import Workers  # noqa: PLC0415 - what starts processes is loaded when wanted

    with Workers(number, over="one batch", loads=judge_unit.__module__) as workers:
        workers.start()
        yield Crew(workers, opener)


def _jobs(archive: Archive) -> int:
    """Return how many processes are worth their start: one for each core, where there is that much to read."""
    sizes = [predicate.raw_bytes for _, predicate, _ in archive.batch_statements() if predicate.table != "items"]
    if sum(sizes) < LARGE:
        return 1
    from archiver.workers import cores  # noqa: PLC0415 - the same

    return min(cores(), len(sizes))
