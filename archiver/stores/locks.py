"""Comparing locks: which is higher, what is missing, and how one is written down.

Laws: a lock is only ever raised, each field by itself; what a store does not say (`None`) is unknown and never counts
as good enough; instants are whole seconds, rounded up, so that a lock is never a fraction short.

>>> shortfalls(Lock("GOVERNANCE", None, None), wanted=Lock("COMPLIANCE", None, True))
['mode: expected COMPLIANCE, found GOVERNANCE', 'legal hold: expected on, found unknown']
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from archiver.errors import LockError, UsageError
from archiver.model.instant import format_instant, round_up
from archiver.stores.base import Lock, Receipt

__all__ = ["UNKNOWN", "UNLOCKED", "demand", "highest", "lifted", "shortfalls", "wanted_lock"]

UNKNOWN: Final = Lock(mode=None, retain_until=None, legal_hold=None)
UNLOCKED: Final = Lock(mode="NONE", retain_until=None, legal_hold=False)

_ORDER: Final = ("NONE", "GOVERNANCE", "COMPLIANCE")


def wanted_lock(lock: Lock) -> Lock:
    """Return a lock as it is asked for: nothing unknown in it, whole seconds, a mode and a date only together."""
    mode = lock.mode or "NONE"
    until = None if lock.retain_until is None else round_up(lock.retain_until)
    if mode not in _ORDER or (mode == "NONE") != (until is None):
        raise UsageError("lock-refused", f"lock: expected a mode with its date or neither, found {mode} and {until}")
    return Lock(mode=mode, retain_until=until, legal_hold=bool(lock.legal_hold))


def highest(one: Lock, other: Lock) -> Lock:
    """Return the higher of two locks, field by field; a field that is unknown in one is taken from the other."""
    return Lock(
        mode=max((mode for mode in (one.mode, other.mode) if mode is not None), key=_ORDER.index, default=None),
        retain_until=_later(one.retain_until, other.retain_until),
        legal_hold=_either(one.legal_hold, other.legal_hold),
    )


def shortfalls(found: Lock, *, wanted: Lock) -> list[str]:
    """Say in which respects `found` is weaker than `wanted`; an empty list is good."""
    missing = []
    if wanted.mode not in (None, "NONE") and (found.mode is None or _below(found.mode, wanted.mode)):
        missing.append(f"mode: expected {wanted.mode}, found {found.mode or 'unknown'}")
    if wanted.retain_until is not None and (found.retain_until is None or found.retain_until < wanted.retain_until):
        missing.append(f"retain until: expected {format_instant(wanted.retain_until)}, found {_date(found)}")
    if wanted.legal_hold and not found.legal_hold:
        missing.append(f"legal hold: expected on, found {'unknown' if found.legal_hold is None else 'off'}")
    return missing


def demand(found: Lock, *, wanted: Lock, subject: str) -> None:
    """Raise `LockError("lock-not-applied")` when a lock that was read back is weaker than the one asked for."""
    missing = shortfalls(found, wanted=wanted)
    if missing:
        raise LockError(
            "lock-not-applied",
            f"{subject}: the store took the lock and keeps a weaker one: {'; '.join(missing)}",
            hint="use a bucket with Object Lock on, credentials that may read retention, and a date the store can keep",
        )


def lifted(receipt: Receipt) -> Receipt:
    """Return the receipt of a release; raises `LockError("hold-not-lifted")` unless the legal hold is off."""
    if receipt.legal_hold is not False:
        raise LockError(
            "hold-not-lifted",
            f"{receipt.key}: expected the legal hold off, found {'on' if receipt.legal_hold else 'unknown'}",
            hint="use credentials that may put and get the legal hold of objects",
        )
    return receipt


def _below(found: str, wanted: str | None) -> bool:
    return found not in _ORDER or _ORDER.index(found) < _ORDER.index(wanted or "NONE")


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _either(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 - three values, not a switch
    known = [value for value in (one, other) if value is not None]
    return any(known) if known else None


def _date(lock: Lock) -> str:
    if lock.retain_until is not None:
        return format_instant(lock.retain_until)
    return "none" if lock.mode == "NONE" else "unknown"
