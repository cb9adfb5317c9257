"""Reading one object from its first byte, or from another one, without asking twice for what is small.

The laws:

1. Every request is pinned by whoever makes it; a stream that breaks off is taken up again where it ended.
2. The first 4 MiB that went by are kept, so that a look at an object's first bytes costs no second request, and a small
   object is asked for once however often it is read.
3. What breaks off for good, or is not what the store's own checksum says, is a `ReadProblem`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from archiver.errors import WorldError, printable
from archiver.s3.errors import Subject
from archiver.s3.stream import ObjectStream
from archiver.sources.base import ObjectFacts, Problem, ReadProblem
from archiver.sources.rows import BLOCK

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

__all__ = ["ObjectReading"]

_KEPT: Final = 4 << 20


class ObjectReading:
    """An object, open. Whoever opens it sets `first` once the first answer is known."""

    first: ObjectFacts

    def __init__(
        self,
        request: Callable[[int], GetObjectOutputTypeDef],
        subject: Subject,
        *,
        sleep: Callable[[float], None],
    ) -> None:
        """Send the first request; what the store refuses is raised as the request raises it."""
        self._request, self._subject, self._sleep = request, subject, sleep
        self._kept = bytearray()
        self._at = 0
        self._stream_at = 0
        self._from_the_first = True
        self._stream = self._streaming(0)
        self.size = self._stream.size

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        kept = self._at < len(self._kept)
        data = bytes(self._kept[self._at : self._at + size]) if kept else self._fetch(size)
        self._at += len(data)
        return data

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield what is left, block by block."""
        while block := self.read(size):
            yield block

    def rewind(self, offset: int = 0) -> None:
        """Go to an offset; a request is sent when bytes are wanted from there that are not kept."""
        self._at = offset

    def stat_now(self) -> ObjectFacts:
        """Say again what is being read: it is pinned, so it is the same."""
        return self.first

    def close(self) -> None:
        """Give the connection back."""
        self._stream.close()

    def _fetch(self, size: int) -> bytes:
        with self._told():
            if self._at >= self.size:
                if self._from_the_first:
                    self._stream.finish()
                return b""
            if self._at != self._stream_at:
                self._stream.close()
                self._stream = self._streaming(self._at)
                self._stream_at, self._from_the_first = self._at, self._at == 0
            data = self._stream.read(size) or b""
        if len(self._kept) == self._stream_at < _KEPT:
            self._kept += data[: _KEPT - self._stream_at]
        self._stream_at += len(data)
        return data

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what broke off as a problem of this item: what is said of all others is found out by the next one."""
        try:
            yield
        except ReadProblem:
            raise
        except WorldError as problem:
            reason = "checksum-mismatch" if problem.code == "store-checksum" else "unreadable"
            raise ReadProblem(Problem(reason, f"{printable(self._subject.key)}: {problem.message}")) from problem

    def _streaming(self, start: int) -> ObjectStream:
        def open_at(offset: int, *, version: str | None, etag: str | None) -> GetObjectOutputTypeDef:  # noqa: ARG001 - pinned
            return self._request(start + offset)

        return ObjectStream(open_at, self._subject, sleep=self._sleep)
