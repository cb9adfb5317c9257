r"""What is in a web capture: the records of WARC (1.0, 1.1) and ARC files, front to back.

The laws:

1. A member is the block of a record, exactly: of a response the HTTP headers and the body as it was sent. Its name is
   the address that it is of, else the type of the record.
2. The header's length is the law; a record that does not end as it should ends the capture as `corrupt`, since nobody
   knows where the next one begins.

>>> [member.name for member in warc_members([capture])]
[b'warcinfo', b'http://example.com/']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from archiver.late import pattern
from archiver.sources.compressed import FEED, Input, StoppedError
from archiver.sources.unpack.base import Member
from archiver.sources.unpack.stretch import Stretch

__all__ = ["arc_members", "sniffed", "warc_members"]

_MOST_HEADERS: Final = 256 * 1024
_LENGTH: Final = pattern(rb"[0-9]{1,16}")
_ARC_FIELDS, _ARC2_FIELDS = 5, 10


def sniffed(head: bytes) -> str | None:
    """Return "warc" or "arc"."""
    if head.startswith(b"WARC/"):
        return "warc"
    return "arc" if head.startswith(b"filedesc://") else None


def warc_members(blocks: Iterable[bytes]) -> Iterator[Member]:
    """Yield the records of a WARC file; `StoppedError` where it cannot go on."""
    source = Input(blocks)
    ordinal = 0
    while _more(source):
        begin = source.taken
        if not _line(source).startswith(b"WARC/"):
            raise StoppedError("corrupt", f"byte {begin}: expected a record, found no version of WARC")
        headers = _headers(source)
        size = _size(headers.get(b"content-length", b""), begin)
        name = headers.get(b"warc-target-uri", b"").strip(b"<>") or headers.get(b"warc-type", b"")
        block = Stretch(source, size, "a record")
        date = _when(headers.get(b"warc-date", b"").decode("ascii", "replace"))
        yield Member(ordinal, name, block.read, size=size, modified_ns=date)
        block.skip()
        ordinal += 1


def arc_members(blocks: Iterable[bytes]) -> Iterator[Member]:
    """Yield the records of an ARC file; `StoppedError` where it cannot go on."""
    source = Input(blocks)
    ordinal = 0
    while _more(source):
        begin = source.taken
        fields = _line(source).strip().split(b" ")
        if len(fields) < _ARC_FIELDS:
            raise StoppedError(
                "corrupt", f"byte {begin}: expected the line of an ARC record, found {len(fields)} fields"
            )
        size = _size(fields[-1], begin)
        block = Stretch(source, size, "a record")
        name = fields[0] if len(fields) == _ARC2_FIELDS else b" ".join(fields[:-4])  # an address may hold blanks
        yield Member(ordinal, name, block.read, size=size)
        block.skip()
        ordinal += 1


def _more(source: Input) -> bool:
    """Pass over line ends between records; say whether anything follows."""
    while (next_byte := source.peek(1)) in (b"\r", b"\n") and next_byte:
        source.up_to(1)
    return bool(next_byte)


def _line(source: Input) -> bytes:
    shown = source.peek(FEED)
    end = shown.find(b"\n")
    if end < 0 and len(shown) == FEED:
        raise StoppedError("corrupt", f"byte {source.taken}: expected a line of a header, found one of {FEED} bytes")
    return source.up_to(end + 1 if end >= 0 else len(shown))


def _headers(source: Input) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    begin, last = source.taken, b""
    while line := _line(source).rstrip(b"\r\n"):
        if source.taken - begin > _MOST_HEADERS:
            raise StoppedError("corrupt", f"byte {begin}: expected at most {_MOST_HEADERS} bytes of headers")
        if line[:1] in (b" ", b"\t"):  # goes on from the line before
            found[last] = found.get(last, b"") + b" " + line.strip()
            continue
        name, _, value = line.partition(b":")
        last = name.strip().lower()
        found[last] = value.strip()
    return found


def _size(text: bytes, begin: int) -> int:
    if _LENGTH.fullmatch(text) is None:
        raise StoppedError("corrupt", f"byte {begin}: expected the length of a record, found {text[:40]!r}")
    return int(text)


def _when(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp()) * 10**9 if moment.tzinfo is not None and moment.astimezone(UTC) else None
