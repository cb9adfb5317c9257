"""`archiver hold`: how long everything is held, for longer, and, on two approvals, no longer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli import hold_release
from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.hold_words import INSTRUMENT, YES, agree, failures, locks, named
from archiver.cli.options import common, with_policy
from archiver.cli.timestamp import say_at_end, taken
from archiver.cli.words import columns, count, days_left, indented, instant, listed, short, size
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_holding import HoldShown
    from archiver.flows.hold.extend import Extended, Plan
    from archiver.flows.hold.show import ShownHold
    from archiver.flows.hold.sweep import Tally

__all__ = ["command"]

_SOON = 60  # days, as in status


@click.group("hold", cls=Group)
@common
def command() -> None:
    """Show, extend and release holds."""


for _one in hold_release.COMMANDS:
    command.add_command(_one)


# show


@command.command("show")
@click.argument("matter", required=False)
@with_policy
@click.pass_obj
def show_command(run: Run, matter: str | None) -> Answer:
    """Show each matter's hold, and the lock of every stored version behind it.

    Every version is asked for, so this takes a while; `archiver status` is quick and goes by local records.
    """
    from archiver.cli.answers_holding import HoldsShown  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.hold.show import show  # noqa: PLC0415

    found = show(open_policy(run), matter, clock=run.clock, listener=run.talk.hear)
    lines: list[str] = []
    red: list[str] = []
    for one in found:
        spelled, alarm = _spelled(one)
        lines += [*([""] if lines else []), *spelled]
        red += alarm
    worst = Exit.worst([one.exit for one in found])
    return Answer(worst, HoldsShown([_shown(one) for one in found]), "\n".join(lines), asked_for=True, red=tuple(red))


def _spelled(one: ShownHold) -> tuple[list[str], list[str]]:
    """Return the lines about a hold, and those of them that are alarming."""
    matter, named = one.matter, one.matter.hold.retain_until
    left = f"{instant(one.until)}, {days_left(one.until, one.now)}"
    earlier = f", earlier than the signed hold until {instant(one.until)}, the one in force"
    rows = [
        ("ordered by", f"{matter.authority}, {matter.issued}: {matter.hold.stated_as}"),
        ("instruments", listed(one.instruments) or "none archived; name it as `instrument` in the policy"),
        ("held until", left),
        ("policy names", instant(named) + (earlier if named < one.until else "")),
        *(
            ("extended", f"{words.at}: from {words.since} to {words.to} by {short(words.instrument)}")
            for words in one.extensions
        ),
        ("earliest lock", _earliest(one.found)),
        ("below the hold", count(one.found.below, "object")),
        ("not known", count(one.found.unknown, "object")),
        ("left alone", f"{count(one.others, 'object')} of other matters, {count(one.strangers, 'stranger')}"),
    ]
    if one.release is not None:
        rows.append(("released", f"{one.release.at}; dates stay, and nothing was deleted"))
    lines = [f"hold {matter.id}, {matter.title}", *indented(columns(rows))]
    if one.readings:
        lines += [
            "  the order's last day ends",
            *indented(columns([(instant(ends), name) for name, ends in one.readings]), "    "),
        ]
    alarming = [("held until", one.left.days < _SOON), ("below the hold", bool(one.found.below))]
    red = [
        line for line in lines for name, bad in alarming if bad and line.startswith(f"  {name}") and one.release is None
    ]
    return lines, red


def _earliest(found: Tally) -> str:
    if found.earliest is None:
        return f"none on any of {count(found.objects, 'version')}"
    return f"{instant(found.earliest)}, of {count(found.objects, 'version')} ({found.earliest_key})"


# extend


@command.command("extend")
@click.argument("matter")
@click.option("--until", "text", required=True, metavar="T", help='The new end, such as "2027-07-01T12:00:00Z".')
@click.option(
    "--source", "sources", metavar="ID", multiple=True, help="Of what is stored, only this; may be given again."
)
@INSTRUMENT
@YES
@with_policy
@click.pass_obj
def extend_command(
    run: Run, matter: str, text: str, sources: tuple[str, ...], instrument: Path, *, yes: bool
) -> Answer:
    """Hold everything of a matter for longer: a signed statement first, then the lock of every version.

    A run that was stopped is finished by the same command. A lock in compliance mode cannot be taken back.
    What is stored from now on is held until then whatever its source.
    """
    from archiver.cli.answers_holding import ExtendedHold  # noqa: PLC0415
    from archiver.cli.answers_shared import Position  # noqa: PLC0415
    from archiver.cli.answers_writing import LeftBehind  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.hold.extend import extend  # noqa: PLC0415
    from archiver.flows.instrument import read_instrument  # noqa: PLC0415

    to, order = _until(text), read_instrument(instrument)
    policy = open_policy(run)

    def confirm(plan: Plan) -> None:
        run.talk.say("\n".join(_plan(plan)))
        agree(run, policy, yes=yes, words="nobody can undo it", what="hold extend")

    done = extend(
        policy,
        matter,
        to,
        order,
        clock=run.clock,
        random=run.random,
        environ=run.environ,
        listener=run.talk.hear,
        confirm=confirm,
        sources=sources,
    )
    say_at_end(run, done.timestamps)
    plan = done.plan
    members = ExtendedHold(
        matter=matter,
        since=instant(plan.since),
        to=instant(plan.to),
        scope=plan.scope,
        instrument=plan.instrument,
        statement=done.statement,
        before=locks(plan.found),
        raised=done.raised,
        passes=done.passes,
        failures=failures(done.failures),
        receipts=done.receipts,
        of_other_matters=plan.left,
        strangers=plan.strangers,
        log=Position(done.log_size, done.root),
        timestamps=taken(done.timestamps.stamps).timestamps,
        left_behind=[LeftBehind(one.id, one.problem, int(one.exit), list(one.waiting)) for one in done.behind],
    )
    return Answer(done.exit, members, "\n".join(_extended(done)))


def _until(text: str) -> datetime:
    from archiver.model.hold import NotAnInstantError, parse_offset_instant  # noqa: PLC0415 - loaded when called

    try:
        return parse_offset_instant(text)
    except NotAnInstantError as problem:
        raise UsageError("until-refused", f"--until {text}: {problem}", hint=f"write {problem.instead}") from problem


def _plan(plan: Plan) -> list[str]:
    found = plan.found
    dates = (
        "none"
        if found.earliest is None or found.latest is None
        else f"{instant(found.earliest)} to {instant(found.latest)}"
    )
    rows = [
        ("matter", plan.matter),
        ("from", instant(plan.since)),
        ("to", instant(plan.to)),
        ("instrument", plan.instrument),
        ("locks to raise", f"{found.below:,} of {count(found.objects, 'object')}, {size(found.bytes)}"),
        ("locked now", dates),
        ("not known", count(found.unknown, "object")),
        ("left alone", f"{count(plan.left, 'object')} of other matters, {count(plan.strangers, 'stranger')}"),
    ]
    lead = (
        "this extension is signed already and goes on" if plan.signed else "this would be signed, and cannot be undone"
    )
    return [lead, *indented(columns(rows)), ""]


def _extended(done: Extended) -> list[str]:
    plan, until = done.plan, instant(done.plan.to)
    lines = [f"{plan.matter} is held until {until}: every one of {count(plan.found.objects, 'object')}"]
    if done.failures:
        short_of = count(len(done.failures), "object")
        lines = [f"{plan.matter} is to be held until {until}, but {short_of} could not be locked so far"]
    raised = f"{count(done.raised, 'lock')} in {count(done.passes, 'pass')}, each read back"
    rows = [
        ("raised", raised if done.passes else "none, all were there"),
        ("statement", done.statement),
        ("receipts", done.receipts or "written before"),
        ("log", f"{count(done.log_size, 'entry', 'entries')}, root {short(done.root)}"),
    ]
    lines += [*indented(columns(rows)), *named(done.failures)]
    lines += [f"destination {one.id} is left behind: {one.problem}" for one in done.behind]
    if done.failures or done.behind:
        lines += ["", "run the same command again when the reason is gone; it goes on with these"]
    return lines


def _shown(one: ShownHold) -> HoldShown:
    from archiver.cli.answers_holding import HoldExtension, HoldReading, HoldShown  # noqa: PLC0415 - loaded when called

    return HoldShown(
        matter=one.matter.id,
        title=one.matter.title,
        authority=one.matter.authority,
        issued=one.matter.issued.isoformat(),
        stated_as=one.matter.hold.stated_as,
        instruments=list(one.instruments),
        policy_retain_until=instant(one.matter.hold.retain_until),
        retain_until=instant(one.until),
        days_left=max(one.left.days, 0),
        passed=one.left.total_seconds() <= 0,
        released=None if one.release is None else one.release.at,
        readings=[HoldReading(name, instant(ends)) for name, ends in one.readings],
        extensions=[
            HoldExtension(
                f"statements/hold/{words.id}.json", words.at, words.since, words.to, words.scope, words.instrument
            )
            for words in one.extensions
        ],
        locks=locks(one.found),
        of_other_matters=one.others,
        strangers=one.strangers,
    )
