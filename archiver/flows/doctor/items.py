"""One thing that the doctor looked at: a code that is for ever, how it stands, what was expected and found, what to do.

    ok         looked at, and as it should be
    note       worth knowing, breaks nothing
    unknown    could not be looked at; never counts as ok
    failed     breaks the promise; the code says how badly

>>> exit_of([Item("object-lock", State.FAILED, "bucket vault", "Object Lock on", "off")])
<Exit.LOCK: 4>
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from archiver.errors import Exit
from archiver.late import dataclass
from archiver.model.finding import Verdict

__all__ = ["CODES", "Item", "State", "counts_of", "exit_of", "verdict_of"]


class State(StrEnum):
    """How an item stands."""

    OK = "ok"
    NOTE = "note"
    UNKNOWN = "unknown"
    FAILED = "failed"


CODES: Final[dict[str, Exit]] = {
    "key-files": Exit.WORLD,
    "signing-key": Exit.WORLD,
    "state-folder": Exit.WORLD,
    "spool-space": Exit.WORLD,
    "clock-skew": Exit.WORLD,
    "source": Exit.INCOMPLETE,
    "source-credentials": Exit.WORLD,
    "store": Exit.WORLD,
    "log-origin": Exit.WORLD,
    "witness": Exit.INCOMPLETE,
    "timestamp": Exit.WORLD,
    "recipient": Exit.WORLD,
    "sealing-store": Exit.WORLD,
    "sealed-objects": Exit.WORLD,
    "hold-date": Exit.LOCK,
    "hold-passed": Exit.INCOMPLETE,
    "lock-enforced": Exit.LOCK,
    "lock-readable": Exit.LOCK,
    "same-disk": Exit.WORLD,
    "folder-writable": Exit.LOCK,
    "object-lock": Exit.LOCK,
    "versioning": Exit.LOCK,
    "default-retention": Exit.LOCK,
    "lifecycle": Exit.LOCK,
    "public-access": Exit.LOCK,
    "kms-key": Exit.LOCK,
    "writer-delete": Exit.LOCK,
    "writer-bypass": Exit.LOCK,
    "writer-lift": Exit.LOCK,
    "writer-policy": Exit.LOCK,
    "probe": Exit.WORLD,
    "probe-statement": Exit.WORLD,
    "probe-lock": Exit.LOCK,
    "probe-listing": Exit.WORLD,
    "probe-delete": Exit.LOCK,
    "probe-delete-bypass": Exit.LOCK,
    "probe-shorten": Exit.LOCK,
    "probe-shorten-bypass": Exit.LOCK,
    "probe-weaken": Exit.LOCK,
    "probe-weaken-bypass": Exit.LOCK,
    "probe-overwrite": Exit.LOCK,
    "probe-delete-held": Exit.LOCK,
    "probe-delete-held-bypass": Exit.LOCK,
    "probe-damaged": Exit.WORLD,
    "probe-conditions": Exit.WORLD,
    "probe-checksums": Exit.WORLD,
    "probe-multipart": Exit.LOCK,
    "probe-date": Exit.LOCK,
}
"""Every code, and the exit status when it failed. A code is for ever; new ones may be added."""


@dataclass(frozen=True)
class Item:
    """One thing that was looked at; `remedy` says what to type or whom to ask, where something is to be done."""

    code: str
    state: State
    subject: str
    expected: str
    found: str
    remedy: str = ""


def exit_of(items: Iterable[Item]) -> Exit:
    """Return the exit status: 4 where the lock is broken, 5 for the world, 3 for what is unknown, 0 else."""
    statuses = [Exit.OK]
    for item in items:
        if item.state is State.FAILED:
            statuses.append(CODES[item.code])
        elif item.state is State.UNKNOWN:
            statuses.append(Exit.INCOMPLETE)
    return Exit.worst(statuses)


def verdict_of(items: Iterable[Item]) -> Verdict:
    """Return the verdict that these items make."""
    states = {item.state for item in items}
    if State.FAILED in states:
        return Verdict.FAILED
    return Verdict.PARTIAL if State.UNKNOWN in states else Verdict.OK


def counts_of(items: Iterable[Item]) -> dict[str, int]:
    """Return how many items stand how."""
    counts = Counter(item.state.value for item in items)
    return {state.value: counts[state.value] for state in State}
