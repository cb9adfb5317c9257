"""The state folder: what a writer keeps on its own disk, and the lock that allows one run at a time.

lock              held by flock(2) while a run lasts; readers never take it
journal.sqlite    what an unfinished snapshot had done
catalog.sqlite    the index, rebuildable; of each further destination catalog-<id>.sqlite
stores.json       what stores were found to do, and when
spool/            finished batches on their way to the store, and the scratch file of the open one
demo-keys         present when keys were made on the way by `snapshot`
witnesses.json    how far witnesses have seen the log, as far as is known here
continues.json    the head of the older log that this archive goes on from, until the first snapshot signs it
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archiver.errors import BusyError, UsageError, WorldError
from archiver.model.checked import ValidationError
from archiver.model.statement import Continues
from archiver.writer.durable import write_new

__all__ = ["StateFolder"]

_FIRST_RUN: Final = "run `archiver snapshot` first, or `archiver catalog rebuild` if this machine is new to the archive"


class StateFolder:
    """One state folder."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is made yet."""
        self.path = path
        self.catalog = path / "catalog.sqlite"
        self.journal = path / "journal.sqlite"
        self.spool = path / "spool"
        self.witnesses = path / "witnesses.json"
        self.stores = path / "stores.json"
        self._demo = path / "demo-keys"
        self._continues = path / "continues.json"

    def catalog_of(self, destination: str, *, first: bool) -> Path:
        """Return where the catalog of a destination's log is; `first` is the one that the archive was begun with."""
        return self.catalog if first else self.path / f"catalog-{destination}.sqlite"

    @property
    def exists(self) -> bool:
        """Say whether a run was ever made here; raises `WorldError` where this user may not know."""
        try:
            return self.catalog.exists()
        except PermissionError as problem:
            raise WorldError(
                "state-folder",
                f"{self.path}: expected a folder that this user may read, found: {problem.strerror}",
                hint="run as the user who takes the snapshots; who has only the archive says --archive LOCATION",
            ) from problem

    @property
    def demo_keys(self) -> bool:
        """Say whether the keys were made on the way, for a first look."""
        return self._demo.exists()

    def mark_demo_keys(self) -> None:
        """Remember that the keys were made on the way."""
        self.create()
        self._demo.touch()

    @property
    def continues(self) -> Continues | None:
        """Return the head of the log that this archive goes on from."""
        try:
            return Continues.model_validate_json(self._continues.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as problem:
            raise WorldError(
                "state-folder",
                f"{self._continues}: expected what `archiver init --continues` had kept, found it unreadable",
                hint="remove it and the keys that were made with it, then run `archiver init --continues` again",
            ) from problem

    def keep_continues(self, head: Continues | None) -> None:
        """Remember the head of the log that this archive goes on from; what an `init` before has left goes."""
        self.create()
        self._continues.unlink(missing_ok=True)
        if head is not None:
            write_new(self._continues, head.model_dump_json().encode(), mode=0o600)

    def create(self) -> None:
        """Make the folder, readable by its owner alone."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.spool.mkdir(mode=0o700, exist_ok=True)
        except OSError as problem:
            raise WorldError(
                "state-folder",
                f"{self.path}: expected a folder that can be written, found: {problem.strerror}",
                hint="set `state` in the policy to a folder on a local disk that survives a reboot",
            ) from problem

    def demand_run(self, hint: str = _FIRST_RUN) -> None:
        """Refuse with `UsageError("never-run")` where no run has left its records; `hint` is what to type then."""
        if not self.exists:
            raise UsageError("never-run", f"{self.path}: expected the records of a run, found none", hint=hint)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run lock; raises `BusyError` when another run has it. The system lets go of it when a run dies."""
        self.create()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise BusyError(
                    "run-busy",
                    f"{self.path}: another run holds this state folder",
                    hint="wait until it has ended; two archives need two state folders",
                ) from problem
            yield
        finally:
            os.close(descriptor)

    def sweep(self, keep: set[str]) -> None:
        """Remove what a killed run left half-made in the spool; finished batches that the journal names stay."""
        for path in self.spool.iterdir():
            if path.name not in keep:
                path.unlink()
