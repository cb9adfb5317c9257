"""Check 7: every row of every batch, every item along its parts, and the index when it is asked for.

    1  the batches of `items`: their own rows, every line, and what the lines claim
    2  the data batches, each read once: schema, order, leaves, root, counts, and the claims that have rows in them
    3  claims whose parts do not come in log order, part by part

Lines go on to the checks of locks and completeness through `on_lines`. A batch that cannot be read leaves the items in
it unknown; that is said once for the batch.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from operator import attrgetter
from typing import Final

import pyarrow.parquet as pq

from archiver.errors import EvidenceError, WorldError
from archiver.events import Advanced, Stage
from archiver.judge import batches
from archiver.judge.batch_claims import BatchClaims, Decided, Part, Verdict
from archiver.judge.batch_error import BatchError
from archiver.judge.batches import Rows
from archiver.judge.case import Case
from archiver.judge.checks.index import check_index
from archiver.judge.checks.lines import Lines, OnLines
from archiver.judge.checks.objects import check_others, presume
from archiver.judge.checks.side_by_side import Given, begun, is_left_out, of_data, of_items
from archiver.judge.rows import RowJudge, Slice, Sums
from archiver.judge.scratch import make_tables
from archiver.judge.unit import Outcome, Piece, pieces
from archiver.judge.usual_runs import runs_of
from archiver.late import dataclass
from archiver.model.finding import Severity
from archiver.model.statement import Statement
from archiver.model.statement_snapshot import BatchPredicate

__all__ = ["check_data", "check_items", "check_odd"]

_EXAMPLES: Final = 5
_LONGEST: Final = 160  # characters of an example; a path may have thousands
_SCHEMA: Final = """
CREATE TABLE batches(id TEXT PRIMARY KEY, position INTEGER NOT NULL, tbl TEXT NOT NULL, records INTEGER NOT NULL)
"""


def check_items(case: Case, *on_lines: OnLines) -> None:
    """Read all batches of `items`; say what is wrong with them and collect what they claim."""
    make_tables(case.archive.database, _SCHEMA)
    case.listener(Stage("check the lists of items", None, "batches"))
    lines = Lines(case, *on_lines)
    ends: dict[str, int] = {}
    positions = (position for position, _ in case.archive.table_of_statements.ids("batch"))
    for position, (predicate, statement, given) in zip(positions, begun(case, of_items), strict=True):
        case.archive.database.execute(
            "INSERT INTO batches VALUES(?, ?, ?, ?)", (predicate.id, position, predicate.table, predicate.records)
        )
        if predicate.table == "items":
            lines.begin(position, predicate, statement.subject[0].name)
            sums = _read_list(case, statement, lines) if given is None else _take_in(case, statement, given, lines)
            if sums is None:
                case.unread.add(predicate.snapshot)
            else:
                _check_running(case, statement, sums, ends)
            case.listener(Advanced())
    lines.finish()


def check_data(case: Case) -> None:
    """Read all data batches that are not left out."""
    case.listener(Stage("check the records", case.archive.table_of_statements.count("batch"), "batches"))
    for predicate, statement, given in begun(case, of_data):
        case.listener(Advanced())
        if predicate.table == "items":
            continue
        if is_left_out(case, predicate.id):
            case.skipped_batches.add(predicate.id)
            case.claims.give_up(predicate.id, "left out")
            presume(case, statement)
        elif (_read_here(case, statement) if given is None else _take_in(case, statement, given)) is None:
            _give_up(case, predicate, statement)


def _read_list(case: Case, statement: Statement, lines: Lines) -> Sums | None:
    """Read a list of items in this process; None when it could not be read to its end."""
    return _read(case, statement, lambda rows: lines.take(runs_of(rows)))


def _read_here(case: Case, statement: Statement) -> Sums | None:
    """Read a batch of data in this process; None when it could not be read to its end."""
    identity = batches.predicate_of(statement).id
    reading = case.claims.reading(identity)
    return _read(case, statement, lambda rows: _decide(case, identity, rows, reading.take(rows)))


def _take_in(case: Case, statement: Statement, given: Given, lines: Lines | None = None) -> Sums | None:
    """Take in what other processes made of a batch, as if it had been read here."""
    predicate, subject = batches.predicate_of(statement), statement.subject[0]
    case.subjects["objects"] += 1
    case.texts.clear()
    taking = _Taking(case, predicate, case.claims.reading(predicate.id, given.cuts), Sums(predicate.table), lines)
    with closing(given.outcomes) as outcomes:
        for number, outcome in enumerate(outcomes):
            if outcome.version is not None:
                size = batches.stated_size(statement)
                case.archive.content.take(case.archive.content.candidates(subject.name, size)[outcome.version])
            if outcome.opened and number == 0 and not batches.is_published(predicate):
                _say_unknown_table(case, subject.name, predicate)
            problem = taking.take(outcome)
            if problem is not None:
                case.say_object(subject.name, problem)
                return None
    _check_end(case, statement, taking.sums)
    return taking.sums


@dataclass(frozen=True)
class _Taking:
    """A batch while what came of its rows is taken in."""

    case: Case
    predicate: BatchPredicate
    reading: BatchClaims
    sums: Sums
    lines: Lines | None

    def take(self, outcome: Outcome) -> EvidenceError | WorldError | None:
        """Take in what came of the next rows, up to what is wrong with them."""
        try:
            for piece in pieces(outcome):
                self._take_piece(piece)
        except EvidenceError as problem:
            return problem
        finally:
            self.case.claims.wait()  # the file of the pieces is used again
        return outcome.problem

    def _take_piece(self, piece: Piece) -> None:
        self.sums.add(piece.judged)
        _count(self.case, self.predicate.id, piece.judged, piece.rows)
        if self.lines is not None:
            self.lines.take(piece.lines)
            return
        beyond = self.reading.take(piece.rows) if piece.rows is not None and piece.is_beyond else ()
        _decide(self.case, self.predicate.id, piece.rows, heapq.merge(piece.decided, beyond, key=attrgetter("order")))


def _count(case: Case, batch: str, judged: Slice, rows: Rows | None) -> None:
    if rows is not None:
        case.withheld.take(batch, rows)
    case.texts.add(judged.new_items)
    case.subjects["records"] += judged.records


def _decide(case: Case, batch: str, rows: Rows | None, decided: Iterable[Decided]) -> None:
    good, verdicts = case.claims.decide(batch, rows, decided)
    case.subjects["items"] += good
    for verdict in verdicts:
        _say_verdict(case, verdict)


def check_odd(case: Case) -> None:
    """Check claims by themselves that no single pass could decide."""
    for alone, parts in case.claims.odd():
        try:
            with ExitStack() as stack:
                opened: dict[str, pq.ParquetFile] = {}
                for part in parts:
                    for rows in _rows_of(case, part, opened, stack):
                        alone.take(rows, part)
            _say_verdict(case, alone.finish())
        except (EvidenceError, WorldError):
            continue  # what is wrong with the batch was said when it was read
    case.withheld.finish()


def _rows_of(case: Case, part: Part, opened: dict[str, pq.ParquetFile], stack: ExitStack) -> Iterator[Rows]:
    if part.batch not in opened:
        found = case.archive.statement("batch", part.batch)
        if found is None:
            raise BatchError("item-parts", f"the batch {part.batch}", "none")
        stream = stack.enter_context(case.archive.batch(found[1]))
        opened[part.batch] = batches.open_parquet(stream, batches.predicate_of(found[1]))
    for rows in case.archive.rows(opened[part.batch], part.batch):
        if rows.first < part.first + part.count and rows.first + len(rows.lengths) > part.first:
            yield rows


def _read(case: Case, statement: Statement, consume: Callable[[Rows], None]) -> Sums | None:
    """Read one batch; None when it could not be read to its end. `consume` sees only rows that passed."""
    predicate, subject = batches.predicate_of(statement), statement.subject[0]
    case.subjects["objects"] += 1
    judge = None
    try:
        with case.archive.batch(statement) as stream:
            file = batches.open_parquet(stream, predicate)
            if not batches.is_published(predicate):
                _say_unknown_table(case, subject.name, predicate)
            judge = RowJudge(predicate, batches.salt_of(file))
            _read_rows(case, file, judge, predicate.id, consume)
            if case.options.wants("index"):
                check_index(case, file, predicate, subject.name)
    except (EvidenceError, WorldError) as problem:
        case.say_object(subject.name, problem)
        return None
    _check_end(case, statement, judge)
    return judge


def _check_end(case: Case, statement: Statement, sums: Sums) -> None:
    """Make the checks that a batch wants when all its rows have gone by."""
    predicate, key = batches.predicate_of(statement), statement.subject[0].name
    check_others(case, statement)
    case.withheld.end(predicate.id, key)
    root = sums.root().hex()
    if root != predicate.merkle_root:
        case.say("record-root", key, f"the signed root {predicate.merkle_root}", root)
    if sums.raw_bytes != predicate.raw_bytes:
        case.say("statement-number", key, f"{predicate.raw_bytes} raw bytes", str(sums.raw_bytes))
    texts = case.texts.count()
    if texts != predicate.items:
        case.say("statement-number", key, f"rows of {predicate.items} items", f"of {texts}")


def _say_unknown_table(case: Case, key: str, predicate: BatchPredicate) -> None:
    name = f"{predicate.table} version {predicate.table_version}"
    hint = "its rows and root are checked; verify with a later version of the program"
    case.say("record-schema", key, "a table that this version knows", name, hint=hint, severity=Severity.UNKNOWN)


def _read_rows(case: Case, file: pq.ParquetFile, judge: RowJudge, batch: str, consume: Callable[[Rows], None]) -> None:
    """Take all rows in."""
    case.texts.clear()
    for rows in case.archive.rows(file, batch):
        _count(case, batch, judge.take(rows), rows)
        consume(rows)


def _check_running(case: Case, statement: Statement, sums: Sums, ends: dict[str, int]) -> None:
    """Check that the offsets of items run on from batch to batch of a snapshot."""
    predicate = batches.predicate_of(statement)
    expected = 0 if predicate.number == 0 else ends.get(predicate.snapshot)
    if expected is not None and sums.first_offset != expected:
        case.say(
            "item-parts", statement.subject[0].name, f"offset {expected} in record 0", f"offset {sums.first_offset}"
        )
    ends[predicate.snapshot] = sums.end_offset


def _give_up(case: Case, predicate: BatchPredicate, statement: Statement) -> None:
    if statement.subject[0].name in case.disposed:
        case.claims.give_up(predicate.id, "disposed", 0)
        return
    count, examples = case.claims.give_up(predicate.id, "unreadable", _EXAMPLES)
    if count:
        named = ", ".join(one if len(one) <= _LONGEST else f"{one[:_LONGEST]}..." for one in examples)
        case.say(
            "item-sha256",
            statement.subject[0].name,
            f"{count} items with rows in this batch to be checked",
            f"the batch could not be checked; among them {named}",
            severity=Severity.UNKNOWN,
        )


def _say_verdict(case: Case, verdict: Verdict) -> None:
    case.subjects["items"] += 1
    if verdict.code is None:
        return
    subject = f"{verdict.place}, item {verdict.item}"
    if verdict.code == "withheld" and case.withheld.are_sealed(case.claims.batches_of(verdict)):
        case.withheld.items += verdict.actual != verdict.expected
    elif verdict.code == "withheld":
        case.say("item-sha256", subject, verdict.expected, "bytes that are withheld", severity=Severity.UNKNOWN)
    else:
        case.say(verdict.code, subject, verdict.expected, verdict.actual)
