"""Plain files that are as they were, settled by an `lstat` and a row of the catalog, before anything is made of them.

Nearly all items of a source are that. They make no sight: only their line, and that from the one that is known.

The law: what is settled here is what `sights` would find unchanged and `FirstLook` would settle then, in the same order
and with the same line. What is not as nearly all are is left to them, and whatever is in doubt with it.

>>> settling = Settling(source, recall, packing, clock, silent)
>>> list(sights(source, GlancedFolder(source.path, settling.takes), recall.of, clock, quick=True))
[]
>>> settling.items, settling.bytes
(2, 48123)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from archiver.catalog.recall import Recall, Row
from archiver.events import Advanced, Listener
from archiver.flows.snapshot.exported import Exported
from archiver.flows.snapshot.packing import Packing
from archiver.flows.snapshot.plain_lines import line_said_again
from archiver.flows.snapshot.repositories import Repositories
from archiver.flows.snapshot.sight import Seconds
from archiver.model.item import escape_path, text_of
from archiver.model.items import CONTENT_STATUSES
from archiver.model.policy import Source
from archiver.model.record_rule import record_rule
from archiver.model.selection import rules_of
from archiver.model.stamp import spell_stamp
from archiver.sources.facts import account_names
from archiver.sources.plain_words import device_words, owner_words

__all__ = ["Settling", "may_settle", "says_more"]

_TOLD: Final = 64  # items at once; to tell of each would cost as much as to look at it


class Settling:
    """Takes the plain files of a source that are as they were."""

    def __init__(
        self, source: Source, recall: Recall, packing: Packing, clock: Callable[[], datetime], listener: Listener
    ) -> None:
        """Begin before the first file."""
        self._source = source.id
        self._rules = rules_of(source)
        self._recall = recall
        self._packing = packing
        self._seconds = Seconds(clock)
        self._listener = listener
        self.items = 0
        self.bytes = 0

    def takes(self, path: bytes, status: os.stat_result) -> bool:
        """Settle a regular file, if it is as it was and nothing else is to be said of it."""
        name = escape_path(path)
        text = text_of(self._source, name)
        row = self._recall.row(name, text)
        if row is None:
            return False
        if self._recall.has_inside(name) or not self._settle(path, text, row, status):
            self._recall.give_back(text, row)
            return False
        self.items += 1
        self.bytes += status.st_size
        if self.items % _TOLD == 0:
            self._listener(Advanced(_TOLD))
        return True

    def _settle(self, path: bytes, text: str, row: Row, now: os.stat_result) -> bool:
        """Settle a file that has its stamp and is taken by the rules, if its line can be said again."""
        raw, status, stamp, number = row
        size = now.st_size
        if stamp != spell_stamp(size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) or status not in CONTENT_STATUSES:
            return False
        if says_more(path) or not self._rules.decide(path).taken:
            return False
        at = self._seconds()
        accounts = _accounts(now.st_dev, now.st_uid, now.st_gid)
        again = line_said_again(raw, text.encode(), accounts, (now.st_atime_ns, size, at.encode()))
        if again is None:
            return False
        self._packing.add(number, again, size, self._rules.custodian_of(path), at)
        return True

    @property
    def untold(self) -> int:
        """How many items of those settled nobody was told of yet."""
        return self.items % _TOLD


@lru_cache(maxsize=4096)  # a share has few devices and owners
def _accounts(device: int, uid: int, gid: int) -> tuple[bytes, bytes]:
    """Return what lines say of device and owners."""
    owner, group = account_names(uid, gid)
    return device_words(device, gid, group), owner_words(owner, uid)


def may_settle(source: Source, recall: Recall) -> bool:
    """Say whether files of a source may be settled so: it is a folder that is known, and no rule selects from logs."""
    return source.path is not None and not recall.is_empty and record_rule(source) is None


def says_more(path: bytes) -> bool:
    """Say whether something else may be said along with a file that is unchanged, by its name."""
    return Repositories.may_be_said_by(path) or Exported.may_be_said_by(path)
