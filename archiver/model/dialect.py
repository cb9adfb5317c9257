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

from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from archiver.late import dataclass
from archiver.model.csv_table import CsvTable, escaped
from archiver.model.json_path import Keyed, Path, Step

if TYPE_CHECKING:
    from archiver.model.dialect_lists import Lists

__all__ = [
    "CONTENT_STATUSES",
    "DERIVED_FIELDS",
    "EVENT_COUNT",
    "FIELDS",
    "INNER",
    "KINDS_OF",
    "OPAQUE",
    "Candidate",
    "Column",
    "Condition",
    "ContentRule",
    "Dialect",
    "Fields",
    "Kind",
    "LinePattern",
    "TimeCandidate",
    "ValueType",
]

Fields = tuple[tuple[str, str], ...]

_FIRST_FIELDS: Final[Fields] = (
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
_SECOND_FIELDS: Final[Fields] = (
    ("event_count", "int64"),
    ("parent_span_id", "string"),
    ("previous_response_id", "string"),
    ("org_id", "string"),
    ("api_key_hash", "string"),
    ("client_address", "string"),
    ("user_agent", "string"),
    ("host_name", "string"),
    ("log_iostream", "string"),
    ("log_tag", "string"),
    ("log_group", "string"),
    ("log_stream", "string"),
    ("k8s_namespace", "string"),
    ("k8s_pod", "string"),
    ("k8s_pod_uid", "string"),
    ("k8s_container", "string"),
    ("k8s_container_id", "string"),
    ("k8s_node", "string"),
    ("kafka_topic", "string"),
    ("kafka_partition", "int64"),
    ("kafka_offset", "int64"),
    ("kafka_key", "string"),
    ("gen_ai_output_type", "string"),
    ("gen_ai_request_choice_count", "int64"),
    ("gen_ai_request_top_k", "float64"),
    ("gen_ai_request_frequency_penalty", "float64"),
    ("gen_ai_request_presence_penalty", "float64"),
    ("gen_ai_request_seed", "int64"),
    ("gen_ai_request_stop_sequences", "string_list"),
    ("gen_ai_usage_cache_creation_input_tokens", "int64"),
    ("openai_response_system_fingerprint", "string"),
    ("openai_response_service_tier", "string"),
    ("http_request_method", "string"),
    ("http_request_target", "string"),
    ("request_body_size", "int64"),
    ("response_body_size", "int64"),
    ("cost_usd", "decimal"),
    ("moderation_flagged", "bool"),
    ("media_uri", "string"),
    ("media_respects_moderation", "bool"),
)

FIELDS: Final[dict[int, Fields]] = {1: _FIRST_FIELDS, 2: _FIRST_FIELDS + _SECOND_FIELDS}
"""What a dialect derives for each version of the table `model_logs`, in order, each with its type in words."""

DERIVED_FIELDS: Final = FIELDS[max(FIELDS)]
"""What is derived for the version that is written today."""

EVENT_COUNT: Final = "event_count"
"""How many events a record of several holds; its other columns are those of the first."""

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
    DECIMAL = "decimal"
    """Exactly what the number says, of at most 14 digits before the point and 24 behind it."""
    STRING_LIST = "string_list"
    """The strings of an array, or of a `[*]` path; null and absent members are left out."""


class Kind(StrEnum):
    """What a JSON value is."""

    OBJECT = "object"
    ARRAY = "array"
    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"


KINDS_OF: Final = {
    ValueType.STRING: (Kind.STRING,),
    ValueType.IDENTIFIER: (Kind.STRING, Kind.NUMBER),
    ValueType.INT64: (Kind.NUMBER,),
    ValueType.FLOAT64: (Kind.NUMBER,),
    ValueType.DECIMAL: (Kind.NUMBER,),
    ValueType.BOOL: (Kind.BOOL,),
    ValueType.STRING_LIST: (Kind.ARRAY,),
}
"""Which kinds of values a column's type takes over; any other is a mismatch."""


@dataclass(frozen=True)
class Condition:
    """A value is there and not null (all None), is of a kind, is one of some strings, or is not there (`absent`).

    With `none_of` it is there and is none of these strings.
    """

    path: Path
    kind: Kind | None = None
    one_of: tuple[str, ...] | None = None
    absent: bool = False
    none_of: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Candidate:
    """A place where a column's value may stand; counts only where every condition holds.

    `constant`: whatever stands there, the column's value is this text, as only one maker writes the name at all.
    `exponent`: what stands there counts units of this power of ten (a decimal's alone).
    """

    path: Path
    when: tuple[Condition, ...] = ()
    constant: str | None = None
    exponent: int = 0


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
    `empty_absent`: the producer writes "" for what it does not have, so an empty string counts as absent.
    `text_numbers`: the producer writes numbers as strings, so a string that spells a JSON number is that. `mapping`
    turns the values it names into others; any other string is then null, without a reason.
    """

    name: str
    type: ValueType
    candidates: tuple[Candidate, ...]
    mismatch_absent: bool = False
    mapping: tuple[tuple[str, str], ...] | None = None
    empty_absent: bool = False
    text_numbers: bool = False


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
    `events`: the arrays, each in a member of the one before, whose last holds the events of a record; what is derived
    is the first event's. `table_version`: for which version of the table. `lists`: what `record_lists` reads besides.
    """

    id: str
    version: int
    title: str
    is_read: bool = True
    pattern: LinePattern | CsvTable | None = None
    needs_line_end: bool = False
    priority: int = 0
    recognise: tuple[tuple[Condition, ...], ...] = ()
    content: tuple[ContentRule, ...] = ()
    event_time: tuple[TimeCandidate, ...] = ()
    columns: tuple[Column, ...] = ()
    events: tuple[Path, ...] = ()
    table_version: int = max(FIELDS)
    lists: Lists | None = field(default=None, hash=False)

    def at(self, version: int) -> Dialect:
        """Return the dialect as it derives the columns of a version of the table: without those that came later."""
        names = {name for name, _ in FIELDS[version]} | {INNER}
        return replace(
            self, table_version=version, columns=tuple(column for column in self.columns if column.name in names)
        )

    def reading_texts(self) -> Dialect:
        """Return the dialect as it reads records in which every value is a text, as a cell of CSV is."""
        numbers = {ValueType.INT64, ValueType.FLOAT64, ValueType.DECIMAL}
        columns = (replace(column, text_numbers=column.type in numbers) for column in self.columns)
        return replace(self, columns=tuple(columns))

    @property
    def spelled(self) -> str:
        """Return how the dialect is named in a row: its id, of CSV also the header."""
        if not isinstance(self.pattern, CsvTable) or not self.pattern.header:
            return self.id
        return f"{self.id}[{escaped(self.pattern.header)}]"

    @property
    def is_carrier(self) -> bool:
        """Say whether records of this dialect carry records of another."""
        return any(column.name == INNER for column in self.columns)

    @property
    def fields(self) -> Fields:
        """Return name and type of what is derived, in order."""
        fields = FIELDS[self.table_version]
        return (*fields, (INNER, "string")) if self.is_carrier else fields

    @cached_property
    def nothing(self) -> dict[str, None]:
        """What is derived of nothing, by its names in order; take a copy."""
        return dict.fromkeys(name for name, _ in self.fields)

    @cached_property
    def reading(self) -> tuple[tuple[str, Column | None], ...]:
        """The columns that are read, in the order in which they are derived; None is the number of events."""
        columns = {column.name: column for column in self.columns}
        names = [name for name, _ in self.fields]
        return tuple((name, columns.get(name)) for name in names if name in columns or name == EVENT_COUNT)

    @cached_property
    def is_plain(self) -> bool:
        """Say whether any JSON reader walks the paths: no lists of keys and values, no events in arrays of arrays.

        Nor times as web servers log them, which no database reads.
        """
        is_clf = any(time.unit == "clf" for time in self.event_time)
        return len(self.events) < 2 and not self.has_pairs and not is_clf  # noqa: PLR2004 - one array

    @cached_property
    def ways_through(self) -> frozenset[tuple[Step, ...]]:
        """Return the steps to every object and array that a path goes through."""
        return frozenset(path.steps[:at] for path in self.paths() for at in range(len(path.steps)))

    @cached_property
    def ways_of_arrays(self) -> frozenset[tuple[Step, ...]]:
        """Return the steps to every array of events, and to every list of keys and values."""
        ways = {
            path.steps[:at] for path in self.paths() for at, step in enumerate(path.steps) if isinstance(step, Keyed)
        }
        way: tuple[Step, ...] = ()
        for path in self.events:
            ways.add(way + path.steps)
            way += (*path.steps, 0)
        return frozenset(ways)

    @cached_property
    def has_pairs(self) -> bool:
        """Say whether a path goes through a list of keys and values."""
        return any(path.has_keyed for path in self.paths())

    def paths(self) -> tuple[Path, ...]:
        """Return every path that the derivation reads, each once, in the order of first use."""
        candidates = [place for column in self.columns for place in column.candidates]
        candidates += [time.place for time in self.event_time]
        conditions = [condition for rule in self.content for condition in rule.when]
        conditions += [condition for candidate in candidates for condition in candidate.when]
        return tuple(dict.fromkeys([c.path for c in candidates] + [c.path for c in conditions]))
