"""Sources that are pipes: what they brought waits in the state folder until a finished snapshot has it.

1  `receive` keeps standard input on the disk, without the run lock: a pipe cannot wait for another run
2  a snapshot collects what waits, as it collects files
3  `let_go`, after the snapshot is finished: a kill before it leaves files whose bytes the next run finds archived
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from archiver.errors import UsageError
from archiver.model.items import CONTENT_STATUSES
from archiver.model.policy import Policy, Source
from archiver.sources.location import location
from archiver.sources.pipe import PipeLocation, Received, receive
from archiver.writer.journal_words import Line

__all__ = ["collected", "keep", "kept", "let_go", "waits"]


def collected(policy: Policy, only: tuple[str, ...] = ()) -> list[Source]:
    """Return the sources that a run takes: those named, or all that have not ended and, of pipes, those that wait."""
    running = [source for source in policy.sources if not source.ended]
    return [source for source in running if source.id in only or (not only and waits(source))]


def waits(source: Source) -> bool:
    """Say whether a source is no pipe, or one that brought something which is not archived yet."""
    place = location(source)
    return not isinstance(place, PipeLocation) or next(place.walk(), None) is not None


def keep(
    policy: Policy,
    identity: str,
    descriptor: int,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
) -> Received:
    """Keep standard input for a source whose location is `-`; raises `UsageError` for any other."""
    source = next((one for one in policy.sources if one.id == identity), None)
    if source is None or source.received is None or source.ended:
        pipes = ", ".join(one.id for one in policy.sources if one.received is not None and not one.ended)
        raise UsageError(
            "no-such-pipe",
            f'--stdin {identity}: expected a source whose location is "-", found {pipes or "none"}',
            hint=f"name one of {pipes}" if pipes else 'write a source with `location: "-"` and `include: ["**"]`',
        )
    name = f"{clock().astimezone(UTC):%Y%m%dT%H%M%SZ}-{random(3).hex()}"
    return receive(source.received, descriptor, name, clock)


def kept(lines: Iterable[Line], sources: Iterable[Source]) -> list[tuple[PipeLocation, str]]:
    """Return what of the pipes has its bytes in the archive, going by the lines of a run."""
    pipes = {source.id: place for source in sources if isinstance(place := location(source), PipeLocation)}
    if not pipes:
        return []
    return [
        (pipes[line.source], line.path) for line in lines if line.source in pipes and line.status in CONTENT_STATUSES
    ]


def let_go(archived: Iterable[tuple[PipeLocation, str]]) -> None:
    """Take away what waited and is archived now."""
    for place, name in archived:
        place.let_go(name)
