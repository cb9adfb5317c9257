"""Check 6: the lock of every content version against the hold that the log and the trust file demand.

    batch objects      the hold of their own statement; the hold in force when a later snapshot's items name them
    everything else    it serves the whole archive: the latest hold of all matters, in force when it was entered
    both               the auditor's own minimum in the trust file

A later date in a policy alone binds what is written from then on. A date that has passed is still a hold, kept by the
legal hold. Several versions with the same bytes count as the best-locked of them.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from archiver.errors import WorldError
from archiver.events import Advanced, Stage
from archiver.judge.batches import predicate_of
from archiver.judge.case import Case
from archiver.judge.inventory import Listed
from archiver.model import instant, layout
from archiver.model.items import ItemLine
from archiver.model.statement import BatchPredicate, PolicyPredicate, SnapshotPredicate
from archiver.proof import tiles
from archiver.stores.base import Lock, Store

__all__ = ["Demands", "LockFacts", "check_locks"]

_NO_DATE: Final = "0001-01-01T00:00:00Z"
_AT_ONCE: Final = 8  # connections that a boto3 client keeps open by default are 10
_BLOCK: Final = 256
_NAMED: Final = {"COMPLIANCE": 2, "GOVERNANCE": 1, "NONE": 0}


class LockFacts:
    """What the check saw besides findings: the earliest end of a lock, and how many locks are not known."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.earliest: str | None = None
        self.unknown = 0
        self.recorded = 0

    def saw(self, lock: Lock) -> None:
        """Take the best lock of an object in."""
        if lock.retain_until is not None:
            until = instant.format_instant(lock.retain_until)
            self.earliest = until if self.earliest is None else min(self.earliest, until)


class Demands:
    """Computes from the log until when each key must be locked, and enters it in the inventory."""

    def __init__(self, case: Case) -> None:
        """Read the policies that the log has."""
        self._case = case
        self._policies = case.archive.table_of_statements.policies
        self._places = [place for place, _ in self._policies]
        dates = [max((one.retain_until for one in policy.matters), default=_NO_DATE) for _, policy in self._policies]
        self._latest = list(itertools.accumulate(dates, max))
        self._trusted = {hold.matter: hold.until for hold in case.archive.trusted.holds}
        self._seen: set[str] = set()
        self._snapshot = ""
        self._aborted = False

    def line(self, position: int, batch: BatchPredicate, line: ItemLine) -> None:
        """Demand the present hold for every earlier batch that a line names; a check of items calls this."""
        if batch.snapshot != self._snapshot:
            self._seen.clear()
            self._snapshot = batch.snapshot
            self._aborted = _is_aborted(self._case, batch.snapshot)
        for part in line.parts:
            if part.batch not in self._seen and not part.batch.startswith(batch.snapshot) and not self._aborted:
                self._seen.add(part.batch)
                self._need_batch(position, part.batch, batch.policy_sha256)

    def all(self) -> None:
        """Demand a lock for every key that the log commits to."""
        need = self._case.archive.inventory.need
        log, statements = self._case.archive.log, self._case.archive.table_of_statements
        if log.size:
            need(layout.README, self._everything(0))
        for position in range(log.size):
            until = self._everything(position)
            need(layout.entry_key(position), until)
            need(layout.checkpoint_key(position + 1), until)
            for tile in tiles.due(position + 1):
                need(tile.key, until)
        for position, key in statements.named():
            need(key, self._everything(position))
        named: set[str] = set()
        for position, statement, _ in statements.all():
            predicate = statement.predicate
            for subject in statement.subject:
                if isinstance(predicate, BatchPredicate):
                    need(subject.name, max(predicate.hold.retain_until, self._minimum(predicate.matters)))
                elif subject.name not in named and not subject.name.startswith(layout.DATA):
                    named.add(subject.name)
                    need(subject.name, self._everything(position))

    def _need_batch(self, position: int, batch: str, policy_sha256: str) -> None:
        found = self._case.archive.statement("batch", batch)
        policy = self._policy(position, policy_sha256)
        if found is None or policy is None:
            return
        matters = predicate_of(found[1]).matters
        dates = [one.retain_until for one in policy.matters if one.id in matters]
        self._case.archive.inventory.need(found[1].subject[0].name, max(dates, default=_NO_DATE))

    def _policy(self, position: int, sha256: str) -> PolicyPredicate | None:
        named = [policy for place, policy in self._policies if policy.sha256 == sha256 and place < position]
        return named[-1] if named else self._case.archive.table_of_statements.policy_at(position)

    def _everything(self, position: int) -> str:
        """Return the latest date of all matters in all policies up to a position; a hold never shrinks."""
        place = max(bisect.bisect_right(self._places, position) - 1, 0)
        latest = self._latest[place] if self._latest else _NO_DATE
        return max(latest, self._minimum(self._trusted))

    def _minimum(self, matters: Iterable[str]) -> str:
        return max((self._trusted[matter] for matter in matters if matter in self._trusted), default=_NO_DATE)


def _is_aborted(case: Case, snapshot: str) -> bool:
    found = case.archive.statement("snapshot", snapshot)
    return (
        found is not None
        and isinstance(found[1].predicate, SnapshotPredicate)
        and found[1].predicate.status == "aborted"
    )


def check_locks(case: Case) -> LockFacts:
    """Hold every lock against its demand."""
    facts = LockFacts()
    case.listener(Stage("check the locks", case.archive.inventory.needed(), "objects"))
    wanted = ((key, until, versions) for key, until, versions in case.archive.inventory.locked() if versions)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while block := list(itertools.islice(wanted, _BLOCK)):
            answers = pool.map(functools.partial(_ask, case.archive.store), [versions for _, _, versions in block])
            for (key, until, _), answer in zip(block, answers, strict=True):
                case.subjects["locks"] += 1
                _check(case, facts, key, until, answer)
            case.listener(Advanced(len(block)))
    _sum_up(case, facts)
    return facts


def _ask(store: Store, versions: list[Listed]) -> list[Lock | WorldError]:
    """Ask a store for the locks of some versions; one request each, so several are asked at once."""
    answer: list[Lock | WorldError] = []
    for listed in versions:
        try:
            answer.append(store.stat(listed.key, listed.version).lock)
        except WorldError as problem:
            answer.append(problem)
    return answer


def _check(case: Case, facts: LockFacts, key: str, until: str, answer: list[Lock | WorldError]) -> None:
    for problem in answer:
        if isinstance(problem, WorldError):
            case.say("lock-unknown", key, f"a lock until {until}", problem.message)
    locks = [lock for lock in answer if isinstance(lock, Lock)]
    if not locks:
        return
    best = max(locks, key=_strength)
    if best.mode is None or best.legal_hold is None:
        facts.unknown += 1
        if case.archive.store.destination.enforces_locks:
            case.say("lock-unknown", key, f"a lock until {until}", "a store that does not say")
        return
    facts.recorded += 1
    facts.saw(best)
    _compare(case, key, until, best)


def _compare(case: Case, key: str, until: str, lock: Lock) -> None:
    hint = "raise it with `archiver snapshot` on the policy in force"
    passed = until <= instant.format_instant(case.now)
    found = "none" if lock.retain_until is None else instant.format_instant(lock.retain_until)
    if not passed:
        if lock.mode == "NONE":
            case.say("lock-missing", key, f"COMPLIANCE until {until}", "no lock", hint=hint)
            return
        if lock.mode != "COMPLIANCE":
            case.say("lock-mode", key, "COMPLIANCE", str(lock.mode), hint=hint)
        if lock.retain_until is None or found < until:
            case.say("lock-date", key, f"until {until}", f"until {found}", hint=hint)
    if not lock.legal_hold:
        case.say("lock-hold", key, "a legal hold", "none", hint=hint)


def _sum_up(case: Case, facts: LockFacts) -> None:
    place = case.archive.store.destination
    if place.enforces_locks:
        return
    if facts.unknown:
        case.say(
            "lock-unknown",
            place.location,
            f"lock records for {facts.unknown} objects",
            "a folder that has none, as a mirror",
            hint="verify the store that the receipts name to see its locks",
        )
    if facts.recorded:
        case.say(
            "lock-not-enforced",
            place.location,
            "locks that the store enforces",
            f"{facts.recorded} locks that are recorded and not enforced",
            hint="changes would be seen here, not prevented; use a bucket with Object Lock for that",
        )


def _strength(lock: Lock) -> tuple[int, datetime | None, bool]:
    known = _NAMED.get(lock.mode or "", -1)
    return known, lock.retain_until, bool(lock.legal_hold)
