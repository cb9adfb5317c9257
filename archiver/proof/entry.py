"""Log entries: which statement stands at a position, by its key and the SHA-256 of its envelope.

>>> encode("statements/batch/1.json", "00" * 32)[:33]
b'{"key":"statements/batch/1.json",'

An entry binds name and bytes. Whether the id has the form that its kind wants is for the statement to say.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from archiver.errors import EvidenceError
from archiver.late import pattern
from archiver.proof import canonical
from archiver.proof.digest import is_sha256_hex

__all__ = ["MAX_ENTRY", "Entry", "EntryError", "decode", "encode"]

MAX_ENTRY: Final = 1024
"""An entry has about 180 bytes; a kind of 63 and an id of 200 characters fit."""

_KEY: Final = pattern(r"statements/[a-z][a-z0-9-]{0,62}/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.json")


class EntryError(EvidenceError):
    """Bytes are not a log entry."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("entry-malformed", message)


class Entry(NamedTuple):
    """A statement's key and the hex SHA-256 of its envelope."""

    key: str
    sha256: str


def encode(key: str, sha256: str) -> bytes:
    """Return the entry's bytes, which are the data of its leaf."""
    if _KEY.fullmatch(key) is None or not is_sha256_hex(sha256):
        raise ValueError(f"entry: expected statements/<kind>/<id>.json and a SHA-256, found {key!r} and {sha256!r}")
    return canonical.encode({"key": key, "sha256": sha256})


def decode(data: bytes) -> Entry:
    """Read an entry strictly; raises `EntryError`."""
    try:
        value = canonical.decode_plain(data, limit=MAX_ENTRY)  # all that is accepted below is text
    except canonical.CanonicalError as problem:
        raise EntryError(f"entry: {problem.message}") from problem
    if not isinstance(value, dict) or value.keys() != {"key", "sha256"}:
        raise EntryError("entry: expected the members key and sha256, found others")
    key, sha256 = value["key"], value["sha256"]
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise EntryError(f"entry: expected the key of a statement, found {str(key)[:120]!r}")
    if not isinstance(sha256, str) or not is_sha256_hex(sha256):
        raise EntryError("entry: expected a SHA-256 in hex, found something else")
    return Entry(key, sha256)
