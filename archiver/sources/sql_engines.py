"""What differs between the databases that a query can be put to, in the words of each.

Every value comes as text: a server's own text form of it, or for SQLite, where each value has a type of its own, that
type and the value in a form that holds it whole. So no driver decides what a number or a time is.

>>> ENGINES["postgresql"].values([Column("n", "integer"), Column("x", "numeric")], ("7", "NaN"))
[7, 'NaN']
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from archiver.late import dataclass
from archiver.model.policy_sql import Query
from archiver.sources.base import SourceUnavailable

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection, Cursor

__all__ = ["ENGINES", "Column", "Engine", "Value"]

Value = str | int | bool | dict[str, str] | None
_MOST: Final = 1 << 53  # integers beyond are no JSON numbers


@dataclass(frozen=True)
class Column:
    """A column of a result; `type` as the server names it, None where values have types and columns have none."""

    name: str
    type: str | None


class Engine(Protocol):
    """One kind of database. `before` is how many rows stand before those of the query in what `select` gives."""

    before: int

    def connect(self, query: Query, password: str | None) -> Connection:
        """Open a connection that commits nothing by itself."""
        ...

    def begin(self, cursor: Cursor) -> None:
        """Make the transaction read only, of one state of the database, and its text forms the ones of FORMAT.md."""
        ...

    def server(self, cursor: Cursor) -> str:
        """Return name and version of the server."""
        ...

    def isolation(self, cursor: Cursor) -> tuple[str, str | None]:
        """Return how the transaction sees the database, as the server says, and the server's name for that state."""
        ...

    def columns(self, cursor: Cursor, query: str) -> list[Column]:
        """Return the columns of a query without its rows."""
        ...

    def plan(self, cursor: Cursor, query: str) -> str:
        """Return how the server means to answer."""
        ...

    def select(self, query: str, columns: int) -> str:
        """Return the query that asks for every value as text."""
        ...

    def values(self, columns: Sequence[Column], row: Sequence[Any]) -> list[Value]:
        """Return the values of a row as they stand in its line."""
        ...

    def spellings(self, secret: str | None) -> list[str]:
        """Return how a password could stand in a message."""
        ...


class _PostgreSQL:
    """PostgreSQL 9.6 or newer."""

    before = 0

    _NUMBERS: Final = ("smallint", "integer")
    _FORMS: Final = (
        "SET LOCAL TimeZone = 'UTC'",
        "SET LOCAL DateStyle = 'ISO, YMD'",
        "SET LOCAL IntervalStyle = 'postgres'",
        "SET LOCAL bytea_output = 'hex'",
        "SET LOCAL extra_float_digits = 3",
        "SET LOCAL client_encoding = 'UTF8'",
    )

    def connect(self, query: Query, password: str | None) -> Connection:
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - an extra

        scheme, _, rest = query.location.partition("://")
        if password is not None:
            user, _, place = rest.partition("@")
            rest = f"{user}:{quote(password, safe='')}@{place}"
        return dbapi.connect(f"{scheme}://{rest}", autocommit=False)

    def begin(self, cursor: Cursor) -> None:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for form in self._FORMS:
            cursor.execute(form)

    def server(self, cursor: Cursor) -> str:
        return _one(cursor, "SELECT version()")

    def isolation(self, cursor: Cursor) -> tuple[str, str | None]:
        level = _one(cursor, "SELECT current_setting('transaction_isolation')")
        only = _one(cursor, "SELECT current_setting('transaction_read_only')")
        return f"{level}, {'read only' if only == 'on' else 'read write'}", _one(
            cursor, "SELECT txid_current_snapshot()::text"
        )

    def columns(self, cursor: Cursor, query: str) -> list[Column]:
        cursor.execute(f"SELECT * FROM ({query}\n) AS q LIMIT 0")
        names = list(cursor.fetch_arrow_table().schema.names)
        types = ", ".join(f"pg_typeof({name})::text" for name in _names(len(names)))
        empty = f"(SELECT * FROM ({query}\n) AS q LIMIT 0) AS q({', '.join(_names(len(names)))})"
        cursor.execute(f"SELECT {types} FROM (SELECT 1) AS one LEFT JOIN {empty} ON true")
        (row,) = cursor.fetchall()
        return [Column(name, str(kind)) for name, kind in zip(names, row, strict=True)]

    def plan(self, cursor: Cursor, query: str) -> str:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})  # a plan is nothing to copy
        found = _one(cursor, f"EXPLAIN (VERBOSE, COSTS, FORMAT TEXT) {query}", whole=True)
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "true"})
        return found

    def select(self, query: str, columns: int) -> str:
        # concat asks a type for its text form, as psql does; a cast to text would cut the blanks of char(n).
        # num_nulls asks for NULL itself: a row of NULLs also IS NULL.
        texts = ", ".join(
            f"CASE WHEN num_nulls({name}) = 1 THEN NULL ELSE concat({name}) END AS {name}" for name in _names(columns)
        )
        return f"SELECT {texts} FROM ({query}\n) AS q({', '.join(_names(columns))})"

    def values(self, columns: Sequence[Column], row: Sequence[Any]) -> list[Value]:
        return [self._value(column.type, text) for column, text in zip(columns, row, strict=True)]

    def spellings(self, secret: str | None) -> list[str]:
        return [secret, quote(secret, safe="")] if secret else []

    def _value(self, kind: str | None, text: str | None) -> Value:
        if text is None:
            return None
        if kind == "boolean":
            return text == "t"
        return int(text) if kind in self._NUMBERS else text


class _SQLite:
    """SQLite 3, whose file is opened for reading only."""

    before = 1

    def connect(self, query: Query, password: str | None) -> Connection:
        from adbc_driver_sqlite import dbapi  # noqa: PLC0415 - an extra

        assert password is None
        assert query.file is not None
        try:
            query.file.open("rb").close()
        except OSError as problem:  # SQLite has no words for it, or wrong ones: "failed to allocate memory"
            text = f"source location: expected a database, found {query.file}: {problem.strerror}"
            hint = "correct `location` in the policy, or see who may read the file"
            raise SourceUnavailable("source-unavailable", text, hint=hint) from problem
        return dbapi.connect(f"file:{quote(str(query.file))}?mode=ro", autocommit=False)

    def begin(self, cursor: Cursor) -> None:
        cursor.execute("PRAGMA query_only = 1")
        cursor.fetchall()
        if (found := _one(cursor, "PRAGMA encoding")) != "UTF-8":
            text = f"source location: expected a database whose encoding is UTF-8, found {found}"
            raise SourceUnavailable("source-unavailable", text, hint="collect the file as a document as well")

    def server(self, cursor: Cursor) -> str:
        return f"SQLite {_one(cursor, 'SELECT sqlite_version()')}, {_one(cursor, 'PRAGMA encoding')}"

    def isolation(self, cursor: Cursor) -> tuple[str, str | None]:
        return f"one transaction, read only, journal {_one(cursor, 'PRAGMA journal_mode')}", None

    def columns(self, cursor: Cursor, query: str) -> list[Column]:
        cursor.execute(f"SELECT * FROM ({query}\n) LIMIT 0")
        return [Column(name, None) for name in cursor.fetch_arrow_table().schema.names]

    def plan(self, cursor: Cursor, query: str) -> str:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())

    def select(self, query: str, columns: int) -> str:
        # Three columns for each: its type, its text, and what is real, whose text form here is not exact. The first row
        # is not of the query: by it the driver learns that the third column is one of doubles.
        first = ", ".join("'', '', 0.0" for _ in range(columns))
        triples = ", ".join(
            f"typeof({name}), CASE typeof({name}) WHEN 'blob' THEN hex({name}) WHEN 'real' THEN ''"
            f" WHEN 'text' THEN hex(CAST({name} AS BLOB)) ELSE CAST({name} AS TEXT) END,"
            f" CASE typeof({name}) WHEN 'real' THEN {name} END"
            for name in _names(columns)
        )
        return f"WITH q({', '.join(_names(columns))}) AS ({query}\n) SELECT {first} UNION ALL SELECT {triples} FROM q"

    def values(self, columns: Sequence[Column], row: Sequence[Any]) -> list[Value]:
        return [self._value(*row[3 * place : 3 * place + 3]) for place in range(len(columns))]

    def spellings(self, secret: str | None) -> list[str]:
        return [secret] if secret else []

    def _value(self, kind: str, text: str | None, real: float | None) -> Value:
        if kind == "null" or text is None:
            return None
        if kind == "integer":
            return number if abs(number := int(text)) < _MOST else {"integer": text}
        if kind == "real":
            return {"real": repr(real)}
        data = bytes.fromhex(text)
        if kind == "text":
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return {"text": base64.b64encode(data).decode()}
        return {"blob": base64.b64encode(data).decode()}


def _names(count: int) -> list[str]:
    return [f"c{place}" for place in range(count)]


def _one(cursor: Cursor, query: str, *, whole: bool = False) -> str:
    """Return the first value of a result, or all of its first column as lines."""
    cursor.execute(query)
    rows = cursor.fetchall()
    return "\n".join(str(row[0]) for row in rows) if whole else str(rows[0][0])


ENGINES: Final[Mapping[str, Engine]] = {"postgresql": _PostgreSQL(), "sqlite": _SQLite()}
