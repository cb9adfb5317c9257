"""What the doctor looks at in a bucket, by asking alone: nothing is written.

Laws: a question that is refused makes its item unknown, with the permission that is missing; it never counts as ok.
An item that is unknown does not keep the others from being looked at.

>>> [item.code for item in bucket_items(store, inspector, until=until, now=now)][:3]
['object-lock', 'versioning', 'default-retention']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from archiver.errors import WorldError
from archiver.flows.doctor.items import CODES, Item, State
from archiver.flows.doctor.policies import is_aws
from archiver.flows.doctor.powers import POWERS, lets_everybody_in, power_items
from archiver.model import layout
from archiver.model.instant import format_instant
from archiver.stores.base import Store
from archiver.stores.s3_inspect import Inspector

__all__ = ["SAFE_DATE", "bucket_items", "date_item", "lock_readable"]

SAFE_DATE: Final = datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)
"""The last second that 32 bits can count; some stores keep dates so, and later ones come back as long past."""

_SECONDS_A_DAY: Final = 86_400
_OWNER: Final = "ask the bucket's owner"


def bucket_items(store: Store, inspector: Inspector, *, until: datetime, now: datetime) -> Iterator[Item]:
    """Look at every setting that decides whether the locks of this bucket hold until `until`."""
    bucket = f"bucket {inspector.bucket}"
    yield from _asked("object-lock", bucket, "Object Lock on", lambda: _object_lock(inspector, bucket))
    yield from _asked("versioning", bucket, "versioning on", lambda: _versioning(inspector, bucket))
    yield from _asked(
        "default-retention",
        bucket,
        "a default retention that covers the hold",
        lambda: _default_retention(inspector, bucket, until - now),
    )
    yield from _asked("lifecycle", bucket, "no lifecycle rule over the prefix", lambda: _lifecycle(inspector, bucket))
    yield from _powers(store, inspector)
    yield from _asked("public-access", bucket, "nobody outside may come in", lambda: _public(inspector, bucket))
    yield from _asked("kms-key", bucket, "an encryption key that stays", lambda: _kms(inspector, bucket))
    yield from _asked("lock-readable", bucket, "locks that can be read", lambda: lock_readable(store, bucket))


def date_item(until: datetime, latest: datetime | None, *, probed: bool, subject: str) -> Item:
    """Say whether a store can keep a date; `latest` is the latest that came back right when it was tried."""
    expected = f"a store that keeps the date {format_instant(until)}"
    if latest is not None and until <= latest:
        return Item("hold-date", State.OK, subject, expected, f"it keeps {format_instant(latest)}")
    if until <= SAFE_DATE:
        return Item("hold-date", State.OK, subject, expected, "it is before 2106, which every store keeps")
    if probed and latest is not None:
        found = f"later dates than {format_instant(latest)} come back as others"
        remedy = "use another store, or state an earlier retain_until and extend it in time"
        return Item("hold-date", State.FAILED, subject, expected, found, remedy)
    found = "some stores turn dates after 2106-02-07T06:28:15Z into dates that have passed"
    return Item("hold-date", State.UNKNOWN, subject, expected, found, "archiver doctor --probe")


def lock_readable(store: Store, subject: str) -> Item:
    """Look at whether locks of stored objects can be read, on the first one that is there."""
    expected = "locks that can be read"
    first = next((one for one in store.list(layout.CHECKPOINTS) if not one.is_delete_marker), None)
    if first is None:
        return Item("lock-readable", State.NOTE, subject, expected, "nothing is stored yet")
    lock = store.stat(first.key, first.version).lock
    if lock.mode is None or lock.legal_hold is None:
        found, remedy = f"the store does not say how {first.key} is locked", "allow s3:GetObjectRetention and "
        return Item(
            "lock-readable", State.UNKNOWN, subject, expected, found, f"{remedy}s3:GetObjectLegalHold on the prefix"
        )
    state = State.OK if lock.mode == "COMPLIANCE" or lock.legal_hold else State.FAILED
    words = f"{first.key}: {lock.mode}, legal hold {'on' if lock.legal_hold else 'off'}"
    remedy = "" if state is State.OK else "run `archiver verify` to see which objects are not locked"
    return Item("lock-readable", state, subject, expected, words, remedy)


def _asked(code: str, subject: str, expected: str, look: Callable[[], Item]) -> Iterator[Item]:
    assert code in CODES
    try:
        yield look()
    except WorldError as problem:
        yield Item(code, State.UNKNOWN, subject, expected, problem.message, _permission(problem))


def _permission(problem: WorldError) -> str:
    if problem.code != "store-denied":
        return problem.hint
    return f"give these credentials the permission, or {_OWNER} (`archiver doctor policy writer` prints what is needed)"


def _object_lock(inspector: Inspector, bucket: str) -> Item:
    expected = "Object Lock on"
    if inspector.object_lock() is None:
        remedy = f"{_OWNER} to make a bucket with Object Lock on, and name that as destination"
        return Item("object-lock", State.FAILED, bucket, expected, "it is off: nothing would be locked", remedy)
    return Item("object-lock", State.OK, bucket, expected, "it is on")


def _versioning(inspector: Inspector, bucket: str) -> Item:
    found = inspector.versioning()
    if found == "Enabled":
        return Item("versioning", State.OK, bucket, "versioning on", "it is on")
    remedy = f"{_OWNER} to switch versioning on: without it a write replaces what was there"
    return Item("versioning", State.FAILED, bucket, "versioning on", found, remedy)


def _default_retention(inspector: Inspector, bucket: str, left: timedelta) -> Item:
    """Note what the bucket does for an object that comes without a lock of its own; ours never do."""
    lock, days = inspector.object_lock(), -(-int(left.total_seconds()) // _SECONDS_A_DAY)
    expected = f"a default of COMPLIANCE for {_days(max(days, 1))} or more"
    if lock is None or lock.default_mode is None:
        found = "none; every object is put with a lock of its own"
    elif lock.default_mode != "COMPLIANCE" or (lock.default_days or 0) < days:
        found = f"{lock.default_mode} for {_days(lock.default_days)}; every object is put with a lock of its own"
    else:
        found = f"{lock.default_mode} for {_days(lock.default_days)}"
        return Item("default-retention", State.OK, bucket, expected, found)
    remedy = f"{_OWNER} to set it as a second safety net, for what others put there"
    return Item("default-retention", State.NOTE, bucket, expected, found, remedy)


def _days(days: int | None) -> str:
    return "1 day" if days == 1 else f"{days or 0} days"


def _lifecycle(inspector: Inspector, bucket: str) -> Item:
    expected, rules = "no lifecycle rule over the prefix", inspector.lifecycle()
    ending = [f"rule {rule.name or 'without name'}: {', '.join(rule.ends)}" for rule in rules if rule.ends]
    if ending:
        remedy = f"{_OWNER} to take the prefix out of these rules: they hide evidence and delete it once a lock ends"
        return Item("lifecycle", State.FAILED, bucket, expected, "; ".join(ending), remedy)
    moving = [f"rule {rule.name or 'without name'}" for rule in rules if rule.moves]
    if moving:
        remedy = "verifying and restoring will want what was moved brought back first"
        return Item("lifecycle", State.NOTE, bucket, expected, f"{', '.join(moving)} moves objects", remedy)
    return Item("lifecycle", State.OK, bucket, expected, "none that ends or moves anything")


def _powers(store: Store, inspector: Inspector) -> list[Item]:
    try:
        policy = inspector.policy()
    except WorldError as problem:
        subject, hint = f"policy of bucket {inspector.bucket}", _permission(problem)
        return [
            Item(one.code, State.UNKNOWN, subject, f"nobody who writes may {one.words}", problem.message, hint)
            for one in POWERS
        ]
    conditions = is_aws(store.destination)
    return power_items(policy, bucket=inspector.bucket, prefix=inspector.prefix, conditions=conditions)


def _public(inspector: Inspector, bucket: str) -> Item:
    expected, found = "nobody outside may come in", inspector.public()
    open_ways = [f"{grant} is granted to everybody" for grant in found.grants]
    # Some stores call every policy public that allows anybody anything, so the policy itself is read too.
    if found.policy_is_public and lets_everybody_in(inspector.policy()):
        open_ways.append("the bucket policy lets everybody in")
    if open_ways:
        remedy = f"{_OWNER} to close it: take the grants away and block public access"
        return Item("public-access", State.FAILED, bucket, expected, "; ".join(open_ways), remedy)
    if not found.blocked:
        remedy = f"{_OWNER} to block public access of this bucket, all four settings"
        return Item("public-access", State.NOTE, bucket, expected, "nobody may, but nothing blocks it", remedy)
    return Item("public-access", State.OK, bucket, expected, "public access is blocked")


def _kms(inspector: Inspector, bucket: str) -> Item:
    expected, key = "an encryption key that stays", inspector.encryption_key()
    if key is None:
        return Item("kms-key", State.OK, bucket, expected, "none of the key service: nobody can take it away")
    found = inspector.key_state(key)
    if found.state == "Enabled":
        remedy = "watch it: whoever deletes this key destroys the evidence, whatever the lock"
        return Item("kms-key", State.NOTE, bucket, "an encryption key that stays", f"key {key} is enabled", remedy)
    when = f", from {format_instant(found.deletion)}" if found.deletion else ""
    remedy = f"{_OWNER} to cancel the deletion and enable the key now: without it nothing can be read again"
    return Item("kms-key", State.FAILED, bucket, expected, f"key {key} is {found.state}{when}", remedy)
