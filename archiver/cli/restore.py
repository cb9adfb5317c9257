"""`archiver restore`: the archived files in a new folder, checked while they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import INCLUDE_MARKED
from archiver.cli.options import REASON, Place, reader
from archiver.cli.sealed import Opening, opener
from archiver.cli.words import columns, count, indented, size
from archiver.errors import Exit

if TYPE_CHECKING:
    from archiver.cli.answers_reading import RestoredFiles
    from archiver.flows.restore.restore import Restored

__all__ = ["command"]

_MOST = 20  # lines of a list; up to 10,000 are in --json
_WIDEST = 60  # a name that is longer pushes its own reason out


@click.command("restore")
@click.argument("snapshot", required=False)
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A folder that is new or empty."
)
@click.option("--source", metavar="ID", help="Only this source.")
@click.option("--path", "path_glob", metavar="GLOB", help="Only items whose path matches, such as 'mail/**'.")
@click.option("--decoded", is_flag=True, help="Also what is inside containers, in DIR/<source>.decoded.")
@INCLUDE_MARKED
@opener
@REASON
@reader
@click.pass_obj
def command(
    run: Run,
    /,
    *,
    snapshot: str | None,
    to: Path,
    source: str | None,
    path_glob: str | None,
    place: Place,
    decoded: bool,
    include_marked: tuple[str, ...],
    opening: Opening,
    reason: str | None,
) -> Answer:
    """Write the files of SNAPSHOT, the newest one if it is left out, to DIR/<source>/<path>.

    Every file is checked against its signed SHA-256 while it is written; what does not agree is not written. By the
    policy, who restores what and why is signed into the log first; an auditor's reading with --archive is not.
    """
    from archiver.cli.reading import accessed  # noqa: PLC0415 - loaded when called
    from archiver.flows.restore.restore import restore  # noqa: PLC0415

    with accessed(run, place, "restore", reason, marked=include_marked, opening=opening) as (reading, access):
        done = restore(
            reading,
            to=to,
            snapshot=snapshot,
            source=source,
            path_glob=path_glob,
            decoded=decoded,
            include_marked=include_marked,
            listener=run.talk.hear,
            access=access,
        )
        status, trusted = Exit.worst([reading.exit, done.exit]), reading.trusted
    _say(run, done, to, access.statements)
    return Answer(status, lambda: _members(done, to, access.statements, trusted=trusted))


def _say(run: Run, done: Restored, to: Path, stated: tuple[str, ...]) -> None:
    files, folders = count(done.files, "file"), count(done.folders, "folder")
    lines = ["", f"restored from snapshot {done.snapshot} to {to}: {files} in {folders}, {size(done.bytes)}"]
    if done.not_restored:
        total = sum(done.counts.values())
        lines += [f"{count(total, 'item')} not restored:"]
        rows = [(_name(one.item), one.reason, one.detail) for one in done.not_restored[:_MOST]]
        lines += indented(columns(rows, widest=_WIDEST))
        if total > len(rows):
            lines.append(f"  and {total - len(rows):,} more; --json lists them")
    if done.notes:
        lines += [f"{count(len(done.notes), 'remark')}:"]
        lines += [f"  {_name(item)}: {remark}" for item, remark in done.notes[:_MOST]]
        if len(done.notes) > _MOST:
            lines.append(f"  and {len(done.notes) - _MOST:,} more; --json lists them")
    lines += [f"stated in the log: {key}" for key in stated[-1:]]
    run.talk.say("\n".join(lines), "info" if done.exit is Exit.OK or not run.talk.quiet else "warning")


def _name(item: str) -> str:
    """Return how a person names an item: source, path, and what is inside it."""
    from archiver.model.item import Item  # noqa: PLC0415 - loaded when called

    found = Item.parse(item)
    return "!".join([f"{found.source}/{found.path}", *found.members])


def _members(done: Restored, to: Path, stated: tuple[str, ...], *, trusted: bool) -> RestoredFiles:
    from archiver.cli import answers_reading  # noqa: PLC0415 - loaded when called

    return answers_reading.RestoredFiles(
        snapshot=done.snapshot,
        to=str(to),
        trusted=trusted,
        files=done.files,
        folders=done.folders,
        bytes=done.bytes,
        counts_not_restored=done.counts,
        not_restored=[
            answers_reading.NotRestored(_name(one.item), one.status, one.reason, one.detail)
            for one in done.not_restored
        ],
        notes=[answers_reading.Remark(_name(item), remark) for item, remark in done.notes],
        stated=list(stated),
    )
