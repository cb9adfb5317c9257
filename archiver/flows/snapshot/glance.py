"""Plain files that are new, or are as they were: decided by an `lstat` and a row of the catalog.

Nearly all items of a source are one or the other. A file that is as it was makes no sight: only its line, and that from
the one that is known. One that is new makes its sight at once.

The law: what is taken here is what `sights` would find to be read or unchanged, and is counted, settled or left over as
the sight would have been, in the same order, with the same line. What is not as nearly all are is left to them, and
whatever is in doubt with it.

>>> glance = Glance(source, recall, clock, telling.one, packing=packing, keep=left.append)
>>> list(sights(source, GlancedFolder(source.path, glance.files), recall.of, clock, quick=True))
[]
>>> glance.taken
{'read': (1, 310), 'unchanged': (2, 48123)}
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import datetime
from typing import Final

from archiver.catalog.recall import NOTHING, Recall, Row
from archiver.flows.snapshot.packing import Packing
from archiver.flows.snapshot.plain_lines import SayingAgain
from archiver.flows.snapshot.sight import Seconds, Sight, may_be_a_head
from archiver.model.item import Item, Names
from archiver.model.items import CONTENT_STATUSES
from archiver.model.policy import Source
from archiver.model.record_rule import record_rule
from archiver.model.selection import rules_of
from archiver.model.stamp import spell_stamp
from archiver.sources.base import Found
from archiver.sources.facts import account_names, facts_of_file
from archiver.sources.plain_words import AT, device_words, owner_words
from archiver.sources.walk import GoesPast

__all__ = ["Glance", "says_more"]

_AT_ONCE: Final = 64
"""Files of one folder that share an asking of the clock: a line says when its file was looked at, or just before."""


class Glance:
    """Takes the plain files of a folder that are new or as they were."""

    def __init__(
        self,
        source: Source,
        recall: Recall,
        clock: Callable[[], datetime],
        tell: Callable[[int], None],
        *,
        packing: Packing | None,
        keep: Callable[[Sight], None] | None,
    ) -> None:
        """Begin before the first file; `tell` is told how many more are taken, by the dozen.

        Without `packing` and `keep` they are only counted.
        """
        self._source = source.id
        self._rules = rules_of(source)
        self._takes_all, self._has_custodians = self._rules.take_all, bool(self._rules.custodians)
        self._recall = recall
        self._packing = packing
        self._keep = keep
        self._seconds = Seconds(clock)
        self._tell = tell
        self._pause_at = 0
        self._selects = record_rule(source) is not None
        self._account: tuple[int, int, int] | None = None
        self._device = self._owner = b""
        self._say = SayingAgain()
        self._above, self._spell = b"", Names(source.id, b"")
        self._at, self._at_bytes = "", b""
        self._told = self._read = self._read_bytes = self._unchanged = self._unchanged_bytes = 0

    @property
    def taken(self) -> dict[str, tuple[int, int]]:
        """Say of each decision how many items were taken, and of how many bytes."""
        return {"read": (self._read, self._read_bytes), "unchanged": (self._unchanged, self._unchanged_bytes)}

    def files(self, folder: bytes) -> GoesPast:
        """Return what takes the files of a folder, until the next folder is asked for."""
        self._above = folder + b"/" if folder else b""
        self._spell = Names(self._source, folder)
        self._pause()
        return self.goes_past

    def goes_past(self, names: list[bytes], here: int) -> os.stat_result | None:
        """Take the plain files at the end of the names of the folder that is open `here`, up to another item."""
        look, is_regular, takes = os.lstat, stat.S_ISREG, self.takes
        while names:
            name = names[-1]
            try:
                now = look(name, dir_fd=here)
            except OSError:  # met again, and told, where the name is visited
                return None
            if not is_regular(now.st_mode) or not takes(name, now):
                return now
            names.pop()
        return None

    def takes(self, name: bytes, now: os.stat_result) -> bool:
        """Take a regular file of the folder, if it is new, or as it was and nothing else is to be said of it."""
        path, text = self._spell(name)
        recall = self._recall
        row = recall.row(path, text)
        if row is None:
            if path in recall.outer or not self._is_new(name, path, text, now):
                return False
            self._read += 1
            self._read_bytes += now.st_size
        else:
            if path in recall.outer or not self._is_as_it_was(name, text, row, now):
                recall.give_back(text, row)
                return False
            self._unchanged += 1
            self._unchanged_bytes += now.st_size
        if self._read + self._unchanged >= self._pause_at:
            self._pause()
        return True

    def end(self) -> None:
        """Tell of the last files."""
        self._pause()

    def _pause(self) -> None:
        """Tell of the files since the last pause, and learn what time it is."""
        taken = self._read + self._unchanged
        self._tell(taken - self._told)
        self._told, self._pause_at = taken, taken + _AT_ONCE
        self._at = self._seconds()
        self._at_bytes = self._at.encode()

    def _is_new(self, name: bytes, path: str, text: str, now: os.stat_result) -> bool:
        """Keep the sight of a file of which nothing is known, if the rules take it."""
        raw = self._above + name
        if not (self._takes_all or self._rules.decide(raw, now.st_mtime_ns).taken):
            return False
        if self._keep is not None:
            found = Found(raw, "file", facts_of_file(now), now.st_size)
            item = Item.plain(self._source, path, text)
            self._keep(Sight(item, found, "read", None, None, self._custodian_of(name), NOTHING, self._at))
        return True

    def _is_as_it_was(self, name: bytes, text: str, row: Row, now: os.stat_result) -> bool:
        """Settle a file that has its stamp and is taken by the rules, if its line can be said again."""
        _, raw, status, stamp, number = row
        size = now.st_size
        if stamp != spell_stamp(size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) or status not in CONTENT_STATUSES:
            return False
        if self._selects or says_more(name) or not (self._takes_all or self._rules.decide(self._above + name).taken):
            return False
        if self._packing is None:
            return True
        if self._account != (now.st_dev, now.st_uid, now.st_gid):
            self._learn_account(now.st_dev, now.st_uid, now.st_gid)
        again = self._say(raw, self._device, self._owner + text.encode() + AT, now.st_atime_ns, self._at_bytes)
        if again is None:
            return False
        custodian = self._custodian_of(name) if self._has_custodians else None
        self._packing.add(number, again[0], (raw, again[3]), size, custodian, self._at)
        return True

    def _custodian_of(self, name: bytes) -> str | None:
        return self._rules.custodian_of(self._above + name) if self._has_custodians else None

    def _learn_account(self, device: int, uid: int, gid: int) -> None:
        """Learn what lines say of device and owners; a share has few."""
        owner, group = account_names(uid, gid)
        self._account = device, uid, gid
        self._device, self._owner = device_words(device, gid, group), owner_words(owner, uid)


def says_more(path: bytes) -> bool:
    """Say whether something else may be said along with a file that is unchanged and has nothing inside, by its name.

    Refs of a repository change while its HEAD does not; of an export, more is said only when its manifest is read.
    """
    return may_be_a_head(path)
