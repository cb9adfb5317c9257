"""What is in a store of Outlook (.pst, .ost): folders, messages, and their headers, bodies and attachments.

The laws:

1. The store is the evidence and is kept whole. A message is all its properties, a line of JSON for each; behind it
   come its headers, bodies and attachments, each the property as it stands, under its name (`store_reader`).
2. libpff reads it, in a process of its own with limits of memory and time. When a message ends that process, a line
   says so, and a new one goes on behind it; after 16 of them the rest of the store is one line.
3. A folder's own count of messages is compared with those that were found: a difference is a line `count-differs`.
4. Without libpff nothing is taken out, and one line says what to install.

Tried and left: `readpst` (writes files under names of the store's choosing, changes what it converts to mails).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from typing import Final

from archiver.late import dataclass
from archiver.sources.base import Problem
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack.base import Member
from archiver.sources.unpack.framed import CutError, told

__all__ = ["members"]

_AGAIN: Final = 16


@dataclass
class _Progress:
    """How far one process came: messages, members, and the name of the last message."""

    place: int
    ordinal: int
    name: bytes = b""

    def reach(self, place: int, name: bytes) -> None:
        self.place, self.name = place, name


def members(descriptor: int) -> Iterator[Member]:
    """Yield the members of the store that is open as `descriptor`."""
    if importlib.util.find_spec("pypff") is None:
        words = "needs the package libpff-python: pip install libpff-python, then snapshot --rehash"
        raise StoppedError("unsupported", words)
    progress = _Progress(0, 0)
    for _ in range(_AGAIN):
        before = progress.place
        status = yield from _read(descriptor, progress)
        if status is None:
            return
        words = f"what reads the store ended with status {status}"
        if progress.place == before:
            raise StoppedError("corrupt", words)
        problem = Problem("corrupt", f"{words} at this message; what else is in it, the store has")
        yield Member(progress.ordinal, progress.name, lambda: (), problem=problem)
        progress.ordinal += 1
    raise StoppedError("corrupt", f"expected at most {_AGAIN} messages that end what reads them, found more")


def _read(descriptor: int, progress: _Progress) -> Generator[Member, None, int | None]:
    """Yield what one process tells; return its status where it ended before it said so."""
    os.lseek(descriptor, 0, os.SEEK_SET)  # the process shares the place, and another may have read on
    command = [sys.executable, "-P", "-m", "archiver.sources.unpack.store_reader", str(progress.place)]
    with subprocess.Popen(  # noqa: S603 - this program
        command,
        stdin=descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        try:
            for member in told(running.stdout, progress.ordinal, progress.reach):
                yield member
                progress.ordinal = member.ordinal + 1
        except CutError:
            return running.wait()
        finally:
            running.kill()
    return None
