"""What becomes of one file: which way it is read, what it is taken apart into, and the line that says so.

A small document is read at one go (`at_once`), all others the long way (`whole_files`); rules may select from a log, or
pass a document over for what is in it. What a log lost is said, as the `reason` of its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.catalog.recall import Known
from archiver.events import Listener, Said
from archiver.flows.snapshot.accounted import Accounted
from archiver.flows.snapshot.ahead import ahead
from archiver.flows.snapshot.at_once import AtOnce
from archiver.flows.snapshot.compressed_log import HEAD, CompressedLog
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.exported import Exported
from archiver.flows.snapshot.inside import Inside, wanted_of
from archiver.flows.snapshot.item_lines import (
    failed_line,
    inside_again,
    journal_line,
    passed_over_line,
    unchanged_line,
    without_content_line,
)
from archiver.flows.snapshot.marking import Marker
from archiver.flows.snapshot.plain_lines import line_again
from archiver.flows.snapshot.read_ahead import Turn
from archiver.flows.snapshot.relevance import Judged, Relevance
from archiver.flows.snapshot.repositories import Repositories, is_of_git
from archiver.flows.snapshot.selection import Selection
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Stream
from archiver.flows.snapshot.together import Together
from archiver.flows.snapshot.whole_files import WholeFiles
from archiver.model import mime
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy import Source
from archiver.model.selected import is_kept_whole, selected_by
from archiver.model.unjudged import is_unjudged
from archiver.sources.base import ReadProblem
from archiver.sources.decode import sniff
from archiver.sources.documents import Document, read_document
from archiver.sources.location import Location, Reading
from archiver.sources.reading_logs import first_lines
from archiver.sources.unpack.base import UnpackLimits
from archiver.writer.journal_words import Line

__all__ = ["Capture"]


class Capture:
    """Captures the files of one source into its streams."""

    def __init__(
        self,
        source: Source,
        location: Location,
        *,
        streams: dict[str, Stream],
        catalog: Catalog,
        contents: Contents,
        recognise: Callable[[list[bytes]], str],
        account: Callable[[Line], None],
        accounted: Accounted,
        known_by: str,
        marker: Marker,
        unpacking: tuple[UnpackLimits, Path],
        listener: Listener,
        selection: Selection | None = None,
    ) -> None:
        """Bind to a source and the place where it is.

        `recognise` names the dialect of first lines, `account` enters the line of an item that relies on no rows of
        this run, `accounted` says whether an item has its line already. `known_by` is the destination whose catalog
        `catalog` is. `unpacking` has limits and a scratch folder, `selection` reads logs of which a part is kept.
        """
        self._location = location
        self._kind = source.kind
        self._streams = streams
        self._catalog = catalog
        self._contents = contents
        self._account = account
        self._accounted = accounted
        self._known_by = known_by
        self._marker = marker
        self._listener = listener
        self._files = WholeFiles(
            source,
            location,
            streams=streams,
            catalog=catalog,
            contents=contents,
            recognise=recognise,
            marker=marker,
            listener=listener,
        )
        self._inside = Inside(
            source,
            streams,
            catalog,
            contents,
            recognise=lambda head: recognise(first_lines(head)),
            enter=self._enter,
            accounted=accounted,
            limits=unpacking[0],
            scratch=unpacking[1],
            marker=marker,
            listener=listener,
        )
        folder = source.path if source.kind == "documents" else None
        self._beside = () if folder is None else (Repositories(self._inside, folder), Exported(self._inside, folder))
        self._compressed = CompressedLog(
            source,
            streams["model_logs"],
            catalog,
            contents,
            marker,
            accounted=accounted,
            candidates=self._files.candidates,
            facts=self._files.facts,
            enter=self._enter,
            again=self.reuse_inside,
        )
        self._selection = selection
        self._relevance = Relevance.of(source)
        plain = selection is None and self._relevance is None and not marker.has_rules
        self._wanted = wanted_of(source)
        self._takes_at_once = source.kind == "documents" and plain
        self._at_once = AtOnce(
            source,
            streams["documents"],
            contents=contents,
            members=self._members,
            enter=self._enter,
            listener=listener,
        )
        self._together = Together(source, streams["documents"], contents, listener)

    def takes_at_once(self, sight: Sight) -> bool:
        """Say whether a file may be read in one piece, by another process or here."""
        takes = self._takes_at_once and sight.decision == "read"
        return takes and (self._accounted.has_none or not self._accounted(sight.item.text()))

    def left(self, turn: Turn) -> Iterator[tuple[Sight, Document | None]]:
        """Account for the files of a turn of which nothing is to be said but what nearly all have; yield the others."""
        return self._together.left(turn)

    def file(self, sight: Sight, document: Document | None = None) -> Iterator[ItemLine]:
        """Read a file and enter its line, and that of its content when it is a compressed log.

        A `document` was read ahead.
        """
        sight = self._with_content(sight)
        kept = None if document is None else self._at_once.keep(sight, document)
        if kept is not None:
            yield from kept
            return
        try:
            with self._location.open(sight.found) as opened:
                if self._takes_at_once:
                    document = read_document(opened, sight.found.path, self._wanted)
                    kept = None if document is None else self._at_once.keep(sight, document)
                    if kept is not None:
                        yield from kept
                        return
                    opened.rewind()
                head = opened.read(HEAD)
                opened.rewind()
                self._marker.see(sight, self._files.hash(opened) if self._marker.wants_digest else None)
                container, encoding = self._holds(opened, head)
                self._see_inside(sight, opened, container, encoding)
                table = self._kind if container is None and encoding is None else "documents"
                if self._selection is not None and container is None:
                    lines = self._selection.lines(sight, opened, encoding)
                    if lines is not None:
                        yield from self._enter_selected(sight, lines)
                        return
                    opened.rewind()
                judged = self._relevance.judge(sight, opened) if self._relevance is not None else Judged()
                if judged.rule is not None:
                    yield self._enter(sight, passed_over_line(sight, judged.rule, judged.sha256, opened.stat_now()))
                    return
                line = self._files.line(sight, opened, table, head)
                if line.detail is None:
                    line = replace(line, detail=judged.detail or _still_unjudged(sight.known, line))
                if self._selection is not None and line.reason in (None, "duplicate"):
                    reason = "damaged" if container is None else "container"
                    line = replace(line, detail=self._selection.kept_whole(reason))
                yield self._enter(sight, line, mime.guess(sight.found.path, head) if table == "documents" else None)
                if encoding is not None and not self._compressed.is_on_record(sight, opened, encoding):
                    yield from self._compressed.lines(sight, opened, encoding, line)
                elif container is not None:
                    yield from self._members(sight, opened, container, line)
        except ReadProblem as problem:
            yield self._enter(sight, failed_line(sight, problem.problem))

    def _with_content(self, sight: Sight) -> Sight:
        """Return the sight of what last time had no content, whatever it was then, with what was archived of it before.

        But what is known of a log from which a rule selects is how that was done.
        """
        last = sight.last
        if last.status is None or last.status in CONTENT_STATUSES or (last.line and selected_by(last.line)):
            return sight
        archived = self._catalog.archived(sight.item)  # of an item that was never read there is none
        return sight if archived is None else sight._replace(last=Known(archived.encode(), archived.status))

    def again(self, sight: Sight) -> None:
        """Account for an item that is unchanged as its times or its ETag tell; what can be said of it is said anew."""
        plain = None if self._marker.has_rules else line_again(sight, self._known_by)
        if plain is not None:
            self._account(plain)
        elif sight.known is not None:
            self._again(sight, sight.known)

    def _again(self, sight: Sight, known: ItemLine) -> ItemLine:
        if self._marker.lists_hashes:
            inside = self._catalog.latest_inside(sight.item.source, sight.item.path)
            found = [one for line in inside if line.sha256 for one in self._marker.listed(line.item, line.sha256)]
            self._marker.see_inside(sight.item, found)
        if known.detail is None and known.status in CONTENT_STATUSES:
            return self._enter(sight, unchanged_line(sight, known))
        is_selected = selected_by(known) is not None
        line = replace(
            unchanged_line(sight, known),
            status=known.status if is_selected else "unchanged",
            reason=known.reason if is_selected else None,
            detail=known.detail if is_selected or is_kept_whole(known) or is_unjudged(known.detail) else None,
        )
        return self._enter(sight, line)

    def without_content(self, sight: Sight) -> ItemLine:
        """Account for what is not read: excluded, recorded, or failed before it could be opened."""
        return self._enter(sight, without_content_line(sight))

    def rest(self, sight: Sight, outer: ItemLine) -> Iterator[ItemLine]:
        """Go on with what is inside a file whose own line was entered before a kill."""
        self._marker.on(outer)
        if outer.status == "unchanged" or (selected_by(outer) and outer.basis != "read"):
            yield from self.reuse_inside(sight)
        elif outer.table == "documents":
            try:
                with self._location.open(sight.found) as opened:
                    container, encoding = self._holds(opened, opened.read(HEAD))
                    self._see_inside(sight, opened, container, encoding)
                    if encoding is not None and not self._accounted(sight.item.inside(encoding).text()):
                        yield from self._compressed.lines(sight, opened, encoding, outer)
                    elif container is not None:
                        yield from self._inside.lines(sight, opened, container, outer)
            except ReadProblem as problem:  # the container is archived whole, so its content is not lost with the file
                text = f"{sight.item.path}: archived as it was, but its content was not taken apart: {problem.message}"
                self._listener(Said(text, "warning"))

    def reuse_inside(self, sight: Sight) -> Iterator[ItemLine]:
        """Say again what is inside a file that is unchanged."""
        for known in self._catalog.latest_inside(sight.item.source, sight.item.path):
            if known.status != "absent" and not is_of_git(known) and not self._accounted(known.item.text()):
                yield self._enter(sight, inside_again(sight, known))

    def beside(self, sight: Sight) -> Iterator[ItemLine]:
        """Account for what a file says of others: the HEAD of a git repository, the manifest of an export."""
        for one in self._beside:
            if one.may_be_said_by(sight.found.path):
                yield from one.lines(sight)

    def _see_inside(self, sight: Sight, opened: Reading, container: str | None, encoding: str | None) -> None:
        """Let the marker know what is inside an item, where that counts for the item itself."""
        wanted = self._marker.looks_inside and (container is not None or encoding is not None)
        found = ahead(self._inside, sight, opened, container=container, encoding=encoding) if wanted else []
        self._marker.see_inside(sight.item, found)

    def _holds(self, opened: Reading, head: bytes) -> tuple[str | None, str | None]:
        """Return which container a file is, and how a compressed log is encoded; at most one of them."""
        container = self._inside.kind_of(opened, head)
        opened.rewind()
        return container, sniff(head) if container is None and self._kind == "model_logs" else None

    def _members(self, sight: Sight, opened: Reading, container: str, outer: ItemLine) -> Iterator[ItemLine]:
        """Take a container apart; again only when it has changed, all files are read, or no reader was there for it."""
        again = outer.status != "unchanged" or sight.stands_still or self._inside.lacked_a_reader(sight.item)
        known = iter(()) if again else self.reuse_inside(sight)
        first = next(known, None)
        if first is None:
            yield from self._inside.lines(sight, opened, container, outer, compares=not self._accounted.has_none)
        else:
            yield first
            yield from known

    def _enter_selected(self, sight: Sight, lines: list[ItemLine]) -> list[ItemLine]:
        """Account for a log and what was selected from it, all or nothing."""
        self._marker.on(replace(lines[0], status="captured"))  # what is selected has the marks of its log, too
        marked = [self._marker.on(line) for line in lines]
        self._streams["model_logs"].enter(*(journal_line(sight, line, None) for line in marked))
        return marked

    def _enter(self, sight: Sight, line: ItemLine, media: str | None = None) -> ItemLine:
        """Account for an item: with the batch that holds its rows when it has new ones, at once when it has none."""
        line = self._marker.on(line)
        words = journal_line(sight, line, media)
        if line.parts and line.status != "unchanged" and line.basis == "read":
            self._streams[str(line.table)].enter(words)
            self._contents.add(words)
        else:
            self._account(words)
        return line


def _still_unjudged(known: ItemLine | None, line: ItemLine) -> str | None:
    """Return what was said of a document that no rule could judge, and that was read again and is the same."""
    is_same = known is not None and line.status == "unchanged" and is_unjudged(known.detail)
    return known.detail if known is not None and is_same else None
