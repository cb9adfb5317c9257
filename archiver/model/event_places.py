"""Where the events of a record of several stand, and the record with all but one of them left out.

A dialect names arrays, each inside a member of the one before: `$.resourceSpans`, `$.scopeSpans`, `$.spans`. A place is
one index for each. A record without the first array is no batch; an array that is missing further in holds no events.
"""

from __future__ import annotations

from collections.abc import Sequence

from archiver.model.json_lookup import look_up
from archiver.model.json_path import Path, Step
from archiver.model.strict_json import Ambiguous, Value

__all__ = ["Place", "event_places", "narrowed"]

Place = tuple[int, ...]


def event_places(arrays: Sequence[Path], record: Value) -> list[Place] | None:
    """Return the places of all events in order, None for a record that is no batch; raises AmbiguousPath."""
    if not arrays or not isinstance(look_up(record, arrays[0]), list):
        return None
    return list(_places(arrays, record))


def _places(arrays: Sequence[Path], node: Value) -> list[Place]:
    if not arrays:
        return [()]
    members = look_up(node, arrays[0])
    if not isinstance(members, list):
        return []
    return [(number, *rest) for number, member in enumerate(members) for rest in _places(arrays[1:], member)]


def narrowed(arrays: Sequence[Path], record: dict[str, Value], place: Place) -> dict[str, Value]:
    """Return a record in which the event at this place is the only one; nothing else is copied."""
    found = _narrow(arrays, record, place)
    assert isinstance(found, dict)
    return found


def _narrow(arrays: Sequence[Path], node: Value, place: Place) -> Value:
    return _only(node, arrays[0].steps, arrays, place) if arrays else node


def _only(node: Value, way: Sequence[Step], arrays: Sequence[Path], place: Place) -> Value:
    if not way and isinstance(node, list):
        return [_narrow(arrays[1:], node[place[0]], place[1:])]
    step = way[0]
    if not isinstance(node, dict) or not isinstance(step, str):
        raise TypeError(f"no event at {place}")
    return _changed(node, step, _only(node[step], way[1:], arrays, place))


def _changed(node: dict[str, Value], name: str, value: Value) -> dict[str, Value]:
    """Return a copy of an object with another value for a name, which it does not repeat."""
    if not isinstance(node, Ambiguous):
        return {**node, name: value}
    copy = Ambiguous({**node, name: value})
    copy.repeated = node.repeated
    copy.pairs = tuple((one, value if one == name else other) for one, other in node.pairs)
    return copy
