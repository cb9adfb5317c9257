"""What every place to collect from can do, so that nobody above needs to know which one it is.

    walk    everything that is there, in an order that depends on the names alone
    open    one of the things found, for one reading or several
    stays   whether what was archived of an item may still be where it was
    spell   how a signed account names the place

A location keeps no item open but the one that is being read, and nothing of what it found.

    with location(source).open(found) as opened:
        for block in opened.blocks(): ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from archiver.sources import files
from archiver.sources.base import Facts, FileFacts, Found
from archiver.sources.pipe import PipeLocation
from archiver.sources.rows import BLOCK

if TYPE_CHECKING:  # a process that only reads (`apart`) knows no policy
    from archiver.model.items import ItemLine
    from archiver.model.policy import Source

__all__ = [
    "FolderLocation",
    "GlancedFolder",
    "HeldFolder",
    "Location",
    "Reading",
    "facts_if_still",
    "held_open",
    "location",
    "same_state",
]


class Reading(Protocol):
    """An item that is open. `first` holds its facts before the first byte was read."""

    @property
    def first(self) -> Facts:
        """The facts of what is read, known before its first byte."""
        ...

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end; raises `ReadProblem`."""
        ...

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield what is left, in blocks of up to `size` bytes."""
        ...

    def rewind(self, offset: int = 0) -> None:
        """Go to an offset: the next byte to be read is that one, of the same content."""
        ...

    def stat_now(self) -> Facts:
        """Look again; compare with `first` by `same_state`."""
        ...


class Location(Protocol):
    """A place to collect from. `lasting` says that what it had last time and has not now is worth a word."""

    @property
    def lasting(self) -> bool:
        """Whether items stay where they are."""
        ...

    def walk(self, *, quick: bool = False) -> Iterator[Found]:
        """Yield everything, by a `quick` look no more than tells what has changed.

        Raises `SourceUnavailable` when the place is not there.
        """
        ...

    def open(self, found: Found) -> AbstractContextManager[Reading]:
        """Open what was found; raises `ReadProblem`."""
        ...

    def stays(self, line: ItemLine) -> bool:
        """Say whether the item is still there as it was archived, so that no other item is taken for it."""
        ...

    def spell(self, host: str) -> str:
        """Return where this is, as a snapshot statement says it."""
        ...

    def device(self) -> str | None:
        """Return what it lies on, None where nobody says; raises `SourceUnavailable`."""
        ...


class FolderLocation:
    """A folder or file of the local file system."""

    lasting = True

    def __init__(self, path: Path) -> None:
        """Take an absolute path; nothing is opened."""
        self.path = path

    def walk(self, *, quick: bool = False) -> Iterator[Found]:
        """Yield every name below, no link followed."""
        return files.walk(self.path, quick=quick)

    def open(self, found: Found) -> AbstractContextManager[Reading]:
        """Open a regular file."""
        return files.open_file(self.path, found.path)

    def stays(self, line: ItemLine) -> bool:
        """Say whether a file of this name has the same inode, size and times; what is inside it is said to stay."""
        name = os.fsdecode(line.item.relative_bytes())
        place = self.path / name if self.path.is_dir() else self.path
        try:
            now = place.lstat()
        except OSError:
            return False
        if line.file is None:
            return True
        seen = [line.size, *(int(str(line.file[name])) for name in ("ino", "mtime_ns", "ctime_ns"))]
        return seen == [now.st_size, now.st_ino, now.st_mtime_ns, now.st_ctime_ns]

    def spell(self, host: str) -> str:
        """Return host and path."""
        return f"{host}:{self.path}"

    def device(self) -> str | None:
        """Return device numbers, file system and what is mounted."""
        return files.device(self.path)


class GlancedFolder(FolderLocation):
    """A folder of which somebody takes the files whose `lstat` is enough, so that a walk does not find them."""

    def __init__(self, path: Path, past: files.GoesPastIn) -> None:
        """Take the folder's path and what returns, for each folder in it, who takes its files."""
        super().__init__(path)
        self._past = past

    def walk(self, *, quick: bool = False) -> Iterator[Found]:
        """Yield every name below that is not taken, no link followed."""
        return files.walk(self.path, quick=quick, past=self._past)


class HeldFolder(FolderLocation):
    """A folder that is held open, so that a file costs only its own opening."""

    def __init__(self, path: Path, openings: files.Openings) -> None:
        """Take the folder's path and the openings below it, which stay the caller's."""
        super().__init__(path)
        self._openings = openings

    def open(self, found: Found) -> AbstractContextManager[Reading]:
        """Open a regular file."""
        return files.open_file(self._openings, found.path)

    def found_again(self, found: Found) -> Found:
        """Return what was found so that it can be seen closer when the walk has gone on."""
        facts = found.facts
        if not isinstance(facts, FileFacts):
            return found
        return found._replace(closer=partial(self._openings.closer_facts, found.path, facts))


@contextmanager
def held_open(place: Location) -> Iterator[Location]:
    """Hold a place open for many readings; raises `SourceUnavailable`."""
    if not isinstance(place, FolderLocation):
        yield place
        return
    with files.anchored(place.path) as anchor, closing(files.Openings(anchor)) as openings:
        yield HeldFolder(place.path, openings)


def facts_if_still(reading: Reading) -> Facts | None:
    """Return the facts of what was read as of now, None when it is not in the state of before its first byte."""
    if isinstance(reading, files.Opened):
        return reading.facts_if_still()
    now = reading.stat_now()
    return now if same_state(reading.first, now) else None


def location(source: Source) -> Location:
    """Return the place of a source; nothing is opened and no request is sent."""
    if source.path is not None:
        return FolderLocation(source.path)
    if source.received is not None:
        return PipeLocation(source.received)
    if source.query is not None:
        from archiver.sources.sql import QueryLocation  # noqa: PLC0415 - only where it is wanted

        return QueryLocation(source.query)
    from archiver.sources.s3 import bucket_location  # noqa: PLC0415 - loads botocore, a third of a second

    return bucket_location(source)


def same_state(before: Facts, after: Facts) -> bool:
    """Say whether an item is, as far as its system tells, in the same state at both looks."""
    if isinstance(before, FileFacts) and isinstance(after, FileFacts):
        return files.unchanged_since(before, after)
    return before == after
