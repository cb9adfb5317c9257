"""DER, as much of it as timestamps need: elements read strictly, a few written (X.690).

Laws: lengths are definite and as short as they can be, tags have one byte, nothing follows the last element; an element
keeps the bytes that it was read from, for what is signed is bytes. What is not so raises `EvidenceError("der")`.

>>> [integer(child) for child in read(bytes.fromhex("3006020101020102")).children()]
[1, 2]
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from archiver.errors import EvidenceError
from archiver.late import dataclass

__all__ = [
    "BIT_STRING",
    "BOOLEAN",
    "INTEGER",
    "NULL",
    "OCTETS",
    "OID",
    "SEQUENCE",
    "SET",
    "TIME",
    "UTF8",
    "Element",
    "context",
    "general_time",
    "integer",
    "oid",
    "read",
    "write",
    "write_integer",
    "write_oid",
]

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTETS: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
UTF8: Final = 0x0C
TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

_LONG_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4  # 4 GiB; whoever calls has a limit far below
_DIGITS: Final = 14  # YYYYMMDDHHMMSS


@dataclass(frozen=True)
class Element:
    """One element: its tag, its content, and the whole of its bytes."""

    tag: int
    body: bytes
    raw: bytes

    def children(self) -> list[Element]:
        """Return the elements that the content is made of."""
        if not self.tag & 0x20:
            raise _refuse("an element made of others", f"tag {self.tag:#04x}")
        found, rest = [], self.body
        while rest:
            one, rest = _first(rest)
            found.append(one)
        return found

    def expect(self, tag: int, what: str) -> Element:
        """Return this element when it has the tag; raise otherwise."""
        if self.tag != tag:
            raise _refuse(f"{what}, tag {tag:#04x}", f"tag {self.tag:#04x}")
        return self


def context(number: int, *, constructed: bool = True) -> int:
    """Return the tag of a context-specific element."""
    return (0xA0 if constructed else 0x80) | number


def read(data: bytes) -> Element:
    """Read exactly one element."""
    found, rest = _first(data)
    if rest:
        raise _refuse("nothing after the element", f"{len(rest)} bytes")
    return found


def integer(element: Element) -> int:
    """Read an INTEGER in its shortest form."""
    body = element.expect(INTEGER, "an integer").body
    if not body or (len(body) > 1 and (body[0], body[1] >> 7) in ((0x00, 0), (0xFF, 1))):
        raise _refuse("an integer in its shortest form", body[:8].hex() or "nothing")
    return int.from_bytes(body, "big", signed=True)


def oid(element: Element) -> str:
    """Read an OBJECT IDENTIFIER into its numbers with dots."""
    body = element.expect(OID, "an object identifier").body
    numbers, value, fresh = list[int](), 0, True
    for byte in body:
        if fresh and byte == _LONG_LENGTH:
            raise _refuse("an object identifier in its shortest form", body.hex())
        value, fresh = value << 7 | byte & 0x7F, byte < _LONG_LENGTH
        if fresh:
            numbers.append(value)
            value = 0
    if not numbers or not fresh:
        raise _refuse("a whole object identifier", body.hex() or "nothing")
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def general_time(element: Element) -> tuple[datetime, bool]:
    """Read a GeneralizedTime; return its whole second, and whether a fraction of one follows."""
    text = element.expect(TIME, "a time").body.decode("ascii", "replace")
    digits, dot, fraction = text.removesuffix("Z").partition(".")
    plain = text.endswith("Z") and len(digits) == _DIGITS and digits.isascii() and digits.isdigit()
    good_fraction = not dot or (fraction.isascii() and fraction.isdigit() and not fraction.endswith("0"))
    if plain and good_fraction:
        try:
            moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            rounded(moment, fraction=bool(dot))
        except (ValueError, OverflowError):
            pass  # such as the 30th of February, or what rounds up beyond the year 9999: refused below
        else:
            return moment, bool(dot)
    raise _refuse("a time YYYYMMDDHHMMSS[.fraction]Z", repr(text[:40]))


def rounded(moment: datetime, *, fraction: bool) -> datetime:
    """Round a time of `general_time` up to the next second where a fraction follows."""
    return moment + timedelta(seconds=1) if fraction else moment


def write(tag: int, *parts: bytes) -> bytes:
    """Write an element around the bytes of its parts."""
    body = b"".join(parts)
    length = len(body)
    if length < _LONG_LENGTH:
        return bytes((tag, length)) + body
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_LENGTH | len(size))) + size + body


def write_integer(value: int) -> bytes:
    """Write an INTEGER."""
    return write(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def write_oid(text: str) -> bytes:
    """Write an OBJECT IDENTIFIER from its numbers with dots."""
    first, second, *rest = (int(number) for number in text.split("."))
    return write(OID, *(_base128(number) for number in (40 * first + second, *rest)))


def _base128(number: int) -> bytes:
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(number & 0x7F | _LONG_LENGTH)
    return bytes(reversed(septets))


def _first(data: bytes) -> tuple[Element, bytes]:
    """Read the first element; return it and what follows."""
    if len(data) < 2 or data[0] & _LONG_TAG == _LONG_TAG:  # noqa: PLR2004 - a tag and a length
        raise _refuse("a tag of one byte and a length", data[:8].hex() or "nothing")
    length, start = data[1], 2
    if length >= _LONG_LENGTH:
        count = length - _LONG_LENGTH
        start += count
        length = int.from_bytes(data[2:start], "big")
        shortest = max(1, (length.bit_length() + 7) // 8)
        if not 1 <= count <= _MOST_LENGTH_BYTES or count != shortest or length < _LONG_LENGTH:
            raise _refuse("a definite length in its shortest form", data[:8].hex())
    end = start + length
    if end > len(data):
        raise _refuse(f"{length} bytes of content", f"{max(0, len(data) - start)}")
    return Element(data[0], data[start:end], data[:end]), data[end:]


def _refuse(expected: str, found: str) -> EvidenceError:
    return EvidenceError("der", f"DER: expected {expected}, found {found}")
