"""`archiver check-proof`: a proof of one record against a trust file, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import common
from archiver.cli.words import columns, count
from archiver.errors import EvidenceError, Exit

if TYPE_CHECKING:
    from archiver.flows.prove import Checked

__all__ = ["command"]

_PREVIEW = 300  # bytes of the record; the proof holds all of them


@click.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trust", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The operator's trust file."
)
@common
@click.pass_obj
def command(run: Run, file: Path, trust: Path) -> Answer:
    """Check a proof of one record. Nothing but the two files is needed."""
    from archiver.cli import answers  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_input, read_trust  # noqa: PLC0415
    from archiver.cli.opening import introduce  # noqa: PLC0415
    from archiver.flows.prove import MAX_PROOF, check_proof  # noqa: PLC0415
    from archiver.model.instant import parse_instant  # noqa: PLC0415

    _, trusted = read_trust(trust)
    run.archive = trusted.archive
    introduce(run, holds=[(hold.matter, parse_instant(hold.until)) for hold in trusted.holds])
    data = read_input(file, "a proof", limit=MAX_PROOF)
    try:
        found = check_proof(data, trusted)
    except EvidenceError:
        run.talk.say(f"{file} proves nothing against this trust file", "error")
        raise
    members = answers.CheckedProof(
        item=found.item,
        source=found.source,
        path=found.path,
        members=list(found.members),
        offset=found.offset,
        length=found.length,
        sha256=found.sha256,
        snapshot=found.snapshot,
        batch=found.batch,
        record=found.record,
        at=found.at,
        keyid=found.keyid,
        origin=found.origin,
        entry=found.entry,
        log=answers.Position(found.log_size, found.root),
    )
    return Answer(Exit.OK, members, "\n".join(_lines(found)))


def _lines(found: Checked) -> list[str]:
    preview = found.raw[:_PREVIEW].decode("utf-8", "surrogateescape").rstrip("\r\n")
    more = f" and {count(found.length - _PREVIEW, 'byte')} more" if found.length > _PREVIEW else ""
    rows = [
        ("item", "!".join([f"{found.source}/{found.path}", *found.members])),
        ("bytes", f"{found.length:,} from offset {found.offset:,} on"),
        ("SHA-256", found.sha256),
        ("record", f"{found.record:,} of batch {found.batch}"),
        ("snapshot", found.snapshot),
        ("signed by", f"key {found.keyid}"),
        ("log", f"entry {found.entry:,} of {found.log_size:,}, {found.origin}"),
        ("made", f"{found.at}, as the operator's machine says"),
    ]
    return [
        "proven: these bytes are a record of this archive, signed and in its log",
        "",
        *columns(rows),
        "",
        "the record:",
        f"  {preview}{more}",
        "",
        "not proven: that the content is true, that the log has not gone on, and when it was signed",
    ]
