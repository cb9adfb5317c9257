"""Plain files that are new, or are as they were: decided by an `lstat` and a row of the catalog.

Nearly all items of a source are one or the other. A file that is as it was makes no sight: only its line, and that from
the one that is known. One that is new makes its sight at once.

The law: what is taken here is what `sights` would find to be read or unchanged, and is counted, settled or left over as
the sight would have been, in the same order, with the same line. What is not as nearly all are is left to them, and
whatever is in doubt with it.

>>> glance = Glance(source, recall, clock, telling.one, packing=packing, keep=left.append)
>>> list(sights(source, GlancedFolder(source.path, glance.takes), recall.of, clock, quick=True))
[]
>>> glance.items, glance.bytes
({'read': 1, 'unchanged': 2}, {'read': 310, 'unchanged': 48123})
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from archiver.catalog.recall import NOTHING, Recall, Row
from archiver.flows.snapshot.packing import Packing
from archiver.flows.snapshot.plain_lines import line_said_again
from archiver.flows.snapshot.repositories import Repositories
from archiver.flows.snapshot.sight import Seconds, Sight
from archiver.model.item import Item, escape_path, text_of
from archiver.model.items import CONTENT_STATUSES
from archiver.model.policy import Source
from archiver.model.record_rule import record_rule
from archiver.model.selection import rules_of
from archiver.model.stamp import spell_stamp
from archiver.sources.base import Found
from archiver.sources.facts import account_names, facts_of_file
from archiver.sources.plain_words import device_words, owner_words

__all__ = ["Glance", "says_more"]


class Glance:
    """Takes the plain files of a folder that are new or as they were."""

    def __init__(
        self,
        source: Source,
        recall: Recall,
        clock: Callable[[], datetime],
        tell: Callable[[], None],
        *,
        packing: Packing | None,
        keep: Callable[[Sight], None] | None,
    ) -> None:
        """Begin before the first file; `tell` is called for each that is taken.

        Without `packing` and `keep` they are only counted.
        """
        self._source = source.id
        self._rules = rules_of(source)
        self._recall = recall
        self._packing = packing
        self._keep = keep
        self._seconds = Seconds(clock)
        self._tell = tell
        self._selects = record_rule(source) is not None
        self.items = {"read": 0, "unchanged": 0}
        self.bytes = {"read": 0, "unchanged": 0}

    def takes(self, path: bytes, status: os.stat_result) -> bool:
        """Take a regular file, if it is new, or as it was and nothing else is to be said of it."""
        name = escape_path(path)
        text = "" if self._recall.is_empty else text_of(self._source, name)
        row = self._recall.row(name, text)
        decision = "read" if row is None else "unchanged"
        if self._recall.has_inside(name) or not (
            self._is_new(path, name, status) if row is None else self._is_as_it_was(path, text, row, status)
        ):
            if row is not None:
                self._recall.give_back(text, row)
            return False
        self.items[decision] += 1
        self.bytes[decision] += status.st_size
        self._tell()
        return True

    def _is_new(self, path: bytes, name: str, now: os.stat_result) -> bool:
        """Keep the sight of a file of which nothing is known, if the rules take it."""
        if not self._rules.decide(path, now.st_mtime_ns).taken:
            return False
        if self._keep is not None:
            found = Found(path, "file", facts_of_file(now), now.st_size)
            custodian = self._rules.custodian_of(path)
            item = Item(self._source, name)
            self._keep(Sight(item, found, "read", None, None, custodian, NOTHING, self._seconds()))
        return True

    def _is_as_it_was(self, path: bytes, text: str, row: Row, now: os.stat_result) -> bool:
        """Settle a file that has its stamp and is taken by the rules, if its line can be said again."""
        raw, status, stamp, number = row
        size = now.st_size
        if stamp != spell_stamp(size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) or status not in CONTENT_STATUSES:
            return False
        if self._selects or says_more(path) or not self._rules.decide(path).taken:
            return False
        if self._packing is None:
            return True
        at = self._seconds()
        accounts = _accounts(now.st_dev, now.st_uid, now.st_gid)
        again = line_said_again(raw, text.encode(), accounts, (now.st_atime_ns, size, at.encode()))
        if again is None:
            return False
        self._packing.add(number, again, size, self._rules.custodian_of(path), at)
        return True


@lru_cache(maxsize=4096)  # a share has few devices and owners
def _accounts(device: int, uid: int, gid: int) -> tuple[bytes, bytes]:
    """Return what lines say of device and owners."""
    owner, group = account_names(uid, gid)
    return device_words(device, gid, group), owner_words(owner, uid)


def says_more(path: bytes) -> bool:
    """Say whether something else may be said along with a file that is unchanged and has nothing inside, by its name.

    Refs of a repository change while its HEAD does not; of an export, more is said only when its manifest is read.
    """
    return Repositories.may_be_said_by(path)
