"""Batches judged by several processes, and taken in one by one in the order of the log: first lists, then data.

A batch is given away unless a key opens what is sealed, or the index is derived anew: these are read here, between the
others. A large one is hashed here, and then given away in shares of its row groups, which are read in the store's own
file, or in the copy of one that has come over a network. Claims whose rows lie in more than one share are decided here,
by the bytes that come with what was made of the shares.

No more shares are under way than there are processes, and a few; so it goes with what lies in the scratch folder. Where
large batches come over a network and there is one for each process, and more, each process fetches whole ones itself:
as much is on its way at a time as there are processes.

>>> for predicate, statement, given in begun(case, of_data):
...     outcomes = None if given is None else list(given.outcomes)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from archiver.errors import EvidenceError, WorldError
from archiver.judge import batches
from archiver.judge.case import Case
from archiver.judge.claims import Shares
from archiver.judge.crew import Crew
from archiver.judge.unit import Outcome, Share, Unit, facts_of, judge_unit
from archiver.late import dataclass
from archiver.model.statement import Statement
from archiver.model.statement_snapshot import BatchPredicate

__all__ = ["DIVIDED", "DIVIDED_LIST", "Begun", "Given", "begin_first", "begun", "is_left_out", "of_data", "of_items"]

DIVIDED: Final = 32 << 20
"""Bytes of records from which on a batch is divided, and which a share has at least, if its row groups are so small."""

DIVIDED_LIST: Final = 1 << 20
"""The same of a list of items, each line of which is read: a byte of it takes ten times as long as one of a log."""

_MOST_PARTS: Final = 100_000  # of some hundred bytes each, in this process and in that one
_MOST_WAITING: Final = 64
_MORE: Final = 2


@dataclass(frozen=True)
class Given:
    """A batch that other processes judge: where its shares begin, and what came of each, in order."""

    cuts: tuple[int, ...]
    outcomes: Generator[Outcome, None, None]


Wanted = Callable[[Case, BatchPredicate], bool]
"""Says whether a batch is judged in this pass over the log."""

Begun = tuple[BatchPredicate, Statement, Given | None]
_Answer = tuple[Path, Callable[[], Outcome]]


def begin_first(case: Case) -> None:
    """Begin to read and hash the first batch of data that is hashed here, while the lists of items are read."""
    for _, predicate, statement in case.archive.batch_statements():
        if of_data(case, predicate):
            if case.crew is None or is_divided(case, predicate):
                case.archive.begin(statement)
            return


def begun(case: Case, wanted: Wanted) -> Iterator[Begun]:
    """Yield all batches in the order of the log, each with what comes of it, if it is wanted and others judge it.

    Of those that are hashed here the next one is, while the present one is judged.
    """
    following = _with_next(case, wanted)
    if case.crew is not None:
        yield from _Line(case, case.crew, following, wanted).batches()
        return
    for predicate, statement in following:
        yield predicate, statement, None


def _with_next(case: Case, wanted: Wanted) -> Iterator[tuple[BatchPredicate, Statement]]:
    """Yield all batches, having begun to hash the one after each, if it is to be hashed here."""
    present: tuple[BatchPredicate, Statement] | None = None
    for _, predicate, statement in case.archive.batch_statements():
        if wanted(case, predicate) and (case.crew is None or is_divided(case, predicate)):
            case.archive.begin(statement)
        if present is not None:
            yield present
        present = predicate, statement
    if present is not None:
        yield present


@dataclass
class _Line:
    """The batches on their way, and their shares, which are sent in order, a few at a time."""

    case: Case
    crew: Crew
    following: Iterator[tuple[BatchPredicate, Statement]]
    wanted: Wanted
    waiting: deque[Begun] = field(default_factory=deque)
    unsent: deque[tuple[deque[_Answer], Unit]] = field(default_factory=deque)
    under_way: int = 0
    free: list[Path] = field(default_factory=list)
    kept: deque[ExitStack] = field(default_factory=deque)

    def batches(self) -> Iterator[Begun]:
        """Yield the batches; what was kept for those that nobody asked for any more is let go."""
        try:
            self._send()
            while self.waiting or self._read_on():
                yield self.waiting.popleft()
        finally:
            for kept in self.kept:
                kept.close()

    def _send(self) -> None:
        while self.under_way < self.crew.workers.jobs + _MORE:
            if not self.unsent and not self._read_on():
                return
            if self.unsent:
                answers, unit = self.unsent.popleft()
                pieces = self.free.pop() if self.free else self.case.archive.folder / f"pieces-{self.under_way}"
                answers.append((pieces, self.crew.workers.begin(judge_unit, replace(unit, pieces=pieces))))
                self.under_way += 1

    def _read_on(self) -> bool:
        """Take the next batch up; say whether there was one, and room for it."""
        following = next(self.following, None) if len(self.waiting) < _MOST_WAITING else None
        if following is None:
            return False
        kept = ExitStack()
        units = units_of(self.case, self.crew, *following, kept) if self.wanted(self.case, following[0]) else []
        if units:
            self.kept.append(kept)
        else:
            kept.close()
        answers: deque[_Answer] = deque()
        self.unsent += ((answers, unit) for unit in units)
        cuts = tuple(0 if unit.share is None else unit.share.first for unit in units)
        given = Given(cuts, self._outcomes(answers, len(units), kept)) if units else None
        self.waiting.append((*following, given))
        return True

    def _outcomes(self, answers: deque[_Answer], number: int, kept: ExitStack) -> Generator[Outcome, None, None]:
        """Yield what came of each share; when all have answered, what was `kept` for them is let go."""
        try:
            for _ in range(number):
                self._send()
                yield answers[0][1]()
                self._is_free(answers.popleft()[0])
                self._send()
        finally:
            self.unsent = deque(one for one in self.unsent if one[0] is not answers)
            for pieces, answer in answers:
                answer()
                self._is_free(pieces)
            kept.close()
            self.kept.remove(kept)

    def _is_free(self, pieces: Path) -> None:
        self.under_way -= 1
        self.free.append(pieces)


def units_of(case: Case, crew: Crew, predicate: BatchPredicate, statement: Statement, kept: ExitStack) -> list[Unit]:
    """Return a batch as it is given away, nothing where it cannot be; `kept` has what must stay until it is judged."""
    opens = case.archive.unsealer is not None and case.archive.sealed(predicate.id) is not None
    if opens or case.options.wants("index"):
        return []
    subject = statement.subject[0]
    try:
        found = case.archive.content.candidates(subject.name, batches.stated_size(statement))
        shares = _shares(case, predicate, statement, kept) if is_divided(case, predicate) else [None]
    except (EvidenceError, WorldError):
        return []  # what is wrong is said where it is read
    cuts = [0 if share is None else share.first for share in shares]
    is_list = predicate.table == "items"
    parts = Shares([[] for _ in cuts], (0, 0)) if is_list else case.claims.shared_out(predicate.id, cuts, _MOST_PARTS)
    if parts is None:
        return []
    of_rows = not is_list and case.claims.of_rows(predicate.id)
    return [
        Unit(
            opener=crew.opener,
            folder=case.archive.folder,
            pieces=case.archive.folder,
            versions=tuple((one.key, one.version) for one in found),
            sha256=subject.digest.sha256,
            batch=batches.BatchWords.of(predicate),
            parts=tuple(within),
            of_rows=of_rows,
            beyond=parts.beyond,
            share=share,
        )
        for share, within in zip(shares, parts.within, strict=True)
    ]


def is_divided(case: Case, predicate: BatchPredicate) -> bool:
    """Say whether a batch is large, and better judged in shares than as a whole."""
    return predicate.raw_bytes >= _least(predicate) and (case.crew is None or case.crew.divides)


def _least(predicate: BatchPredicate) -> int:
    return DIVIDED_LIST if predicate.table == "items" else DIVIDED


def _shares(case: Case, predicate: BatchPredicate, statement: Statement, kept: ExitStack) -> list[Share | None]:
    """Read and hash the object of a batch, and divide its row groups; a copy that was made of it is `kept`."""
    with ExitStack() as opened:
        place, stream, scratch = opened.enter_context(case.archive.matching(statement))
        facts, metadata = facts_of(stream), batches.open_parquet(stream, predicate).metadata
        if scratch is not None:
            kept.push(opened.pop_all())
    shares, begin, first, rows, size = list[Share | None](), 0, 0, 0, 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows, size = rows + group.num_rows, size + group.total_byte_size
        if size >= _least(predicate) or number == metadata.num_row_groups - 1:
            shares.append(Share(range(begin, number + 1), first, facts, place, scratch))
            begin, first, rows, size = number + 1, first + rows, 0, 0
    return shares


def of_items(_case: Case, predicate: BatchPredicate) -> bool:
    """Say whether a batch is a list of items."""
    return predicate.table == "items"


def of_data(case: Case, predicate: BatchPredicate) -> bool:
    """Say whether a batch is one of data that is not left out."""
    return predicate.table != "items" and not is_left_out(case, predicate.id)


def is_left_out(case: Case, batch: str) -> bool:
    """Choose by the seed and the batch's name alone, so that a sample can be drawn again."""
    sample = case.options.sample
    if sample is None:
        return False
    draw = sha256(f"{case.options.seed}:{batch}".encode()).digest()
    return int.from_bytes(draw[:8], "big") >= sample / 100 * 2**64
