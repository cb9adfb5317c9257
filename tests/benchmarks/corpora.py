"""What a benchmark is run on: made-up files that are the same on every machine, for the same name, scale and seed.

    mixed   about 19,000 files of 400 MB: source code, web pages, PDF, office files, mails, pictures
    small   100,000 files of 1 to 4 kB
    big     one file of 4 GiB that no compressor makes smaller
    chat    one JSONL file of 400 MB, a chat request and its answer a line, 1.35 kB each

`scale` multiplies the number of files, or the size where it is one file. A corpus that is there already is used again;
a folder of somebody's own is a corpus, too.

>>> corpus = make("small", Path("/tmp/corpora"), scale=0.01)
>>> corpus.files, corpus.path
(1000, PosixPath('/tmp/corpora/small-0.01-2'))
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Final

__all__ = ["NAMES", "Corpus", "given", "handful", "make", "settle"]

_SEED: Final = 2
_SETTLED_S: Final = 3.0  # a file that is younger may change again without a trace in its times, and is read again
_WORDS: Final = 4096
_HANDFUL: Final = 60
_BEGINNING: Final = 1 << 16
_MIB: Final = 1 << 20

# share of the files, suffix, smallest and largest size, what it is made of
_KINDS: Final = (
    (0.46, ".py", 300, 24_000, "code"),
    (0.14, ".html", 1_000, 40_000, "code"),
    (0.18, ".eml", 1_200, 30_000, "text"),
    (0.08, ".md", 200, 12_000, "text"),
    (0.05, ".json", 100, 60_000, "code"),
    (0.04, ".docx", 12_000, 400_000, "packed"),
    (0.03, ".pdf", 30_000, 1_200_000, "packed"),
    (0.02, ".png", 2_000, 120_000, "packed"),
)


@dataclass(frozen=True)
class Corpus:
    """Files to be kept: a folder, and how many files of how many bytes are in it."""

    name: str
    path: Path
    files: int
    bytes: int
    scale: float

    @property
    def is_log(self) -> bool:
        """Say whether these are logs, which are kept line by line."""
        return self.name == "chat"


def make(name: str, below: Path, *, scale: float = 1.0) -> Corpus:
    """Make a corpus in a folder of its own below `below`, unless it is there."""
    folder = below / f"{name}-{scale:g}-{_SEED}"
    done = folder.with_name(folder.name + ".done")
    if not done.exists():
        _MAKERS[name](folder, scale, random.Random(f"{_SEED} {name}"))
        done.touch()
    return _measured(name, folder, scale)


def given(folder: Path) -> Corpus:
    """Take somebody's folder as a corpus."""
    return _measured(folder.name, folder.absolute(), 1.0)


def handful(corpus: Corpus, folder: Path) -> Corpus:
    """Copy a few small files of a corpus, or the first lines of a log, to a new folder: a corpus for a first try."""
    folder.mkdir(parents=True)
    for number, entry in enumerate(islice(_files(corpus.path), _HANDFUL)):
        with Path(entry.path).open("rb") as source:
            beginning = source.read(_BEGINNING)
        kept = beginning[: beginning.rfind(b"\n") + 1] if corpus.is_log else beginning
        (folder / f"{number}-{entry.name}").write_bytes(kept)
    return _measured(corpus.name, folder, corpus.scale)


def settle(corpus: Corpus) -> None:
    """Wait until the newest file is so old that its times speak for its bytes."""
    newest = max((entry.stat(follow_symlinks=False).st_ctime for entry in _files(corpus.path)), default=0.0)
    time.sleep(max(0.0, newest + _SETTLED_S - time.time()))


def _measured(name: str, folder: Path, scale: float) -> Corpus:
    sizes = [entry.stat(follow_symlinks=False).st_size for entry in _files(folder)]
    return Corpus(name, folder, len(sizes), sum(sizes), scale)


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield entry


class _Words:
    """Text that compresses like text: words with the frequencies of a language, drawn from one pool."""

    def __init__(self, chance: random.Random) -> None:
        letters = "etaoinshrdlucmfwypvbgk"
        self._chance = chance
        self._words = ["".join(chance.choices(letters, k=2 + int(chance.expovariate(0.25)))) for _ in range(_WORDS)]
        self._weights = list(accumulate(1 / (place + 2) for place in range(_WORDS)))

    def text(self, size: int, line: str) -> bytes:
        """Return `size` bytes of text, in lines that begin with `line`."""
        words = self._chance.choices(self._words, cum_weights=self._weights, k=size // 5 + 16)
        lines = (line + " ".join(words[place : place + 12]) for place in range(0, len(words), 12))
        return "\n".join(lines).encode()[:size]


def _mixed(folder: Path, scale: float, chance: random.Random) -> None:
    words = _Words(chance)
    count = max(8, int(19_000 * scale))
    shares = [share for share, *_ in _KINDS]
    for number in range(count):
        _, suffix, smallest, largest, made_of = _KINDS[chance.choices(range(len(_KINDS)), shares)[0]]
        size = int(smallest * (largest / smallest) ** chance.random())
        place = folder / f"{number % 23:02d}" / f"part-{number // 23 % 17}" / f"file-{number:06d}{suffix}"
        _write(place, _body(words, chance, size, suffix, made_of))


def _body(words: _Words, chance: random.Random, size: int, suffix: str, made_of: str) -> bytes:
    if suffix == ".docx":
        return _office(words.text(size // 2, ""), chance.randbytes(size - size // 8))
    if made_of == "packed":
        head = {".pdf": b"%PDF-1.7\n", ".png": b"\x89PNG\r\n\x1a\n"}[suffix]
        return head + words.text(size // 12, "/Type /Page ") + chance.randbytes(size - size // 12)
    if suffix == ".eml":
        lines = (f"From: a{size}@example.org", "To: b@example.org", f"Subject: about {size}", "MIME-Version: 1.0")
        return "\r\n".join([*lines, "", ""]).encode() + words.text(size, "")
    return words.text(size, "    " if made_of == "code" else "")


def _office(text: bytes, picture: bytes) -> bytes:
    """Return a package as an office program writes it: text that is packed, and a picture that is not packed again."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in ("[Content_Types].xml", b"<Types/>"), ("word/document.xml", text):
            package.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
        package.writestr(zipfile.ZipInfo("word/media/image1.png"), picture, zipfile.ZIP_STORED)
    return data.getvalue()


def _small(folder: Path, scale: float, chance: random.Random) -> None:
    words = _Words(chance)
    pool = words.text(8 * _MIB, "")
    for number in range(max(8, int(100_000 * scale))):
        start, size = chance.randrange(len(pool) - 4096), chance.randrange(1000, 4000)
        head = b"%d %d\n" % (number, start)
        _write(folder / f"{number // 1000:03d}" / f"note-{number:06d}.txt", head + pool[start : start + size])


def _big(folder: Path, scale: float, chance: random.Random) -> None:
    folder.mkdir(parents=True)
    size = max(_MIB, int(4096 * _MIB * scale))
    with (folder / "image.bin").open("wb") as file:
        while size > 0:
            block = chance.randbytes(min(size, _MIB))
            file.write(block)
            size -= len(block)


def _chat(folder: Path, scale: float, chance: random.Random) -> None:
    words = _Words(chance)
    pool = words.text(8 * _MIB, "").decode().replace("\n", " ")
    folder.mkdir(parents=True)
    with (folder / "chat.jsonl").open("wb") as file:
        for number in range(max(8, int(300_000 * scale))):
            file.write(_chat_line(number, pool, chance))


def _chat_line(number: int, pool: str, chance: random.Random) -> bytes:
    start, asked, answered = chance.randrange(len(pool) - 4096), chance.randrange(60, 500), chance.randrange(200, 1000)
    identity = hashlib.sha256(b"%d" % number).hexdigest()
    line = {
        "id": f"chatcmpl-{identity[:24]}",
        "object": "chat.completion",
        "created": 1_767_700_000 + number // 20,
        "model": chance.choice(["grok-4", "grok-4-fast", "grok-3-mini"]),
        "messages": [{"role": "user", "content": pool[start : start + asked]}],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": pool[start + asked : start + asked + answered]},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": asked // 4, "completion_tokens": answered // 4, "total_tokens": number % 997},
        "user": f"user-{zlib.crc32(identity.encode()) % 5000}",
        "request": {"temperature": 0.7, "top_p": 1, "stream": False, "path": "/v1/chat/completions"},
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _write(place: Path, body: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)


_MAKERS: Final[dict[str, Callable[[Path, float, random.Random], None]]] = {
    "mixed": _mixed,
    "small": _small,
    "big": _big,
    "chat": _chat,
}
NAMES: Final = tuple(_MAKERS)
