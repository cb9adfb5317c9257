r"""The lock file of a folder store: `.locks.jsonl` at its root, the record of which key is held until when.

Laws: canonical JSON lines, appended under flock and flushed before the object is linked; the highest values over a
key's lines count, but for the legal hold only the lines behind the last one that says that it is released; a last line
without its end counts for nothing, and the next writer begins a new one; a line that cannot be read changes nothing.
No file, something else in its place, or one that may not be read, means unknown; no line means that there is no lock.

A writer asks about what it has just written, so that the end of a long file is read first, and the whole of it only for
who asks about a key that is not there, or wants to know all that is said of one. Every writer says the highest values;
where somebody else has said less at the end than before, the end alone tells less than there is, never more.

>>> line_of("a", Lock("COMPLIANCE", datetime(2027, 1, 1, tzinfo=UTC), True))
b'{"key":"a","legal_hold":true,"mode":"COMPLIANCE","retain_until":"2027-01-01T00:00:00Z"}\n'
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock as Mutex
from typing import Final

from archiver.errors import EvidenceError
from archiver.late import pattern
from archiver.model.instant import format_instant, parse_instant
from archiver.stores.base import Lock
from archiver.stores.locks import UNKNOWN, UNLOCKED, highest

__all__ = ["LOCKS", "LockBook", "line_of", "parse_line", "parse_release", "release_of"]

LOCKS: Final = ".locks.jsonl"
_LONGEST_LINE: Final = 8192  # a key has at most 900 bytes, six each when escaped, and the rest is short
_PLAIN: Final = pattern(
    rb'\{"key":"([ !#-\[\]-~]*)","legal_hold":(true|false),"mode":"(NONE|GOVERNANCE|COMPLIANCE)",'
    rb'"retain_until":(?:null|"([0-9TZ:-]{20})")\}\n'
)
_LINES: Final = pattern(
    r'(?m)^\{"key":"([ !#-\[\]-~]{0,4096})"(,"legal_hold":(?:true|false),"mode":"(?:NONE|GOVERNANCE|COMPLIANCE)",'
    r'"retain_until":(?:null|"[0-9TZ:-]{20}")\})\n'
)
"""The same, no longer than the longest line: its key, and what it says, in few spellings for a whole file."""
_BLOCK: Final = 1 << 20
_END: Final = 1 << 20
"""What is read first of a file: the lines of some thousand keys."""
_MEMBERS: Final = {"key", "legal_hold", "mode", "retain_until"}
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_FILE: Final = (errno.ELOOP, errno.ENXIO)  # of a link, and of a socket
_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

Raise = Callable[[str, Lock], None]


def line_of(key: str, lock: Lock) -> bytes:
    """Return a lock line. Keys are ASCII, so that sorted and compact JSON is RFC 8785."""
    until = None if lock.retain_until is None else format_instant(lock.retain_until)
    members = {"key": key, "legal_hold": bool(lock.legal_hold), "mode": lock.mode or "NONE", "retain_until": until}
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse_line(line: bytes) -> tuple[str, Lock] | None:
    """Read a lock line, None when it is not exactly what `line_of` writes."""
    plain = _PLAIN.fullmatch(line)
    if plain is not None:  # the rule: nothing in it has a second spelling
        key, hold, mode, until = plain.groups()
        try:
            moment = None if until is None else parse_instant(until.decode())
        except EvidenceError:
            return None
        return key.decode(), Lock(mode.decode(), moment, hold == b"true")
    try:
        members = json.loads(line)
        if not isinstance(members, dict) or members.keys() != _MEMBERS:
            return None
        until = members["retain_until"]
        lock = Lock(
            mode=members["mode"],
            retain_until=None if until is None else parse_instant(until),
            legal_hold=members["legal_hold"],
        )
        known = members["mode"] in ("NONE", "GOVERNANCE", "COMPLIANCE") and isinstance(members["key"], str)
        return (members["key"], lock) if known and line_of(members["key"], lock) == line else None
    except (ValueError, TypeError, RecursionError, EvidenceError):
        return None


def release_of(key: str) -> bytes:
    """Return the line that takes the legal hold of a key off."""
    return json.dumps({"key": key, "released": True}, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse_release(line: bytes) -> str | None:
    """Return the key of a release line, None when it is not exactly what `release_of` writes."""
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return None
    key = members.get("key") if isinstance(members, dict) else None
    return key if isinstance(key, str) and line == release_of(key) else None


class LockBook:
    """What the lock file says, kept in memory and read on from where it ended, as other processes write to it too."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._mutex = Mutex()
        self._begin = self._offset = 0
        self._forget((-1, -1))

    def lock_of(self, root: int, key: str) -> Lock:
        """Return the lock of a key as of now."""
        return self._asked(root, key, whole=True)

    def least_lock_of(self, root: int, key: str) -> Lock:
        """Return a lock that the key has at least as of now: of one written a moment ago, what was written."""
        return self._asked(root, key, whole=False)

    def _asked(self, root: int, key: str, *, whole: bool) -> Lock:
        try:
            handle = os.open(LOCKS, _READ, dir_fd=root)
        except (FileNotFoundError, PermissionError):
            return UNKNOWN
        except OSError as error:
            if error.errno in _NO_FILE:
                return UNKNOWN
            raise
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return UNKNOWN
            return self._present(handle, key, whole=whole) or UNLOCKED
        finally:
            os.close(handle)

    def _present(self, handle: int, key: str, *, whole: bool = False, is_new: bool = False) -> Lock | None:
        """Return what is said of a key as of now, in the lines that were read or, if there is nothing, in all.

        Of one that `is_new` nothing is looked for in those that were not.
        """
        with self._mutex:  # while another thread begins anew, nothing is known
            self._read_on(handle, whole=whole)
            if self._begin and not is_new and key not in self._locks:
                self._read_on(handle, whole=True)
            return self._locks.get(key)

    @contextmanager
    def held(self, root: int, *, are_new: bool = False) -> Iterator[Raise]:
        """Keep all other writers of this folder out; yields the function that raises a key's lock durably.

        Of keys that `are_new`, as they have no object, what is said far back is not looked for.
        """
        with self._opened(root) as handle:
            yield lambda key, lock: self._raise(handle, key, self._present(handle, key, is_new=are_new), lock)

    @contextmanager
    def releasing(self, root: int) -> Iterator[Callable[[str], None]]:
        """Keep all other writers out, too; yields the function that takes a key's legal hold off durably."""
        with self._opened(root) as handle:
            yield lambda key: self._release(handle, key)

    @contextmanager
    def _opened(self, root: int) -> Iterator[int]:
        handle = os.open(LOCKS, _APPEND, 0o644, dir_fd=root)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # given back when the handle is closed, also by a kill
            if os.fstat(handle).st_size == 0:
                os.fsync(root)  # the file's own name, before anything relies on it
            yield handle
        finally:
            os.close(handle)

    def _release(self, handle: int, key: str) -> None:
        present = self._present(handle, key, whole=True)
        if present is not None and present.legal_hold:
            self._append(handle, release_of(key))

    def _raise(self, handle: int, key: str, present: Lock | None, lock: Lock) -> None:
        line = line_of(key, highest(present or UNLOCKED, lock))
        if present is None or line != line_of(key, present):
            self._append(handle, line)

    def _append(self, handle: int, line: bytes) -> None:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        _write_all(handle, b"\n" + line if torn else line)
        os.fsync(handle)

    def _read_on(self, handle: int, *, whole: bool = False) -> None:
        """Read what was appended, or everything; whoever calls this has the mutex."""
        facts = os.fstat(handle)  # now: a size from before another thread read on would look too small
        if self._identity != (facts.st_dev, facts.st_ino) or facts.st_size < self._offset:
            self._forget((facts.st_dev, facts.st_ino))
            self._begin = self._offset = 0 if whole else _near_the_end(handle, facts.st_size)
        elif whole and self._begin:
            self._forget(self._identity)
        if facts.st_size == self._offset:
            return
        while lines := _whole_lines(os.pread(handle, _BLOCK, self._offset)):
            self._take_all(lines)
        with os.fdopen(os.dup(handle), "rb") as stream:
            stream.seek(self._offset)
            while (line := stream.readline(_LONGEST_LINE)) and self._take(line):
                pass  # behind a line without its end nothing is read: it may be growing right now

    def _take_all(self, block: bytes) -> None:
        """Count the lines of a block: at once where all of them are plain, which is the rule, else one by one."""
        found = _LINES.findall(block.decode("ascii", "replace"))
        if len(found) != block.count(b"\n"):
            stream = io.BytesIO(block)
            while line := stream.readline(_LONGEST_LINE):
                self._take(line)
            return
        locks, said = self._locks, dict[str, tuple[str, Lock] | None]()
        for key, words in found:
            if words not in said:
                said[words] = parse_line(f'{{"key":"a"{words}\n'.encode())
            one = said[words]
            if one is not None and (present := locks.setdefault(key, one[1])) is not one[1]:
                locks[key] = highest(present, one[1])
        self._offset += len(block)

    def _take(self, line: bytes) -> bool:
        """Count one line, and say whether it is whole. One without its end counts for nothing; it may be growing."""
        if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            return False
        found = parse_line(line)
        released = parse_release(line) if found is None else None
        if found is not None:
            self._locks[found[0]] = highest(self._locks.get(found[0], found[1]), found[1])
        elif released is not None and released in self._locks:
            self._locks[released] = replace(self._locks[released], legal_hold=False)
        self._offset += len(line)
        return True

    def _forget(self, identity: tuple[int, int]) -> None:
        self._identity = identity
        self._locks: dict[str, Lock] = {}
        self._begin = self._offset = 0


def _near_the_end(handle: int, size: int) -> int:
    """Return where the first line begins that lies wholly in the last block of a file; 0 where there is none."""
    place = size - _END
    found = os.pread(handle, _END, place).find(b"\n") if place > 0 else -1
    return 0 if found < 0 else place + found + 1


def _whole_lines(block: bytes) -> bytes:
    return block[: block.rfind(b"\n") + 1]


def _write_all(handle: int, data: bytes) -> None:
    """Write everything; a full disk leaves a line without its end, which the next writer repairs."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
