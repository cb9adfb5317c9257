"""One stream in a file: gzip, zstd, bzip2, xz.

The laws are those of `decode`: several streams one after the other are one, what was readable before a damage comes
out, no step gives more than 1 MiB. An xz dictionary over 192 MiB is refused (the largest preset needs 64 MiB).

>>> import bz2
>>> b"".join(decoded("bzip2", [bz2.compress(b"one") + bz2.compress(b"two")]))
b'onetwo'
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from archiver.sources.compressed import STEP, Input, StoppedError, not_a_member
from archiver.sources.decode import decode, sniff

__all__ = ["ENCODINGS", "decoded", "sniffed"]

_MEMORY: Final = 192 << 20
_MAGIC: Final = {"bzip2": b"BZh", "xz": b"\xfd7zXZ\0"}
_BLOCK: Final = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # a bzip2 block, or the end of a stream without any
ENCODINGS: Final = {"gzip": "gzip", "zstd": "zstd", "bzip2": "bzip2:0:", "xz": "xz:0:"}
"""Each with the member of an item that its stream is."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def sniffed(head: bytes) -> str | None:
    """Return the encoding that a file begins in."""
    if head.startswith(_MAGIC["xz"]):
        return "xz"
    if head.startswith(_MAGIC["bzip2"]) and head[4:10] in _BLOCK:
        return "bzip2"
    return sniff(head)


def decoded(encoding: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content in pieces of at most 1 MiB; `StoppedError` where it cannot go on."""
    if encoding in _MAGIC:
        yield from _streams(Input(blocks), _FRESH[encoding], _MAGIC[encoding])
        return
    stream = decode(encoding, blocks)
    yield from stream
    if stream.damage is not None:
        raise StoppedError(stream.damage.reason, stream.damage.detail)


def _streams(source: Input, fresh: Callable[[], _Decoder], magic: bytes) -> Iterator[bytes]:
    count = 0
    while count == 0 or source.skip_zeros():
        head = source.peek(len(magic))
        if head != magic:
            raise not_a_member(head, magic, count, source.taken)
        decoder = fresh()
        while not decoder.eof:
            if piece := _step(decoder, source):
                yield piece
        source.give_back(decoder.unused_data)
        count += 1


def _step(decoder: _Decoder, source: Input) -> bytes:
    data = source.take() if decoder.needs_input else b""
    if decoder.needs_input and not data:
        raise StoppedError("truncated", f"compressed byte {source.taken}: expected more of a stream, found the end")
    try:
        return decoder.decompress(data, STEP)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise StoppedError("corrupt", f"before compressed byte {source.taken}: {error}") from error


_FRESH: Final[dict[str, Callable[[], _Decoder]]] = {
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY),
}
