"""The leaf hash of a record, and the salts that keep its neighbours private (FORMAT.md, Leaf).

    leaf   = SHA-256( 0x00 || SHA-256(item) || u64be offset || u64be length || salt_r || SHA-256(raw) )
    salt_r = bytes 16r .. 16r+15 of SHAKE-256(salt), r the row's number in the batch

Because the leaf holds raw's own hash, bytes can be withheld later and the proof still holds. Because of the salt, a
proof of one record says nothing about the next.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import accumulate, chain, pairwise, repeat
from typing import Final

__all__ = [
    "DOCUMENT_ROW",
    "LOG_ROW",
    "SALT_BYTES",
    "Salts",
    "is_continued",
    "item_digest",
    "leaf",
    "leaf_of_digest",
    "leaves_of_digests",
    "leaves_of_one_item",
    "row_digests",
]

DOCUMENT_ROW: Final = 8_388_608
LOG_ROW: Final = 67_108_864
SALT_BYTES: Final = 32
_ROW_SALT: Final = 16
_FIRST_ROWS: Final = 1024
_MOST_AT_ONCE: Final = 1 << 20  # 16 MiB
_HASHED: Final = struct.Struct(">c32sQQ16s32s")  # what is hashed into a leaf: 97 bytes
_OF_ROW: Final = 8  # words of 64 bits, in which rows of one item differ: offset, length, two of salt, four of digest


class Salts:
    """Row salts of one batch; SHAKE-256 is extended by doubling, so reading rows in order costs linear time."""

    def __init__(self, salt: bytes, rows: int = 0) -> None:
        """Keep the 32 random bytes of the batch; of so many rows all salts are computed at once, if they are few."""
        if len(salt) != SALT_BYTES:
            raise ValueError(f"salt: expected {SALT_BYTES} bytes, found {len(salt)}")
        self._shake = hashlib.shake_256(salt)
        self._stream = b""
        self._at_once = max(_FIRST_ROWS, min(rows, _MOST_AT_ONCE))

    def row(self, number: int) -> bytes:
        """Return the 16 bytes of row `number`."""
        start = number * _ROW_SALT
        self._reach(number + 1)
        return self._stream[start : start + _ROW_SALT]

    def rows(self, first: int, count: int) -> Iterable[bytes]:
        """Return the 16 bytes of each of `count` rows from `first` on."""
        return chain.from_iterable(struct.iter_unpack(f"{_ROW_SALT}s", self.joined(first, count)))

    def joined(self, first: int, count: int) -> memoryview:
        """Return the same behind one another."""
        self._reach(first + count)
        return memoryview(self._stream)[first * _ROW_SALT : (first + count) * _ROW_SALT]

    def _reach(self, rows: int) -> None:
        if rows * _ROW_SALT > len(self._stream):
            wanted = self._at_once if rows <= self._at_once else 2 * rows
            self._stream = self._shake.digest(wanted * _ROW_SALT)


def item_digest(item_text: str) -> bytes:
    """Return SHA-256 of an item text."""
    return hashlib.sha256(item_text.encode()).digest()


def row_digests(data: bytes, lengths: Iterable[int]) -> list[bytes]:
    """Return SHA-256 of each of the rows of these lengths that lie in some bytes one behind the other."""
    with memoryview(data) as view:
        return [sha256(view[begin:end]).digest() for begin, end in pairwise(accumulate(lengths, initial=0))]


def leaf_of_digest(item: bytes, offset: int, length: int, row_salt: bytes, raw_sha256: bytes) -> bytes:
    """Return the leaf hash from the digests of item and raw, so also of a row whose bytes are withheld."""
    return hashlib.sha256(
        b"\x00" + item + offset.to_bytes(8, "big") + length.to_bytes(8, "big") + row_salt + raw_sha256
    ).digest()


def leaves_of_digests(
    items: Iterable[bytes],
    offsets: Sequence[int],
    lengths: Sequence[int],
    salts: Iterable[bytes],
    raws: Sequence[bytes],
) -> list[bytes]:
    """Return the leaf hashes of many rows, as `leaf_of_digest` gives them one by one; half the time of that.

    Digests are of 32 bytes and salts of 16: others would be cut or filled up here.
    """
    hashed = map(_HASHED.pack, repeat(b"\x00"), items, offsets, lengths, salts, raws)
    leaves = [sha256(one).digest() for one in hashed]
    if len(leaves) != len(raws):
        raise ValueError(f"leaves: expected of {len(raws)} rows, found of {len(leaves)}")
    return leaves


def leaves_of_one_item(
    item: bytes, offsets: Sequence[int], lengths: Sequence[int], salts: bytes | memoryview, raws: Sequence[bytes]
) -> list[bytes]:
    """Return what `leaves_of_digests` would for rows of one item, as those of a log: a quarter less time.

    What differs is put together in columns, and what does not is hashed once. `salts` are behind one another.
    """
    count, digests = len(raws), b"".join(raws)
    if not len(offsets) == len(lengths) == len(digests) / 32 == len(salts) / _ROW_SALT == count:
        raise ValueError(f"leaves: expected offsets, lengths, salts and digests of {count} rows, found others")
    numbers = struct.Struct(f">{count}Q")
    rows, place = array("Q", bytes(8 * _OF_ROW * count)), 0
    for column, wide in ((numbers.pack(*offsets), 1), (numbers.pack(*lengths), 1), (salts, 2), (digests, 4)):
        words = array("Q")
        words.frombytes(column)
        for number in range(wide):
            rows[place + number :: _OF_ROW] = words[number::wide]
        place += wide
    begun, leaves = sha256(b"\x00" + item).copy, list[bytes]()
    for (row,) in struct.iter_unpack(f"{8 * _OF_ROW}s", rows):
        hashed = begun()
        hashed.update(row)
        leaves.append(hashed.digest())
    return leaves


def leaf(item: bytes, offset: int, row_salt: bytes, raw: bytes) -> bytes:
    """Return the leaf hash of a record; `item` is the digest of its item text."""
    return leaf_of_digest(item, offset, len(raw), row_salt, hashlib.sha256(raw).digest())


def is_continued(length: int, table: str) -> bool:
    """Say whether a row of this length is continued by its item's next row (rows of exactly the cutting length are)."""
    return length == (DOCUMENT_ROW if table == "documents" else LOG_ROW)
