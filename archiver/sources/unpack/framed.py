r"""Members on their way from another process, which takes a container apart that this one does not trust itself with.

A line of canonical JSON, then, for what has bytes, pieces of them: 4 bytes that say how many follow, big-endian, and
these; none ends the member, FFFFFFFF and a line one that broke off.

    {"kind","modified_ns","name"}            a member; `name` in base64
    {"detail","kind","name","reason"}        one that has no bytes: a folder, or, with a reason, what could not be read
    {"name","place"}                         how far it has come, in its own count, and what comes next
    {"detail","reason"}                      the container cannot be followed further
    {}                                       the end; without it nothing is believed to have been one

>>> list(told(io.BytesIO(b'{}\n')))
[]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO, Final

from archiver.proof import b64, canonical
from archiver.sources.base import Problem
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack.base import LONGEST_NAME, Member

__all__ = ["CutError", "Telling", "told"]

_LONGEST_LINE: Final = 1 << 16
_MOST: Final = 1 << 24
_BROKE: Final = 0xFFFFFFFF


class CutError(Exception):
    """The other process ended before it said so; caught where it is started."""


class Telling:
    """Writes members, in the process that reads them. `broken` is what its reader raises for bad bytes."""

    def __init__(self, output: IO[bytes], broken: tuple[type[Exception], ...]) -> None:
        """Bind to an output."""
        self._output = output
        self._broken = broken

    def member(
        self, name: str, pieces: Iterable[bytes], *, kind: str = "inner", modified_ns: int | None = None
    ) -> None:
        """Tell of a member and its bytes, as far as they come."""
        when = None if modified_ns is None else str(modified_ns)
        self._line({"name": _name(name), "kind": kind, "modified_ns": when})
        try:
            for piece in pieces:
                if piece:
                    self._output.write(len(piece).to_bytes(4, "big") + piece)
        except self._broken as problem:
            self._output.write(_BROKE.to_bytes(4, "big"))
            self._line({"reason": "corrupt", "detail": str(problem)[:300]})
        else:
            self._output.write(bytes(4))

    def folder(self, name: str, detail: str) -> None:
        """Tell of a folder."""
        self._line({"name": _name(name), "kind": "directory", "detail": detail, "reason": None})

    def failed(self, name: str, reason: str, detail: str) -> None:
        """Tell of what could not be read."""
        self._line({"name": _name(name), "kind": "inner", "detail": detail, "reason": reason})

    def place(self, number: int, name: str) -> None:
        """Tell how far this has come, before what may end it."""
        self._line({"place": number, "name": _name(name)})
        self._output.flush()

    def stopped(self, reason: str, detail: str) -> None:
        """Tell that the container cannot be followed further."""
        self._line({"reason": reason, "detail": detail})
        self.end()

    def end(self) -> None:
        """Tell that all was told."""
        self._line({})
        self._output.flush()

    def _line(self, words: dict[str, canonical.JSON]) -> None:
        self._output.write(canonical.encode(words) + b"\n")


def _name(name: str) -> str:
    return b64.encode(name.encode("utf-8", "surrogatepass")[:LONGEST_NAME])


def told(
    source: IO[bytes], ordinal: int = 0, reach: Callable[[int, bytes], object] = lambda _place, _name: None
) -> Iterator[Member]:
    """Yield what is told, counted from `ordinal`; `CutError` where it breaks off, `StoppedError` where it says so."""
    while words := _words(source):
        if "place" in words:
            reach(int(words["place"]), b64.decode(words["name"]))
        elif "name" not in words:
            raise StoppedError(str(words["reason"]), str(words["detail"]))
        elif "detail" in words:
            yield _without(ordinal, words)
            ordinal += 1
        else:
            coming = _Coming(source)
            when = words["modified_ns"]
            yield Member(
                ordinal,
                b64.decode(words["name"]),
                coming.pieces,
                modified_ns=None if when is None else int(when),
                kind=str(words["kind"]),
            )
            coming.pass_over()
            ordinal += 1


def _without(ordinal: int, words: dict[str, str]) -> Member:
    problem = Problem(words["reason"], words["detail"]) if words["reason"] is not None else None
    note = words["detail"] if problem is None else None
    return Member(ordinal, b64.decode(words["name"]), lambda: (), kind=words["kind"], note=note, problem=problem)


class _Coming:
    """The bytes of one member."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._ended = False

    def pieces(self) -> Iterator[bytes]:
        while not self._ended:
            try:
                piece = self._next()
            except CutError as problem:
                self._ended = True
                raise StoppedError("corrupt", "what reads this container ended here") from problem
            if piece:
                yield piece

    def pass_over(self) -> None:
        """Go behind what was not asked for."""
        with suppress(StoppedError):
            for _ in self.pieces():
                pass

    def _next(self) -> bytes:
        size = int.from_bytes(_exactly(self._source, 4), "big")
        if size == _BROKE:
            self._ended = True
            words = _words(self._source)
            raise StoppedError(str(words["reason"]), str(words["detail"]))
        self._ended = size == 0
        if size > _MOST:
            raise CutError
        return _exactly(self._source, size)


def _words(source: IO[bytes]) -> dict[str, str]:
    line = source.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise CutError
    try:
        words = json.loads(line)
    except ValueError as problem:
        raise CutError from problem
    if not isinstance(words, dict):
        raise CutError
    return words


def _exactly(source: IO[bytes], size: int) -> bytes:
    found = source.read(size)
    if len(found) < size:
        raise CutError
    return found
