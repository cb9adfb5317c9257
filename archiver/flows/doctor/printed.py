"""The bucket policies of an archive's destinations, as `doctor policy` prints them: one for each bucket.

>>> [one.destination for one in print_policies(policy, [("auditor", None)], clock=clock)]
['vault', 'second']
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from archiver.errors import UsageError
from archiver.flows.doctor.policies import JsonObject, default_principal, role_policy
from archiver.flows.session import destination_store
from archiver.late import dataclass
from archiver.model.policy import Policy
from archiver.stores.base import Destination

__all__ = ["BucketPolicy", "print_policies"]


@dataclass(frozen=True)
class BucketPolicy:
    """The policy of one destination's bucket, in which no other destination lies."""

    destination: str
    place: Destination
    document: JsonObject


def print_policies(
    policy: Policy,
    roles: Sequence[tuple[str, str | None]],
    *,
    clock: Callable[[], datetime],
    only: str | None = None,
) -> tuple[BucketPolicy, ...]:
    """Return the least-privilege policies for some roles; a principal that is None gets a stand-in.

    `only` names one destination. Raises `UsageError("no-bucket")` where there are folders alone.
    """
    specs = {one.id: one for one in policy.destinations if one.ended is None}
    if only is not None and only not in specs:
        raise UsageError(
            "no-such-destination",
            f"--destination {only}: expected one of {', '.join(specs)}",
            hint="see `destinations` in the policy",
        )
    wanted = {name: spec for name, spec in specs.items() if only in (None, name)}
    places = {name: destination_store(policy, clock, spec).destination for name, spec in wanted.items()}
    buckets = {name: place for name, place in places.items() if place.kind == "s3"}
    if not buckets:
        raise UsageError(
            "no-bucket",
            f"{next(iter(places.values())).location}: expected a bucket as destination, found a folder",
            hint="a folder has no policy: give it to one user, chmod 700, and let auditors have a copy",
        )
    return tuple(_printed(policy, roles, name, place, clock()) for name, place in buckets.items())


def _printed(
    policy: Policy, roles: Sequence[tuple[str, str | None]], name: str, place: Destination, now: datetime
) -> BucketPolicy:
    named = [(role, principal or default_principal(role, place)) for role, principal in roles]
    return BucketPolicy(name, place, role_policy(named, place, until=policy.retain_until(), now=now))
