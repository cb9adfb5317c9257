"""`archiver prove`: a proof of one record, to be checked offline."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import Place, reader
from archiver.cli.words import size
from archiver.errors import UsageError

__all__ = ["command"]


@click.command("prove")
@click.argument("item", metavar="SOURCE/PATH")
@click.argument("offset", type=click.IntRange(min=0))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Must not exist yet."
)
@reader
@click.pass_obj
def command(run: Run, item: str, offset: int, output: Path, place: Place) -> Answer:
    """Prove the record of SOURCE/PATH that has the byte at OFFSET, counted from 0.

    The proof holds the record's own bytes and nothing of its neighbours. Inside a compressed log: SOURCE/PATH!gzip.
    """
    from archiver.cli.answers import MadeProof  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import refuse_existing, write_output  # noqa: PLC0415
    from archiver.cli.reading import opened  # noqa: PLC0415
    from archiver.flows.prove import prove  # noqa: PLC0415

    source, _, path = item.partition("/")
    if not path:
        raise UsageError(
            "usage", f"{item}: expected SOURCE/PATH, found no path", hint="see `archiver list items` for the names"
        )
    refuse_existing(output)
    with opened(run, place) as reading:
        data = prove(reading, source, path, offset)
        status = reading.exit
    write_output(output, data)
    run.talk.say(f"wrote {output}, {size(len(data))}; it discloses this one record")
    run.talk.say(f"next: archiver check-proof {output} --trust trust.json")
    members = MadeProof(item, offset, str(output), len(data), hashlib.sha256(data).hexdigest())
    return Answer(status, members)
