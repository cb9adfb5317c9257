"""`archiver prove`: a proof of one record, to be checked offline."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import INCLUDE_MARKED
from archiver.cli.options import REASON, Place, reader
from archiver.cli.sealed import Opening, opener
from archiver.cli.words import size
from archiver.errors import UsageError

__all__ = ["command"]


@click.command("prove")
@click.argument("item", metavar="SOURCE/PATH")
@click.argument("offset", type=click.IntRange(min=0))
@click.option(
    "--length", type=click.IntRange(min=1), metavar="N", help="The records that have these N bytes, in one file."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Must not exist yet."
)
@INCLUDE_MARKED
@opener
@REASON
@reader
@click.pass_obj
def command(
    run: Run,
    /,
    item: str,
    *,
    offset: int,
    length: int | None,
    output: Path,
    include_marked: tuple[str, ...],
    opening: Opening,
    reason: str | None,
    place: Place,
) -> Answer:
    """Prove the record of SOURCE/PATH that has the byte at OFFSET, counted from 0.

    The proof holds the record's own bytes and nothing of its neighbours; with --length, all records that have one of
    the N bytes from OFFSET on. Inside a container: SOURCE/PATH!gzip, as `list items` shows it.
    By the policy, who has it made and why is signed into the log first; an auditor's reading with --archive is not.
    """
    from archiver.cli.answers_reading import MadeProof  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import refuse_existing, write_output  # noqa: PLC0415
    from archiver.cli.reading import accessed  # noqa: PLC0415
    from archiver.flows.prove.access import hand_out  # noqa: PLC0415
    from archiver.flows.prove.byte_range import prove_range  # noqa: PLC0415
    from archiver.flows.prove.prove import prove  # noqa: PLC0415

    source, _, path = item.partition("/")
    if not path:
        raise UsageError(
            "usage", f"{item}: expected SOURCE/PATH, found no path", hint="see `archiver list items` for the names"
        )
    refuse_existing(output)
    with accessed(run, place, "prove", reason, marked=include_marked, opening=opening) as (reading, access):
        if length is None:
            data = prove(reading, source, path, offset, include_marked=include_marked)
        else:
            data = prove_range(reading, source, path, offset, length, include_marked=include_marked)
        hand_out(access, data, reading.trust, output, write_output, include_marked=include_marked)
        status = reading.exit
    what = "this one record" if length is None else "the records that have these bytes"
    run.talk.say(f"wrote {output}, {size(len(data))}; it discloses {what}")
    for key in access.statements[-1:]:
        run.talk.say(f"stated in the log: {key}")
    trust = "TRUST_FILE" if place.trust is None else shlex.quote(place.trust)
    run.talk.say(f"next: archiver check-proof {shlex.quote(str(output))} --trust {trust}")
    digest = hashlib.sha256(data).hexdigest()
    members = MadeProof(item, offset, str(output), len(data), digest, list(access.statements))
    return Answer(status, members)
