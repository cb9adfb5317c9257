"""Which objects of the archive a statement is about: what has to be stored before the statement is entered.

>>> [one.name for one in objects_of(envelope)]
['policies/9f….yaml']
"""

from __future__ import annotations

from collections.abc import Iterator

from archiver.model import layout
from archiver.model.statement import Subject
from archiver.proof import canonical, dsse

__all__ = ["objects_of"]

_INCIDENT = "urn:archiver:incident:v1"


def objects_of(envelope: bytes) -> list[Subject]:
    """Return the subjects that lie in the archive, also of a kind that only a later version knows.

    What an incident met is left where it was met, and is no part of the archive.
    """
    payload = canonical.decode(dsse.open_envelope(envelope).payload, limit=dsse.MAX_ENVELOPE)
    if not isinstance(payload, dict):
        return []
    met = set(_met(payload)) if payload.get("predicateType") == _INCIDENT else set()
    named = [Subject.model_validate(one) for one in _list(payload.get("subject"))]
    return [one for one in named if layout.is_archive_key(one.name) and one.name not in met]


def _met(payload: dict[str, canonical.JSON]) -> Iterator[str]:
    predicate = payload.get("predicate")
    for one in _list(predicate.get("objects")) if isinstance(predicate, dict) else ():
        if isinstance(one, dict):
            yield str(one.get("key"))


def _list(value: canonical.JSON) -> list[canonical.JSON]:
    return value if isinstance(value, list) else []
