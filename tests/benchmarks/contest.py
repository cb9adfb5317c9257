"""A contest: every program does every job on one corpus, in turn, several times; medians and ratios come out.

The order changes from round to round, so that a machine that grows slower meanwhile is slower for everybody. A ratio
above 1 says that this program took longer than the peer.

Trees of many files are set aside and removed after all is measured, and what was written is on the disk before the next
job begins. An ext4 without journal gives no number of a file away again for some minutes, and looks at each one that
was freed whenever a file is made: right after many were removed, making one took ten times as long as before (700
microseconds instead of 40), for every program and for `cp`, and more so the more there were.

>>> told = contest(corpus, Path("/tmp/work"), rounds=3)
>>> told["ratios"]["restic"]["first"]["wall"]
0.93
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from contestants import JOBS, Contestant, contestants, versions
from corpora import Corpus, handful, settle
from measure import Cost, limits, machine, measure, touch_memory

__all__ = ["FORMAT", "OURS", "contest", "line", "ratios", "tidy"]

FORMAT: Final = "archiver-benchmark-1"
OURS: Final = "archiver"
_FACTORS: Final = (1, 4, 16)
_ASIDE: Final = "aside"
_MANY: Final = 500
_MEMORY_PER_BYTE: Final = 8  # of a corpus, which is in memory itself while it is read

Told = Callable[[str], None]


def contest(
    corpus: Corpus,
    below: Path,
    *,
    rounds: int,
    only: Sequence[str] = (),
    jobs: Sequence[str] = JOBS,
    tell: Told = print,
) -> dict[str, Any]:
    """Let all contestants, or the `only` ones, do the jobs; return what it came to, ready for JSON."""
    taking_part = [one for one in contestants(corpus, below) if not only or one.name in only]
    if "unchanged" in jobs:
        settle(corpus)
    touch_memory(_MEMORY_PER_BYTE * corpus.bytes)
    _compile(corpus, below, [one.name for one in taking_part], jobs)
    costs: dict[str, dict[str, list[Cost]]] = {one.name: {} for one in taking_part}
    stored: dict[str, int] = {}
    for number in range(rounds):
        turn = number % max(1, len(taking_part))
        for one in [*taking_part[turn:], *taking_part[:turn]]:
            tell(f"round {number + 1} of {rounds}: {one.name}")
            for job, cost in _all_jobs(one, jobs, below):
                costs[one.name].setdefault(job, []).append(cost)
            stored[one.name] = one.stored()
            _set_aside(one.folder, below)
    results = {
        name: {"jobs": {job: _words(each) for job, each in by_job.items()}, "stored_bytes": stored[name]}
        for name, by_job in costs.items()
    }
    return {**_about(), "kind": "contest", "corpus": _corpus(corpus), "rounds": rounds, "results": results} | {
        "ratios": ratios(results)
    }


def line(
    corpora: Callable[[float], Corpus],
    below: Path,
    *,
    base: float,
    rounds: int,
    jobs: Sequence[str],
    tell: Told = print,
) -> dict[str, Any]:
    """Do the jobs on 1, 4 and 16 times as much; return seconds, and how far they lie from a straight line."""
    points = []
    for factor in _FACTORS:
        corpus = corpora(base * factor)
        told = contest(corpus, below, rounds=rounds, only=(OURS,), jobs=jobs, tell=tell)
        points.append({"factor": factor, "corpus": told["corpus"], "jobs": told["results"][OURS]["jobs"]})
    found = {
        job: {
            clock: _straight([(float(one["corpus"]["bytes"]), one["jobs"][job][clock]["median"]) for one in points])
            for clock in ("wall_s", "cpu_s")
        }
        for job in jobs
    }
    return {**_about(), "kind": "line", "rounds": rounds, "points": points, "lines": found}


def ratios(results: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Return ours divided by each peer's, by job, of medians of the clock and of processor seconds."""
    if OURS not in results:
        return {}
    ours = results[OURS]["jobs"]
    return {
        peer: {
            job: {
                "wall": _ratio(ours[job]["wall_s"]["median"], told["jobs"][job]["wall_s"]["median"]),
                "cpu": _ratio(ours[job]["cpu_s"]["median"], told["jobs"][job]["cpu_s"]["median"]),
            }
            for job in told["jobs"]
            if job in ours
        }
        for peer, told in results.items()
        if peer != OURS
    }


def tidy(below: Path) -> None:
    """Remove what was set aside, when nothing more is measured."""
    shutil.rmtree(below / _ASIDE, ignore_errors=True)


def _set_aside(folder: Path, below: Path) -> None:
    """Take a folder away: for now only out of the way, if many files would be removed with it."""
    if sum(len(names) for _, _, names in os.walk(folder)) < _MANY:
        shutil.rmtree(folder, ignore_errors=True)
        return
    place = below / _ASIDE
    place.mkdir(exist_ok=True)
    folder.rename(place / str(len(list(place.iterdir()))))


def _all_jobs(one: Contestant, jobs: Sequence[str], below: Path) -> list[tuple[str, Cost]]:
    one.prepare()
    done = []
    for job in JOBS:
        if job in one.commands and (job in jobs or job == "first"):
            _set_aside(one.folder / "restored", below)
            os.sync()
            done.append((job, measure(one.commands[job], environ=one.environ, output=one.folder / "said")))
    return done


def _compile(corpus: Corpus, below: Path, names: Sequence[str], jobs: Sequence[str]) -> None:
    """Let our program do the jobs on a handful of files first: what is installed was compiled before it is used."""
    few = handful(corpus, below / "handful")
    for one in contestants(few, below):
        if one.name in names and one.name in (OURS, "bucket"):
            _all_jobs(one, jobs, below)
            one.clean()
    shutil.rmtree(few.path)


def _words(costs: list[Cost]) -> dict[str, Any]:
    return {
        "wall_s": _spread([cost.wall_s for cost in costs]),
        "cpu_s": _spread([cost.cpu_s for cost in costs]),
        "beside_s": _spread([cost.beside_s for cost in costs]),
        "rss_mib": round(max(cost.rss_mib for cost in costs), 1),
    }


def _spread(values: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "all": [round(value, 3) for value in values],
    }


def _straight(points: list[tuple[float, float]]) -> dict[str, float]:
    """Lay the line of least squares through points; the residual is the largest one, as a share of its point."""
    amounts, seconds = [amount for amount, _ in points], [each for _, each in points]
    slope, begin = statistics.linear_regression(amounts, seconds)
    residual = max(abs(each - (begin + slope * amount)) / each for amount, each in points)
    return {
        "begin_s": round(begin, 3),
        "s_per_gb": round(slope * 1e9, 3),
        "residual": round(residual, 4),
        "growth": round((seconds[-1] / seconds[0]) / (amounts[-1] / amounts[0]), 4),
    }


def _ratio(ours: float, theirs: float) -> float:
    return round(ours / theirs, 3) if theirs else 0.0


def _about() -> dict[str, Any]:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"format": FORMAT, "at": at, "machine": machine(), "limits": limits(), "versions": versions()}


def _corpus(corpus: Corpus) -> dict[str, Any]:
    return {"name": corpus.name, "files": corpus.files, "bytes": corpus.bytes, "scale": corpus.scale}
