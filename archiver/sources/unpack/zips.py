"""What is in a zip file, by its central directory.

The laws:

1. The central directory says what there is, in its order; bytes that it does not name are in the container, not in a
   member. It is read entry by entry, and must have as many entries as it says.
2. Names are the directory's bytes, whatever flag says which alphabet they are in. Two members of one name are two.
3. A member's bytes must have the size and the CRC-32 that the directory states; if not they are `corrupt`, and kept.
   Members whose bytes overlap in the file are read each by itself; the budget bounds what comes of it.
4. A time counts only where it is in UTC (extra fields of Info-ZIP and NTFS): a DOS time is of an unknown zone.

Methods: stored, deflate, bzip2, zstd. Others, and encrypted members, have a problem.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from archiver.late import dataclass
from archiver.sources.base import Problem
from archiver.sources.compressed import STEP, StoppedError
from archiver.sources.unpack.base import Bytes, Member, exactly, span
from archiver.sources.unpack.encodings import decoded

__all__ = ["is_packaged", "members", "sniffed"]

_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_TAIL: Final = _END.size + 0xFFFF
_FULL32, _FULL16 = 0xFFFFFFFF, 0xFFFF
_ENCRYPTED: Final = 0x2041  # flags: encrypted, strongly, or with a masked directory
_NTFS_EPOCH: Final = 11_644_473_600 * 10**9  # from 1601 to 1970, in nanoseconds
_PACKAGES: Final = (b"[Content_Types].xml", b"mimetype", b"META-INF/MANIFEST.MF", b"AndroidManifest.xml")


@dataclass(frozen=True)
class _Directory:
    start: int
    end: int
    entries: int
    shift: int
    """How many bytes stand before the archive, as in one that unpacks itself."""
    wide: bool


@dataclass(frozen=True)
class _Entry:
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    modified_ns: int | None


def sniffed(head: bytes) -> bool:
    """Say whether a file that begins so is zip."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK00PK\x03\x04"))


def is_packaged(file: Bytes) -> bool:
    """Say whether the zip is the dress of one document or program (Office, OpenDocument, EPUB, Java)."""
    try:
        names = [entry.name for _, entry in zip(range(64), _entries(file), strict=False)]
    except StoppedError:
        return False
    return any(name in _PACKAGES for name in names)


def members(file: Bytes) -> Iterator[Member]:
    """Yield the members; `StoppedError` where the directory cannot be followed."""
    for ordinal, entry in enumerate(_entries(file)):
        folder = entry.name.endswith(b"/") and not entry.size
        yield Member(
            ordinal=ordinal,
            name=entry.name,
            blocks=_reader(file, entry),
            size=entry.size,
            modified_ns=entry.modified_ns,
            kind="directory" if folder else "inner",
            problem=_problem(entry),
        )


def _problem(entry: _Entry) -> Problem | None:
    if entry.flags & _ENCRYPTED:
        return Problem("encrypted", "it can be opened with its password only")
    if entry.method not in _METHODS:
        return Problem("unsupported", f"compression method {entry.method} cannot be undone here")
    return None


# The directory


def _entries(file: Bytes) -> Iterator[_Entry]:
    directory = _directory(file)
    place, count = directory.start, 0
    while place < directory.end:
        words = _ENTRY.unpack(exactly(file, place, _ENTRY.size, "a directory entry"))
        if words[0] != b"PK\x01\x02":
            raise StoppedError("corrupt", f"byte {place}: expected a directory entry, found {words[0].hex()}")
        lengths = words[10], words[11], words[12]
        rest = exactly(file, place + _ENTRY.size, sum(lengths), "a directory entry")
        yield _entry(words, rest[: lengths[0]], rest[lengths[0] : lengths[0] + lengths[1]], directory)
        place += _ENTRY.size + sum(lengths)
        count += 1
    if count != directory.entries and (directory.wide or count & _FULL16 != directory.entries):
        raise StoppedError("corrupt", f"expected {directory.entries} directory entries, found {count}")


def _directory(file: Bytes) -> _Directory:
    """Find the central directory from the end of the file."""
    begin = max(0, file.size - _TAIL)
    tail = file.read_at(begin, _TAIL)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise StoppedError("truncated", "expected the end of a central directory, found none")
    _, disk, first, _, entries, size, offset, _ = _END.unpack(tail[at : at + _END.size])
    end, wide = begin + at, False
    if _FULL32 in (size, offset) or entries == _FULL16:
        found = _directory64(file, end)
        if found is not None:
            end, entries, size, offset = found
            wide = True
    if not wide and (disk, first) != (0, 0):
        raise StoppedError("unsupported", f"expected a zip in one file, found part {disk} of one in several")
    if size > end or end - size < offset:
        raise StoppedError("corrupt", f"expected a central directory of {size} bytes at {offset}, found {end} bytes")
    return _Directory(end - size, end, entries, end - size - offset, wide)


def _directory64(file: Bytes, end: int) -> tuple[int, int, int, int] | None:
    """Return end, entries, size and offset of a zip64 directory, if one is there."""
    if end < _LOCATOR.size:
        return None
    magic, _, offset, _ = _LOCATOR.unpack(file.read_at(end - _LOCATOR.size, _LOCATOR.size))
    if magic != b"PK\x06\x07":
        return None
    for place in (offset, end - _LOCATOR.size - _END64.size):  # the second where bytes stand before the archive
        data = file.read_at(place, _END64.size) if place >= 0 else b""
        if len(data) == _END64.size and data.startswith(b"PK\x06\x06"):
            words = _END64.unpack(data)
            return place, words[7], words[8], words[9]
    raise StoppedError("corrupt", f"byte {offset}: expected the end of a zip64 directory, found none")


def _entry(words: tuple[int, ...], name: bytes, extra: bytes, directory: _Directory) -> _Entry:
    _, _, _, flags, method, _, _, crc, packed, size, *_, offset = words
    fields = dict(_fields(extra))
    wide = fields.get(0x0001, b"")
    numbers = [size, packed, offset]
    for index, number in enumerate(numbers):
        if number == _FULL32 and len(wide) >= 8:  # noqa: PLR2004 - one u64
            numbers[index], wide = int.from_bytes(wide[:8], "little"), wide[8:]
    size, packed, offset = numbers
    return _Entry(name, flags, method, crc, packed, size, offset + directory.shift, _modified(fields))


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:  # noqa: PLR2004 - id and length
        identity, length = struct.unpack("<HH", extra[:4])
        yield identity, extra[4 : 4 + length]
        extra = extra[4 + length :]


def _modified(fields: dict[int, bytes]) -> int | None:
    unix, ntfs = fields.get(0x5455, b""), fields.get(0x000A, b"")
    if len(ntfs) >= 16 and ntfs[4:8] == b"\x01\x00\x18\x00":  # noqa: PLR2004 - up to and with the first time
        return int.from_bytes(ntfs[8:16], "little") * 100 - _NTFS_EPOCH
    if len(unix) >= 5 and unix[0] & 1:  # noqa: PLR2004 - flags and a time
        return int.from_bytes(unix[1:5], "little", signed=True) * 10**9
    return None


# Bytes


def _reader(file: Bytes, entry: _Entry) -> Callable[[], Iterator[bytes]]:
    def blocks() -> Iterator[bytes]:
        words = _LOCAL.unpack(exactly(file, entry.offset, _LOCAL.size, "a local header"))
        if words[0] != b"PK\x03\x04":
            raise StoppedError("corrupt", f"byte {entry.offset}: expected a local header, found {words[0].hex()}")
        start = entry.offset + _LOCAL.size + words[9] + words[10]
        return _checked(entry, _METHODS[entry.method](span(file, start, entry.packed)))

    return lambda: _late(blocks)


def _late(blocks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    yield from blocks()


def _checked(entry: _Entry, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield all bytes, then compare size and CRC-32 (law 3)."""
    crc = size = 0
    for piece in pieces:
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        yield piece
    if size != entry.size:
        raise StoppedError("corrupt", f"expected {entry.size} bytes, found {size}")
    if crc != entry.crc:
        raise StoppedError("corrupt", f"expected CRC-32 {entry.crc:08x}, found {crc:08x}")


def _inflated(raw: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=-15)
    for data in raw:
        left = data
        while left and not inflater.eof:
            try:
                piece = inflater.decompress(left, STEP)
            except zlib.error as error:
                raise StoppedError("corrupt", str(error)) from error
            left = inflater.unconsumed_tail
            if piece:
                yield piece
    while not inflater.eof:  # output may wait although all input was taken
        piece = inflater.decompress(b"", STEP)
        if not piece:
            raise StoppedError("truncated", "expected more of a member, found its end")
        yield piece


def _bunzipped(raw: Iterable[bytes]) -> Iterator[bytes]:
    decoder = bz2.BZ2Decompressor()
    for data in raw:
        left = data
        while not decoder.eof and (left or not decoder.needs_input):
            try:
                piece = decoder.decompress(left, STEP)
            except (OSError, ValueError) as error:
                raise StoppedError("corrupt", str(error)) from error
            left = b""
            if piece:
                yield piece
    if not decoder.eof:
        raise StoppedError("truncated", "expected more of a member, found its end")


_METHODS: Final[dict[int, Callable[[Iterable[bytes]], Iterable[bytes]]]] = {
    0: lambda raw: raw,
    8: _inflated,
    12: _bunzipped,
    93: lambda raw: decoded("zstd", raw),
}
