"""Documents that are read in one piece: what becomes of them, by their hash, is one question.

The hash decides what the bytes are: those of the last time, those of another item, or new. Whatever is not read in one
piece (`sources.documents`), and a document whose rows were sealed by a run that was killed, is left to the long way of
`capture`.

>>> AtOnce(source, stream, contents=contents, ...).keep(sight, document)
()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from archiver.events import Advanced, Listener
from archiver.flows.snapshot import plain_lines
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.item_lines import captured_line, read_line, shared_line, what_became
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Captured, Stream
from archiver.model.items import CONTENT_STATUSES, ItemLine, Part
from archiver.model.policy import Source
from archiver.sources.base import FileFacts
from archiver.sources.documents import Document, Held
from archiver.sources.location import Reading
from archiver.sources.plain_words import PlainWords, plain_words
from archiver.writer.rows import Facts as RowFacts

__all__ = ["AtOnce"]


class AtOnce:
    """Takes the small documents of one source."""

    def __init__(
        self,
        source: Source,
        stream: Stream,
        *,
        contents: Contents,
        members: Callable[[Sight, Reading, str, ItemLine], Iterable[ItemLine]],
        enter: Callable[[Sight, ItemLine, str | None], ItemLine],
        listener: Listener,
    ) -> None:
        """Bind to a source without rules that mark, and its stream of documents.

        `enter` accounts for an item, `members` for what is inside one that is on record.
        """
        self._source = source
        self._stream = stream
        self._contents = contents
        self._members = members
        self._enter = enter
        self._listener = listener

    def keep(self, sight: Sight, document: Document) -> Iterable[ItemLine] | None:
        """Account for a document that was read and what is inside it; None where it must be read the long way.

        Lines are entered when they are asked for, but for the document's own.
        """
        size, digest = len(document.data), document.digest.hex()
        line = self._archived(sight, size, digest)
        if line is None:
            place = self._add(sight, document, digest)
            if place is None:
                return None
            self._listener(Advanced(size))
            words = None if sight.stands_still else _words_of(sight, document, digest)
            if words is not None:
                self._enter_plainly(sight, document, words, digest, place)
                return ()
            reason, detail = what_became(sight, "documents", None, document.facts)
            captured = Captured(size, digest, (Part(*place, 1),))
            line = captured_line(sight, "documents", captured, reason, detail, steady=True)
        line = self._enter(sight, read_line(sight, line, document.facts), document.media)
        if document.container is None:
            return ()
        return self._members(sight, Held(document.data, document.facts), document.container, line)

    def _enter_plainly(
        self, sight: Sight, document: Document, words: PlainWords, digest: str, place: tuple[str, int]
    ) -> None:
        """Account for a new document of which nothing else is to be said than what nearly all have."""
        one = plain_lines.Documents(
            [sight.item.text()],
            [sight.item.path],
            [len(document.data)],
            [digest],
            [document.media],
            [sight.custodian],
            [sight.observed_at],
            [words.head],
            [words.tail],
            [words.stamp],
        )
        [line] = plain_lines.captured(sight.item.source, one, *place).lines()
        self._stream.enter(line)
        self._contents.add(line)

    def _archived(self, sight: Sight, size: int, digest: str) -> ItemLine | None:
        """Return the line of a document whose bytes are in the archive: its own of last time, or another's."""
        known = sight.known
        if known is not None and known.status in CONTENT_STATUSES and _content(known) == ("documents", size, digest):
            return replace(known, status="unchanged", reason=None, detail=None)
        twin = None if sight.stands_still else self._contents.find("documents", size, digest, self._source)
        return None if twin is None or twin.item == sight.item else shared_line(sight, twin)

    def _add(self, sight: Sight, document: Document, digest: str) -> tuple[str, int] | None:
        seen = document.facts if isinstance(document.facts, FileFacts) else sight.found.facts
        size, modified = len(document.data), seen.mtime_ns if seen else None
        facts = RowFacts(size, digest, document.media, modified, sight.custodian, sight.observed_at)
        item_hash = None if document.words is None else document.words.item
        return self._stream.add_whole(sight.item, facts, document.data, document.digest, item_hash)


def _words_of(sight: Sight, document: Document, digest: str) -> PlainWords | None:
    """Return what the line of a plain document says; None for one of which there is more to be said."""
    if document.words is not None or document.container is not None or not isinstance(document.facts, FileFacts):
        return document.words
    return plain_words(sight.item.text(), document.facts, sight.observed_at, digest)


def _content(line: ItemLine) -> tuple[str | None, int | None, str | None]:
    return line.table, line.size, line.sha256
