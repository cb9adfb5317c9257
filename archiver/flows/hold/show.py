"""How long a matter is held, and whether every stored version really is: asked of the store, version by version.

>>> [shown.earliest for shown in show(policy, clock=clock, listener=silent)]
[datetime.datetime(2027, 1, 1, 12, 0, tzinfo=datetime.timezone.utc)]
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import field, replace
from datetime import datetime, timedelta
from functools import cache, partial

from archiver.catalog.catalog import Catalog
from archiver.errors import Exit
from archiver.events import Advanced, Listener, Stage
from archiver.flows.catalog_now import catalog_now
from archiver.flows.destinations import destinations, known_catalog
from archiver.flows.hold import in_force
from archiver.flows.hold.reach import reach
from archiver.flows.hold.scope import Scope, matters_ever, only, serving
from archiver.flows.hold.sweep import Tally, looks
from archiver.flows.session import destination_store, own_trust
from archiver.flows.state import StateFolder
from archiver.judge.reader import Archive, open_archive
from archiver.late import dataclass
from archiver.model import hold
from archiver.model.policy import Matter, Policy
from archiver.model.statement_holds import HoldPredicate, ReleasePredicate
from archiver.model.trust import TrustFile
from archiver.stores.base import Lock, Store
from archiver.writer.place import meets

__all__ = ["ShownHold", "show"]


@dataclass(frozen=True)
class ShownHold:
    """A matter's hold and the locks behind it. `below` counts versions that are locked to less than the hold."""

    matter: Matter
    until: datetime
    instruments: tuple[str, ...]
    extensions: tuple[HoldPredicate, ...]
    release: ReleasePredicate | None
    readings: tuple[tuple[str, datetime], ...]
    now: datetime
    found: Tally = field(default_factory=Tally)
    others: int = 0
    strangers: int = 0

    @property
    def left(self) -> timedelta:
        """How long it still runs."""
        return self.until - self.now

    @property
    def exit(self) -> Exit:
        """4 where a lock is below the hold, 3 where one is not known or the date has passed."""
        if self.release is not None:
            return Exit.OK
        if self.found.below:
            return Exit.LOCK
        return Exit.INCOMPLETE if self.found.unknown or self.left <= timedelta(0) else Exit.OK


def show(
    policy: Policy, matter: str | None = None, *, clock: Callable[[], datetime], listener: Listener
) -> tuple[ShownHold, ...]:
    """Look at the holds of one matter or of all."""
    if matter is not None:
        in_force.demand_matter(policy, matter)
    trust = own_trust(policy)
    StateFolder(policy.state).demand_run()
    found: dict[str, ShownHold] = {}
    for named in destinations(policy, trust):
        store = destination_store(policy, clock, named.spec)
        with (
            closing(known_catalog(named)) as known_here,
            catalog_now(known_here, store, trust, named.log) as catalog,
            ExitStack() as opening,
        ):
            for one in policy.matters:
                if matter in (None, one.id):
                    words = _words(policy, catalog, one, clock())
                    found[one.id] = words if one.id not in found else _later(found[one.id], words)
            opened = cache(partial(opening.enter_context, open_archive(store, trust)))
            looking = _Looking(policy, catalog, store, trust, opened)
            found = looking.looked(found, clock, listener)
    return tuple(found.values())


def _later(one: ShownHold, other: ShownHold) -> ShownHold:
    """Return what the logs of two destinations say, of which one may be behind; what was looked at stays."""
    newer = max(one, other, key=lambda shown: (shown.until, len(shown.extensions)))
    release = one.release if one.release and other.release else None
    return replace(newer, release=release, found=one.found, others=one.others, strangers=one.strangers)


@dataclass(frozen=True)
class _Looking:
    """Looks at every version of one destination once, whatever number of matters are asked about."""

    policy: Policy
    catalog: Catalog
    store: Store
    trust: TrustFile
    opened: Callable[[], Archive]

    def looked(
        self, shown: dict[str, ShownHold], clock: Callable[[], datetime], listener: Listener
    ) -> dict[str, ShownHold]:
        """Look at the lock of every version that one of the matters is about; return what is known of each then."""
        takes = self._takes(set(shown))
        until = {matter: self._reach(one) for matter, one in shown.items()}
        scope = Scope(self.catalog, self.store, self.trust, takes=lambda key: any(rule(key) for rule in takes.values()))
        others = dict.fromkeys(shown, 0)
        listener(Stage(f"look at every lock for {', '.join(shown)}", None, "objects"))
        for looked in looks(self.store, scope.versions(), clock):
            for matter, one in shown.items():
                if not takes[matter](looked.version.key):
                    others[matter] += 1
                    continue
                held = Lock("COMPLIANCE", until[matter](looked.version.key), legal_hold=True)
                one.found.take(looked, below=looked.lock.mode is not None and not meets(looked.lock, held))
            listener(Advanced())
        return {
            matter: replace(
                one,
                others=one.others + scope.others + others[matter],
                strangers=one.strangers + scope.strangers,
            )
            for matter, one in shown.items()
        }

    def _takes(self, matters: set[str]) -> dict[str, Callable[[str], bool]]:
        if len(matters_ever(self.catalog)) <= 1:
            return dict.fromkeys(matters, only(None))
        return {matter: only(batches) for matter, batches in serving(self.opened(), matters).items()}

    def _reach(self, shown: ShownHold) -> Callable[[str], datetime]:
        matter = shown.matter.id
        in_policy = in_force.retain_until(self.policy, {}, (matter,))
        return reach(matter, self.catalog, self.opened, latest=shown.until, in_policy=in_policy)


def _words(policy: Policy, catalog: Catalog, matter: Matter, now: datetime) -> ShownHold:
    """Return what policy and log say of a matter."""
    day = hold.last_day(matter.hold.stated_as)
    extensions = [
        words
        for _, statement in catalog.statements("hold")
        if isinstance(words := statement.predicate, HoldPredicate) and words.matter == matter.id
    ]
    signed = catalog.policy()
    orders = [one.instrument for one in signed.matters if one.id == matter.id] if signed else []
    return ShownHold(
        matter=matter,
        until=in_force.retain_until(policy, catalog.holds(), (matter.id,)),
        instruments=tuple(dict.fromkeys(filter(None, (*orders, *(one.instrument for one in extensions))))),
        extensions=tuple(extensions),
        release=catalog.releases().get(matter.id),
        readings=tuple((one.name, one.ends) for one in hold.readings(day)) if day else (),
        now=now,
    )
