"""The keys of a Parquet footer's metadata as they stand there: of a key that is there twice Arrow shows one value.

Only a footer that has the bytes of a key twice, be it in the name of a file among its statistics, is read member by
member. It is that of a file which Arrow has opened: well-formed, and not nested without end. What Arrow may read in
another way than it is read here is refused, so that no key is hidden behind it: a type that Parquet has no use for, a
list whose elements are of another type than they should be (Arrow does not ask), a number that a member cannot have.

>>> key_twice(footer_of(stream), ["archiver.salt"]) is None
True
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

from archiver.judge.batch_error import BatchError

__all__ = ["check_once", "footer_of", "key_twice"]

_TAIL: Final = struct.Struct("<I4s")  # the length of the footer, and the magic number
_METADATA, _KEY = 5, 1  # of FileMetaData and of KeyValue in parquet.thrift
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_ELEMENTS: Final[dict[tuple[int, ...], int]] = {
    **dict.fromkeys([(2,), (4,), (5,), (7,), (4, 1), (4, 4), (4, 1, 3, 8), (4, 1, 3, 13)], _STRUCT),
    **dict.fromkeys([(4, 1, 3, 3), (4, 1, 8, 2, 1)], _BINARY),
    **dict.fromkeys([(4, 1, 3, 2), (4, 1, 3, 17, 2)], _I32),
    **dict.fromkeys([(4, 1, 3, 16, 2), (4, 1, 3, 16, 3)], _I64),
}
"""What the lists of parquet.thrift are of, by the numbers of the members that lead there from FileMetaData."""
_LAST_NUMBER: Final = (1 << 15) - 1
_Member = tuple[int, int, Any]  # its number, its type, and its value


def check_once(stream: BinaryIO, keys: Sequence[str]) -> None:
    """Refuse a file with one of these keys twice: one reader takes the first, and another may take the last."""
    twice = key_twice(footer_of(stream), keys)
    if twice is not None:
        raise BatchError("record-schema", "each key of the metadata once", f"{twice} more than once")


def footer_of(stream: BinaryIO) -> bytes:
    """Return the footer of a Parquet file."""
    end = stream.seek(-_TAIL.size, 2)
    length, _ = _TAIL.unpack(stream.read(_TAIL.size))
    stream.seek(end - length)
    return stream.read(length)


def key_twice(footer: bytes, keys: Sequence[str]) -> str | None:
    """Return the first of some keys that the metadata has more than once, None when it has none of them so."""
    if not _may_be_twice(footer, keys):
        return None
    try:
        entries = [entry for entries in _of(_Compact(footer).struct(), _METADATA, _LIST) for entry in entries]
    except IndexError as problem:
        raise ValueError("footer: it ends within a member") from problem
    found = Counter(name for entry in entries if isinstance(entry, list) for name in _of(entry, _KEY, _BINARY))
    return next((key for key in keys if found[key.encode()] > 1), None)


def _may_be_twice(footer: bytes, keys: Sequence[str]) -> bool:
    """Say whether the bytes of a key are there twice, not counting those that begin a longer key."""
    for key in sorted(map(str.encode, keys), key=len, reverse=True):
        if footer.count(key) > 1:
            return True
        footer = footer.replace(key, b"\0")
    return False


def _of(members: list[_Member], number: int, kind: int) -> list[Any]:
    return [value for found, is_of, value in members if (found, is_of) == (number, kind)]


class _Compact:
    """Thrift's compact protocol; a struct is a list of its members."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def struct(self, path: tuple[int, ...] = ()) -> list[_Member]:
        found = list[_Member]()
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._signed()
            if not 0 <= number <= _LAST_NUMBER:
                raise ValueError(f"footer: a member of number {number}")
            kind = head & 15
            is_bool = kind in (_TRUE, _FALSE)
            found.append((number, kind, kind == _TRUE if is_bool else self._value(kind, (*path, number))))
        return found

    def _value(self, kind: int, path: tuple[int, ...]) -> Any:
        if kind in (_TRUE, _FALSE, _BYTE):  # of a list; a member of a struct is true or false by its type
            return self._byte()
        if kind in (_I16, _I32, _I64):
            return self._number()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._number())
        if kind in (_LIST, _SET):
            return self._list(path)
        if kind == _MAP:
            count = self._number()
            kinds = self._byte() if count else 0
            return [(self._value(kinds >> 4, path), self._value(kinds & 15, path)) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct(path)
        raise ValueError(f"footer: a member of type {kind}")

    def _list(self, path: tuple[int, ...]) -> list[Any]:
        head = self._byte()
        kind = head & 15
        if _ELEMENTS.get(path, kind) != kind:
            raise ValueError(f"footer: a list of type {kind} as member {path[-1]}")
        count = head >> 4 if head >> 4 != 15 else self._number()  # noqa: PLR2004 - a nibble of ones: it follows
        return [self._value(kind, path) for _ in range(count)]

    def _number(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the last one has no continuation bit
                return found
            shift += 7

    def _signed(self) -> int:
        found = self._number()
        return (found >> 1) ^ -(found & 1)

    def _byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1]

    def _bytes(self, count: int) -> bytes:
        self._place += count
        if self._place > len(self._data):
            raise IndexError
        return self._data[self._place - count : self._place]
