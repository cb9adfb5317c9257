"""The three streams of this process: they are there, and an answer that cannot be written is no answer.

Laws:

    a descriptor that nobody opened for this process is the null device: no file of the archive takes its number
    a letter that a stream's encoding lacks is escaped
    what stdout does not take is a `WorldError` that says so, whatever came out: "evidence is missing" is another status
    after that, and when whoever read stdout has gone (`BrokenPipeError`), Python has nothing left to complain of
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from archiver.errors import WorldError

__all__ = ["begin", "flush", "forgive", "let_go", "put"]

_STANDARD: Final = (0, 1, 2)


def begin() -> None:
    """Open what was closed when the process began; before it opens anything else that stays open."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    # A stdin that was closed stays None: whoever reads a pipe must know that there is none, not that it is empty.
    sys.stdout = sys.stdout or io.TextIOWrapper(io.FileIO(1, "w"))
    sys.stderr = sys.stderr or io.TextIOWrapper(io.FileIO(2, "w"))


def forgive(stream: TextIO) -> None:
    """Let a stream escape what its encoding cannot say, instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def put(text: str) -> None:
    """Write to stdout; raises `WorldError` and lets it go when that cannot be done."""
    with _taken():
        sys.stdout.write(text)


def flush() -> None:
    """See that all of it was taken; raises like `put`."""
    with _taken():
        sys.stdout.flush()


def let_go() -> None:
    """Write no more to stdout: Python would try once more at its end."""
    sys.stdout = io.TextIOWrapper(io.FileIO(os.devnull, "w"))


@contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        let_go()
        raise WorldError(
            "answer-unwritable",
            f"stdout: expected to write the answer there, found: {problem.strerror}",
            hint="make room, or send the answer elsewhere, and ask again; what the command did stands",
        ) from problem
