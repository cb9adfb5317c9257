"""Which names a log has had: `chat.log`, `chat.log.1`, `chat.log-20261125.gz` are one family.

Programs that rotate logs give the old file another name: a number or a date at the end or before the extension, and the
ending of a compressor. A family is what is left of the path when these are taken away. Names only say where to look;
whether bytes are the same is decided by their hash.

>>> family("gateway/chat.log-20261125.gz"), family("gateway/chat.2026-11-25.3.log"), family("gateway/chat.log.1")
('gateway/chat.log', 'gateway/chat.log', 'gateway/chat.log')
"""

from __future__ import annotations

import re
from typing import Final

from archiver.late import pattern

__all__ = ["beginning_of", "family"]

_COMPRESSED: Final = pattern(r"\.(?:gz|zst|zstd|bz2|xz)\Z", re.IGNORECASE)
_STAMP: Final = r"(?:\d{4}-?\d{2}-?\d{2}(?:[-T_.]?\d{2}(?:[-_.]?\d{2}){0,2})?|\d{10}|\d{1,5})"
_AT_END: Final = pattern(rf"(?:[-._]{_STAMP})+\Z")
_BEFORE_EXTENSION: Final = pattern(rf"(?:[-._]{_STAMP})+(?=\.[A-Za-z][A-Za-z0-9]{{0,7}}\Z)")


def family(path: str) -> str:
    """Return what the names of one log have in common, in the folder where it lies."""
    folder, slash, name = path.rpartition("/")
    name = _COMPRESSED.sub("", name) or name
    shorter = _BEFORE_EXTENSION.sub("", _AT_END.sub("", name) or name)
    return f"{folder}{slash}{shorter or name}"


def beginning_of(path: str) -> str:
    """Return what every path of the family begins with: the family up to the extension of its name.

    >>> beginning_of("gateway/chat.log.1")
    'gateway/chat'
    """
    folder, slash, name = family(path).rpartition("/")
    stem = name.rpartition(".")[0] or name
    return f"{folder}{slash}{stem}"
