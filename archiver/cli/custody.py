"""`archiver custody`: what happened to one item, from its collection to now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli import streams
from archiver.cli.context import Answer, Run
from archiver.cli.options import Place, reader
from archiver.cli.words import columns, count, indented, plain
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_reading import ChainOfCustody
    from archiver.flows.custody.chain import Chain, Event

__all__ = ["command"]

_FOLDED = 6  # links in a row that say nothing new: beyond so many only the first and the last two are spelled out


@click.command("custody")
@click.argument("item", metavar="SOURCE/PATH")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "json", "premis"]),
    default="text",
    show_default=True,
    help="csv for spreadsheets, premis for archives (PREMIS 3 in XML).",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it here; csv and premis.")
@reader
@click.pass_obj
def command(run: Run, /, item: str, *, form: str, output: Path | None, place: Place) -> Answer:
    """Print everything that the log says of SOURCE/PATH, and what is found now.

    Who collected it, when, from where and with what; where it is stored and how it is locked; every hold, access and
    verification; at the end its bytes are read and hashed once more. It hands out no content and is stated in no log.
    """
    from archiver.cli.files import refuse_existing  # noqa: PLC0415 - loaded when called
    from archiver.cli.reading import opened  # noqa: PLC0415
    from archiver.flows.custody.chain import custody  # noqa: PLC0415
    from archiver.flows.session import whoami  # noqa: PLC0415

    source, _, path = item.partition("/")
    if not path:
        raise UsageError(
            "usage", f"{item}: expected SOURCE/PATH, found no path", hint="see `archiver list items` for the names"
        )
    if output is not None:
        if form not in ("csv", "premis"):
            raise UsageError("usage", f"-o: expected --format csv or premis, found {form}", hint="redirect the output")
        refuse_existing(output)
    if form == "json":
        run.json = True
    with opened(run, place) as reading:
        chain = custody(reading, source, path, by=whoami(None), clock=run.clock)
    if form in ("csv", "premis") and not run.json:
        _write(run, _document(chain, form), output)
        return Answer(chain.exit, _members(chain))
    return Answer(chain.exit, _members(chain), "\n".join(_lines(chain)), asked_for=True)


def _document(chain: Chain, form: str) -> str:
    from archiver.flows.custody.csv import to_csv  # noqa: PLC0415 - loaded when called
    from archiver.flows.custody.premis import to_premis  # noqa: PLC0415

    return to_csv(chain, plain) if form == "csv" else to_premis(chain, plain)


def _write(run: Run, text: str, output: Path | None) -> None:
    from archiver.cli.files import write_output  # noqa: PLC0415 - loaded when called

    if output is None:
        streams.put(text)
    else:
        write_output(output, text.encode())
        run.talk.say(f"wrote {output}")


def _lines(chain: Chain) -> Iterator[str]:
    head = [("item", "!".join([f"{chain.source}/{chain.path}", *chain.members]))]
    if chain.size is not None and chain.sha256 is not None:
        head += [("size", f"{chain.size:,} bytes"), ("SHA-256", chain.sha256)]
    if chain.custodian is not None:
        head.append(("custodian", chain.custodian))
    head.append(("kept for", ", ".join(chain.matters) or "no matter"))
    head.append(("log", f"{count(chain.log_size, 'entry', 'entries')}, root {chain.log_root}"))
    yield from columns(head)
    yield "in the order of the log; times are claims of who signed them, unless timestamps are named"
    for dull, group in groupby(enumerate(chain.events, start=1), key=lambda one: _is_dull(one[1])):
        links = list(group)
        if dull and len(links) > _FOLDED:
            yield from _link(*links[0])
            yield ""
            yield f"     {len(links) - 3:,} links like this; --json lists them all"
            links = links[-2:]
        for number, event in links:
            yield from _link(number, event)


def _is_dull(event: Event) -> bool:
    return event.kind == "seen" or (event.kind == "stored" and event.what.startswith("the line about it"))


def _link(number: int, event: Event) -> Iterator[str]:
    who = f"{event.user}@{event.host}" + (f" ({event.principal})" if event.principal else "")
    yield ""
    yield f"{number:>4}  {event.at}  {event.kind}, by {who} with {event.tool}"
    lines = event.what.split("; ")
    if event.why is not None:
        lines.append(f"reason: {event.why}")
    if event.sha256 is not None:
        lines.append(f"SHA-256 {event.sha256}")
    bounds = [f"{words} {at}" for words, at in (("not before", event.not_before), ("not after", event.not_after)) if at]
    if bounds:
        lines.append(f"by timestamps {', '.join(bounds)}")
    lines.append("in no log: found just now" if event.entry is None else f"log entry {event.entry}, {event.statement}")
    yield from indented(lines, "      ")


def _members(chain: Chain) -> ChainOfCustody:
    from archiver.cli import answers_reading, answers_shared  # noqa: PLC0415 - loaded when called

    return answers_reading.ChainOfCustody(
        item=chain.item,
        source=chain.source,
        path=chain.path,
        members=list(chain.members),
        custodian=chain.custodian,
        matters=list(chain.matters),
        size=chain.size,
        sha256=chain.sha256,
        origin=chain.origin,
        log=answers_shared.Position(chain.log_size, chain.log_root),
        events=[answers_reading.CustodyLink(**{**asdict(one), "objects": list(one.objects)}) for one in chain.events],
    )
