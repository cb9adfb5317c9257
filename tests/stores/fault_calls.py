"""Harm at the calls to the operating system that make a folder store, a spool and the books of a run durable.

Works inside a process that was forked for one run (`faulty_run`). A call is named `fsync archive/.locks.jsonl`, `link
archive/README.txt`, `journal keep`; it fails, fails after it was done, or the process is killed before or after it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["HARMS", "CallFault", "Harm"]


@dataclass(frozen=True)
class Harm:
    """What happens at a call: an error of the system, or the end of the process; `kept` after the call was done."""

    number: int | None
    kept: bool = False


HARMS: Final = {
    "disk full": Harm(errno.ENOSPC),
    "disk full but kept": Harm(errno.ENOSPC, kept=True),
    "disk error": Harm(errno.EIO),
    "killed": Harm(None),
    "killed but kept": Harm(None, kept=True),
}
_BOOKS: Final = {
    "journal": ("begin", "enter", "keep", "batch_logged", "envelope_logged", "clear"),
    "catalog": ("absorb", "lay_by", "take_laid_by", "absorb_rows"),
}


@dataclass(frozen=True)
class CallFault:
    """The call to harm, by a regular expression on its name below `root`; writes down that it happened."""

    root: str
    where: str
    harm: Harm

    @property
    def reached(self) -> bool:
        return self._mark.exists()

    @property
    def _mark(self) -> Path:
        return Path(self.root) / "told" / "harmed"

    def install(self) -> None:
        """Stand before the calls of this process."""
        from archiver.catalog.catalog import Catalog
        from archiver.writer.journal import Journal

        self._mark.unlink(missing_ok=True)
        real = {name: getattr(os, name) for name in ("fsync", "link", "mkdir", "write", "unlink")}
        os.fsync = self._before(real["fsync"], lambda handle: f"fsync {self._at(handle)}")
        os.write = self._before(real["write"], lambda handle, _data: f"write {self._at(handle)}")
        os.link = self._before(
            real["link"], lambda _old, new, **more: f"link {self._below(new, more.get('dst_dir_fd'))}"
        )
        os.mkdir = self._before(
            real["mkdir"], lambda path, *_, **more: f"mkdir {self._below(path, more.get('dir_fd'))}"
        )
        os.unlink = self._before(real["unlink"], lambda path, **more: f"unlink {self._below(path, more.get('dir_fd'))}")
        for book, owner in (("journal", Journal), ("catalog", Catalog)):
            for name in _BOOKS[book]:
                call = self._before(getattr(owner, name), lambda *_, _name=f"{book} {name}", **__: _name)
                setattr(owner, name, call)

    def _before(self, real: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if self.reached or not re.match(self.where, name(*arguments, **more)):
                return real(*arguments, **more)
            self._mark.touch()
            answer = real(*arguments, **more) if self.harm.kept else None
            if self.harm.number is None:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.harm.number is not None:
                raise OSError(self.harm.number, os.strerror(self.harm.number))
            return answer

        return call

    def _at(self, handle: int) -> str:
        return self._below("", handle)

    def _below(self, path: Any, folder: int | None) -> str:
        whole = Path("" if folder is None else f"/proc/self/fd/{folder}").resolve() / os.fsdecode(path)
        return os.path.relpath(whole, self.root)
