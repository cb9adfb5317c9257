"""The lines of `items`: each read strictly, handed to whoever counts them, and what it claims entered.

Usual lines, of files that are one row each, come in runs (`judge.usual_runs`), which are counted and entered together;
every other line is read member by member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from archiver.errors import EvidenceError
from archiver.judge.case import Case
from archiver.judge.checks.marks import MarkedItems
from archiver.judge.usual_runs import Other, Run
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.items import ItemLine, Part
from archiver.model.selected import account_of
from archiver.model.statement_snapshot import BatchPredicate

__all__ = ["Files", "Lines", "OnLines"]

Files = Mapping[tuple[str, str, str], tuple[int, int]]
"""How many files, and of how many bytes together, by source, status and the batch in which their rows are."""


class OnLines(Protocol):
    """Hears of the lines of items."""

    def line(self, position: int, batch: BatchPredicate, line: ItemLine) -> None:
        """Take one line in."""
        ...

    def files(self, position: int, batch: BatchPredicate, files: Files) -> None:
        """Take many usual lines in, each of a file that is one row."""
        ...


class Lines:
    """Takes the lines of items batches in."""

    def __init__(self, case: Case, *on_lines: OnLines) -> None:
        """Begin before the first batch; the table of batches grows while they go by."""
        self._case = case
        self._on_lines = on_lines
        self._marked = MarkedItems(case)
        self._position = 0
        self._key = ""
        self._predicate: BatchPredicate | None = None
        self._unknown: dict[str, int] = {}
        self._last: tuple[tuple[str, int], tuple[str, int] | None] = (("", 0), None)

    def begin(self, position: int, predicate: BatchPredicate, key: str) -> None:
        """Begin a batch of lines."""
        self._position, self._predicate, self._key = position, predicate, key

    def take(self, lines: Iterable[Run | Other]) -> None:
        """Take the lines of some rows in, and enter what they claim."""
        files: dict[tuple[str, str, str], tuple[int, int]] = {}
        for one in lines:
            if isinstance(one, Other):
                self._take_any(f"{self._key} record {one.record}", one.raw, is_withheld=one.is_withheld)
                continue
            told = (one.told.source, one.told.status, one.told.batch)
            number, size = files.get(told, (0, 0))
            files[told] = (number + len(one.sizes), size + sum(one.sizes))
            self._take_run(one)
        if self._predicate is not None and files:
            for each in self._on_lines:
                each.files(self._position, self._predicate, files)

    def _take_any(self, subject: str, raw: bytes, *, is_withheld: bool) -> None:
        if is_withheld:
            self._case.say("item-sha256", subject, "a line", "bytes that are withheld", severity=Severity.UNKNOWN)
            self._unread()
            return
        try:
            line = ItemLine.parse(raw)
            account_of(line)
        except EvidenceError as problem:
            self._case.say("item-malformed", subject, "a line as published", problem.message)
            self._unread()
            return
        self._take_line(subject, line)

    def _take_run(self, run: Run) -> None:
        """Enter the claims of usual lines; what is wrong with the part of one is said as of every other line."""
        identity, table = run.told.batch, run.told.table
        batch = self._batch(identity)
        if batch is not None and batch[0] == table and max(run.firsts) < batch[1]:
            self._case.claims.add_rows(f"{self._key} record ", run)
            return
        for record, (row, text) in enumerate(zip(run.rows(), run.texts(), strict=True), run.record):
            subject = f"{self._key} record {record}"
            if self._parts_are_good(subject, table, (Part(identity, row[0], 1),)):
                self._case.claims.add_row(subject, text, (identity, *row))

    def finish(self) -> None:
        """Say which batches are named by lines and not in the log before them."""
        log, unread = self._case.archive.log, self._case.archive.table_of_statements.unread
        for batch, count in sorted(self._unknown.items()):
            may_be = log.is_unread or layout.statement_key("batch", batch) in unread  # its own finding says why
            severity = Severity.UNKNOWN if may_be else None
            expected = "a batch that the log has before the lines"
            self._case.say("item-parts", batch, expected, f"named by {count} lines", severity=severity)
        self._marked.finish()

    def _unread(self) -> None:
        if self._predicate is not None:
            self._case.unread.add(self._predicate.snapshot)

    def _take_line(self, subject: str, line: ItemLine) -> None:
        self._marked.take(line)
        if self._predicate is not None:
            for one in self._on_lines:
                one.line(self._position, self._predicate, line)
        if line.parts and self._parts_are_good(subject, line.table, line.parts):
            self._case.claims.add(subject, line)

    def _batch(self, identity: str) -> tuple[str, int] | None:
        """Return table and records of a batch that the log has before these lines; the last one is remembered."""
        if self._last[0] != (identity, self._position):
            row = self._case.archive.database.execute(
                "SELECT tbl, records FROM batches WHERE id = ? AND position < ?", (identity, self._position)
            ).fetchone()
            self._last = ((identity, self._position), row)
        return self._last[1]

    def _parts_are_good(self, subject: str, table: str | None, parts: Iterable[Part]) -> bool:
        good = True
        for part in parts:
            row = self._batch(part.batch)
            if row is None:
                self._unknown[part.batch] = self._unknown.get(part.batch, 0) + 1
                good = False
            elif row[0] != table:
                self._case.say("item-parts", subject, f"rows of the table {table}", f"{part.batch} of {row[0]}")
                good = False
            elif part.first + part.count > row[1]:
                actual = f"rows {part.first} to {part.first + part.count - 1}"
                self._case.say("item-parts", subject, f"rows below {row[1]} of {part.batch}", actual)
                good = False
        return good
