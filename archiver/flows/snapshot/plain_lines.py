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

from functools import lru_cache
from json.encoder import encode_basestring
from typing import Final, NamedTuple

from archiver.flows.snapshot.sight import Sight
from archiver.model.item import Item
from archiver.model.items import Part
from archiver.model.stamp import settled_before_ns, spell_stamp
from archiver.sources.base import FileFacts
from archiver.writer.journal import Line

__all__ = ["Again", "captured", "line_again", "said_again"]

_READ: Final = b'{"basis":"read","detail":null,"errno":null,"file":{"atime_ns":"'
_STAT: Final = b'{"basis":"stat","detail":null,"errno":null,"file":{"atime_ns":"'
_BORN: Final = b'","btime_ns":'
_FACTS: Final = b',"ctime_ns":"%d",%s"%d","link_target":null,"mode":%d,"mtime_ns":"%d","nlink":%d,%s%s%s'
_DEVICE: Final = b'"dev":"%d","gid":%d,"group":%s,"holes":[],"ino":'
_OWNER: Final = b'"owner":%s,"uid":%d,"xattrs":{}},"item":'
_AT: Final = b',"kind":"file","observed_at":"'
_PART: Final = b'","parts":[{"batch":"'
_BATCH: Final = b'"batch":"'
_SEALED: Final = b'"sealed":'
_DIGEST: Final = b'],"reason":null,"sha256":"'
_INSTANT: Final = len("2026-11-26T02:00:00Z")
_DIGITS: Final = 64
_CAPTURED, _UNCHANGED = (b',"status":"%s","table":"' % status for status in (b"captured", b"unchanged"))
_DOCUMENTS, _LOGS = b'documents"}\n', b'model_logs"}\n'
_DOCUMENT: Final = ("documents", (_CAPTURED + _DOCUMENTS, _UNCHANGED + _DOCUMENTS), _UNCHANGED + _DOCUMENTS)
_LOG: Final = ("model_logs", (_CAPTURED + _LOGS, _UNCHANGED + _LOGS), _UNCHANGED + _LOGS)
"""A table, how lines of it end, and how one ends that is said again."""


def captured(
    item: Item,
    facts: FileFacts,
    observed_at: str,
    part: Part,
    *,
    digest: str,
    media: str | None,
    custodian: str | None,
) -> Line | None:
    """Return the line of a document that is one row; `media` is its type, `custodian` whose it is."""
    if facts.holes or facts.xattrs:
        return None
    text, batch, row, size = item.text(), part.batch, part.first, facts.size
    born = b"null" if facts.btime_ns is None else b'"%d"' % facts.btime_ns
    raw = b'%s%d%s%s%s%s%s%s","count":1,"first":%d}%s%s","size":%d%s' % (
        _READ,
        facts.atime_ns,
        _BORN,
        born,
        _spelled(facts, text),
        observed_at.encode(),
        _PART,
        batch.encode(),
        row,
        _DIGEST,
        digest.encode(),
        size,
        _CAPTURED + _DOCUMENTS,
    )
    is_settled = facts.mtime_ns <= (before := settled_before_ns(observed_at)) and facts.ctime_ns <= before
    stamp = spell_stamp(size, facts.mtime_ns, facts.ctime_ns, facts.ino) if is_settled else None
    content = ("documents", size, digest, stamp, None)
    return Line(text, item.source, item.path, "captured", raw, *content, observed_at, batch, 1, media, custodian, size)


class Again(NamedTuple):
    """What is said again of a file: its line, and what of that is beside it in books."""

    line: bytes
    table: str
    sha256: bytes
    batch: bytes


def said_again(sight: Sight) -> Again | None:
    """Return the line of a file that is unchanged, from the one that the catalog knows.

    What its system says of it now must be what it said then, but for the time of the last access. Size, times and inode
    are the same, and so is whatever sets ctime when it changes.
    """
    raw, facts = sight.last.raw, sight.found.facts
    if raw is None or sight.last.stamp is None or not isinstance(facts, FileFacts):
        return None
    begun = raw.find(_BORN, len(_READ))
    device = raw.find(_device(facts.dev, facts.gid, facts.group), begun)
    named = b"%s%s%s" % (_owner(facts.owner, facts.uid), sight.item.text().encode(), _AT)
    end = raw.find(named, device) + len(named)
    if begun < 0 or device < 0 or end < len(named) or not raw.startswith((_READ, _STAT)):
        return None
    table, own, ending = _DOCUMENT if raw.endswith(_DOCUMENT[1]) else _LOG
    part = end + _INSTANT
    digest = raw.rfind(_DIGEST, part) + len(_DIGEST)
    if not raw.endswith(own) or digest < len(_DIGEST) or not raw.startswith(_PART, part):
        return None
    if raw.count(_BATCH, part) != 1 or raw.find(_SEALED, part) >= 0:
        return None
    line = b'%s%d%s%s%s,"size":%d%s' % (
        _STAT,
        facts.atime_ns,
        raw[begun:end],
        sight.observed_at.encode(),
        raw[part : digest + _DIGITS + 1],
        facts.size,
        ending,
    )
    name = part + len(_PART)
    return Again(line, table, raw[digest : digest + _DIGITS], raw[name : raw.index(b'"', name)])


def line_again(sight: Sight, known_by: str) -> Line | None:
    """Return what is `said_again` as a line of the books; `known_by` is the destination whose catalog knows it."""
    found = said_again(sight)
    if found is None:
        return None
    item, batch, index = sight.item, found.batch.decode(), (None, sight.custodian, 0, known_by)
    content = (found.table, sight.found.size, found.sha256.decode(), sight.last.stamp, None)
    row = (item.text(), item.source, item.path, "unchanged", found.line, *content)
    return Line(*row, sight.observed_at, batch, 0, *index)


def _spelled(facts: FileFacts, item: str) -> bytes:
    return _FACTS % (
        facts.ctime_ns,
        _device(facts.dev, facts.gid, facts.group),
        facts.ino,
        facts.mode,
        facts.mtime_ns,
        facts.nlink,
        _owner(facts.owner, facts.uid),
        item.encode(),
        _AT,
    )


@lru_cache(maxsize=4096)  # a share has few devices and owners
def _device(dev: int, gid: int, group: str | None) -> bytes:
    return _DEVICE % (dev, gid, _name(group))


@lru_cache(maxsize=4096)
def _owner(owner: str | None, uid: int) -> bytes:
    return _OWNER % (_name(owner), uid)


def _name(name: str | None) -> bytes:
    """Return the name of an account as canonical JSON."""
    return b"null" if name is None else encode_basestring(name).encode()
