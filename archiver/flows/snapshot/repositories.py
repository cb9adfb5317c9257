"""Git repositories among the files of a source: their refs, `git fsck` and a bundle, as items inside the file HEAD.

They are made anew when the refs are others than last time, whatever the times of HEAD say, and kept on when not: refs
name objects by their hashes, so the same refs reach the same history.

>>> [line.item.members for line in Repositories(inside, folder).lines(sight)]
[('git:0:refs',), ('git:1:fsck',), ('git:2:all.bundle',)]
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from archiver.flows.snapshot.inside import Inside, Walk
from archiver.flows.snapshot.item_lines import inside_again
from archiver.flows.snapshot.sight import Sight, may_be_a_head
from archiver.late import dataclass
from archiver.model.items import ItemLine
from archiver.sources.unpack.base import Budget
from archiver.sources.unpack.repositories import Repository, repository

__all__ = ["Repositories", "is_of_git"]

_KIND: Final = "git"


def is_of_git(line: ItemLine) -> bool:
    """Say whether a line is of what is inside a repository in this way."""
    return bool(line.item.members) and line.item.members[0].startswith(f"{_KIND}:")


@dataclass(frozen=True)
class Repositories:
    """The repositories of a source that lies in a folder."""

    inside: Inside
    folder: Path

    @staticmethod
    def may_be_said_by(path: bytes) -> bool:
        """Say whether a file may be the HEAD of one, by its name."""
        return may_be_a_head(path)

    @staticmethod
    def may_be_said_by_some(paths: Iterable[bytes]) -> bool:
        """Say whether any of some files may have the name of one: False where `may_be_said_by` says so of each."""
        return b"HEAD\n" in b"\n".join((*paths, b""))

    def lines(self, sight: Sight) -> Iterator[ItemLine]:
        """Account for what is inside the repository that a file is the HEAD of; nothing for any other file."""
        found = self._found(sight)
        if found is None:
            return
        known = [line for line in self._known(sight) if line.status != "absent"]
        read_anyway = sight.stands_still and sight.decision == "read"
        if self._is_as_before(found, known) and not read_anyway:
            for line in known:
                if not self.inside.accounted(line.item.text()):
                    yield self.inside.enter(sight, inside_again(sight, line), None)
            return
        budget = Budget(self.inside.limits, self.inside.limits.total)
        walk = Walk(self.inside, sight, lambda: repository(found.folder) == found, budget)
        yield from walk.members(sight.item, _KIND, lambda: found.members(self.inside.scratch), 1)

    def _found(self, sight: Sight) -> Repository | None:
        path = sight.found.path
        taken = sight.decision in ("read", "unchanged") and sight.found.kind == "file"
        if not taken or _KIND not in self.inside.source.unpack or path.rpartition(b"/")[2] != b"HEAD":
            return None
        return repository(self.folder / os.fsdecode(path.rpartition(b"/")[0]))

    def _known(self, sight: Sight) -> Iterator[ItemLine]:
        return filter(is_of_git, self.inside.catalog.latest_inside(sight.item.source, sight.item.path))

    def _is_as_before(self, found: Repository, known: list[ItemLine]) -> bool:
        """Say whether the refs are those of last time, and nothing lacked a program then."""
        if any(line.reason == "unsupported" for line in known):
            return False
        refs = [line for line in known if line.item.members == (f"{_KIND}:0:refs",)]
        return len(known) > 1 and [line.sha256 for line in refs] == [sha256(found.text).hexdigest()]
