"""Stores and work for the processes of `verify`: they know this folder, and not where a test lies."""

from __future__ import annotations

import os
import pickle
import signal
from dataclasses import dataclass
from pathlib import Path

from archiver.judge.unit import Outcome, Unit, judge_unit
from archiver.stores.base import Store


@dataclass(frozen=True)
class Pickled:
    """Opens a store that was written to a file as it is."""

    path: Path

    @classmethod
    def of(cls, store: Store, folder: Path) -> Pickled:
        path = folder / "store.pickle"
        path.write_bytes(pickle.dumps(store))
        return cls(path)

    def __call__(self) -> Store:
        return pickle.loads(self.path.read_bytes())


def killed_once(unit: Unit) -> Outcome:
    """Kill the process at the first batch that is judged, when half of its work is done."""
    outcome = judge_unit(unit)
    mark = Path(unit.opener.path).with_name("killed")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return outcome


def killed_always(_unit: Unit) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
