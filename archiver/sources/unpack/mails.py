r"""What is in a mail (RFC 5322, MIME): attachments, mails in the mail, and bodies that are encoded.

The laws:

1. The message is the container and stays as it is. Its parts are counted as they come, from 0, the outermost first and
   containers of parts among them, so that a part's ordinal does not depend on what is taken out.
2. A member is a part that has a name, or is no text that stands readable in the message (a body in base64 does not).
   A mail in the mail (`message/rfc822`) is a `message`, its bytes exactly as they stand there. Other parts are decoded;
   what comes out before a damage is kept.
3. Lines are looked at one by one, a boundary wherever it stands: a broken structure gives the parts that are there.
   Memory is one line (its first 64 KiB) and 256 KiB of headers a part.

>>> [member.name for member in members(Piece(mail))]
[b'contract.pdf']
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Final

from archiver.late import dataclass, pattern
from archiver.sources.base import Problem
from archiver.sources.compressed import STEP, StoppedError
from archiver.sources.unpack.base import Bytes, Member, span
from archiver.sources.unpack.lines import Lines

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["header_block", "members"]

_MOST_HEADERS: Final = 256 * 1024
_SOON: Final = 8192
_END_OF_HEADERS: Final = pattern(rb"(?:\A|\n)\r*\n")
_DEEPEST: Final = 100
_READABLE: Final = ("text/plain", "text/html")
_AS_IS: Final = ("", "7bit", "8bit", "binary")
_NOT_BASE64: Final = pattern(rb"[^A-Za-z0-9+/=]")


@dataclass
class _Part:
    """A part: where its bytes begin and end, and what its headers say."""

    ordinal: int
    start: int
    headers: Message
    end: int = 0
    boundaries: list[bytes] = field(default_factory=list)


def members(file: Bytes) -> Iterator[Member]:
    """Yield the members."""
    if not _is_text(file):
        yield from _members(file)


def _is_text(file: Bytes) -> bool:
    """Say whether nothing in the headers of a message begins with `content-`: then it is one readable text (law 2).

    To see that takes a tenth of the time of reading headers. False where they do not end soon, too.
    """
    head = file.read_at(0, _SOON)
    end = _END_OF_HEADERS.search(head)
    return end is not None and b"content-" not in head[: end.start()].lower()


def _members(file: Bytes) -> Iterator[Member]:
    for part in _parts(file):
        kind = part.headers.get_content_type()
        encoding = str(part.headers.get("content-transfer-encoding", "")).strip().lower()
        name = _name(part.headers)
        body = kind in _READABLE and encoding != "base64"
        if kind.startswith("multipart/") or (not name and (body or part.end <= part.start)):
            continue
        is_mail = kind == "message/rfc822" and encoding in _AS_IS
        decode = _DECODERS.get(encoding)
        yield Member(
            ordinal=part.ordinal,
            name=name,
            blocks=_reader(file, part, decode or _as_is),
            kind="message" if is_mail else "inner",
            problem=None if decode else Problem("unsupported", f"the encoding {encoding[:40]!r} cannot be undone here"),
        )


def header_block(lines: Lines) -> Message:
    """Take header lines up to the empty line behind them, and read them."""
    block = bytearray()
    while (line := lines.take()) and line.strip(b"\r\n"):
        if len(block) < _MOST_HEADERS:
            block += line
    from email.parser import BytesHeaderParser  # noqa: PLC0415 - most runs read no mail

    return BytesHeaderParser().parsebytes(bytes(block))


# Structure


def _parts(file: Bytes) -> Iterator[_Part]:
    """Yield every part when its end is found; what is open at the end of the file ends there."""
    lines = Lines(file)
    outermost = _part(lines, 0)
    stack = [outermost]
    count = 1
    if not outermost.boundaries:
        outermost.end = file.size
        yield outermost
        return
    while line := lines.take():
        level = _boundary(stack, line)
        if level is None:
            continue
        place, closing = level
        for part in reversed(stack[place + 1 :]):
            part.end = max(part.start, lines.before(lines.offset_of_last))
            yield part
        del stack[place + 1 :]
        if not closing and len(stack) <= _DEEPEST:
            digest = stack[-1].headers.get_content_type() == "multipart/digest"
            stack.append(_part(lines, count, "message/rfc822" if digest else "text/plain"))
            count += 1
    for part in reversed(stack[1:]):
        part.end = file.size
        yield part


def _part(lines: Lines, ordinal: int, default: str = "text/plain") -> _Part:
    headers = header_block(lines)
    headers.set_default_type(default)
    part = _Part(ordinal, lines.offset, headers)
    if headers.get_content_maintype() == "multipart" and (boundary := _boundary_of(headers)):
        part.boundaries = [b"--" + boundary]
    return part


def _boundary_of(headers: Message) -> bytes:
    """Return what stands between the parts; empty where nobody can tell."""
    try:
        return (headers.get_boundary() or "").encode("utf-8", "surrogateescape")
    except (ValueError, LookupError):  # the header parser believes whatever code the parameter says it is in
        return b""


def _boundary(stack: list[_Part], line: bytes) -> tuple[int, bool] | None:
    """Return whose boundary a line is, by its place in the stack, and whether it is the last one."""
    if not line.startswith(b"--"):
        return None
    text = line.rstrip(b" \t\r\n")
    for place in range(len(stack) - 1, -1, -1):
        for boundary in stack[place].boundaries:
            if text in (boundary, boundary + b"--"):
                return place, text != boundary
    return None


def _name(headers: Message) -> bytes:
    """Return a part's file name, its encoded words decoded; empty where it has none."""
    from email.errors import HeaderParseError  # noqa: PLC0415 - as above
    from email.header import decode_header  # noqa: PLC0415 - as above

    try:
        found = headers.get_filename()
        if found is None:
            return b""
        return b"".join(_word(text, charset) for text, charset in decode_header(found))
    except (ValueError, LookupError, HeaderParseError):  # the header parser gives up on some of these
        return b"?"


def _word(text: bytes | str, charset: str | None) -> bytes:
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    try:
        return text.decode(charset or "utf-8").encode()
    except (LookupError, UnicodeError):
        return text


# Bytes


def _reader(
    file: Bytes, part: _Part, decode: Callable[[Iterator[bytes]], Iterator[bytes]]
) -> Callable[[], Iterator[bytes]]:
    return lambda: decode(span(file, part.start, part.end - part.start))


def _as_is(raw: Iterator[bytes]) -> Iterator[bytes]:
    return raw


def _base64(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decode as mail readers do: what is no letter of the alphabet is passed over, padding ends a run of letters."""
    left = b""
    for piece in raw:
        *ended, left = re.split(rb"=+", left + _NOT_BASE64.sub(b"", piece))
        for letters in ended:
            yield _letters(letters)
        whole = len(left) - len(left) % 4
        yield base64.b64decode(left[:whole])
        left = left[whole:]
    yield _letters(left)


def _letters(letters: bytes) -> bytes:
    """Decode a run of letters that padding or the end closes."""
    if len(letters) % 4 == 1:
        raise StoppedError("corrupt", f"expected base64 in groups of four letters, found {len(letters)} letters")
    return base64.b64decode(letters + b"=" * (-len(letters) % 4))


def _quoted(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decode line by line; of a line that is longer than any mail may have, piece by piece."""
    left = b""
    for piece in raw:
        whole, ended, left = (left + piece).rpartition(b"\n")
        if not ended and len(left) > STEP:
            whole, left = left[:-2], left[-2:]  # never between the letters of one `=XX`
        yield quopri.decodestring(whole + ended)
    yield quopri.decodestring(left)


def _uu(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decode the lines between `begin` and `end`."""
    left, begun = b"", False
    for piece in raw:
        *whole, left = (left + piece).split(b"\n")
        for line in whole:
            if begun and line.strip() == b"end":
                return
            if begun:
                yield _uu_line(line.rstrip(b"\r"))
            begun = begun or line.startswith(b"begin ")
    raise StoppedError("truncated", "expected the end of a uuencoded file, found the end of its part")


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error as error:
        raise StoppedError("corrupt", f"expected a uuencoded line, found {line[:20]!r}: {error}") from error


_DECODERS: Final[dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]]] = {
    **dict.fromkeys(_AS_IS, _as_is),
    "base64": _base64,
    "quoted-printable": _quoted,
    **dict.fromkeys(("x-uuencode", "uuencode", "x-uue"), _uu),
}
