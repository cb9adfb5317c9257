"""Which keys may be put, and where a key may lead when it is read.

Laws: what this program puts has a plain ASCII key without surprises; what it reads may be anything that a stranger
left there, as long as it cannot lead out of the store. Names that begin with `.` at the root of a folder are not keys.

>>> check_key("log/entries/000000000000")
'log/entries/000000000000'
"""

from __future__ import annotations

from typing import Final

from archiver.errors import UsageError
from archiver.late import pattern

__all__ = ["LONGEST_KEY", "check_key", "path_of"]

LONGEST_KEY: Final = 900  # S3 allows 1,024 bytes, of which the destination's prefix needs some
_LONGEST_NAME: Final = 255  # of one component: NAME_MAX of the common file systems
_NO_NAMES: Final = (b"", b".", b"..")
_PLAIN: Final = pattern(r"[\x20-\x7e]+")


def check_key(key: str) -> str:
    """Return a key that may be put; raises `UsageError("key-refused")`."""
    if not _PLAIN.fullmatch(key) or len(key) > LONGEST_KEY or "\\" in key or path_of(key) is None:
        raise UsageError(
            "key-refused",
            f"key {key[:120]!r}: expected printable ASCII, no empty, . or .. component, no leading dot,"
            f" at most {LONGEST_KEY} bytes",
        )
    return key


def path_of(key: str) -> tuple[bytes, ...] | None:
    """Return the components that a key has below a folder, None when no file there can have it.

    Names that are not UTF-8 are listed with surrogate escapes and find back to their bytes here.
    """
    try:
        parts = tuple(key.encode("utf-8", "surrogateescape").split(b"/"))
    except UnicodeEncodeError:
        return None
    for part in parts:
        if part in _NO_NAMES or b"\0" in part or len(part) > _LONGEST_NAME:
            return None
    return None if parts[0].startswith(b".") else parts
