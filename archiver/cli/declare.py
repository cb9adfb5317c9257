"""`archiver declare`: a declaration and a certificate to sign, filled in from the verified archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import REASON, Place, reader
from archiver.cli.words import columns, count, indented, plain
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.flows.access import Access
    from archiver.flows.declare.declare import Scope
    from archiver.judge.reader import Archive
    from archiver.model.policy import Policy
    from archiver.stores.base import Store

__all__ = ["command"]


@click.command("declare")
@click.option("--snapshot", metavar="ID", help="Declare of all that this snapshot kept; the newest one if left out.")
@click.option("--batch", metavar="ID", help="Declare of what this batch holds.")
@click.option("--item", metavar="SOURCE/PATH", help="Declare of this item, with its whole chain of custody.")
@click.option(
    "-o",
    "--output",
    "to",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder that is new or empty.",
)
@click.option("--destination", metavar="ID", help="Verify and declare of this destination; else the first.")
@click.option("--font", type=click.Path(path_type=Path), metavar="FILE", help="TrueType font for other scripts.")
@click.option("--no-pdf", is_flag=True, help="Markdown only.")
@REASON
@reader
@click.pass_obj
def command(
    run: Run,
    /,
    *,
    snapshot: str | None,
    batch: str | None,
    item: str | None,
    to: Path,
    destination: str | None,
    font: Path | None,
    no_pdf: bool,
    reason: str | None,
    place: Place,
) -> Answer:
    """Write DIR: a declaration of true copy and custody, a certificate in the style of FRE 902(14), and exhibits.

    The whole archive is verified first; of one that fails nothing is declared. Every figure has beside it what checks
    it. Name, title, place, date and signature are left blank. The digests of all files are stated in the log.
    """
    from archiver.cli import answers_reading  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import policy_of  # noqa: PLC0415
    from archiver.cli.reading import UNRECORDED, open_place  # noqa: PLC0415
    from archiver.cli.verify import trust_bytes  # noqa: PLC0415
    from archiver.flows.access import check_reason  # noqa: PLC0415
    from archiver.flows.declare.declare import Paper, declare  # noqa: PLC0415
    from archiver.flows.session import check_keys, whoami  # noqa: PLC0415

    scope = _scope(snapshot, batch, item)
    if place.archive is not None and place.trust is None:
        raise UsageError(
            "trust-missing",
            "declare --archive: expected --trust FILE, found none",
            hint="name the trust.json that the operator handed to you outside the archive",
        )
    if destination is not None and place.archive is not None:
        raise UsageError("usage", "--destination: expected a policy, found --archive", hint="leave one of them out")
    policy = policy_of(run, place)
    check_reason(policy, "declare", reason)
    if policy is not None:
        check_keys(policy, run.environ)
    else:
        run.talk.say(UNRECORDED)
    stated: list[Access] = []
    made = declare(
        _store(run, policy, destination) if policy is not None else open_place(run, place),
        trust_bytes(policy, place),
        scope,
        to=to,
        paper=Paper(pdf=not no_pdf, font=font),
        by=whoami(None),
        clock=run.clock,
        plain=plain,
        trust_is_own=place.trust is None,
        listener=run.talk.hear,
        opened=lambda archive: _access(run, policy, archive, reason, stated),
    )
    run.archive = made.facts.archive
    keys = list(stated[0].statements) if stated else []
    verdict = made.facts.report.verdict.value
    text = [
        f"{to}: a declaration about {count(made.facts.items, 'item')}, verified: {verdict}",
        *indented(columns([(name, digest) for name, digest in made.files.items()])),
        *(f"stated in the log: {key}" for key in keys[-1:]),
        "read it before you sign it: fill in the blanks, and strike what you do not know yourself",
    ]
    if made.unknown:
        named = " ".join(f"U+{ord(letter):04X}" for letter in made.unknown[:10])
        run.talk.say(f"the PDF's fonts have no letters {named}: name a font with --font FILE", "warning")
    members = answers_reading.MadeDeclaration(
        to=str(to),
        scope=scope.kind,
        name=scope.name or made.facts.snapshot.id,
        verdict=made.facts.report.verdict.value,
        items=made.facts.items,
        bytes=made.facts.item_bytes,
        files=made.files,
        letters_not_shown=[f"U+{ord(letter):04X}" for letter in made.unknown],
        stated=keys,
    )
    return Answer(made.exit, members, "\n".join(text))


def _store(run: Run, policy: Policy, destination_id: str | None) -> Store:
    from archiver.flows.destinations import destination  # noqa: PLC0415 - loaded when called
    from archiver.flows.session import destination_store, own_trust  # noqa: PLC0415

    return destination_store(policy, run.clock, destination(policy, own_trust(policy), destination_id).spec)


@contextmanager
def _access(
    run: Run, policy: Policy | None, archive: Archive, reason: str | None, stated: list[Access]
) -> Iterator[Access]:
    from archiver.cli.reading import operator_of  # noqa: PLC0415 - loaded when called
    from archiver.flows.access import Unrecorded, stating  # noqa: PLC0415

    if policy is None:
        yield Unrecorded()
        return
    with stating(operator_of(run, policy), archive, "declare", reason) as access:
        stated.append(access)
        yield access


def _scope(snapshot: str | None, batch: str | None, item: str | None) -> Scope:
    from archiver.flows.declare.declare import Scope  # noqa: PLC0415 - loaded when called

    given = [
        (kind, name) for kind, name in (("snapshot", snapshot), ("batch", batch), ("item", item)) if name is not None
    ]
    if len(given) > 1:
        names = " and ".join(f"--{kind}" for kind, _ in given)
        raise UsageError("usage", f"{names}: expected one of them, found {len(given)}", hint="declare of one at a time")
    if item is not None and not item.partition("/")[2]:
        raise UsageError(
            "usage", f"--item {item}: expected SOURCE/PATH, found no path", hint="see `archiver list items`"
        )
    if batch is not None:
        return Scope("batch", batch)
    return Scope("item", item) if item is not None else Scope("snapshot", snapshot)
