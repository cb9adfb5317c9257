"""A store in a folder: objects are put once, locks are recorded and not enforced.

Laws: an object appears under its key whole, durable and read-only, or not at all, and never in place of another; its
lock is written down before it appears, so that a crash leaves at most a lock without object; what stands in the folder
is read without following a link, and listed whatever it is; reading creates nothing. Whoever may write to the folder
can change it: that is seen by verifying, it is not prevented.

>>> store = FolderStore(Path("archive"), location="./archive", clock=clock)
>>> store.put("README.txt", b"hello", lock=lock).basis
'read-back'
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from archiver.errors import KeyExistsError, NotStoredError, WorldError, printable
from archiver.stores.base import Body, Destination, Lock, Receipt, Stat, Version
from archiver.stores.bodies import BLOCK, blocks, digest_of, measured, open_body, spool_changed
from archiver.stores.disk import ToldFile, told, world_error
from archiver.stores.keys import check_key, path_of
from archiver.stores.lockbook import LockBook
from archiver.stores.locks import UNLOCKED, demand, lifted, wanted_lock
from archiver.stores.scratch import Scratch, scratch, sweep
from archiver.stores.second_name import second_name
from archiver.stores.tree import NotRegularError, grow, look, make_root, open_regular, open_root, walk

__all__ = ["FolderStore"]

_LAST_SECOND: Final = 253402300799  # the end of the year 9999


class FolderStore:
    """A store below one folder, which is made at the first put."""

    def __init__(self, root: Path, *, location: str, clock: Callable[[], datetime]) -> None:
        """Name the folder; `location` is how the person wrote it. Nothing is touched."""
        self._root = root
        self._clock = clock
        self._book = LockBook()
        self._durable: set[tuple[bytes, ...]] = set()
        self._swept = False
        self._location = location

    @property
    def destination(self) -> Destination:
        """Say who this store is; its bucket is the folder's absolute path."""
        return Destination(
            kind="folder",
            location=self._location,
            endpoint=None,
            bucket=os.fsencode(self._root).decode("utf-8", "backslashreplace"),
            prefix="",
            enforces_locks=False,
            versioned=False,
        )

    def clock_offset_s(self) -> int | None:
        """Return None: a folder has no clock of its own."""
        return None

    def put(self, key: str, body: Body, *, lock: Lock, condition: bool = True) -> Receipt:  # noqa: ARG002
        """Store `body` once, with or without `condition`: a folder keeps one version of a key."""
        parts, wanted, sha256 = _parts(check_key(key)), wanted_lock(lock), digest_of(body)
        with told(self._location, key):
            make_root(self._root)
            with open_root(self._root) as root:
                self._sweep(root)
                _refuse_existing(root, parts, key)
                with _staged(root, body) as fresh:
                    size = self._read_back(body, fresh, key, sha256)
                    # a crash before here leaves a hidden file, which the next writer sweeps away
                    self._link(root, parts, key, fresh, wanted)
                    _demand_same_file(look(root, parts), fresh.facts(), f"{self._location}: {key}")
        return self._receipt(key, size, sha256, wanted)

    def read(self, key: str, version: str | None = None) -> AbstractContextManager[BinaryIO]:
        """Open the object for reading."""
        parts = self._stored_parts(key, version)
        try:
            handle = open_regular(self._root, parts)
        except OSError as error:
            raise world_error(error, self._location, key) from error
        return io.BufferedReader(ToldFile(handle, self._location, key), BLOCK)

    def stat(self, key: str, version: str | None = None) -> Stat:
        """Say size and recorded lock; a folder keeps no checksum."""
        parts = self._stored_parts(key, version)
        with told(self._location, key), open_root(self._root) as root:
            facts, lock = look(root, parts), self._book.lock_of(root, key)
        modified = _moment(facts.st_mtime_ns)
        return Stat(key=key, version=None, size=facts.st_size, etag=None, sha256=None, lock=lock, modified=modified)

    def find(self, key: str) -> Version:
        """Say which object there is of a key, as a listing does, and nothing of its lock; raises as `stat` does."""
        parts = self._stored_parts(key, None)
        with told(self._location, key), open_root(self._root) as root:
            facts = look(root, parts)
        return _version(key.encode(), facts.st_size, facts.st_mtime_ns)

    def list(self, prefix: str = "") -> Iterator[Version]:
        """Yield all that stands below the root, also links and what strangers left; a missing root holds nothing."""
        if "/" in prefix and path_of(prefix.rpartition("/")[0]) is None:
            return
        with told(self._location):
            try:
                with open_root(self._root) as root:
                    yield from (_version(*found) for found in walk(root, prefix.encode("utf-8", "surrogateescape")))
            except FileNotFoundError:
                return

    def hold(self, key: str, version: str | None, lock: Lock) -> Receipt:
        """Raise the recorded lock of an object. The receipt's SHA-256 is None: its bytes were not read."""
        parts, wanted = self._stored_parts(check_key(key), version), wanted_lock(lock)
        with told(self._location, key), open_root(self._root) as root:
            size = look(root, parts).st_size
            with self._book.held(root) as raise_lock:
                raise_lock(key, wanted)
        return self._receipt(key, size, None, wanted, basis="store")

    def release(self, key: str, version: str | None) -> Receipt:
        """Take the recorded legal hold of an object off; mode and date stay."""
        size = self.stat(check_key(key), version).size
        with told(self._location, key), open_root(self._root) as root, self._book.releasing(root) as let_go:
            let_go(key)
        return lifted(self._receipt(key, size, None, UNLOCKED, basis="store"))

    def _sweep(self, root: int) -> None:
        if not self._swept:
            sweep(root)
            self._swept = True

    def _link(self, root: int, parts: tuple[bytes, ...], key: str, fresh: Scratch, wanted: Lock) -> None:
        with grow(root, parts[:-1], self._durable) as folder, self._book.held(root, are_new=True) as raise_lock:
            _refuse_existing(root, parts, key)
            raise_lock(key, wanted)
            # a crash here leaves a lock without object; the same put again finds it and goes on
            _demand_unopened(fresh, f"{self._location}: {key}")
            try:
                fresh.link_to(folder, parts[-1])
            except FileExistsError as error:  # somebody who does not know the lock file was faster
                raise _exists(key) from error
            # a crash here leaves the whole object and a second link to it in the hidden folder

    def _read_back(self, body: Body, fresh: Scratch, key: str, sha256: str) -> int:
        """Read what the disk has, before it gets its name; return its size."""
        with told(self._location, key):
            found, size = fresh.sha256()
        if found == sha256:
            return size
        spool = measured(body)
        if spool != sha256:
            raise spool_changed(key, sha256, spool)
        raise WorldError(
            "read-back-differs",
            f"{self._location}: {key}: expected SHA-256 {sha256}, read back {found}; nothing was stored",
            hint="the disk does not keep what it is given; replace it before going on",
        )

    def _receipt(self, key: str, size: int, sha256: str | None, wanted: Lock, *, basis: str = "read-back") -> Receipt:
        with told(self._location, key), open_root(self._root) as root:
            lock = self._book.least_lock_of(root, key)
        demand(lock, wanted=wanted, subject=f"{self._location}: {key}")
        return Receipt(
            store="folder",
            endpoint=None,
            bucket=self.destination.bucket,
            key=key,
            version=None,
            etag=None,
            size=size,
            sha256=sha256,
            basis=basis,
            mode=lock.mode,
            retain_until=lock.retain_until,
            legal_hold=lock.legal_hold,
            request_id=None,
            read_back_at=self._clock(),
        )

    def _stored_parts(self, key: str, version: str | None) -> tuple[bytes, ...]:
        parts = path_of(key)
        if parts is None or version is not None:
            what = "a key of a folder" if parts is None else f"version {version}"
            raise NotStoredError("not-stored", f"{self._location}: {printable(key)}: expected {what}, found none")
        return parts


def _parts(key: str) -> tuple[bytes, ...]:
    return tuple(key.encode().split(b"/"))


@contextmanager
def _staged(root: int, body: Body) -> Iterator[Scratch]:
    """Bring a body into the hidden folder, durable: a spool file itself where that is sound, else a copy."""
    if not isinstance(body, bytes):
        with second_name(root, body.path) as taken:
            if taken is not None:
                taken.finish()
                yield taken
                return
    with scratch(root) as fresh:
        _copy(body, fresh)
        yield fresh


def _copy(body: Body, fresh: Scratch) -> None:
    """Copy, and make it durable."""
    with open_body(body) as stream:
        for block in blocks(stream):
            view = memoryview(block)
            while view:
                view = view[os.write(fresh.file, view) :]
    fresh.finish()


def _demand_unopened(read: Scratch, subject: str) -> None:
    if read.was_opened():
        raise WorldError(
            "read-back-differs",
            f"{subject}: expected the file that was read back, found it opened for writing since; nothing was stored",
            hint="somebody else writes to the spool; see that nobody does before running again",
        )


def _demand_same_file(named: os.stat_result, read: os.stat_result, subject: str) -> None:
    if (named.st_dev, named.st_ino, named.st_size) != (read.st_dev, read.st_ino, read.st_size):
        raise WorldError(
            "read-back-differs",
            f"{subject}: expected the file that was read back, found another one under this name",
            hint="somebody else changes this folder, or its file system does not keep what it is given",
        )


def _refuse_existing(root: int, parts: tuple[bytes, ...], key: str) -> None:
    try:
        look(root, parts)
    except FileNotFoundError:
        return
    except NotRegularError as error:
        if error.errno == errno.ENOTDIR:
            return  # a folder on the way is none: making it will say so
        raise _exists(key) from error
    raise _exists(key)


def _exists(key: str) -> KeyExistsError:
    return KeyExistsError("key-exists", f"{key}: expected no object of this key, found one")


def _version(path: bytes, size: int, mtime_ns: int) -> Version:
    return Version(key=path.decode("utf-8", "surrogateescape"), version=None, size=size, modified=_moment(mtime_ns))


def _moment(mtime_ns: int) -> datetime:
    return datetime.fromtimestamp(min(max(mtime_ns // 1_000_000_000, 0), _LAST_SECOND), UTC)
