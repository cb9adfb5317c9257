"""Bytes that are needed twice, in a file without a name: gone with the run, whatever ends it.

>>> with keep([b"one", b"two"], spool) as whole:
...     whole.read_at(2, 3)
b'etw'
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from archiver.writer.rows import disk_error

__all__ = ["Scratch", "keep"]


class Scratch:
    """Bytes of such a file, to be read at any place."""

    def __init__(self, file: IO[bytes], folder: Path, size: int) -> None:
        """Bind to a file that is written."""
        self.descriptor = file.fileno()
        self.size = size
        self._folder = folder

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset` on, fewer only at the end."""
        try:
            return os.pread(self.descriptor, size, offset)
        except OSError as problem:
            raise disk_error(problem, self._folder / "scratch") from problem


@contextmanager
def keep(blocks: Iterable[bytes], folder: Path) -> Iterator[Scratch]:
    """Write bytes to a scratch file; errors of reading `blocks` pass through."""
    with tempfile.TemporaryFile(dir=folder) as file:
        size = 0
        for block in blocks:
            size += len(block)
            try:
                file.write(block)
            except OSError as problem:
                raise disk_error(problem, folder / "scratch") from problem
        try:
            file.flush()
        except OSError as problem:
            raise disk_error(problem, folder / "scratch") from problem
        yield Scratch(file, folder, size)
