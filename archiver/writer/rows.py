"""The rows of an open batch: raw bytes in a scratch file, everything else in compact arrays.

An item's rows stay revocable while they are in the open batch: `mark` before the item, `rollback` to it when the item
turns out to be unchanged or changed while it was read. Memory is about 60 bytes a row, whatever the rows hold.

Rows that nobody asks for twice need no scratch file: they are held until their row group is built, and are gone then.
Such are items that are added whole, and the rows of an item that no other item follows in its batch. Whoever adds them
lets their groups be built as they come, so no more than a few are held. All others lie in the file at their place among
all rows.
"""

from __future__ import annotations

import errno
import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from archiver.errors import WorldError
from archiver.late import dataclass
from archiver.model.item import Item
from archiver.model.leaf import LOG_ROW, item_digest
from archiver.model.rows import Rows
from archiver.writer.leaves import Beside, Leaves

__all__ = ["Facts", "Mark", "OpenBatch", "Wholes", "disk_error"]

_GATHERED: Final = 1 << 20


class Facts(NamedTuple):
    """What is known about an item as a whole; becomes index columns. Times are nanoseconds since 1970 or None."""

    size: int | None = None
    sha256: str | None = None
    mime: str | None = None
    modified_ns: int | None = None
    custodian: str | None = None
    collected_at: str = ""
    dialect: str | None = None


@dataclass(frozen=True)
class Mark:
    """A place to roll back to."""

    rows: int
    raw_bytes: int
    items: int


class Wholes(NamedTuple):
    """Items that are one row each, field by field, and their bytes, one behind the other.

    `digests` are the SHA-256 of their bytes, `item_hashes` those of their texts.
    """

    texts: Sequence[str]
    paths: Sequence[str]
    facts: Sequence[Facts]
    lengths: Sequence[int]
    digests: Sequence[bytes]
    item_hashes: Sequence[bytes]
    data: bytes | memoryview
    """A view is of memory that is somebody else's again when they were added."""

    def between(self, first: int, after: int) -> Wholes:
        """Return some of them."""
        if first == 0 and after == len(self.texts):
            return self
        begin = sum(self.lengths[:first])
        data = self.data[begin : begin + sum(self.lengths[first:after])]
        return Wholes._make((*(column[first:after] for column in self[:-1]), data))


class _Member(NamedTuple):
    """An item that has rows in the batch: where they begin, and what is known when the item is finished."""

    text: str
    path: str
    first: int
    facts: Facts
    whole_on_last_row_only: bool = False
    withheld: bool = False


class OpenBatch:
    """Rows of one source and table, in order, until the batch is full."""

    def __init__(
        self, scratch: Path, *, salt: bytes, max_bytes: int, max_rows: int, beside: Beside | None = None
    ) -> None:
        """Begin an empty batch whose raw bytes go to the file `scratch`; `beside` this process rows may be hashed."""
        self.salt = salt
        self.members: list[_Member] = []
        self.offsets = array("Q")
        self.places = array("Q")
        """Where each row stood in the stream that its item was selected from; its offset, if all of it was kept."""
        self.lengths = array("Q")
        self.raw_bytes = 0
        self.row_facts: list[Facts] = []
        self._leaves = Leaves(salt, beside)
        self._max_bytes = max_bytes
        self._max_rows = max_rows
        self.scratch = scratch
        self.hidden = array("Q")
        """Rows, in their order, whose bytes are withheld while others of their item are not."""
        self.pieces: set[int] = set()
        """Rows that are pieces of a record which was longer than a row of a log can be."""
        self._file = scratch.open("wb", buffering=0)  # others read it while it grows
        self.has_wholes = False
        """Whether any item was added whole: its bytes are gone when its group is built."""
        self._held_bytes = 0
        """Of rows that were added whole and have no leaves yet."""
        self._held_items: list[bytes] = []
        self._held_digests: list[bytes] = []
        """Of these, SHA-256 of the texts of the items, and of the bytes themselves."""
        self._digest = b""
        self._unhashed: tuple[bytes, int, Rows] | None = None
        """Rows that were added last, the digest of their item's text and their offset, if they have no leaves yet."""
        self._passing: deque[tuple[int, Rows]] = deque()
        self._ended = False

    @property
    def rows(self) -> int:
        """Number of rows so far."""
        return len(self.lengths)

    @property
    def full(self) -> bool:
        """True when the batch must be closed before another row."""
        return self._ended or self.rows >= self._max_rows or self.raw_bytes >= self._max_bytes

    def end(self) -> None:
        """Say that no other item's row may follow."""
        self._ended = True

    def mark(self) -> Mark:
        """Remember this place."""
        return Mark(self.rows, self.raw_bytes, len(self.members))

    def rollback(self, mark: Mark) -> None:
        """Forget every row since `mark`."""
        self.flush()
        self.hash()
        del self.offsets[mark.rows :], self.lengths[mark.rows :], self.members[mark.items :]
        self._leaves.take_back(mark.rows)
        del self.row_facts[mark.rows :], self.places[mark.rows :]
        self.pieces = {number for number in self.pieces if number < mark.rows}
        del self.hidden[bisect_left(self.hidden, mark.rows) :]
        self._passing = deque(one for one in self._passing if one[0] < mark.rows)
        self.raw_bytes = mark.raw_bytes
        self._file.truncate(mark.raw_bytes)

    @property
    def withholds(self) -> bool:
        """Say whether there are rows whose bytes go into a sealed object."""
        return bool(self.hidden) or any(member.withheld for member in self.members)

    def hidden_between(self, first: int, after: int) -> array[int]:
        """Return the hidden rows of a range."""
        return self.hidden[bisect_left(self.hidden, first) : bisect_left(self.hidden, after)]

    def begin(self, item: Item, facts: Facts, *, continued: bool = False, withheld: bool = False) -> None:
        """Begin the rows of an item, or go on with one; `continued` when an earlier batch ended inside a record.

        The bytes of `withheld` rows are kept out of the batch: it has their lengths and digests.
        """
        text = item.text()
        self._digest = item_digest(text)
        self.members.append(_Member(text, item.path, self.rows, facts, withheld=withheld))
        if continued:
            self.pieces.add(self.rows)

    def finish(self, facts: Facts, *, began_elsewhere: bool) -> None:
        """Say what is known about the item now that all its rows are here, or in earlier batches and here."""
        self.members[-1] = self.members[-1]._replace(facts=facts, whole_on_last_row_only=began_elsewhere)

    def facts_of(self, member: int) -> tuple[Facts, Facts]:
        """Return what the rows of a member say of the item: all but its last row, and the last row.

        An item that lies in several batches has its size and SHA-256 on its very last row alone.
        """
        one = self.members[member]
        if one.whole_on_last_row_only:
            return one.facts._replace(size=None, sha256=None), one.facts
        return one.facts, one.facts

    def after(self, member: int) -> int:
        """Return the first row that no longer belongs to a member."""
        return self.members[member + 1].first if member + 1 < len(self.members) else self.rows

    def member_of(self, row: int) -> int:
        """Return the number of the member that a row belongs to."""
        return max(bisect_right(self.members, row, key=lambda member: member.first) - 1, 0)

    def add(
        self,
        given: Sequence[bytes],
        offset: int,
        facts: Sequence[Facts] = (),
        places: Sequence[int] = (),
        hidden: Sequence[bool] = (),
        *,
        passing: bool = False,
    ) -> Rows:
        """Add rows of the current item, the first at `offset`, until the batch is full; return those that were taken.

        `places` says where each row of a selection stood in the stream that it was selected from, `hidden` whether its
        bytes are withheld. Rows that are `passing` are held in memory, until their group asks for them.
        """
        self.flush()
        self.hash()
        rows, number = Rows.of(given), self.rows
        taken = self.fitting(rows.lengths)
        if taken < len(rows):
            rows = rows[:taken]
        lengths = rows.lengths
        offsets = list(itertools.accumulate(lengths, initial=offset))
        after = offsets.pop()
        if LOG_ROW in lengths:
            pieces = [number + place for place, length in enumerate(lengths) if length == LOG_ROW]
            self.pieces.update(pieces, (piece + 1 for piece in pieces))
        self._unhashed = self._digest, offset, rows
        if self._leaves.are_made_apart:
            self.hash()
        self.offsets.extend(offsets)
        self.lengths.extend(lengths)
        self.hidden.extend(number + place for place, is_hidden in enumerate(hidden[:taken]) if is_hidden)
        self.row_facts.extend(facts[:taken])
        self.places.extend(places[:taken] or self.offsets[len(self.places) :])
        if passing:
            self._passing.append((number, rows))
        else:
            self._write(rows.data)
        self.raw_bytes += after - offset
        return rows

    def hash(self) -> None:
        """Make the leaves of the rows that were added last, which may be offered to others before."""
        if self._unhashed is not None:
            unhashed, self._unhashed = self._unhashed, None
            self._leaves.add(*unhashed)

    def pass_on(self, first: int, count: int) -> list[tuple[int, Rows]]:
        """Give the held ones of some rows away, each with its number among them; nobody can ask for them again."""
        given, after = list[tuple[int, Rows]](), first + count
        while self._passing and self._passing[0][0] < after:
            number, rows = self._passing.popleft()
            if number + len(rows) > after:
                self._passing.appendleft((after, rows[after - number :]))
                rows = rows[: after - number]
            given.append((number - first, rows))
        return given

    def fitting(self, lengths: Sequence[int]) -> int:
        """Return how many rows of these lengths can be added before the batch is full."""
        room, budget = self._max_rows - self.rows, self._max_bytes - self.raw_bytes
        if len(lengths) <= room and sum(lengths) < budget:
            return len(lengths)
        for taken, length in enumerate(lengths):
            if taken >= room or budget <= 0:
                return taken
            budget -= length
        return len(lengths)

    def add_wholes(self, items: Wholes) -> bool:
        """Add items that are one row each, no more than are `fitting`.

        Leaves of small ones are made together; say whether all that were added have theirs now.
        """
        if len(set(map(len, items[:-1]))) != 1 or sum(items.lengths) != len(items.data):
            raise ValueError(f"rows: {len(items.texts)} items, whose fields or bytes are of others")
        self.hash()
        first = self.rows
        rows = range(first, first + len(items.texts))
        self.has_wholes = True
        self.members.extend(map(_Member, items.texts, items.paths, rows, items.facts))
        self.lengths.extend(items.lengths)
        self.raw_bytes += len(items.data)
        self._passing.append((first, Rows(bytes(items.data), list(items.lengths))))
        self._held_items += items.item_hashes
        self._held_digests += items.digests
        self._held_bytes += len(items.data)
        if self._held_bytes < _GATHERED:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Make the leaves of what was added whole; before anybody asks for the rows."""
        if not self._held_digests:
            return
        items, self._held_items = self._held_items, []
        digests, self._held_digests = self._held_digests, []
        count = len(items)
        first, zeros = self.rows - count, bytes(8 * count)
        self.offsets.frombytes(zeros)
        self.places.frombytes(zeros)
        self._leaves.add_digests(items, self.offsets[first:], self.lengths[first:], digests)
        self._held_bytes = 0

    def root(self) -> bytes:
        """Return the Merkle root over the rows' leaves."""
        self.flush()
        self.hash()
        return self._leaves.root()

    def close(self) -> None:
        """Give the scratch file up; it is no evidence."""
        self._file.close()
        self.scratch.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        """Write the bytes of rows that come next where they stand among those of all rows."""
        left = memoryview(data)
        try:
            self._file.seek(self.raw_bytes)
            while left:  # one call writes less than 2 GiB, on a full disk less than asked
                left = left[self._file.write(left) :]
        except OSError as problem:
            raise disk_error(problem, self.scratch) from problem


def disk_error(problem: OSError, path: Path) -> WorldError:
    """Say what a failed write means, a full disk by its name."""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorldError(
            "disk-full",
            f"{path.parent}: no space left on this disk",
            hint="free some space, or put `state` of the policy on a larger disk, and run the same command again",
        )
    return WorldError("disk-error", f"{path}: {problem.strerror or problem}", hint="check the disk of the state folder")
