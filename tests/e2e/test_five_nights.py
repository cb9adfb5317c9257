"""However a run reads, by itself, with other processes, all or what is new: of five nights it says and keeps the same.

What documents are to be said to be is told by a plain model of the archive; of logs and of what is inside documents the
ways to read have to agree.
"""

from __future__ import annotations

import ctypes
import io
import os
import random
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from archiver.flows.snapshot import early, read_ahead
from tests.e2e.conftest import Organisation

CAPABILITY_VERSION, READS_ALL = 0x20080522, 1 << 1 | 1 << 2  # linux/capability.h: DAC_OVERRIDE, DAC_READ_SEARCH
PR_SET_SECUREBITS, NO_ROOT = 28, 1  # linux/prctl.h, linux/securebits.h
NIGHTS = 5
WAYS = {
    "default": {"processors": 2},
    "one": {"jobs": 1},
    "four": {"jobs": 4},
    "rehash": {"rehash": True, "jobs": 1},
    "rehash with four": {"rehash": True, "jobs": 4},
}
"""In how many ways every night is taken, each into an archive of its own."""
EVERYTHING = {
    ("captured", None),
    ("captured", "duplicate"),
    ("unchanged", None),
    ("recorded", None),
    ("failed", "permission-denied"),
    ("absent", None),
}
"""What is said of some document in five nights."""


@pytest.fixture
def bound_by_modes():
    """What may not be read by its mode is closed to this process and to those that it starts, also where that is root.

    Root may read everything by two of its capabilities. They are laid down here, and are not given to other programs.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, words = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, words) or libc.prctl(PR_SET_SECUREBITS, NO_ROOT, 0, 0, 0):
        pytest.skip(f"root cannot be bound by modes here: {os.strerror(ctypes.get_errno())}")
    bound = (ctypes.c_uint32 * 6)(words[0] & ~READS_ALL, *words[1:])
    try:
        assert libc.capset(header, bound) == 0
        yield
    finally:
        assert (libc.capset(header, words), libc.prctl(PR_SET_SECUREBITS, 0, 0, 0, 0)) == (0, 0)


def box(choose):
    """Return a zip with a member or two."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for number in range(choose.randrange(1, 3)):
            file.writestr(zipfile.ZipInfo(f"{number}.txt"), f"inside {choose.randrange(4)}\n")
    return packed.getvalue()


class Share:
    """Two folders that people use: documents with a model of what is there, and logs."""

    def __init__(self, root, seed):
        self.papers, self.logs = root / "papers", root / "logs"
        self.choose = random.Random(seed)
        self.pool = [
            b"",
            *(f"text {number}\n".encode() * number for number in range(1, 18)),
            *map(box, [self.choose] * 4),
        ]
        self.pool.append(b"long" * 300_000)
        for folder in ("", "0", "1", "2"):
            (self.papers / folder).mkdir(parents=True, exist_ok=True)
        self.logs.mkdir()
        for _ in range(60):
            self.write(self.name())
        for number in range(4):
            (self.logs / f"{number}.log").write_bytes(b'{"model":"m%d"}\n' % number * 20)

    def name(self):
        return self.papers / str(self.choose.randrange(3)) / f"{self.choose.randrange(40):02}"

    def write(self, path):
        clear(path)
        new = self.choose.randbytes(30).hex().encode()
        path.write_bytes(self.choose.choice(self.pool) if self.choose.random() < 0.8 else new)

    def files(self):
        return [path for path in sorted(self.papers.glob("*/*")) if path.is_file() and not path.is_symlink()]

    def change(self):
        """Let a day pass."""
        for folder in self.papers.iterdir():
            folder.chmod(0o755)
        for path in self.files():
            if not path.stat().st_mode & 0o400 and self.choose.random() < 0.6:
                path.chmod(0o644)
        deeds = [self.write, self.write, clear, self.rename, self.link, self.cut, self.same, self.touch, self.shut]
        deeds += [to_link, to_folder, to_fifo, self.back, self.back]
        for _ in range(30):
            self.choose.choice(deeds)(self.name())
        if self.choose.random() < 0.4:
            (self.papers / str(self.choose.randrange(3))).chmod(0)
        self.change_log(self.logs / f"{self.choose.randrange(4)}.log")
        self.change_log(self.logs / f"{self.choose.randrange(4)}.log")

    def rename(self, path):
        if path.exists() or path.is_symlink():
            there = self.name()
            clear(there)
            if path != there:
                path.rename(there)

    def link(self, path):
        there = self.name()
        if is_file(path) and path != there:
            clear(there)
            there.hardlink_to(path)

    def cut(self, path):
        if is_file(path) and is_open(path):
            os.truncate(path, path.stat().st_size // 2)

    def same(self, path):
        """Replace a file by another one of the same bytes, with other times."""
        if is_file(path) and is_open(path):
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)

    def touch(self, path):
        if is_file(path):
            os.utime(path, (10**9, 10**9 + self.choose.randrange(1000)))

    def shut(self, path):
        if is_file(path):
            path.chmod(0)

    def back(self, path):
        """Let something that is no file, or is not there, be a file with bytes that may have been here before."""
        if not is_file(path):
            self.write(path)

    def change_log(self, log):
        deed = self.choose.randrange(5)
        if deed < 2 or not log.exists():
            with log.open("ab") as file:
                file.write(b'{"more":%d}\n' % self.choose.randrange(9) * 3)
        elif deed == 2:
            os.truncate(log, log.stat().st_size // 2)
        elif deed == 3:
            log.rename(log.with_name(f"{log.name}.1"))
        else:
            log.unlink()


def is_file(path):
    return path.is_file() and not path.is_symlink()


def is_open(path):
    return bool(path.stat().st_mode & 0o400)


def clear(path):
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)


def to_link(path):
    clear(path)
    path.symlink_to("elsewhere")


def to_folder(path):
    clear(path)
    path.mkdir()


def to_fifo(path):
    clear(path)
    os.mkfifo(path)


@dataclass
class Model:
    """What an archive has to know and to say of documents, by the plainest rules."""

    content: dict[str, bytes] = field(default_factory=dict)
    """What was last archived of each path."""
    there: set[str] = field(default_factory=set)

    def night(self, papers):
        """Return status and reason that are to be said of each path."""
        said, known = {}, set(self.content.values())
        seen = {str(path.relative_to(papers)): path for path in self.walk(papers)}
        content = dict(self.content)
        fresh = {}
        for name, path in seen.items():
            if not is_file(path):
                is_closed = path.is_dir() and not path.is_symlink() and not is_open(path)
                said[name] = ("failed", "permission-denied") if is_closed else ("recorded", None)
            elif not is_open(path):
                said[name] = ("failed", "permission-denied")
            else:
                content[name] = data = path.read_bytes()
                if self.content.get(name) == data:
                    said[name] = ("unchanged", None)
                elif data in known:
                    said[name] = ("captured", "duplicate")
                else:
                    fresh.setdefault(data, []).append(name)
        for names in fresh.values():
            said |= dict.fromkeys(names, ("captured", "duplicate")) | {names[0]: ("captured", None)}
        said |= dict.fromkeys(self.there - set(seen), ("absent", None))
        self.content, self.there = content, set(seen)
        return said

    @staticmethod
    def walk(folder):
        """Yield everything below a folder that can be looked at, in the order of the bytes of its names."""
        if is_open(folder):
            for path in sorted(folder.iterdir()):
                yield path
                if path.is_dir() and not path.is_symlink():
                    yield from Model.walk(path)


class Way:
    """An archive of the share, made in one way."""

    def __init__(self, root, name, share, records):
        self.place = Organisation(root / name, until="2100-01-01T00:00:00Z", records=records)
        self.options, self.nights = WAYS[name], {}
        for source in ("papers", "logs"):
            (self.place.root / source).rmdir()
        where = {"./papers": str(share.papers), "./logs": str(share.logs)}

        def at_the_share(text):
            for here, there in where.items():
                text = text.replace(f"location: {here}", f"location: {there}")
            return text

        self.place.write_policy(at_the_share)

    def night(self, now):
        """Take a snapshot; return what it says of each item, and how many bytes it stored."""
        self.place.now = now
        done = self.place.take(**self.options)
        self.nights[done.id] = len(self.nights)
        return {line.item.text(): self.what(line) for line in self.place.said(done.id)}, done.stored_bytes

    def what(self, line):
        parts = [(self.batch(one.batch), one.first, one.count, one.of and one.of.text()) for one in line.parts]
        return (line.status, line.reason, line.kind, line.table, line.size, line.sha256, line.errno, parts)

    def batch(self, identity):
        """Return a batch by its night, table and number."""
        snapshot = next(one for one in self.nights if identity.startswith(one))
        return self.nights[snapshot], identity.removeprefix(snapshot)


def is_document(line):
    return line.item.source == "papers" and not line.item.members


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("bound_by_modes")
def test_every_way_to_read_says_the_same(tmp_path, monkeypatch, verified, seed):
    monkeypatch.setattr(read_ahead, "BEGIN", 8)
    monkeypatch.setattr(read_ahead, "_UNIT", 5)
    monkeypatch.setattr(early, "AT_ONCE", 16)
    share, model = Share(tmp_path, seed), Model()
    ways = {name: Way(tmp_path, name, share, records=(2_000_000, 17)[seed % 2]) for name in WAYS}
    now, met = datetime.now(UTC).replace(microsecond=0), set()
    for night in range(NIGHTS):
        if night:
            share.change()
        now += timedelta(hours=2)
        wanted = model.night(share.papers)
        met.update(wanted.values())
        found = {name: way.night(now) for name, way in ways.items()}
        documents = {line.item.path: line for line in ways["default"].place.said() if is_document(line)}
        assert {path: (line.status, line.reason) for path, line in documents.items()} == wanted
        said, stored = found["default"]
        for name, (others, stored_by_other) in found.items():
            differ = {text: (said.get(text), others.get(text)) for text in said | others}
            differ = {text: both for text, both in differ.items() if both[0] != both[1]}
            assert (night, name, differ, stored_by_other) == (night, name, {}, stored)
    assert met == EVERYTHING
    for way in ways.values():
        verified(way.place)
