r"""Marking records of a log by what its dialect reads in them: columns, or verdicts of moderation.

A rule finds records; the item that has them gets the mark, and how many they are. With a quarantine the bytes of these
records alone are withheld. Every event of a record counts, not the first alone.

Laws: who writes rows asks here, whatever brought them (a log, a pipe, a query, a member, a selection), so none is
passed by. What cannot be judged is not marked; but a piece of a record, and what has no end yet and cannot be read, may
be of one that will be, so under a quarantine it is withheld, too.

>>> marks = RecordMarks(rules, LogReader())
>>> marks.begin(item, "openai.moderation")
>>> marks.take([b'{"results":[...]}\n'])
[True]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from archiver.model.item import Item
from archiver.model.leaf import LOG_ROW
from archiver.model.mark import Mark, Rule, merged
from archiver.model.record_lists import flagged_in
from archiver.model.record_rule import RecordRule
from archiver.model.regular import any_of, glob_pattern, matching
from archiver.sources.reading_logs import LogReader, first_lines
from archiver.sources.rows import rows_of
from archiver.sources.select_records import RecordSelector, Verdict, meets

__all__ = ["RecordMarks"]

_HEAD = 65_536  # bytes that tell the dialect


class RecordMarks:
    """Judges the records of one source, item by item."""

    def __init__(self, rules: Sequence[Rule], logs: LogReader, dialect: str) -> None:
        """Bind to the rules of a source that ask for what is in records, and to its dialect as the policy names it."""
        self._rules = rules
        self._logs = logs
        self._recognise = logs.recogniser(dialect)
        self.names = frozenset(rule.by for rule in rules)
        """What the marks of these rules say they are by."""
        self._item = ""
        self._judges: list[_Judge] = []

    def begin(self, item: Item, dialect: str | None, before: Iterable[Mark] = ()) -> None:
        """Begin an item; `before` are the marks of an earlier reading whose rows are not read again."""
        known = {mark.by: mark.records or 0 for mark in before}
        self._item = item.text()
        self._judges = [_Judge(rule, self._logs, item, dialect or "", known.get(rule.by, 0)) for rule in self._rules]

    def take(self, rows: Sequence[bytes]) -> list[bool]:
        """Judge the next rows of the item; say of each whether its bytes are to be withheld."""
        withheld = [False] * len(rows)
        for judge in self._judges:
            found = judge.take(rows)
            withheld = [one or other for one, other in zip(withheld, found, strict=True)]
        return withheld

    def of(self, item: Item) -> tuple[Mark, ...]:
        """Return the marks of the item that was begun last; none of another."""
        return merged(judge.mark() for judge in self._judges if judge.records) if item.text() == self._item else ()

    def inside(self, item: Item, blocks: Iterable[bytes]) -> tuple[str, tuple[Mark, ...]]:
        """Read a whole log, of which nothing is stored; return its SHA-256 and its marks, without their counts."""
        digest, pieces = sha256(), iter(blocks)
        head = list(itertools.islice(pieces, 1))
        dialect = self._recognise(first_lines(b"".join(head)[:_HEAD]))
        self.begin(item, dialect)

        def hashed() -> Iterable[bytes]:
            for block in itertools.chain(head, pieces):
                digest.update(block)
                yield block

        for rows in rows_of("model_logs", dialect, hashed()):
            self.take(rows)
        return digest.hexdigest(), tuple(replace(mark, records=None) for mark in self.of(item))


class _Judge:
    """One rule on the records of one item."""

    def __init__(self, rule: Rule, logs: LogReader, item: Item, dialect: str, before: int) -> None:
        self._rule = rule
        self._logs = logs
        self._dialect = dialect
        self._selector = RecordSelector(RecordRule(where=rule.where), logs, path=item.path) if rule.where else None
        self._names = any_of([glob_pattern(glob) for glob in rule.moderation])
        chain = logs.chain(dialect) or ()
        self._has_verdicts = any(step.lists is not None and step.lists.moderation for step in chain)
        # A flag is the word true of JSON, which no escape can spell; in a text that is carried one can.
        self._flag = b"true" if len(chain) == 1 else b""
        self._inside = False  # the row before was only the beginning of a record
        self.records = before

    def mark(self) -> Mark:
        rule = self._rule
        return Mark(rule.mark, rule.by, rule.reason, rule.handling, self.records)

    def take(self, rows: Sequence[bytes]) -> list[bool]:
        pieces = []
        for row in rows:
            pieces.append(self._inside or len(row) == LOG_ROW)
            self._inside = len(row) == LOG_ROW
        # What has no end yet is judged as if it had: it is stored now, and can never be taken back.
        whole = [row if row.endswith(b"\n") or piece else row + b"\n" for row, piece in zip(rows, pieces, strict=True)]
        found = self._found(whole, pieces)
        self.records += found.count(True)
        if self._rule.handling != "quarantine":
            return [False] * len(rows)
        unread = [
            one is None and (piece or not row.endswith(b"\n"))
            for one, piece, row in zip(found, pieces, rows, strict=True)
        ]
        return [one is True or other for one, other in zip(found, unread, strict=True)]

    def _found(self, rows: Sequence[bytes], pieces: Sequence[bool]) -> list[bool | None]:
        """Say which rows meet the rule; None of one that could not be read."""
        if self._selector is not None:
            verdicts = self._selector.verdicts(self._dialect, rows)
            return [self._by_columns(row, one) for row, one in zip(rows, verdicts, strict=True)]
        if not self._has_verdicts:
            return [False] * len(rows)
        return [None if piece else self._is_flagged(row) for row, piece in zip(rows, pieces, strict=True)]

    def _by_columns(self, row: bytes, verdict: Verdict) -> bool | None:
        if verdict.unjudged is None:
            return verdict.keep
        if verdict.unjudged == "several-events":
            return any(meets(self._rule.where, event.row) for event in self._logs.events(self._dialect, row))
        return None if verdict.unjudged == "fragment" or verdict.unjudged.startswith("parse-") else False

    def _is_flagged(self, row: bytes) -> bool | None:
        is_read = False
        if row.endswith(b"}\n") and self._flag not in row:
            return False
        for event in self._logs.events(self._dialect, row):
            is_read = is_read or any(step.record is not None for step in event.steps)
            for verdict in flagged_in(event):
                if any(matching(self._names, verdict)):
                    return True
        return False if is_read else None
