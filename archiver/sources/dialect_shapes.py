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
from typing import Final, NamedTuple

import orjson

from archiver.late import dataclass
from archiver.model.dialect import Dialect
from archiver.model.strict_json import MAX_NESTING, MAX_RECORD, NotJson, parse
from archiver.sources.dialect_usual import Place, places_of, wants_whole

__all__ = ["Shapes"]

_MOST_SHAPES: Final = 64
_MOST_FORMS: Final = 4096
_MOST_NAMES: Final = 64
_LIST, _OBJECT, _WHOLE, _BROKEN = 1, 2, 3, 4
_CODES: Final[Mapping[type, int]] = {list: _LIST, dict: _OBJECT, int: _WHOLE, float: _BROKEN, str: 5, bool: 6}
_CODE_BITS: Final = 3
_CODE: Final = (1 << _CODE_BITS) - 1

Codes = frozenset[int]
"""What stands where: numbers of places, each with a code of what is there."""


class _Form(NamedTuple):
    """Names and types of an object's members, or types of a list's: its number, and what follows from them.

    Most objects of a log have one of a few forms, so the members are looked at one by one only when a form is new.
    """

    number: int
    codes: Codes
    inner: tuple[tuple[str, _Node], ...] = ()
    """The members to look into."""


@dataclass
class _Node:
    """A place, its number, and whether a number there is wanted, and a whole one."""

    number: int
    wants_number: bool
    wants_whole: bool
    members: dict[str, _Node] = field(default_factory=dict)
    element: _Node | None = None
    forms: dict[object, _Form] = field(default_factory=dict)

    def code(self, kind: type) -> int:
        """Say what stands here."""
        code = _CODES[kind]
        return self.number << _CODE_BITS | (_WHOLE if code == _BROKEN and not self.wants_whole else code)


@dataclass
class _Shape:
    """What is known of a shape: the usual places, what stands at each, and what its records have in common.

    That is which place has the time, and what stands where a number is wanted and is none: it may spoil the column.
    """

    root: Place
    common: tuple[int, Codes]
    codes: dict[int, int]

    def fits(self, codes: Codes, common: tuple[int, Codes]) -> bool:
        """Say whether a record of which that is known can be of this shape."""
        return common == self.common and all(self.codes.get(one >> _CODE_BITS, one) == one for one in codes)


class Shapes:
    """The shapes of a dialect's records, as far as they were met."""

    def __init__(self, dialect: Dialect) -> None:
        """Know none yet; raises UnusualError for a dialect whose records have no usual places."""
        self._dialect = dialect
        self._nodes: list[_Node] = []
        self._forms: list[Codes] = []
        self._root = self._node(places_of(dialect))
        self._shapes: list[_Shape] = []
        self._known: dict[frozenset[int], int] = {}
        """Shapes of records, by the forms that are in them."""
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
        node = _Node(len(self._nodes), bool(place.numbers), wants_whole(place))
        self._nodes.append(node)
        node.members = {name: self._node(member) for name, member in place.members.items()}
        node.element = None if place.element is None else self._node(place.element)
        return node

    def _shape_of(self, row: bytes) -> int | None:
        try:
            record = orjson.loads(row)
        except ValueError:
            return None
        if len(self._forms) >= _MOST_FORMS:
            self._forget()
        forms: set[int] = set()
        if type(record) is not dict or not self._object(self._root, record, forms, 1):
            return None
        shape = self._known.get(frozenset(forms))
        return self._learn(frozenset(forms), row) if shape is None else shape

    def _forget(self) -> None:
        self._forms.clear()
        self._known.clear()
        for node in self._nodes:
            node.forms.clear()

    def _object(self, node: _Node, record: dict[str, object], forms: set[int], depth: int) -> bool:
        """Look at an object; say no where something in it is nested too deep."""
        key = (tuple(record), tuple(map(type, record.values()))) if len(record) <= _MOST_NAMES else None
        form = (key and node.forms.get(key)) or self._form_of_object(node, key, record)
        forms.add(form.number)
        for name, at in form.inner:
            value = record[name]
            if not (
                self._object(at, value, forms, depth + 1)
                if isinstance(value, dict)
                else isinstance(value, list) and self._list(at, value, forms, depth + 1)
            ):
                return False
        return True

    def _list(self, node: _Node, members: list[object], forms: set[int], depth: int) -> bool:
        if depth > MAX_NESTING:
            return False
        element = node.element = node.element or self._node(Place())
        kinds = frozenset(map(type, members))
        form = element.forms.get(kinds) or self._form_of_list(element, kinds)
        forms.add(form.number)
        return (
            not element.members
            or dict not in kinds
            or all(self._object(element, one, forms, depth + 1) for one in members if isinstance(one, dict))
        ) and (
            list not in kinds
            or all(self._list(element, one, forms, depth + 1) for one in members if isinstance(one, list))
        )

    def _form_of_object(self, node: _Node, key: object, record: dict[str, object]) -> _Form:
        known = [(name, node.members[name]) for name in record if name in node.members and record[name] is not None]
        codes = frozenset(at.code(type(record[name])) for name, at in known)
        inner = tuple(
            (name, at)
            for name, at in known
            if isinstance(record[name], list) or (isinstance(record[name], dict) and at.members)
        )
        key = key or codes  # names of a very large object are not kept
        return node.forms.get(key) or self._new(node, key, codes, inner)

    def _form_of_list(self, element: _Node, kinds: frozenset[type]) -> _Form:
        return self._new(element, kinds, frozenset(element.code(kind) for kind in kinds if kind in _CODES), ())

    def _new(self, node: _Node, key: object, codes: Codes, inner: tuple[tuple[str, _Node], ...]) -> _Form:
        form = node.forms[key] = _Form(len(self._forms), codes, inner)
        self._forms.append(codes)
        return form

    def _learn(self, forms: frozenset[int], row: bytes) -> int | None:
        """Find the shape that records of forms not met together before have, a new one if need be."""
        codes = frozenset(code for form in forms for code in self._forms[form])
        places = {one >> _CODE_BITS for one in codes}
        if len(places) < len(codes):  # two kinds in one list
            return None
        try:
            record = parse(row.removesuffix(b"\n").removesuffix(b"\r"))
        except NotJson:
            return None
        time = min((self._times[place] for place in places & self._times.keys()), default=-1)
        common = time, frozenset(one for one in codes if self._is_strange(one))
        fitting = (number for number, shape in enumerate(self._shapes) if shape.fits(codes, common))
        number = next(fitting, len(self._shapes))
        if number == len(self._shapes):
            if number >= _MOST_SHAPES:
                return None
            self._shapes.append(_Shape(places_of(self._dialect), common, {}))
        shape = self._shapes[number]
        shape.root.see(record)
        shape.codes.update((one >> _CODE_BITS, one) for one in codes)
        if len(self._known) >= _MOST_FORMS:
            self._known.clear()
        self._known[forms] = number
        return number

    def _is_strange(self, one: int) -> bool:
        return self._nodes[one >> _CODE_BITS].wants_number and one & _CODE not in (_WHOLE, _BROKEN)
