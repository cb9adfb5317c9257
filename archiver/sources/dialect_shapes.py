"""Records of several shapes in one log, told apart so that each shape can be read as usual records are.

A *shape* has one kind of value at each place that a dialect's paths lead to, and the time of its events at one place. A
log that holds requests whose input is a text beside others where it is a list has two. Which shape a record has is a
guess by a quick look: whoever reads the records of a shape together finds out if one of them is another.

>>> from archiver.model.dialect_file import load_dialects
>>> shapes = Shapes(load_dialects()["json.generic"])
>>> [rows for _, rows in shapes.sort([b'{"status":1}', b'{"status":"x"}', b'{"status":2}', b'{'])]
[[0, 2], [1]]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final

import orjson

from archiver.late import dataclass
from archiver.model.dialect import Dialect
from archiver.model.strict_json import MAX_NESTING, MAX_RECORD, NotJson, parse
from archiver.sources.dialect_usual import Place, places_of, wants_whole

__all__ = ["Shapes"]

_MOST_SHAPES: Final = 64
_MOST_LOOKS: Final = 4096
_LIST, _OBJECT, _WHOLE, _BROKEN = 1, 2, 3, 4
_CODES: Final[Mapping[type, int]] = {list: _LIST, dict: _OBJECT, int: _WHOLE, float: _BROKEN, str: 5, bool: 6}
_CODE_BITS: Final = 3

Look = frozenset[int]
"""What a quick look at a record tells: numbers of places, each with what stands there."""


@dataclass
class _Node:
    """A place, its number, and whether a number there is to be a whole one."""

    number: int
    wants_whole: bool
    members: dict[str, _Node] = field(default_factory=dict)
    element: _Node | None = None


@dataclass
class _Shape:
    """What is known of a shape: the usual places, what stands at each, and which place has the time."""

    root: Place
    time: int
    codes: dict[int, int]

    def fits(self, look: Look, time: int) -> bool:
        """Say whether a record of that look can be of this shape."""
        return time == self.time and all(self.codes.get(one >> _CODE_BITS, one) == one for one in look)


class Shapes:
    """The shapes of a dialect's records, as far as they were met."""

    def __init__(self, dialect: Dialect) -> None:
        """Know none yet; raises UnusualError for a dialect whose records have no usual places."""
        self._dialect = dialect
        self._numbers = 0
        self._root = self._node(places_of(dialect))
        self._shapes: list[_Shape] = []
        self._known: dict[Look, int] = {}
        self._times: dict[int, int] = {}
        for order, time in enumerate(dialect.event_time):
            node: _Node | None = self._root
            for step in time.place.path.steps:
                node = None if node is None else node.members.get(step) if isinstance(step, str) else node.element
            if node is not None:
                self._times.setdefault(node.number, order)

    def sort(self, rows: Iterable[bytes | None]) -> list[tuple[Place, list[int]]]:
        """Return the shapes of records, each with the numbers of those that have it; some may have none."""
        found: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            shape = None if row is None or len(row) > MAX_RECORD else self._shape_of(row)
            if shape is not None:
                found.setdefault(shape, []).append(number)
        return [(self._shapes[shape].root, numbers) for shape, numbers in found.items()]

    def _node(self, place: Place) -> _Node:
        self._numbers += 1
        node = _Node(self._numbers, wants_whole(place))
        node.members = {name: self._node(member) for name, member in place.members.items()}
        node.element = None if place.element is None else self._node(place.element)
        return node

    def _shape_of(self, row: bytes) -> int | None:
        try:
            record = orjson.loads(row)
        except ValueError:
            return None
        if type(record) is not dict:
            return None
        codes: set[int] = set()
        if not self._members(self._root, record, codes, 1):
            return None
        look = frozenset(codes)
        shape = self._known.get(look)
        return self._learn(look, row) if shape is None else shape

    def _members(self, node: _Node, record: dict[str, object], codes: set[int], depth: int) -> bool:
        members = node.members
        for name, value in record.items():
            at = members.get(name)
            if value is not None and at is not None and not self._value(at, value, codes, depth):
                return False
        return True

    def _value(self, node: _Node, value: object, codes: set[int], depth: int) -> bool:
        """Look at a value and what is in it; say no for one that is nested too deep."""
        code = _CODES[type(value)]
        if code == _BROKEN and not node.wants_whole:
            code = _WHOLE
        codes.add(node.number << _CODE_BITS | code)
        if isinstance(value, dict):
            return self._members(node, value, codes, depth + 1)
        if not isinstance(value, list):
            return True
        if depth > MAX_NESTING:
            return False
        element = node.element = node.element or self._node(Place())
        return all(self._value(element, member, codes, depth + 1) for member in value if member is not None)

    def _learn(self, look: Look, row: bytes) -> int | None:
        """Find the shape that records of a look not met before have, a new one if need be."""
        places = {one >> _CODE_BITS for one in look}
        if len(places) < len(look):  # two kinds in one list
            return None
        try:
            record = parse(row.removesuffix(b"\n").removesuffix(b"\r"))
        except NotJson:
            return None
        time = min((self._times[place] for place in places & self._times.keys()), default=-1)
        fitting = (number for number, shape in enumerate(self._shapes) if shape.fits(look, time))
        number = next(fitting, len(self._shapes))
        if number == len(self._shapes):
            if number >= _MOST_SHAPES:
                return None
            self._shapes.append(_Shape(places_of(self._dialect), time, {}))
        shape = self._shapes[number]
        shape.root.see(record)
        shape.codes.update((one >> _CODE_BITS, one) for one in look)
        if len(self._known) >= _MOST_LOOKS:
            self._known.clear()
        self._known[look] = number
        return number
