r"""What is in a tar file: v7, ustar, GNU and PAX headers, read front to back.

The laws:

1. A header counts when its checksum does. Behind zero blocks another archive may follow; anything else there is
   `trailing-garbage`. A file that ends without a zero block is `truncated`, also when it ends behind a member.
2. Names are the header's bytes. Only what says more of a member (long names, PAX) is read into memory, up to 1 MiB.
3. A sparse file's pieces are not put together: its member has the problem `unsupported`.

>>> [member.name for member in members([tar])]
[b'chat/general.txt']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final

from archiver.late import dataclass, pattern
from archiver.sources.base import Problem
from archiver.sources.compressed import Input, StoppedError
from archiver.sources.unpack.base import Member
from archiver.sources.unpack.stretch import Stretch

__all__ = ["BLOCK", "OCTAL", "members", "sniffed"]

BLOCK: Final = 512
_ZEROS: Final = bytes(BLOCK)
_MOST_WORDS: Final = 1 << 20
_KINDS: Final = {b"1": "inner", b"2": "symlink", b"3": "device", b"4": "device", b"5": "directory", b"6": "fifo"}
_WITHOUT_BYTES: Final = {b"1", b"2", b"3", b"4", b"5", b"6"}
_TIME: Final = pattern(rb"(-?)([0-9]{1,20})(?:\.([0-9]{1,40}))?")
OCTAL: Final = b"01234567 \0"  # what a number is written with; anything else shows at once that this is no header
_SPARSE: Final = 0x1E2  # of an old GNU header: whether a block with more of the map follows; 0x1F8 in such a block
_SPARSE_AGAIN: Final = 0x1F8


@dataclass
class _Words:
    """What headers before a member say of it."""

    name: bytes | None = None
    link: bytes | None = None
    pax: dict[bytes, bytes] = field(default_factory=dict)


def sniffed(head: bytes) -> bool:
    """Say whether a file that begins so is tar."""
    return len(head) >= BLOCK and bool(head[0]) and _checked(head[:BLOCK])


def members(blocks: Iterable[bytes]) -> Iterator[Member]:
    """Yield the members; `StoppedError` where it cannot go on."""
    source = Input(blocks)
    everywhere: dict[bytes, bytes] = {}
    ordinal = 0
    while (found := _next(source, everywhere)) is not None:
        header, words = found
        coming = _Coming(source, header, words)
        yield coming.member(ordinal)
        coming.skip()
        ordinal += 1


def _next(source: Input, everywhere: dict[bytes, bytes]) -> tuple[bytes, _Words] | None:
    """Return the next member's header, and what was said of it before; None at the end of the file."""
    words = _Words(pax=dict(everywhere))
    while True:
        header = _block(source)
        if header == _ZEROS:
            if not source.skip_zeros():
                return None
            if not _checked(source.peek(BLOCK)):
                raise StoppedError("trailing-garbage", f"byte {source.taken}: expected the end, found more")
            continue
        if not _checked(header):
            raise StoppedError("corrupt", f"byte {source.taken - BLOCK}: expected a header, found no checksum of one")
        kind = header[156:157]
        if kind in b"LK" and kind:
            name = _content(source, header).rstrip(b"\0")
            words.name, words.link = (name, words.link) if kind == b"L" else (words.name, name)
        elif kind == b"x":
            words.pax |= _pax(_content(source, header))
        elif kind == b"g":
            everywhere |= _pax(_content(source, header))
            words.pax |= everywhere
        else:
            return header, words


class _Coming:
    """One member whose bytes have not been read yet."""

    def __init__(self, source: Input, header: bytes, words: _Words) -> None:
        self._source = source
        self._words = words
        self._type = header[156:157]
        self._header = header
        stated = words.pax.get(b"size")
        self._size = int(stated) if stated and stated.isdigit() else _number(header[124:136])
        self._sparse = self._type == b"S" or any(key.startswith(b"GNU.sparse.") for key in words.pax)
        if self._type == b"S" and header[_SPARSE]:
            while _block(source)[_SPARSE_AGAIN]:
                pass
        if self._type in _WITHOUT_BYTES and self._type != b"5":
            self._size = 0  # the size of a link's target is sometimes there, its bytes never are
        self._bytes = Stretch(source, self._size, "a member")

    def member(self, ordinal: int) -> Member:
        name = self._words.pax.get(b"GNU.sparse.name") or self._words.pax.get(b"path") or self._words.name
        name = name or _name(self._header)
        kind = _KINDS.get(self._type, "inner")
        if self._type in b"\0" + b"0" and name.endswith(b"/"):
            kind = "directory"  # v7 has no type for it
        words = None
        if self._type in b"12":
            target = self._words.pax.get(b"linkpath") or self._words.link or _text(self._header[157:257])
            words = f"{'hard link' if self._type == b'1' else 'link'} to {target.decode('utf-8', 'backslashreplace')}"
        problem = Problem("unsupported", "a sparse file, whose pieces are not put together") if self._sparse else None
        return Member(
            ordinal=ordinal,
            name=name,
            blocks=self._bytes.read,
            size=self._size,
            modified_ns=self._modified(),
            kind=kind,
            note=words,
            problem=problem,
        )

    def skip(self) -> None:
        """Go to the next header."""
        self._bytes.skip(behind=-self._size % BLOCK)

    def _modified(self) -> int | None:
        found = _TIME.fullmatch(self._words.pax.get(b"mtime", b""))
        if found is None:
            return _number(self._header[136:148]) * 10**9
        fraction = int((found[3] or b"")[:9].ljust(9, b"0"))
        return (-1 if found[1] else 1) * (int(found[2]) * 10**9 + fraction)


def _block(source: Input) -> bytes:
    header = source.up_to(BLOCK)
    if len(header) < BLOCK:
        source.peek(1)  # says it if the bytes stopped by a damage of where they come from
        raise StoppedError("truncated", f"byte {source.taken}: expected a header or a zero block, found the end")
    return header


def _content(source: Input, header: bytes) -> bytes:
    """Take the content of a header that says more of a member (law 2)."""
    size = _number(header[124:136])
    if size > _MOST_WORDS:
        words = f"byte {source.taken}: expected at most {_MOST_WORDS} bytes of names, found {size}"
        raise StoppedError("corrupt", words)
    content = source.up_to(size)
    if len(content) < size or not source.skip(-size % BLOCK):
        raise StoppedError("truncated", f"byte {source.taken}: expected more of a header, found the end")
    return content


def _pax(content: bytes) -> dict[bytes, bytes]:
    """Return the records of a PAX header, `<length> <key>=<value>` and a newline each."""
    found: dict[bytes, bytes] = {}
    while content.strip(b"\0"):
        length, blank, _ = content[:20].partition(b" ")
        if not blank or not length.isdigit() or not len(length) + 1 < int(length) <= len(content):
            raise StoppedError("corrupt", f"expected a record of a PAX header, found {content[:20].hex()}")
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        found[key] = value
        content = content[int(length) :]
    return found


def _checked(header: bytes) -> bool:
    if len(header) < BLOCK or header[148:156].strip(OCTAL):
        return False
    try:
        stated = int(header[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    rest = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)  # noqa: PLR2004 - as some old tars summed
    return stated in (sum(rest), signed)


def _number(field_: bytes) -> int:
    """Return a number: octal digits, or base 256 behind a first bit."""
    if field_[0] & 0x80:
        number = int.from_bytes(field_, "big") & ~(0x80 << 8 * (len(field_) - 1))
        return number if field_[0] == 0x80 else number - (1 << 8 * len(field_) - 1)  # noqa: PLR2004 - else negative
    try:
        return int(_text(field_).strip(b" ") or b"0", 8)
    except ValueError as error:
        raise StoppedError("corrupt", f"expected an octal number in a header, found {field_.hex()}") from error


def _text(field_: bytes) -> bytes:
    return field_.partition(b"\0")[0]


def _name(header: bytes) -> bytes:
    name, prefix = _text(header[:100]), _text(header[345:500])
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name
