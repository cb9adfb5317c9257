"""Opening an archive for reading: which store, and whom to believe.

    a policy           its destination, and the operator's own trust file unless another one is named
    a location         with a trust file: checked against it
    a location alone   the archive's own keys, which prove nothing against whoever made it; every answer says so

What is read was checked on its way: statements against keys, objects against statements, lines against objects. What is
wrong with log and statements stands in `warnings` and decides the exit status together with what a flow finds itself.

>>> with open_reading(policy, None, clock=clock, listener=silent) as reading:
...     newest = finished_snapshot(reading.archive, None)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archiver.errors import ArchiverError, EvidenceError, Exit, UsageError
from archiver.events import Listener
from archiver.flows.session import destination_store, own_trust
from archiver.flows.status.destinations import standing
from archiver.judge.reader import Archive, open_archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import Finding, Severity, exit_of
from archiver.model.items import ItemLine
from archiver.model.named_file import read_named
from archiver.model.policy import Policy
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.model.trust import MAX_TRUST_FILE, TrustFile, parse_trust
from archiver.stores.base import Store
from archiver.stores.open import open_store
from archiver.writer.place import first_under

if TYPE_CHECKING:
    from archiver.judge.sealed import SealedPlace

__all__ = [
    "Reading",
    "UnknownError",
    "check_items_batches",
    "check_source",
    "check_there",
    "finished_snapshot",
    "finished_snapshots",
    "items_of",
    "lines_of",
    "open_reading",
    "read_trust",
    "require_log",
]

_MOST_WARNINGS: Final = 20
_SELF_TRUST: Final = (
    "no trust file: the keys are taken from the archive itself, so whoever made it could have made up all of it; "
    "name the operator's with --trust"
)
_UNKNOWN: Final = {"statement-key-unknown", "statement-key-expired", "object-unreadable"}


class UnknownError(EvidenceError):
    """Something cannot be said, for want of a key or of a log: not forged, but not shown either."""

    exit_status = Exit.INCOMPLETE


@dataclass(frozen=True)
class Reading:
    """An open archive. `trusted` is False when its own keys had to be believed; `exit` is of log and statements.

    `now` is when it was opened.
    """

    archive: Archive
    store: Store
    trust: TrustFile
    trusted: bool
    warnings: tuple[str, ...]
    exit: Exit
    now: datetime


@contextmanager
def open_reading(
    policy: Policy | None,
    location: str | None,
    *,
    trust_path: Path | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    clock: Callable[[], datetime],
    sealed: SealedPlace | None = None,
    listener: Listener,
) -> Iterator[Reading]:
    """Open the archive of a policy, or the one at a location, for reading; `sealed` opens what is in quarantine."""
    said: tuple[str, ...] = ()
    if location is not None:
        base = Path.cwd()
        store = open_store(location, base=base, clock=clock, endpoint=endpoint, region=region, profile=profile)
    elif policy is not None:
        store, said = _first_that_answers(policy, clock)
    else:
        raise UsageError(
            "no-archive", "expected a policy or --archive, found neither", hint="say which: --archive LOCATION"
        )
    check_there(store, location)
    trust, words = _trust(policy if location is None else None, trust_path)
    words = (*words, *said)
    with open_archive(store, trust, sealed=sealed, listener=listener) as archive:
        yield Reading(
            archive=archive,
            store=store,
            trust=archive.trusted,
            trusted=not archive.unsafe_self_trust,
            warnings=(*words, *_warnings(archive.findings)),
            exit=_exit(archive.findings),
            now=clock(),
        )


def _first_that_answers(policy: Policy, clock: Callable[[], datetime]) -> tuple[Store, tuple[str, ...]]:
    """Return the first destination that answers and has a log, and of several ones which it is.

    One that is known to be behind comes after the others: what it lacks would look as if it had never been.
    """
    specs = [one for one in policy.destinations if one.ended is None]
    if len(specs) == 1:
        return destination_store(policy, clock, specs[0]), ()
    behind = {one.id: len(one.waiting) for one in standing(policy, own_trust(policy))}
    said, last = list[str](), destination_store(policy, clock, specs[0])
    for spec in sorted(specs, key=lambda one: behind[one.id]):
        store = destination_store(policy, clock, spec)
        try:
            check_there(store, None)
            has_log = first_under(store, layout.CHECKPOINTS) is not None
        except ArchiverError as problem:
            said.append(f"destination {spec.id} does not answer: {problem.message}")
            continue
        if has_log:
            late = f", which lacks {behind[spec.id]} statements that others have" if behind[spec.id] else ""
            return store, (*said, f"read from the destination {spec.id}{late}")
        last = store
    return last, tuple(said)


def read_trust(path: Path) -> TrustFile:
    """Read a trust file that a person named."""
    try:
        data = read_named(path, MAX_TRUST_FILE)
    except OSError as problem:
        raise UsageError(
            "no-trust-file",
            f"{path}: expected a trust file, found: {problem.strerror}",
            hint="name the trust.json that the operator handed to you",
        ) from problem
    return parse_trust(data, name=str(path))


def require_log(archive: Archive) -> None:
    """Raise "log-missing" where there is no log that the trust file knows: `EvidenceError` where it says it saw one."""
    if not archive.log.size:
        is_seen = any(finding.severity is Severity.FAILED for finding in archive.log.findings)
        raise (EvidenceError if is_seen else UnknownError)(
            "log-missing",
            f"{archive.store.destination.location}: expected a log that the trust file knows, found none",
            hint="see whether this is the right place and the right trust file",
        )


def finished_snapshot(archive: Archive, identity: str | None) -> SnapshotPredicate:
    """Return a snapshot that was finished, by its id or else the newest one."""
    require_log(archive)
    if identity is None:
        archive.demand_read("snapshot")  # a newer one may be what was not read
    found = None
    for _, statement, _ in archive.statements("snapshot"):
        predicate = statement.predicate
        if isinstance(predicate, SnapshotPredicate) and identity in (None, predicate.id):
            if predicate.status != "aborted":
                found = predicate
            elif identity is not None:
                raise UsageError(
                    "snapshot-aborted",
                    f"snapshot {identity}: expected one that was finished, found that it was aborted",
                    hint="see `archiver list snapshots` for the others",
                )
    if found is None:
        archive.demand_read("snapshot")
        raise UsageError(
            "no-such-snapshot",
            f"snapshot {identity or 'of any kind'}: expected it in the log, found none that was finished",
            hint="see `archiver list snapshots`",
        )
    return found


def finished_snapshots(archive: Archive) -> Iterator[SnapshotPredicate]:
    """Yield all snapshots that were finished, in log order; raises `WorldError` where one may be what was not read."""
    archive.demand_read("snapshot")
    for _, statement, _ in archive.statements("snapshot"):
        predicate = statement.predicate
        if isinstance(predicate, SnapshotPredicate) and predicate.status != "aborted":
            yield predicate


def check_source(snapshot: SnapshotPredicate, source: str | None) -> None:
    """Refuse a source that a snapshot does not have: nothing of it would be found, which looks like nothing kept."""
    known = [one.id for one in snapshot.sources]
    if source is not None and source not in known:
        raise UsageError(
            "no-such-source",
            f"--source {source}: expected one of {', '.join(known)}, the sources of snapshot {snapshot.id}",
            hint="name one of these, or another snapshot",
        )


def items_of(archive: Archive, snapshot: SnapshotPredicate) -> Iterator[ItemLine]:
    """Yield all lines of a snapshot, read strictly; raises as `lines_of` does."""
    yield from map(ItemLine.parse, lines_of(archive, snapshot))


def lines_of(archive: Archive, snapshot: SnapshotPredicate) -> Iterator[bytes]:
    """Yield all lines of a snapshot as they are; raises `EvidenceError("batch-gap")` when batches are not there."""
    expected, found = snapshot.batches.get("items", 0), len(archive.items_batches(snapshot.id))
    if found != expected:
        archive.demand_read()
    check_items_batches(snapshot.id, expected, found)
    yield from archive.item_lines(snapshot.id)


def check_items_batches(snapshot: str, expected: int, found: int) -> None:
    """Refuse a snapshot that has not as many batches of items in the log as its statement says."""
    if found != expected:
        raise EvidenceError(
            "batch-gap",
            f"snapshot {snapshot}: expected {expected} batches of items, found {found}",
            hint="run `archiver verify` for all that is missing",
        )


def _trust(policy: Policy | None, path: Path | None) -> tuple[TrustFile | None, tuple[str, ...]]:
    if path is not None:
        return read_trust(path), ()
    if policy is not None:
        return own_trust(policy), ("the trust file is the operator's own",)
    return None, (_SELF_TRUST,)


def check_there(store: Store, named: str | None, what: str = "an archive") -> None:
    """Refuse a folder that is not there; `named` is how somebody wrote it, None for the policy's own."""
    destination = store.destination
    is_there = os.path.isdir(destination.bucket)  # noqa: PTH112 - Path.is_dir raises for a name that is too long
    if destination.kind == "folder" and not is_there:
        ours = "run `archiver snapshot` first, or name another place with --archive"
        raise UsageError(
            "no-such-archive",
            f"{destination.location if named is None else named}: expected the folder of {what}, found none",
            hint=ours if named is None else "check the name; a bucket is written s3://bucket/prefix",
        )


def _warnings(findings: list[Finding]) -> list[str]:
    lines = [
        f"{one.code}: {one.subject}: expected {one.expected}, found {one.actual}"
        for one in findings
        if one.severity is not Severity.NOTE
    ]
    more = len(lines) - _MOST_WARNINGS
    return lines if more <= 0 else [*lines[:_MOST_WARNINGS], f"and {more} more; run `archiver verify` for all"]


def _exit(findings: list[Finding]) -> Exit:
    """Return what log and statements mean for a reader: an unfinished tail or an unknown kind takes nothing away."""
    return exit_of(one for one in findings if one.severity is Severity.FAILED or one.code in _UNKNOWN)
