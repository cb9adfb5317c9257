"""A table of a source as a stream of batches: items go in row by row, full batches are sealed and delivered on the way.

An item's rows lie in as many batches as they need. Its line enters the journal together with the batch that holds its
last row, so that after a kill an item is either accounted for or read again; rows that had left in sealed batches are
not sent twice, as long as the bytes before them are still the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from archiver.flows.snapshot.batch_words import Words
from archiver.flows.snapshot.batches import Batches, Limits
from archiver.flows.snapshot.beginnings import Beginning
from archiver.flows.snapshot.open_item import OpenItem, PrefixChangedError
from archiver.flows.snapshot.waiting import Waiting
from archiver.late import dataclass
from archiver.model.item import Item
from archiver.model.items import Part
from archiver.model.leaf import DOCUMENT_ROW, LOG_ROW, item_digest
from archiver.model.rows import Rows
from archiver.writer.engine import Engine
from archiver.writer.groups import Indexer
from archiver.writer.hashed_file import Spool
from archiver.writer.journal import Journal
from archiver.writer.journal_words import JournaledBatch, Line
from archiver.writer.leaves import Beside
from archiver.writer.line_packs import LinePack
from archiver.writer.rows import Facts, OpenBatch, Wholes

if TYPE_CHECKING:
    from archiver.flows.snapshot.record_marks import RecordMarks
    from archiver.writer.sealed import Recipients

__all__ = ["Captured", "Stream"]

_ALONE: Final = 4
_LARGE: Final = 64 << 20
"""A log of a quarter of what a batch may have, and of no less than this, is the last of its batch."""
_ITEMS: Final = 1 << 19  # of one batch at most: each takes somewhat less than a kilobyte of memory until it is closed


@dataclass(frozen=True)
class Captured:
    """What an item turned out to be: its size, its SHA-256, and where its rows are."""

    size: int
    sha256: str
    parts: tuple[Part, ...]


class Stream:
    """Rows of one source and table."""

    def __init__(
        self,
        words: Words,
        *,
        waiting: Waiting,
        journal: Journal,
        spool: Spool,
        limits: Limits,
        random: Callable[[int], bytes],
        index: Indexer,
        engine: Engine,
        beside: Beside | None = None,
        deliver: Callable[[JournaledBatch], None],
        recipients: Recipients | None = None,
        withholds: Callable[[Item], bool] | None = None,
        records: RecordMarks | None = None,
    ) -> None:
        """Begin with no batch; one is opened by the first item. What is withheld is sealed for `recipients`.

        Rows of logs are hashed `beside` this process where that is given and there are many.
        `withholds` says of an item whether it is, whoever begins it (without it none is), `records` of its rows.
        """
        self._batches = Batches(
            words,
            number=lambda: journal.count(words.table),
            spool=spool,
            limits=limits,
            random=random,
            index=index,
            engine=engine,
            beside=beside,
            recipients=recipients,
        )
        self._table = words.table
        self._journal = journal
        self._most_bytes = limits.raw_bytes
        self._most_items = min(limits.records, _ITEMS)
        self._engine = engine
        self._beside = beside
        self._deliver = deliver
        self._seals = recipients is not None
        self._withholds = withholds
        self._records = records
        self._hash = ThreadPoolExecutor(1, "hash")
        self._pending = waiting
        self._item: OpenItem | None = None

    # An item

    def expect(self, size: int) -> None:
        """Say that rows of so many bytes will come: what hashes them is started while their file is looked at."""
        if self._beside is not None:
            self._beside.expect(size)

    def begin(
        self,
        item: Item,
        facts: Facts,
        begun: Beginning | None = None,
        *,
        withheld: bool = False,
        expected: int | None = None,
    ) -> None:
        """Begin an item, or go on with one whose first rows were sealed before a kill, or by an earlier snapshot.

        With `begun` the rows that follow are those behind it. The bytes of `withheld` rows go into a sealed object.
        An item of more `expected` bytes than the open batch has room for is built as it comes in (`feed`).
        """
        withheld = withheld or (self._withholds is not None and self._withholds(item))
        if withheld and not self._seals:
            raise RuntimeError(f"stream: {item.text()} is to be withheld, and there is nobody to seal it for")
        self._seal_if_full()
        progress = self._journal.progress(item.text())
        if self._records is not None:
            self._records.begin(item, facts.dialect, () if begun is None else begun.known.marks)
        self._item = OpenItem(item, facts, begun, progress, self._hash, withheld=withheld)
        self._item.expected = expected or 0

    def feed(self, given: Sequence[bytes], facts: Sequence[Facts] = (), places: Sequence[int] = ()) -> None:
        """Add rows of the open item; `places` are where they stood in the stream that it is selected from.

        Raises `PrefixChangedError` for an item that was expected to go on behind its first batch and does not.
        """
        open_item = self._current()
        rows = Rows.of(given)
        hidden = [] if self._records is None else self._records.take(rows)
        if any(hidden) and not self._seals:
            raise RuntimeError(
                f"stream: {open_item.item.text()} has records to be withheld, and nobody to seal them for"
            )
        while rows:
            if open_item.skip:
                taken = self._skip(open_item, rows)
            else:
                self._seal_if_full()
                if open_item.mark is None:
                    self._open_in_batch()
                if open_item.goes_on and not open_item.has_left and rows.lengths[-1] < DOCUMENT_ROW:
                    raise PrefixChangedError("prefix-changed", f"{open_item.item.text()}: shorter than it was")
                added = self._batches.open().add(rows, open_item.size, facts, places, hidden, passing=open_item.passes)
                taken = len(added)
                open_item.took(added)
                self._offer_open(open_item)
            if taken == len(rows):
                return
            rows, facts, places, hidden = rows[taken:], facts[taken:], places[taken:], hidden[taken:]

    def add_whole(
        self, item: Item, facts: Facts, raw: bytes, digest: bytes, item_hash: bytes | None = None
    ) -> tuple[str, int] | None:
        """Add an item that is one row, given its SHA-256, and that of its text where somebody has it.

        Its line must follow with `enter`. Return its batch and row; None when a killed run has sealed rows of it
        already: then it goes the long way.
        """
        if len(raw) >= DOCUMENT_ROW or not self.takes_whole([item]):
            return None
        text = item.text()
        hashes = item_hash or item_digest(text)
        batch, row, _ = self.add_wholes(Wholes([text], [item.path], [facts], [len(raw)], [digest], [hashes], raw))
        return batch, row

    def takes_whole(self, items: Sequence[Item]) -> bool:
        """Say whether all of some items may be added whole: none is withheld, or sealed in part by a killed run."""
        if self._withholds is not None and any(map(self._withholds, items)):
            return False
        return not self._journal.may_progress or not any(self._journal.progress(item.text()) for item in items)

    def add_wholes(self, items: Wholes) -> tuple[str, int, int]:
        """Add items that are one row each and that it `takes_whole`, as many of the first of them as there is room for.

        The lines of those must follow with `enter`, all at once. Return their batch, the row of the first, and how many
        they are.
        """
        self._seal_if_full()
        batch = self._batches.open()
        row = batch.rows
        taken = min(batch.fitting(items.lengths), self._most_items - len(self._pending))
        if batch.add_wholes(items.between(0, taken)):
            self._batches.offer()
        return self._batches.identity, row, taken

    @property
    def size(self) -> int:
        """Bytes of the open item so far."""
        return self._current().size

    @property
    def revocable(self) -> bool:
        """Say whether no row of the open item has left in a sealed batch."""
        return not self._current().has_left

    @property
    def withheld(self) -> bool:
        """Say whether the bytes of the open item go into a sealed object."""
        return self._current().withheld

    def digest(self) -> str:
        """Return the SHA-256 of the open item so far."""
        return self._current().digest.hexdigest()

    def end(self, facts: Facts) -> Captured:
        """Say that the item is whole; its line must follow with `enter`."""
        open_item = self._current()
        if open_item.skip:
            raise PrefixChangedError("prefix-changed", f"{open_item.item.text()}: shorter than what was sealed of it")
        if open_item.mark is not None:
            batch = self._batches.open()
            batch.finish(facts, began_elsewhere=bool(open_item.parts))
            self._batches.offer()
            if open_item.passes:
                batch.end()
        parts = (*open_item.parts, *self._part_here(open_item))
        self._item = None
        return Captured(open_item.size, open_item.digest.hexdigest(), parts)

    def revoke(self) -> None:
        """Take the open item's rows back as far as they have not left; what has left are leftovers."""
        open_item = self._current()
        if open_item.mark is not None:
            self._batches.open().rollback(open_item.mark)
            self._batches.take_back(open_item.mark.rows)
        self._journal.drop_progress(open_item.item.text())
        self._item = None

    def enter(self, *lines: Line, alike: LinePack | None = None) -> None:
        """Account for items together with the open batch; as many lines as a batch may have items wait at most.

        What is entered together is on record together; lines `alike` are for one pack.
        """
        self._pending.add(lines) if alike is None else self._pending.add_alike(alike)
        if len(self._pending) >= self._most_items:
            self.seal()

    # A batch

    def seal(self) -> None:
        """Close the open batch, put it on record, and deliver it."""
        open_item = self._item
        if self._batches.now is None and not self._pending:
            return
        progress = None
        if open_item is not None:
            open_item.parts.extend(self._part_here(open_item))
            progress = open_item.progress() if open_item.has_left else None
        journaled = self._batches.build()
        # A crash before this line leaves files that the next run sweeps away; after it, a batch that will be delivered.
        self._journal.enter(journaled, self._pending.take(), progress)
        self._batches.close()
        if open_item is not None:
            open_item.mark = None  # its further rows, if any, open the next batch
        if journaled is not None:
            self._deliver(journaled)

    def __enter__(self) -> Self:
        """Use it in a `with` statement, so that an error leaves no file open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give an open batch up; after an error it is read again from the source."""
        self._hash.shutdown()
        self._batches.end()

    def _seal_if_full(self) -> None:
        batch = self._batches.now
        if batch is not None and batch.full:
            self.seal()

    def _offer_open(self, open_item: OpenItem) -> None:
        """Offer rows of an item that is not at its end.

        Those of a document say what the whole is, unless it goes on in another batch: then its last row alone does.
        """
        if self._table != "documents":
            self._batches.offer()
        elif open_item.goes_on or open_item.has_left:
            self._batches.offer(but=open_item.last_length != DOCUMENT_ROW)

    def _open_in_batch(self) -> None:
        open_item = self._current()
        batch = self._batches.open()
        if batch.has_wholes and open_item.expected >= self._most_bytes:
            self.seal()  # what fills a batch passes, and is not mixed with what cannot be built anew (`_goes_on`)
            batch = self._batches.open()
        open_item.mark = batch.mark()
        continued = open_item.last_length == LOG_ROW
        batch.begin(open_item.item, open_item.facts, continued=continued, withheld=open_item.withheld)
        open_item.goes_on = self._goes_on(open_item, batch)
        open_item.passes = open_item.goes_on or self._is_alone(open_item, batch)

    def _goes_on(self, open_item: OpenItem, batch: OpenBatch) -> bool:
        """Say whether a document is expected to fill the rest of the batch and to have a row behind it.

        Its rows pass then. If it changes, all groups are built anew, which cannot be behind items added whole.
        """
        rest = -(-(self._most_bytes - batch.raw_bytes) // DOCUMENT_ROW) * DOCUMENT_ROW
        fills = open_item.expected - open_item.size >= rest
        return self._table == "documents" and fills and not (batch.withholds or batch.has_wholes)

    def _is_alone(self, open_item: OpenItem, batch: OpenBatch) -> bool:
        """Say whether a log takes so much of a batch that no other item follows it there: its rows pass, too."""
        if self._table != "model_logs" or not self._engine.reads_here:
            return False
        large = max(self._most_bytes // _ALONE, _LARGE)
        return open_item.expected - open_item.size >= large and self._records is None and not batch.withholds

    def _skip(self, open_item: OpenItem, rows: Rows) -> int:
        """Pass over rows that are sealed already; at their end the bytes so far must be the same as then."""
        taken = min(open_item.skip, len(rows))
        open_item.took(rows[:taken])
        open_item.skip -= taken
        if open_item.skip == 0 and open_item.digest.hexdigest() != open_item.prefix_sha256:
            raise PrefixChangedError("prefix-changed", f"{open_item.item.text()}: changed since it was sealed in part")
        return taken

    def _part_here(self, open_item: OpenItem) -> list[Part]:
        """Return the open item's rows in the open batch as a part, none when there are none."""
        batch = self._batches.now
        mark = open_item.mark
        if batch is None or mark is None or batch.rows == mark.rows:
            return []
        return [Part(self._batches.identity, mark.rows, batch.rows - mark.rows, sealed=open_item.withheld)]

    def _current(self) -> OpenItem:
        if self._item is None:
            raise RuntimeError("stream: no item is open")
        return self._item
