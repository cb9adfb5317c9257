"""Which destinations an archive has: what the policy names, with the log that the trust file has for each.

Each destination has a log of its own, `<archive>/<archive_id>/<destination id>`, and a catalog of that log in the state
folder. The trust file keeps the order in which destinations were added; the first one's catalog is `catalog.sqlite`.

>>> [one.origin for one in destinations(policy, own_trust(policy))]
['eu-dsa-grok/7e8b1406d903bc9137fb69e769742c8d/vault', 'eu-dsa-grok/7e8b1406d903bc9137fb69e769742c8d/second']
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError, UsageError
from archiver.flows.state import StateFolder
from archiver.late import dataclass
from archiver.model.named_file import read_named
from archiver.model.policy import DestinationSpec, Policy
from archiver.model.statement_words import ReceiptWords
from archiver.model.trust import MAX_TRUST_FILE, LogTrust, TrustFile, parse_trust
from archiver.stores.base import Destination, Store
from archiver.stores.open import open_store

__all__ = [
    "Named",
    "catalog_path",
    "destination",
    "destination_store",
    "destinations",
    "known_catalog",
    "origin_of",
    "receipts_of",
    "without_log",
]


@dataclass(frozen=True)
class Named:
    """A destination of the policy with its log and the file of its catalog, which may not exist yet."""

    spec: DestinationSpec
    log: LogTrust
    catalog: Path

    @property
    def id(self) -> str:
        """Its name in the policy."""
        return self.spec.id

    @property
    def origin(self) -> str:
        """The name of its log."""
        return self.log.origin


def origin_of(archive: str, archive_id: str, destination: str) -> str:
    """Return the name of a destination's log."""
    return f"{archive}/{archive_id}/{destination}"


def without_log(policy: Policy, trust: TrustFile) -> list[DestinationSpec]:
    """Return the policy's destinations that the trust file has no log for: `init` was not run since they were named."""
    known = {log.origin for log in trust.logs}
    return [one for one in policy.destinations if origin_of(trust.archive, trust.archive_id, one.id) not in known]


def destinations(policy: Policy, trust: TrustFile) -> tuple[Named, ...]:
    """Return the destinations that are written to; raises `UsageError` where policy and trust file differ."""
    fresh = without_log(policy, trust)
    if fresh:
        raise UsageError(
            "destination-new",
            f"{policy.path}: expected destinations that the trust file has a log for, found {fresh[0].id}",
            hint="run `archiver init`: it adds the log of a new destination to the trust file, to be handed out again",
        )
    named = {origin_of(trust.archive, trust.archive_id, one.id): one for one in policy.destinations}
    for log in trust.logs:
        if log.origin not in named:
            raise UsageError(
                "destination-missing",
                f"{policy.path}: expected the destination of the log {log.origin}, found none of its name",
                hint="put it back, as what lies there is still held; if it is gone, say so: `ended: {at, reason}`",
            )
    state = StateFolder(policy.state)
    logs = {log.origin: log for log in trust.logs}
    return tuple(
        Named(spec, logs[origin], state.catalog_of(spec.id, first=origin == trust.logs[0].origin))
        for origin, spec in named.items()
        if spec.ended is None
    )


def destination(policy: Policy, trust: TrustFile, identity: str | None) -> Named:
    """Return one destination, the first unless it is named; raises `UsageError("no-such-destination")`."""
    named = destinations(policy, trust)
    found = {one.id: one for one in named}.get(identity or named[0].id)
    if found is None:
        raise UsageError(
            "no-such-destination",
            f"{identity}: expected one of {', '.join(one.id for one in named)}",
            hint="see `destinations` in the policy",
        )
    return found


def destination_store(policy: Policy, clock: Callable[[], datetime], spec: DestinationSpec | None = None) -> Store:
    """Open a destination of the policy, the first one unless another is named."""
    spec = spec or policy.destinations[0]
    return open_store(
        spec.location,
        base=policy.path.parent,
        endpoint=spec.endpoint,
        region=spec.region,
        profile=spec.profile,
        read_back=spec.read_back == "full",
        clock=clock,
    )


def catalog_path(policy: Policy, destination_id: str) -> Path:
    """Return where the catalog of a destination is, also of one that has ended or is not known yet."""
    state, first = StateFolder(policy.state), policy.destinations[0].id
    trust_file = policy.keys.folder / "trust.json"
    with suppress(OSError, ArchiverError):
        first = parse_trust(read_named(trust_file, MAX_TRUST_FILE)).logs[0].origin.rpartition("/")[2]
    return state.catalog_of(destination_id, first=destination_id == first)


def known_catalog(named: Named) -> Catalog:
    """Open what is known here of a destination's log, for reading; an empty one where nothing is."""
    return Catalog(named.catalog, read_only=True) if named.catalog.exists() else Catalog("")


def receipts_of(place: Destination, trust: TrustFile) -> Callable[[ReceiptWords], bool]:
    """Return the rule of which receipts speak about a place; all do while there is only one, wherever it was then."""
    if len(trust.logs) == 1:
        return lambda _receipt: True
    here = (place.kind, place.endpoint, place.bucket)
    return lambda receipt: (receipt.store, receipt.endpoint, receipt.bucket) == here
