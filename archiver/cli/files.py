"""Files that a person names on the command line: read with a clear refusal, written only where nothing is yet."""

from __future__ import annotations

from pathlib import Path

from archiver.errors import UsageError, WorldError
from archiver.model.trust import MAX_TRUST_FILE, TrustFile, parse_trust

__all__ = ["read_input", "read_trust", "write_output"]


def read_input(path: Path, what: str, *, limit: int) -> bytes:
    """Read a file that was named; raises `UsageError` when that cannot be done."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as problem:
        raise UsageError(
            "file-unreadable",
            f"{path}: expected {what}, found: {problem.strerror}",
            hint="check the name and who may read it",
        ) from problem


def read_trust(path: Path) -> tuple[bytes, TrustFile]:
    """Read a trust file; return its bytes and what it says."""
    data = read_input(path, "a trust file", limit=MAX_TRUST_FILE)
    return data, parse_trust(data, name=str(path))


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is."""
    if path.exists() or path.is_symlink():
        raise UsageError("file-exists", f"{path}: expected no such file, found one", hint="name another file with -o")


def write_output(path: Path, data: bytes) -> None:
    """Write a new file; what is there is never overwritten."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError as problem:
        raise WorldError("output-unwritable", f"{path}: expected to write it, found: {problem.strerror}") from problem
