"""Which version of a key is meant: the one whose SHA-256 is the stated one, never the first and never the newest.

Laws: bytes are hashed before anything parses them; a version of another size is not read at all; an object that lies in
a file is read where it lies, everything else through a scratch file, hashed as it comes; small objects have a limit.

>>> with content.object("policies/3f..yaml", sha256) as stream:
...     text = stream.read()
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from archiver.errors import EvidenceError, WorldError
from archiver.judge.ahead import Threads, ahead
from archiver.judge.inventory import Inventory, Listed, Role, printable
from archiver.proof.digest import hashed, sha256_of
from archiver.stores.base import Store

__all__ = ["Content", "Matching", "ObjectError", "matching"]


class Matching(NamedTuple):
    """A version that has the stated bytes: its place among those that may be meant, and these, checked and seekable.

    `scratch` is the file that they were copied to, None where they are read where they lie.
    """

    place: int
    stream: BinaryIO
    scratch: Path | None


_Matched = tuple[ExitStack, Matching]
_BLOCK: Final = 1 << 20
_AT_ONCE: Final = 8  # a client keeps 16 connections open
_GROUPS: Final = 128  # of at most 64 KiB each


class Content:
    """Reads versions of one archive by what the log says about them."""

    def __init__(self, store: Store, inventory: Inventory, folder: Path) -> None:
        """Read from a store whose listing is known; `folder` takes scratch files."""
        self._store = store
        self._versioned = store.destination.versioned  # no folder is
        self._inventory = inventory
        self._folder = folder
        self._fetched: dict[int, bytes] = {}
        self._begun: dict[tuple[str, str, int | None], Future[_Matched]] = {}
        self._beside: ThreadPoolExecutor | None = None

    def small(self, listed: Listed, limit: int) -> bytes:
        """Return the bytes of a version, cut off after `limit` + 1 of them, which every parser then refuses."""
        fetched = self._fetched.get(listed.seq)
        if fetched is not None and len(fetched) <= limit:
            return fetched
        with self._store.read(listed.key, listed.version) as stream:
            return stream.read(limit + 1)

    def ahead(self, groups: Iterator[list[Listed]], limit: int) -> Iterator[list[Listed]]:
        """Yield groups of versions as they come, the bytes of some of them already on their way from a network."""
        if not self._versioned:
            yield from groups
            return
        with Threads(_AT_ONCE) as pool:
            while block := list(itertools.islice(groups, _GROUPS)):
                listed = [one for group in block for one in group]
                answers = pool.map(functools.partial(self._fetch, limit=limit), listed)
                self._fetched = {one.seq: data for one, data in zip(listed, answers, strict=True) if data is not None}
                yield from block

    def _fetch(self, listed: Listed, limit: int) -> bytes | None:
        try:
            with self._store.read(listed.key, listed.version) as stream:
                return stream.read(limit + 1)
        except WorldError:
            return None  # it is read again where its absence can be said

    def digest(self, listed: Listed) -> str:
        """Return the SHA-256 of a version."""
        with self._store.read(listed.key, listed.version) as stream:
            return sha256_of(stream)

    @contextmanager
    def object(self, key: str, sha256: str, size: int | None = None) -> Iterator[BinaryIO]:
        """Open the version with this SHA-256, checked and seekable.

        Raises `EvidenceError` with code `object-missing`, `object-size` or `object-sha256`.
        """
        with self.matching(key, sha256, size) as found:
            yield found.stream

    @contextmanager
    def matching(self, key: str, sha256: str, size: int | None = None) -> Iterator[Matching]:
        """Do the same, and say also which version it is and where its bytes are."""
        begun = self._begun.pop((key, sha256, size), None)
        listed = self.candidates(key, size)
        stack, found = self._matched(listed, sha256) if begun is None else begun.result()
        with stack:
            self.take(listed[found.place])
            yield found

    def begin(self, key: str, sha256: str, size: int | None = None) -> None:
        """Read and hash an object beside what the caller does next; `object` then finds it done.

        What is wrong with it is raised there. It lies in the scratch folder from now on, if it does not lie in a file.
        What is small and does lie in one is read when it is asked for.
        """
        if (key, sha256, size) in self._begun:
            return
        try:
            found = self.candidates(key, size)
        except ObjectError:
            return
        if not self._versioned and all(one.size < _BLOCK for one in found):
            return
        if self._beside is None:
            self._beside = ThreadPoolExecutor(2, "open")  # a list of items, and the first batch
        self._begun[key, sha256, size] = self._beside.submit(self._matched, found, sha256)

    def close(self) -> None:
        """Give up what was begun and never asked for."""
        if self._beside is not None:
            self._beside.shutdown(cancel_futures=True)
        for begun in self._begun.values():
            if not begun.cancelled() and begun.exception() is None:
                begun.result()[0].close()
        self._begun.clear()

    def _matched(self, found: list[Listed], sha256: str) -> _Matched:
        versions = tuple((listed.key, listed.version) for listed in found)
        with ExitStack() as stack:
            one = stack.enter_context(matching(self._store, self._folder, versions, sha256))
            return stack.pop_all(), one

    def settle(self, key: str, sha256: str, size: int | None = None) -> None:
        """Take in all versions of a key that have the stated bytes; raises as `object` does when none has."""
        found = [(listed, self.digest(listed)) for listed in self.candidates(key, size)]
        same = [listed for listed, digest in found if digest == sha256]
        if not same:
            raise _differs(key, sha256, found[0][1])
        self._take(same)

    def presume(self, key: str, sha256: str, size: int | None) -> None:
        """Take the only version of a key in by its size, unread: for a caller who left the reading out."""
        versions = self._inventory.versions(key)
        if len(versions) == 1 and size is not None:
            self._take(self.candidates(key, size))
        else:
            self.settle(key, sha256, size)

    def settle_others(self, key: str, sha256: str) -> None:
        """Take in further versions of a key that have the bytes of the content that was just read."""
        versions = self._inventory.versions(key)
        sizes = {listed.size for listed in versions if listed.role is Role.CONTENT}
        for listed in versions:
            if listed.role is None and listed.size in sizes and self.digest(listed) == sha256:
                self._inventory.take(listed, Role.SAME)

    def candidates(self, key: str, size: int | None) -> list[Listed]:
        """Return the versions that can be meant by their size; raises `ObjectError` when there is none."""
        versions = self._inventory.versions(key)
        if not versions:
            raise ObjectError("object-missing", key, "an object", "none")
        sized = [listed for listed in versions if size is None or listed.size == size]
        if not sized:
            raise ObjectError("object-size", key, f"{size} bytes", f"{versions[0].size} bytes")
        return sized

    def take(self, listed: Listed) -> None:
        """Take in the version whose bytes are the stated ones."""
        self._take([listed])

    def _take(self, versions: list[Listed]) -> None:
        for place, listed in enumerate(versions):
            self._inventory.take(listed, Role.SAME if place else Role.CONTENT)


@contextmanager
def matching(store: Store, folder: Path, versions: Sequence[tuple[str, str | None]], sha256: str) -> Iterator[Matching]:
    """Open the first of some versions of a key that has this SHA-256: checked and seekable.

    What does not lie in a file goes through one in `folder`. Raises `ObjectError("object-sha256")`.
    """
    actual = ""
    for place, (key, version) in enumerate(versions):
        with ExitStack() as stack:
            actual, stream, scratch = _hashed(store, folder, key, version, stack)
            if actual == sha256:
                yield Matching(place, stream, scratch)
                return
    raise _differs(versions[0][0], sha256, actual)


def _hashed(
    store: Store, folder: Path, key: str, version: str | None, stack: ExitStack
) -> tuple[str, BinaryIO, Path | None]:
    """Read a version to its end; return its SHA-256, its bytes from the first on, and the file they were copied to."""
    with ExitStack() as reading:
        stream = reading.enter_context(store.read(key, version))
        if stream.seekable():
            actual = sha256_of(stream)
            stream.seek(0)
            stack.push(reading.pop_all())
            return actual, stream, None
        descriptor, name = tempfile.mkstemp(prefix="object-", dir=folder)
        scratch = Path(name)
        stack.callback(scratch.unlink, missing_ok=True)
        copy = stack.enter_context(os.fdopen(descriptor, "w+b"))
        digest = hashlib.sha256()
        # What comes next is received while this is hashed and written.
        for block in hashed(ahead(iter(functools.partial(stream.read, _BLOCK), b"")), digest):
            copy.write(block)
    copy.seek(0)  # whoever opens the file by its name finds all of it
    return digest.hexdigest(), copy, scratch


class ObjectError(EvidenceError):
    """An object is not the one that was stated; `expected` and `actual` are for the finding."""

    def __init__(self, code: str, key: str, expected: str, actual: str) -> None:
        """Say what was expected and found."""
        super().__init__(
            code,
            f"{printable(key)}: expected {expected}, found {actual}",
            hint="compare with another copy of the archive; what the log states can be had from any place that kept it",
        )
        self.key = key
        self.expected = expected
        self.actual = actual


def _differs(key: str, sha256: str, actual: str) -> ObjectError:
    return ObjectError("object-sha256", key, sha256, actual)
