"""Messages of a record, by the rules of its dialect (`dialect_lists`): roles, parts, calls of tools, media.

A text is what the record says or null, with the reason beside it: `lone-surrogate`, `duplicate-key <path>`, what the
dialect says of such a part (`encrypted`), or `no-text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archiver.model.dialect_lists import Lists, Messages, Parts, Renames, Shape, Tools
from archiver.model.json_lookup import AmbiguousPath, holds
from archiver.model.record_media import media_at
from archiver.model.record_nodes import (
    Account,
    Node,
    among,
    first,
    found,
    matching,
    numbered,
    plain,
    printed,
    read_json,
)
from archiver.model.record_words import Row, one_text, text_of

__all__ = ["instructions_of", "messages_of"]


def messages_of(
    lists: Lists, places: Sequence[Messages], record: Node, direction: str, account: Account
) -> tuple[list[Row], list[Row]]:
    """Return the messages at some places of a record, and the media that are in them."""
    rows: list[Row] = []
    media: list[Row] = []
    for place in places:
        for outer, node in _at(place, record, account):
            row = _message(lists.shape, place, outer, node, account)
            if row is None or (place.only and row["role"] not in place.only):
                continue
            rows.append(row)
            media += [one for rule in lists.shape.media for one in media_at(rule, node, direction, account)]
    return rows, media


def instructions_of(lists: Lists, record: Node, account: Account) -> list[Row]:
    """Return the parts of what the model was told to be."""
    rows, _ = messages_of(lists, lists.instructions, record, "input", account)
    parts = [row["parts"] for row in rows]
    return [part for some in parts if isinstance(some, list) for part in some]


def _at(place: Messages, record: Node, account: Account) -> Iterator[tuple[Node, Node]]:
    """Yield each message, behind its envelope, which is the message itself where the place names none."""
    try:
        if not all(holds(record.value, condition) for condition in place.when):
            return
        for node in found(record, place.path):
            for outer in _all(place, _undone(place, node, account)):
                inside = outer if place.envelope is None else next(found(outer, place.envelope), None)
                if inside is not None:
                    yield outer, inside
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")


def _all(place: Messages, node: Node) -> Iterator[Node]:
    for one in (node,) if place.inside is None else found(node, place.inside):
        yield from among(one)


def _undone(place: Messages, node: Node, account: Account) -> Node:
    if place.numbered is not None:
        node = numbered(node, place.numbered) or Node(None, node.place)
    for step in place.reads:
        node = plain(node) if step == "otlp" else printed(node) if step == "repr" else read_json(node, account)
    return node


def _message(shape: Shape, place: Messages, outer: Node, node: Node, account: Account) -> Row | None:
    """Return what a message says; None for an object with neither role nor content, which is none."""
    if isinstance(node.value, str):
        said, parts, calls = None, [_told("text", node, account)], None
    else:
        said = one_text(node, shape.role, account)
        parts = [one for rule in shape.parts for one in _parts(shape, rule, node, account)]
        calls = [one for rule in shape.tools for one in _calls(rule, node, account)]
    if said is None and not parts and not calls:
        return None
    return {
        "role": place.role if said is None else _renamed(shape.renames, said),
        "parts": parts or None,
        "tool_calls": calls or None,
        "tool_call_id": one_text(node, shape.answers, account),
        "finish_reason": one_text(outer, place.finish, account),
    }


def _parts(shape: Shape, rule: Parts, message: Node, account: Account) -> Iterator[Row]:
    try:
        for one in matching(found(message, rule.path), rule.when):
            yield _part(shape, rule, one, account)
    except AmbiguousPath as where:
        yield _row(None, None, f"duplicate-key {where}")


def _part(shape: Shape, rule: Parts, node: Node, account: Account) -> Row:
    if isinstance(node.value, str):
        return _told(rule.text_kind, node, account)
    said = one_text(node, rule.kind, account)
    kind = None if said is None else _renamed(shape.kinds, said)
    try:
        text = first(node, rule.text, *(() if rule.as_json else (str,)))
        if text is not None:
            return _told(kind, text, account)
        without = first(node, rule.without)
    except AmbiguousPath as where:
        return _row(kind, None, f"duplicate-key {where}")
    return _row(kind, None, "no-text" if without is None else str(without.value))


def _told(kind: str | None, node: Node, account: Account) -> Row:
    text = text_of(node.value)
    if text is None:
        return _row(kind, None, "lone-surrogate")
    account.told.add(node.place)
    return _row(kind, text, None)


def _row(kind: str | None, text: str | None, reason: str | None) -> Row:
    return {"kind": kind, "text": text, "reason": reason}


def _calls(rule: Tools, message: Node, account: Account) -> Iterator[Row]:
    try:
        for node in found(message, rule.path):
            for one in among(node):
                if isinstance(one.value, dict) and all(holds(one.value, condition) for condition in rule.when):
                    yield _call(rule, one, account)
    except AmbiguousPath as where:
        yield {"id": None, "name": None, "arguments": None, "reason": f"duplicate-key {where}"}


def _call(rule: Tools, node: Node, account: Account) -> Row:
    row: Row = {"id": one_text(node, rule.id, account), "name": one_text(node, rule.name, account)}
    try:
        given = first(node, rule.arguments)
    except AmbiguousPath as where:
        return row | {"arguments": None, "reason": f"duplicate-key {where}"}
    if given is None:
        return row | {"arguments": None, "reason": "no-arguments"}
    told = _told(None, given, account)
    return row | {"arguments": told["text"], "reason": told["reason"]}


def _renamed(renames: Renames, text: str) -> str:
    return dict(renames).get(text, text)
