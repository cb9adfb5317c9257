"""What of a record neither a column nor a list tells: its attributes, each with its name, its place and its JSON text.

An object is taken apart where something in it was told, or where the dialect has paths into it, so that records of one
kind are taken apart alike; an array, where something in it was told or an event of it is meant. Anything else is one
attribute. Of a list of OTLP's keys and values each pair is one, named by its key. A string that was read as JSON is
taken apart as what it says. Null says nothing; a name that is repeated is there as often as it was written.

A name that UTF-8 cannot hold is no key: such a member is given as an object of it alone, at the place of its object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archiver.late import dataclass
from archiver.model.dialect import Dialect
from archiver.model.json_path import Every, Step
from archiver.model.json_text import members_of, spell_value
from archiver.model.record_nodes import Account, Node, child
from archiver.model.record_words import Row, is_text
from archiver.model.strict_json import Ambiguous, Value

__all__ = ["leftovers"]

_Way = tuple[Step, ...]
_NOWHERE: Final = (Every.MEMBER, Every.MEMBER)
"""A way that no path takes: the value of a pair is taken apart only where something in it was told."""


def leftovers(dialect: Dialect, record: Node, account: Account) -> list[Row]:
    """Return the attributes of a record in their order."""
    walk = _Walk(
        dialect.ways_through,
        dialect.ways_of_arrays,
        frozenset(place[:at] for place in account.told for at, letter in enumerate(place) if letter in "/>"),
        account,
        has_pairs=dialect.has_pairs,
    )
    return [
        {"key": key, "place": account.spelled(node.place), "value_json": spell_value(node.value)}
        for key, node in walk.of(record, None, ())
    ]


@dataclass(frozen=True)
class _Walk:
    """A walk through a record.

    `through` are the ways of the dialect, `arrays` those that lead to events or to keys and values; `inside` are the
    places in which something was told.
    """

    through: frozenset[_Way]
    arrays: frozenset[_Way]
    inside: frozenset[str]
    account: Account
    has_pairs: bool

    def of(self, node: Node, key: str | None, way: _Way) -> Iterator[tuple[str | None, Node]]:
        """Yield what is left of a value, with its name."""
        value = node.value
        if value is None or node.place in self.account.told:
            return
        text = Node(self.account.texts[node.place], node.place + ">") if node.place in self.account.texts else None
        if text is not None and isinstance(value, str) and text.place in self.inside:
            yield from self.of(text, key, way)
        elif isinstance(value, dict) and (node.place in self.inside or way in self.through):
            yield from self._object(node, value, way)
        elif isinstance(value, list) and (node.place in self.inside or way in self.arrays):
            yield from self._array(node, value, way)
        else:
            yield key, node

    def _object(self, node: Node, value: dict[str, Value], way: _Way) -> Iterator[tuple[str | None, Node]]:
        for name, one in members_of(value):
            if is_text(name):
                yield from self.of(child(node, name, one), name, (*way, name))
            elif one is not None:
                yield None, Node({name: one}, node.place)

    def _array(self, node: Node, value: list[Value], way: _Way) -> Iterator[tuple[str | None, Node]]:
        for number, one in enumerate(value):
            member = child(node, number, one)
            name = _key_of(one) if self.has_pairs else None
            if name is None:
                yield from self.of(member, str(number), (*way, number))
            elif isinstance(one, dict):
                yield from self.of(child(member, "value", one["value"]), name, _NOWHERE)


def _key_of(pair: Value) -> str | None:
    """Return the key of a pair of OTLP, None for what is none."""
    if not isinstance(pair, dict) or isinstance(pair, Ambiguous) or pair.keys() != {"key", "value"}:
        return None
    return pair["key"] if isinstance(pair["key"], str) and is_text(pair["key"]) else None
