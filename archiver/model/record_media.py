"""Media of a record and verdicts of moderation, by the rules of its dialect (`dialect_lists`).

What stands inline, as base64 or in a `data:` URI, is told by its size and SHA-256, as hash lists need it; the bytes
stay where they are. Base64 is that of RFC 4648 section 4, with its padding and nothing else, or it is `not-base64`:
readers that pass over what they do not know would give other bytes than readers that stop there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from archiver.late import pattern
from archiver.model.dialect_lists import Media, Moderation
from archiver.model.json_lookup import AmbiguousPath
from archiver.model.json_path import pointer_step
from archiver.model.json_text import members_of
from archiver.model.record_nodes import Account, Node, child, found, matching
from archiver.model.record_words import Row, choose, is_exactly, is_text, nearest, one_flag, one_text
from archiver.model.strict_json import Ambiguous

__all__ = ["media_at", "verdicts_at"]

_DATA_URI: Final = pattern(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_ESCAPED: Final = pattern(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")


def media_at(rule: Media, start: Node, direction: str | None, account: Account) -> Iterator[Row]:
    """Yield the media that a rule finds, from a message or a record."""
    try:
        for one in matching(list(found(start, rule.path)), rule.when):
            yield _media(rule, one, direction, account)
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")


def _media(rule: Media, node: Node, direction: str | None, account: Account) -> Row:
    row: Row = {
        "direction": direction,
        "kind": one_text(node, rule.kind, account),
        "place": account.spelled(node.place),
    }
    row |= {"mime": one_text(node, rule.mime, account), "uri": None, "file_id": one_text(node, rule.file_id, account)}
    row |= {"inline": False, "size": None, "sha256": None}
    row |= {"respects_moderation": one_flag(node, rule.respects_moderation, account), "reason": None}
    uri = node if isinstance(node.value, str) else choose(node, rule.uri, account, str)
    data = None if isinstance(node.value, str) else choose(node, rule.data, account, str)
    if data is not None and data.value:
        return row | {"inline": True} | _inline(data, str(data.value), account)
    if uri is None or not uri.value:
        return row | {"reason": None if row["file_id"] else "no-place"}
    head = _DATA_URI.match(str(uri.value))
    if head is None:
        return row | _uri(uri, account)
    said = {"inline": True, "mime": row["mime"] or head[1] or None}
    content = str(uri.value)[head.end() :]
    if head[2].lower().endswith(";base64"):
        return row | said | _inline(uri, content, account)
    if not _ESCAPED.fullmatch(content):
        return row | said | {"reason": "not-a-uri"}
    return row | said | _measured(uri, unquote_to_bytes(content), account)


def _uri(node: Node, account: Account) -> Row:
    if not is_text(node.value):
        return {"reason": "lone-surrogate"}
    account.told.add(node.place)
    return {"uri": node.value}


def _inline(node: Node, text: str, account: Account) -> Row:
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return {"reason": "not-base64"}
    if base64.b64encode(content).decode("ascii") != text:
        return {"reason": "not-base64"}
    return _measured(node, content, account)


def _measured(node: Node, content: bytes, account: Account) -> Row:
    account.told.add(node.place)
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


# Moderation


def verdicts_at(rule: Moderation, record: Node, account: Account) -> Iterator[Row]:
    """Yield the verdicts that a rule finds in a record."""
    try:
        for one in matching(found(record, rule.path), rule.when):
            yield _verdict(rule, record, one, account)
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")


def _verdict(rule: Moderation, record: Node, node: Node, account: Account) -> Row:
    model = one_text(node, rule.own_model, account)
    row: Row = {"direction": rule.direction, "model": model or one_text(record, rule.model, account)}
    row["flagged"] = one_flag(node, rule.flagged, account)
    return row | {"categories": _categories(rule, node, account) or None}


def _categories(rule: Moderation, node: Node, account: Account) -> list[Row]:
    """Return what is said of each category, in the order of flags, then of scores; a repeated one says nothing."""
    flags, scores, applied = (
        choose(node, where, account, dict) for where in (rule.categories, rule.scores, rule.applied)
    )
    names = [name for one in (flags, scores, applied) for name in _names(one)]
    return [_category(name, flags, scores, applied, account) for name in dict.fromkeys(names)]


def _category(name: str, flags: Node | None, scores: Node | None, applied: Node | None, account: Account) -> Row:
    flag, score, kinds = (_named(one, name, account) for one in (flags, scores, applied))
    row: Row = {"name": name, "flagged": None, "score": None, "applied_input_types": None}
    if flag is not None and isinstance(flag.value, bool):
        row["flagged"] = flag.value
        account.told.add(flag.place)
    if score is not None and (near := nearest(score.value)) is not None:
        row["score"] = near
        account.told |= {score.place} if is_exactly(score.value, near) else set()
    if kinds is not None and isinstance(kinds.value, list) and all(map(is_text, kinds.value)):
        row["applied_input_types"] = kinds.value
        account.told.add(kinds.place)
    return row


def _names(node: Node | None) -> list[str]:
    members = members_of(node.value) if node is not None and isinstance(node.value, dict) else []
    return [name for name, _ in members if is_text(name)]


def _named(node: Node | None, name: str, account: Account) -> Node | None:
    if node is None or not isinstance(node.value, dict) or name not in node.value:
        return None
    if isinstance(node.value, Ambiguous) and name in node.value.repeated:
        account.miss(f"duplicate-key {account.spelled(node.place + pointer_step(name))}")
        return None
    return child(node, name, node.value[name])
