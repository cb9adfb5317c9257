"""What a log dialect is: one way of writing model logs, described as data.

A dialect maps paths of a JSON record to the index columns of `model_logs` and says how it is recognised. It is a small
file under `schemas/dialects/` (`dialect_file.py` reads it); no Python belongs to a dialect. What exactly the derived
values are, `dialect_reference.derive` says; `sources.dialects` computes the same, only faster.

A *carrier* (Docker, CRI, Kafka ...) holds another record as a text: its dialect derives one more value, `INNER`, which
`dialect_chain` hands to the next dialect. A text dialect reads a line by a regular expression with named groups, and is
from there on as if the line were a JSON object of these names.

Of a column's candidates the first that is present wins: its conditions hold, and its value exists and is not null.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archiver.model.json_path import Path

__all__ = [
    "CONTENT_STATUSES",
    "DERIVED_FIELDS",
    "INNER",
    "OPAQUE",
    "Candidate",
    "Column",
    "Condition",
    "ContentRule",
    "Dialect",
    "Kind",
    "LinePattern",
    "TimeCandidate",
    "ValueType",
]

DERIVED_FIELDS: Final[tuple[tuple[str, str], ...]] = (
    ("dialect", "string"),
    ("parse_status", "string"),
    ("parse_error", "string"),
    ("content_status", "string"),
    ("event_time", "timestamp_ns"),
    ("event_time_raw", "string"),
    ("event_time_unit", "string"),
    ("event_time_basis", "string"),
    ("request_id", "string"),
    ("trace_id", "string"),
    ("span_id", "string"),
    ("session_id", "string"),
    ("user_id", "string"),
    ("end_user_id", "string"),
    ("service_name", "string"),
    ("gen_ai_operation_name", "string"),
    ("gen_ai_provider_name", "string"),
    ("gen_ai_conversation_id", "string"),
    ("gen_ai_request_model", "string"),
    ("gen_ai_response_model", "string"),
    ("gen_ai_response_id", "string"),
    ("gen_ai_request_max_tokens", "int64"),
    ("gen_ai_request_temperature", "float64"),
    ("gen_ai_request_top_p", "float64"),
    ("gen_ai_request_stream", "bool"),
    ("gen_ai_response_finish_reasons", "string_list"),
    ("gen_ai_usage_input_tokens", "int64"),
    ("gen_ai_usage_output_tokens", "int64"),
    ("gen_ai_usage_reasoning_output_tokens", "int64"),
    ("gen_ai_usage_cache_read_input_tokens", "int64"),
    ("http_response_status_code", "int64"),
    ("error_type", "string"),
    ("error_message", "string"),
)
"""The columns of `model_logs` that a dialect derives, in order, each with its type in words."""

CONTENT_STATUSES: Final = ("full", "truncated", "redacted", "referenced", "absent", "encrypted", "fragment", "unknown")

OPAQUE: Final = "text.opaque"
"""The dialect of what no dialect reads."""

INNER: Final = "inner"
"""What a carrier derives besides: the record that it carries, as text. No column of the table."""


class ValueType(StrEnum):
    """How a value is taken over; what does not fit is null, with the reason in `parse_error`."""

    STRING = "string"
    IDENTIFIER = "identifier"
    """A string, or an integer of at most 64 digits as its digits."""
    INT64 = "int64"
    FLOAT64 = "float64"
    BOOL = "bool"
    STRING_LIST = "string_list"
    """The strings of an array, or of a `[*]` path; null and absent members are left out."""


class Kind(StrEnum):
    """What a JSON value is."""

    OBJECT = "object"
    ARRAY = "array"
    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"


@dataclass(frozen=True)
class Condition:
    """A value is there and not null (both None), is of a kind, is one of some strings, or is not there (`absent`)."""

    path: Path
    kind: Kind | None = None
    one_of: tuple[str, ...] | None = None
    absent: bool = False


@dataclass(frozen=True)
class Candidate:
    """A place where a column's value may stand; counts only where every condition holds.

    `constant`: whatever stands there, the column's value is this text, as only one maker writes the name at all.
    """

    path: Path
    when: tuple[Condition, ...] = ()
    constant: str | None = None


@dataclass(frozen=True)
class TimeCandidate:
    """A place where the time of the event may stand.

    `unit` is s, ms, us or ns since 1970, rfc3339, clf (as web servers log it), or any: a string is rfc3339, and of a
    number the magnitude tells the unit, where the four windows from 2001-09-09 to 2286-11-20 do not overlap.
    `naive_utc` says that the producer documents times without offset as UTC; without it such a time is null.
    """

    place: Candidate
    unit: str
    naive_utc: bool = False


@dataclass(frozen=True)
class Column:
    """Where a column's value stands and how it is taken over.

    `mismatch_absent`: the path is a guess at a common name, so a value of another JSON kind counts as absent.
    `empty_absent`: the producer writes "" for what it does not have, so an empty string counts as absent. `mapping`
    turns the values it names into others; any other string is then null, without a reason.
    """

    name: str
    type: ValueType
    candidates: tuple[Candidate, ...]
    mismatch_absent: bool = False
    mapping: tuple[tuple[str, str], ...] | None = None
    empty_absent: bool = False


@dataclass(frozen=True)
class ContentRule:
    """Where every condition holds, the record's content has this status."""

    when: tuple[Condition, ...]
    status: str


@dataclass(frozen=True)
class LinePattern:
    """How a line of text becomes an object: the regular expression that the whole line must match (RE2's language).

    Every group has a name and gives a string, one of `numbers` a number where its text is one in JSON. A group that
    matched nothing, or one of the texts `absent`, is absent.
    """

    expression: str
    numbers: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """One way of writing model logs; `is_read` False reads nothing out of a record.

    A carrier has the column `INNER`; where `needs_line_end`, a carried text without a line end is a piece of one.
    """

    id: str
    version: int
    title: str
    is_read: bool = True
    pattern: LinePattern | None = None
    needs_line_end: bool = False
    priority: int = 0
    recognise: tuple[tuple[Condition, ...], ...] = ()
    content: tuple[ContentRule, ...] = ()
    event_time: tuple[TimeCandidate, ...] = ()
    columns: tuple[Column, ...] = ()

    @property
    def is_carrier(self) -> bool:
        """Say whether records of this dialect carry records of another."""
        return any(column.name == INNER for column in self.columns)

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return name and type of what is derived, in order."""
        return (*DERIVED_FIELDS, (INNER, "string")) if self.is_carrier else DERIVED_FIELDS

    def paths(self) -> tuple[Path, ...]:
        """Return every path that the derivation reads, each once, in the order of first use."""
        candidates = [place for column in self.columns for place in column.candidates]
        candidates += [time.place for time in self.event_time]
        conditions = [condition for rule in self.content for condition in rule.when]
        conditions += [condition for candidate in candidates for condition in candidate.when]
        return tuple(dict.fromkeys([c.path for c in candidates] + [c.path for c in conditions]))
