"""What is in a git repository beside its files: its refs, what `git fsck` says, and a bundle of all that they reach.

The laws:

1. The files of the repository are documents as they stand, and nothing here replaces them. What no ref reaches
   (reflogs, deleted branches, LFS) is not in the bundle: `fsck` names such objects, and the files have them.
2. Nothing of the repository is run or obeyed. Git works in an empty folder of ours that borrows its objects, and refs
   are read here: it never sees the repository's config, hooks, attributes or remotes, asks nobody, and has limits of
   memory, time and output.
3. A bundle is whole: `git bundle verify` passes in a repository that has nothing, and its heads are the refs. What is
   otherwise is a line, `corrupt`; so is a ref whose object is not there, and what `git fsck` finds wrong.
4. Without git the refs alone come out, and one line says what to install.

    refs          `<object> <name>` or `ref: <name> <name>`, a line each, HEAD first, in the order of their names
    fsck          what `git fsck --full --unreachable --no-reflogs` says
    all.bundle    `git bundle create --all`
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from archiver.late import dataclass, pattern
from archiver.sources.base import Problem
from archiver.sources.compressed import STEP, StoppedError
from archiver.sources.limits import limit
from archiver.sources.unpack.base import Member

__all__ = ["REFS", "Repository", "repository"]

REFS: Final = b"refs"
_SHA1: Final = 40
_OBJECT: Final = pattern(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME: Final = pattern(rb"refs/[^\x00-\x20\x7f~^:?*\[\\]+")
_MOST_REFS: Final = 1_000_000
_MOST_PACKED: Final = 256 << 20
_MOST_REF: Final = 4096
_MEMORY: Final = 4 << 30
_SECONDS: Final = 6 * 3600
_OUTPUT: Final = 1 << 40
_SAID: Final = 4096
_SETTINGS: Final = {
    "core.commitGraph": "false",  # read the objects, not what the repository's own files say of them
    "core.multiPackIndex": "false",
    "core.packedGitWindowSize": "32m",
    "core.packedGitLimit": "512m",
    "core.bigFileThreshold": "64m",
    "pack.threads": "1",
    "pack.windowMemory": "256m",
    "pack.useBitmaps": "false",
    "protocol.allow": "never",
}


@dataclass(frozen=True)
class Repository:
    """A repository and its refs, as they were read. `unread` says which could not be."""

    folder: Path
    head: bytes
    refs: dict[bytes, bytes]
    unread: tuple[str, ...]

    @cached_property
    def text(self) -> bytes:
        """The member `refs`."""
        lines = [(b"HEAD", self.head), *sorted(self.refs.items())]
        return b"".join(value + b" " + name + b"\n" for name, value in lines)

    def members(self, scratch: Path) -> Iterator[Member]:
        """Yield refs, `git fsck` and the bundle, and a line for all that is wrong."""
        yield Member(0, REFS, lambda: [self.text], size=len(self.text))
        program = shutil.which("git")
        if program is None:
            yield _wrong(1, b"", "needs the program git, which is not installed here", "unsupported")
            return
        with tempfile.TemporaryDirectory(dir=scratch) as place:
            git = _Git(program, Path(place), self)
            yield from self._checked(git)

    def _checked(self, git: _Git) -> Iterator[Member]:
        problems = [(REFS, words) for words in self.unread]
        with git.said("fsck", "--full", "--unreachable", "--no-reflogs", "--no-progress") as (status, said):
            yield Member(1, b"fsck", partial(_blocks, said), size=said.stat().st_size)
            if status:
                problems.append((b"fsck", f"git fsck ended with status {status}: {_first(said)}"))
        usable, missing = git.usable()
        if missing:
            shown = b", ".join(missing[:5]).decode("utf-8", "backslashreplace")
            problems.append((REFS, f"{len(missing)} refs lead to objects that are not there: {shown}"))
        ordinal = 2
        if usable:
            bundle = git.folder / "all.bundle"
            words = git.bundle(bundle, usable)
            if bundle.exists():
                yield Member(ordinal, b"all.bundle", partial(_blocks, bundle), size=bundle.stat().st_size)
                ordinal += 1
            problems += [(b"all.bundle", words)] if words else []
        for name, words in problems:
            yield _wrong(ordinal, name, words, "io-error" if "No space left" in words else "corrupt")
            ordinal += 1


def repository(folder: Path) -> Repository | None:
    """Return the repository that a folder with a file HEAD is, None where it is none."""
    try:
        if not all(stat.S_ISDIR((folder / name).lstat().st_mode) for name in ("objects", "refs")):
            return None
        head = _read(folder / "HEAD", _MOST_REF).strip()
    except OSError:
        return None
    if _OBJECT.fullmatch(head) is None and not head.startswith(b"ref: "):
        return None
    unread: list[str] = []
    refs = dict(_packed(folder / "packed-refs", unread))
    refs |= dict(_loose(folder, unread))
    if (folder / "reftable").exists():
        unread.append("the refs of this repository are in a reftable, which is not read")
    return Repository(folder, head, refs, tuple(unread))


# Refs


def _packed(path: Path, unread: list[str]) -> Iterator[tuple[bytes, bytes]]:
    try:
        lines = _read(path, _MOST_PACKED).splitlines()
    except FileNotFoundError:
        return
    except OSError as problem:
        unread.append(f"packed-refs: {problem.strerror}")
        return
    for line in lines:
        value, _, name = line.partition(b" ")
        if line[:1] in b"#^":
            continue  # the header, and what a tag above leads to
        if _OBJECT.fullmatch(value) and _NAME.fullmatch(name):
            yield name, value
        else:
            unread.append(f"packed-refs: expected an object and a name, found {line[:80]!r}")


def _loose(folder: Path, unread: list[str]) -> Iterator[tuple[bytes, bytes]]:
    count = 0
    base = os.fsencode(folder)
    for place, folders, files in os.walk(os.path.join(base, b"refs")):  # noqa: PTH118 - names are bytes
        folders.sort()
        for file in sorted(files):
            path = os.path.join(place, file)  # noqa: PTH118
            name = os.path.relpath(path, base)
            count += 1
            if count > _MOST_REFS:
                unread.append(f"expected at most {_MOST_REFS} refs, found more")
                return
            if file.endswith(b".lock"):
                continue
            try:
                value = _read(Path(os.fsdecode(path)), _MOST_REF).strip()
            except OSError as problem:
                unread.append(f"{os.fsdecode(name)}: {problem.strerror}")
                continue
            target = value.removeprefix(b"ref: ")
            if not _NAME.fullmatch(name) or not (_OBJECT.fullmatch(value) or _NAME.fullmatch(target)):
                unread.append(f"{name!r}: expected an object or a ref, found {value[:80]!r}")
                continue
            yield name, value


def _read(path: Path, most: int) -> bytes:
    """Read a small regular file, no link followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "no regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(0, f"larger than {most} bytes")
    return data


# Git


class _Git:
    """Git in a folder of ours that borrows the objects of a repository (law 2)."""

    def __init__(self, program: str, folder: Path, source: Repository) -> None:
        self.folder = folder
        self._program = program
        self._source = source
        self._home = self._made("borrowing", source)
        self._nothing = self._made("empty", None)

    def _made(self, name: str, source: Repository | None) -> Path:
        home = self.folder / name
        (home / "objects" / "info").mkdir(parents=True)
        (home / "refs").mkdir()
        values = [] if source is None else [source.head, *source.refs.values()]
        wide = any(len(value) > _SHA1 and _OBJECT.fullmatch(value) for value in values)
        form = "1\n[extensions]\n\tobjectformat = sha256" if wide else "0"
        (home / "config").write_text(f"[core]\n\tbare = true\n\trepositoryformatversion = {form}\n", encoding="ascii")
        (home / "HEAD").write_bytes(b"ref: refs/heads/none\n")
        if source is not None:
            (home / "there").symlink_to(source.folder / "objects")
            (home / "objects" / "info" / "alternates").write_bytes(os.fsencode(home / "there") + b"\n")
            self._refs(home, source)
        return home

    def _refs(self, home: Path, source: Repository) -> None:
        self._write(home, {name: self._resolved(name) for name in source.refs})
        with suppress(OSError):  # its history is not cut short
            (home / "shallow").write_bytes(_read(source.folder / "shallow", _MOST_PACKED))

    def _resolved(self, name: bytes) -> bytes | None:
        """Follow symbolic refs to an object."""
        value: bytes | None = self._source.head if name == b"HEAD" else self._source.refs.get(name)
        for _ in range(5):
            if value is None or _OBJECT.fullmatch(value):
                return value
            value = self._source.refs.get(value.removeprefix(b"ref: "))
        return None

    def _write(self, home: Path, refs: dict[bytes, bytes | None]) -> None:
        lines = [value + b" " + name + b"\n" for name, value in sorted(refs.items()) if value is not None]
        (home / "packed-refs").write_bytes(b"# pack-refs with: sorted \n" + b"".join(lines))
        head = self._resolved(b"HEAD")
        target = self._source.head.removeprefix(b"ref: ")
        if _NAME.fullmatch(target) and target in refs:
            (home / "HEAD").write_bytes(self._source.head + b"\n")
        elif head is not None:
            (home / "HEAD").write_bytes(head + b"\n")

    def usable(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return the refs whose objects are there, and the names of the others; git forgets the latter."""
        wanted = {name: self._resolved(name) for name in self._source.refs}
        asked = b"".join(value + b"\n" for value in {*wanted.values()} if value is not None)
        with self.said("cat-file", "--batch-check", asked=asked) as (_, said):
            missing = {line.split(b" ")[0] for line in said.read_bytes().splitlines() if line.endswith(b" missing")}
        found = {name: value for name, value in wanted.items() if value is not None and value not in missing}
        lost = sorted(wanted.keys() - found.keys())
        if lost:
            self._write(self._home, {**found})
        return found, lost

    def bundle(self, path: Path, refs: dict[bytes, bytes]) -> str | None:
        """Make the bundle; return what is wrong with it."""
        with self.said("bundle", "create", "--quiet", str(path), "--all") as (status, said):
            if status:
                return f"git bundle ended with status {status}: {_first(said)}"
        with self.said("bundle", "verify", "--quiet", str(path), home=self._nothing) as (status, said):
            if status:
                return f"git bundle verify ended with status {status}: {_first(said)}"
        with self.said("bundle", "list-heads", str(path), home=self._nothing) as (_, said):
            heads = {line.partition(b" ")[::2] for line in said.read_bytes().splitlines()}
        lacking = {(value, name) for name, value in refs.items()} - heads
        return f"expected all {len(refs)} refs in the bundle, found {len(refs) - len(lacking)}" if lacking else None

    @contextmanager
    def said(self, *words: str, asked: bytes = b"", home: Path | None = None) -> Iterator[tuple[int, Path]]:
        """Run git to its end; give its status, and a file with what it said."""
        place = self.folder / "said"
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [self._program, f"--git-dir={home or self._home}", *settings, *words]
        with place.open("wb") as output, tempfile.TemporaryFile() as question:
            question.write(asked)
            question.seek(0)
            with subprocess.Popen(  # noqa: S603 - no shell, and no argument comes from the repository
                command,
                stdin=question,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
            ) as running:
                try:
                    limit(running.pid, memory=_MEMORY, seconds=_SECONDS, output=_OUTPUT)
                    status = running.wait()
                finally:
                    running.kill()
        try:
            yield status, place
        finally:
            place.unlink()

    def _environment(self) -> dict[str, str]:
        nothing = os.devnull
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": nothing,
            "GIT_CONFIG_GLOBAL": nothing,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "",
        }


def _wrong(ordinal: int, name: bytes, words: str, reason: str = "corrupt") -> Member:
    return Member(ordinal, name, lambda: (), problem=Problem(reason, words))


def _first(said: Path) -> str:
    with said.open("rb") as file:
        lines = file.read(_SAID).decode("utf-8", "backslashreplace").splitlines()
    bad = [line for line in lines if not line.startswith("unreachable ")]
    return bad[0] if bad else "it does not say why"


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(STEP):
                yield piece
    except OSError as problem:
        raise StoppedError("truncated", f"{path.name}: {problem.strerror}") from problem
