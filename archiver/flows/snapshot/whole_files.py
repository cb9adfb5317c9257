"""The long way of reading a file into rows: from its first byte to its last, and once more where that is needed.

A file that has the size of what is archived of it, or of anything else, is hashed first, and written only if its bytes
are new. One that changed under the reading is read a second time, as long as no row of it has left in a sealed batch;
what changes again is kept as read and marked so. A log that grew, or has another name since it was rotated, yields only
the records that are new.

>>> files.line(sight, opened, "documents", head).status
'captured'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256

from archiver.catalog.catalog import Catalog
from archiver.events import Advanced, Listener, Said
from archiver.flows.snapshot.beginnings import Beginning, candidates, longest
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.item_lines import (
    captured_line,
    read_line,
    same_family,
    shared_line,
    what_became,
)
from archiver.flows.snapshot.losses import is_another_file, loss_of
from archiver.flows.snapshot.marking import Marker
from archiver.flows.snapshot.open_item import PrefixChangedError
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Captured, Stream
from archiver.model import mime
from archiver.model.item import Item
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy import Source
from archiver.sources.base import Problem, ReadProblem
from archiver.sources.location import Location, Reading, same_state
from archiver.sources.reading_logs import first_lines
from archiver.sources.rotation import beginning_of
from archiver.sources.rows import BLOCK, DOCUMENT_ROW, rows_of
from archiver.writer.rows import Facts

__all__ = ["WholeFiles"]

_RELATIVES = 256  # names of a log's family that are looked at


class WholeFiles:
    """Reads the files of one source."""

    def __init__(
        self,
        source: Source,
        location: Location,
        *,
        streams: dict[str, Stream],
        catalog: Catalog,
        contents: Contents,
        recognise: Callable[[list[bytes]], str],
        marker: Marker,
        listener: Listener,
    ) -> None:
        """Bind to a source, the place where it is, and its streams."""
        self._source = source
        self._location = location
        self._streams = streams
        self._catalog = catalog
        self._contents = contents
        self._recognise = recognise
        self._marker = marker
        self._listener = listener

    def line(self, sight: Sight, opened: Reading, table: str, head: bytes) -> ItemLine:
        """Read a file, unless its bytes are archived, and return its line, which is not entered yet."""
        known = sight.known
        if known is not None and known.table == table and self._has_bytes_of(known, opened):
            self._judge_again(sight, opened, table, head)
            return _said(sight, opened, replace(known, status="unchanged", reason=None, detail=None))
        twin = None if sight.stands_still else self._twin(sight, opened, table)
        if twin is not None:
            loss = self._loss(sight, opened, twin) if table == "model_logs" else None
            return _said(sight, opened, shared_line(sight, twin, loss))
        captured, steady, begun = self._steadily(sight, opened, table, head)
        now = opened.stat_now()
        reason, detail = what_became(sight, table, begun, now) if steady else ("changed-during-read", None)
        return _said(sight, opened, captured_line(sight, table, captured, reason, detail, steady=steady))

    def _judges(self, table: str) -> bool:
        """Say whether rows of a table are judged one by one: then those of others are not shared."""
        return table == "model_logs" and self._marker.records is not None

    def _judge_again(self, sight: Sight, opened: Reading, table: str, head: bytes) -> None:
        """Judge the records of a log that is unchanged and was read, as there may be another rule than then."""
        records = self._marker.records
        if records is not None and table == "model_logs":
            dialect = self.facts(sight, table, head).dialect
            records.begin(sight.item, dialect)
            for rows in rows_of(table, dialect, opened.blocks()):
                records.take(rows)
            opened.rewind()
            known = {mark.by for mark in sight.known.marks} if sight.known is not None else set()
            late = [one for one in records.of(sight.item) if one.handling == "quarantine" and one.by not in known]
            for mark in late:
                text = (
                    f"{sight.item.path}: {mark.records} records belong into quarantine by a rule that came after them"
                )
                self._listener(Said(f"{text}; their bytes are in the archive, in the open", "warning"))

    def _twin(self, sight: Sight, opened: Reading, table: str) -> ItemLine | None:
        """Return another item that has these bytes and whose rows this one may share; None if there is none."""
        before = opened.stat_now()
        if not self._contents.has_size(table, before.size) or self._judges(table):
            return None
        digest = self.hash(opened)
        if not same_state(before, opened.stat_now()):
            return None
        found = self._contents.find(table, before.size, digest, self._source)
        if found is None or found.item == sight.item:
            return None
        withheld = self._marker.withholds(sight.item, digest)
        return found if all(part.sealed == withheld for part in found.parts) else None

    def _loss(self, sight: Sight, opened: Reading, twin: ItemLine) -> tuple[str, str] | None:
        """Return reason and detail for a log that has not what was archived of it any more, None for all others.

        One whose name has come to another file by rotation, as each of a family does, is not read for that.
        """
        known = sight.known
        if known is not None and same_family(twin.item, sight.item) and is_another_file(known, opened.stat_now()):
            return None
        own = candidates(sight.item, sight.known, (), self._location)
        begun = longest(opened.blocks(), own, sight.item) if own else None
        return loss_of(sight.known, opened.stat_now()) if begun is None else None

    def _has_bytes_of(self, known: ItemLine, opened: Reading) -> bool:
        """Say whether a file has the bytes that are archived of it; only one of the same size is read for that."""
        before = opened.stat_now()
        if known.status not in CONTENT_STATUSES or known.size != before.size:
            return False
        return self.hash(opened) == known.sha256 and same_state(before, opened.stat_now())

    def hash(self, opened: Reading) -> str:
        """Return the SHA-256 of a file, which is at its start again."""
        digest = sha256()
        for block in opened.blocks():
            digest.update(block)
            self._listener(Advanced(len(block)))
        opened.rewind()
        return digest.hexdigest()

    def _steadily(
        self, sight: Sight, opened: Reading, table: str, head: bytes
    ) -> tuple[Captured, bool, Beginning | None]:
        """Read a file into rows, once more when it changed meanwhile; say whether it stood still in the end."""
        stream, withheld = self._streams[table], self._marker.withholds(sight.item)
        for last in (False, True):
            before = opened.stat_now()
            try:
                begun = self._begun(sight, opened) if table == "model_logs" else None
                if table == "model_logs":
                    stream.expect(before.size - (begun.size if begun else 0))
                facts = self.facts(sight, table, head)
                expected = None if last else before.size
                stream.begin(sight.item, facts, begun, withheld=withheld, expected=expected)
                blocks = opened.blocks(DOCUMENT_ROW if table == "documents" else BLOCK)
                self._feed(stream, table, facts, blocks if begun is None or begun.more else None)
                captured = Captured(stream.size, stream.digest(), ())
                steady = same_state(before, opened.stat_now())
                missed = not withheld and self._marker.withholds(sight.item, captured.sha256)
                if (steady and not missed) or last or not stream.revocable:
                    return stream.end(facts._replace(size=captured.size, sha256=captured.sha256)), steady, begun
                stream.revoke()
                withheld = withheld or missed
            except PrefixChangedError:
                stream.revoke()
                if last:
                    raise
            except ReadProblem:
                stream.revoke()
                raise
            opened.rewind()
        raise ReadProblem(Problem("unreadable", f"{sight.item.path}: changed faster than it could be read"))

    def _begun(self, sight: Sight, opened: Reading) -> Beginning | None:
        """Find how much of a log is archived already, and go behind it."""
        archived = [line for line in self.candidates(sight.item, sight.known) if (line.size or 0) <= opened.first.size]
        begun = longest(opened.blocks(), archived, sight.item) if archived else None
        opened.rewind(begun.size if begun else 0)
        return begun

    def candidates(self, item: Item, own: ItemLine | None) -> list[ItemLine]:
        """Return what is archived of a log's family that a log may begin with."""
        if own is not None and own.status not in CONTENT_STATUSES:
            own = self._catalog.archived(item)
        relatives = self._catalog.latest_below(item.source, beginning_of(item.path), _RELATIVES)
        return candidates(item, own, relatives, self._location)

    def _feed(self, stream: Stream, table: str, facts: Facts, blocks: Iterable[bytes] | None) -> None:
        """Feed rows; None where the archive has all of them already."""
        if blocks is None:
            return
        for rows in rows_of(table, facts.dialect, blocks):
            before = stream.size
            stream.feed(rows)
            self._listener(Advanced(stream.size - before))

    def facts(self, sight: Sight, table: str, head: bytes) -> Facts:
        """Return what is known of a file before its last byte, by its first ones."""
        found = sight.found.facts
        return Facts(
            mime=mime.guess(sight.found.path, head) if table == "documents" else None,
            modified_ns=found.mtime_ns if found else None,
            custodian=sight.custodian,
            collected_at=sight.observed_at,
            dialect=self._recognise(first_lines(head)) if table == "model_logs" else None,
        )


def _said(sight: Sight, opened: Reading, line: ItemLine) -> ItemLine:
    return read_line(sight, line, opened.stat_now())
