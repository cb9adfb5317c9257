"""Objects that stay outside the log, named in signed incidents by key, version and SHA-256.

>>> incidents(session, "2 objects that the log does not account for", "unexplained", left)
1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Final

from archiver.flows.session import Session
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.statement import IncidentObject, IncidentPredicate, Subject
from archiver.proof import canonical
from archiver.stores.base import Version

__all__ = ["Left", "NamedBefore", "incidents", "is_settled"]

SETTLED: Final = timedelta(minutes=10)
"""A run signs a batch within seconds of storing it; what is younger may still get its statement from its maker."""

_INCIDENT_BYTES: Final = 24_000  # of objects in one statement, whose envelope has at most 65,535 bytes


@dataclass(frozen=True)
class Left:
    """An object that stays outside the log, and why."""

    version: Version
    sha256: str
    why: str

    def words(self) -> IncidentObject:
        """Return it as an incident names it."""
        return IncidentObject(key=self.version.key, version=self.version.version, sha256=self.sha256)


class NamedBefore:
    """Key and SHA-256 of everything that an incident has named, read when somebody asks: on nearly no run."""

    def __init__(self, session: Session) -> None:
        """Begin with nothing read."""
        self._session = session

    def __contains__(self, one: tuple[str, str]) -> bool:
        """Say whether an incident has named an object."""
        return one in self._known

    @cached_property
    def _known(self) -> set[tuple[str, str]]:
        return _named(self._session)


def _named(session: Session) -> set[tuple[str, str]]:
    return {
        (one.key, one.sha256)
        for _, statement in session.catalog.statements("incident")
        if isinstance(statement.predicate, IncidentPredicate)
        for one in statement.predicate.objects
    }


def incidents(session: Session, what: str, decision: str, some: list[Left]) -> int:
    """Sign incidents about objects, as many as it takes; return how many."""
    count = 0
    for chunk in _chunks(some):
        report = b"".join(
            canonical.encode({**one.words().model_dump(), "size": one.version.size, "why": one.why}) + b"\n"
            for one in chunk
        )
        digest = sha256(report).hexdigest()
        report_key = layout.report_key(digest, "incident.jsonl")
        session.put(report_key, report)
        predicate = IncidentPredicate(
            **session.seal.common(),
            what=what,
            decision=decision,  # type: ignore[arg-type] # checked by the model
            objects=[one.words() for one in chunk],
        )
        key, envelope = session.seal.seal("incident", [Subject.of(report_key, digest)], predicate)
        session.enter(key, session.keep(key, envelope))
        count += 1
    return count


def _chunks(some: Iterable[Left]) -> Iterator[list[Left]]:
    chunk: list[Left] = []
    size = 0
    for one in some:
        length = len(one.words().model_dump_json())
        if chunk and size + length > _INCIDENT_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += length
    if chunk:
        yield chunk


def is_settled(session: Session, version: Version) -> bool:
    """Say whether an object is old enough for its maker to be done with it."""
    return version.modified <= session.clock() - SETTLED
