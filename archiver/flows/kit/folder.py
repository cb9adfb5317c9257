"""A new folder that is filled file by file and ends with an inventory of what is in it.

Laws: nothing that is there is replaced; every file is hashed as it is written; the inventory, in the words that
`sha256sum -c` reads, is the last file, so a folder without one was not finished.

>>> folder.put("kit.json", b"{}")
>>> folder.finish()
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from archiver.errors import WorldError

__all__ = ["INVENTORY", "KitFolder"]

INVENTORY: Final = "inventory.sha256"
_BLOCK: Final = 1 << 20


class KitFolder:
    """A folder that is absent or empty when this begins."""

    def __init__(self, target: Path) -> None:
        """Make the folder, readable for its owner alone: it holds evidence."""
        self._target = target
        self._digests: dict[str, str] = {}
        self.bytes = 0
        with _told(target):
            target.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def files(self) -> int:
        """Number of files so far."""
        return len(self._digests)

    def has(self, name: str) -> bool:
        """Say whether a file was written."""
        return name in self._digests

    def put(self, name: str, data: bytes, *, executable: bool = False) -> str:
        """Write a file; return its SHA-256."""
        with self._create(name) as file:
            file.write(data)
        if executable:
            (self._target / name).chmod(0o755)
        return self._enter(name, sha256(data).hexdigest(), len(data))

    def copy(self, name: str, stream: BinaryIO) -> None:
        """Write a file from a stream, a block at a time."""
        digest, size = sha256(), 0
        with self._create(name) as file:
            while block := stream.read(_BLOCK):
                digest.update(block)
                size += len(block)
                file.write(block)
        self._enter(name, digest.hexdigest(), size)

    def finish(self) -> str:
        """Write the inventory; return its SHA-256."""
        lines = [f"{digest}  {name}\n" for name, digest in sorted(self._digests.items())]
        return self.put(INVENTORY, "".join(lines).encode())

    @contextmanager
    def _create(self, name: str) -> Iterator[BinaryIO]:
        path = self._target / name
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())

    def _enter(self, name: str, digest: str, size: int) -> str:
        self._digests[name] = digest
        self.bytes += size
        return digest


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise WorldError(
            "output-unwritable",
            f"{path}: expected to write it, found: {problem.strerror}",
            hint="name another folder, or make room and give this user the right to write there",
        ) from problem
