r"""Which records of a log a rule keeps, and why each of them is kept or passed over.

The laws (`model.record_rule` has the rule):

1. What cannot be judged is kept: a record without terminator at the end of a log (it may go on), a piece of a record
   that is cut over rows, one whose columns could not be derived or are null, one that is no text, and, for keywords,
   one whose content is not in it (truncated, redacted, referenced, encrypted).
2. The verdict on a record depends on its bytes, the path, the rule and the dialect alone, so that the same log under
   the same rule gives the same records.
3. The path counts for `keywords`: where a pattern is found in it, every record meets that condition.

>>> selector = RecordSelector(rule, logs, path="gateway/a.jsonl")
>>> selector.verdicts("xai.chat", [b'{"model":"grok-4"}\n'])
[Verdict(keep=True, unjudged=None, passed_by=None)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from archiver.late import dataclass
from archiver.model.leaf import LOG_ROW
from archiver.model.record_rule import EVENT_TIME, KEYWORDS, RecordRule
from archiver.model.regular import any_of, glob_pattern, matching
from archiver.model.selected import Account, Amount
from archiver.sources.reading_logs import LogReader
from archiver.sources.record_text import found_in

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KEPT", "RecordSelector", "Tallied", "Verdict", "meets"]

_NOT_WHOLE: Final = frozenset({"truncated", "redacted", "referenced", "encrypted", "fragment"})
"""States of a record's content in which a keyword may be in what is not there."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Verdict:
    """Whether a record is kept; the reason it could not be judged, or the rule and the reason that passed it over."""

    keep: bool
    unjudged: str | None = None
    passed_by: tuple[str, str] | None = None


KEPT: Final = Verdict(keep=True)

_Condition = Callable[["_Rows", list[int]], list[Verdict | None]]
"""What one condition says of the rows at some places: None where the next one is to be asked."""


class RecordSelector:
    """Judges the records of one log, in their order."""

    def __init__(self, rule: RecordRule, logs: LogReader, *, path: str) -> None:
        """Bind to a rule and the path of a log, as its item spells it."""
        self._rule = rule
        self._logs = logs
        self._places = {name: place for place, name in enumerate(logs.columns())}
        self._globs = [(column, any_of([glob_pattern(glob) for glob in globs])) for column, globs in rule.where]
        self._keywords = any_of(rule.keywords)
        self._in_path = bool(rule.keywords) and matching(self._keywords, [path])[0]
        self._inside = False  # the row before was only the beginning of a record

    def verdicts(self, dialect: str, rows: Sequence[bytes]) -> list[Verdict]:
        """Judge rows as they were cut from the log."""
        import pyarrow as pa  # noqa: PLC0415 - loaded when a log is selected from

        pieces = []
        for row in rows:
            pieces.append(self._inside or len(row) == LOG_ROW)
            self._inside = len(row) == LOG_ROW
        raw = pa.array(rows, pa.large_binary())
        seen = _Rows(rows, pieces, self._logs.project(dialect, raw, pieces), self._places)
        found: list[Verdict | None] = [seen.as_it_stands(place) for place in range(len(rows))]
        for condition in self._conditions():
            open_ones = [place for place, verdict in enumerate(found) if verdict is None]
            for place, verdict in zip(open_ones, condition(seen, open_ones), strict=True):
                found[place] = verdict
        return [verdict or KEPT for verdict in found]

    def _conditions(self) -> Iterator[_Condition]:
        """Yield the conditions in the order in which they are asked."""
        if self._globs or self._rule.event_from or self._rule.event_until:
            yield _parsed
        for column, pattern in self._globs:
            yield _Where(column, pattern)
        if self._rule.event_from or self._rule.event_until:
            yield self._in_window
        if self._rule.keywords and not self._in_path:
            yield self._has_keyword

    def _in_window(self, seen: _Rows, places: list[int]) -> list[Verdict | None]:
        times = seen.column("event_time").cast("int64").to_pylist()
        begin, end = _nanoseconds(self._rule.event_from), _nanoseconds(self._rule.event_until)
        answers: list[Verdict | None] = []
        for place in places:
            time = times[place]
            if time is None:
                answers.append(Verdict(keep=True, unjudged="no-event-time"))
            elif (begin is not None and time < begin) or (end is not None and time >= end):
                answers.append(Verdict(keep=False, passed_by=(EVENT_TIME, "outside the window")))
            else:
                answers.append(None)
        return answers

    def _has_keyword(self, seen: _Rows, places: list[int]) -> list[Verdict | None]:
        statuses, contents = seen.column("parse_status").to_pylist(), seen.column("content_status").to_pylist()
        answers: list[Verdict | None] = []
        found = found_in(self._keywords, [seen.rows[place] for place in places])
        for place, is_found in zip(places, found, strict=True):
            if is_found:
                answers.append(None)
            elif is_found is None:
                answers.append(Verdict(keep=True, unjudged="not-text"))
            elif statuses[place] == "failed":
                answers.append(Verdict(keep=True, unjudged="parse-failed"))
            elif contents[place] in _NOT_WHOLE:
                answers.append(Verdict(keep=True, unjudged=f"content-{contents[place]}"))
            else:
                answers.append(Verdict(keep=False, passed_by=(KEYWORDS, "no pattern found")))
        return answers


class _Rows:
    """Some rows and what the dialect reads in them."""

    def __init__(
        self, rows: Sequence[bytes], pieces: list[bool], columns: list[pa.Array], places: dict[str, int]
    ) -> None:
        self.rows = rows
        self._pieces = pieces
        self._columns = columns
        self._places = places
        self._contents = self.column("content_status").to_pylist()

    def column(self, name: str) -> pa.Array:
        """Return a derived column."""
        return self._columns[self._places[name]]

    def as_it_stands(self, place: int) -> Verdict | None:
        """Keep what is only a part of a record, or may become one."""
        if self._pieces[place] or self._contents[place] == "fragment":
            return Verdict(keep=True, unjudged="fragment")
        return None if self.rows[place].endswith(b"\n") else Verdict(keep=True, unjudged="unterminated")


@dataclass(frozen=True)
class _Where:
    """One column has one of some values."""

    column: str
    pattern: str

    def __call__(self, seen: _Rows, places: list[int]) -> list[Verdict | None]:
        values = [_texts(value) for value in seen.column(self.column).take(_indices(places)).to_pylist()]
        there = [text for texts in values for text in texts]
        answers = iter(matching(self.pattern, there))
        return [self._verdict([next(answers) for _ in texts]) for texts in values]

    def _verdict(self, answers: list[bool]) -> Verdict | None:
        if not answers:
            return Verdict(keep=True, unjudged=f"no-{self.column.replace('_', '-')}")
        return None if any(answers) else Verdict(keep=False, passed_by=(f"where {self.column}", "another value"))


def _parsed(seen: _Rows, places: list[int]) -> list[Verdict | None]:
    """Keep what was not read to its end, and what holds several events, of which the columns show the first alone."""
    statuses, events = seen.column("parse_status").to_pylist(), seen.column("event_count").to_pylist()
    answers: list[Verdict | None] = []
    for place in places:
        if statuses[place] != "ok":
            answers.append(Verdict(keep=True, unjudged=f"parse-{statuses[place]}"))
        else:
            answers.append(Verdict(keep=True, unjudged="several-events") if (events[place] or 1) > 1 else None)
    return answers


def _texts(value: object) -> list[str]:
    """Return the values of a cell, spelled as JSON does; none of a null."""
    if value is None:
        return []
    if isinstance(value, list):
        return [str(one) for one in value if one is not None]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def _indices(places: list[int]) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.array(places, pa.int64())


def _nanoseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def meets(where: Iterable[tuple[str, tuple[str, ...]]], row: Mapping[str, object]) -> bool:
    """Say whether the derived columns of one event meet all conditions; a null meets none."""
    return all(
        any(matching(any_of([glob_pattern(glob) for glob in globs]), _texts(row.get(column))))
        for column, globs in where
    )


class Tallied:
    """Counts verdicts, for the account of a log."""

    def __init__(self) -> None:
        """Begin with no records."""
        self.all = Amount()
        self._kept = Amount()
        self._unjudged: dict[str, Amount] = {}
        self._passed_over: dict[tuple[str, str], Amount] = {}

    def add(self, rows: Iterable[bytes], verdicts: Iterable[Verdict]) -> None:
        """Count some rows."""
        for row, verdict in zip(rows, verdicts, strict=True):
            one = Amount(1, len(row))
            self.all += one
            if verdict.keep:
                self._kept += one
            if verdict.unjudged is not None:
                self._unjudged[verdict.unjudged] = self._unjudged.get(verdict.unjudged, Amount()) + one
            if verdict.passed_by is not None:
                self._passed_over[verdict.passed_by] = self._passed_over.get(verdict.passed_by, Amount()) + one

    def account(self, select: str) -> Account:
        """Return the account under a rule."""
        return Account(select, self.all.records, self.all.bytes, self._kept, self._unjudged, self._passed_over)
