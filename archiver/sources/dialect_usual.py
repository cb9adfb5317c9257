"""What a dialect makes of records whose values are already Arrow arrays, one for each place that a path leads to.

A *place* is a member of an object or the members of an array, as far as the paths of a dialect lead through it. In
records as most of their log are, only one kind of value stands at a place; it is learned from some of them (`see`).
From then on what a column says is decided for all records at once: which candidate a column can have at all follows
from the kinds, which one it has from what is null. Rows whose answer is not sure are marked as odd; the caller asks the
reference about them. `UnusualError`: this way of reading is none for this dialect or these records.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import field
from decimal import Decimal
from typing import Final, TypeAlias

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.late import dataclass
from archiver.model.dialect import KINDS_OF, Candidate, Column, Condition, Dialect, Kind, LinePattern, ValueType
from archiver.model.json_lookup import kind_of
from archiver.model.json_path import Every, Keyed, Path, Step
from archiver.model.strict_json import Number, Value
from archiver.sources.dialect_times import UnusualError, times_of, times_with_fractions

__all__ = ["Place", "Usual", "places_of", "wants_whole"]

_EXACT_IN_DOUBLE: Final = 1 << 53
_DECIMAL: Final = pa.decimal128(38, 24)
_LARGEST_DECIMAL: Final = pa.scalar(Decimal("9" * 14 + "." + "9" * 24), _DECIMAL)
_NUMBERS: Final = {
    ValueType.INT64: pa.int64(),
    ValueType.IDENTIFIER: pa.int64(),
    ValueType.FLOAT64: pa.float64(),
    ValueType.DECIMAL: _DECIMAL,
}
_EVERY_NUMBER_AS_TEXT: Final = json.JSONDecoder(parse_float=str, parse_int=str)
_STRINGS: Final = pa.list_(pa.string())
Mask: TypeAlias = "bool | pa.BooleanArray"
"""What holds of all records, of none, or of which."""


@dataclass
class Place:
    """What was seen at a place, and the places inside it; `numbers` are the types that columns want of a number.

    At a place that no column wants but the time, numbers may have fractions.
    """

    members: dict[str, Place] = field(default_factory=dict)
    element: Place | None = None
    kinds: set[Kind] = field(default_factory=set)
    numbers: set[pa.DataType] = field(default_factory=set)
    has_time: bool = False
    has_fractions: bool = False

    @property
    def kind(self) -> Kind | None:
        """The one kind of value that stands here, None when there is none."""
        if len(self.kinds) > 1:
            raise UnusualError
        return next(iter(self.kinds), None)

    def see(self, value: Value) -> None:
        """Learn from a value that stands here."""
        kind = kind_of(value)
        if kind is None:
            return
        self.kinds.add(kind)
        if isinstance(value, Number) and self.has_time and not value.text.removeprefix("-").isdecimal():
            self.has_fractions = True
        if isinstance(value, dict):
            for name, member in value.items():
                if (place := self.members.get(name)) is not None:
                    place.see(member)
        elif isinstance(value, list):
            self.element = self.element or Place()
            for member in value:
                self.element.see(member)

    def type(self) -> pa.DataType:
        """Return what Arrow is to read here: null where nothing was seen."""
        match self.kind:
            case None:
                return pa.null()
            case Kind.STRING:
                return pa.string()
            case Kind.BOOL:
                return pa.bool_()
            case Kind.NUMBER:
                if len(self.numbers) > 1:
                    raise UnusualError
                return pa.float64() if self.has_fractions else next(iter(self.numbers), pa.float64())
            case Kind.ARRAY:
                return pa.list_(pa.null() if self.element is None else self.element.type())
            case Kind.OBJECT:
                return pa.struct([pa.field(name, place.type()) for name, place in self.members.items()])

    def at(self, steps: Sequence[Step]) -> Place:
        """Return the place that steps lead to, made when it is not there."""
        place = self
        for step in steps:
            if isinstance(step, str):
                place = place.members.setdefault(step, Place())
            elif isinstance(step, Keyed):
                raise UnusualError
            else:
                place.element = place.element or Place()
                place = place.element
        return place

    @property
    def is_usual(self) -> bool:
        """Say whether one kind of value alone stands at each place."""
        try:
            self.type()
        except UnusualError:
            return False
        return True


def places_of(dialect: Dialect) -> Place:
    """Return the whole record, with every place that a path leads to or through, nothing seen yet."""
    if dialect.events or not (dialect.pattern is None or isinstance(dialect.pattern, LinePattern)):
        raise UnusualError
    root = Place()
    for path in dialect.paths():
        root.at(path.steps)
    for column in dialect.columns:
        for candidate in column.candidates:
            if column.type in _NUMBERS and candidate.constant is None:
                root.at(candidate.path.steps).numbers.add(_NUMBERS[column.type])
    for time in dialect.event_time:
        place = root.at(time.place.path.steps)
        place.has_time = place.has_time or not place.numbers
        place.numbers.add(pa.int64())
    return root


def wants_whole(place: Place) -> bool:
    """Say whether a number at a place is best a whole one, as Arrow reads others more slowly or not at all."""
    return place.numbers == {pa.int64()}


class Usual:
    """The columns of records, given their values; `odd` are masks of rows that the reference is to be asked about."""

    def __init__(
        self, dialect: Dialect, root: Place, records: pa.StructArray, lines: pa.LargeStringArray | None = None
    ) -> None:
        """Take the records as Arrow read them by the type of `root`, and the lines that they were read from."""
        self._lines = lines
        self._dialect = dialect
        self._root = root
        self._records = records
        self._found: dict[tuple[Step, ...], tuple[pa.Array, Kind] | None] = {}
        self.odd: list[pa.BooleanArray] = []

    def __len__(self) -> int:
        return len(self._records)

    def columns(self) -> dict[str, pa.Array]:
        """Return the columns that have a value in some row."""
        columns = {"content_status": self._content(), **self._event_time()}
        for column in self._dialect.columns:
            if (found := self._column(column)) is not None:
                columns[column.name] = found
        return columns

    # Places

    def _at(self, path: Path) -> tuple[pa.Array, Kind] | None:
        """Return the values at a path, and their kind; None when there are none in any record."""
        if path.has_every:
            raise UnusualError
        if path.steps not in self._found:
            self._found[path.steps] = _walk(self._records, self._root, path.steps)
        return self._found[path.steps]

    def _holds(self, conditions: Sequence[Condition]) -> Mask:
        holds: Mask = True
        for condition in conditions:
            holds = _both(holds, self._is(condition))
        return holds

    def _is(self, condition: Condition) -> Mask:
        found = self._at(condition.path)
        if found is None:
            return condition.absent
        values, kind = found
        if condition.absent:
            return pc.is_null(values)
        if condition.one_of is not None:
            return _is_one(values, condition.one_of) if kind is Kind.STRING else False
        if condition.none_of is not None and kind is Kind.STRING:
            return pc.and_(pc.is_valid(values), pc.invert(_is_one(values, condition.none_of)))
        return pc.is_valid(values) if condition.kind in (None, kind) else False

    # Columns

    def _column(self, column: Column) -> pa.Array | None:
        found = [one for candidate in column.candidates if (one := self._candidate(column, candidate)) is not None]
        if not found:
            return None
        values = found[0] if len(found) == 1 else pc.coalesce(*found)
        if column.type is ValueType.FLOAT64:
            self._doubt(pc.greater_equal(pc.abs(values), float(_EXACT_IN_DOUBLE)))
        if column.type is ValueType.DECIMAL:
            self._doubt(pc.greater(pc.abs(values), _LARGEST_DECIMAL))
        if column.type is ValueType.STRING_LIST:
            return pc.if_else(pc.equal(pc.list_value_length(values), 0), pa.scalar(None, _STRINGS), values)
        return values if column.mapping is None else _mapped(column, values)

    def _candidate(self, column: Column, candidate: Candidate) -> pa.Array | None:
        """Return the values of a candidate, null where it does not count; None when it counts nowhere."""
        holds = self._holds(candidate.when)
        if holds is False:
            return None
        if candidate.path.has_every:
            values = self._only_members(column, candidate)
        elif (found := self._at(candidate.path)) is None:
            values = None
        elif candidate.constant is not None:
            values = _constant(column, candidate.constant, found[0])
        else:
            values = _taken(column, candidate, *found)
        if values is None:
            return None
        if column.empty_absent and pa.types.is_string(values.type):
            holds = _both(holds, pc.fill_null(pc.not_equal(values, ""), fill_value=False))
        return values if holds is True else pc.if_else(holds, values, pa.scalar(None, values.type))

    def _only_members(self, column: Column, candidate: Candidate) -> pa.Array | None:
        """Return the strings at a [*] path, as lists; rows of several members are odd."""
        if column.type is not ValueType.STRING_LIST or candidate.constant is not None:
            raise UnusualError
        steps = candidate.path.steps
        every = steps.index(Every.MEMBER)
        arrays = _walk(self._records, self._root, steps[:every])
        found = _walk(self._records, self._root, (*steps[:every], 0, *steps[every + 1 :]))
        if arrays is None or arrays[1] is not Kind.ARRAY or found is None:
            return None
        if found[1] is not Kind.STRING:
            raise UnusualError
        self._doubt(pc.greater(pc.list_value_length(arrays[0]), 1))
        return _lists_of_one(found[0])

    def _doubt(self, mask: pa.BooleanArray) -> None:
        if pc.any(mask).as_py():
            self.odd.append(pc.fill_null(mask, fill_value=False))

    def _content(self) -> pa.Array:
        status: pa.Array | None = None
        for rule in reversed(self._dialect.content):
            holds = self._holds(rule.when)
            if holds is not False:
                before = "unknown" if status is None else status
                status = self._constant(rule.status) if holds is True else pc.if_else(holds, rule.status, before)
        return self._constant("unknown") if status is None else status

    def _constant(self, text: str) -> pa.StringArray:
        return pc.repeated(text, len(self._records))

    # The time of the event

    def _event_time(self) -> dict[str, pa.Array]:
        """Return the four columns of the time, from the first candidate that any record has.

        Where a record has it from a later one, the reference decides.
        """
        for candidate in self._dialect.event_time:
            holds = self._holds(candidate.place.when)
            found = None if holds is False else self._at(candidate.place.path)
            if found is None:
                continue
            values, kind = found
            is_broken = kind is Kind.NUMBER and values.type != pa.int64()
            if is_broken:
                values = self._as_written(candidate.place.path)
            if holds is not True:
                values = pc.if_else(holds, values, pa.scalar(None, values.type))
            if values.null_count:
                self._doubt(pc.is_null(values))
            unit, naive_utc = candidate.unit, candidate.naive_utc
            if kind not in (Kind.NUMBER, Kind.STRING):
                raise UnusualError
            if is_broken:
                return times_with_fractions(unit, values, doubt=self._doubt)
            return times_of(unit, values, naive_utc=naive_utc, doubt=self._doubt)
        return {"event_time_basis": self._constant("none")}

    def _as_written(self, path: Path) -> pa.StringArray:
        """Return the numbers at a path as they stand in the records, which Arrow has found to be numbers."""
        if self._lines is None:
            raise UnusualError
        decode, steps = _EVERY_NUMBER_AS_TEXT.decode, path.steps
        try:
            return pa.array([_member(decode(line), steps) for line in self._lines.to_pylist()], pa.string())
        except ValueError:
            raise UnusualError from None


def _member(value: object, steps: Sequence[Step]) -> object:
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _walk(values: pa.Array, place: Place, steps: Sequence[Step]) -> tuple[pa.Array, Kind] | None:
    kind = _kind_at(place, steps)  # before any array is touched: nothing was seen at most places
    return None if kind is None else (_values_at(values, steps), kind)


def _kind_at(place: Place | None, steps: Sequence[Step]) -> Kind | None:
    """Return what stands at the end of steps; None when there is nothing, or no way to it."""
    for step in steps:
        if not isinstance(step, str | int):
            raise UnusualError
        if place is None or place.kind is not (Kind.OBJECT if isinstance(step, str) else Kind.ARRAY):
            return None
        place = place.members[step] if isinstance(step, str) else place.element
    return None if place is None else place.kind


def _values_at(values: pa.Array, steps: Sequence[Step]) -> pa.Array:
    for at, step in enumerate(steps):
        if isinstance(step, str):
            values = pc.struct_field(values, [values.type.get_field_index(step)])
        elif isinstance(step, int):
            return pc.take(_values_at(values.values, steps[at + 1 :]), _places_in(values, step))
    return values


def _places_in(lists: pa.ListArray, member: int) -> pa.Int32Array:
    """Return where the member of each list stands among the members of all; null where there is none."""
    starts = lists.offsets[: len(lists)]
    is_there = pc.greater(pc.list_value_length(lists), member)
    return pc.if_else(is_there, pc.add(starts, member), pa.scalar(None, starts.type))


def _both(one: Mask, other: Mask) -> Mask:
    if isinstance(one, bool):
        return other if one else False
    if isinstance(other, bool):
        return one if other else False
    return pc.and_(one, other)


def _is_one(values: pa.StringArray, texts: Sequence[str]) -> pa.BooleanArray:
    return pc.is_in(values, pa.array(texts, pa.string()))


def _taken(column: Column, candidate: Candidate, values: pa.Array, kind: Kind) -> pa.Array | None:
    """Return values as the column's type has them; None when they count as absent, for their kind."""
    if column.text_numbers and kind is Kind.STRING:
        raise UnusualError
    if kind not in KINDS_OF[column.type]:
        if column.mismatch_absent:
            return None
        raise UnusualError
    if column.type is ValueType.STRING_LIST:
        if pa.types.is_null(values.type.value_type):
            values = pc.cast(values, _STRINGS)
        if values.type.value_type != pa.string() or values.values.null_count:
            raise UnusualError
        return values
    if kind is Kind.NUMBER and (values.type != _NUMBERS[column.type] or candidate.exponent):
        raise UnusualError
    return pc.cast(values, pa.string()) if column.type is ValueType.IDENTIFIER else values


def _constant(column: Column, text: str, values: pa.Array) -> pa.Array:
    if column.type not in (ValueType.STRING, ValueType.IDENTIFIER):
        raise UnusualError
    return pc.if_else(pc.is_valid(values), text, pa.scalar(None, pa.string()))


def _mapped(column: Column, values: pa.Array) -> pa.Array:
    if not pa.types.is_string(values.type):
        raise UnusualError
    mapping = column.mapping or ()
    places = pc.index_in(values, pa.array([old for old, _ in mapping], pa.string()))
    return pc.take(pa.array([new for _, new in mapping], pa.string()), places)


def _lists_of_one(texts: pa.StringArray) -> pa.ListArray:
    """Return each text as a list of it alone, null where there is none; so is the list whose offset is null."""
    is_there = pc.is_valid(texts)
    ends = pc.cumulative_sum(pc.cast(is_there, pa.int32()))
    begins = pc.if_else(is_there, pc.subtract(ends, pa.scalar(1, pa.int32())), pa.scalar(None, pa.int32()))
    end = pa.array([len(texts) - texts.null_count], pa.int32())
    return pa.ListArray.from_arrays(pa.concat_arrays([begins, end]), pc.drop_null(texts))
