"""Sources that are queries: `postgresql://USER@HOST:PORT/DATABASE` or `sqlite://PATH`, and what they are asked.

The policy is archived, and everybody who gets the archive reads it: so a password stands in no location, only its place
in `password`, as `env:NAME` or `file:PATH`.

>>> is_database("sqlite://chats.db"), is_database("./chats.db")
(True, False)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from archiver.late import dataclass, pattern
from archiver.model.policy_words import SourceWords

__all__ = ["Query", "faults", "is_database", "query_of"]

_POSTGRESQL: Final = pattern(
    r"postgresql://(?:(?P<user>[^:@/?#\s]+)@)?(?:[^:@/?#\s\[\]]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/[^/?#@\s]+(?P<options>\?[^#@\s]*)?"
)
_SQLITE: Final = pattern(r"sqlite://[^?#]+")
_DATABASE: Final = pattern(r"(postgresql|postgres|sqlite)://")


@dataclass(frozen=True)
class Query:
    """What a database is asked; `location` as written, `file` that of SQLite, `password` a place, never a password.

    `scratch` is the folder in which a result lies while it is read, and `most` how many bytes it may have there: nobody
    knows before it is there, so nobody was asked.
    """

    system: Literal["postgresql", "sqlite"]
    text: str
    location: str
    scratch: Path
    most: int
    file: Path | None = None
    password: str | None = None


def is_database(location: str) -> bool:
    """Say whether a location is meant to be a database."""
    return _DATABASE.match(location) is not None


def faults(words: SourceWords) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a source as a query, or with the words of a query in another source.

    Each is (member, what was expected, what to write). A location that may hold a password is not repeated.
    """
    if not is_database(words.location):
        for member in ("query", "password"):
            if getattr(words, member) is not None:
                is_path = "://" not in words.location and member == "query"
                instead = f'location: "sqlite://{words.location}", if that was meant' if is_path else "it left out"
                yield member, f"{member} belongs to a postgresql:// or sqlite:// location", instead
        return
    found = _POSTGRESQL.fullmatch(words.location)
    if found is None and not _SQLITE.fullmatch(words.location):
        expected = "expected postgresql://USER@HOST:PORT/DATABASE without a password, or sqlite://PATH"
        yield "location", expected, '"postgresql://reader@db.example/chats", with `password: env:NAME`'
    elif found is not None and re.search(r"[?&](password|passfile|service)=", found["options"] or ""):
        yield "location", "expected a location without a password and its like", "it without, and `password: env:NAME`"
    elif words.password is not None and (found is None or found["user"] is None):
        yield "password", "a password belongs to the user of a postgresql:// location", "it left out, or the user"
    if words.query is None:
        yield "location", "expected a query beside a database", 'query: "SELECT ... ORDER BY id"'
    elif words.query.rstrip().endswith(";"):
        yield "query", "expected a query without a semicolon at its end", "it without"
    if words.include != ["**"] or words.exclude:
        yield "include", "the result of a query has no names to choose by", '["**"], and choose in the query'


def query_of(words: SourceWords, base: Path, state: Path, most: int) -> Query | None:
    """Return what a source asks, None for one that is no query."""
    if words.query is None or not is_database(words.location):
        return None
    password = words.password
    if password is not None and password.startswith("file:"):
        password = f"file:{base / password.removeprefix('file:')}"
    scratch = state / "received" / words.id
    if words.location.startswith("sqlite://"):
        file = base / words.location.removeprefix("sqlite://")
        return Query("sqlite", words.query, words.location, scratch, most, file, password)
    return Query("postgresql", words.query, words.location, scratch, most, None, password)
