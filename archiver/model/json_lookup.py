"""Walking a path through a parsed record, and saying what a condition holds.

Three answers: a value, absent (also: null, or a step that does not fit), or ambiguous, because an object on the way
repeats the name that the path wants and JSON readers disagree which of the two counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archiver.model.dialect import Condition, Kind
from archiver.model.json_path import Every, Keyed, Path, Step, spell
from archiver.model.strict_json import Ambiguous, Number, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ABSENT", "AmbiguousPath", "holds", "keyed", "kind_of", "look_up", "same_text"]

ABSENT: Final = None
"""Null and absent are one: neither is a value."""
_KINDS: Final[Mapping[type, Kind]] = {
    str: Kind.STRING,
    Number: Kind.NUMBER,
    bool: Kind.BOOL,
    dict: Kind.OBJECT,
    Ambiguous: Kind.OBJECT,
    list: Kind.ARRAY,
}


class AmbiguousPath(Exception):  # noqa: N818 - a verdict on a record, not a failure of the program
    """A name on the way is repeated; the first argument is the path up to it."""


def look_up(record: Value, path: Path) -> Value:
    """Return the value at a path, or ABSENT; for a `[*]` path the list of the present members' values."""
    return _walk(record, path.steps, 0)


def _walk(node: Value, steps: Sequence[Step], at: int) -> Value:
    for place in range(at, len(steps)):
        step = steps[place]
        if isinstance(step, str):
            if not isinstance(node, dict):
                return ABSENT
            if isinstance(node, Ambiguous) and step in node.repeated:
                raise AmbiguousPath(spell(tuple(steps[: place + 1])))
            node = node.get(step)
        elif isinstance(step, Every):
            return _every(node, steps, place)
        elif isinstance(step, Keyed):
            node = _behind(node, step, steps[: place + 1])
        else:
            node = node[step] if isinstance(node, list) and step < len(node) else ABSENT
        if node is None:
            return ABSENT
    return node


def _every(node: Value, steps: Sequence[Step], place: int) -> Value:
    if not isinstance(node, list):
        return ABSENT
    found = [_walk(member, steps, place + 1) for member in node]
    return [value for value in found if value is not None] or ABSENT


def keyed(node: Value, step: Keyed, way: Sequence[Step]) -> int | None:
    """Return which member of a list has a key; one that stands twice, or twice in one pair, is ambiguous."""
    pairs = [(place, one) for place, one in enumerate(node) if isinstance(one, dict)] if isinstance(node, list) else []
    if any(isinstance(one, Ambiguous) and {"key", "value"} & one.repeated for _, one in pairs):
        raise AmbiguousPath(spell(tuple(way)))
    places = [place for place, one in pairs if one.get("key") == step.key]
    if len(places) > 1:
        raise AmbiguousPath(spell(tuple(way)))
    return places[0] if places else None


def _behind(node: Value, step: Keyed, way: Sequence[Step]) -> Value:
    place = keyed(node, step, way)
    pair = node[place] if isinstance(node, list) and place is not None else None
    return pair.get("value") if isinstance(pair, dict) else ABSENT


def kind_of(value: Value) -> Kind | None:
    """Return what a value is; None for null."""
    return _KINDS.get(type(value))


def same_text(value: Value, texts: Sequence[str]) -> bool:
    """Say whether a value is one of some strings."""
    return isinstance(value, str) and value in texts


def holds(record: Value, condition: Condition) -> bool:
    """Say whether a condition holds of a record; raises AmbiguousPath."""
    value = look_up(record, condition.path)
    if value is None or condition.absent:
        return value is None and condition.absent
    if condition.one_of is not None:
        return same_text(value, condition.one_of)
    if condition.none_of is not None:
        return not same_text(value, condition.none_of)
    return condition.kind is None or kind_of(value) is condition.kind
