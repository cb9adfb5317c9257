"""Reading one version to its end, also over a bad line.

Laws: all bytes come from one version with one ETag; a stream that breaks off is taken up again where it ended, a few
times; bytes that are missing at the end are an error, never a short object.

>>> io.BufferedReader(ObjectStream(open_at, subject, sleep=time.sleep)).read()
b'...'
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import FlexibleChecksumError

from archiver.errors import WorldError
from archiver.s3.errors import REFUSALS, Subject, no_store, s3_error

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

__all__ = ["ObjectStream", "OpenAt"]

_PAUSES: Final = (0.5, 1.0, 2.0)  # between attempts to take a broken stream up again


class OpenAt(Protocol):
    """Opens the object from an offset on; `version` and `etag` pin what was opened first."""

    def __call__(self, offset: int, *, version: str | None, etag: str | None) -> GetObjectOutputTypeDef:
        """Send the request."""
        ...


class ObjectStream(io.RawIOBase):
    """The bytes of one version, forward only."""

    def __init__(self, open_at: OpenAt, subject: Subject, *, sleep: Callable[[float], None]) -> None:
        """Send the first request; what the store refuses is raised here."""
        super().__init__()
        self._open_at, self._subject, self._sleep = open_at, subject, sleep
        first = open_at(0, version=None, etag=None)
        self._body = first["Body"]
        if first.get("ContentLength") is None:  # then nobody could tell the end of the object from a cut
            self._body.close()
            raise no_store(subject, "a size")
        self._version, self._etag, self._size = first.get("VersionId"), first.get("ETag"), first["ContentLength"]
        self.size = self._size
        self._offset = 0
        self._unbroken = True
        self._pauses = iter(_PAUSES)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read some bytes; 0 at the end."""
        while True:
            wanted = min(len(buffer), self._size - self._offset)
            if wanted == 0:
                return 0
            try:
                block = self._body.read(wanted)
            except REFUSALS as error:
                self._take_up(s3_error(error, self._subject))
                continue
            if block:
                buffer[: len(block)] = block
                self._offset += len(block)
                return len(block)
            self._take_up(
                WorldError("store-unreachable", f"{self._subject}: ended at {self._offset} of {self._size} bytes")
            )

    def finish(self) -> None:
        """Compare what was read to its end with the checksum that the store gave, if it was asked for one.

        Raises `WorldError("store-checksum")`. A stream that was taken up again has none.
        """
        if self._unbroken and self._offset == self._size:
            try:
                self._body.read(1)
            except FlexibleChecksumError as error:
                raise WorldError("store-checksum", f"{self._subject}: {error}") from error
            except REFUSALS as error:
                raise s3_error(error, self._subject) from error

    def close(self) -> None:
        """Give the connection back."""
        if not self.closed:
            self._body.close()
        super().close()

    def _take_up(self, error: WorldError) -> None:
        pause = next(self._pauses, None)
        if pause is None:
            raise error
        self._body.close()
        self._unbroken = False
        self._sleep(pause)
        self._body = self._open_at(self._offset, version=self._version, etag=self._etag)["Body"]
