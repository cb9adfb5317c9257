"""The content of a gzip file (RFC 1952): members one after the other, perhaps padded with zero bytes.

The law: what comes out of a damaged file is what a reader would give that is fed byte by byte, up to the byte that
shows the error, so it is a property of the file. zlib drops the output of the call that fails; the call is therefore
repeated from a copy of the state with less and less input.

>>> import gzip
>>> from archiver.sources.compressed import Input
>>> b"".join(members(Input([gzip.compress(b"one"), bytes(512), gzip.compress(b"two")])))
b'onetwo'
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from archiver.sources.compressed import STEP, Input, StoppedError, not_a_member

__all__ = ["members", "sniffed"]

_MAGIC = b"\x1f\x8b"
_DEFLATE = 8  # RFC 1952, 2.3.1: the one method there is
_RESERVED = 0xE0  # flags that must be zero
_WITH_FLAGS = 4  # bytes of the header up to and with the flags
_GZIP_WINDOW = 31  # zlib's number for "gzip framing, 32 KiB window"


def sniffed(head: bytes) -> bool:
    """Say whether a file that begins so is gzip."""
    if len(head) < _WITH_FLAGS or not head.startswith(_MAGIC):
        return False
    return head[2] == _DEFLATE and not head[3] & _RESERVED


def members(source: Input) -> Iterator[bytes]:
    """Yield the content in pieces of at most 1 MiB; `StoppedError` where it cannot go on."""
    count = 0
    while count == 0 or source.skip_zeros():
        head = source.peek(len(_MAGIC))
        if head != _MAGIC:
            raise not_a_member(head, _MAGIC, count, source.taken)
        yield from _member(source)
        count += 1


def _member(source: Input) -> Iterator[bytes]:
    """Yield one member's content and leave the source behind it."""
    inflater = zlib.decompressobj(wbits=_GZIP_WINDOW)
    while not inflater.eof:
        data = source.take()
        if not data:
            raise StoppedError("truncated", f"compressed byte {source.taken}: expected more of a member, found the end")
        try:
            yield from _inflated(inflater, data)
        except zlib.error as error:
            raise StoppedError("corrupt", f"before compressed byte {source.taken}: {error}") from error
    source.give_back(inflater.unused_data)


def _inflated(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Yield what `data` adds; before an error everything up to it."""
    piece = bytes(STEP)
    while len(piece) == STEP and not inflater.eof:  # a shorter piece means that all input was used
        saved = inflater.copy()  # about 40 KiB
        try:
            piece = inflater.decompress(data, STEP)
        except zlib.error:
            yield from _readable(saved, data)
            raise
        data = inflater.unconsumed_tail
        if piece:
            yield piece


def _readable(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Yield the content of the bytes before the one that shows the error, found by halves."""
    size = len(data)
    while size:
        saved = inflater.copy()
        try:
            piece = inflater.decompress(data[:size], STEP)
        except zlib.error:
            inflater = saved
            size //= 2
            continue
        if piece:
            yield piece
        data = inflater.unconsumed_tail + data[size:]
        size = min(size, len(data))
