r"""A dialect as one DuckDB query over a block of log records.

The query reads `block(n, raw)`, `raw` being the record as text or null, and gives a row per record: `n`, `keys` (the
member names of every object on the way to a mapped path), `plain` and those derived columns that can have a
value. It looks only at the names it is told of, as most of a dialect's paths are in no record of a log. Where `plain`
is true the columns are the reference's, provided that the record is strict JSON, repeats none of `keys` and has none
that the query was not told of; the caller looks at all three. Where it is not, the columns mean nothing.

Why a plain answer is exact. 1 DuckDB's parser is lenient only about trailing commas, NaN and Infinity (the caller's
test). 2 It prints an integer as it was written but for -0, a string with the shortest escapes, and any other number
changed; so only texts that survive a round trip through the column's type count. 3 Of `[*]` only arrays of at most one
member count. 4 Times are cut up by a regular expression before DuckDB sees them, as its casts ignore offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from archiver.model.dialect import EVENT_COUNT, KINDS_OF, Candidate, Column, Condition, Dialect, Kind, ValueType
from archiver.model.event_time import UNITS
from archiver.model.json_path import Every, Path, Step
from archiver.model.strict_json import MAX_NESTING

__all__ = ["Names", "compile_names_query", "compile_query", "names_of", "objects_of"]

Names = frozenset[tuple[str, str]]
"""Names that were seen, each with the object it is in, as DuckDB spells the path."""

_SQL_TYPES: Final = {"string": "VARCHAR", "string_list": "VARCHAR[]", "int64": "BIGINT", "float64": "DOUBLE"} | {
    "bool": "BOOLEAN",
    "timestamp_ns": "BIGINT",
    "decimal": "VARCHAR",
}
_EXACT_IN_DOUBLE: Final = 1 << 53
_ONE_STRING: Final = r'\["[^"\\]*"\]'
_TEXT_NUMBER: Final = r'"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"'
_SHORT_INTEGER: Final = "-?[1-9][0-9]{0,12}|0"
_RFC3339: Final = (
    r'"(?:19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])-[0-9][0-9]-[0-9][0-9]'
    r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r'(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"'
)


def objects_of(dialect: Dialect, names: Names | None = None) -> list[str]:
    """Return every object on the way to a mapped path, as DuckDB spells it; the whole record first.

    With `names` only those that a record with these names can have: a name that nobody knows yet is in one of them.
    """
    steps = [(), *(parent for path in dialect.paths() for parent in path.parents())]
    return list(dict.fromkeys(_duck_path(one) for one in steps if names is None or _names_to(one) <= names))


def names_of(paths: Sequence[Path]) -> Names:
    """Return the names on the way to the paths, each with its object; of `[*]` paths up to the array.

    Behind `[*]` any member of the array may have the name, and only the first is looked at.
    """
    return frozenset(name for path in paths for name in _names_to(path.steps))


def _names_to(steps: Sequence[Step]) -> Names:
    sure = steps[: list(steps).index(Every.MEMBER)] if Every.MEMBER in steps else steps
    return frozenset((_duck_path(sure[:i]), step) for i, step in enumerate(sure) if isinstance(step, str))


def live_paths(dialect: Dialect, names: Names) -> list[Path]:
    """Return the paths that some record has, where the records have these names and no others."""
    return [path for path in dialect.paths() if names_of([path]) <= names]


def compile_names_query(dialect: Dialect) -> str:
    """Return the query that finds the names: `keys`, once for every shape of record, over all paths of the dialect."""
    keys = f"json_keys(TRY_CAST(raw AS JSON), {_list(objects_of(dialect))})"
    return f"SELECT DISTINCT {keys} AS keys FROM block"  # noqa: S608 - all quoted


def compile_query(dialect: Dialect, names: Names, *, well_formed: bool = False) -> str:
    """Return the query of a dialect over records that have these names and no others.

    With `well_formed` it saves one of three parses, and fails where a record is no JSON.
    """
    return _Compiler(dialect, names, well_formed=well_formed).query()


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json(text: str) -> str:
    return _quote(f'"{text}"')  # dialect files hold no text that JSON would escape


def _duck_path(steps: Sequence[Step]) -> str:
    parts = [f'."{step}"' if isinstance(step, str) else f"[{0 if isinstance(step, Every) else step}]" for step in steps]
    return "$" + "".join(parts)


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_quote(text) for text in texts) + "]"


def _all(tests: Sequence[str]) -> str:
    return " AND ".join(f"({test})" for test in tests) or "true"


def _is_kind(text: str, kind: Kind | None) -> str:
    if kind is None:
        return f"{text} IS NOT NULL"
    if kind is Kind.BOOL:
        return f"{text} IN ('true', 'false')"
    if kind is Kind.NUMBER:
        return f"{text}[1] BETWEEN '0' AND '9' OR {text}[1] = '-'"
    first = {Kind.OBJECT: "{", Kind.ARRAY: "[", Kind.STRING: '"'}[kind]
    return f"starts_with({text}, '{first}')"


def _unquoted(text: str) -> str:
    return f"CASE WHEN contains({text}, '\\') THEN json_extract_string({text}, '$') ELSE replace({text}, '\"', '') END"


def _is_plain_string(text: str) -> str:
    return f"starts_with({text}, '\"') AND NOT contains({text}, '\\u')"


def _is_integer(text: str) -> str:
    return f"CAST(TRY_CAST({text} AS BIGINT) AS VARCHAR) = {text}"


def _string(text: str) -> tuple[str, str]:
    return _unquoted(text), _is_plain_string(text)


def _identifier(text: str) -> tuple[str, str]:
    return (
        f"CASE WHEN starts_with({text}, '\"') THEN {_unquoted(text)} ELSE {text} END",
        f"({_is_plain_string(text)}) OR {_is_integer(text)}",
    )


def _int64(text: str) -> tuple[str, str]:
    return f"TRY_CAST({text} AS BIGINT)", _is_integer(text)


def _float64(text: str) -> tuple[str, str]:
    value = f"TRY_CAST({text} AS DOUBLE)"
    return value, f"({_is_kind(text, Kind.NUMBER)}) AND abs({value}) < {_EXACT_IN_DOUBLE}"


def _bool(text: str) -> tuple[str, str]:
    return f"{text} = 'true'", _is_kind(text, Kind.BOOL)


def _only_member(text: str) -> str:
    """Return the member of an array of one plain string, and for all else that is there a text that is not plain."""
    return (
        f"CASE WHEN regexp_full_match({text}, '{_ONE_STRING}') THEN {text}[2:-2] WHEN {text} IS NOT NULL THEN '[' END"
    )


def _decimal(text: str) -> tuple[str, str]:
    """Take a whole number with its exponent; of any other DuckDB has lost digits."""
    return text, f"regexp_full_match({text}, '(?:{_SHORT_INTEGER})e-?[0-9]+')"


def _string_list(text: str) -> tuple[str, str]:
    return f"CASE WHEN {text} IS NOT NULL THEN [{_unquoted(text)}] END", _is_plain_string(text)


_TAKE: Final[dict[ValueType, Callable[[str], tuple[str, str]]]] = {
    ValueType.STRING: _string,
    ValueType.IDENTIFIER: _identifier,
    ValueType.INT64: _int64,
    ValueType.FLOAT64: _float64,
    ValueType.DECIMAL: _decimal,
    ValueType.BOOL: _bool,
    ValueType.STRING_LIST: _string_list,
}


class _Compiler:
    """Nested selects: t* are the texts at the paths, c_* what each column chose, e_time; then values and verdict."""

    def __init__(self, dialect: Dialect, names: Names, *, well_formed: bool) -> None:
        live = live_paths(dialect, names)
        self.dialect = dialect
        self.objects = objects_of(dialect, names)
        self.record = "raw" if well_formed else "TRY_CAST(raw AS JSON)"
        self.paths = live
        self.chosen: dict[str, str] = {}
        self.read: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.tests: list[str] = ["parsed", f"brackets <= {MAX_NESTING}"]
        arrays = {_duck_path(path.steps) for path in dialect.events}
        self.counts = sorted(arrays & {_duck_path(path.steps[:i]) for path in live for i in range(len(path.steps))})

    def query(self) -> str:
        texts = self._texts()
        for column in self.dialect.columns:
            self._column(column)
        self._event_time()
        self._content()
        if self.counts:
            self.values[EVENT_COUNT] = "events"
        outer = "".join(
            f", CAST({self.values[name]} AS {_SQL_TYPES[kind]}) AS {name}"
            for name, kind in self.dialect.fields
            if name in self.values
        )
        chosen = "".join(f", {sql} AS {name}" for name, sql in self.chosen.items())
        read = "".join(f", {sql} AS {name}" for name, sql in self.read.items())
        plain = f"coalesce({_all(self.tests)}, false) AS plain"
        inner = f"SELECT *{read} FROM (SELECT *{chosen} FROM ({texts}))"  # noqa: S608 - all quoted
        return f"SELECT n, keys, {plain}{outer} FROM ({inner})"  # noqa: S608 - all quoted

    def _texts(self) -> str:
        """Return the one parse: texts of all paths, and of a second member where a path says [*]."""
        many = [path for path in self.paths if path.has_every]
        steps = [path.steps for path in self.paths] + [_second(path) for path in many]
        self.tests += [f"s{i} IS NULL" for i in range(len(many))]
        texts = "".join(f", nullif(v[{i + 1}], 'null') AS t{i}" for i in range(len(self.paths)))
        seconds = "".join(f", v[{len(self.paths) + i + 1}] AS s{i}" for i in range(len(many)))
        extract = f"CAST(json_extract(j, {_list([_duck_path(one) for one in steps] or ['$.x'])}) AS VARCHAR[])"
        keys = f"json_keys(j, {_list(self.objects)})"
        brackets = "strlen(raw) - strlen(replace(replace(raw, '{', ''), '[', ''))"
        parsed = "j IS NOT NULL AND starts_with(raw, '{')"
        record = f"SELECT n, raw, {self.record} AS j FROM block"  # noqa: S608 - all quoted
        read = f"{extract} AS v, {keys} AS keys, {parsed} AS parsed, {brackets} AS brackets"
        for array in self.counts:  # at most one, where a query is asked at all
            read += (
                f", CASE WHEN json_type(j, {_quote(array)}) = 'ARRAY' THEN json_array_length(j, {_quote(array)}) END"
            )
            read += " AS events"
        outer = f"n, keys, parsed, brackets{', events' if self.counts else ''}{texts}{seconds}"
        return f"SELECT {outer} FROM (SELECT n, {read} FROM ({record}))"  # noqa: S608 - all quoted

    def _text(self, path: Path) -> str:
        return f"t{self.paths.index(path)}" if path in self.paths else "CAST(NULL AS VARCHAR)"

    def _holds(self, conditions: Sequence[Condition]) -> str:
        tests = []
        for condition in conditions:
            text = self._text(condition.path)
            if condition.absent:
                tests.append(f"{text} IS NULL")
            elif condition.none_of is not None:
                tests.append(f"{text} NOT IN ({', '.join(_json(one) for one in condition.none_of)})")
            elif condition.one_of is None:
                tests.append(_is_kind(text, condition.kind))
            else:
                tests.append(f"{text} IN ({', '.join(_json(one) for one in condition.one_of)})")
        return _all(tests)

    def _number(self, candidate: Candidate, column: Column | None) -> str:
        """Return the text at a path, of a string that spells a number that number."""
        text = self._text(candidate.path)
        if column is None or not column.text_numbers:
            return text
        return f"CASE WHEN regexp_full_match({text}, '{_TEXT_NUMBER}') THEN {text}[2:-2] ELSE {text} END"

    def _candidate(self, candidate: Candidate, column: Column | None = None) -> str:
        text = value = self._number(candidate, column)
        kinds = KINDS_OF[column.type] if column and column.mismatch_absent else ()
        tests = [self._holds(candidate.when)] if candidate.when else []
        if candidate.constant is not None:
            tests.append(f"{text} IS NOT NULL")
            return f"CASE WHEN {_all(tests)} THEN {_json(candidate.constant)} END"
        if column and column.empty_absent:
            tests.append(f"{text} <> {_json('')}")
        if kinds and not candidate.path.has_every:
            tests.append(" OR ".join(f"({_is_kind(text, kind)})" for kind in kinds))
        if column and column.type is ValueType.STRING_LIST and not candidate.path.has_every:
            value = _only_member(text)
        if column and column.type is ValueType.DECIMAL:
            value = f"{text} || 'e{candidate.exponent}'"
        return f"CASE WHEN {_all(tests)} THEN {value} END" if tests else value

    def _column(self, column: Column) -> None:
        name = f"c_{column.name}"
        live = [one for one in column.candidates if one.path in self.paths]
        if not live:
            return
        chosen = [self._candidate(one, column) for one in live]
        self.chosen[name] = f"coalesce({', '.join(chosen)})"
        value, test = _TAKE[column.type](name)
        if column.mapping is not None:
            arms = "".join(f" WHEN {_json(old)} THEN {_quote(new)}" for old, new in column.mapping)
            value = f"CASE {name}{arms} END" if arms else "NULL"
        self.values[column.name] = value
        self.tests.append(f"{name} IS NULL OR ({test})")

    def _content(self) -> None:
        arms = "".join(f" WHEN {self._holds(rule.when)} THEN {_quote(rule.status)}" for rule in self.dialect.content)
        self.values["content_status"] = f"CASE{arms} ELSE 'unknown' END" if arms else "'unknown'"

    def _event_time(self) -> None:
        self.values["event_time_basis"] = "'none'"
        live = [time for time in self.dialect.event_time if time.place.path in self.paths]
        if not live:
            return
        candidates = [(self._candidate(one.place), one.unit) for one in live]
        arms = "".join(f" WHEN ({text}) IS NOT NULL THEN '{unit}'" for text, unit in candidates)
        self.chosen["c_time"] = f"coalesce({', '.join(text for text, _ in candidates)})"
        self.chosen["c_unit"] = f"CASE{arms} END"
        is_text = "starts_with(c_time, '\"')"
        self.read["e_time"] = f"CASE WHEN {is_text} THEN {_TEXT_NS} ELSE {_number_ns()} END"
        self.values |= {
            "event_time": "e_time",
            "event_time_raw": f"CASE WHEN {is_text} THEN replace(c_time, '\"', '') ELSE c_time END",
            "event_time_unit": f"CASE WHEN c_time IS NULL THEN NULL WHEN {is_text} THEN 'rfc3339' ELSE {_UNIT} END",
            "event_time_basis": f"CASE WHEN c_time IS NULL THEN 'none' WHEN {is_text} THEN 'offset' ELSE 'epoch' END",
        }
        text_fits = f"c_unit IN ('rfc3339', 'any') AND regexp_full_match(c_time, '{_RFC3339}')"
        fits = f"CASE WHEN {is_text} THEN {text_fits} ELSE {_is_integer('c_time')} END"
        self.tests.append(f"c_time IS NULL OR ({fits} AND e_time IS NOT NULL)")


def _second(path: Path) -> tuple[Step, ...]:
    return (*path.steps[: path.steps.index(Every.MEMBER)], 1)


_NUMBER: Final = "TRY_CAST(c_time AS BIGINT)"
_UNIT: Final = (
    "CASE WHEN c_unit <> 'any' THEN c_unit"
    + "".join(
        f" WHEN {_NUMBER} >= {10 ** (18 - places)} AND {_NUMBER} < {10 ** (19 - places)} THEN '{unit}'"
        for unit, places in UNITS.items()
        if places
    )
    + f" WHEN {_NUMBER} >= {10**18} THEN 'ns' END"
)
_OFFSET: Final = (
    "CASE WHEN ends_with(c_time, 'Z\"') THEN 0 ELSE CASE WHEN c_time[-7] = '-' THEN -1 ELSE 1 END * "
    "(TRY_CAST(c_time[-6:-5] AS BIGINT) * 3600 + TRY_CAST(c_time[-3:-2] AS BIGINT) * 60) END"
)
_LOCAL: Final = "CASE WHEN ends_with(c_time, 'Z\"') THEN c_time[2:-3] ELSE c_time[2:-8] END"
_TEXT_NS: Final = f"epoch_ns(TRY_CAST({_LOCAL} AS TIMESTAMP_NS)) - ({_OFFSET}) * 1000000000"


def _number_ns() -> str:
    """Return nanoseconds of a positive whole number; null outside what 64 bits hold, where the reference decides."""
    arms = "".join(
        f" WHEN '{unit}' THEN CASE WHEN {_NUMBER} BETWEEN 1 AND {(1 << 63) // 10**places - 1}"
        f" THEN least({_NUMBER}, {(1 << 63) // 10**places - 1}) * {10**places} END"
        for unit, places in UNITS.items()
    )
    return f"CASE ({_UNIT}){arms} END"
