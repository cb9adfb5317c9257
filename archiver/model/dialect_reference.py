"""What a dialect makes of a record: the exact meaning, one record at a time, in plain Python.

Laws: a derived value is exactly what the record says, or null. `parse_status` is `ok`; `partial` when something that
the dialect wants could not be taken over (`parse_error` says what and where, in the order of the columns); `failed`
when the record is not one strict JSON object, or not a line that the dialect's pattern matches, and then nothing is
derived; `opaque` when nothing was tried, as for `text.opaque` and for the pieces of a record that was too long for one
row. The same record gives the same values on every Python and every machine; whoever rebuilds the index uses this
module, whoever is in a hurry `sources.dialects`.

>>> from archiver.model.dialect_file import load_dialects
>>> derive(load_dialects()["openai.chat"], b'{"request":{"model":"grok-4","max_tokens":1.5}}')["parse_error"]
'not-an-integer $.request.max_tokens'
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import field
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

from archiver.late import dataclass, pattern
from archiver.model import event_time
from archiver.model.dialect import KINDS_OF, Candidate, Column, Dialect, TimeCandidate, ValueType
from archiver.model.event_places import event_places, narrowed
from archiver.model.json_lookup import AmbiguousPath, holds, kind_of, look_up
from archiver.model.line_pattern import Members, read_lines
from archiver.model.strict_json import NotJson, Number, Value, check_text, is_number, parse

__all__ = [
    "Derived",
    "deciding",
    "deciding_time",
    "decimal_of",
    "derive",
    "derive_all",
    "derive_record",
    "read_record",
    "read_records",
]

Derived = str | int | float | bool | Decimal | list[str] | None
"""A derived value; `event_time` is an int, nanoseconds since 1970."""

_INTEGER: Final = pattern(r"-?[0-9]+")
_IDENTIFIER_DIGITS: Final = 64
_FLOAT_DIGITS: Final = 400  # the largest double has 309; int() refuses texts of several thousand
_INT64: Final = 1 << 63
_DECIMALS: Final = Context(prec=38, traps=[Inexact, InvalidOperation])
_SMALLEST: Final = Decimal("1e-24")
_DECIMAL_LIMIT: Final = 10**14


class _Unfit(Exception):  # noqa: N818 - a verdict on a value
    """A value cannot be taken over; the first argument is the reason."""


@dataclass
class _Account:
    """The values so far and the reasons for what is missing."""

    values: dict[str, Derived]
    reasons: list[str] = field(default_factory=list)

    def miss(self, reason: str) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)

    def refuse(self, refusal: NotJson) -> None:
        self.values |= {"parse_status": "failed", "parse_error": str(refusal)}


def _begun(dialect: Dialect) -> _Account:
    """Return the values of a record of which nothing is read."""
    account = _Account({**dialect.nothing})
    account.values |= {"dialect": dialect.id, "parse_status": "opaque", "content_status": "unknown"}
    return account


def derive(dialect: Dialect, raw: bytes, *, whole: bool = True) -> dict[str, Derived]:
    """Return the derived columns of one row, in order; `whole` False is a piece of a record cut over several rows."""
    account = _begun(dialect)
    if not whole:
        account.values["content_status"] = "fragment"
    elif dialect.is_read:
        _derive(dialect, raw, account)
    return account.values


def derive_all(dialect: Dialect, records: Sequence[bytes], whole: Sequence[bool]) -> list[dict[str, Derived]]:
    """Return what `derive` returns of each record; lines of text are matched together, which is a good deal faster."""
    if dialect.pattern is None or not dialect.is_read:
        return [derive(dialect, record, whole=flag) for record, flag in zip(records, whole, strict=True)]
    matched = read_lines(dialect.pattern, records)
    return [
        _derive_line(dialect, record, members) if flag else derive(dialect, record, whole=False)
        for record, flag, members in zip(records, whole, matched, strict=True)
    ]


def read_record(dialect: Dialect, raw: bytes) -> dict[str, Value]:
    """Return the object that a record is, or that a line of text stands for; raises NotJson."""
    if dialect.pattern is None:
        record = parse(raw.removesuffix(b"\n").removesuffix(b"\r"))
        if not isinstance(record, dict):
            raise NotJson("not-an-object")
        return record
    (members,) = read_lines(dialect.pattern, [raw])
    return _line(raw, members)


def read_records(dialect: Dialect, lines: Sequence[bytes]) -> Iterator[dict[str, Value]]:
    """Yield what `read_record` returns of those lines that can be read; lines of text are matched together."""
    matched = None if dialect.pattern is None else read_lines(dialect.pattern, lines)
    for place, line in enumerate(lines):
        try:
            yield read_record(dialect, line) if matched is None else _line(line, matched[place])
        except NotJson:
            continue


def _line(raw: bytes, members: Members | None) -> dict[str, Value]:
    """Return the object that a line stands for, which was matched already; raises NotJson."""
    check_text(raw.removesuffix(b"\n").removesuffix(b"\r"))
    if members is None:
        raise NotJson("no-match")
    return dict(members)


def _derive(dialect: Dialect, raw: bytes, account: _Account) -> None:
    try:
        record = read_record(dialect, raw)
    except NotJson as refusal:
        account.refuse(refusal)
        return
    _read(dialect, record, account)


def _derive_line(dialect: Dialect, raw: bytes, members: Members | None) -> dict[str, Derived]:
    try:
        return derive_record(dialect, _line(raw, members))
    except NotJson as refusal:
        account = _begun(dialect)
        account.refuse(refusal)
        return account.values


def derive_record(dialect: Dialect, record: dict[str, Value]) -> dict[str, Derived]:
    """Return the derived columns of a record that was read."""
    account = _Account({**dialect.nothing, "dialect": dialect.id})
    _read(dialect, record, account)
    return account.values


def _first_event(dialect: Dialect, record: dict[str, Value]) -> tuple[dict[str, Value], int | AmbiguousPath | None]:
    """Return the record with its first event alone, and how many it has."""
    try:
        places = event_places(dialect.events, record)
    except AmbiguousPath as where:
        return record, where
    if not places:
        return record, None if places is None else 0
    return narrowed(dialect.events, record, places[0]), len(places)


def _read(dialect: Dialect, batch: dict[str, Value], account: _Account) -> None:
    record, count = _first_event(dialect, batch)
    account.values["content_status"] = _content(dialect, record, account)
    _event_time(dialect, record, account)
    for name, column in dialect.reading:
        account.values[name] = _count(count, account) if column is None else _column(column, record, account)
    account.values["parse_status"] = "partial" if account.reasons else "ok"
    account.values["parse_error"] = "; ".join(account.reasons) or None


def _count(count: int | AmbiguousPath | None, account: _Account) -> int | None:
    if isinstance(count, AmbiguousPath):
        account.miss(f"duplicate-key {count}")
        return None
    return count


def _content(dialect: Dialect, record: Value, account: _Account) -> str:
    try:
        statuses = (rule.status for rule in dialect.content if all(holds(record, c) for c in rule.when))
        return next(statuses, "unknown")
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")
        return "unknown"


def _present(candidate: Candidate, record: Value) -> Value:
    if candidate.when and not all(holds(record, condition) for condition in candidate.when):
        return None
    value = look_up(record, candidate.path)
    return value if candidate.constant is None or value is None else candidate.constant


def deciding(column: Column, record: Value) -> tuple[Candidate, Value] | None:
    """Return the candidate that decides what a column says, and the value that stands there; raises AmbiguousPath."""
    for candidate in column.candidates:
        value = _present(candidate, record)
        if column.text_numbers and isinstance(value, str) and is_number(value):
            value = Number(value)
        if value is not None and not _counts_as_absent(column, value):
            return candidate, value
    return None


def deciding_time(dialect: Dialect, record: Value) -> TimeCandidate | None:
    """Return the candidate that decides when the event was; raises AmbiguousPath."""
    return next((time for time in dialect.event_time if _present(time.place, record) is not None), None)


def _column(column: Column, record: Value, account: _Account) -> Derived:
    try:
        found = deciding(column, record)
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")
        return None
    if found is None:
        return None
    candidate, value = found
    try:
        if column.type is ValueType.DECIMAL:
            return decimal_of(value, candidate.exponent)
        return _map(column, _take(column.type, value))
    except _Unfit as reason:
        account.miss(f"{reason} {candidate.path}")
        return None


def _counts_as_absent(column: Column, value: Value) -> bool:
    if column.empty_absent and value == "":
        return True
    return column.mismatch_absent and kind_of(value) not in KINDS_OF[column.type]


def _map(column: Column, value: Derived) -> Derived:
    return value if column.mapping is None else dict(column.mapping).get(str(value))


def _take(type_: ValueType, value: Value) -> Derived:
    if type_ is ValueType.STRING:
        return _string(value)
    if type_ is ValueType.IDENTIFIER:
        return _identifier(value)
    if type_ is ValueType.INT64:
        return _int64(value)
    if type_ is ValueType.FLOAT64:
        return _float64(value)
    if type_ is ValueType.BOOL:
        return _bool(value)
    return _string_list(value)


def _string(value: Value) -> str:
    if not isinstance(value, str):
        raise _Unfit("not-a-string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Unfit("lone-surrogate") from None
    return value


def _identifier(value: Value) -> str:
    if not isinstance(value, Number):
        return _string(value)
    if not _INTEGER.fullmatch(value.text):
        raise _Unfit("not-an-integer")
    if len(value.text) > _IDENTIFIER_DIGITS:
        raise _Unfit("out-of-range")
    return str(int(value.text))


def _int64(value: Value) -> int:
    if not isinstance(value, Number) or not _INTEGER.fullmatch(value.text):
        raise _Unfit("not-an-integer")
    if len(value.text) > _IDENTIFIER_DIGITS or not -_INT64 <= int(value.text) < _INT64:
        raise _Unfit("out-of-range")
    return int(value.text)


def _float64(value: Value) -> float:
    if not isinstance(value, Number):
        raise _Unfit("not-a-number")
    integer = _INTEGER.fullmatch(value.text)
    if (integer and len(value.text) > _FLOAT_DIGITS) or math.isinf(nearest := float(value.text)):
        raise _Unfit("out-of-range")
    if integer and int(nearest) != int(value.text):
        raise _Unfit("inexact")
    return nearest


def decimal_of(value: Value, exponent: int) -> Decimal:
    """Return exactly a number times a power of ten."""
    if not isinstance(value, Number):
        raise _Unfit("not-a-number")
    if len(value.text) > _IDENTIFIER_DIGITS:
        raise _Unfit("out-of-range")
    try:
        exact = _DECIMALS.create_decimal(value.text).scaleb(exponent, _DECIMALS).quantize(_SMALLEST, context=_DECIMALS)
    except Inexact:
        raise _Unfit("inexact") from None
    except InvalidOperation:  # more digits than the context has
        raise _Unfit("out-of-range") from None
    if abs(exact) >= _DECIMAL_LIMIT:
        raise _Unfit("out-of-range")
    return exact


def _bool(value: Value) -> bool:
    if not isinstance(value, bool):
        raise _Unfit("not-a-boolean")
    return value


def _string_list(value: Value) -> list[str] | None:
    if not isinstance(value, list):
        raise _Unfit("not-a-list")
    return [_string(member) for member in value if member is not None] or None


def _event_time(dialect: Dialect, record: Value, account: _Account) -> None:
    account.values["event_time_basis"] = "none"
    try:
        candidate = deciding_time(dialect, record)
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")
        return
    if candidate is None:
        return
    try:
        _read_time(candidate, _present(candidate.place, record), account)
    except (_Unfit, event_time.NoInstant) as reason:
        account.miss(f"{reason} {candidate.place.path}")


def _read_time(candidate: TimeCandidate, value: Value, account: _Account) -> None:
    if isinstance(value, Number):
        text = account.values["event_time_raw"] = value.text
    elif isinstance(value, str):
        text = account.values["event_time_raw"] = _string(value)
    else:
        raise _Unfit("not-a-time")
    instant = _instant(text, candidate, is_text=isinstance(value, str))
    account.values |= {
        "event_time": instant.nanoseconds,
        "event_time_unit": instant.unit,
        "event_time_basis": instant.basis,
    }


def _instant(text: str, candidate: TimeCandidate, *, is_text: bool) -> event_time.Instant:
    if is_text and candidate.unit == "clf":
        return event_time.from_access_log(text)
    if is_text and candidate.unit in ("rfc3339", "any"):
        return event_time.from_text(text, naive_utc=candidate.naive_utc)
    if candidate.unit in ("rfc3339", "clf"):
        raise _Unfit("not-a-time")
    return event_time.from_number(text, candidate.unit)
