"""All checks over one archive, and what came out of them (FORMAT.md, Verification).

    1 trust  2 log  3 timestamps  4 statements  5 objects  6 locks  7 records  8 completeness

Nothing stops at the first finding. What the caller leaves out makes the verdict partial and not the exit status; what
could not be checked does both. An archive with nothing in it is never ok.

>>> report = verify(store, trust_bytes, clock=clock)
>>> report.verdict, report.exit
(<Verdict.OK: 'ok'>, <Exit.OK: 0>)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Final

from archiver.errors import Exit
from archiver.events import Listener, silent
from archiver.judge.case import ALWAYS, Case, Derive, Options, Rederive
from archiver.judge.checks.completeness import Counting, check_completeness
from archiver.judge.checks.derived import check_derived
from archiver.judge.checks.locks import Demands, LockFacts, check_locks
from archiver.judge.checks.objects import check_batch_objects, check_objects
from archiver.judge.checks.post_quantum import check_post_quantum
from archiver.judge.checks.records import check_data, check_items, check_odd
from archiver.judge.checks.side_by_side import begin_first
from archiver.judge.checks.timestamps import check_timestamps
from archiver.judge.checks.trust import read_trust
from archiver.judge.checks.witnesses import Sighting, check_witnesses
from archiver.judge.claims import Claims
from archiver.judge.crew import crew_of
from archiver.judge.qualified import ListLine, TokenLine, list_lines, token_lines
from archiver.judge.reader import Archive, open_archive
from archiver.judge.unit import Opener
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import CHECKS, Finding, Severity, Verdict, exit_of, verdict_of
from archiver.model.instant import format_instant
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.model.trust import TrustFile, digest_of
from archiver.stores.base import Store

__all__ = ["BatchResult", "CheckResult", "Options", "Report", "SnapshotResult", "WitnessResult", "verify"]

_LEFT_OUT: Final = "left out"
_WORST: Final = {None: 0, Severity.NOTE: 1, Severity.UNKNOWN: 2, Severity.FAILED: 3}


@dataclass(frozen=True)
class CheckResult:
    """One check: how many things it looked at, whether it was made, and how it ended."""

    number: int
    name: str
    made: bool
    subjects: int
    what: str
    result: str


@dataclass(frozen=True)
class BatchResult:
    """One batch of the log and what came of it: `ok`, `note`, `unknown`, `failed`, or `left out`."""

    id: str
    key: str
    source: str
    table: str
    records: int
    items: int
    raw_bytes: int
    at: str
    entry: int
    result: str
    not_before: str | None = None
    not_after: str | None = None


@dataclass(frozen=True)
class SnapshotResult:
    """One snapshot as its statement tells it."""

    id: str
    status: str
    started: str
    finished: str
    batches: int
    seen: int
    failed: int


@dataclass(frozen=True)
class WitnessResult:
    """A witness of the trust file: up to which size it has seen the log, and when by its own clock."""

    name: str
    vkey: str
    size: int
    at: str | None


@dataclass(frozen=True)
class Report:
    """What a verification came to."""

    verdict: Verdict
    exit: Exit
    location: str
    verified_at: str
    archive: str | None
    archive_id: str | None
    trust_sha256: str | None
    findings: tuple[Finding, ...]
    checks: tuple[CheckResult, ...]
    left_out: tuple[str, ...] = ()
    origin: str | None = None
    log_size: int = 0
    log_root: str | None = None
    earliest_lock: str | None = None
    locks_enforced: bool = False
    demo_keys: bool = False
    trust_is_own: bool = False
    listed: int = 0
    snapshots: tuple[SnapshotResult, ...] = ()
    batches: tuple[BatchResult, ...] = ()
    timestamps: tuple[TokenLine, ...] = ()
    trusted_lists: tuple[ListLine, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    witnesses: tuple[WitnessResult, ...] = ()
    witnesses_demanded: int = 0


def verify(
    store: Store,
    trust: bytes | TrustFile,
    *,
    options: Options | None = None,
    clock: Callable[[], datetime],
    derive: Derive | None = None,
    rederive: Rederive | None = None,
    trust_is_own: bool = False,
    listener: Listener = silent,
    scratch: Path | None = None,
    jobs: int | None = 1,
    opener: Opener | None = None,
    then: Callable[[Archive, Report], None] | None = None,
) -> Report:
    """Verify an archive against a trust file; raises `WorldError` only when the store does not answer at all.

    `derive` computes index columns for `--only index`, `rederive` derived tables. `trust_is_own` says that the trust
    file is the operator's, which the report repeats. `scratch` takes temporary files: of batches that come over a
    network two, and with processes as many as these are and a few; a derived table, and an index of the listing.
    With more than one of `jobs` batches are judged by so many processes, each of which opens the store by `opener`;
    None takes as many as there are cores where the archive is large. The report is the same.
    `then` is called with the report while the archive is still open, unless the trust file is refused.
    """
    options = options or Options()
    now = clock()
    data = trust if isinstance(trust, bytes) else trust.encode()
    trusted, findings = read_trust(data)
    if trusted is None:
        return _refused(store, now, data, findings)
    with (
        ThreadPoolExecutor(1, "hash") as beside,
        open_archive(
            store, trusted, scratch=scratch, seen=options.seen, sealed=options.sealed, listener=listener
        ) as archive,
        crew_of(archive, jobs, opener, listener) as crew,
    ):
        claims = Claims(archive.database, beside)
        case = Case(archive, options, now, derive, listener, claims, rederive=rederive, crew=crew)
        witnesses = check_witnesses(case)
        check_post_quantum(case)
        locks = _run(case, trusted)
        report = _report(case, locks, witnesses, digest_of(data), trust_is_own=trust_is_own)
        if then is not None:
            then(archive, report)
        return report


def _run(case: Case, trusted: TrustFile) -> LockFacts | None:
    """Make the checks in the order in which they need each other."""
    archive, wants = case.archive, case.options.wants
    case.findings.extend(archive.findings)
    case.subjects["trust"] += len(trusted.statement_keys) + sum(len(log.keys) for log in trusted.logs)
    case.subjects["log"] += archive.log.size
    case.subjects["statements"] += archive.table_of_statements.subjects
    if wants("records") or wants("index"):
        begin_first(case)
    if wants("timestamps"):
        check_timestamps(case)
    demands, counting = Demands(case), Counting()
    demands.all()
    check_objects(case)
    if wants("records") or wants("locks") or wants("completeness") or wants("index"):
        _read_items(case, demands, counting)
    if wants("records") or wants("index"):
        check_data(case)
        check_odd(case)
        check_derived(case)
    else:
        check_batch_objects(case)
    locks = check_locks(case) if wants("locks") else None
    if wants("completeness"):
        check_completeness(case, counting)
    _check_subjects(case)
    _say_left_out(case)
    return locks


def _read_items(case: Case, demands: Demands, counting: Counting) -> None:
    check_items(case, demands, counting)
    case.lines_read = True


def _check_subjects(case: Case) -> None:
    """Never count a check that had nothing to look at as passed."""
    if case.archive.log.size:
        for name in CHECKS.values():
            if case.options.wants(name) and not case.subjects[name]:
                case.say("nothing-checked", f"check {name}", f"{_WHAT[name]} to look at", "none")


def _say_left_out(case: Case) -> None:
    options = case.options
    case.left_out.extend(
        f"check {number}, {name}, was not asked for" for number, name in CHECKS.items() if not options.wants(name)
    )
    if case.skipped_batches:
        total = case.archive.table_of_statements.count("batch")
        case.left_out.append(
            f"{len(case.skipped_batches)} of {total} batches were not read: a sample of {options.sample:g} % "
            f"with seed {options.seed}; {case.claims.left(_LEFT_OUT)} items lie in them"
        )
    if case.disposed:
        what = "tables and batches" if any(key.startswith(layout.DERIVED) for key in case.disposed) else "batches"
        case.left_out.append(
            f"{len(case.disposed)} {what} were released, their dates have passed, and they are not there any more; "
            "the items in them were not checked"
        )
    if options.wants("index") and case.derive is None:
        case.say("nothing-checked", "index", "the index derived anew", "nothing here that derives it")


_WHAT: Final = {
    "trust": "keys",
    "log": "entries",
    "timestamps": "logs",
    "statements": "statements",
    "objects": "objects",
    "locks": "locked objects",
    "records": "records",
    "completeness": "snapshots",
}


def _report(
    case: Case, locks: LockFacts | None, witnesses: list[Sighting], trust_sha256: str, *, trust_is_own: bool
) -> Report:
    archive = case.archive
    statements = archive.table_of_statements
    verdict = verdict_of(case.findings)
    if verdict is Verdict.OK and case.left_out:
        verdict = Verdict.PARTIAL
    return Report(
        verdict=verdict,
        exit=exit_of(case.findings),
        location=archive.store.destination.location,
        verified_at=format_instant(case.now),
        archive=archive.trusted.archive,
        archive_id=archive.trusted.archive_id,
        trust_sha256=trust_sha256,
        findings=tuple(case.findings),
        checks=tuple(_checks(case)),
        left_out=tuple(case.left_out),
        origin=archive.log.origin,
        log_size=archive.log.size,
        log_root=archive.log.root.hex(),
        earliest_lock=None if locks is None else locks.earliest,
        locks_enforced=archive.store.destination.enforces_locks,
        demo_keys=statements.archive is not None and statements.archive.demo_keys,
        trust_is_own=trust_is_own,
        listed=archive.listed,
        snapshots=tuple(_snapshots(archive)),
        batches=tuple(_batches(case)),
        timestamps=tuple(token_lines(archive.tokens, archive.trusted, case.options.lists)),
        trusted_lists=tuple(list_lines(case.options.lists)),
        counts=dict(case.subjects),
        witnesses=tuple(
            WitnessResult(one.name, one.vkey, one.size, None if one.at is None else format_instant(one.at))
            for one in witnesses
        ),
        witnesses_demanded=case.witnesses,
    )


def _checks(case: Case) -> list[CheckResult]:
    worst = _worst_by(case.findings, lambda finding: CHECKS[finding.check])
    return [
        CheckResult(
            number=number,
            name=name,
            made=case.options.wants(name),
            subjects=case.subjects[name],
            what="tokens" if name == "timestamps" and case.archive.tokens else _WHAT[name],
            result=_result(case, name, worst.get(name)),
        )
        for number, name in CHECKS.items()
    ]


def _result(case: Case, name: str, worst: Severity | None) -> str:
    if worst is not None:
        return worst.value
    if not case.options.wants(name) and name not in ALWAYS:
        return _LEFT_OUT
    return "ok" if case.subjects[name] else "nothing to check"


def _batches(case: Case) -> list[BatchResult]:
    worst = _worst_by(case.findings, lambda finding: finding.subject.split(" ", 1)[0])
    reads = case.options.wants("records") or case.options.wants("objects")
    found = []
    for position, predicate, statement in case.archive.batch_statements():
        key = statement.subject[0].name
        severity = max(worst.get(key), worst.get(statement.key), key=lambda one: _WORST[one])
        bracket = case.archive.brackets.of(position)
        left_out = predicate.id in case.skipped_batches or not reads
        plain = _LEFT_OUT if left_out else "ok"
        found.append(
            BatchResult(
                id=predicate.id,
                key=key,
                source=predicate.source,
                table=predicate.table,
                records=predicate.records,
                items=predicate.items,
                raw_bytes=predicate.raw_bytes,
                at=predicate.at,
                entry=position,
                result=plain if severity is None else severity.value,
                not_before=bracket.not_before,
                not_after=bracket.not_after,
            )
        )
    return found


def _snapshots(archive: Archive) -> list[SnapshotResult]:
    return [
        SnapshotResult(
            id=one.id,
            status=one.status,
            started=one.started,
            finished=one.finished,
            batches=sum(one.batches.values()),
            seen=sum(source.counts.seen for source in one.sources),
            failed=sum(source.counts.failed for source in one.sources),
        )
        for _, statement, _ in archive.statements("snapshot")
        if isinstance(one := statement.predicate, SnapshotPredicate)
    ]


def _worst_by(findings: list[Finding], name: Callable[[Finding], str]) -> dict[str, Severity]:
    worst: dict[str, Severity] = {}
    for finding in findings:
        subject = name(finding)
        if _WORST[finding.severity] > _WORST[worst.get(subject)]:
            worst[subject] = finding.severity
    return worst


def _refused(store: Store, now: datetime, data: bytes, findings: list[Finding]) -> Report:
    """Report that there is nothing to verify against."""
    counted: Counter[str] = Counter()
    checks = [
        CheckResult(number, name, number == 1, counted[name], _WHAT[name], "failed" if number == 1 else "not made")
        for number, name in CHECKS.items()
    ]
    return Report(
        verdict=verdict_of(findings),
        exit=exit_of(findings),
        location=store.destination.location,
        verified_at=format_instant(now),
        archive=None,
        archive_id=None,
        trust_sha256=digest_of(data),
        findings=tuple(findings),
        checks=tuple(checks),
    )
