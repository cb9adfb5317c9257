"""What a source finds, and the ways in which it fails.

The laws:

1. Whatever has a name is reported: a `Found` with facts, or with the `Problem` that kept them away. Nothing is skipped.
2. Names are bytes, relative to the source's location, `/` between components; they are never decoded or normalised.
3. Facts are what the system said that holds the item, in its own units and spelling.
4. `FileFacts.to_json` is the `file` member of a line of the `items` table, `ObjectFacts.words` its `object` member
   (FORMAT.md, 8).

>>> Problem("vanished", "a/b: no such file", 2).reason
'vanished'
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import field
from typing import NamedTuple

from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.model.item import escape_path
from archiver.proof import canonical

__all__ = [
    "FactValues",
    "Facts",
    "FileFacts",
    "Found",
    "Json",
    "ObjectFacts",
    "Problem",
    "ReadProblem",
    "SourceUnavailable",
]

Json = str | int | None | list[list[int]] | dict[str, str]


@dataclass(frozen=True)
class Problem:
    """Why something could not be looked at or read: a stable code, words for people, and the system's error number.

    `vanished`, `permission-denied`, `replaced` (it is another kind of thing now), `io-error`, `unreadable` (any other).
    """

    reason: str
    detail: str
    errno: int | None = None


FactValues = tuple[
    int,
    int,
    int,
    int,
    int,
    int,
    str | None,
    str | None,
    int,
    int,
    int,
    int | None,
    int,
    bytes | None,
    tuple[tuple[int, int], ...],
    tuple[tuple[bytes, bytes], ...],
]
"""The values of `FileFacts`: what many files have is told of without making one of each."""


class FileFacts(NamedTuple):
    """What the file system says about one name. `size` stands beside `file` in the item, not in it.

    `mode` is the whole st_mode, type bits included. `holes` are known only of a regular file that was opened.
    """

    dev: int
    ino: int
    nlink: int
    mode: int
    uid: int
    gid: int
    owner: str | None
    group: str | None
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    btime_ns: int | None
    size: int
    link_target: bytes | None = None
    holes: tuple[tuple[int, int], ...] = ()
    xattrs: tuple[tuple[bytes, bytes], ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the `file` member of an item's line, ready to be encoded as canonical JSON."""
        return {
            "dev": str(self.dev),
            "ino": str(self.ino),
            "nlink": self.nlink,
            "mode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
            "owner": self.owner,
            "group": self.group,
            "atime_ns": str(self.atime_ns),
            "mtime_ns": str(self.mtime_ns),
            "ctime_ns": str(self.ctime_ns),
            "btime_ns": None if self.btime_ns is None else str(self.btime_ns),
            "link_target": None if self.link_target is None else escape_path(self.link_target),
            "holes": [[offset, length] for offset, length in self.holes],
            "xattrs": {escape_path(name): base64.b64encode(value).decode() for name, value in self.xattrs},
        }


@dataclass(frozen=True)
class ObjectFacts:
    """What another system than a file system says about one item; `words` are the `object` member of its line."""

    size: int
    words: dict[str, canonical.JSON] = field(hash=False)
    mtime_ns: int | None = None


Facts = FileFacts | ObjectFacts


class Found(NamedTuple):
    """One name of a source. `kind` is "file", "directory", "symlink", "fifo", "socket", "device" or "object".

    `version` is the id that the source's own store gave to this version of the item, if it keeps versions.
    `content` is False for what has a name and nothing to be read: a delete marker.

    `error` says what could not be learnt: with `facts` None not even the kind is known, and "file" stands for it, so
    that it counts as an item that failed; on a directory with facts, that its names could not be listed. `size` is of
    files alone.
    """

    path: bytes
    kind: str
    facts: Facts | None
    size: int | None
    error: Problem | None = None
    version: str | None = None
    content: bool = True
    closer: Callable[[], Facts] | None = None
    """Where there is more to be learnt than by a quick look: asks for it, as long as the walk stands here."""

    def seen_closer(self) -> Found:
        """Return it with all facts, if it was found by a quick walk, and that has not gone on yet."""
        return self if self.closer is None else self._replace(facts=self.closer(), closer=None)


class SourceUnavailable(WorldError):  # noqa: N818 - the noun of the report: what is wrong is the source
    """A location is missing or cannot be listed at all; nothing is known about its items."""


class ReadProblem(WorldError):  # noqa: N818 - it carries a Problem
    """One item could not be opened or read to its end; the run goes on with the others."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem for the item's line."""
        super().__init__(problem.reason, problem.detail)
        self.problem = problem
