"""Where an item goes below the folder that is restored to, so that no two items share a name.

    DIR/<source>/<path>                        an item, under its own path
    DIR/<source>.versions/<path>!@<version>    an older version of an object, and one whose key is no path here (`a//b`,
                                               or `a` beside `a/b`)
    DIR/<source>.decoded/<path>!<member>       what was found inside an item, with `decoded`

No source can be called like the last two. There a component is spelled as in the archive with `!` written `%21`; the
last one ends in `!@<version>`, if the item has one, and in `!<member>` for each member, in which `/` is written `%2F`.

>>> inner_path(Item("logs", "2026/a.jsonl.gz", ("gzip",)))
'2026/a.jsonl.gz!gzip'
>>> inner_path(Item("bucket", "a/b", (), "3sL4kqtJlcpXro"))
'a/b!@3sL4kqtJlcpXro'
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from archiver.flows.restore.tree import NameRefusedError, Parts
from archiver.model.item import Item
from archiver.model.items import ItemLine

__all__ = ["beside", "inner_path", "is_called", "place", "shown"]

_SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def inner_path(item: Item) -> str:
    """Return the path of an inner item below `<source>.decoded`, and of a version below `<source>.versions`."""
    version = [] if item.version is None else [f"@{item.version}"]
    members = [member.replace("!", "%21").replace("/", "%2F") for member in (*version, *item.members)]
    return "!".join([item.path.replace("!", "%21"), *members])


def place(line: ItemLine) -> Parts:
    """Return where an item goes below the folder; raises for a source that is no plain name."""
    item = line.item
    if _SOURCE.fullmatch(item.source) is None:
        raise NameRefusedError("name-refused", f"source {item.source[:80]!r}: expected a plain name")
    if item.members:
        inside = inner_path(item).encode("utf-8")
        return (item.source.encode() + b".decoded", *inside.split(b"/"))
    if line.object is not None and (line.object.get("latest") is False or b"\0" in item.relative_bytes()):
        return beside(line)
    return (item.source.encode(), *item.relative_bytes().split(b"/"))


def is_called(line: ItemLine, path: str) -> bool:
    """Say whether an item is meant by a path as people write it: of an object, the newest version by its mere path."""
    item = line.item
    if (item.members or item.version is not None) and inner_path(item) == path:
        return True
    newest = line.object is None or line.object.get("latest") is True
    return item.path == path and not item.members and newest


def beside(line: ItemLine) -> Parts:
    """Return where a version goes that is not the newest of its key, or whose key is no path here."""
    item = replace(line.item, version=line.item.version or "null")
    return (item.source.encode() + b".versions", *inner_path(item).encode("utf-8").split(b"/"))


def shown(parts: Parts) -> str:
    """Return such a place as text."""
    return b"/".join(parts).decode("utf-8")
