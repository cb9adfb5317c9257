"""Extending a hold: the signed statement first, then the lock of every version, each read back, then the receipts.

    1  refuse what is no extension, before anything is asked of the store
    2  plan: look at the lock of every version in scope; a person or `--yes` agrees
    3  the report of that look, the instrument and the `hold` statement enter the log
    4  raise every version; pass again over all versions until a pass finds nothing below
    5  the report of receipts and its `receipt` statement enter the log, and the authorities stamp its end

A run that is killed is run again: the statement is signed once, and what is raised already is only looked at. The
locks of matters that are not extended stay as they are, since a COMPLIANCE lock cannot be taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from archiver.catalog.catalog import Catalog
from archiver.errors import Exit, UsageError, WorldError
from archiver.events import Advanced, Listener, Stage
from archiver.flows import begin, recover
from archiver.flows.backlog import LeftBehind, left_behind
from archiver.flows.hold import in_force, receipts
from archiver.flows.hold.scope import Scope, matters_ever, only, serving
from archiver.flows.hold.sweep import Tally, holds, lock_line, looks, receipt_line
from archiver.flows.instrument import Instrument
from archiver.flows.sealing import raise_sealed_locks
from archiver.flows.session import Session, open_session, own_trust
from archiver.flows.state import StateFolder
from archiver.flows.timestamps.at_end import AtEnd, stamp_at_end
from archiver.flows.vault import Vault
from archiver.judge.reader import open_archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import format_instant, parse_instant, round_up
from archiver.model.policy import Policy
from archiver.model.statement_holds import HoldPredicate
from archiver.proof import canonical
from archiver.stores.base import Lock, Version
from archiver.writer.place import meets

__all__ = ["Extended", "Failure", "Plan", "extend"]

_MOST_PASSES: Final = 10  # others may write meanwhile, but not for ever below the hold that the log has

_Name = tuple[str, str, str | None]


@dataclass(frozen=True)
class Plan:
    """What an extension would do. `signed` says that the log has its statement already; `left` are other matters'."""

    matter: str
    since: datetime
    to: datetime
    instrument: str
    scope: str
    found: Tally
    left: int
    strangers: int
    signed: bool


@dataclass(frozen=True)
class Failure:
    """A version whose lock could not be raised, and why."""

    key: str
    version: str | None
    why: str


@dataclass(frozen=True)
class Extended:
    """What an extension did."""

    plan: Plan
    statement: str
    raised: int
    passes: int
    failures: tuple[Failure, ...]
    receipts: str | None
    behind: tuple[LeftBehind, ...]
    log_size: int
    root: str
    timestamps: AtEnd
    exit: Exit


def extend(
    policy: Policy,
    matter: str,
    to: datetime,
    instrument: Instrument,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
    confirm: Callable[[Plan], None],
    sources: tuple[str, ...] = (),
) -> Extended:
    """Hold a matter until `to`; `confirm` raises when a person declines.

    With `sources` the locks of what is stored already are raised for these alone; what is stored from now on, and
    everything outside `data/`, is held until `to` whatever its source.
    """
    to = round_up(to)
    _refuse(policy, matter, to, _local_holds(policy), clock())
    _refuse_sources(policy, matter, sources)
    with open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session:
        change = recover.catch_up(session)
        recover.finish_deliveries(session)
        session.everywhere(lambda vault: receipts.take_in(vault.catalog, vault.store))
        _refuse(policy, matter, to, session.holds(), clock())
        return _Extension(session, matter, to, instrument, frozenset(sources)).run(
            lambda: begin.bring_into_force(session, change), confirm
        )


def _local_holds(policy: Policy) -> dict[str, str]:
    """Return the signed holds as far as they are known without asking the store."""
    own_trust(policy)
    state = StateFolder(policy.state)
    state.demand_run()
    try:
        with closing(Catalog(state.catalog, read_only=True)) as catalog:
            return catalog.holds()
    except WorldError as problem:
        if problem.code != "catalog-version":
            raise
        return {}  # it is made again from the store in a moment, and the date is held against all holds then


def _refuse(policy: Policy, matter: str, to: datetime, signed: dict[str, str], now: datetime) -> None:
    """Refuse what is no extension of a hold of this policy."""
    in_force.demand_matter(policy, matter)
    held = in_force.retain_until(policy, signed, (matter,))
    if to < held:
        raise UsageError(
            "hold-shortened",
            f"{matter}: expected {format_instant(held)} or later, found {format_instant(to)}",
            hint="a hold is never shortened; what is no longer held is released by two people: `archiver hold request`",
        )
    if to <= now:
        raise UsageError("hold-passed", f"{matter}: expected a date in the future, found {format_instant(to)}")
    if to > in_force.LATEST:
        raise UsageError(
            "hold-too-late",
            f"{matter}: expected at most {format_instant(in_force.LATEST)}, found {format_instant(to)}",
            hint="stores exist that turn a later date into one that has passed; extend again when the time comes",
        )


def _refuse_sources(policy: Policy, matter: str, sources: tuple[str, ...]) -> None:
    known = [one.id for one in policy.sources if matter in one.matters]
    for name in sources:
        if name not in known:
            raise UsageError(
                "no-such-source",
                f"--source {name}: expected one of {', '.join(known)}, the sources of {matter}",
                hint="see `sources` in the policy; without --source all of the matter is held for longer",
            )


class _Extension:
    """One extension under way."""

    def __init__(
        self, session: Session, matter: str, to: datetime, instrument: Instrument, sources: frozenset[str]
    ) -> None:
        self._session = session
        self._sources = sources
        # a report's name tells an extension of some sources from that of others, and from that of all
        which = f"-{hashlib.sha256(' '.join(sorted(sources)).encode()).hexdigest()[:16]}" if sources else ""
        self._report = f"hold-{matter}{which}-before.jsonl"
        self._matter = matter
        self._to = to
        self._instrument = instrument
        self._wanted = Lock("COMPLIANCE", to, legal_hold=True)
        self._batches: set[str] | None = None
        self._failures: dict[_Name, Failure] = {}
        session.at_least = to

    def run(self, begin_policy: Callable[[], object], confirm: Callable[[Plan], None]) -> Extended:
        """Plan, sign, raise, account."""
        session = self._session
        self._batches = self._scope_batches()
        before, after = (session.state.spool / f"hold-{name}.jsonl" for name in ("before", "after"))
        plan = self._plan(before)
        todo = plan.found.below or plan.found.unknown or not plan.signed
        if todo:
            confirm(plan)
        known = self._known()
        if known is None:
            begin_policy()
            known = self._sign(plan, before)
        hold = known.id
        swept = session.everywhere(lambda vault: self._in_one(vault, hold, after, todo=bool(todo)))
        raise_sealed_locks(session)
        for path in (before, after):
            path.unlink(missing_ok=True)
        at_end = stamp_at_end(session)
        return Extended(
            plan=plan,
            statement=layout.statement_key("hold", known.id),
            raised=max(plan.found.below + plan.found.unknown - len(self._failures), 0),
            passes=max(passes for passes, _ in swept),
            failures=tuple(self._failures.values()),
            receipts=next((receipts for _, receipts in swept if receipts is not None), None),
            behind=(behind := left_behind(session)),
            log_size=session.catalog.log_size(),
            root=session.catalog.frontier().root().hex(),
            timestamps=at_end,
            exit=Exit.worst([Exit.LOCK] * bool(self._failures) + [late.exit for late in behind] + [at_end.exit]),
        )

    def _in_one(self, vault: Vault, hold: str, after: Path, *, todo: bool) -> tuple[int, str | None]:
        """Raise and account in one destination; return the passes that it took and the key of its receipts, if any."""
        session = self._session
        part = "" if vault is session.vaults[0] else f"{vault.id}-"
        report = f"hold-{hold}-{part}receipts.jsonl"
        if not todo and receipts.has_report(vault.catalog, report):
            return 0, None
        passes = self._sweep(vault, after)
        return passes, receipts.enter_receipts(session, after, report)

    def _scope_batches(self) -> set[str] | None:
        """Return the batches that the matter is about; None when that is all of them, as with one matter only."""
        session = self._session
        if self._sources:
            return self._serving(self._sources)
        if matters_ever(session.catalog) <= {self._matter}:
            return None
        found = self._serving()
        return None if all(row.object_key in found for row in session.catalog.batches()) else found

    def _serving(self, sources: frozenset[str] = frozenset()) -> set[str]:
        with open_archive(self._session.store, self._session.trust) as archive:
            return serving(archive, {self._matter}, sources)[self._matter]

    def _scope(self, vault: Vault) -> Scope:
        return Scope(vault.catalog, vault.store, self._session.trust, takes=only(self._batches))

    # 2

    def _plan(self, before: Path) -> Plan:
        session, tally = self._session, Tally()
        session.listener(Stage("look at every lock", None, "objects"))
        with before.open("wb") as file:
            scopes = session.everywhere(lambda vault: self._look(vault, tally, file))
        known = self._known()
        return Plan(
            matter=self._matter,
            since=self._held_before() if known is None else parse_instant(known.since),
            to=self._to,
            instrument=self._instrument.sha256,
            scope="sources" if self._sources else "all" if self._batches is None else "batches",
            found=tally,
            left=sum(scope.others for scope in scopes),
            strangers=sum(scope.strangers for scope in scopes),
            signed=known is not None,
        )

    def _look(self, vault: Vault, tally: Tally, file: IO[bytes]) -> Scope:
        """Count what one destination has; the report names the objects once, as keys are the same everywhere."""
        session, scope, leads = self._session, self._scope(vault), vault is self._session.lead
        for looked in looks(vault.store, scope.versions(), session.clock):
            tally.take(looked, below=looked.receipt is not None and not meets(looked.lock, self._wanted))
            if looked.receipt is not None and leads:
                file.write(canonical.encode(lock_line(looked)) + b"\n")
            session.listener(Advanced())
        return scope

    def _held_before(self) -> datetime:
        return in_force.retain_until(self._session.policy, self._session.holds(), (self._matter,))

    def _known(self) -> HoldPredicate | None:
        """Return the statement of this very extension if the log has it: the run that made it was stopped."""
        wanted = (self._matter, format_instant(self._to), self._instrument.sha256)
        for _, statement in self._session.catalog.statements("hold"):
            one = statement.predicate
            if not isinstance(one, HoldPredicate) or (one.matter, one.to, one.instrument) != wanted:
                continue
            if statement.subject[0].name.endswith(f"/{self._report}"):
                return one
        return None

    # 3

    def _sign(self, plan: Plan, before: Path) -> HoldPredicate:
        session = self._session
        order = self._instrument.subject
        session.put(order.name, self._instrument.data)
        report = receipts.put_report(session, before, self._report)
        # A crash up to here leaves two objects that the next run puts again, as the same bytes or beside them.
        found = plan.found
        predicate = HoldPredicate.model_validate(
            {
                **session.seal.common(),
                "matter": self._matter,
                "instrument": order.digest.sha256,
                "scope": plan.scope,
                "from": format_instant(plan.since),
                "to": format_instant(self._to),
                "mode": "COMPLIANCE",
                "legal_hold": True,
                "counts": {
                    "objects": found.objects,
                    "bytes": found.bytes,
                    "below": found.below,
                    "earliest": None if found.earliest is None else format_instant(found.earliest),
                    "latest": None if found.latest is None else format_instant(found.latest),
                },
            }
        )
        key, envelope = session.seal.seal("hold", [report, order], predicate)
        # A crash after this line leaves the signed envelope in the journal; the next run enters it first.
        session.enter(key, session.keep(key, envelope))
        return predicate

    # 4

    def _sweep(self, vault: Vault, after: Path) -> int:
        """Raise all versions, and look at all of them until none is below that could be raised; return the passes."""
        self._raise("raise every lock", vault, self._scope(vault).versions())
        passes, below = 2, self._read_back(vault, after)
        while below.keys() - self._failures.keys() and passes < _MOST_PASSES:
            # A crash here leaves some locks raised; the next run looks at all of them again.
            self._raise("raise what was below", vault, below.values())
            passes, below = passes + 1, self._read_back(vault, after)
        return passes

    def _raise(self, words: str, vault: Vault, versions: Iterable[Version]) -> None:
        """Raise versions; name those that could not be."""
        self._session.listener(Stage(words, None, "objects"))
        for one in holds(vault.store, versions, self._wanted):
            self._session.listener(Advanced())
            name = (vault.id, one.version.key, one.version.version)
            if meets(one.lock, self._wanted):
                self._failures.pop(name, None)
            else:
                self._failures[name] = Failure(*name[1:], "" if one.problem is None else one.problem.message)

    def _read_back(self, vault: Vault, after: Path) -> dict[_Name, Version]:
        """Look at every version once more and write down what the store says; return what is below."""
        session, below = self._session, dict[_Name, Version]()
        session.listener(Stage("read every lock back", None, "objects"))
        with after.open("wb") as file:
            for one in looks(vault.store, self._scope(vault).versions(), session.clock):
                session.listener(Advanced())
                if one.receipt is not None:
                    file.write(canonical.encode(receipt_line(one)) + b"\n")
                name = (vault.id, one.version.key, one.version.version)
                if meets(one.lock, self._wanted):
                    self._failures.pop(name, None)
                else:
                    below[name] = one.version
        return below
