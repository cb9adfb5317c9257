"""Small files that must survive: written whole, synced, never overwritten but as a whole."""

from __future__ import annotations

import os
from pathlib import Path

from archiver.errors import UsageError, WorldError
from archiver.writer.rows import disk_error

__all__ = ["replace_file", "sync_folder", "write_new"]


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a new file and sync it and its folder; raises `UsageError("file-exists")` when the name is taken."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)
        sync_folder(path.parent)
    except FileExistsError as problem:
        raise UsageError("file-exists", f"{path}: expected no file, found one", hint="name another file") from problem
    except FileNotFoundError as problem:
        raise WorldError(
            "no-folder", f"{path.parent}: expected a folder, found none", hint="make it first"
        ) from problem
    except OSError as problem:
        raise disk_error(problem, path) from problem
    finally:
        scratch.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes, *, mode: int) -> None:
    """Put a new file in the place of an old one, whole and durable or not at all; one writer at a time."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # of a run that was killed
    write_new(fresh, data, mode=mode)
    try:
        # A crash before this line leaves the old file, one after it the new one.
        os.replace(fresh, path)  # noqa: PTH105 - the one call that is atomic
        sync_folder(path.parent)
    except OSError as problem:
        raise disk_error(problem, path) from problem


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
