"""Archives that another program takes apart: 7z, rar and cab by `bsdtar` of libarchive, if it is installed.

The laws:

1. The program gets an open file and gives a tar stream, which is read as any other; it writes no file. It has no
   terminal, and limits of memory and time of its own. Its end is awaited, and it is stopped when nobody reads on.
2. When it fails, what came before is kept and the rest is one line that says so: `encrypted`, or `corrupt`. Where it is
   not installed, that is `unsupported`, and the archive is kept as it is.

Tried and left: py7zr (LGPL, seven compiled packages, members in memory).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO, Final

from archiver.sources.compressed import FEED, StoppedError
from archiver.sources.limits import limit
from archiver.sources.unpack import tars
from archiver.sources.unpack.base import Member

__all__ = ["members", "sniffed"]

_MAGIC: Final = {"sevenzip": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a\x07", "cab": b"MSCF\0\0\0\0"}
_ANY: Final = tuple(_MAGIC.values())
_MEMORY: Final = 2 << 30
_SECONDS: Final = 6 * 3600
_SAID: Final = 1 << 20
_WORDS: Final = 4096


def sniffed(head: bytes) -> str | None:
    """Return which of these archives begins so."""
    if not head.startswith(_ANY):
        return None
    return next(kind for kind, magic in _MAGIC.items() if head.startswith(magic))


def members(descriptor: int) -> Iterator[Member]:
    """Yield the members of the archive that is open as `descriptor`."""
    program = shutil.which("bsdtar")
    if program is None:
        words = "needs the program bsdtar, which is not installed here (libarchive-tools in Debian)"
        raise StoppedError("unsupported", words)
    yield from tars.members(_tar(program, descriptor))


def _tar(program: str, descriptor: int) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as said:
        command = [program, "-c", "-P", "-f", "-", "--format=pax", f"@/proc/self/fd/{descriptor}"]
        with subprocess.Popen(  # noqa: S603 - no shell, and no argument comes from an archive
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            pass_fds=(descriptor,),
            start_new_session=True,
        ) as running:
            try:
                limit(running.pid, memory=_MEMORY, seconds=_SECONDS, output=_SAID)  # it may ask for ever
                yield from _read(running.stdout)
                status = running.wait()
            finally:
                running.kill()
        said.seek(0)
        words = said.read(_WORDS).decode("utf-8", "replace").strip() or f"bsdtar ended with status {status}"
    if status:
        closed = "ncrypt" in words or "assphrase" in words
        words = words.partition("\n")[0].replace("(null)", "it could not read on, and does not say why")
        raise StoppedError("encrypted" if closed else "corrupt", words)


def _read(output: IO[bytes] | None) -> Iterator[bytes]:
    while output is not None and (piece := output.read(FEED)):
        yield piece
