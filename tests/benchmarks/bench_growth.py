"""What a run asks of an archive before its own work, and whether that grows with what the archive holds.

    python tests/benchmarks/bench_growth.py log 1000 10000 100000     # statements in the log
    python tests/benchmarks/bench_growth.py runs 1000 10000 100000    # the same, made in the years before
    python tests/benchmarks/bench_growth.py turns 1000 10000 100000   # the same, where another host goes on
    python tests/benchmarks/bench_growth.py reads 1000 10000 100000   # the same, read by an auditor
    python tests/benchmarks/bench_growth.py status 1000 1000000       # items in the catalog
    python tests/benchmarks/bench_growth.py help

The archive lies in a folder. `log` finds the newest checkpoint from nothing and from the catalog, and appends; `runs`
is a `snapshot` that finds nothing new, and `status`; `turns` is one that meets what another host, with a state folder
of its own, has added since this one's last; `reads` are commands that judge the whole log before they answer, the
objects left out; `status` and `help` are the commands, as a person starts them.
Milliseconds of the clock and of the processor.
"""

from __future__ import annotations

import json
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench_hold import begin, fill, now, statement_of
from contestants import PROGRAM, program_environ
from measure import Cost, machine, measure

from archiver.catalog.catalog import Catalog
from archiver.events import silent
from archiver.flows.session import open_session
from archiver.model.item_row import ItemRow
from archiver.model.policy import Policy
from archiver.stores.base import Lock

TIMES = 9


def log(root: Path, statements: int) -> dict[str, Any]:
    """Append to a log of so many statements."""
    policy = begin(root)
    fill(policy, root, 4 * statements)
    with open_session(policy, clock=now, random=secrets.token_bytes, environ={}, listener=silent) as session:
        session.log.catch_up()  # reads the lock file of the folder, once
        lookup = timed(lambda: session.log._newest(0))
        size = timed(session.catalog.log_size)
        append = timed(lambda: one_more(session, policy))
    return {"statements": statements, "newest_checkpoint": lookup, "catalog_size": size, "append": append}


def one_more(session: Any, policy: Policy) -> None:
    batch = f"{session.seal.fresh_id()}-documents-00000000"
    key, envelope, _ = statement_of(session, batch, 0, b"", policy)
    lock = Lock("COMPLIANCE", session.retain_until(("CASE-1",)), legal_hold=True)
    session.store.put(key, envelope, lock=lock)
    session.log.append(key, envelope)


def runs(root: Path, statements: int) -> dict[str, Any]:
    """Run where nothing is new, and ask, with so many statements of the years before."""
    policy = begin(root)
    fill(policy, root, 4 * statements, a_day=100)
    command = [*PROGRAM, "-p", str(root / "retention_policy.yaml")]
    return {"statements": statements, **{name: commands([*command, name]) for name in ("snapshot", "status")}}


def turns(root: Path, statements: int) -> dict[str, Any]:
    """Run where another host has kept a new file since, with so many statements of the years before."""
    policy = begin(root)
    fill(policy, root, 4 * statements, a_day=100)
    command = [*PROGRAM, "-p", str(root / "retention_policy.yaml"), "snapshot"]
    here, there, mine = policy.state, root / "state-there", root / "state-here"
    measured(command)  # the first meeting, at which all is judged
    shutil.copytree(here, there)
    costs = []
    for number in range(TIMES):
        here.rename(mine)
        there.rename(here)
        (root / "papers" / f"{number}.txt").write_text(str(number))
        measured(command)
        here.rename(there)
        mine.rename(here)
        costs.append(measured(command))
    return {"statements": statements, "snapshot": medians(costs)}


def reads(root: Path, statements: int) -> dict[str, Any]:
    """Ask an archive with so many statements what it has, and verify them, with a trust file alone."""
    policy = begin(root)
    fill(policy, root, 4 * statements, a_day=100)
    place = ["--archive", str(root / "archive"), "--trust", str(root / "keys" / "trust.json")]
    with closing(Catalog(policy.state / "catalog.sqlite")) as catalog:
        last = catalog.last_snapshot()
        assert last is not None
    asked = {"list": ["snapshots"], "show": [last.id], "verify": ["--only", "statements"]}
    return {
        "statements": statements,
        **{name: commands([*PROGRAM, name, *place, *words]) for name, words in asked.items()},
    }


def status(root: Path, items: int) -> dict[str, Any]:
    """Ask how an archive with so many items stands."""
    policy = begin(root)
    with closing(Catalog(policy.state / "catalog.sqlite")) as catalog:
        last = catalog.last_snapshot()
        assert last is not None
        catalog.absorb_rows(last.id, map(_row, range(items)))
    command = [*PROGRAM, "-p", str(root / "retention_policy.yaml"), "status"]
    return {"items": items, "status": commands(command)}


def _row(number: int) -> ItemRow:
    line = b"{}" + b" " * 1400  # a line has about so many bytes
    item, path = f'{{"path":"a/{number:07d}.txt","source":"papers"}}', f"a/{number:07d}.txt"
    return ItemRow(item, "papers", path, "captured", line, "documents", number, f"{number:064x}", None, None)


def commands(command: list[str]) -> dict[str, float]:
    return medians([measured(command) for _ in range(TIMES)])


def measured(command: list[str]) -> Cost:
    return measure(command, environ=program_environ(Path(tempfile.gettempdir())), good=(0, 3))


def medians(costs: list[Cost]) -> dict[str, float]:
    wall, cpu = ([getattr(cost, name) * 1000 for cost in costs] for name in ("wall_s", "cpu_s"))
    return {"wall_ms": round(statistics.median(wall), 1), "cpu_ms": round(statistics.median(cpu), 1)}


def timed(work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(TIMES):
        began, used = time.perf_counter(), time.process_time()
        work()
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    return {"wall_ms": round(statistics.median(wall), 3), "cpu_ms": round(statistics.median(cpu), 3)}


MODES = {"log": log, "runs": runs, "turns": turns, "reads": reads, "status": status}


def main(arguments: list[str]) -> None:
    results = []
    for amount in map(int, arguments[1:] or ["0"]):
        with tempfile.TemporaryDirectory() as name:
            if arguments[0] == "help":
                results.append({"help": commands([*PROGRAM, "--help"])})
            else:
                results.append(MODES[arguments[0]](Path(name) / "bench", amount))
        print(json.dumps(results[-1]))  # noqa: T201
    print(json.dumps({"machine": machine()}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
