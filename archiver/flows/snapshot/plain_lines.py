"""Lines of plain files, which are nearly all there are, spelled without an encoder of JSON.

The law: what is returned is what `ItemLine.encode` would write, byte for byte. What has more to say than a plain line
(`writer.journal_words.Line`) gets None, and is left to that one.

    captured   files whose bytes are one row each of this run
    again      a file that is as it was when it was last read, as its times tell: `said_again` from what is seen of it,
               `line_again` as a line of the books

>>> line_again(sight, "vault")
Line(item='{"path":"a.txt","source":"mail"}', ..., status='unchanged', ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from archiver.flows.snapshot.sight import Sight
from archiver.sources.base import FileFacts
from archiver.sources.plain_words import AT, BORN, DIGEST, PART, READ, STAT, device_words, owner_words
from archiver.writer.journal_words import Line
from archiver.writer.line_packs import LinePack

__all__ = ["Again", "Documents", "SayingAgain", "batch_at", "captured", "line_again", "said_again", "whose"]

_BEGINNINGS: Final = (READ, STAT)
_BEFORE: Final = len(READ)
_OWNED: Final = b'"owner":'
_BATCH: Final = b'"batch":"'
_SIZE: Final = b',"size":'
_STATUS: Final = b',"status":"'
_SEALED: Final = b'"sealed":'
_ONLY: Final = b"}" + DIGEST
"""What is behind the number of the row that the only part of a line begins with."""
_INSTANT: Final = len("2026-11-26T02:00:00Z")
_DIGITS: Final = 64
_ENDING: Final = ',"status":"{}","table":"{}"}}\n'
_ENDINGS: Final = {
    _ENDING.format(status, table).encode(): (table, _ENDING.format("unchanged", table).encode())
    for status in ("captured", "unchanged")
    for table in ("documents", "model_logs")
}
"""How the line of a file ends: its table, and how it ends when it is said again."""


class Documents(NamedTuple):
    """Documents that are one row each, field by field; `heads`, `tails` and `stamps` are of their `PlainWords`."""

    texts: Sequence[str]
    paths: Sequence[str]
    sizes: Sequence[int]
    digests: Sequence[str]
    media: Sequence[str | None]
    custodians: Sequence[str | None]
    observed: Sequence[str]
    heads: Sequence[bytes]
    tails: Sequence[bytes]
    stamps: Sequence[str | None]

    def between(self, first: int, after: int) -> Documents:
        """Return some of them."""
        if first == 0 and after == len(self.texts):
            return self
        return Documents._make(column[first:after] for column in self)


def captured(source: str, documents: Documents, batch: str, first: int) -> LinePack:
    """Return the lines of documents of a source that are rows of a batch, one behind the other from `first` on."""
    texts, paths, sizes, digests, media, custodians, observed, heads, tails, stamps = documents
    part = b'%s","count":1,"first":' % batch.encode()
    words = zip(heads, range(first, first + len(texts)), tails, strict=True)
    raws = [b"%s%s%d%s" % (head, part, row, tail) for head, row, tail in words]
    return LinePack(source, "documents", batch, raws, texts, paths, sizes, digests, stamps, observed, media, custodians)


class Again(NamedTuple):
    """What is said again of a file: line and table, and where SHA-256 and batch stand in the line that was known."""

    line: bytes
    table: str
    sha256_at: int
    batch_at: int


def said_again(sight: Sight) -> Again | None:
    """Return what is said again of a file that is unchanged, from its line that the catalog knows."""
    raw, facts = sight.last.raw, sight.found.facts
    if raw is None or sight.last.stamp is None or not isinstance(facts, FileFacts):
        return None
    device = device_words(facts.dev, facts.gid, facts.group)
    named = whose(owner_words(facts.owner, facts.uid), sight.item.text())
    again = SayingAgain()(raw, device, named, facts.atime_ns, sight.observed_at.encode())
    return None if again is None else Again(*again)


def whose(owner: bytes, item: str) -> bytes:
    """Return the middle of a line, which is of an owner (`owner_words`) and of an item by its text."""
    return b"%b%b%b" % (owner, item.encode(), AT)


class _Places(NamedTuple):
    """Where a line has what is looked for in it, and what stands there in lines beside it, too.

    `begun` and `there` are where birth and device are, `owned` where the owner is; `digest` is where the SHA-256 is,
    counted from the parts. `part` is how these begin, up to the number of the row, `ending` how the line ends.
    """

    begun: int
    there: int
    owned: int
    digest: int
    part: bytes
    ending: bytes

    def are_of(self, raw: bytes, device: bytes, named: bytes) -> bool:
        """Say whether a line has all of this at the same places, and nothing else in its only part."""
        begun, there, owned, digest, part, ending = self
        end = owned + len(named)
        if raw[begun : begun + len(BORN)] != BORN or raw[there : there + len(device)] != device:
            return False
        if raw[owned:end] != named or raw[-len(ending) :] != ending or raw[:_BEFORE] not in _BEGINNINGS:
            return False
        first, digest = end + _INSTANT, end + _INSTANT + digest
        before, after = digest - len(_ONLY), digest + _DIGITS + 1
        if raw[first : first + len(part)] != part or raw[before:digest] != _ONLY:
            return False
        return raw[first + len(part) : before].isdigit() and raw[after : after + len(_SIZE)] == _SIZE


class SayingAgain:
    """Says lines of stamped files again, one after the other: beside each other, most have the same at the same places.

    >>> say = SayingAgain()
    >>> say(line, device, named, atime_ns, b"2026-11-26T02:00:00Z")[1]
    'documents'
    """

    def __init__(self) -> None:
        """Know of no line yet."""
        self._places = _Places(0, 0, 0, 0, b"", b" ")

    def __call__(
        self, raw: bytes, device: bytes, named: bytes, atime_ns: int, at: bytes
    ) -> tuple[bytes, str, int, int] | None:
        """Return what the line of a stamped file says `Again` at a time when the file has that stamp.

        `device` are its `device_words`, `named` says `whose` it is, `at` when it is looked at. What its system says of
        it now must be what it said then, but for the time of the last access. Size, times and inode are the same, and
        so is whatever sets ctime when it changes.
        """
        places = self._places
        if not places.are_of(raw, device, named):
            found = _places_of(raw, device, named)
            if found is None:
                return None
            self._places = places = found
        begun, _, owned, digest, _, ending = places
        end = owned + len(named)
        part = end + _INSTANT
        table, end_of_line = _ENDINGS[ending]
        line = b"".join((STAT, b"%d" % atime_ns, raw[begun:end], at, raw[part : -len(ending)], end_of_line))
        return line, table, part + digest, part + len(PART)


def _places_of(raw: bytes, device: bytes, named: bytes) -> _Places | None:
    """Return where a line has what is looked for, None where it is not as all lines are that are said again."""
    begun = raw.find(BORN, _BEFORE)
    there = raw.find(device, begun)
    owned = raw.find(_OWNED, there)  # a quote within a text is escaped, so that no text has it
    if begun < 0 or there < 0 or not raw.startswith(named, owned) or not raw.startswith(_BEGINNINGS):
        return None
    part = owned + len(named) + _INSTANT
    digest = raw.find(DIGEST, part) + len(DIGEST)
    ending = raw[raw.rfind(_STATUS) :]
    if ending not in _ENDINGS or digest < len(DIGEST) or not raw.startswith(_SIZE, digest + _DIGITS + 1):
        return None
    if not raw.startswith(PART, part) or raw.count(_BATCH, part, digest) != 1 or raw.find(_SEALED, part, digest) >= 0:
        return None
    words = raw[part : raw.rfind(b":", part, digest - len(DIGEST)) + 1]
    return _Places(begun, there, owned, digest - part, words, ending)


def line_again(sight: Sight, known_by: str) -> Line | None:
    """Return what is `said_again` as a line of the books; `known_by` is the destination whose catalog knows it."""
    found, raw = said_again(sight), sight.last.raw
    if found is None or raw is None:
        return None
    item, batch, index = sight.item, batch_at(raw, found.batch_at).decode(), (None, sight.custodian, 0, known_by)
    sha256 = raw[found.sha256_at : found.sha256_at + _DIGITS].decode()
    content = (found.table, sight.found.size, sha256, sight.last.stamp, None)
    row = (item.text(), item.source, item.path, "unchanged", found.line, *content)
    return Line(*row, sight.observed_at, batch, 0, *index)


def batch_at(line: bytes, begin: int) -> bytes:
    """Return the name of a batch that begins at a place of a line."""
    return line[begin : line.index(b'"', begin)]
