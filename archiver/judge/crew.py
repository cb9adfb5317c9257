"""The processes that judge batches side by side: how many are worth their start, and how each opens the store.

>>> with crew_of(archive, None, opener) as crew:
...     crew is None or crew.workers.jobs > 1
True
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from archiver.events import Listener, Paused, silent
from archiver.judge.reader import Archive
from archiver.judge.unit import Opener, judge_unit
from archiver.late import dataclass

if TYPE_CHECKING:
    from archiver.workers import Workers

__all__ = ["LARGE", "LARGE_AFRESH", "Crew", "crew_of"]

LARGE: Final = 32 << 20
"""Bytes of records from which on several processes are worth their start as copies of this one, which takes 20 ms."""

LARGE_AFRESH: Final = 1 << 30
"""The same where they cannot be copies: then the start of each is half a second of work."""

_ENOUGH: Final = 2


@dataclass(frozen=True)
class Crew:
    """Processes that judge batches side by side, and how each of them opens the store.

    `divides` says whether large batches are hashed by this process and given away in shares.
    """

    workers: Workers
    opener: Opener
    divides: bool = True


@contextmanager
def crew_of(
    archive: Archive, jobs: int | None, opener: Opener | None, listener: Listener = silent
) -> Iterator[Crew | None]:
    """Start the processes that judge batches. None: it is done here.

    It is done before this process has threads of its own, which a copy of it must not have.
    """
    sizes = [predicate.raw_bytes for _, predicate, _ in archive.batch_statements()]
    size = sum(sizes)
    number = _jobs(size) if jobs is None else jobs
    if opener is None or number <= 1:
        yield None
        return
    from archiver.workers import Workers  # noqa: PLC0415 - what starts processes is loaded when wanted

    # Over a network as much comes at a time as there are processes that fetch: where these have two each, they do.
    few = sum(one >= LARGE for one in sizes) < _ENOUGH * number
    divides = few or archive.store.destination.kind == "folder"
    listener(Paused())
    with Workers(number, over="one batch", loads=judge_unit.__module__) as workers:
        if workers.start_copies():
            yield Crew(workers, opener, divides)
        elif jobs is None and size < LARGE_AFRESH:
            yield None
        else:
            workers.start()
            yield Crew(workers, opener, divides)


def _jobs(size: int) -> int:
    """Return how many processes are worth their start: one for each core, where there is that much to read."""
    if size < LARGE:
        return 1
    from archiver.workers import cores  # noqa: PLC0415 - the same

    return min(cores(), -(-size // LARGE))
