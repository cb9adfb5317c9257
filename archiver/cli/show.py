"""`archiver show ID`: a signed statement in full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import counts_of
from archiver.cli.options import Place, reader
from archiver.cli.words import columns, count

if TYPE_CHECKING:
    from archiver.flows.listing import Shown
    from archiver.flows.reading import Reading

__all__ = ["command"]


@click.command("show")
@click.argument("identity", metavar="ID")
@click.option(
    "--sigstore",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write it as a Sigstore bundle, into a folder that is new or empty.",
)
@reader
@click.pass_obj
def command(run: Run, identity: str, sigstore: Path | None, place: Place) -> Answer:
    """Show the statement with this ID: a snapshot, a batch, a policy, or another that `archiver list` names.

    A Sigstore bundle gets a token over the signature from each timestamp authority of the policy.
    """
    from archiver.cli import answers_reading  # noqa: PLC0415 - loaded when called
    from archiver.cli.reading import opened  # noqa: PLC0415
    from archiver.flows.listing import show  # noqa: PLC0415

    with opened(run, place) as reading:
        found = show(reading, identity)
        if sigstore is not None:
            _export(run, reading, identity, sigstore, place)
        members = answers_reading.ShownStatements(
            [
                answers_reading.ShownStatement(
                    position=one.position,
                    kind=one.statement.kind,
                    keyid=one.keyid,
                    subjects=[
                        answers_reading.Subject(subject.name, dict(subject.digest)) for subject in one.statement.subject
                    ],
                    predicate=one.statement.predicate.model_dump(mode="json"),
                    counts=one.counts,
                    marked=one.marked,
                )
                for one in found
            ]
        )
        return Answer(reading.exit, members, "\n\n".join(_text(one) for one in found), asked_for=True)


def _export(run: Run, reading: Reading, identity: str, to: Path, place: Place) -> None:
    from archiver.cli.opening import policy_path  # noqa: PLC0415 - loaded when called
    from archiver.flows.kit.sigstore import export  # noqa: PLC0415
    from archiver.flows.timestamps.authorities import authorities_of  # noqa: PLC0415
    from archiver.model.policy_reading import load_policy  # noqa: PLC0415
    from archiver.signing.tsa import http_fetch  # noqa: PLC0415

    authorities = authorities_of(load_policy(policy_path(run))) if place.archive is None else ()
    made = export(reading, identity, to, authorities, fetch=http_fetch, clock=run.clock, random=run.random)
    run.talk.say(f"wrote {to}: {', '.join(made.files)}, {count(made.tokens, 'timestamp')} each")


def _text(one: Shown) -> str:
    rows = [("statement", one.statement.kind), ("log entry", str(one.position)), ("signed by", f"key {one.keyid}")]
    for subject in one.statement.subject:
        rows.append(("about", subject.name))
        rows += [("", f"{name} {value}") for name, value in dict(subject.digest).items()]
    if one.counts:
        rows.append(("items", ", ".join(f"{number:,} {name}" for name, number in one.counts.items())))
    rows += [("marked", counts_of(one.marked))] if one.marked else []
    return "\n".join([*columns(rows), "", *_outline(one.statement.predicate.model_dump(mode="json"))])


def _outline(value: object, indent: str = "") -> Iterator[str]:
    """Spell what a statement says as an outline, a dash before each thing of a list."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _entry(f"{indent}{name}:", one, indent)
    elif isinstance(value, list):
        for one in value:
            first, *others = (
                list(_outline(one, f"{indent}  ")) if isinstance(one, dict | list) and one else [f"  {_word(one)}"]
            )
            yield f"{indent}- {first.strip()}"
            yield from others


def _entry(name: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield name
        yield from _outline(value, f"{indent}  ")
    else:
        yield f"{name} {_word(value)}"


def _word(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict() | list():
            return "none"
        case _:
            return str(value)
