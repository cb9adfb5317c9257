"""Data batches judged by several processes, and taken in one by one in the order of the log.

A batch is given away where it can be judged by itself. It is not where an item goes on in another batch, where a key
opens what is sealed, and where the index is derived anew: these are read here, between the others.

>>> for predicate, statement, answer in begun(case):
...     outcome = None if answer is None else answer()
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

from archiver.errors import EvidenceError
from archiver.judge import batches
from archiver.judge.case import Case
from archiver.judge.unit import Outcome, Unit, judge_unit
from archiver.model.statement import BatchPredicate, Statement

__all__ = ["Begun", "begin_first", "begun", "is_left_out"]

Answer = Callable[[], Outcome]
Begun = tuple[BatchPredicate, Statement, Answer | None]

_MOST_PARTS: Final = 100_000  # of some hundred bytes each, in this process and in that one
_MOST_WAITING: Final = 64


def begin_first(case: Case) -> None:
    """Begin to read and hash the first batch of data, where all are read here, while the lists of items are read."""
    for _, predicate, statement in case.archive.batch_statements() if case.crew is None else ():
        if _is_read(case, predicate):
            case.archive.begin(statement)
            return


def begun(case: Case) -> Iterator[Begun]:
    """Yield all batches in the order of the log, each with the answer of the process that judges it, if one does.

    Of those that are read here the next one is read and hashed while the present one is judged.
    """
    waiting: deque[Begun] = deque()
    jobs = 0 if case.crew is None else case.crew.workers.jobs
    for _, predicate, statement in case.archive.batch_statements():
        answer = _begin(case, predicate, statement) if _is_read(case, predicate) else None
        waiting.append((predicate, statement, answer))
        given = sum(answer is not None for _, _, answer in waiting)
        if given > jobs or len(waiting) > (_MOST_WAITING if jobs else 1):
            yield _next(case, waiting)
    while waiting:
        yield _next(case, waiting)


def _next(case: Case, waiting: deque[Begun]) -> Begun:
    first = waiting.popleft()
    if first[2] is None:
        here = (one for predicate, one, answer in waiting if answer is None and _is_read(case, predicate))
        for statement in itertools.islice(here, 1):
            case.archive.begin(statement)
    return first


def _is_read(case: Case, predicate: BatchPredicate) -> bool:
    """Say whether a batch is one of data that is not left out."""
    return predicate.table != "items" and not is_left_out(case, predicate.id)


def is_left_out(case: Case, batch: str) -> bool:
    """Choose by the seed and the batch's name alone, so that a sample can be drawn again."""
    sample = case.options.sample
    if sample is None:
        return False
    draw = sha256(f"{case.options.seed}:{batch}".encode()).digest()
    return int.from_bytes(draw[:8], "big") >= sample / 100 * 2**64


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
        batch=batches.BatchWords.of(predicate),
        parts=tuple(parts),
        of_rows=case.claims.of_rows(predicate.id),
    )
