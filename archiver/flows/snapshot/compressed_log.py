"""A compressed log as two items: the file as it is, in `documents`, and what is inside it, in `model_logs`.

The file was read and is on record when its content is decoded; the second reading is compared with the first by its
hash. Only what is behind the archived beginning of a log that grew is fed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final

from archiver.catalog.catalog import Catalog
from archiver.flows.snapshot.accounted import Accounted
from archiver.flows.snapshot.beginnings import Beginning, longest
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.item_lines import failed_inside, inner_line, shared_inside
from archiver.flows.snapshot.marking import Marker
from archiver.flows.snapshot.open_item import PrefixChangedError
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Captured, Stream
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.policy import Source
from archiver.proof.digest import hashed, sha256_of_blocks
from archiver.sources.base import ReadProblem
from archiver.sources.decode import Damage, decode
from archiver.sources.location import Reading
from archiver.sources.rows import rows_of
from archiver.writer.rows import Facts

__all__ = ["HEAD", "CompressedLog"]

HEAD: Final = 65_536
"""Bytes of an item that are looked at to tell its media type, its compression and its dialect."""


class CompressedLog:
    """Captures what the compressed logs of one source hold."""

    def __init__(
        self,
        source: Source,
        stream: Stream,
        catalog: Catalog,
        contents: Contents,
        marker: Marker,
        *,
        accounted: Accounted,
        candidates: Callable[[Item, ItemLine | None], list[ItemLine]],
        facts: Callable[[Sight, str, bytes], Facts],
        enter: Callable[[Sight, ItemLine], ItemLine],
        again: Callable[[Sight], Iterator[ItemLine]],
    ) -> None:
        """Bind to the stream of logs.

        `candidates` are the archived items that a log may go on, `facts` what is known of an item by its first bytes;
        `enter` accounts for a line, `again` for what is inside a file that is unchanged.
        """
        self._source = source
        self._stream = stream
        self._catalog = catalog
        self._contents = contents
        self._marker = marker
        self._accounted = accounted
        self._candidates = candidates
        self._facts = facts
        self._enter = enter
        self._again = again

    def is_on_record(self, sight: Sight, opened: Reading, encoding: str) -> bool:
        """Say whether what a file holds has its line from before a kill, though the file itself had none."""
        text = sight.item.inside(encoding).text()
        if not self._accounted(text):
            return False
        opened.rewind()
        try:
            found = sha256_of_blocks(decode(encoding, opened.blocks()))
        except ReadProblem:
            found = None  # what cannot be read now is not known to be what was read then
        return self._accounted.of_bytes(text, found)

    def lines(self, sight: Sight, opened: Reading, encoding: str, outer: ItemLine) -> Iterator[ItemLine]:
        """Capture what a compressed log holds; its container is on record already."""
        if outer.status == "unchanged":
            again = self._again(sight)
            first = next(again, None)
            if first is not None:  # else it was not there last time, nor what it holds
                yield first
                yield from again
                return
        item, stream = sight.item.inside(encoding), self._stream
        if (twin := self._twin_inside(item, outer)) is not None:
            yield self._enter(sight, shared_inside(sight, item, twin))
            return
        try:
            try:
                captured, damage, steady = self._decode(sight, item, opened, encoding, outer.sha256)
            except PrefixChangedError:
                stream.revoke()  # and with it what a killed run had sealed, so this time nothing is passed over
                captured, damage, steady = self._decode(sight, item, opened, encoding, outer.sha256)
        except ReadProblem as problem:
            stream.revoke()
            yield self._enter(sight, failed_inside(sight, item, problem.problem))
            return
        yield self._enter(sight, inner_line(sight, item, captured, damage, steady=steady))

    def _decode(
        self, sight: Sight, item: Item, opened: Reading, encoding: str, expected: str | None, *, withheld: bool = False
    ) -> tuple[Captured, Damage | None, bool]:
        """Decode the file from its beginning; the third answer is whether it still had the bytes of its container."""
        opened.rewind()
        archived = self._candidates(item, self._catalog.archived(item))
        begun = longest(decode(encoding, opened.blocks()), archived, item) if archived else None
        opened.rewind()
        digest = sha256()
        decoded = decode(encoding, hashed(opened.blocks(), digest))
        blocks = iter(decoded)
        first = next(blocks, b"")
        facts = self._facts(sight, "model_logs", first[:HEAD])
        stream = self._stream
        withheld = withheld or self._marker.withholds(item)
        stream.begin(item, facts, begun, withheld=withheld)
        rest = _behind(begun, itertools.chain([first], blocks))
        for rows in rows_of("model_logs", facts.dialect, rest) if begun is None or begun.more else map(_no_rows, rest):
            stream.feed(rows)
        for block in opened.blocks():  # what lies behind the place where decoding stopped
            digest.update(block)
        if not withheld and stream.revocable and self._marker.withholds(item, stream.digest()):
            stream.revoke()  # what came out is on a list: it is read once more, and not into the open
            return self._decode(sight, item, opened, encoding, expected, withheld=True)
        facts = facts._replace(size=stream.size, sha256=stream.digest())
        return stream.end(facts), decoded.damage, digest.hexdigest() == expected

    def _twin_inside(self, item: Item, outer: ItemLine) -> ItemLine | None:
        """Return what is inside another file that has the bytes of a compressed log."""
        if self._marker.records is not None or outer.sha256 is None:
            return None
        for twin in self._contents.known("documents", outer.size or 0, outer.sha256, self._source):
            inside = replace(item, source=twin.item.source, path=twin.item.path)
            found = self._catalog.latest(inside) if inside != item and not twin.item.members else None
            if found is None or found.status not in ("captured", "unchanged", "damaged"):
                continue
            withheld = self._marker.withholds(item, found.sha256)
            if all(part.sealed == withheld for part in found.parts):
                return found
        return None


def _behind(begun: Beginning | None, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass over what is archived already; it must be the same bytes as a moment ago."""
    left, digest = (begun.size, sha256()) if begun else (0, None)
    for block in blocks:
        if digest is not None:
            digest.update(block[:left])
        rest = block[left:]
        left -= len(block) - len(rest)
        if begun is not None and digest is not None and left == 0:
            if digest.hexdigest() != begun.digest.hexdigest():
                break
            digest = None
        if rest:
            yield rest
    if digest is not None:
        raise PrefixChangedError("prefix-changed", "changed between two readings")


def _no_rows(_block: bytes) -> list[bytes]:
    """Refuse bytes where a moment ago there were none."""
    raise PrefixChangedError("prefix-changed", "grew between two readings")
