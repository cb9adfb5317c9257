"""Order among statements: what comes first, what goes on from what (FORMAT.md, Statements).

    archive   the first entry, and only there
    policy    revisions from 1, the second entry, without gaps, each naming the one before
    batch     made under a policy that the log has, for a snapshot that has not ended
    snapshot  goes on from a snapshot that the log has, and began when the log was no longer than it is; how long it was
              is said of the log that the archive was begun in, as another one may have fewer entries

and each has the subjects that its kind is about.

>>> list(Numbers("case/7e8b/vault").problems(1, archive_statement))
[('statement-number', 'the archive statement at entry 0 only', 'one at entry 1')]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from archiver.model import layout
from archiver.model.statement import ArchivePredicate, PolicyPredicate, Statement, Subject
from archiver.model.statement_holds import HoldPredicate
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate

__all__ = ["Numbers"]

_Problem = tuple[str, str, str]


class Numbers:
    """What the statements so far have said about their order."""

    def __init__(self, origin: str, had_snapshot: Callable[[str], bool] = lambda _: False) -> None:
        """Begin before the first entry of the log of this name; `had_snapshot` knows earlier snapshots."""
        self._origin = origin
        self._is_first = True
        self._revision = 0
        self._policy: str | None = None
        self._policies: set[str] = set()
        self._snapshots: set[str] = set()
        self._had_snapshot = had_snapshot

    def problems(self, position: int, statement: Statement) -> Iterator[_Problem]:
        """Yield what is out of order with the next good statement, and remember it."""
        predicate = statement.predicate
        if isinstance(predicate, ArchivePredicate) != (position == 0):
            actual = f"a {statement.kind} statement at entry {position}"
            yield "statement-number", "the archive statement at entry 0 and only there", actual
        if isinstance(predicate, ArchivePredicate):
            self._is_first = predicate.origin == self._origin
            yield from _policy_subject(statement, predicate.policy_sha256)
            if len(statement.subject) != 1:
                yield "statement-malformed", "its policy as the one subject", f"{len(statement.subject)} subjects"
        if isinstance(predicate, HoldPredicate):
            yield from _hold_problems(statement, predicate)
        if isinstance(predicate, PolicyPredicate):
            yield from self._policy_problems(position, statement, predicate)
        elif isinstance(predicate, BatchPredicate):
            if predicate.policy_sha256 not in self._policies:
                yield "statement-number", "a policy that the log has before", predicate.policy_sha256
            if (predicate.source == "") != (predicate.table == "items"):
                yield "statement-malformed", "a source, but for the table items", repr(predicate.source)
            if self._has_ended(predicate.snapshot):
                actual = f"one of {predicate.snapshot}, whose statement stands before it"
                yield "statement-number", "a batch of a snapshot that has not ended", actual
        elif isinstance(predicate, SnapshotPredicate):
            yield from self._snapshot_problems(position, statement, predicate)

    def _policy_problems(self, position: int, statement: Statement, predicate: PolicyPredicate) -> Iterator[_Problem]:
        if (self._revision == 0) != (position == 1):
            actual = f"revision {predicate.revision} at entry {position}"
            yield "statement-number", "the first policy at entry 1, and later ones behind it", actual
        if predicate.revision != self._revision + 1:
            yield "statement-number", f"revision {self._revision + 1}", f"revision {predicate.revision}"
        if predicate.previous != self._policy:
            yield "statement-number", f"previous {self._policy}", f"previous {predicate.previous}"
        yield from _policy_subject(statement, predicate.sha256)
        yield from _instruments(statement, predicate)
        self._revision, self._policy = predicate.revision, predicate.sha256
        self._policies.add(predicate.sha256)

    def _snapshot_problems(
        self, position: int, statement: Statement, predicate: SnapshotPredicate
    ) -> Iterator[_Problem]:
        # None is no problem: of two writers that begin at once, neither knows the other's snapshot.
        if predicate.previous is not None and not self._has_ended(predicate.previous):
            yield "statement-number", "a previous snapshot that the log has before", predicate.previous
        if predicate.status == "aborted" and predicate.sources:
            yield "statement-malformed", "no sources in an aborted snapshot", f"{len(predicate.sources)} sources"
        if len(statement.subject) != 1 or not statement.subject[0].name.startswith("policies/"):
            yield "statement-malformed", "its policy as the one subject", f"{len(statement.subject)} subjects"
        if self._is_first and predicate.log_size_at_start > position:
            yield (
                "statement-number",
                f"a log of at most {position} entries at its start",
                str(predicate.log_size_at_start),
            )
        self._snapshots.add(predicate.id)

    def _has_ended(self, snapshot: str) -> bool:
        return snapshot in self._snapshots or self._had_snapshot(snapshot)


def _policy_subject(statement: Statement, sha256: str) -> Iterator[_Problem]:
    """Yield the problem of a statement whose first subject is not the policy that it names."""
    first = statement.subject[0]
    if (first.name, first.digest.sha256) != (layout.policy_key(sha256), sha256):
        yield "statement-malformed", f"the first subject {layout.policy_key(sha256)}", first.name


def _instruments(statement: Statement, predicate: PolicyPredicate) -> Iterator[_Problem]:
    """Yield the problem of a policy whose further subjects are not the orders of its matters."""
    orders = {matter.instrument for matter in predicate.matters} - {None}
    others = [subject for subject in statement.subject[1:] if not _is_instrument(subject)]
    if others or {subject.digest.sha256 for subject in statement.subject[1:]} != orders:
        actual = others[0].name if others else f"{len(statement.subject) - 1} subjects behind the policy"
        yield "statement-malformed", f"the {len(orders)} orders of its matters", actual


def _hold_problems(statement: Statement, predicate: HoldPredicate) -> Iterator[_Problem]:
    if predicate.to < predicate.since:
        yield "statement-malformed", f"a hold until {predicate.since} or later", predicate.to
    if not any(_is_instrument(one) and one.digest.sha256 == predicate.instrument for one in statement.subject):
        yield "statement-malformed", f"the order {predicate.instrument} as a subject", "none"


def _is_instrument(subject: Subject) -> bool:
    return subject.name == layout.instrument_key(subject.digest.sha256, subject.name.rpartition("/")[2])
