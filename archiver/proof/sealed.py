"""Sealed objects: the bytes of rows that a batch withholds, encrypted with AES-256-GCM (FORMAT.md, Sealed objects).

    object  = "archiver-sealed-v1" LF, u32be(length of header), header, rows, end
    header  = canonical JSON: format, archive_id, batch, keys [{matter, recipient, ephemeral, wrapped}],
              or of other means than X25519 [{matter, recipient, means, key, encrypted, wrapped}]
    row     = u64be(record), u64be(length), chunks of 1 MiB of plaintext and a shorter last one, each with its tag
    end     = the tag of an empty chunk that binds how many rows there are

Laws: a data key encrypts one object; a nonce is the row's number and the chunk's, both of which count up, so none can
repeat. Every chunk is bound to the header, the item, the row, its length, its own number and whether it is the last, so
nothing can be cut, exchanged, repeated or put in another order. Nothing is given out before its tag was checked.

>>> with path.open("wb") as sink:
...     sealing = Sealing(sink, header, data_key)
...     sealing.row(0, item_digest, raw)
...     sealing.end()
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.proof import b64, canonical
from archiver.proof.digest import is_sha256_hex
from archiver.proof.wrapping import WRAPPED, X25519, WrappedKey

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["CHUNK", "FORMAT", "Header", "KeyFor", "Sealing", "Unsealing", "frames", "read_header"]

MAGIC: Final = b"archiver-sealed-v1\n"
FORMAT: Final = "urn:archiver:sealed:v1"
CHUNK: Final = 1 << 20
MAX_HEADER: Final = 65_535  # some hundred recipients
MAX_ROW: Final = 1 << 32  # a batch has at most 4 GiB of raw
_TAG: Final = 16
_X25519: Final = 32
_END: Final = (1 << 64) - 1
_NOBODY: Final = bytes(32)
_MEMBERS: Final = {"ephemeral", "matter", "recipient", "wrapped"}
_BY_OTHER_MEANS: Final = {"encrypted", "key", "matter", "means", "recipient", "wrapped"}
_MEANS: Final = pattern("[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class KeyFor:
    """The data key, wrapped for the recipient of one matter; `recipient` is the id of their public key."""

    matter: str
    recipient: str
    key: WrappedKey


@dataclass(frozen=True)
class Header:
    """What a sealed object is of, and for whom."""

    archive_id: str
    batch: str
    keys: tuple[KeyFor, ...]

    def encode(self) -> bytes:
        """Return the bytes before the rows."""
        keys: list[canonical.JSON] = [_words(one) for one in self.keys]
        words = canonical.encode({"archive_id": self.archive_id, "batch": self.batch, "format": FORMAT, "keys": keys})
        return MAGIC + len(words).to_bytes(4, "big") + words


class Sealing:
    """Writes one sealed object, its rows in ascending order."""

    def __init__(self, sink: SupportsWrite[bytes], header: Header, data_key: bytes) -> None:
        """Write the header; the data key must never have been used before."""
        head = header.encode()
        sink.write(head)
        self._sink = sink
        self._header = sha256(head).digest()
        self._cipher = AESGCM(data_key)
        self._last = -1
        self.rows = 0
        self.raw_bytes = 0

    def row(self, record: int, item: bytes, raw: bytes) -> None:
        """Write a row; `item` is the SHA-256 of its item text."""
        if record <= self._last:
            raise ValueError(f"sealed rows: expected one behind {self._last}, found {record}")  # a nonce would repeat
        self._last = record
        self._sink.write(record.to_bytes(8, "big") + len(raw).to_bytes(8, "big"))
        view, count = memoryview(raw), _chunks(len(raw))
        for number in range(count):
            bound = _bound(self._header, item, (record, len(raw)), number, last=number == count - 1)
            chunk = view[number * CHUNK : (number + 1) * CHUNK]
            self._sink.write(self._cipher.encrypt(_nonce(record, number), chunk, bound))
        self.rows += 1
        self.raw_bytes += len(raw)

    def end(self) -> None:
        """Write the end, which binds the number of rows."""
        bound = _bound(self._header, _NOBODY, (_END, self.rows), 0, last=True)
        self._sink.write(self._cipher.encrypt(_nonce(_END, 0), b"", bound))


def read_header(stream: BinaryIO) -> Header:
    """Read what stands before the rows; raises `EvidenceError("sealed-malformed")`."""
    head = stream.read(len(MAGIC) + 4)
    length = int.from_bytes(head[len(MAGIC) :], "big")
    if head[: len(MAGIC)] != MAGIC or len(head) != len(MAGIC) + 4 or length > MAX_HEADER:
        raise _malformed("a sealed object", "other bytes")
    value = canonical.decode(stream.read(length), limit=MAX_HEADER)
    if not isinstance(value, dict) or value.keys() != {"archive_id", "batch", "format", "keys"}:
        raise _malformed("a header as published", "other members")
    archive_id, batch, keys = value["archive_id"], value["batch"], value["keys"]
    if value["format"] != FORMAT or not isinstance(archive_id, str) or not isinstance(batch, str):
        raise _malformed("a header as published", "other members")
    if not isinstance(keys, list) or not keys:
        raise _malformed("one wrapped key or more", "none")
    return Header(archive_id, batch, tuple(map(_key_for, keys)))


class Unsealing:
    """Reads the rows of one sealed object, in their order, behind its header.

    Raises `EvidenceError("sealed-differs")` for a chunk that is not as it was sealed, `sealed-malformed` for an object
    that has no such form. Who does not ask for the end has not seen whether anything was cut off.
    """

    def __init__(self, stream: BinaryIO, header: Header, data_key: bytes) -> None:
        """Begin behind the header."""
        self._stream = stream
        self._header = sha256(header.encode()).digest()
        self._cipher = AESGCM(data_key)
        self._last = -1
        self._count = 0

    def row(self, item: bytes) -> tuple[int, bytes]:
        """Return number and bytes of the next row, which must be one of the item whose text has this SHA-256."""
        record, length = _begin(self._stream)
        if record <= self._last:
            raise _malformed(f"a row behind record {self._last}", f"record {record}")
        self._last = record
        count, raw = _chunks(length), bytearray()
        for number in range(count):
            sealed = _exactly(self._stream, min(CHUNK, length - number * CHUNK) + _TAG)
            bound = _bound(self._header, item, (record, length), number, last=number == count - 1)
            raw += self._open(_nonce(record, number), sealed, bound, f"chunk {number} of record {record}")
        self._count += 1
        return record, bytes(raw)

    def end(self) -> None:
        """Check that this was the last row, and that nothing follows."""
        bound = _bound(self._header, _NOBODY, (_END, self._count), 0, last=True)
        self._open(_nonce(_END, 0), _exactly(self._stream, _TAG), bound, f"the end behind {self._count} rows")
        if self._stream.read(1):
            raise _malformed("nothing behind the end", "more bytes")

    def _open(self, nonce: bytes, sealed: bytes, bound: bytes, what: str) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, bound)
        except InvalidTag as problem:
            raise EvidenceError(
                "sealed-differs", f"sealed object: expected {what} as it was sealed, found other bytes"
            ) from problem


def frames(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield number and length of each row behind the header, without a key: what is in them is not looked at.

    Raises `EvidenceError("sealed-malformed")` for an object that has no such form.
    """
    at = stream.tell()
    after = stream.seek(0, os.SEEK_END) - _TAG
    while at < after:
        stream.seek(at)
        record, length = _begin(stream)
        at += 16 + length + _chunks(length) * _TAG
        yield record, length
    if at != after:
        raise _malformed("an end of 16 bytes behind the last row", "another length")


def _begin(stream: BinaryIO) -> tuple[int, int]:
    record, length = (int.from_bytes(_exactly(stream, 8), "big") for _ in range(2))
    if length > MAX_ROW:
        raise _malformed(f"a row of at most {MAX_ROW} bytes", f"one of {length}")
    return record, length


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) != count:
        raise _malformed(f"{count} more bytes", f"{len(found)}")
    return found


def _chunks(length: int) -> int:
    return max(1, -(-length // CHUNK))


def _nonce(record: int, chunk: int) -> bytes:
    return record.to_bytes(8, "big") + chunk.to_bytes(4, "big")


def _bound(header: bytes, item: bytes, row: tuple[int, int], chunk: int, *, last: bool) -> bytes:
    record, length = row
    numbers = record.to_bytes(8, "big") + length.to_bytes(8, "big") + chunk.to_bytes(4, "big")
    return header + item + numbers + bytes([last])


def _words(one: KeyFor) -> canonical.JSON:
    share, wrapped = b64.encode(one.key.share), b64.encode(one.key.wrapped)
    words: dict[str, canonical.JSON] = {"matter": one.matter, "recipient": one.recipient, "wrapped": wrapped}
    if one.key.means == X25519:
        return words | {"ephemeral": share}
    return words | {"encrypted": share, "key": one.key.place, "means": one.key.means}


def _key_for(value: canonical.JSON) -> KeyFor:
    members = value.keys() if isinstance(value, dict) else set()
    if not isinstance(value, dict) or members not in (_MEMBERS, _BY_OTHER_MEANS):
        raise _malformed("a wrapped key as published", "other members")
    matter, recipient = value["matter"], value["recipient"]
    if not isinstance(matter, str) or not is_sha256_hex(recipient):
        raise _malformed("a matter and the id of a recipient", "something else")
    wrapped = _bytes(value["wrapped"], WRAPPED)
    if members == _MEMBERS:
        return KeyFor(matter, str(recipient), WrappedKey(_bytes(value["ephemeral"], _X25519), wrapped))
    means, place = value["means"], value["key"]
    # Means that are not known here are somebody else's business: there may be another recipient.
    if not isinstance(means, str) or _MEANS.fullmatch(means) is None or means == X25519:
        raise _malformed("the name of means", "something else")
    if place is not None and not isinstance(place, str):
        raise _malformed("where a key lies", "something else")
    return KeyFor(matter, str(recipient), WrappedKey(_bytes(value["encrypted"]), wrapped, means, place))


def _bytes(value: canonical.JSON, length: int | None = None) -> bytes:
    try:
        data = b64.decode(value) if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if not data or length not in (None, len(data)):
        raise _malformed(f"{length or 'some'} bytes in base64", "something else")
    return data


def _malformed(expected: str, found: str) -> EvidenceError:
    return EvidenceError("sealed-malformed", f"sealed object: expected {expected}, found {found}")
