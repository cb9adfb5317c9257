"""How fast, beside others who do a like job: run it on a quiet machine.

    python tests/benchmarks/bench.py run mixed small big -o results.json    # needs restic and borg: apt-get install
    python tests/benchmarks/bench.py run --given ~/Documents --rounds 5
    python tests/benchmarks/bench.py run chat                               # needs polars: pip install
    python tests/benchmarks/bench.py line mixed -o line.json
    python tests/benchmarks/bench.py picture results.json line.json -o speed.svg

Corpora and work lie below `--below`; take a disk, not memory, as everybody flushes what he keeps. Results are data:
nothing here fails because something is slow.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from contest import OURS, contest, line, tidy
from contestants import JOBS
from corpora import NAMES, Corpus, given, make
from picture import picture
from rich.console import Console
from rich.table import Table

CONSOLE = Console(stderr=True)
_NOTABLE: Final = (
    0.1  # of a program's own seconds, and seconds at least: what else worked meanwhile is shown from there
)
_below = click.option(
    "--below",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir()) / "archiver-benchmarks",
    show_default=True,
    help="Folder for corpora and work.",
)
_output = click.option("-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON here.")


@click.group(help=__doc__)
def main() -> None:
    """Collect the commands."""


@main.command("run")
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--given", "folders", multiple=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--scale", default=1.0, show_default=True, help="How much of a made-up corpus, 1 for all.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--only", multiple=True, help="Let only these take part.")
@click.option("--job", "jobs", multiple=True, type=click.Choice(JOBS), help="Do only these jobs (first, always).")
@_below
@_output
def run(
    names: tuple[str, ...],
    folders: tuple[Path, ...],
    *,
    scale: float,
    rounds: int,
    only: tuple[str, ...],
    jobs: tuple[str, ...],
    below: Path,
    output: Path | None,
) -> None:
    """Let this program and its peers do all jobs on each corpus; print medians and ratios, and JSON."""
    results = []
    for corpus in [*(_made(name, below, scale) for name in names), *map(given, folders)]:
        told = contest(corpus, below / "work", rounds=rounds, only=only, jobs=jobs or JOBS, tell=CONSOLE.log)
        CONSOLE.print(_table(told))
        results.append(told)
    tidy(below / "work")
    _write(results, output)


@main.command("line")
@click.argument("name", type=click.Choice(NAMES))
@click.option("--base", default=0.0625, show_default=True, help="Scale of the smallest; 4 and 16 times follow.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--job", "jobs", multiple=True, type=click.Choice(JOBS), default=JOBS)
@_below
@_output
def straight(name: str, *, base: float, rounds: int, jobs: tuple[str, ...], below: Path, output: Path | None) -> None:
    """Do all jobs on 1, 4 and 16 times as much, and say how far that is from a straight line."""
    corpora = partial(_made_of, name, below)
    told = line(corpora, below / "work", base=base, rounds=rounds, jobs=jobs, tell=CONSOLE.log)
    CONSOLE.print(_line_table(told))
    tidy(below / "work")
    _write([told], output)


@main.command("picture")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "output", type=click.Path(path_type=Path, dir_okay=False), required=True)
def draw(files: tuple[Path, ...], output: Path) -> None:
    """Draw results and lines as one SVG."""
    results = [one for file in files for one in json.loads(file.read_text())]
    output.write_text(picture(results))


def _made(name: str, below: Path, scale: float) -> Corpus:
    CONSOLE.log(f"make the corpus {name}, scale {scale:g}")
    return make(name, below / "corpora", scale=scale)


def _made_of(name: str, below: Path, scale: float) -> Corpus:
    return _made(name, below, scale)


def _table(told: dict[str, Any]) -> Table:
    corpus = told["corpus"]
    title = f"{corpus['name']}: {corpus['files']:,} files, {corpus['bytes'] / 1e6:,.0f} MB, median of {told['rounds']}"
    table = Table("", *JOBS, "kept", title=title, caption=_caption(told))
    for name, result in told["results"].items():
        cells = [_cell(told, name, result["jobs"].get(job), job) for job in JOBS]
        table.add_row(name, *cells, f"{result['stored_bytes'] / 1e6:,.0f} MB")
    return table


def _cell(told: dict[str, Any], name: str, job: dict[str, Any] | None, what: str) -> str:
    if job is None:
        return "-"
    cell = f"{job['wall_s']['median']:.2f} s, {job['cpu_s']['median']:.2f} cpu"
    if (beside := job["beside_s"]["median"]) >= _NOTABLE * max(1, job["cpu_s"]["median"]):
        cell += f" + {beside:.2f}"
    ratio = told.get("ratios", {}).get(name, {}).get(what)
    return cell if ratio is None else f"{cell}\nx{ratio['wall']:.2f}, x{ratio['cpu']:.2f} cpu"


def _caption(told: dict[str, Any]) -> str:
    here, most = told["machine"], told["limits"]
    return (
        f"{here['processor']}, {here['cores']} cores, load {here['load']}, {told['at']}; a core hashes "
        f"{most['sha256_mb']:,.0f} MB/s, compresses {most['zstd_3_mb']:,.0f}, decompresses {most['unzstd_mb']:,.0f}; "
        f"x is {OURS} divided by the peer: below 1 it is faster; + is what the rest of the machine worked beside it"
    )


def _line_table(told: dict[str, Any]) -> Table:
    table = Table("job", *(f"{one['factor']}x" for one in told["points"]), "residual wall", "residual cpu")
    for job, found in told["lines"].items():
        cells = [_cell(told, "", one["jobs"][job], job) for one in told["points"]]
        table.add_row(job, *cells, f"{found['wall_s']['residual']:.1%}", f"{found['cpu_s']['residual']:.1%}")
    return table


def _write(results: list[dict[str, Any]], output: Path | None) -> None:
    text = json.dumps(results, indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)


if __name__ == "__main__":
    main()
