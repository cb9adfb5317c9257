"""The member `object` of a line of `items`: what a system that is no file system said of an item (FORMAT.md, 8.2).

The member `store` tells the form. A known form has exactly its members; a store that a reader does not know may say
what it likes, as nothing is decided by it.

>>> is_object({"store": "s3"}), is_object({"store": "tape", "slot": 7})
(False, True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from archiver.errors import ArchiverError
from archiver.late import pattern
from archiver.model import instant
from archiver.model.item import unescape_path
from archiver.proof import canonical

__all__ = ["STORES", "is_object"]

_STORE: Final = pattern("[a-z][a-z0-9-]{0,62}")

Check = Callable[[canonical.JSON], bool]


def _text(value: canonical.JSON) -> bool:
    return isinstance(value, str)


def _truth(value: canonical.JSON) -> bool:
    return isinstance(value, bool)


def _count(value: canonical.JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _instant(value: canonical.JSON) -> bool:
    try:
        return isinstance(value, str) and instant.parse_instant(value) is not None
    except ArchiverError:
        return False


def _escaped(value: canonical.JSON) -> bool:
    try:
        return isinstance(value, str) and unescape_path(value) is not None
    except ArchiverError:
        return False


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _texts(check: Check) -> Check:
    """Return the check of an object whose values are all of one kind."""
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _form(members: Mapping[str, Check]) -> Check:
    return lambda value: (
        isinstance(value, dict)
        and value.keys() == members.keys()
        and all(check(value[name]) for name, check in members.items())
    )


_READ: Final = _form({"at": _instant, "headers": _texts(_escaped), "tags": _or_null(_texts(_text))})
_S3: Final = _form(
    {
        "store": lambda value: value == "s3",
        "key": _escaped,
        "version": _or_null(_text),
        "latest": _truth,
        "deleted": _truth,
        "etag": _or_null(_text),
        "modified": _or_null(_instant),
        "storage_class": _or_null(_text),
        "owner": _or_null(_text),
        "read": _or_null(_READ),
    }
)
_PIPE: Final = _form({"store": lambda value: value == "pipe", "began": _instant, "ended": _or_null(_instant)})
_COLUMN: Final = _form({"name": _text, "type": _or_null(_text)})
_SQL: Final = _form(
    {
        "store": lambda value: value == "sql",
        "system": _text,
        "server": _text,
        "query": _text,
        "columns": lambda value: isinstance(value, list) and all(map(_COLUMN, value)),
        "isolation": _or_null(_text),
        "snapshot": _or_null(_text),
        "plan": _or_null(_text),
        "rows": _or_null(_count),
        "began": _instant,
        "ended": _or_null(_instant),
    }
)
STORES: Final[Mapping[str, Check]] = {"pipe": _PIPE, "s3": _S3, "sql": _SQL}


def is_object(value: canonical.JSON) -> bool:
    """Say whether a value is the member `object` of a line."""
    store = value.get("store") if isinstance(value, dict) else None
    if not isinstance(store, str) or _STORE.fullmatch(store) is None:
        return False
    return store not in STORES or STORES[store](value)
