"""Check 6: the lock of every content version against the hold that the log and the trust file demand.

    batch objects      the hold of their own statement; the hold in force when a later snapshot's items name them
    everything else    it serves the whole archive: the latest hold of all matters, in force when it was entered
    both               every `hold` statement of their matters, and the auditor's own minimum in the trust file

A later date in a policy alone binds what is written from then on. A date that has passed is still a hold: the lock must
still show it, and what was written since has the legal hold alone, which is unknown until the hold is extended. A legal
hold may be off where a valid release covers all matters. Versions with the same bytes count as the best-locked of them.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from archiver.errors import ArchiverError, WorldError
from archiver.events import Advanced, Stage
from archiver.judge.batches import predicate_of
from archiver.judge.case import Case
from archiver.judge.checks.lines import Files
from archiver.judge.holds import Holds, read_holds
from archiver.judge.inventory import Listed, Need
from archiver.model import instant, layout
from archiver.model.finding import Severity
from archiver.model.items import ItemLine
from archiver.model.statement import PolicyPredicate
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate
from archiver.proof import tiles
from archiver.stores.base import Lock, Store

__all__ = ["Demands", "LockFacts", "check_locks"]

_NO_DATE: Final = "0001-01-01T00:00:00Z"
_AT_ONCE: Final = 8  # a client keeps 16 connections open
_BLOCK: Final = 256
_NAMED: Final = {"COMPLIANCE": 2, "GOVERNANCE": 1, "NONE": 0}


class LockFacts:
    """What the check saw besides findings: the earliest end of a lock, and how many locks are not known."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.earliest: str | None = None
        self.unknown = 0
        self.recorded = 0
        self.alone = 0

    def saw(self, lock: Lock) -> None:
        """Take the best lock of an object in."""
        if lock.retain_until is not None:
            until = instant.format_instant(lock.retain_until)
            self.earliest = until if self.earliest is None else min(self.earliest, until)


class Demands:
    """Computes from the log until when each key must be locked, and enters it in the inventory."""

    def __init__(self, case: Case, held: Holds | None = None) -> None:
        """Read the policies that the log has, and its holds unless they are given."""
        self._case = case
        self._policies = case.archive.table_of_statements.policies
        self._places = [place for place, _ in self._policies]
        dates = [max((one.retain_until for one in policy.matters), default=_NO_DATE) for _, policy in self._policies]
        self._latest = list(itertools.accumulate(dates, max))
        self._trusted = {hold.matter: hold.until for hold in case.archive.trusted.holds}
        self._held = held or read_holds(case.archive)
        self._extended = self._held.until(self._held.matters)
        case.findings.extend(self._held.findings)
        self._seen: set[tuple[str, str]] = set()
        self._snapshot = ""
        self._aborted = False

    def line(self, position: int, batch: BatchPredicate, line: ItemLine) -> None:
        """Demand the present hold for every earlier batch that a line names; a check of items calls this."""
        for part in line.parts:
            self._name(position, batch, part.batch, line.item.source)

    def files(self, position: int, batch: BatchPredicate, files: Files) -> None:
        """Demand the same for many usual lines."""
        for source, _, named in files:
            self._name(position, batch, named, source)

    def _name(self, position: int, batch: BatchPredicate, named: str, source: str) -> None:
        if batch.snapshot != self._snapshot:
            self._seen.clear()
            self._snapshot = batch.snapshot
            self._aborted = _is_aborted(self._case, batch.snapshot)
        name = (named, source)
        if name not in self._seen and not named.startswith(batch.snapshot) and not self._aborted:
            self._seen.add(name)
            self._need_batch(position, named, source, batch.policy_sha256)

    def all(self) -> None:
        """Demand a lock for every key that the log commits to."""
        log, statements = self._case.archive.log, self._case.archive.table_of_statements
        if log.size:
            self._need(layout.README, 0)
        for position, key in statements.named():
            self._need(key, position)
        named: set[str] = set()
        before = -1
        for position, statement, _ in statements.all():
            predicate = statement.predicate
            for missing in range(before + 1, position):
                self._need_log(missing, None)
            self._need_log(position, predicate.at)
            self._need(statement.key, position, predicate.at)
            before = position
            for subject in statement.objects:
                if isinstance(predicate, BatchPredicate):
                    self._need_own(position, subject.name, predicate)
                elif subject.name not in named and not subject.name.startswith(layout.DATA):
                    named.add(subject.name)
                    self._need(subject.name, position, predicate.at)
        for missing in range(before + 1, log.size):
            self._need_log(missing, None)
        self._need_reported()

    def _need_log(self, position: int, at: str | None) -> None:
        """Demand what belongs to an entry: itself, the checkpoint that covers it, the tiles that it fills."""
        for key in (layout.entry_key(position), layout.checkpoint_key(position + 1)):
            self._need(key, position, at)
        for tile in tiles.due(position + 1):
            self._need(tile.key, position, at)

    def _need(self, key: str, position: int, at: str | None = None) -> None:
        hold = self._held.demanded(self._held.matters, position)
        self._case.archive.inventory.need(key, self._everything(position), hold=hold, at=at)

    def _need_own(self, position: int, key: str, predicate: BatchPredicate) -> None:
        """Demand for a batch what its own statement and its matters say."""
        matters = predicate.matters
        until = max(predicate.hold.retain_until, self._minimum(matters), self._held.until(matters, at=position))
        hold = self._held.demanded(matters, position)
        self._case.archive.inventory.need(key, until, hold=hold, at=predicate.at)

    def _need_reported(self) -> None:
        """Demand the date of a hold whose scope is what its report names."""
        for one in self._held.extended:
            if one.words.scope == "all":
                continue
            try:
                for key in one.objects(self._case.archive):
                    needed = self._case.archive.inventory.needs(key)
                    if needed is not None:
                        self._case.archive.inventory.need(key, one.words.to, hold=False)
            except ArchiverError as problem:
                expected = f"the objects that {one.words.matter} holds until {one.words.to}"
                self._case.say("lock-unknown", one.report[0], expected, problem.message)

    def _need_batch(self, position: int, batch: str, source: str, policy_sha256: str) -> None:
        found = self._case.archive.statement("batch", batch)
        policy = self._policy(position, policy_sha256)
        if found is None or policy is None:
            return
        matters = predicate_of(found[1]).matters
        dates = [one.retain_until for one in policy.matters if one.id in matters]
        serves = next((one.matters for one in policy.sources if one.id == source), [])
        hold = self._held.demanded(serves, position)
        self._case.archive.inventory.need(found[1].subject[0].name, max(dates, default=_NO_DATE), hold=hold)

    def _policy(self, position: int, sha256: str) -> PolicyPredicate | None:
        named = [policy for place, policy in self._policies if policy.sha256 == sha256 and place < position]
        return named[-1] if named else self._case.archive.table_of_statements.policy_at(position)

    def _everything(self, position: int) -> str:
        """Return the latest date of all matters in all policies up to a position; a hold never shrinks."""
        place = max(bisect.bisect_right(self._places, position) - 1, 0)
        latest = self._latest[place] if self._latest else _NO_DATE
        return max(latest, self._minimum(self._trusted), self._extended)

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
    wanted = ((key, need, versions) for key, need, versions in case.archive.inventory.locked() if versions)
    ask, is_far = functools.partial(_ask, case.archive.store), case.archive.store.destination.versioned
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while block := list(itertools.islice(wanted, _BLOCK)):
            answers = (pool.map if is_far else map)(ask, [versions for _, _, versions in block])
            for (key, need, versions), answer in zip(block, answers, strict=True):
                case.subjects["locks"] += 1
                written = max(need.at or "", min(listed.modified for listed in versions))
                _check(case, facts, (key, need, written), answer)
            case.listener(Advanced(len(block)))
    _sum_up(case, facts)
    return facts


def _ask(store: Store, versions: list[Listed]) -> list[Lock | WorldError]:
    """Ask a store for the locks of some versions; one request each, so several are asked at once over a network."""
    answer: list[Lock | WorldError] = []
    for listed in versions:
        try:
            answer.append(store.stat(listed.key, listed.version).lock)
        except WorldError as problem:
            answer.append(problem)
    return answer


def _check(case: Case, facts: LockFacts, wanted: tuple[str, Need, str], answer: list[Lock | WorldError]) -> None:
    """Compare the best of a key's locks with its need; the third of `wanted` is when the key was written, as told."""
    key, need, written = wanted
    for problem in answer:
        if isinstance(problem, WorldError):
            case.say("lock-unknown", key, f"a lock until {need.until}", problem.message)
    locks = [lock for lock in answer if isinstance(lock, Lock)]
    if not locks:
        return
    best = max(locks, key=_strength)
    if best.mode is None or best.legal_hold is None:
        facts.unknown += 1
        if case.archive.store.destination.enforces_locks:
            case.say("lock-unknown", key, f"a lock until {need.until}", "a store that does not say")
        return
    facts.recorded += 1
    facts.saw(best)
    if _is_late(case, need, best, written):
        facts.alone += 1
    else:
        _compare(case, key, need, best)


def _is_late(case: Case, need: Need, lock: Lock, written: str) -> bool:
    """Say whether the legal hold alone is on what was written when its date had passed, as no store takes such a date.

    Its statement and the store's listing both may say when it was written; neither proves it, so it stays unknown.
    """
    passed = need.until <= instant.format_instant(case.now)
    return passed and lock.mode == "NONE" and lock.legal_hold is True and written >= need.until


def _compare(case: Case, key: str, need: Need, lock: Lock) -> None:
    hint = "raise it with `archiver hold extend` until this date, or `archiver snapshot` on the policy in force"
    found = "none" if lock.retain_until is None else instant.format_instant(lock.retain_until)
    if lock.mode == "NONE":
        case.say("lock-missing", key, f"COMPLIANCE until {need.until}", "no lock", hint=hint)
        return
    if lock.mode != "COMPLIANCE":
        case.say("lock-mode", key, "COMPLIANCE", str(lock.mode), hint=hint)
    if lock.retain_until is None or found < need.until:
        case.say("lock-date", key, f"until {need.until}", f"until {found}", hint=hint)
    if need.hold and not lock.legal_hold:
        case.say("lock-hold", key, "a legal hold", "none", hint=hint)


def _sum_up(case: Case, facts: LockFacts) -> None:
    place = case.archive.store.destination
    if facts.alone:
        from archiver.model.hold import extend_command  # noqa: PLC0415 - few archives outlive their date

        case.say(
            "lock-date",
            place.location,
            "a date in the future, as a hold that passed without release is still a hold",
            f"the legal hold alone on {facts.alone} objects that were written when the date had passed",
            hint=f"extend the hold: {extend_command()}",
            severity=Severity.UNKNOWN,
        )
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
