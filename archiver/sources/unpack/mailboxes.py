r"""What is in an mbox file: messages, each its exact bytes.

The laws:

1. A message begins behind a line `From <sender> <date>` at the beginning of the file or behind an empty line, and ends
   before the empty line that stands in front of the next one, or at the end of the file.
2. Where a message states its Content-Length, and a `From ` line or the end of the file stands where it leads to, the
   body ends there, whatever lines begin with `From ` inside it (the mboxcl variants).
3. `>From ` stays as it is: which writer quoted, and how, cannot be told from the file.
4. A member's name is its Message-ID, empty where it has none.

>>> [member.name for member in members(Piece(mailbox))]
[b'1234@example.com', b'']
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from archiver.late import pattern
from archiver.sources.unpack.base import Bytes, Member, span
from archiver.sources.unpack.lines import Lines
from archiver.sources.unpack.mails import header_block

__all__ = ["members", "sniffed"]

_FROM: Final = rb"From [^\r\n]{0,400}?[ 0-9:]{8}[^\r\n]{0,80}?[0-9]{4}"
_FIRST: Final = pattern(_FROM)
_NEXT: Final = pattern(rb"\n(\r?\n)(?=" + _FROM + rb")")
_BLOCK: Final = 1 << 20
_LONGEST: Final = 512
"""So many bytes on, the regular expression above has seen what it wants to see."""


def sniffed(head: bytes) -> bool:
    """Say whether a file that begins so is mbox."""
    return _FIRST.match(head) is not None


def members(file: Bytes) -> Iterator[Member]:
    """Yield the messages."""
    place, ordinal = 0, 0
    while place < file.size:
        lines = Lines(file, place)
        lines.take()
        start = lines.offset
        headers = header_block(lines)
        end, place = _end(file, lines.offset, _stated(headers.get("content-length")))
        name = str(headers.get("message-id", "")).strip().strip("<>").encode("utf-8", "surrogateescape")
        yield Member(
            ordinal=ordinal,
            name=name[:998],  # no line of a mail is longer, RFC 5322, 2.1.1
            blocks=partial(span, file, start, max(end, lines.offset) - start),
            size=max(end, lines.offset) - start,
            kind="message",
        )
        ordinal += 1


def _stated(text: object) -> int | None:
    words = str(text).strip()
    return int(words) if words.isascii() and words.isdigit() and len(words) < 16 else None  # noqa: PLR2004 - below 2^53


def _end(file: Bytes, body: int, stated: int | None) -> tuple[int, int]:
    """Return where a message ends, and where the next one's `From ` line begins."""
    if stated is not None and body + stated <= file.size:
        behind = file.read_at(body + stated, _LONGEST)
        rest = behind.lstrip(b"\r\n")
        if (not rest and len(behind) < _LONGEST) or (len(behind) - len(rest) <= len(b"\r\n") and sniffed(rest)):
            return body + stated, body + stated + len(behind) - len(rest)
    place = max(0, body - 2)  # a mail without a body: the empty line behind its headers is in front of the next
    while place < file.size:
        block = file.read_at(place, _BLOCK + _LONGEST)
        found = _NEXT.search(block)
        if found is not None:
            return place + found.start(1), place + found.end(1)
        place += _BLOCK
    return _without_last_empty_line(file), file.size


def _without_last_empty_line(file: Bytes) -> int:
    tail = file.read_at(max(0, file.size - 4), 4)
    for empty in (b"\n\r\n", b"\n\n"):
        if tail.endswith(empty):
            return file.size - len(empty) + 1
    return file.size
