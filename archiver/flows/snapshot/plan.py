"""What a snapshot would take and pass over, and why, without writing anything anywhere.

The plan reads the policy, the sources' names and the local catalog. It says how much would be locked, where and until
when, what changed in the policy since the last signed one, and, for one item, which rule decides; that one is read
where a rule looks into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from archiver.catalog.catalog import Catalog
from archiver.errors import UsageError
from archiver.events import Listener
from archiver.flows.hold import in_force
from archiver.flows.instrument import order_of
from archiver.flows.session import destination_store
from archiver.flows.snapshot import received
from archiver.flows.snapshot.explain import look_inside
from archiver.flows.snapshot.marking import marking_of, marks_in_sight
from archiver.flows.snapshot.sight import Sight, sights
from archiver.flows.snapshot.survey import Survey, check_dialects, check_limits, survey
from archiver.flows.state import StateFolder
from archiver.late import dataclass
from archiver.model import policy_change
from archiver.model.mark import Mark
from archiver.model.policy import DestinationSpec, Policy, Source
from archiver.model.record_rule import record_rule
from archiver.sources.location import location
from archiver.stores.base import Destination, Store

__all__ = ["Explained", "Plan", "Planned", "explain", "plan"]


@dataclass(frozen=True)
class Planned:
    """A destination that a snapshot would write to; `account` is whose credentials it sees, None for a folder."""

    id: str
    profile: str | None
    place: Destination
    account: str | None


@dataclass(frozen=True)
class Plan:
    """What would happen, in every destination that has not ended; `refusal` is what else a snapshot would say to it."""

    destinations: tuple[Planned, ...]
    retain_until: datetime
    survey: Survey
    changes: tuple[str, ...]
    refusals: tuple[str, ...]
    missing_sources: tuple[str, ...]
    warnings: tuple[str, ...]
    """What people are told beside the warnings of the policy itself."""
    passed: tuple[str, ...]
    """The holds whose date has passed: a snapshot says so too, and is exit 3."""
    refusal: UsageError | None


@dataclass(frozen=True)
class Explained:
    """Why one item is in or out."""

    source: str
    path: str
    decision: str
    why: str
    custodian: str | None
    marks: tuple[Mark, ...]


def plan(policy: Policy, *, clock: Callable[[], datetime], listener: Listener) -> Plan:
    """Look at everything and write nothing."""
    marking = marking_of(policy)
    catalog = _catalog(policy)
    try:
        last = catalog.policy()
        change = policy_change.Change(refusals=(), changes=())
        if last is not None:
            change = policy_change.compare(policy_change.PolicyFacts.of(last), policy)
        wanted = received.collected(policy)
        return Plan(
            destinations=tuple(_planned(policy, clock, one) for one in policy.destinations if one.ended is None),
            retain_until=in_force.retain_until(policy, catalog.holds()),
            survey=(seen := survey(catalog, wanted, clock, listener, marking)),
            changes=tuple(change.changes),
            refusals=tuple(str(one) for one in change.refusals),
            missing_sources=tuple(sorted(catalog.sources_ever() - {source.id for source in policy.sources})),
            warnings=(*_kept_whole(wanted), *in_force.earlier_in_policy(policy, catalog.holds())),
            passed=tuple(in_force.passed(policy, catalog.holds(), clock())),
            refusal=_refusal(policy, seen, is_new=last is None or last.sha256 != policy.sha256),
        )
    finally:
        catalog.close()


def _refusal(policy: Policy, seen: Survey, *, is_new: bool) -> UsageError | None:
    try:
        check_dialects(policy)
        check_limits(policy, seen, accept_narrowing=False)
        for matter in policy.matters if is_new else ():
            order_of(matter)
    except UsageError as refusal:
        return refusal
    return None


def explain(policy: Policy, name: str, *, clock: Callable[[], datetime]) -> Explained:
    """Say why the item `SOURCE/PATH`, its path spelled as in the archive, is in or out."""
    identity, _, path = name.partition("/")
    sources = {source.id: source for source in policy.sources}
    if identity not in sources or not path:
        raise UsageError(
            "no-such-source",
            f"--explain {name}: expected SOURCE/PATH with a source out of {', '.join(sources)}",
            hint=f"for example: archiver plan --explain {next(iter(sources))}/folder/file.pdf",
        )
    source, marking = sources[identity], marking_of(policy)
    catalog = _catalog(policy)
    try:
        for sight in sights(source, location(source), catalog.recall(source.id).of, clock):
            if sight.item.path == path:
                marks = marks_in_sight(marking, sight) if sight.decision in ("read", "unchanged") else ()
                inside = look_inside(source, sight)
                why = _why(sight) if inside is None else f"{_why(sight)}; {inside}"
                return Explained(identity, path, sight.decision, why, sight.custodian, marks)
    finally:
        catalog.close()
    raise UsageError(
        "no-such-item",
        f"--explain {name}: expected an item below {source.location}, found none",
        hint="names are spelled as `archiver list` shows them: bytes that are no UTF-8 as %XX",
    )


def _kept_whole(sources: Iterable[Source]) -> Iterator[str]:
    """Say of which sources a rule selects records, and that it does not in containers."""
    for source in sources:
        kinds = sorted({"zip", "tar", "7z"} & set(source.unpack))
        if record_rule(source) is not None and kinds:
            words = "unpack them beside it where less is to be kept"
            yield f"{source.id}: a container ({', '.join(kinds)}) is kept whole with all logs in it; {words}"


def _planned(policy: Policy, clock: Callable[[], datetime], spec: DestinationSpec) -> Planned:
    store = destination_store(policy, clock, spec)
    return Planned(spec.id, spec.profile, store.destination, _account(store))


def _account(store: Store) -> str | None:
    """Ask whose credentials are used, of a store that has such a thing; "unknown" when it does not answer."""
    ask = getattr(store, "account", None)
    return None if ask is None else (ask() or "unknown")


def _why(sight: Sight) -> str:
    if sight.decision == "excluded":
        return f"kept out by the rule {sight.rule!r}: {sight.reason}"
    if sight.decision == "recorded":
        return f"a {sight.found.kind} is recorded and never opened"
    if sight.decision == "failed":
        return sight.found.error.detail if sight.found.error else "nothing could be learnt about it"
    if sight.decision == "unchanged":
        since = sight.known.observed_at if sight.known else ""
        return f"same size, times and inode as when it was last seen at {since}, so it is not read again"
    if sight.known is None:
        return "it is new, so it would be read and locked"
    return "its size, times or inode changed, or were too young to be trusted, so it would be read and compared"


def _catalog(policy: Policy) -> Catalog:
    state = StateFolder(policy.state)
    return Catalog(state.catalog, read_only=True) if state.exists else Catalog(":memory:")
