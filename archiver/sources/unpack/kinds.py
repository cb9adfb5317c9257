r"""Which container this is, and opening it: first bytes decide, as for everything else; a name is not believed.

Word of a policy, and the containers it stands for:

    zip         zip; not Office files, e-books and programs, which are zip inside (`office` takes those apart too)
    tar         tar
    compressed  gzip, zstd, bzip2, xz; a tar or capture in one of them is taken apart without a copy of itself
    7z          7z, rar and cab, where `bsdtar` is installed
    mail        mails and mailboxes (mbox)
    outlook     messages that Outlook saved (.msg), and its stores (.pst, .ost)
    web         web captures (WARC, ARC; WACZ is a zip)
    git         repositories in a folder: refs, `git fsck` and a bundle, inside their HEAD (`repositories`)

>>> recognise(b"PK\x03\x04...", frozenset({"zip"}))
'zip'
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Final

from archiver.model import mime
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack import captures, encodings, mailboxes, mails, outlook, outlook_stores, outside, tars, zips
from archiver.sources.unpack.base import Bytes, Member, span

__all__ = [
    "DESCRIBED",
    "HEAD",
    "MAILS",
    "STREAMED",
    "beginning",
    "is_container",
    "marks",
    "open_container",
    "recognise",
    "spell",
]

MAILS: Final = ("mail", "mbox")
"""Containers whose messages are mails, however they begin."""

HEAD: Final = 65_536
"""First bytes that are plenty to recognise a container."""

_SMALL_MAIL: Final = 1 << 18

_MAGIC_BEGINS: Final = frozenset(bytes([one]) for one in (*b"P!7BMRWf\x1f\x28\xd0\xfd", *range(0x50, 0x60)))
"""First bytes of all containers but tar, which may begin with any, and mail: most files are sniffed at no further."""

_WORDS: Final = {
    "zip": "zip",
    "tar": "tar",
    "mail": "mail",
    "mbox": "mail",
    "warc": "web",
    "arc": "web",
    "msg": "outlook",
    "pst": "outlook",
    "sevenzip": "7z",
    "rar": "7z",
    "cab": "7z",
} | dict.fromkeys(encodings.ENCODINGS, "compressed")

STREAMED: Final[dict[str, Callable[[Iterable[bytes]], Iterator[Member]]]] = {
    "tar": tars.members,
    "warc": captures.warc_members,
    "arc": captures.arc_members,
}
"""Containers that are read front to back, so that they need no copy when they come out of an encoding."""

_AT_ANY_PLACE: Final[dict[str, Callable[[Bytes], Iterator[Member]]]] = {
    "zip": zips.members,
    "mail": mails.members,
    "mbox": mailboxes.members,
}

DESCRIBED: Final[dict[str, Callable[[int], Iterator[Member]]]] = {
    "msg": outlook.message_members,
    "pst": outlook_stores.members,
    "sevenzip": outside.members,
    "rar": outside.members,
    "cab": outside.members,
}
"""Containers whose readers want a file of their own, by its descriptor."""


@cache
def marks() -> re.Pattern[bytes]:
    """Return a pattern of all first bytes that tell `mime.guess` something, or begin a container."""
    containers = rb"PK00PK|BZh|MSCF|\x1f\x8b|[\x50-\x5f]\x2a\x4d\x18"
    return re.compile(b"|".join([mime.MARKS, containers, b"(?s:.{148})[%b]{8}" % tars.OCTAL]))  # a tar has a checksum


def recognise(head: bytes, wanted: frozenset[str], *, message: bool = False, is_mail: bool | None = None) -> str | None:
    """Return which container begins so, if the policy wants such taken apart; a `message` is a mail anyway.

    `is_mail` is what `mime` says of it, if somebody has asked already.
    """
    if not wanted:
        return None
    kind = "mail" if message else _sniffed(head, is_mail=is_mail)
    return kind if kind is not None and _WORDS[kind] in wanted else None


def is_container(kind: str, file: Bytes, wanted: frozenset[str]) -> bool:
    """Say whether a file that was recognised is to be taken apart: what is one document is left as one.

    A small mail is looked through at once: most have nothing in them but what stands readable there.
    """
    if kind == "msg":
        return outlook.is_message(file)
    if kind == "mail" and file.size <= _SMALL_MAIL:
        return next(mails.members(file), None) is not None
    return kind != "zip" or "office" in wanted or not zips.is_packaged(file)


def open_container(kind: str, file: Bytes) -> Iterator[Member]:
    """Yield the members; `StoppedError` where the container cannot be followed."""
    whole = span(file, 0, file.size)
    if kind in encodings.ENCODINGS:
        return iter([Member(0, b"", lambda: encodings.decoded(kind, whole))])
    if kind in STREAMED:
        return STREAMED[kind](whole)
    return _AT_ANY_PLACE[kind](file)


def spell(kind: str, ordinal: int, name: str) -> str:
    """Return the member of an item's name."""
    return encodings.ENCODINGS.get(kind) or f"{kind}:{ordinal}:{name}"


def beginning(kind: str, head: bytes, rest: Iterable[bytes] = ()) -> bytes:
    """Return the first bytes of what an encoding holds."""
    found = b""
    with contextlib.suppress(StoppedError):  # what is damaged is found when it is read
        for piece in encodings.decoded(kind, chain([head], rest)):
            found += piece
            if len(found) >= HEAD:
                break
    return found[:HEAD]


def _sniffed(head: bytes, *, is_mail: bool | None) -> str | None:
    if head[:1] in _MAGIC_BEGINS:
        if zips.sniffed(head):
            return "zip"
        if tars.sniffed(head):
            return "tar"
        for sniffed in (encodings.sniffed, captures.sniffed, outlook.sniffed, outside.sniffed):
            kind = sniffed(head)
            if kind is not None:
                return kind
    elif tars.sniffed(head):
        return "tar"
    return _mail(head, is_mail=is_mail)


def _mail(head: bytes, *, is_mail: bool | None) -> str | None:
    if mailboxes.sniffed(head):
        return "mbox"
    return "mail" if (mime.is_mail(head) if is_mail is None else is_mail) else None
