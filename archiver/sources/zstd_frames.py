"""The content of a zstd file (RFC 8878): frames and skippable frames, one after the other.

The laws:

1. The decoder is fed block by block, as the frame's own block headers cut it. A block gives at most 128 KiB, so no
   ratio fills the memory, and the end of a frame, a cut and what follows the last frame are seen exactly.
2. Every block before a damage is kept, and the readable part of a cut one. A wrong checksum loses nothing.
3. A window larger than the limit is refused before the decoder sees the frame.

>>> from archiver.sources.compressed import Input
>>> b"".join(frames(Input([zstandard.compress(b"one"), zstandard.compress(b"two")]), WINDOW))
b'onetwo'
"""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

from archiver.sources.compressed import Input, StoppedError, not_a_member

__all__ = ["WINDOW", "frames", "sniffed"]

WINDOW = 1 << 27
"""128 MiB, the most that the reference decoder takes without being told to (RFC 8878, 3.1.1.1.2 leaves it to it)."""

_MAGIC = zstandard.FRAME_HEADER
_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 50 to 5F
_SKIPPABLE_HEAD = 8
_LONGEST_HEADER = 18
_SHORTEST_HEADER = 5
_SINGLE_SEGMENT = 0x20
_RLE, _RESERVED = 1, 3


def sniffed(head: bytes) -> bool:
    """Say whether a file that begins so is zstd; skippable frames alone could be other formats' (lz4 has the same)."""
    while _is_skippable(head):
        head = head[_SKIPPABLE_HEAD + int.from_bytes(head[4:_SKIPPABLE_HEAD], "little") :]
    return head.startswith(_MAGIC)


def frames(source: Input, window: int) -> Iterator[bytes]:
    """Yield the content in pieces of at most 128 KiB; `StoppedError` where it cannot go on."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    count = 0
    while count == 0 or source.peek(1):
        head = source.peek(_SKIPPABLE_HEAD)
        if _is_skippable(head):
            _skip(source)
        elif head.startswith(_MAGIC):
            yield from _frame(source, decompressor, window)
        elif _begins_skippable(head):
            raise _cut(source)
        else:
            raise not_a_member(head[: len(_MAGIC)], _MAGIC, count, source.taken)
        count += 1


def _is_skippable(head: bytes) -> bool:
    return len(head) >= _SKIPPABLE_HEAD and head[0] & 0xF0 == 0x50 and head[1:4] == _SKIPPABLE  # noqa: PLR2004 - 50..5F


def _begins_skippable(head: bytes) -> bool:
    """Say whether these last bytes of a stream are the beginning of a skippable frame's header."""
    return 0 < len(head) < _SKIPPABLE_HEAD and head[0] & 0xF0 == 0x50 and _SKIPPABLE.startswith(head[1:4])  # noqa: PLR2004


def _skip(source: Input) -> None:
    head = source.up_to(_SKIPPABLE_HEAD)
    if not source.skip(int.from_bytes(head[4:], "little")):
        raise _cut(source)


def _frame(source: Input, decompressor: zstandard.ZstdDecompressor, window: int) -> Iterator[bytes]:
    """Yield one frame's content and leave the source behind it."""
    header, checksum = _header(source, window)
    decoder = decompressor.decompressobj()
    try:
        decoder.decompress(header)
        yield from _blocks(source, decoder)
        if checksum:
            decoder.decompress(_exactly(source, 4))
    except zstandard.ZstdError as error:
        raise StoppedError("corrupt", f"before compressed byte {source.taken}: {error}") from error
    if not decoder.eof:
        raise StoppedError("corrupt", f"compressed byte {source.taken}: expected the end of a frame, found more of it")


def _header(source: Input, window: int) -> tuple[bytes, bool]:
    """Take a frame's header; return it and whether a checksum follows the last block."""
    head = source.peek(_LONGEST_HEADER)
    if len(head) < _SHORTEST_HEADER or len(head) < (size := zstandard.frame_header_size(head)):
        source.skip(len(head))
        raise _cut(source)
    if not head[4] & _SINGLE_SEGMENT and (needed := _window(head[5])) > window:
        raise _too_wide(needed, window, source)
    try:
        parameters = zstandard.get_frame_parameters(head)
    except zstandard.ZstdError as error:
        raise StoppedError("corrupt", f"compressed byte {source.taken}: {error}") from error
    if parameters.window_size > window:  # a single segment: the content is the window
        raise _too_wide(parameters.window_size, window, source)
    if parameters.dict_id:
        raise StoppedError(
            "dictionary-missing", f"compressed byte {source.taken}: needs dictionary {parameters.dict_id}"
        )
    return source.up_to(size), parameters.has_checksum


def _window(descriptor: int) -> int:
    """Return the window size of a window descriptor, RFC 8878, 3.1.1.1.2."""
    base = 1 << (10 + (descriptor >> 3))
    return base + base // 8 * (descriptor & 7)


def _too_wide(needed: int, window: int, source: Input) -> StoppedError:
    where = f"compressed byte {source.taken}"
    return StoppedError("window-too-large", f"{where}: expected a window of at most {window} bytes, found {needed}")


def _blocks(source: Input, decoder: zstandard.ZstdDecompressionObj) -> Iterator[bytes]:
    """Yield the content of a frame's blocks, up to the last one (law 1)."""
    last = False
    while not last:
        head = _exactly(source, 3)
        word = int.from_bytes(head, "little")
        last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        if kind == _RESERVED:
            raise StoppedError("corrupt", f"compressed byte {source.taken}: expected a block, found a reserved kind")
        length = 1 if kind == _RLE else size
        body = source.up_to(length)
        if piece := decoder.decompress(head + body):
            yield piece
        if len(body) < length:
            raise _cut(source)


def _exactly(source: Input, size: int) -> bytes:
    found = source.up_to(size)
    if len(found) < size:
        raise _cut(source)
    return found


def _cut(source: Input) -> StoppedError:
    return StoppedError("truncated", f"compressed byte {source.taken}: expected more of a frame, found the end")
