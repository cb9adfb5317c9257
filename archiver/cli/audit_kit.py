"""`archiver audit-kit`: a folder for an auditor, with programs that need nothing of this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import INCLUDE_MARKED
from archiver.cli.options import REASON, Place, reader
from archiver.cli.words import count, size
from archiver.errors import ArchiverError, UsageError

if TYPE_CHECKING:
    from archiver.flows.kit.kit import Choice, Kit

__all__ = ["command"]

_MOST = 20  # lines of a list; all are in --json


@click.command("audit-kit")
@click.option(
    "-o",
    "--output",
    "to",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder that is new or empty.",
)
@click.option("--batch", "batches", multiple=True, metavar="ID", help="Only this batch; may be given again.")
@click.option("--since", metavar="TIME", help="Only batches stated since then, such as 2026-11-01T00:00:00Z.")
@INCLUDE_MARKED
@REASON
@reader
@click.pass_obj
def command(
    run: Run,
    /,
    *,
    to: Path,
    batches: tuple[str, ...],
    since: str | None,
    include_marked: tuple[str, ...],
    reason: str | None,
    place: Place,
) -> Answer:
    """Write DIR: the log, all statements, all batches or the chosen ones, and programs that check them offline.

    With --batch and --since the kit has the batches of both. It says which are left out, and whoever checks it is told.
    The trust file is not in it: hand it over by another way.
    """
    from archiver.cli import answers_kit, answers_shared  # noqa: PLC0415 - loaded when called
    from archiver.cli.reading import accessed  # noqa: PLC0415
    from archiver.flows.kit.kit import make_kit  # noqa: PLC0415

    choice = _choice(batches, since, include_marked)
    with accessed(run, place, "audit-kit", reason, word="export", marked=include_marked) as (reading, access):
        made = make_kit(reading, to, choice, clock=run.clock, listener=run.talk.hear, access=access)
        trusted = reading.trusted
    _say(run, made, to)
    members = answers_kit.MadeKit(
        to=str(to),
        trusted=trusted,
        batches=made.batches,
        left_out=made.left_out,
        files=made.files,
        bytes=made.bytes,
        log=answers_shared.Position(made.log_size, made.log_root),
        inventory_sha256=made.inventory_sha256,
        programs=made.programs,
        missing=list(made.missing),
        stated=list(access.statements),
    )
    return Answer(made.exit, members)


def _choice(batches: tuple[str, ...], since: str | None, include_marked: tuple[str, ...]) -> Choice:
    from archiver.flows.kit.kit import Choice  # noqa: PLC0415 - loaded when called
    from archiver.model.instant import parse_instant  # noqa: PLC0415

    try:
        if since is not None:
            parse_instant(since)
    except (ArchiverError, ValueError) as problem:
        raise UsageError(
            "usage", f"--since: expected an instant in UTC, found {since!r}", hint="write it as 2026-11-01T00:00:00Z"
        ) from problem
    return Choice(batches, since, include_marked)


def _say(run: Run, made: Kit, to: Path) -> None:
    lines = [f"wrote {to}: {count(made.batches, 'batch', 'batches')}, {count(made.files, 'file')}, {size(made.bytes)}"]
    if made.left_out:
        lines.append(
            f"not in it: {count(made.left_out, 'batch', 'batches')} that were not asked for; its readers are told so"
        )
    if made.missing:
        lines.append(f"missing in the archive: {count(len(made.missing), 'object')}")
        lines += [f"  {key}" for key in made.missing[:_MOST]]
    lines.append(f"inventory  SHA-256 {made.inventory_sha256}")
    lines.append(
        f"next: python3 {to}/verify.py --trust trust.json, on another machine, with a trust file by another way"
    )
    run.talk.say("\n".join(lines), "info" if not made.missing else "warning")
