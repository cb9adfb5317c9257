"""A folder of logs, and what programs and people do to logs between two nights.

Each line has a number of its own, so that it is known how often it is stored. `edited` are lines of logs that were
changed elsewhere than at their end; what is left of such a log is stored again.

>>> logs = LogFolder(folder, random.Random(7))
>>> logs.do()
'copy_and_truncate chat.log'
"""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import zstandard

from archiver.sources.statx import birth_ns

LIVE = ("chat.log", "gate/access.log")
PACKED = {
    ".gz": lambda packed: zlib.decompressobj(31).decompress(packed),  # as far as it comes
    ".zst": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
}
NUMBERED = re.compile(r"(.*\.log)\.(\d+)(\.gz|\.zst)?\Z")
LONGEST = 150_000  # more than a batch of 64 KiB has room for


def lines_of(data: bytes) -> list[bytes]:
    """Return the whole lines of a log."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


class LogFolder:
    """Two logs that are written to, and what has become of their elder ones."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.count = 0
        self.edited: set[bytes] = set()
        for name in LIVE:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(self.some())
        self.deeds: list[tuple[int, Callable[[Path], object]]] = [
            (14, self.append),
            (3, self.append_half),
            (3, self.finish),
            (4, self.rotate),
            (2, self.rotate_to_date),
            (4, self.copy_and_truncate),
            (1, self.copy),
            (4, self.compress),
            (1, self.compress_beside),
            (1, self.compress_in_part),
            (1, self.decompress),
            (1, self.recompress),
            (1, self.remove_oldest),
            (1, self.remove),
            (1, self.empty),
            (1, self.cut),
            (1, self.overwrite),
            (1, self.insert),
            (1, self.replace),
            (1, self.make_anew),
            (1, self.link),
            (1, self.link_back),
            (1, self.touch),
            (1, self.swap),
        ]

    def do(self) -> str:
        """Do something to one of the two logs; return what."""
        deed = self.chance.choices([deed for _, deed in self.deeds], [weight for weight, _ in self.deeds])[0]
        name = self.chance.choice(LIVE)
        deed(self.folder / name)
        return f"{deed.__name__} {name}"

    # What is there

    def files(self) -> dict[str, bytes]:
        """Return all files, by path."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    def identities(self) -> dict[str, tuple[int, int | None]]:
        """Return inode and time of birth of all files, by path."""
        found = ((name, (self.folder / name).stat().st_ino) for name in self.files())
        return {name: (inode, birth_ns(-1, os.fsencode(self.folder / name), inode)) for name, inode in found}

    def elder(self, log: Path, *, packed: bool) -> list[Path]:
        """Return what has become of a log that was rotated, by name."""
        found = (path for path in log.parent.iterdir() if path != log and path.name.startswith(log.stem))
        return sorted(path for path in found if (path.suffix in PACKED) == packed)

    def line(self) -> bytes:
        """Return a line that never was."""
        self.count += 1
        number = b"r%d" % self.count
        return self.chance.choice(
            [
                b'{"request_id":"%b","model":"m"}\n' % number,
                b'{"request_id":"%b","model":"m"}\r\n' % number,
                b"\xff\xfe%b\x00\x80\n" % number,
                b"%b in words \xc3\xa9\n" % number,
                b"%b\rcarriage\n" % number,
                b"%b " % number + b"long " * self.chance.choice([10, 1000]) + b"\n",
            ]
        )

    def some(self) -> bytes:
        """Return some lines that never were, with empty ones in between."""
        lines = [self.line() for _ in range(self.chance.randrange(1, 12))]
        if self.chance.random() < 0.05:
            lines.append(lines[-1][:-1] + self.chance.randbytes(LONGEST).replace(b"\n", b"") + b"\n")
        if self.chance.random() < 0.3:
            lines.insert(self.chance.randrange(len(lines)), self.chance.choice([b"\n", b"\r\n", b"\n\n"]))
        return b"".join(lines)

    # What is done

    def append(self, log: Path) -> None:
        with log.open("ab") as file:
            file.write(self.some())

    def append_half(self, log: Path) -> None:
        with log.open("ab") as file:
            file.write(self.line().rstrip(b"\r\n"))

    def finish(self, log: Path) -> None:
        if log.exists() and log.stat().st_size and not log.read_bytes().endswith(b"\n"):
            with log.open("ab") as file:
                file.write(self.chance.choice([b" and its end\n", b"\n", b"\r\n"]))

    def rotate(self, log: Path) -> None:
        """Move it to the first number, and what has a number one further."""
        if log.exists():
            self._make_room(log)
            log.rename(log.with_name(f"{log.name}.1"))
            self._maybe_begin(log)

    def rotate_to_date(self, log: Path) -> None:
        if log.exists():
            log.rename(self._dated(log))
            self._maybe_begin(log)

    def copy_and_truncate(self, log: Path) -> None:
        """Copy it; what is written until it is cut is lost, or it is cut some other time."""
        if not log.exists():
            return
        if self.chance.random() < 0.7:
            self._make_room(log)
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        else:
            shutil.copyfile(log, self._dated(log))
        if self.chance.random() < 0.3:
            self.append(log)
        if self.chance.random() < 0.8:
            os.truncate(log, 0)
            if self.chance.random() < 0.5:
                self.append(log)
            if self.chance.random() < 0.3:  # more than it had
                for _ in range(10):
                    self.append(log)

    def copy(self, log: Path) -> None:
        if log.exists():
            shutil.copyfile(log, self._dated(log))

    def compress(self, log: Path) -> None:
        """Compress what was rotated, and take the plain file away."""
        for plain in self._one_of(self.elder(log, packed=False)):
            self._pack(plain)
            plain.unlink()

    def compress_beside(self, log: Path) -> None:
        """Compress what was rotated; the plain file is still there."""
        for plain in self._one_of(self.elder(log, packed=False)):
            self._pack(plain)

    def compress_in_part(self, log: Path) -> None:
        """Be in the middle of compressing what was rotated."""
        for plain in self._one_of(self.elder(log, packed=False)):
            packed = gzip.compress(plain.read_bytes(), mtime=1)
            plain.with_name(f"{plain.name}.gz").write_bytes(packed[: self.chance.randrange(10, len(packed))])
            self.edited.update(lines_of(plain.read_bytes()))

    def decompress(self, log: Path) -> None:
        for packed in self._one_of(self.elder(log, packed=True)):
            packed.with_suffix("").write_bytes(PACKED[packed.suffix](packed.read_bytes()))
            packed.unlink()

    def recompress(self, log: Path) -> None:
        """Compress it otherwise."""
        for packed in self._one_of(self.elder(log, packed=True)):
            data = PACKED[packed.suffix](packed.read_bytes())
            packed.unlink()
            packed.with_suffix(".gz").write_bytes(gzip.compress(data, self.chance.randrange(1, 9), mtime=1))

    def remove_oldest(self, log: Path) -> None:
        everything = self.elder(log, packed=True) + self.elder(log, packed=False)
        for path in sorted(everything, key=lambda path: path.stat().st_mtime_ns)[:1]:
            path.unlink()

    def remove(self, log: Path) -> None:
        log.unlink(missing_ok=True)

    def empty(self, log: Path) -> None:
        if log.exists():
            os.truncate(log, 0)

    def cut(self, log: Path) -> None:
        """Cut it off somewhere, perhaps within a line."""
        for path in self._written(log):
            os.truncate(path, self.chance.randrange(1, path.stat().st_size))
            self._edited(path)

    def overwrite(self, log: Path) -> None:
        """Write over some of its bytes; it stays as long as it was."""
        for path in self._written(log):
            with path.open("r+b") as file:
                file.seek(self.chance.randrange(path.stat().st_size - 1))
                file.write(b"%")
            self._edited(path)

    def insert(self, log: Path) -> None:
        """Write a line into its middle, or take one from there."""
        for path in self._written(log):
            lines = lines_of(path.read_bytes()) or [b""]
            at = self.chance.randrange(len(lines))
            lines[at : at + self.chance.randrange(2)] = [self.line()]
            path.write_bytes(b"".join(lines))
            self._edited(path)

    def replace(self, log: Path) -> None:
        """Let another file have its name."""
        other = log.with_name("new")
        other.write_bytes(self.some())
        other.rename(log)

    def make_anew(self, log: Path) -> None:
        """Take it away and make it anew, which may have the same inode."""
        log.unlink(missing_ok=True)
        self.append(log)

    def link(self, log: Path) -> None:
        """Give it a second name, which may be of its family."""
        other = log.with_name(self.chance.choice([f"{log.name}.9", "other.log"]))
        if log.exists():
            other.unlink(missing_ok=True)
            other.hardlink_to(log)

    def link_back(self, log: Path) -> None:
        """Let it be what it was when it got a second name."""
        other = log.with_name(f"{log.name}.9")
        if other.exists():
            log.unlink(missing_ok=True)
            log.hardlink_to(other)

    def touch(self, log: Path) -> None:
        for path in self._one_of([path for path in [log, *self.elder(log, packed=False)] if path.exists()]):
            os.utime(path, ns=(10**18, 10**18))

    def swap(self, log: Path) -> None:
        """Let the log and what was rotated last change names."""
        other = log.with_name(f"{log.name}.1")
        if log.exists() and other.exists():
            log.rename(log.with_name("between"))
            other.rename(log)
            log.with_name("between").rename(other)

    # Steps

    def _make_room(self, log: Path) -> None:
        found = [(path, NUMBERED.match(path.name)) for path in log.parent.iterdir() if path.name.startswith(log.name)]
        numbered = sorted(((int(match[2]), path, match[3] or "") for path, match in found if match), reverse=True)
        for number, path, suffix in numbered:
            path.rename(log.with_name(f"{log.name}.{number + 1}{suffix}"))

    def _maybe_begin(self, log: Path) -> None:
        if self.chance.random() < 0.3:
            log.touch()
        elif self.chance.random() < 0.8:
            self.append(log)

    def _dated(self, log: Path) -> Path:
        self.count += 1
        date = 20261000 + self.count
        return log.with_name(self.chance.choice([f"{log.name}-{date}", f"{log.stem}-{date}{log.suffix}"]))

    def _one_of(self, paths: list[Path]) -> list[Path]:
        return [self.chance.choice(paths)] if paths else []

    def _written(self, log: Path) -> list[Path]:
        """Return the log, or one that was rotated, which has at least two bytes."""
        paths = [log, *self.elder(log, packed=False)] if self.chance.random() < 0.3 else [log]
        return self._one_of([path for path in paths if path.exists() and path.stat().st_size > 1])

    def _pack(self, plain: Path) -> None:
        data = plain.read_bytes()
        if self.chance.random() < 0.5:
            plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(data, mtime=self.count))
        else:
            plain.with_name(f"{plain.name}.zst").write_bytes(zstandard.compress(data))

    def _edited(self, path: Path) -> None:
        self.edited.update(lines_of(path.read_bytes()))
