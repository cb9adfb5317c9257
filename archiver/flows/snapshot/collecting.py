"""From the sources of a run to lines in its journal: whatever is there is seen, read, stored and accounted for.

>>> with Collecting(session, look, streams, ...) as collecting:
...     collecting.collect(source)
>>> collecting.unavailable
{'share': 'source location: expected a folder ...'}
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from archiver.events import Stage
from archiver.flows.session import Session
from archiver.flows.snapshot.accounted import Accounted
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.early import Early
from archiver.flows.snapshot.first_look import FirstLook, taken_up
from archiver.flows.snapshot.item_lines import journal_line, without_content_line
from archiver.flows.snapshot.marking import Marker
from archiver.flows.snapshot.sight import Sight, may_be_a_head, sights
from archiver.flows.snapshot.stream import Stream
from archiver.flows.snapshot.streams import Streams
from archiver.flows.uploads import Uploads
from archiver.model import instant
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.mark import Marking
from archiver.model.policy import Source
from archiver.sources.base import SourceUnavailable
from archiver.sources.location import held_open, location
from archiver.sources.reading_logs import LogReader
from archiver.writer.index_columns import documents_index, model_logs_index
from archiver.writer.journal_words import Line

if TYPE_CHECKING:
    from archiver.flows.snapshot.capture import Capture
    from archiver.flows.snapshot.record_marks import RecordMarks
    from archiver.sources.documents import Document
    from archiver.sources.location import Location

__all__ = ["Collecting"]

_LINES_AT_ONCE = 4096


class Collecting:
    """Takes one source after the other; `unavailable` are those that could not be seen, each with the reason."""

    def __init__(
        self,
        session: Session,
        look: FirstLook,
        streams: Streams,
        *,
        uploads: Uploads,
        marking: Marking,
        early: Early,
        goes_on: bool,
        rehash: bool,
    ) -> None:
        """Read small documents by the processes of `early`; a run that `goes_on` has lines in its journal."""
        self._session = session
        self._look = look
        self._streams = streams
        self._uploads = uploads
        self._marking = marking
        self._goes_on = goes_on
        self._rehash = rehash
        self._marker = Marker(marking)
        self._early = early
        self._dialects = LogReader()
        self._quiet: list[Line] = []
        self.unavailable: dict[str, str] = {}
        self.open_outside: list[str] = []
        """Items, by source and path, that are to be sealed and are in the archive unsealed already."""

    def __enter__(self) -> Self:
        """Use it in a `with` statement: what it holds is what is known of contents."""
        session = self._session
        with ExitStack() as held:
            self._contents = held.enter_context(Contents(session.catalog, session.policy.sources, session.state.spool))
            for line in session.journal.lines() if self._goes_on else ():
                self._contents.add(line)
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of them."""
        self._held.close()

    def collect(self, source: Source) -> None:
        """Take a source."""
        self._session.listener(Stage(f"capture {source.id}", None, "bytes"))
        self._marker = marker = Marker(self._marking, self._record_marks(source))
        documents_of, logs_of = documents_index(source.matters), model_logs_index(self._dialects.project)
        take = self._uploads.take
        with (
            self._streams.open("documents", source, documents_of, take, marker) as documents,
            self._streams.open("model_logs", source, logs_of, take, marker) as logs,
        ):
            self._capture(source, {"documents": documents, "model_logs": logs})
        self._flush()
        self.open_outside += [f"{source.id}/{name}" for name in marker.open_outside]
        if source.id not in self.unavailable and location(source).lasting:
            self._absent(source)

    def _record_marks(self, source: Source) -> RecordMarks | None:
        rules = self._marking.of_records(source.id) if source.kind == "model_logs" else ()
        if not rules:
            return None
        from archiver.flows.snapshot.record_marks import RecordMarks  # noqa: PLC0415 - loads what reads dialects

        return RecordMarks(rules, self._dialects, source.dialect)

    def _capture(self, source: Source, streams: dict[str, Stream]) -> None:
        session = self._session
        left, settled = self._look.left(source), self._look.settled()
        try:
            with held_open(location(source)) as place:
                seen: Iterator[Sight]
                if left is None:
                    recall = session.catalog.recall(source.id)
                    looked = sights(source, place, recall.of, session.clock, rehash=self._rehash)
                    seen = (one for one in looked if one.last.row is None or one.last.row not in settled)
                else:
                    seen = taken_up(left, place)
                first = self._first_to_take(seen)
                if first is not None:  # what reads and takes apart is loaded where there is something to read
                    self._take(source, streams, place, itertools.chain([first], seen))
        except SourceUnavailable as problem:
            self.unavailable[source.id] = problem.message
            hint = f"; {problem.hint}" if problem.hint else ""
            session.say(f"{source.id}: {problem.message}{hint}", "error")
        for stream in streams.values():
            stream.seal()

    def _first_to_take(self, seen: Iterator[Sight]) -> Sight | None:
        """Account for what is not read in front of all that may be, as folders are where nothing is new."""
        for sight in seen:
            is_read = sight.decision in ("read", "unchanged") or may_be_a_head(sight.found.path)
            if is_read or self._goes_on or self._look.is_of_another_catalog or self._marking.has_rules:
                return sight
            self._account(journal_line(sight, without_content_line(sight), None))
        return None

    def _take(self, source: Source, streams: dict[str, Stream], place: Location, seen: Iterator[Sight]) -> None:
        from archiver.flows.snapshot.capture import Capture  # noqa: PLC0415 - an unchanged source needs none of these
        from archiver.flows.snapshot.inside import unpack_limits, wanted_of  # noqa: PLC0415
        from archiver.flows.snapshot.selection import Selection  # noqa: PLC0415

        session = self._session
        goes_on = self._goes_on or self._look.is_of_another_catalog  # in a fresh run, nothing seen here has a line
        capture = Capture(
            source,
            place,
            streams=streams,
            catalog=session.catalog,
            contents=self._contents,
            recognise=self._dialects.recogniser(source.dialect),
            account=self._account,
            accounted=Accounted(session.journal if goes_on else None),
            known_by=session.lead.id,
            marker=self._marker,
            unpacking=(unpack_limits(session.policy.limits), session.state.spool),
            listener=session.listener,
            selection=Selection.of(source, streams["model_logs"], session.catalog, self._dialects, session.listener),
        )
        turns = self._early.readers.ahead(seen, place, wanted_of(source), takes=capture.takes_at_once)
        for sight, document in itertools.chain.from_iterable(map(capture.left, turns)):
            line = session.journal.line(sight.item.text()) if goes_on else None
            if line is None:
                self._one(sight, capture, document)
            else:
                _drain(capture.rest(sight, ItemLine.own(line.line)))
            _drain(capture.beside(sight))

    def _one(self, sight: Sight, capture: Capture, document: Document | None) -> None:
        if sight.decision == "read":
            _drain(capture.file(sight, document))
        elif sight.decision == "unchanged":
            capture.again(sight)
            if sight.last.has_inside:
                _drain(capture.reuse_inside(sight))
        else:
            capture.without_content(sight)

    def _absent(self, source: Source) -> None:
        """Say once of everything that was there last time that it is not there now."""
        session, now = self._session, instant.format_instant(self._session.clock())
        for texts in session.catalog.texts_present(source.id, but=self._look.settled()):
            for text in session.journal.without_lines(texts):
                known = session.catalog.latest(Item.parse(text))
                assert known is not None
                line = ItemLine(item=known.item, kind=known.kind, table=None, status="absent", observed_at=now)
                self._account(Line.of(line))
        self._flush()

    def _account(self, line: Line) -> None:
        self._quiet.append(line)
        if len(self._quiet) >= _LINES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._session.journal.enter(None, self._quiet)
        self._quiet = []


def _drain(entered: Iterable[ItemLine]) -> None:
    """Let all lines be entered."""
    for _line in entered:
        pass
