"""What is in a message that Outlook saved (.msg, MS-OXMSG): headers, bodies and attachments, as the properties stand.

The laws:

1. A member is a property of the message: its transport headers, its body (text, HTML, compressed RTF), then the data of
   each attachment, in the order of their storages. Bytes are as they stand, text in UTF-16 where it stands so.
2. A message attached as a message has no bytes of its own and is `unsupported`; it is whole in its container.
3. A property of more than 256 MiB is `too-large`: the reader of OLE files holds one in memory.
4. Without `olefile` nothing is taken out, and one line says so.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from archiver.sources.base import Problem
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack.base import Bytes, Member, span

if TYPE_CHECKING:
    from olefile import OleFileIO

__all__ = ["is_message", "message_members", "sniffed"]

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STORE: Final = b"!BDN"
_MARK: Final = "__properties_version1.0".encode("utf-16-le")
_MOST: Final = 256 << 20
_OWN: Final = {"007D": b"headers", "1000": b"body.txt", "1013": b"body.html", "1009": b"body.rtf.lzfu"}
_ATTACHMENT: Final = "__attach_version1.0_#"
_PROPERTY: Final = "__substg1.0_"
_BROKEN: Final = (
    OSError,  # what olefile raises on purpose; the others are what hostile bytes make of it
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
)


def sniffed(head: bytes) -> str | None:
    """Return "msg" for any OLE file, of which `is_message` knows more, or "pst"."""
    if head.startswith(_OLE):
        return "msg"
    return "pst" if head.startswith(_STORE) else None


def is_message(file: Bytes) -> bool:
    """Say whether an OLE file has the properties of a message: Word and Excel have none."""
    end = b""
    for piece in span(file, 0, file.size):
        if _MARK in end + piece:
            return True
        end = piece[-len(_MARK) :]
    return False


def message_members(descriptor: int) -> Iterator[Member]:
    """Yield the members of the message that is open as `descriptor`."""
    try:
        from olefile import OleFileIO  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as problem:
        words = "needs the package olefile: pip install olefile, then snapshot --rehash"
        raise StoppedError("unsupported", words) from problem
    with os.fdopen(os.dup(descriptor), "rb") as file:
        try:
            ole = OleFileIO(file)
            found = list(_members(ole))
        except _BROKEN as problem:
            raise StoppedError("corrupt", f"expected an OLE file, found: {problem}") from problem
        yield from found


def _members(ole: OleFileIO) -> Iterator[Member]:
    names = [path for path in ole.listdir(streams=True, storages=True) if path]
    own = {path[0].removeprefix(_PROPERTY)[:4].upper(): path for path in names if path[0].startswith(_PROPERTY)}
    ordinal = 0
    for code, name in _OWN.items():
        if code in own:
            yield _member(ole, ordinal, name, own[code])
            ordinal += 1
    for storage in sorted({path[0] for path in names if path[0].startswith(_ATTACHMENT)}):
        yield _attachment(ole, ordinal, storage, {path[1] for path in names if path[0] == storage and len(path) > 1})
        ordinal += 1


def _attachment(ole: OleFileIO, ordinal: int, storage: str, properties: set[str]) -> Member:
    name = b""
    for code in ("3707001F", "3707001E", "3704001F", "3704001E"):
        if not name and _PROPERTY + code in properties:
            raw = bytes(ole.openstream([storage, _PROPERTY + code]).read(4096))
            name = raw.decode("utf-16-le", "replace").encode() if code.endswith("F") else raw
    name = name.rstrip(b"\0")
    if _PROPERTY + "37010102" in properties:
        return _member(ole, ordinal, name, [storage, _PROPERTY + "37010102"])
    problem = Problem("unsupported", "a message or object attached as such, whose parts are in the container")
    return Member(ordinal, name, lambda: (), problem=problem)


def _member(ole: OleFileIO, ordinal: int, name: bytes, path: list[str]) -> Member:
    size = int(ole.get_size(path))
    problem = Problem("too-large", f"expected at most {_MOST} bytes, found {size}") if size > _MOST else None
    return Member(ordinal, name, partial(_bytes, ole, path), size=size, problem=problem)


def _bytes(ole: OleFileIO, path: list[str]) -> Iterator[bytes]:
    try:
        data = bytes(ole.openstream(path).read())
    except _BROKEN as problem:
        raise StoppedError("corrupt", f"expected a stream, found: {problem}") from problem
    yield data
