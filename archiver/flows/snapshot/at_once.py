"""Documents that are read in one piece: one reading, one hash, which is that of the file and that of its only row.

The hash decides what the bytes are: those of the last time, those of another item, or new. A file that changes
meanwhile, one whose rows were sealed by a run that was killed, and a container that is taken apart are left to the long
way of `capture`.

>>> AtOnce(source, stream, contents=contents, ...).take(sight, opened)
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final

from archiver.events import Advanced, Listener
from archiver.flows.snapshot import plain_lines
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.item_lines import captured_line, read_line, shared_line, spell, what_became
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Captured, Stream
from archiver.model import mime
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy import Source
from archiver.sources.base import Facts, FileFacts
from archiver.sources.location import Reading, facts_if_still
from archiver.writer.rows import Facts as RowFacts

__all__ = ["AT_ONCE", "AtOnce"]

AT_ONCE: Final = 1 << 20
"""Documents smaller than this are read in one piece; it is less than a row."""

_HEAD: Final = 65_536


class AtOnce:
    """Takes the small documents of one source."""

    def __init__(
        self,
        source: Source,
        stream: Stream,
        *,
        contents: Contents,
        kind_of: Callable[[Reading, bytes], str | None],
        enter: Callable[[Sight, ItemLine, str | None], ItemLine],
        listener: Listener,
    ) -> None:
        """Bind to a source without rules that mark, and its stream of documents.

        `kind_of` knows what is to be taken apart, `enter` accounts for an item.
        """
        self._source = source
        self._stream = stream
        self._contents = contents
        self._kind_of = kind_of
        self._enter = enter
        self._listener = listener

    def take(self, sight: Sight, opened: Reading) -> bool:
        """Read a file and account for it; False where it is left at its start, and untaken."""
        data, is_whole = _beginning(opened)
        self._listener(Advanced(len(data)))
        plain = is_whole and self._kind_of(opened, data[:_HEAD]) is None
        facts = facts_if_still(opened) if plain else None
        if facts is None:
            opened.rewind()
            return False
        digest, media = sha256(data), mime.guess(sight.found.path, data)
        line = self._archived(sight, len(data), digest.hexdigest())
        if line is None:
            captured = self._add(sight, data, digest.digest(), media)
            if captured is None:
                opened.rewind()
                return False
            if not sight.stands_still and self._enter_plainly(sight, facts, captured, media):
                return True
            reason, detail = what_became(sight, "documents", None, opened.first)
            line = captured_line(sight, "documents", captured, reason, detail, steady=True)
        self._enter(sight, read_line(sight, line, facts), media)
        return True

    def _enter_plainly(self, sight: Sight, facts: Facts, captured: Captured, media: str | None) -> bool:
        """Account for a new document of which nothing else is to be said than what nearly all have."""
        if not isinstance(facts, FileFacts):
            return False
        words = plain_lines.captured(
            sight.item,
            facts,
            spell(sight),
            captured.parts[0],
            digest=captured.sha256,
            media=media,
            custodian=sight.custodian,
        )
        if words is not None:
            self._stream.enter(words)
            self._contents.add(words)
        return words is not None

    def _archived(self, sight: Sight, size: int, digest: str) -> ItemLine | None:
        """Return the line of a document whose bytes are in the archive: its own of last time, or another's."""
        known = sight.known
        if known is not None and known.status in CONTENT_STATUSES and _content(known) == ("documents", size, digest):
            return replace(known, status="unchanged", reason=None, detail=None)
        twin = None if sight.stands_still else self._contents.find("documents", size, digest, self._source)
        return None if twin is None or twin.item == sight.item else shared_line(sight, twin)

    def _add(self, sight: Sight, data: bytes, digest: bytes, media: str | None) -> Captured | None:
        found = sight.found.facts
        facts = RowFacts(
            size=len(data),
            sha256=digest.hex(),
            mime=media,
            modified_ns=found.mtime_ns if found else None,
            custodian=sight.custodian,
            collected_at=spell(sight),
        )
        return self._stream.add_whole(sight.item, facts, data, digest)


def _beginning(opened: Reading) -> tuple[bytes, bool]:
    """Return the next bytes, as many as are taken in one piece, and whether they end before."""
    data = more = opened.read(AT_ONCE)
    while more and len(data) < AT_ONCE:
        more = opened.read(AT_ONCE - len(data))
        data += more
    return data, not more


def _content(line: ItemLine) -> tuple[str | None, int | None, str | None]:
    return line.table, line.size, line.sha256
