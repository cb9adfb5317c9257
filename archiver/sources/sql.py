r"""The result of a query as a source: one item, `rows.jsonl`, a line of canonical JSON for each row.

The laws:

1. One transaction, read only, of one state of the database: in it columns, plan, snapshot and rows are asked for.
2. Every value is asked for as the text that the server itself would print for it, never in a type of this side, so none
   is rounded, cut or made to fit. What that text is, FORMAT.md says (8.2).
3. The order of rows is that of the query. Without ORDER BY it is the server's own choice, and may differ next time.
4. The result goes to a file on the disk and is read from there. Memory is one batch of the driver.
5. A password comes from the environment or a file, and goes to the server alone: it is taken out of every message.

>>> encode(("a", "b"), [("1", None)])
b'{"a":"1","b":null}\n'
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import pyarrow as pa

from archiver.errors import UsageError
from archiver.model.extras import install
from archiver.model.instant import format_instant
from archiver.model.items import ItemLine
from archiver.model.policy_sql import Query
from archiver.proof import canonical
from archiver.sources.base import Found, ObjectFacts, Problem, ReadProblem, SourceUnavailable
from archiver.sources.rows import BLOCK
from archiver.sources.sql_engines import ENGINES, Column, Value

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Cursor

__all__ = ["PATH", "QueryLocation", "encode"]

PATH: Final = b"rows.jsonl"
_LONGEST_PLAN: Final = 1 << 18  # characters; a line of `items` holds 8 MiB


def encode(names: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """Return rows as lines of canonical JSON. Values are text, booleans, small numbers, or objects of text."""
    order = sorted(range(len(names)), key=lambda place: names[place].encode("utf-16-be"))
    lines = (
        json.dumps({names[place]: row[place] for place in order}, ensure_ascii=False, separators=(",", ":"))
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines).encode()


class QueryLocation:
    """A query, and the database that it is put to."""

    lasting = True

    def __init__(
        self,
        query: Query,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Bind to a query; nothing is opened."""
        self._query = query
        self._engine = ENGINES[query.system]
        self._environ = environ
        self._clock = clock

    def walk(self, *, quick: bool = False) -> Iterator[Found]:  # noqa: ARG002 - there is nothing quicker
        """Yield the one item, after a look whether the query can be put; its rows are not asked for."""
        with self._cursor() as cursor, self._told(_unavailable):
            columns = self._columns(cursor)
            words = self._words(columns, self._engine.server(cursor))
        yield Found(PATH, "object", ObjectFacts(0, words), None)

    @contextmanager
    def open(self, _found: Found) -> Iterator[_Result]:
        """Put the query; what comes back is on the disk before the first byte is read."""
        try:
            self._query.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._query.scratch)  # noqa: SIM115 - closed below
        except OSError as problem:
            raise ReadProblem(Problem("unreadable", f"{self._query.scratch}: {problem.strerror}")) from problem
        with file:
            yield _Result(file, self._ask(file))

    def stays(self, _line: ItemLine) -> bool:
        """Say yes: there is no other item to be taken for it."""
        return True

    def spell(self, host: str) -> str:
        """Return the database; a file with its host."""
        return self._query.location if self._query.file is None else f"{host}:{self._query.file}"

    def device(self) -> None:
        """Return nothing: where a server keeps its data is its own business."""

    def _ask(self, file: IO[bytes]) -> ObjectFacts:
        with self._cursor() as cursor, self._told(_failed):
            columns = self._columns(cursor)
            words = self._words(columns, self._engine.server(cursor))
            words["isolation"], words["snapshot"] = self._engine.isolation(cursor)
            words["plan"] = self._engine.plan(cursor, self._query.text)[:_LONGEST_PLAN]
            rows = self._rows(cursor, columns, file)
        words |= {"rows": rows, "ended": format_instant(self._clock())}
        return ObjectFacts(file.tell(), words)

    def _rows(self, cursor: Cursor, columns: list[Column], file: IO[bytes]) -> int:
        names, count, skip = [column.name for column in columns], 0, self._engine.before
        cursor.execute(self._engine.select(self._query.text, len(columns)))
        try:
            for batch in cursor.fetch_record_batch():
                fields = [field.to_pylist() for field in batch.slice(skip).columns]
                file.write(encode(names, (self._engine.values(columns, row) for row in zip(*fields, strict=True))))
                self._bound(file.tell())
                count += batch.num_rows - skip
                skip = 0
            file.flush()
        except (pa.ArrowException, OSError) as problem:  # the stream of rows broke off, or the disk is full
            raise _failed(self._said(problem)) from None
        except UnicodeDecodeError as problem:
            raise ReadProblem(Problem("unreadable", f"row {count} or later: text that is not UTF-8")) from problem
        return count

    def _bound(self, size: int) -> None:
        """Refuse a result beyond what a person would have been asked about, had it been known before."""
        if size > self._query.most:
            text = f"the query's result: expected at most {self._query.most} bytes, found more"
            raise ReadProblem(Problem("too-large", f"{text}; ask for less, or raise limits.confirm_above_bytes"))

    def _columns(self, cursor: Cursor) -> list[Column]:
        columns = self._engine.columns(cursor, self._query.text)
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            text = f"query: expected columns with names of their own, found {', '.join(twice)} more than once"
            raise SourceUnavailable(
                "source-unavailable", text, hint="give each a name: SELECT a.id AS a_id, b.id AS b_id"
            )
        return columns

    def _words(self, columns: list[Column], server: str) -> dict[str, canonical.JSON]:
        return {
            "store": "sql",
            "system": self._query.system,
            "server": server,
            "query": self._query.text,
            "columns": [{"name": column.name, "type": column.type} for column in columns],
            "isolation": None,
            "snapshot": None,
            "plan": None,
            "rows": None,
            "began": format_instant(self._clock()),
            "ended": None,
        }

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        """Open a connection with a read-only transaction; nothing is ever committed."""
        try:
            from adbc_driver_manager import dbapi  # noqa: PLC0415 - an extra, and 10 MB of libpq
        except ImportError as problem:
            raise UsageError(
                "no-sql",
                f"source {self._query.location}: expected the database drivers, found none",
                hint=install("sql"),
            ) from problem
        self._errors: type[Exception] = dbapi.Error
        with self._told(_unavailable):
            connection = self._engine.connect(self._query, self._password())
        with connection:
            with connection.cursor() as cursor:
                with self._told(_unavailable):
                    self._engine.begin(cursor)
                yield cursor
            connection.rollback()

    def _password(self) -> str | None:
        place = self._query.password
        if place is None:
            return None
        kind, _, name = place.partition(":")
        try:
            found = self._environ[name] if kind == "env" else Path(name).read_text(encoding="utf-8").rstrip("\r\n")
        except (KeyError, OSError, UnicodeDecodeError) as problem:
            text = f"password of {self._query.location}: expected it in {place}, found none that can be read"
            raise SourceUnavailable(
                "source-unavailable", text, hint="set it, or correct `password` in the policy"
            ) from problem
        self._secret = found
        return found

    _secret: str | None = None

    @contextmanager
    def _told(self, meaning: Callable[[str], SourceUnavailable | ReadProblem]) -> Iterator[None]:
        """Turn what the driver says into an error of this program, without the password."""
        try:
            yield
        except self._errors as problem:
            raise meaning(self._said(problem)) from None  # the chain would show the driver's own words

    def _said(self, problem: Exception) -> str:
        text = " ".join(str(problem).split())
        for secret in self._engine.spellings(self._secret):
            text = text.replace(secret, "***")
        return f"{self._query.location}: {text[:1000]}"


class _Result:
    """A result on the disk."""

    def __init__(self, file: IO[bytes], first: ObjectFacts) -> None:
        self._file = file
        self.first = first
        file.seek(0)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        try:
            return self._file.read(size)
        except OSError as problem:
            raise ReadProblem(Problem("io-error", f"the query's result: {problem.strerror}")) from problem

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield what is left, block by block."""
        while block := self.read(size):
            yield block

    def rewind(self, offset: int = 0) -> None:
        """Go to an offset."""
        self._file.seek(offset)

    def stat_now(self) -> ObjectFacts:
        """Say again what is being read: nobody else has it."""
        return replace(self.first)


def _unavailable(said: str) -> SourceUnavailable:
    text = f"source location: expected a database that answers the query, found {said}"
    return SourceUnavailable(
        "source-unavailable", text, hint="check server, user, password and query with psql or sqlite3"
    )


def _failed(said: str) -> ReadProblem:
    return ReadProblem(Problem("query-failed", said))
