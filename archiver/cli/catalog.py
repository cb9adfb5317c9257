"""`archiver catalog rebuild`: the local index again, from the store alone."""

from __future__ import annotations

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.options import common, with_policy
from archiver.cli.words import count, short
from archiver.errors import Exit

__all__ = ["command"]


@click.group("catalog", cls=Group)
@common
def command() -> None:
    """Rebuild the local index from the store."""


@command.command("rebuild")
@with_policy
@click.pass_obj
def rebuild(run: Run) -> Answer:
    """Make the catalog again from the store alone; the old one is replaced when the new one is whole."""
    from archiver.cli.answers_shared import Position  # noqa: PLC0415 - loaded when called
    from archiver.cli.answers_writing import RebuiltCatalog  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.rebuild import rebuild as make_again  # noqa: PLC0415

    policy = open_policy(run)
    made = make_again(policy, clock=run.clock, listener=run.talk.hear)
    numbers = (count(made.snapshots, "snapshot"), count(made.batches, "batch"), count(made.items, "item line"))
    run.talk.say(f"the catalog is whole again: {', '.join(numbers)}")
    run.talk.say(f"log: {count(made.entries, 'entry', 'entries')}, root {short(made.root)}")
    members = RebuiltCatalog(Position(made.entries, made.root), made.snapshots, made.batches, made.items)
    return Answer(Exit.OK, members)
