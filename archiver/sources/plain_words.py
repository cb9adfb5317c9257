r"""The line of a plain file, spelled without an encoder of JSON, but for the place where its bytes are kept.

The law: with that place between them, `head` and `tail` are what `ItemLine.encode` would write, byte for byte. Whoever
reads a document can spell them, in another process, too; where its row will be is known only when it is stored.

>>> words = plain_words('{"path":"a.txt","source":"mail"}', facts, "2026-11-26T02:00:00Z", digest)
>>> words.head, words.tail
(b'{"basis":"read",...,"parts":[{"batch":"', b'}],"reason":null,...}\n')
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Final, NamedTuple

from archiver.model.stamp import settled_before_ns, spell_stamp
from archiver.sources.base import FactValues

__all__ = ["AT", "BORN", "DIGEST", "PART", "READ", "STAT", "PlainWords", "device_words", "owner_words", "plain_words"]

READ: Final = b'{"basis":"read","detail":null,"errno":null,"file":{"atime_ns":"'
STAT: Final = b'{"basis":"stat","detail":null,"errno":null,"file":{"atime_ns":"'
"""How the line of a file begins that was read, and of one that was only looked at: both are equally long."""
BORN: Final = b'","btime_ns":'
AT: Final = b',"kind":"file","observed_at":"'
PART: Final = b'","parts":[{"batch":"'
DIGEST: Final = b'],"reason":null,"sha256":"'
_HEAD: Final = (
    b'%b%%d%b%%s,"ctime_ns":"%%d",%b"%%d","link_target":null,"mode":%d,"mtime_ns":"%%d","nlink":%d,%b%%s%b%b%b'
)
"""What is the same in many heads is written first: into what comes of it go times, inode and item of one."""
_TAIL: Final = b"}" + DIGEST + b'%s","size":%d,"status":"captured","table":"documents"}\n'
_DEVICE: Final = b'"dev":"%d","gid":%d,"group":%s,"holes":[],"ino":'
_OWNER: Final = b'"owner":%s,"uid":%d,"xattrs":{}},"item":'


class PlainWords(NamedTuple):
    """What is said of a captured document that has nothing to be said but what nearly all have.

    `stamp` is the one of its line, `item` the digest of its item's text.
    """

    head: bytes
    tail: bytes
    stamp: str | None
    item: bytes


def plain_words(item: str, facts: FactValues, observed_at: str, digest: str) -> PlainWords | None:
    """Return the words of a document by its item's text, what was seen of it when, and its SHA-256 in hex."""
    dev, ino, nlink, mode, uid, gid, owner, group, atime, mtime, ctime, btime, size, target, holes, xattrs = facts
    if holes or xattrs or target is not None:
        return None
    text = item.encode()
    born = b"null" if btime is None else b'"%d"' % btime
    head = _heads(observed_at, dev, gid, group, mode, nlink, owner, uid) % (atime, born, ctime, ino, mtime, text)
    before = settled_before_ns(observed_at)
    stamp = spell_stamp(size, mtime, ctime, ino) if mtime <= before and ctime <= before else None
    tail = _TAIL % (digest.encode(), size)
    return PlainWords._make((head, tail, stamp, sha256(text).digest()))  # in half the time of a call of the class


@lru_cache(maxsize=4096)  # a second has many files, a share few owners
def _heads(  # noqa: PLR0917 - all that many files have in common, as a key
    observed_at: str, dev: int, gid: int, group: str | None, mode: int, nlink: int, owner: str | None, uid: int
) -> bytes:
    """Return the head of files that have all of this in common, with places for what each has of its own."""
    device, whose = (words.replace(b"%", b"%%") for words in (device_words(dev, gid, group), owner_words(owner, uid)))
    return _HEAD % (READ, BORN, device, mode, nlink, whose, AT, observed_at.encode(), PART)


@lru_cache(maxsize=4096)  # a share has few devices and owners
def device_words(dev: int, gid: int, group: str | None) -> bytes:
    """Return what is said of device and group."""
    return _DEVICE % (dev, gid, _name(group))


@lru_cache(maxsize=4096)
def owner_words(owner: str | None, uid: int) -> bytes:
    """Return what is said of the owner."""
    return _OWNER % (_name(owner), uid)


def _name(name: str | None) -> bytes:
    """Return the name of an account as canonical JSON."""
    return b"null" if name is None else encode_basestring(name).encode()
