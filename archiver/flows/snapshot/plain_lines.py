"""Lines of plain files, which are nearly all there are, spelled without an encoder of JSON.

The law: what is returned is what `ItemLine.encode` would write, byte for byte. What has more to say than a plain line
(`writer.journal.Line`) gets None, and is left to that one.

    captured   a file whose bytes are one row of this run
    again      a file that is as it was when it was last read, as its times tell: `said_again` from what is seen of it,
               `line_again` as a line of the books

>>> line_again(sight, "vault")
Line(item='{"path":"a.txt","source":"mail"}', ..., status='unchanged', ...)
"""

from __future__ import annotations

from typing import Final, NamedTuple

from archiver.flows.snapshot.sight import Sight
from archiver.model.item import Item
from archiver.sources.base import FileFacts
from archiver.sources.plain_words import AT, BORN, DIGEST, PART, READ, PlainWords, device_words, owner_words
from archiver.writer.journal import Line

__all__ = ["Again", "captured", "line_again", "line_said_again", "said_again"]

_STAT: Final = b'{"basis":"stat","detail":null,"errno":null,"file":{"atime_ns":"'
_BEGINNINGS: Final = (READ, _STAT)
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


def captured(
    item: Item,
    words: PlainWords,
    place: tuple[str, int],
    observed_at: str,
    *,
    size: int,
    digest: str,
    media: str | None,
    custodian: str | None,
) -> Line:
    """Return the line of a document that is one row, whose place is batch and row.

    `media` is its type, `custodian` whose it is.
    """
    batch, row = place
    raw = b'%s%s","count":1,"first":%d%s' % (words.head, batch.encode(), row, words.tail)
    index = (batch, 1, media, custodian, size)
    content = ("documents", size, digest, words.stamp, None)
    return Line(item.text(), item.source, item.path, "captured", raw, *content, observed_at, *index)


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
    line = b"".join((_STAT, accessed, raw[begun:end], at, raw[part : after + 1], _SIZE, size, ending))
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
