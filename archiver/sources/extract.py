r"""Asking for the text of a document, and living with whatever comes back.

Plain text is read here; all else by `document_text` in a process of its own that limits memory, time and output. One
that dies, is killed or says nothing sensible is an answer too: the document cannot be judged, and is kept.

>>> extract([b"a red bicycle\n"], "note.txt")
Extracted(pieces=(b'a red bicycle\n',), unread=())
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from typing import IO, Final

from archiver.errors import UsageError
from archiver.late import dataclass
from archiver.model import mime
from archiver.model.extras import install

__all__ = ["Extracted", "extract", "require_extractor"]

_PATIENCE: Final = 120  # seconds of the clock; the process has 60 of its own
_PLAIN: Final = ("text/plain", "text/markdown", "text/csv", "application/json", "application/x-ndjson")


@dataclass(frozen=True)
class Extracted:
    """Pieces of text, and the reasons why there may be more; with any, not to find a word says nothing."""

    pieces: tuple[bytes, ...]
    unread: tuple[str, ...]


def require_extractor() -> None:
    """Raise `UsageError` where the library that reads PDF is not installed."""
    if importlib.util.find_spec("pypdf") is None:
        raise UsageError(
            "extractor-missing",
            "keywords: expected the library pypdf, which reads PDF, found none",
            hint=install("text"),
        )


def extract(blocks: Iterable[bytes], name: str) -> Extracted:
    """Return the text of a document; errors of reading `blocks` pass through."""
    from archiver.sources.document_text import MAX_INPUT, decoded  # noqa: PLC0415 - loads what reads mails and pages

    with tempfile.TemporaryFile() as copy, tempfile.TemporaryFile() as text:
        size = 0
        for block in blocks:
            size += len(block)
            if size > MAX_INPUT:
                return Extracted((), ("too-large",))
            copy.write(block)
        copy.seek(0)
        if mime.guess(name.encode("utf-8", "surrogateescape"), copy.read(mime.HEAD)) in _PLAIN:
            copy.seek(0)
            plain = decoded(copy.read())
            return Extracted((), ("unknown-format",)) if plain is None else Extracted((plain.encode(),), ())
        return _asked(copy, text, name)


def _asked(copy: IO[bytes], text: IO[bytes], name: str) -> Extracted:
    copy.seek(0)
    command = [sys.executable, "-P", "-m", "archiver.sources.document_text", name.rpartition("/")[2]]
    try:
        done = subprocess.run(  # noqa: S603 - this program, and a name as an argument
            command, stdin=copy, stdout=text, stderr=subprocess.DEVNULL, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Extracted((), ("extractor-timeout",))
    if done.returncode != 0:
        return Extracted((), ("extractor-failed",))
    text.seek(0)
    *pieces, last = text.read().split(b"\0")
    try:
        return Extracted(tuple(pieces), tuple(json.loads(last)))
    except ValueError:
        return Extracted((), ("extractor-failed",))
