"""Releasing a matter: a request, two approvals, a signed statement, and only then the legal holds go off.

    1  request: what the matter would let go of, as of a checkpoint, in canonical JSON that approvers sign for
    2  refuse what is not approved, before anything is asked of the store
    3  look at every version that no other matter holds, by the judge's own rule; a person or `--yes` agrees
    4  request, instrument, list and approvals enter the store and the log, then the `release` statement
    5  legal holds go off, each read back; then the report of receipts, and the authorities stamp the log's end.
       Those of sealed objects go off with the last log that holds the batch

Nothing is deleted and no date changes. A run that is killed is run again: what is off is only looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError, Exit, UsageError
from archiver.events import Advanced, Listener, Stage
from archiver.flows import recover
from archiver.flows.catalog_now import catalog_now
from archiver.flows.destinations import Named, destination, known_catalog
from archiver.flows.hold import receipts
from archiver.flows.hold.approve import REQUEST_NAME, Approval, open_approvals
from archiver.flows.hold.extend import Failure
from archiver.flows.hold.scope import Scope
from archiver.flows.hold.sweep import Looked, Tally, in_parallel, lock_line, looks, receipt_line
from archiver.flows.instrument import Instrument
from archiver.flows.sealing import sealed_without_hold
from archiver.flows.session import Session, destination_store, open_session, own_trust
from archiver.flows.state import StateFolder
from archiver.flows.timestamps.at_end import AtEnd, stamp_at_end
from archiver.judge.case import Case, Options
from archiver.judge.checks.locks import Demands
from archiver.judge.checks.records import check_items
from archiver.judge.claims import Claims
from archiver.judge.holds import read_holds
from archiver.judge.reader import open_archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.instant import format_instant
from archiver.model.policy import Policy
from archiver.model.statement import Subject
from archiver.model.statement_holds import (
    REQUEST_FORMAT,
    Approved,
    ReleaseCounts,
    ReleasePredicate,
    Request,
    parse_request,
)
from archiver.model.trust import TrustFile
from archiver.proof import canonical, merkle
from archiver.stores.base import Releases, Store, Version

__all__ = ["Released", "Releasing", "make_request", "release", "would_release"]


@dataclass(frozen=True)
class Releasing:
    """What a release would let go of: versions whose legal hold is on are `on`, the others are off already."""

    request: Request
    found: Tally
    on: int
    kept: int


@dataclass(frozen=True)
class Released:
    """What a release did."""

    plan: Releasing
    statement: str
    released: int
    sealed: int
    """Legal holds that went off sealed objects, which follow the rows that they have the bytes of."""
    failures: tuple[Failure, ...]
    receipts: str | None
    log_size: int
    root: str
    timestamps: AtEnd
    exit: Exit


def make_request(
    policy: Policy,
    matter: str,
    instrument: Instrument,
    *,
    of: str | None = None,
    clock: Callable[[], datetime],
    listener: Listener,
) -> Request:
    """Say what a matter would let go of in one destination, as of its log as it stands; writes nothing."""
    trust = own_trust(policy)
    named = destination(policy, trust, of)
    store = destination_store(policy, clock, named.spec)
    with closing(_catalog(policy, named)) as known, catalog_now(known, store, trust, named.log) as catalog:
        _refuse_unknown(catalog, matter)
        size = catalog.log_size()
        with _letting_go(store, trust, (matter, size), clock(), listener) as free:
            versions = list(_counted(Scope(catalog, store, trust, takes=free).versions(), listener))
        return Request(
            format=REQUEST_FORMAT,
            archive=trust.archive,
            archive_id=trust.archive_id,
            origin=named.origin,
            matter=matter,
            instrument=instrument.sha256,
            log_size=size,
            log_root=catalog.frontier().root().hex(),
            batches=len({one.key for one in versions if one.key.startswith(layout.DATA)}),
            objects=len(versions),
            bytes=sum(one.size for one in versions),
            at=format_instant(clock()),
        )


def would_release(
    policy: Policy,
    matter: str,
    *,
    of: str | None = None,
    clock: Callable[[], datetime],
    listener: Listener,
    to: Path,
) -> tuple[Tally, int]:
    """Write a line for every version that would become deletable, with its date; return what they are and are not."""
    trust = own_trust(policy)
    named = destination(policy, trust, of)
    store = destination_store(policy, clock, named.spec)
    with closing(_catalog(policy, named)) as known, catalog_now(known, store, trust, named.log) as catalog:
        _refuse_unknown(catalog, matter)
        with _letting_go(store, trust, (matter, catalog.log_size()), clock(), listener) as free:
            scope = Scope(catalog, store, trust, takes=free)
            tally, _ = _list(looks(store, scope.versions(), clock), to, listener)
            return tally, scope.others


def release(
    policy: Policy,
    matter: str,
    instrument: Instrument,
    request: bytes,
    envelopes: list[bytes],
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
    confirm: Callable[[Releasing], None],
) -> Released:
    """Let a matter go, on two approvals of the same request; `confirm` raises when a person declines."""
    trust = own_trust(policy)
    operator = {key.keyid for key in trust.statement_keys if "statement" in key.roles}
    asked = _asked(request, matter, instrument, trust)
    approvals = open_approvals(envelopes, request, trust, operator)
    with open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session:
        recover.take_logs(session)
        recover.finish_deliveries(session)
        # A request names one log; what it lets go is let go in that destination alone.
        here = next((session.on(vault) for vault in session.up if vault.origin == asked.origin), session)
        receipts.take_in(here.catalog, here.store)
        _refuse_other_log(here.catalog, asked)
        return _Release(here, session, asked, instrument, (request, approvals)).run(confirm)


class _Release:
    """One release under way."""

    def __init__(
        self,
        session: Session,
        everywhere: Session,
        asked: Request,
        instrument: Instrument,
        approved: tuple[bytes, list[Approval]],
    ) -> None:
        self._session = session
        self._everywhere = everywhere
        self._asked = asked
        self._instrument = instrument
        self._request, self._approvals = approved
        self._failures: list[Failure] = []

    def run(self, confirm: Callable[[Releasing], None]) -> Released:
        """Look, sign, let go, account."""
        session, asked = self._session, self._asked
        listed, after = (session.state.spool / f"release-{name}.jsonl" for name in ("list", "after"))
        goes = (asked.matter, asked.log_size)
        with _letting_go(session.store, session.trust, goes, session.clock(), session.listener) as free:
            scope = Scope(session.catalog, session.store, session.trust, takes=free)
            tally, on = _list(looks(session.store, scope.versions(), session.clock), listed, session.listener)
            plan = Releasing(asked, tally, on, scope.others)
            known = self._known()
            if known is None or on:
                confirm(plan)
            known = known or self._sign(plan, listed)
            receipts = self._let_go(known, scope, after) if on or not self._has_receipts(known) else None
            failed = len(self._failures)
            # A crash here leaves sealed objects that are still held; the next run lets go of these.
            sealed = self._let_sealed_go(free)
        for path in (listed, after):
            path.unlink(missing_ok=True)
        at_end = stamp_at_end(session)
        return Released(
            plan=plan,
            statement=layout.statement_key("release", known.id),
            released=on - failed,
            sealed=sealed,
            failures=tuple(self._failures),
            receipts=receipts,
            log_size=session.catalog.log_size(),
            root=session.catalog.frontier().root().hex(),
            timestamps=at_end,
            exit=Exit.WORLD if self._failures else at_end.exit,
        )

    def _known(self) -> ReleasePredicate | None:
        digest = sha256(self._request).hexdigest()
        for _, statement in self._session.catalog.statements("release"):
            if isinstance(statement.predicate, ReleasePredicate) and statement.predicate.request == digest:
                return statement.predicate
        return None

    def _sign(self, plan: Releasing, listed: Path) -> ReleasePredicate:
        session, asked, order = self._session, self._asked, self._instrument.subject
        digest = sha256(self._request).hexdigest()
        request = Subject.of(layout.report_key(digest, REQUEST_NAME), digest)
        session.put(request.name, self._request)
        session.put(order.name, self._instrument.data)
        report = receipts.put_report(session, listed, f"release-{asked.matter}-list.jsonl")
        for one in self._approvals:
            session.enter(one.key, session.keep(one.key, one.envelope))
        # A crash up to here leaves approvals in the log, which by themselves let go of nothing.
        predicate = ReleasePredicate(
            **session.seal.common(),
            matter=asked.matter,
            instrument=order.digest.sha256,
            request=digest,
            log_size=asked.log_size,
            approvals=[Approved(id=one.id, keyid=one.keyid) for one in self._approvals],
            counts=ReleaseCounts(objects=plan.found.objects, bytes=plan.found.bytes),
        )
        key, envelope = session.seal.seal("release", [request, order, report], predicate)
        session.enter(key, session.keep(key, envelope))
        return predicate

    def _let_sealed_go(self, free: Callable[[str], bool]) -> int:
        """Take the legal holds off sealed objects; return how many went off."""
        found = sealed_without_hold(self._everywhere, free)
        if found is None:
            return 0
        store, versions = found
        if not isinstance(store, Releases):
            raise UsageError("store-holds", f"{store.destination.location}: this store cannot take a legal hold off")
        done = [_release(store, version) for version in versions]
        self._failures += [
            Failure(one.version.key, one.version.version, one.problem.message)
            for one in done
            if one.problem is not None
        ]
        return sum(one.receipt is not None for one in done)

    def _let_go(self, known: ReleasePredicate, scope: Scope, after: Path) -> str:
        session, store = self._session, self._session.store
        if not isinstance(store, Releases):
            raise UsageError("store-holds", f"{store.destination.location}: this store cannot take a legal hold off")
        session.listener(Stage("take the legal holds off", None, "objects"))
        with after.open("wb") as file:
            for one in in_parallel(partial(_release, store), scope.versions()):
                session.listener(Advanced())
                if one.receipt is not None:
                    file.write(canonical.encode(receipt_line(one)) + b"\n")
                elif one.problem is not None:
                    self._failures.append(Failure(one.version.key, one.version.version, one.problem.message))
        # A crash here leaves some legal holds off and others on; the next run goes on with those that are on.
        return receipts.enter_receipts(session, after, f"release-{known.id}-receipts.jsonl")

    def _has_receipts(self, known: ReleasePredicate) -> bool:
        return receipts.has_report(self._session.catalog, f"release-{known.id}-receipts.jsonl")


def _release(releases: Releases, version: Version) -> Looked:
    try:
        return Looked(version, releases.release(version.key, version.version))
    except ArchiverError as problem:
        return Looked(version, None, problem)


@contextmanager
def _letting_go(
    store: Store, trust: TrustFile, goes: tuple[str, int], now: datetime, listener: Listener
) -> Iterator[Callable[[str], bool]]:
    """Yield the rule of which keys nobody holds any more once a matter has let go up to a size: the judge's own."""
    matter, size = goes
    with open_archive(store, trust, listener=listener) as archive:
        archive.demand()
        held = read_holds(archive)
        held.released[matter] = max(size, held.released.get(matter, 0))
        case = Case(archive, Options(), now, None, listener, Claims(archive.database))
        demands = Demands(case, held)
        demands.all()
        check_items(case, demands)
        for first in (finding for finding in case.findings if finding.severity is not Severity.NOTE):
            raise UsageError(
                "archive-damaged",
                f"{first.subject}: expected lists of items that are whole, found {first.actual}",
                hint="what is needed by others cannot be told; run `archiver verify`",
            )
        yield lambda key: (need := archive.inventory.needs(key)) is not None and not need.hold


def _list(looked: Iterable[Looked], path: Path, listener: Listener) -> tuple[Tally, int]:
    """Write a line for each version; return what they are, and how many legal holds are not known to be off."""
    tally, on = Tally(), 0
    listener(Stage("look at every lock", None, "objects"))
    with path.open("wb") as file:
        for one in looked:
            listener(Advanced())
            tally.take(one, below=False)
            on += one.lock.legal_hold is not False
            if one.receipt is not None:
                file.write(canonical.encode(lock_line(one)) + b"\n")
    return tally, on


def _counted(versions: Iterable[Version], listener: Listener) -> Iterator[Version]:
    listener(Stage("list what would be released", None, "objects"))
    for version in versions:
        listener(Advanced())
        yield version


def _asked(data: bytes, matter: str, instrument: Instrument, trust: TrustFile) -> Request:
    try:
        request = parse_request(data)
    except ArchiverError as problem:
        raise UsageError("request-refused", problem.message, hint="take the file as it was approved") from problem
    origin = next((log.origin for log in trust.logs if log.origin == request.origin), trust.logs[0].origin)
    expected = (trust.archive_id, origin, matter, instrument.sha256)
    found = (request.archive_id, request.origin, request.matter, request.instrument)
    for name, one, other in zip(("archive_id", "origin", "matter", "instrument"), expected, found, strict=True):
        if one != other:
            raise UsageError("request-refused", f"release request: expected the {name} {one}, found {other}")
    return request


def _refuse_other_log(catalog: Catalog, asked: Request) -> None:
    frontier = merkle.Frontier()
    for data in catalog.entries(0, asked.log_size):
        frontier.append(merkle.leaf_hash(data))
    if (frontier.size, frontier.root().hex()) != (asked.log_size, asked.log_root):
        raise UsageError(
            "request-refused",
            f"release request: expected a root of this log, found {asked.log_root} at {asked.log_size} entries",
            hint="make a new request with `archiver hold request` and have it approved",
        )


def _refuse_unknown(catalog: Catalog, matter: str) -> None:
    signed = catalog.policy()
    known = [one.id for one in signed.matters] if signed else []
    if matter not in known and matter not in catalog.holds():
        raise UsageError("no-such-matter", f"{matter}: expected one of {', '.join(known)}", hint="see `hold show`")


def _catalog(policy: Policy, named: Named) -> Catalog:
    StateFolder(policy.state).demand_run()
    return known_catalog(named)
