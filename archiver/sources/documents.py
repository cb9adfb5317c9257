"""Documents that are read in one piece: one reading and one hash, which is that of the file and of its only row.

A file that changes meanwhile and one that is not shorter than `AT_ONCE` are not read so.

>>> read_document(opened, b"a/b.txt", frozenset()).media
'text/plain'
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from archiver.model import mime
from archiver.sources.base import Facts, FactValues, FileFacts
from archiver.sources.location import Reading, facts_if_still
from archiver.sources.plain_words import PlainWords
from archiver.sources.rows import BLOCK
from archiver.sources.unpack import kinds

__all__ = ["AT_ONCE", "Document", "Held", "Whole", "container_of", "judged", "looked_at", "read_document", "read_whole"]

AT_ONCE: Final = 1 << 20
"""Documents smaller than this are read in one piece; it is less than a row."""


class Document(NamedTuple):
    """A document as it was read: its bytes, their SHA-256, and what its system said of it when they had been read."""

    data: bytes
    digest: bytes
    facts: Facts
    media: str | None
    container: str | None
    """What kind of container it is, where it is one that is to be taken apart."""
    words: PlainWords | None = None
    """What its line says, where somebody has spelled that already."""


class Held:
    """A document that was read, as a reading of its bytes: nothing changes them any more."""

    def __init__(self, data: bytes, facts: Facts) -> None:
        """Begin at its start."""
        self._data = data
        self._at = 0
        self.first = facts

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield what is left, block by block."""
        while block := self.read(size):
            yield block

    def rewind(self, offset: int = 0) -> None:
        """Go to an offset."""
        self._at = offset

    def stat_now(self) -> Facts:
        """Return what its system said of it."""
        return self.first


class Whole:
    """An open file of the source, to be read at any place."""

    def __init__(self, opened: Reading) -> None:
        """Bind to the file."""
        self._opened = opened
        self.size = opened.first.size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return so many bytes from there, fewer at its end."""
        self._opened.rewind(offset)
        found = b""
        while len(found) < size and (more := self._opened.read(size - len(found))):
            found += more
        return found


def container_of(opened: Reading, head: bytes, wanted: frozenset[str], *, is_mail: bool | None = None) -> str | None:
    """Return which of the wanted containers a document is, None for what is taken as it is."""
    kind = kinds.recognise(head, wanted, is_mail=is_mail)
    return kind if kind is not None and kinds.is_container(kind, Whole(opened), wanted) else None


def read_document(opened: Reading, path: bytes, wanted: frozenset[str]) -> Document | None:
    """Read a document from its start, None where that is not to be done in one piece; raises `ReadProblem`.

    `wanted` are the containers that are taken apart.
    """
    found = read_whole(opened)
    return None if found is None else judged(path, *found, wanted)


def read_whole(opened: Reading) -> tuple[bytes, Facts] | None:
    """Return all bytes of a document that is small and stands still, and its facts; raises `ReadProblem`."""
    size = opened.first.size
    if size >= AT_ONCE:
        return None
    data = more = opened.read(size + 1)
    while more and len(data) < size:  # a file server may give less
        more = opened.read(size - len(data))
        data += more
    facts = facts_if_still(opened) if len(data) == size else None
    return None if facts is None else (data, facts)


def judged(path: bytes, data: bytes, facts: Facts, wanted: frozenset[str]) -> Document:
    """Return what a document is by its bytes."""
    media, container = looked_at(path, data, facts, wanted)
    return Document(data, sha256(data).digest(), facts, media, container)


def looked_at(
    path: bytes, data: bytes, facts: Facts | FactValues, wanted: frozenset[str]
) -> tuple[str | None, str | None]:
    """Return the type of a document that was read, and which of the wanted containers it is."""
    if data and not kinds.marks().match(data, 0, mime.HEAD):  # nearly all documents: one look is for both
        return mime.guess_unmarked(path, data[: mime.HEAD]), None
    seen = facts if isinstance(facts, Facts) else FileFacts._make(facts)
    media, is_mail = mime.guess_and_mail(path, data)
    return media, container_of(Held(data, seen), data[: kinds.HEAD], wanted, is_mail=is_mail)
