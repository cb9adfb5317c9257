"""What the doctor looks at where the policy names timestamp authorities: do they stamp, and how long do they last.

Each is asked to stamp the digest of nothing, and what comes back is judged as a run would judge it. Nothing is stored.

>>> [item.found for item in timestamp_items(policy, random=random, now=now)]
['a good token of 2026-11-23T12:00:04Z, certificates until 2029-01-01T00:00:00Z']
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from archiver.errors import ArchiverError
from archiver.flows.doctor.items import Item, State
from archiver.flows.timestamps.authorities import authorities_of
from archiver.model.instant import format_instant
from archiver.model.policy import Policy
from archiver.signing import tsa

__all__ = ["timestamp_items"]

SOON: Final = timedelta(days=180)
_APART: Final = timedelta(seconds=300)
_EXPECTED: Final = "an authority that stamps, whose clock is right and whose certificate lasts"


def timestamp_items(
    policy: Policy, *, random: Callable[[int], bytes], now: datetime, fetch: tsa.Fetch = tsa.http_fetch
) -> Iterator[Item]:
    """Ask every authority of the policy once."""
    try:
        authorities = authorities_of(policy)
    except ArchiverError as problem:
        yield Item("timestamp", State.FAILED, "timestamps", _EXPECTED, problem.message, problem.hint)
        return
    for one in authorities:
        yield _item(one, random, now, fetch)


def _item(one: tsa.Authority, random: Callable[[int], bytes], now: datetime, fetch: tsa.Fetch) -> Item:
    nonce = int.from_bytes(b"\x01" + random(16), "big")
    try:
        answer = tsa.ask(one, hashlib.sha256(random(32)).digest(), nonce=nonce, fetch=fetch, now=now)
    except ArchiverError as problem:
        remedy = problem.hint or "ask the authority, or name another one in the policy"
        return Item("timestamp", State.FAILED, one.url, _EXPECTED, problem.message, remedy)
    token, ends = answer.verified.token, min(each.not_valid_after_utc for each in answer.verified.path)
    found = f"a good token of {format_instant(token.gen_time)}, certificates until {format_instant(ends)}"
    if abs(token.gen_time - now) > _APART:
        return Item("timestamp", State.FAILED, one.url, _EXPECTED, found, "set this machine's clock (ntp)")
    if ends - now < SOON:
        remedy = "`archiver timestamp renew` with another authority, or a newer certificate, before that day"
        return Item("timestamp", State.NOTE, one.url, _EXPECTED, found, remedy)
    return Item("timestamp", State.OK, one.url, _EXPECTED, found)
