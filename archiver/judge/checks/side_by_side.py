"""Data batches judged by several processes, and taken in one by one in the order of the log.

A batch is given away where it can be judged by itself. It is not where an item goes on in another batch, where a key
opens what is sealed, and where the index is derived anew: these are read here, between the others.

>>> for predicate, statement, answer in begun(case, is_left_out):
...     outcome = None if answer is None else answer()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from archiver.errors import EvidenceError
from archiver.judge import batches
from archiver.judge.case import Case
from archiver.judge.unit import Outcome, Unit, judge_unit
from archiver.model.statement import BatchPredicate, Statement

__all__ = ["Begun", "begun"]

Answer = Callable[[], Outcome]
Begun = tuple[BatchPredicate, Statement, Answer | None]

_MOST_PARTS: Final = 100_000  # of some hundred bytes each, in this process and in that one
_MOST_WAITING: Final = 256


def begun(case: Case, is_left_out: Callable[[str], bool]) -> Iterator[Begun]:
    """Yield all batches in the order of the log, each with the answer of the process that judges it, if one does."""
    waiting: deque[Begun] = deque()
    given = 0
    for _, predicate, statement in case.archive.batch_statements():
        is_here = predicate.table == "items" or is_left_out(predicate.id)
        answer = None if is_here else _begin(case, predicate, statement)
        waiting.append((predicate, statement, answer))
        given += answer is not None
        while waiting and (case.crew is None or given > case.crew.workers.jobs or len(waiting) > _MOST_WAITING):
            given -= waiting[0][2] is not None
            yield waiting.popleft()
    yield from waiting


def _begin(case: Case, predicate: BatchPredicate, statement: Statement) -> Answer | None:
    unit = None if case.crew is None else _unit(case, predicate, statement)
    return None if case.crew is None or unit is None else case.crew.workers.begin(judge_unit, unit)


def _unit(case: Case, predicate: BatchPredicate, statement: Statement) -> Unit | None:
    """Return a batch as it is given away, None where it cannot be."""
    opens = case.archive.unsealer is not None and case.archive.sealed(predicate.id) is not None
    if case.crew is None or opens or case.options.wants("index"):
        return None
    parts = case.claims.within(predicate.id, _MOST_PARTS)
    subject = statement.subject[0]
    try:
        found = case.archive.content.candidates(subject.name, batches.stated_size(statement))
    except EvidenceError:
        return None  # there is nothing to read, which is said where it is read
    if parts is None:
        return None
    return Unit(
        opener=case.crew.opener,
        folder=case.archive.folder,
        versions=tuple((one.key, one.version) for one in found),
        sha256=subject.digest.sha256,
        predicate=predicate,
        parts=tuple(parts),
        of_rows=case.claims.of_rows(predicate.id),
    )
