"""Dialect files: strict JSON in, a `Dialect` out.

A dialect is one file `schemas/dialects/<id>.json`, described by `schemas/dialect.schema.json`, which is generated from
the models here. Unknown members, columns that `model_logs` does not have, a type that does not fit the column, repeated
names and paths that are no paths are refused with the file's name. Adding a dialect is adding a file.

>>> sorted(load_dialects())[0]
'json.generic'
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from archiver.errors import UsageError
from archiver.model.csv_table import CsvTable
from archiver.model.dialect import (
    CONTENT_STATUSES,
    DERIVED_FIELDS,
    EVENT_COUNT,
    INNER,
    Candidate,
    Column,
    ContentRule,
    Dialect,
    LinePattern,
    TimeCandidate,
    ValueType,
)
from archiver.model.dialect_lists_file import ListsFile
from archiver.model.dialect_places import CandidateFile, Conditions, PathText, PlaceFile, PlainText, Strict
from archiver.model.json_path import Step, parse_path, spell
from archiver.model.line_pattern import check_pattern
from archiver.model.published import schemas_folder

__all__ = ["json_schema", "load_dialects", "parse_dialect"]

_FITTING: Final = {
    "string": {ValueType.STRING, ValueType.IDENTIFIER},
    "int64": {ValueType.INT64},
    "decimal": {ValueType.DECIMAL},
    "float64": {ValueType.FLOAT64},
    "bool": {ValueType.BOOL},
    "string_list": {ValueType.STRING_LIST},
}
_OWN: Final = ("dialect", "parse_status", "parse_error", "content_status", EVENT_COUNT)
_COLUMNS: Final = {
    name: kind for name, kind in DERIVED_FIELDS if name not in _OWN and not name.startswith("event_time")
}


class TimeFile(CandidateFile):
    """A path of the event's time, and the unit it is written in."""

    unit: Literal["s", "ms", "us", "ns", "rfc3339", "clf", "any"]
    naive: Literal["utc"] | None = None


class ColumnFile(Strict):
    """Where a column's value stands: of the paths the first that is present wins."""

    type: Literal["string", "identifier", "int64", "float64", "decimal", "bool", "string_list"]
    path: PathText | None = None
    paths: Annotated[tuple[PathText | PlaceFile, ...], Field(strict=False, min_length=1)] | None = None
    mismatch: Literal["reason", "absent"] = "reason"
    empty: Literal["value", "absent"] = "value"
    text: Literal["text", "number"] = "text"
    map: dict[PlainText, PlainText] | None = None

    @model_validator(mode="after")
    def _one_spelling(self) -> ColumnFile:
        if (self.path is None) == (self.paths is None):
            raise ValueError('a column has either "path" or "paths"')
        if self.map is not None and self.type != "string":
            raise ValueError('"map" is for columns of type string')
        if self.map is not None and self._has_constant():
            raise ValueError('a column has either "map" or candidates with "as"')
        if self.type not in ("string", "identifier") and (self.empty == "absent" or self._has_constant()):
            raise ValueError('"empty" and "as" are for columns of type string or identifier')
        if self.type not in ("int64", "float64", "decimal") and self.text == "number":
            raise ValueError('"text": "number" is for columns of numbers')
        if self.type != "decimal" and any(isinstance(one, PlaceFile) and one.exponent for one in self.paths or ()):
            raise ValueError('"exponent" is for columns of type decimal')
        return self

    def _has_constant(self) -> bool:
        return any(isinstance(one, PlaceFile) and one.as_ is not None for one in self.paths or ())

    def value(self, name: str) -> Column:
        """Return the column inside."""
        given = self.paths if self.paths is not None else (self.path or "",)
        candidates = tuple(Candidate(parse_path(one)) if isinstance(one, str) else one.value() for one in given)
        mapping = None if self.map is None else tuple(self.map.items())
        for candidate in candidates:
            if candidate.path.has_every and self.type != "string_list":
                raise ValueError(f"column {name}: expected one value, found {candidate.path}")
        return Column(
            name,
            ValueType(self.type),
            candidates,
            self.mismatch == "absent",
            mapping,
            empty_absent=self.empty == "absent",
            text_numbers=self.text == "number",
        )


class ContentFile(Strict):
    """The content's status where every condition holds; without a rule that holds it is unknown."""

    when: Conditions
    is_: Literal[CONTENT_STATUSES] = Field(alias="is")  # type: ignore[valid-type]


class RecogniseFile(Strict):
    """A record is of this dialect when all conditions of one list hold; the highest priority wins."""

    priority: int = Field(ge=0, le=1000)
    any: Annotated[tuple[Conditions, ...], Field(strict=False)]


class ColumnsFile(Strict):
    """The columns; each name but event_time is one of model_logs."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, defer_build=True)

    event_time: Annotated[tuple[TimeFile, ...], Field(strict=False)] = ()
    __pydantic_extra__: dict[str, ColumnFile] = Field(init=False)


class InnerFile(Strict):
    """Where a carrier holds the record that it carries: the first of the paths that is present, a string."""

    paths: Annotated[tuple[PathText | CandidateFile, ...], Field(strict=False, min_length=1)]
    line_end: Literal["required", "any"] = "any"

    def value(self) -> Column:
        """Return the column inside."""
        places = tuple(Candidate(parse_path(one)) if isinstance(one, str) else one.value() for one in self.paths)
        for place in places:
            if place.path.has_every:
                raise ValueError(f"inner: expected one value, found {place.path}")
        return Column(INNER, ValueType.STRING, places)


class LineFile(Strict):
    """The regular expression that a whole line of text matches; every group of it is named and gives a string.

    The language is RE2's, `.` matches every character. A group of `numbers` gives a number where its text is one in
    JSON. A group that matched nothing, or one of the texts `absent`, is absent.
    """

    pattern: Annotated[str, Field(min_length=1, max_length=2000)]
    numbers: Annotated[tuple[PlainText, ...], Field(strict=False)] = ()
    absent: Annotated[tuple[PlainText, ...], Field(strict=False)] = ()

    def value(self) -> LinePattern:
        """Return the pattern inside, known to be one."""
        names = check_pattern(self.pattern)
        for name in self.numbers:
            if name not in names:
                raise ValueError(f"line: expected names of groups in numbers, found {name}")
        return LinePattern(self.pattern, self.numbers, self.absent)


class DialectFile(Strict):
    """A log dialect: which JSON paths become which columns of the table model_logs."""

    dialect: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    version: int = Field(ge=1)
    title: PlainText
    notes: str = ""
    records: Literal["json", "text", "csv", "opaque"] = "json"
    line: LineFile | None = None
    recognise: RecogniseFile | None = None
    content_status: Annotated[tuple[ContentFile, ...], Field(strict=False)] = ()
    events: Annotated[tuple[PathText, ...], Field(strict=False, max_length=4)] = ()
    inner: InnerFile | None = None
    columns: ColumnsFile = ColumnsFile()
    lists: ListsFile | None = None

    @model_validator(mode="after")
    def _a_line_for_text(self) -> DialectFile:
        if (self.line is None) == (self.records == "text"):
            raise ValueError('records of "text" have a "line", no others have')
        return self

    def value(self) -> Dialect:
        """Return the dialect inside; raises ValueError for what the models cannot say."""
        recognise = self.recognise or RecogniseFile(priority=0, any=())
        columns = self.columns.__pydantic_extra__ or {}
        dialect = _with_events(self._without_events(recognise, columns), self.events)
        if self.line is not None:
            _check_groups(dialect, check_pattern(self.line.pattern))
        return dialect

    def _without_events(self, recognise: RecogniseFile, columns: dict[str, ColumnFile]) -> Dialect:
        return Dialect(
            id=self.dialect,
            version=self.version,
            title=self.title,
            is_read=self.records != "opaque",
            pattern=self.line.value() if self.line else CsvTable() if self.records == "csv" else None,
            needs_line_end=self.inner is not None and self.inner.line_end == "required",
            priority=recognise.priority,
            recognise=tuple(tuple(condition.value() for condition in group) for group in recognise.any),
            content=tuple(
                ContentRule(tuple(condition.value() for condition in rule.when), rule.is_)
                for rule in self.content_status
            ),
            event_time=tuple(_time(time) for time in self.columns.event_time),
            columns=(
                *(_column(name, column) for name, column in columns.items()),
                *((self.inner.value(),) if self.inner else ()),
            ),
            lists=self.lists.value() if self.lists else None,
        )


def _with_events(dialect: Dialect, arrays: tuple[str, ...]) -> Dialect:
    """Add the arrays that hold events; whatever else the dialect reads in them is read of the first one."""
    events = tuple(parse_path(one) for one in arrays)
    if any(not isinstance(step, str) for path in events for step in path.steps):
        raise ValueError("events: expected paths of names alone")
    way: tuple[Step, ...] = ()
    for path in events:
        way += path.steps
        through = [one for one in dialect.paths() if one.steps[: len(way)] == way]
        if not through or any(one.steps[len(way) : len(way) + 1] not in ((), (0,)) for one in through):
            raise ValueError(f"events: expected that every path through {spell(way)} goes on with [0], and one does")
        way += (0,)
    return replace(dialect, events=events)


def _check_groups(dialect: Dialect, names: list[str]) -> None:
    """Refuse paths that begin with no group of the line: they would never find anything."""
    told = [condition.path for group in dialect.recognise for condition in group]
    listed = dialect.lists.places() if dialect.lists else []
    for path in (*dialect.paths(), *told, *listed):
        if path.steps[:1] and path.steps[0] not in names:
            raise ValueError(f"{path}: expected one of the groups of the line, {', '.join(names)}")


def _time(file: TimeFile) -> TimeCandidate:
    candidate = file.value()
    if candidate.path.has_every:
        raise ValueError(f"event_time: expected one value, found {candidate.path}")
    return TimeCandidate(candidate, file.unit, file.naive == "utc")


def _column(name: str, file: ColumnFile) -> Column:
    if name not in _COLUMNS:
        raise ValueError(f"columns: expected a derived column of model_logs, found {name!r}")
    column = file.value(name)
    if column.type not in _FITTING[_COLUMNS[name]]:
        raise ValueError(f"column {name}: expected a type for {_COLUMNS[name]}, found {column.type}")
    return column


def parse_dialect(text: bytes, name: str = "dialect") -> Dialect:
    """Return the dialect that a file describes; `name` is for messages. Raises UsageError `dialect-file`."""
    try:
        return DialectFile.model_validate(json.loads(text, object_pairs_hook=_members)).value()
    except UsageError as error:
        raise _refusal(name, error.message) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _refusal(name, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise _refusal(name, str(error)) from error


def _refusal(name: str, what: str) -> UsageError:
    hint = "compare the file with schemas/dialect.schema.json and with a dialect that is there"
    return UsageError("dialect-file", f"{name}: {what}", hint=hint)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("expected every name once in an object, found one twice")
    return members


@cache
def load_dialects() -> dict[str, Dialect]:
    """Return every published dialect by its id; the files are read once."""
    folder = schemas_folder() / "dialects"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    dialects = {file.name: parse_dialect(file.read_bytes(), file.name) for file in files}
    for name, dialect in dialects.items():
        if name != f"{dialect.id}.json":
            raise _refusal(name, f"expected a dialect named like its file, found {dialect.id}")
    return {dialect.id: dialect for dialect in dialects.values()}


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of a dialect file, as it is published."""
    schema = DialectFile.model_json_schema(by_alias=True)
    columns = schema["$defs"]["ColumnsFile"]
    columns["properties"] |= {name: {"$ref": "#/$defs/ColumnFile"} for name in _COLUMNS}
    columns["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:archiver:dialect:v1", **schema}
