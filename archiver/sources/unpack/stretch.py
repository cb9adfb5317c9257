"""So many bytes of a container that is read front to back: what a member has in it, and nothing of the next one."""

from __future__ import annotations

from collections.abc import Iterator

from archiver.sources.compressed import FEED, Input, StoppedError

__all__ = ["Stretch"]


class Stretch:
    """The next `size` bytes of an input; where they end too early, it is said of what: "a member"."""

    def __init__(self, source: Input, size: int, what: str) -> None:
        """Take none of them yet."""
        self._source = source
        self._left = size
        self._what = what

    def read(self) -> Iterator[bytes]:
        """Yield what has not been read yet; raises `StoppedError("truncated")`."""
        while self._left:
            piece = self._source.up_to(min(self._left, FEED))
            if not piece:
                raise self._cut()
            self._left -= len(piece)
            yield piece

    def skip(self, behind: int = 0) -> None:
        """Pass over what was not read, and over so many bytes behind it; raises `StoppedError("truncated")`."""
        if not self._source.skip(self._left + behind):
            raise self._cut()
        self._left = 0

    def _cut(self) -> StoppedError:
        return StoppedError("truncated", f"byte {self._source.taken}: expected more of {self._what}, found the end")
