"""Running a command and saying what it cost: wall clock, processor seconds of it and of all it started, memory.

On a machine that others use, too, processor seconds say more than the clock; both are kept.

>>> measure(["true"]).exit
0
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["CommandFailedError", "Cost", "machine", "measure", "of_package", "stored_bytes"]


class CommandFailedError(RuntimeError):
    """A command that is measured did not do what it should."""


@dataclass(frozen=True)
class Cost:
    """What one run of a command cost; `rss_mib` is the largest of its processes."""

    wall_s: float
    cpu_s: float
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
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, **(environ or {})}
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in good:
        said = output.read_text(errors="backslashreplace")[-2000:] if output else ""
        raise CommandFailedError(f"{' '.join(command)}: exit {code}\n{said}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code)


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


def of_package(name: str) -> str | None:
    """Return the version of a Python package, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def stored_bytes(folder: Path) -> int:
    """Return how many bytes all files below a folder have."""
    return sum(place.lstat().st_size for place in folder.rglob("*") if place.is_file() and not place.is_symlink())


def _colons(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # not Linux
        return []
    return [(name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
