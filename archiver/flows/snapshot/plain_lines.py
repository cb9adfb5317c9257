"""Lines of plain files, which are nearly all there are, spelled without an encoder of JSON.

The law: what is returned is what `ItemLine.encode` would write, byte for byte. What has more to say than a plain line
(`writer.journal.Line`) gets None, and is left to that one.

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
from archiver.writer.journal import Line

__all__ = ["Again", "Documents", "captured", "line_again", "line_said_again", "said_again"]

_BEGINNINGS: Final = (READ, STAT)
_BEFORE: Final = len(READ)
_BATCH: Final = b'"batch":"'
_SIZE: Final = b',"size":'
_SEALED: Final = b'"sealed":'
_INSTANT: Final = len("2026-11-26T02:00:00Z")
_DIGITS: Final = 64
_CAPTURED, _UNCHANGED = (b',"status":"%s","table":"' % status for status in (b"captured", b"unchanged"))
_DOCUMENTS, _LOGS = b'documents"}\n', b'model_logs"}\n'
_DOCUMENT: Final = ("documents", (_CAPTURED + _DOCUMENTS, _UNCHANGED + _DOCUMENTS), _UNCHANGED + _DOCUMENTS)
_LOG: Final = ("model_logs", (_CAPTURED + _LOGS, _UNCHANGED + _LOGS), _UNCHANGED + _LOGS)
"""A table, how lines of it end, and how one ends that is said again."""


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
    """What is said again of a file: its line, and what of that is beside it in books."""

    line: bytes
    table: str
    sha256: bytes
    batch: bytes


def said_again(sight: Sight) -> Again | None:
    """Return the line of a file that is unchanged, from the one that the catalog knows."""
    raw, facts = sight.last.raw, sight.found.facts
    if raw is None or sight.last.stamp is None or not isinstance(facts, FileFacts):
        return None
    accounts = device_words(facts.dev, facts.gid, facts.group), owner_words(facts.owner, facts.uid)
    now = facts.atime_ns, facts.size, sight.observed_at.encode()
    return line_said_again(raw, sight.item.text().encode(), accounts, now)


def line_said_again(
    raw: bytes, item: bytes, accounts: tuple[bytes, bytes], now: tuple[int, int, bytes]
) -> Again | None:
    """Return what the line of a stamped file says again at a time when the file has that stamp.

    `accounts` are `device_words` and `owner_words`, `now` its last access, its size, and when it is looked at. What its
    system says of it now must be what it said then, but for the time of the last access. Size, times and inode are the
    same, and so is whatever sets ctime when it changes.
    """
    device, owner = accounts
    begun = raw.find(BORN, _BEFORE)
    there = raw.find(device, begun)
    named = b"%b%b%b" % (owner, item, AT)
    end = raw.find(named, there) + len(named)
    if begun < 0 or there < 0 or end < len(named) or not raw.startswith(_BEGINNINGS):
        return None
    table, own, ending = _DOCUMENT if raw.endswith(_DOCUMENT[1]) else _LOG
    part = end + _INSTANT
    digest = raw.rfind(DIGEST, part) + len(DIGEST)
    if not raw.endswith(own) or digest < len(DIGEST) or not raw.startswith(PART, part):
        return None
    if raw.count(_BATCH, part) != 1 or raw.find(_SEALED, part) >= 0:
        return None
    accessed, size, at = str(now[0]).encode(), str(now[1]).encode(), now[2]
    after = digest + _DIGITS
    line = b"".join((STAT, accessed, raw[begun:end], at, raw[part : after + 1], _SIZE, size, ending))
    name = part + len(PART)
    return Again(line, table, raw[digest:after], raw[name : raw.index(b'"', name)])


def line_again(sight: Sight, known_by: str) -> Line | None:
    """Return what is `said_again` as a line of the books; `known_by` is the destination whose catalog knows it."""
    found = said_again(sight)
    if found is None:
        return None
    item, batch, index = sight.item, found.batch.decode(), (None, sight.custodian, 0, known_by)
    content = (found.table, sight.found.size, found.sha256.decode(), sight.last.stamp, None)
    row = (item.text(), item.source, item.path, "unchanged", found.line, *content)
    return Line(*row, sight.observed_at, batch, 0, *index)
