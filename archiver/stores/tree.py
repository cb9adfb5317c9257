"""Opening, walking and growing a folder without ever following a symbolic link.

Laws: the root is trusted, nothing below it is; every component is opened by itself, relative to the folder that holds
it; nothing is created by reading; a new folder is durable before anything is put into it. Errors leave as `OSError`.

>>> with open_root(Path("archive")) as root:
...     [path for path, size, mtime_ns in walk(root, b"log/")]
[b'log/entries/000000000000']
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["NotRegularError", "grow", "look", "make_root", "open_below", "open_regular", "open_root", "walk"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_Parts = tuple[bytes, ...]
_Found = tuple[bytes, int, int]


class NotRegularError(OSError):
    """What stands here is no regular file, or a link stands in the way to it."""


@contextmanager
def open_root(root: Path) -> Iterator[int]:
    """Open the root of a store; the person who named it may have used a link."""
    handle = os.open(root, _FOLDER)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def open_below(root: int, parts: _Parts) -> Iterator[int]:
    """Open a folder below the root, component by component."""
    handle = _below(root, parts)
    try:
        yield handle
    finally:
        os.close(handle)


def _below(root: int, parts: _Parts) -> int:
    handle = os.dup(root)
    try:
        for part in parts:
            above, handle = handle, os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(above)
    except OSError:
        os.close(handle)
        raise
    return handle


def look(root: int, parts: _Parts) -> os.stat_result:
    """Return what stands at a path, a link not followed; raises `NotRegularError` for anything but a file."""
    try:
        with open_below(root, parts[:-1]) as folder:
            return _regular(folder, parts[-1])
    except (NotADirectoryError, FileNotFoundError) as error:
        raise _passed(error) from error


def open_regular(root: Path, parts: _Parts) -> int:
    """Open a regular file below a root for reading; never blocks on a FIFO, never touches a device."""
    # No blocks of its own for each handle: a log has three files for each statement, all of which are read.
    held = [os.open(root, _FOLDER)]
    try:
        held.append(_below(held[0], parts[:-1]))
        _regular(held[1], parts[-1])
        handle = os.open(parts[-1], _FILE, dir_fd=held[1])
    except (NotADirectoryError, FileNotFoundError) as error:
        raise _passed(error) from error
    finally:
        for one in held:
            os.close(one)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotRegularError(errno.EINVAL, "not a regular file")
    return handle


def _regular(folder: int, name: bytes) -> os.stat_result:
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        raise NotRegularError(errno.EINVAL, "not a regular file")
    return facts


def walk(root: int, prefix: bytes) -> Iterator[_Found]:
    """Yield path, size and modification time (ns) of all that is no folder and begins with `prefix`, in byte order.

    Names that begin with `.` at the root are passed over. One folder per level is kept in memory, no handle is.
    """
    *above, beginning = prefix.split(b"/")
    start = tuple(above)
    stack = [(start, iter(_entries(root, start, beginning)))]
    while stack:
        parts, entries = stack.pop()
        within = b"".join(part + b"/" for part in parts)
        for name, size, mtime_ns in entries:
            if name.endswith(b"/"):
                below = (*parts, name[:-1])
                stack += [(parts, entries), (below, iter(_entries(root, below)))]
                break
            yield within + name, size, mtime_ns


def make_root(root: Path) -> None:
    """Make the root and what is missing above it, each durable in its parent."""
    if root.is_dir():
        return
    make_root(root.parent)
    root.mkdir(exist_ok=True)
    with open_root(root.parent) as parent:
        os.fsync(parent)


@contextmanager
def grow(root: int, parts: _Parts, durable: set[_Parts]) -> Iterator[int]:
    """Open a folder below the root, made where missing.

    A folder that this process meets for the first time is flushed to its parent even when it was there before:
    whoever made it may have died before doing so. `durable` remembers them.
    """
    handle = os.dup(root)
    try:
        for depth, part in enumerate(parts, start=1):
            below = _open_or_make(handle, part)
            if parts[:depth] not in durable:
                os.fsync(handle)
                durable.add(parts[:depth])
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _open_or_make(folder: int, name: bytes) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        pass
    with suppress(FileExistsError):  # another writer was faster
        os.mkdir(name, 0o755, dir_fd=folder)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)


def _entries(root: int, parts: _Parts, beginning: bytes = b"") -> list[_Found]:
    """Return what stands in one folder; a folder's name ends with `/`, which makes name order the order of keys.

    Only names with this beginning are looked at: a folder of an old archive has a hundred thousand others.
    """
    found: list[_Found] = []
    start = os.fsdecode(beginning) if beginning.isascii() else ""  # else nothing is known of a name before it is bytes
    try:
        with open_below(root, parts) as folder:
            listed = os.listdir(folder)  # noqa: PTH208 - a handle is no path
            for text in [text for text in listed if text.startswith(start)]:
                name = os.fsencode(text)
                if name.startswith(beginning) and (parts or not name.startswith(b".")):
                    with suppress(FileNotFoundError):  # gone since it was listed
                        found.append(_facts(name, folder))
    except (FileNotFoundError, NotADirectoryError):
        return []  # gone since its parent was listed, or never a folder
    return sorted(found)


def _facts(name: bytes, folder: int) -> _Found:
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    tail = b"/" if stat.S_ISDIR(facts.st_mode) else b""
    return name + tail, facts.st_size, facts.st_mtime_ns


def _passed(error: OSError) -> OSError:
    """Tell a link or a file in the way from a missing path."""
    return error if error.errno == errno.ENOENT else NotRegularError(error.errno, "a link or a file stands in the way")
