r"""Bytes line by line, a line being what ends with 0A, without ever holding a long one.

>>> lines = Lines(Piece(b"one\r\ntwo"))
>>> lines.take(), lines.offset, lines.take(), lines.take()
(b'one\r\n', 5, b'two', b'')
"""

from __future__ import annotations

from typing import Final

from archiver.sources.unpack.base import Bytes

__all__ = ["LONGEST", "Lines"]

LONGEST: Final = 65_536
"""So many first bytes of a line are shown."""
_BLOCK: Final = 1 << 18


class Lines:
    """Lines of a file, from an offset on."""

    def __init__(self, file: Bytes, offset: int = 0) -> None:
        """Begin at an offset; nothing is read yet."""
        self._file = file
        self._buffer = b""
        self._begin = offset
        self.offset = offset
        self.offset_of_last = offset
        """Where the line began that was taken last."""

    def take(self) -> bytes:
        """Return the next line, its end included, and of a long one the beginning; nothing at the end."""
        self.offset_of_last = self.offset
        end = self._end()
        line = self._piece(self.offset, min(end - self.offset, LONGEST))
        self.offset = end
        return line

    def before(self, offset: int) -> int:
        """Return where the line break before an offset begins: it belongs to the boundary that stands there."""
        ends = self._file.read_at(max(0, offset - 2), min(2, offset))
        return offset - (2 if ends == b"\r\n" else 1 if ends.endswith(b"\n") else 0)

    def _end(self) -> int:
        """Return the offset behind the next line break, or of the end."""
        place = self.offset
        while True:
            if not self._begin <= place < self._begin + len(self._buffer):
                self._begin, self._buffer = place, self._file.read_at(place, _BLOCK)
            found = self._buffer.find(b"\n", place - self._begin)
            if found >= 0:
                return self._begin + found + 1
            place = self._begin + len(self._buffer)
            if not self._buffer or place >= self._file.size:
                return place

    def _piece(self, offset: int, size: int) -> bytes:
        start = offset - self._begin
        if start >= 0 and start + size <= len(self._buffer):
            return self._buffer[start : start + size]
        return self._file.read_at(offset, size)
