"""Running a command and saying what it cost: wall clock, processor seconds of it and of all it started, memory.

On a machine that others use, too, processor seconds say more than the clock; both are kept. So is what everything else
on the machine worked in the same time: an object store of its own, which shares the processors with what is measured,
or somebody who spoils the measurement.

>>> measure(["true"]).exit
0
"""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["CommandFailedError", "Cost", "limits", "machine", "measure", "of_package", "stored_bytes", "touch_memory"]

_SAMPLE = 16 << 20
_TOUCH = """\
import mmap, sys
mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
"""


class CommandFailedError(RuntimeError):
    """A command that is measured did not do what it should."""


@dataclass(frozen=True)
class Cost:
    """What one run of a command cost; `rss_mib` is the largest of its processes, `beside_s` the work of all others."""

    wall_s: float
    cpu_s: float
    beside_s: float
    rss_mib: float
    exit: int


def measure(
    command: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    good: Sequence[int] = (0,),
    output: Path | None = None,
) -> Cost:
    """Run a command to its end; what it prints goes to the file `output`, and is shown when it fails."""
    with (output or Path(os.devnull)).open("wb") as sink:
        began, busy = time.monotonic(), _busy()
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, **(environ or {})}
        )
        _, status, used = os.wait4(process.pid, 0)
        wall, busy = time.monotonic() - began, _busy() - busy
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in good:
        said = output.read_text(errors="backslashreplace")[-2000:] if output else ""
        raise CommandFailedError(f"{' '.join(command)}: exit {code}\n{said}")
    spent = used.ru_utime + used.ru_stime
    return Cost(wall, spent, max(0.0, busy - spent), used.ru_maxrss / 1024, code)


def touch_memory(size: int) -> None:
    """Use some of this machine's memory once, a third of what is free at most, and give it back.

    A virtual machine gets its memory when it first touches it, which may take three times as long as later on; whoever
    came first would pay for it.
    """
    free = dict(_colons(Path("/proc/meminfo"))).get("MemAvailable", "0 kB")
    size = min(size, int(free.split()[0]) * 1024 // 3)
    if size and sys.platform == "linux":
        subprocess.run([sys.executable, "-c", _TOUCH, str(size)], check=True)  # else it were the peak of this process


def machine() -> dict[str, str | int | float]:
    """Say what this is measured on."""
    facts = dict(_colons(Path("/proc/cpuinfo")))
    memory = dict(_colons(Path("/proc/meminfo"))).get("MemTotal", "0 kB")
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
    }


@cache
def limits() -> dict[str, float]:
    """Say what one core does here in a second, at its best of three: no program that hashes and compresses beats it.

    Megabytes hashed with SHA-256, compressed with zstd at level 3 and decompressed again, of text such as logs have;
    and thousands of records of a kilobyte, each hashed by itself from Python, with the inner node of a tree.
    """
    import zstandard

    chance = random.Random(1)
    words = [chance.randbytes(chance.randrange(1, 6)).hex() for _ in range(2000)]
    text = " ".join(chance.choices(words, k=_SAMPLE // 7)).encode()[:_SAMPLE]
    packed = zstandard.ZstdCompressor(3).compress(text)
    records = [text[place : place + 1000] for place in range(0, len(text), 1000)]
    work: dict[str, tuple[Callable[[], object], float]] = {
        "sha256_mb": (lambda: sha256(text).digest(), len(text) / 1e6),
        "zstd_3_mb": (lambda: zstandard.ZstdCompressor(3).compress(text), len(text) / 1e6),
        "unzstd_mb": (lambda: zstandard.ZstdDecompressor().decompress(packed), len(text) / 1e6),
        "records_k": (lambda: [sha256(b"\1" + sha256(one).digest()).digest() for one in records], len(records) / 1e3),
    }
    return {name: round(amount / _quickest(job), 1) for name, (job, amount) in work.items()}


def of_package(name: str) -> str | None:
    """Return the version of a Python package, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def stored_bytes(folder: Path) -> int:
    """Return how many bytes all files below a folder have."""
    return sum(place.lstat().st_size for place in folder.rglob("*") if place.is_file() and not place.is_symlink())


def _quickest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _busy() -> float:
    """Return how many seconds all processors of this machine have worked so far, 0 where it does not say."""
    try:
        ticks = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:  # not Linux
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts = ticks[:7]
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")


def _colons(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # not Linux
        return []
    return [(name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
