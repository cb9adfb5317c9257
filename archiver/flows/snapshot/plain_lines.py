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
from itertools import repeat
from typing import Final, NamedTuple

from archiver.flows.snapshot.sight import Sight
from archiver.sources.base import FileFacts
from archiver.sources.plain_words import AT, BORN, DIGEST, PART, READ, STAT, device_words, owner_words
from archiver.writer.journal_words import Line

__all__ = ["Again", "Documents", "batch_at", "captured", "line_again", "line_said_again", "said_again", "whose"]

_BEGINNINGS: Final = (READ, STAT)
_BEFORE: Final = len(READ)
_BATCH: Final = b'"batch":"'
_SIZE: Final = b',"size":'
_STATUS: Final = b',"status":"'
_SEALED: Final = b'"sealed":'
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


def captured(source: str, documents: Documents, batch: str, first: int) -> list[Line]:
    """Return the lines of documents of a source that are rows of a batch, one behind the other from `first` on."""
    texts, paths, sizes, digests, media, custodians, observed, heads, tails, stamps = documents
    part, count = b'%s","count":1,"first":' % batch.encode(), len(texts)
    words = zip(heads, range(first, first + count), tails, strict=True)
    raws = [b"%s%s%d%s" % (head, part, row, tail) for head, row, tail in words]
    none, one = repeat(None, count), repeat(1, count)
    what = texts, repeat(source, count), paths, repeat("captured", count), raws, repeat("documents", count)
    content = sizes, digests, stamps, none, observed
    index = repeat(batch, count), one, media, custodians, sizes, repeat(None, count)
    return list(map(Line._make, zip(*what, *content, *index, strict=True)))


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
    again = line_said_again(raw, device, named, facts.atime_ns, sight.observed_at.encode())
    return None if again is None else Again(*again)


def whose(owner: bytes, item: str) -> bytes:
    """Return the middle of a line, which is of an owner (`owner_words`) and of an item by its text."""
    return b"%b%b%b" % (owner, item.encode(), AT)


def line_said_again(
    raw: bytes, device: bytes, named: bytes, atime_ns: int, at: bytes
) -> tuple[bytes, str, int, int] | None:
    """Return what the line of a stamped file says `Again` at a time when the file has that stamp.

    `device` are its `device_words`, `named` says `whose` it is, `at` when it is looked at. What its system says of it
    now must be what it said then, but for the time of the last access. Size, times and inode are the same, and so is
    whatever sets ctime when it changes.
    """
    begun = raw.find(BORN, _BEFORE)
    there = raw.find(device, begun)
    owned = raw.find(named, there)  # it begins with a member: a quote within a text is escaped, so that no text has it
    if begun < 0 or there < 0 or owned < 0 or not raw.startswith(_BEGINNINGS):
        return None
    end = owned + len(named)
    part = end + _INSTANT
    digest = raw.find(DIGEST, part) + len(DIGEST)
    status = raw.rfind(_STATUS)
    ending = _ENDINGS.get(raw[status:])
    if ending is None or digest < len(DIGEST) or not raw.startswith(_SIZE, digest + _DIGITS + 1):
        return None
    batch = part + len(PART)
    if not raw.startswith(PART, part) or raw.find(_BATCH, batch, digest) >= 0 or raw.find(_SEALED, batch, digest) >= 0:
        return None
    table, end_of_line = ending
    line = b"".join((STAT, b"%d" % atime_ns, raw[begun:end], at, raw[part:status], end_of_line))
    return line, table, digest, batch


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
