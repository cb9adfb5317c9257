"""Values of a record with the place where each stands, so that what was told of it is known.

A place is a JSON pointer (RFC 6901) into the record's text and, behind each `>`, one into the JSON text that a string
there is; a `>` in a name is `~2`. What OTLP says with types (`{"stringValue": "a"}`) is read as the plain value, and
keeps the place of the typed one.

>>> from archiver.model.json_path import parse_path
>>> from archiver.model.strict_json import parse
>>> list(found(Node(parse(b'{"a":[{"b":"x"},{}]}'), ""), parse_path("$.a[*].b")))
[Node(value='x', place='/a/0/b')]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from typing import Final, NamedTuple

from archiver.late import dataclass, pattern
from archiver.model.dialect import Candidate, Condition
from archiver.model.json_lookup import AmbiguousPath, holds, keyed, look_up
from archiver.model.json_path import Every, Keyed, Path, Step, pointer_step, spell
from archiver.model.json_text import members_of
from archiver.model.strict_json import Ambiguous, NotJson, Number, Value, is_number, parse

__all__ = ["Account", "Node", "among", "child", "first", "found", "matching", "numbered", "plain", "read_json"]

_NOWHERE: Final = "="  # no pointer begins like this
_SCALARS: Final = {"stringValue": str, "boolValue": bool, "bytesValue": str}
_ESCAPE: Final = r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U(?:000[0-9a-f]{5}|0010[0-9a-f]{4})|[\\'\"nrt])"
_PRINTED: Final = pattern(rf"""'((?:[^'\\]|{_ESCAPE})*+)'|"((?:[^"\\]|{_ESCAPE})*+)\"""", re.DOTALL)
_SHORT: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}


class Node(NamedTuple):
    """A value, and where it stands; a constant of a dialect stands nowhere."""

    value: Value
    place: str


@dataclass
class Account:
    """What of a record has been told: places of values, texts of JSON that were read, reasons for what was not.

    `spelled` gives the place of a node as it is written, in whatever the record is a part of.
    """

    spelled: Callable[[str], str] = str
    told: set[str] = field(default_factory=set)
    texts: dict[str, Value] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def miss(self, reason: str) -> None:
        """Note why something is missing, once."""
        if reason not in self.reasons:
            self.reasons.append(reason)


class _Object(Ambiguous):
    """An object that was made of values that stand elsewhere."""

    places: dict[str, str]


class _Array(list[Value]):
    """An array that was made of values that stand elsewhere."""

    places: list[str]


def child(node: Node, step: str | int, value: Value) -> Node:
    """Return a member of an object or array."""
    own = node.value
    if isinstance(own, _Object) and isinstance(step, str):
        return Node(value, own.places[step])
    if isinstance(own, _Array) and isinstance(step, int):
        return Node(value, own.places[step])
    return Node(value, node.place + pointer_step(step))


def among(node: Node) -> Iterator[Node]:
    """Yield the members of an array, or the value itself; null is none."""
    members = enumerate(node.value) if isinstance(node.value, list) else ()
    nodes = [child(node, number, one) for number, one in members] if isinstance(node.value, list) else [node]
    yield from (one for one in nodes if one.value is not None)


def matching(nodes: Iterable[Node], when: Iterable[Condition]) -> Iterator[Node]:
    """Yield nodes, of an array its members, of which all conditions hold; raises AmbiguousPath."""
    for node in nodes:
        yield from (one for one in among(node) if all(holds(one.value, condition) for condition in when))


def found(node: Node, path: Path) -> Iterator[Node]:
    """Yield what is present at a path, several values where it says `[*]`; raises AmbiguousPath."""
    if path.pointer is None or isinstance(node.value, _Object | _Array):
        yield from _found(node, path.steps, 0)
    elif (value := look_up(node.value, path)) is not None:
        yield Node(value, node.place + path.pointer)


def _found(node: Node, steps: Sequence[Step], at: int) -> Iterator[Node]:
    if node.value is None:
        return
    if at == len(steps):
        yield node
        return
    step, value = steps[at], node.value
    if isinstance(step, str):
        if isinstance(value, Ambiguous) and step in value.repeated:
            raise AmbiguousPath(spell(tuple(steps[: at + 1])))
        if isinstance(value, dict) and step in value:
            yield from _found(child(node, step, value[step]), steps, at + 1)
    elif isinstance(value, list):
        for one in _members(node, value, step, steps[: at + 1]):
            yield from _found(one, steps, at + 1)


def _members(node: Node, members: list[Value], step: Step, way: Sequence[Step]) -> Iterator[Node]:
    """Yield the members of an array that a step means."""
    if isinstance(step, Every):
        yield from (child(node, number, one) for number, one in enumerate(members))
    elif isinstance(step, int) and step < len(members):
        yield child(node, step, members[step])
    elif isinstance(step, Keyed) and (at := keyed(members, step, way)) is not None:
        pair = members[at]
        yield child(child(node, at, pair), "value", pair.get("value") if isinstance(pair, dict) else None)


def first(node: Node, candidates: Sequence[Candidate], *kinds: type) -> Node | None:
    """Return the first candidate that is there and of one of some kinds, of any if none is named.

    A candidate of a constant gives a node that stands nowhere. Raises AmbiguousPath.
    """
    for candidate in candidates:
        if not all(holds(node.value, condition) for condition in candidate.when):
            continue
        one = next(found(node, candidate.path), None)
        if one is None:
            continue
        if candidate.constant is not None:
            return Node(candidate.constant, _NOWHERE)
        if not kinds or (isinstance(one.value, kinds) and isinstance(one.value, bool) == (bool in kinds)):
            return one
    return None


def numbered(node: Node, prefix: str) -> Node | None:
    """Return an array of the objects whose members are those named by a text, a number and a point; None for none.

    >>> gathered = numbered(Node({"p.1.a": "x", "p.0.a": "y", "p.1.b.c": "z"}, ""), "p.")
    >>> gathered.value
    [{'a': 'y'}, {'a': 'x', 'b.c': 'z'}]
    """
    spelled = re.compile(re.escape(prefix) + r"(0|[1-9][0-9]{0,5})\.(.+)", re.DOTALL)
    by_number: dict[int, list[tuple[str, Node]]] = {}
    for name, one in _named(node):
        match = spelled.fullmatch(name)
        if match is not None:
            by_number.setdefault(int(match[1]), []).append((match[2], one))
    objects = [Node(_object(by_number[number]), node.place) for number in sorted(by_number)]
    return Node(_array(objects), node.place) if objects else None


def _named(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the members of an object, or of a list of keys and values of OTLP."""
    if isinstance(node.value, dict):
        for name, value in members_of(node.value):
            yield name, child(node, name, value)
    for pair in among(node) if isinstance(node.value, list) else ():
        key = pair.value.get("key") if isinstance(pair.value, dict) else None
        if isinstance(pair.value, dict) and isinstance(key, str):
            yield key, plain(child(pair, "value", pair.value.get("value")))


def plain(node: Node) -> Node:
    """Return what a value of OTLP says, whose only member names its type; any other is itself.

    >>> plain(Node({"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "5"}]}}, "")).value
    ['a', Number(text='5')]
    """
    value = node.value
    if not isinstance(value, dict) or isinstance(value, Ambiguous) or len(value) != 1:
        return node
    ((name, content),) = value.items()
    inside = child(node, name, content)
    if name in _SCALARS and isinstance(content, _SCALARS[name]):
        return inside
    if name in ("intValue", "doubleValue"):
        is_text = isinstance(content, str) and is_number(content)
        return Node(Number(content), inside.place) if is_text and isinstance(content, str) else inside
    members = content.get("values", []) if isinstance(content, dict) and not isinstance(content, Ambiguous) else None
    if name == "arrayValue" and isinstance(members, list):
        return Node(_array([plain(one) for one in among(child(inside, "values", members))]), node.place)
    if name == "kvlistValue" and isinstance(members, list):
        return Node(_object(list(_named(child(inside, "values", members)))), node.place)
    return node


def printed(node: Node) -> Node:
    r"""Return the string that a string is as Python prints it; any other value is itself.

    >>> printed(Node(r"'it\'s \u2028 \x00'", "")).value == "it's \u2028 \x00"
    True
    """
    match = _PRINTED.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        return node
    return Node(re.sub(_ESCAPE, _character, match[1] or match[2] or ""), node.place)


def _character(found: re.Match[str]) -> str:
    """Return the character that an escape stands for: a backslash, and behind it a letter with hexadecimal digits."""
    name, digits = found[0][1], found[0][2:]
    return chr(int(digits, 16)) if digits else _SHORT[name]


def read_json(node: Node, account: Account) -> Node:
    """Return the array or object that a string is the JSON text of, else the value itself."""
    if not isinstance(node.value, str):
        return node
    try:
        value = parse(node.value.encode())
    except (NotJson, UnicodeEncodeError):
        return node
    if not isinstance(value, dict | list):
        return node
    account.texts[node.place] = value
    return Node(value, node.place + ">")


def _array(nodes: Sequence[Node]) -> _Array:
    made = _Array(one.value for one in nodes)
    made.places = [one.place for one in nodes]
    return made


def _object(members: Sequence[tuple[str, Node]]) -> _Object:
    made = _Object({name: one.value for name, one in members})
    made.pairs = tuple((name, one.value) for name, one in members)
    made.places = {name: one.place for name, one in members}
    made.repeated = frozenset(name for name, count in Counter(name for name, _ in members).items() if count > 1)
    return made
