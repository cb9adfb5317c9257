"""`archiver derive`: read old batches with other dialects, into tables of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.locking import YES_LOCK, agree_to_lock
from archiver.cli.options import with_policy
from archiver.cli.timestamp import say_at_end, taken
from archiver.cli.words import columns, count, indented, size

if TYPE_CHECKING:
    from archiver.cli.answers_derive import DerivedTables
    from archiver.flows.derivation.derivation import Derivations

__all__ = ["command"]


@click.command("derive")
@click.option(
    "--dialects",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A dialect file or a folder of them, beside those that come with the program and before them.",
)
@click.option("--source", "sources", metavar="ID", multiple=True, help="Only batches of this source; may be repeated.")
@click.option("--snapshot", "snapshots", metavar="ID", multiple=True, help="Only batches of this snapshot.")
@click.option("--batch", "batches", metavar="ID", multiple=True, help="Only this batch.")
@click.option("--again", is_flag=True, help="Derive also what was derived with the same dialects before.")
@click.option("--dry-run", is_flag=True, help="Say which batches that would be, and write nothing.")
@YES_LOCK
@with_policy
@click.pass_obj
def command(
    run: Run,
    /,
    *,
    dialects: Path | None,
    sources: tuple[str, ...],
    snapshots: tuple[str, ...],
    batches: tuple[str, ...],
    again: bool,
    dry_run: bool,
    yes_lock: int | None,
) -> Answer:
    """Read the archived logs once more, and write a table with a row for every event in them.

    The evidence stays as it is. Each table is signed, locked and entered in the log like everything else, and names the
    batch and the dialects that it came from; the dialects are kept with it. Doing it again with the same dialects
    writes nothing new.
    """
    from archiver.cli.opening import open_policy  # noqa: PLC0415 - loaded when called
    from archiver.flows.derivation.derivation import Wanted, derive  # noqa: PLC0415

    policy = open_policy(run)
    done = derive(
        policy,
        Wanted(dialects, sources, snapshots, batches, again),
        dry_run=dry_run,
        clock=run.clock,
        random=run.random,
        environ=run.environ,
        listener=run.talk.hear,
        confirm=lambda planned: agree_to_lock(
            run, policy, "derive", planned, yes_lock, look="archiver derive --dry-run"
        ),
    )
    say_at_end(run, done.at_end)
    for late in done.left_behind:
        run.talk.say(f"destination {late.id} was left behind: {late.problem}", "error")
    return Answer(done.exit, _members(done, dry_run=dry_run), "\n".join(_words(done, dry_run=dry_run)))


def _words(done: Derivations, *, dry_run: bool) -> list[str]:
    dialects = f"with the dialects {done.dialects[:16]}"
    lines = []
    if not done.derived:
        lines.append(f"nothing to derive {dialects}")
    elif dry_run:
        lines.append(f"would derive from {count(len(done.derived), 'batch', 'batches')} {dialects}")
        rows = [(one.batch, one.source, f"{one.records:,} records", size(one.raw_bytes)) for one in done.derived]
        lines += indented(columns(rows, right=(2, 3)))
    else:
        lines.append(f"derived {count(len(done.derived), 'table')} {dialects}")
        found = [
            (one.batch, f"{one.records:,} records", f"{one.rows or 0:,} rows", str(one.key)) for one in done.derived
        ]
        lines += indented(columns(found, right=(1, 2)))
    if done.before:
        lines.append(f"{count(done.before, 'batch', 'batches')} had been derived so before")
    if done.disposed:
        lines.append(f"{count(done.disposed, 'batch', 'batches')} were released and are not there any more")
    return lines


def _members(done: Derivations, *, dry_run: bool) -> DerivedTables:
    from archiver.cli.answers_derive import DerivedTable, DerivedTables  # noqa: PLC0415 - loaded when called
    from archiver.cli.answers_writing import LeftBehind  # noqa: PLC0415

    return DerivedTables(
        dialects=done.dialects,
        dry_run=dry_run,
        derived=[
            DerivedTable(one.batch, one.source, one.records, one.raw_bytes, one.id, one.key, one.rows, one.size)
            for one in done.derived
        ],
        before=done.before,
        disposed=done.disposed,
        timestamps=taken(done.at_end.stamps).timestamps,
        left_behind=[LeftBehind(one.id, one.problem, int(one.exit), list(one.waiting)) for one in done.left_behind],
    )
