"""What came through a pipe: bytes that are nowhere else, kept on the local disk until they are archived.

The laws:

1. `receive` reads to the end and writes what it read to a file of its own; before it waits for more, all of it is on
   the disk. Memory is one block.
2. A file is called `<id>.part` and is locked while its pipe is read, then `<id>.<when it ended>`. One that is called
   `.part` and locked by nobody is what a killed run had read: it is collected, and `ended` is null.
3. The end of a pipe says nothing of how the program before it ended. Nobody can tell a whole stream from one that was
   cut off, so nothing here says "complete".
4. A crash loses what the pipe still held, 64 KiB as a rule, and what the program could not write into it.

>>> receive(folder, 0, "20261125T231500Z-a1b2c3", clock)
Received(name='20261125T231500Z-a1b2c3', size=48123)
"""

from __future__ import annotations

import fcntl
import os
import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from archiver.errors import WorldError
from archiver.late import dataclass, pattern
from archiver.model.instant import format_instant, parse_instant
from archiver.model.items import ItemLine
from archiver.proof import canonical
from archiver.sources.base import Found, ObjectFacts
from archiver.sources.opening import Opened, open_file

__all__ = ["PipeLocation", "Received", "receive"]

_BLOCK: Final = 1 << 20
_UNSYNCED: Final = 16 << 20
_NAME: Final = pattern(r"([0-9]{8}T[0-9]{6}Z-[0-9a-f]{6})\.(?:part|([0-9]{8}T[0-9]{6}Z))")
_STAMP: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Received:
    """One pipe, read to its end: the path of its item, and its bytes."""

    name: str
    size: int


def receive(folder: Path, descriptor: int, name: str, clock: Callable[[], datetime]) -> Received:
    """Read a pipe to its end into a new file of the folder, and return when every byte is on the disk."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = folder / f"{name}.part"
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _sync(folder)
            size = _copy(descriptor, file)
            # A kill up to this line leaves a file that is called `.part`, which the next run collects.
            part.rename(folder / f"{name}.{clock().astimezone(UTC):{_STAMP}}")
            _sync(folder)
        finally:
            os.close(file)
    except OSError as problem:
        raise WorldError(
            "pipe-not-kept",
            f"standard input: expected to keep it in {folder}, found: {problem.strerror}",
            hint="what came before is kept there and is archived by the next snapshot; make room, then pipe the rest",
        ) from problem
    return Received(name, size)


def _copy(descriptor: int, file: int) -> int:
    size = synced = 0
    while True:
        if size > synced and (size - synced >= _UNSYNCED or not select.select([descriptor], [], [], 0)[0]):
            os.fdatasync(file)
            synced = size
        block = os.read(descriptor, _BLOCK)
        if not block:
            os.fsync(file)
            return size
        size += len(block)
        view = memoryview(block)
        while view:
            view = view[os.write(file, view) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class PipeLocation:
    """The pipes of one source that wait in a folder."""

    lasting = False

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist."""
        self._folder = folder

    def walk(self, *, quick: bool = False) -> Iterator[Found]:  # noqa: ARG002 - there is nothing quicker
        """Yield what was received and is not being received any more, the oldest first."""
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return
        for name in names:
            if (spelled := _NAME.fullmatch(name)) is None or self._is_being_read(name):
                continue
            size = (self._folder / name).stat().st_size
            yield Found(spelled[1].encode(), "object", self._facts(spelled, size), size)

    @contextmanager
    def open(self, found: Found) -> Iterator[_PipeReading]:
        """Open what was received."""
        assert isinstance(found.facts, ObjectFacts)
        name = found.path.decode()
        ended = found.facts.words["ended"]
        end = "part" if ended is None else f"{parse_instant(str(ended)):{_STAMP}}"
        with open_file(self._folder, f"{name}.{end}".encode()) as opened:
            yield _PipeReading(opened, found.facts)

    def stays(self, _line: ItemLine) -> bool:
        """Say yes: a pipe goes on from no other."""
        return True

    def spell(self, host: str) -> str:
        """Return where it came in."""
        return f"{host}:standard input"

    def device(self) -> None:
        """Return nothing: a pipe lies nowhere."""

    def let_go(self, name: str) -> None:
        """Take away what is archived now."""
        for path in self._folder.glob(f"{name}.*"):
            path.unlink()

    def _is_being_read(self, name: str) -> bool:
        if not name.endswith(".part"):
            return False
        file = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def _facts(self, spelled: re.Match[str], size: int) -> ObjectFacts:
        began, ended = spelled[1].partition("-")[0], spelled[2]
        words: dict[str, canonical.JSON] = {
            "store": "pipe",
            "began": _instant(began),
            "ended": None if ended is None else _instant(ended),
        }
        return ObjectFacts(size, words)


class _PipeReading:
    """A file in which a pipe was kept, with the facts of the pipe."""

    def __init__(self, opened: Opened, first: ObjectFacts) -> None:
        self._opened = opened
        self.first = first
        self.read = opened.read
        self.blocks = opened.blocks
        self.rewind = opened.rewind

    def stat_now(self) -> ObjectFacts:
        """Say again what is known: nobody writes to the file any more."""
        return ObjectFacts(self._opened.stat_now().size, self.first.words)


def _instant(stamp: str) -> str:
    return format_instant(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC))
