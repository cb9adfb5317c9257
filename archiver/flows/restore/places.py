"""Where an item goes below the folder that is restored to, so that no two items share a name.

    DIR/<source>/<path>                        an item, under its own path
    DIR/<source>.versions/<path>!@<version>    an older version of an object, and one whose key is no path here (`a//b`,
                                               or `a` beside `a/b`)
    DIR/<source>.decoded/<path>!<member>       what was found inside an item, with `decoded`
    DIR/<source>.decoded/<path>!/<member>      what was found inside a container: a folder for each

No source can be called like the last two. There a component is spelled as in the archive with `!` written `%21`; the
last one ends in `!@<version>`, if the item has one, and in `!<member>` for each member, in which `/` is written `%2F`.
A member of a container is cut to what file systems take: the ordinal in front of its name makes it the only one all the
same. Nothing in a name leads out of the container's folder.

>>> inner_path(Item("logs", "2026/a.jsonl.gz", ("gzip",)))
'2026/a.jsonl.gz!gzip'
>>> inner_path(Item("bucket", "a/b", (), "3sL4kqtJlcpXro"))
'a/b!@3sL4kqtJlcpXro'
>>> inner_place(Item("mail", "a.tgz", ("gzip", "tar:0:in.zip", "zip:0:../x")))
(b'a.tgz!gzip!', b'tar:0:in.zip!', b'zip:0:..%2Fx')
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from archiver.flows.restore.tree import NameRefusedError, Parts
from archiver.late import pattern
from archiver.model.item import Item
from archiver.model.items import ItemLine

__all__ = ["beside", "inner_path", "inner_place", "is_called", "is_source", "place", "shown"]

_LONGEST: Final = 200
"""Bytes of a component: below the 255 that file systems take, with room for what is inside a compressed member."""
_SOURCE: Final = pattern(r"[a-z0-9][a-z0-9-]{0,62}")


def inner_path(item: Item) -> str:
    """Return the path of an inner item below `<source>.decoded`, and of a version below `<source>.versions`."""
    version = [] if item.version is None else [f"@{item.version}"]
    members = [member.replace("!", "%21").replace("/", "%2F") for member in (*version, *item.members)]
    return "!".join([item.path.replace("!", "%21"), *members])


def inner_place(item: Item) -> Parts:
    """Return the components of an inner item's place below `<source>.decoded`."""
    *folders, last = inner_path(replace(item, members=())).encode().split(b"/")
    for member in item.members:
        spelled = member.replace("!", "%21").replace("/", "%2F").encode()
        if b":" in spelled and not spelled.startswith(b"select:"):
            folders.append(last + b"!")
            last = spelled[:_LONGEST]
        else:
            last += b"!" + spelled
    return (*folders, last)


def place(line: ItemLine) -> Parts:
    """Return where an item goes below the folder; raises for a source that is no plain name."""
    item = line.item
    if not is_source(item.source):
        raise NameRefusedError("name-refused", f"source {item.source[:80]!r}: expected a plain name")
    if item.members:
        return (item.source.encode() + b".decoded", *inner_place(item))
    if line.object is not None and (line.object.get("latest") is False or b"\0" in item.relative_bytes()):
        return beside(line)
    return (item.source.encode(), *item.relative_bytes().split(b"/"))


@lru_cache(maxsize=1024)
def is_source(source: str) -> bool:
    """Say whether a source has a plain name, which leads nowhere else."""
    return _SOURCE.fullmatch(source) is not None


def is_called(line: ItemLine, path: str) -> bool:
    """Say whether an item is meant by a path as people write it: of an object, the newest version by its mere path."""
    item = line.item
    if (item.members or item.version is not None) and inner_path(item) == path:
        return True
    if item.members and "!".join([item.path, *item.members]) == path:  # as lists show it
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
