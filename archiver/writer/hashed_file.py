"""A spool file that is hashed as it is written, so that nobody has to read it again to know what it is.

SHA-256 runs beside the writing, in a thread of its own and no more than one write behind, and so does MD5 where it is
asked for. Long before the file is synced the disk is told to begin: syncing then waits for the end of it, not for all.

Laws: the file is new and this user's alone: no name that is there is written to, since a file that was sent to an
archive may have a second name there. What was hashed are the bytes that the system took, in their order. A file is
told of when it is durable, and its name is.

>>> with HashedFile(Path("spool/a.parquet"), md5=False) as file:
...     file.write(b"PAR1")
...     file.finish()
Spooled(path=PosixPath('spool/a.parquet'), sha256='e0a6…', size=4, md5=None)
"""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archiver.late import dataclass
from archiver.stores.bodies import Spooled
from archiver.writer.durable import sync_folder

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["HashedFile", "Spool"]

_GATHERED: Final = 1 << 20
_AHEAD: Final = 16 << 20
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Spool:
    """A folder of spool files, and whether MD5 is made beside, as a destination asks for it."""

    folder: Path
    md5: bool


class HashedFile(io.RawIOBase):
    """A new file, open for writing from its beginning to its end; small writes are gathered."""

    def __init__(self, path: Path, *, md5: bool) -> None:
        """Open a new file that only this user may open; what had its name is let go, not written to."""
        super().__init__()
        self._path = path
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None
        self._thread = ThreadPoolExecutor(1, "digest")
        self._hashing: Future[None] | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._written = 0
        self._begun = 0
        self._file = -1  # it is closed also where there comes to be none
        path.unlink(missing_ok=True)
        self._file = os.open(path, _NEW, 0o600)

    def finish(self) -> Spooled:
        """Make the file durable, close it, and say what it is."""
        self.flush()
        os.fsync(self._file)
        self._settle()
        self.close()
        sync_folder(self._path.parent)
        md5 = None if self._md5 is None else self._md5.hexdigest()
        return Spooled(self._path, self._sha256.hexdigest(), self._written, md5)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the size so far: nobody goes back."""
        return self._written + self._held_bytes

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of some bytes."""
        held = bytes(data)  # of bytes the same object
        self._held.append(held)
        self._held_bytes += len(held)
        if self._held_bytes >= _GATHERED:
            self.flush()
        return len(held)

    def flush(self) -> None:
        """Write what was gathered."""
        if self.closed or not self._held:
            return
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held, self._held_bytes = [], 0
        self._settle()
        self._hashing = self._thread.submit(self._hash, data)
        view = memoryview(data)
        while view:
            taken = os.write(self._file, view)
            self._written += taken
            view = view[taken:]
        if self._written - self._begun >= _AHEAD:
            os.posix_fadvise(self._file, self._begun, self._written - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._written

    def close(self) -> None:
        """Let the file go, whatever became of it."""
        if not self.closed:
            self._held = []
            with suppress(OSError):  # what was to be kept was synced before
                os.close(self._file)
            self._thread.shutdown()
        super().close()

    def _hash(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._md5 is not None:
            self._md5.update(data)

    def _settle(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None
