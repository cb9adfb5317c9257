"""`archiver plan`: what a snapshot would do, before it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import counts_of, item_marks, mark_words
from archiver.cli.options import with_policy
from archiver.cli.words import columns, count, days_left, indented, instant, listed, size
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_writing import Planned
    from archiver.flows.snapshot.plan import Plan
    from archiver.flows.snapshot.plan import Planned as DestinationPlan
    from archiver.flows.snapshot.survey import SourceSurvey
    from archiver.model.policy import Policy

__all__ = ["command"]


@click.command("plan")
@click.option(
    "--explain",
    metavar="SOURCE/PATH",
    help="Say why this item is in or out; a rule may have to read it.",
)
@with_policy
@click.pass_obj
def command(run: Run, explain: str | None) -> Answer:
    """Show what a snapshot would take and pass over, and why.

    Nothing is read but names, sizes and times, and nothing is written anywhere.
    """
    from archiver.cli.opening import open_policy  # noqa: PLC0415 - loaded when called
    from archiver.flows.snapshot.plan import plan  # noqa: PLC0415

    policy = open_policy(run)
    if explain is not None:
        return _explained(run, policy, explain)
    found = plan(policy, clock=run.clock, listener=run.talk.hear)
    for warning in (*found.warnings, *found.passed):
        run.talk.say(warning, "warning")
    is_less = found.passed or found.missing_sources or any(one.unavailable for one in found.survey.sources)
    error = _refusal(policy, found)
    status = Exit.USAGE if error else (Exit.INCOMPLETE if is_less else Exit.OK)
    return Answer(status, _members(policy, found), "\n".join(_lines(run, policy, found)), error=error)


def _explained(run: Run, policy: Policy, name: str) -> Answer:
    from archiver.cli.answers_writing import ExplainedItem, Planned  # noqa: PLC0415 - loaded when called
    from archiver.flows.snapshot.plan import explain  # noqa: PLC0415

    one = explain(policy, name, clock=run.clock)
    item = ExplainedItem(one.source, one.path, one.decision, one.why, one.custodian, item_marks(one.marks))
    rows = [("item", f"{one.source}/{one.path}"), ("decision", one.decision), ("why", one.why)]
    rows += [("custodian", one.custodian)] if one.custodian else []
    rows += [("marked", mark_words(mark)) for mark in one.marks]
    members = Planned(item, None, None, None, None, None, None, None)
    return Answer(Exit.OK, members, "\n".join(columns(rows)), asked_for=True)


def _refusal(policy: Policy, found: Plan) -> UsageError | None:
    """Return what `snapshot` would refuse, so that nobody learns of it in the night."""
    if found.refusals:
        lines = "\n".join(f"{policy.path}:{line}" for line in found.refusals)
        hint = "a hold can only grow: restore what the last signed policy says, then add to it"
        return UsageError("policy-weakened", lines, hint=hint)
    return found.refusal


def _lines(run: Run, policy: Policy, found: Plan) -> list[str]:
    from archiver.flows.setup import is_set_up  # noqa: PLC0415 - loaded when called

    until, several = found.retain_until, len(found.destinations) > 1
    lines = [f"a snapshot now would read {size(found.survey.new_bytes)} and lock what of it is new", ""]
    for one in found.survey.sources:
        lines += [*_source(policy, one), ""]
    lines += [
        f"source {source.id}: ended {instant(source.ended.at)}, {source.ended.reason}"
        for source in policy.sources
        if source.ended
    ]
    for name in found.missing_sources:
        lines.append(f"source {name}: was collected before and is not in the policy any more")
    lines += ["changed since the last signed policy:", *indented(found.changes), ""] if found.changes else []
    for named in found.destinations:
        place = named.place
        lines += columns(
            [
                *([("destination", named.id)] if several else []),
                ("account", _account(named)),
                ("bucket", f"{place.bucket}{'/' + place.prefix if place.prefix else ''}"),
                ("locked until", f"{instant(until)}, {days_left(until, run.clock())}"),
            ]
        )
        if place.enforces_locks:
            lines.append("nobody can delete this earlier, not even the owner of the account")
        else:
            lines.append(
                "nobody may delete this earlier; a folder only records that, it does not stop an administrator"
            )
        lines += [""] if several else []
    if not is_set_up(policy):
        lines.append("the keys of this archive are not made yet; next: archiver init")
    return lines


def _source(policy: Policy, one: SourceSurvey) -> list[str]:
    source = policy.source(one.source)
    head = f"source {one.source}: {source.kind} in {source.path or source.location}"
    if one.unavailable:
        return [head, f"  not there: {one.unavailable}"]
    words = {
        "read": "new or changed, to be read",
        "unchanged": "unchanged since last time",
        "recorded": "folders, links and the like, on record without content",
        "failed": "cannot be looked at",
        "excluded": "passed over",
    }
    rows = [
        (f"{one.items[decision]:,}", size(one.bytes[decision]) if decision not in ("recorded", "failed") else "", text)
        for decision, text in words.items()
        if one.items[decision]
    ]
    rules = [
        f"    {count(items, 'item')}, {size(total)}: {rule} ({reason})"
        for rule, (reason, items, total) in sorted(one.rules.items())
    ]
    lines = [head, *indented(columns(rows or [("0", "", "nothing is there")], right=(0, 1))), *rules]
    if one.marked:
        lines.append(f"  marked, by name or by what was kept before: {counts_of(one.marked)}")
    if source.query is not None:
        lines.append("  how much a query gives is known when it has been put")
    if one.narrowed:
        lines.append(f"  kept before and now passed over: {count(one.narrowed_items, 'item')}: {listed(one.narrowed)}")
    return lines


def _account(one: DestinationPlan) -> str:
    if one.account is None:
        return "this machine's file system"
    profile = f"the profile {one.profile}" if one.profile else "the default credentials of this machine"
    return f"{one.account}; {profile}"


def _members(policy: Policy, found: Plan) -> Planned:
    from archiver.cli.answers_writing import Planned, PlannedDestination, PlannedRule, PlannedSource  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import destination_of  # noqa: PLC0415
    from archiver.flows.setup import is_set_up  # noqa: PLC0415

    return Planned(
        explained=None,
        destinations=[PlannedDestination(one.id, destination_of(one.place), one.account) for one in found.destinations],
        retain_until=instant(found.retain_until),
        new_bytes=found.survey.new_bytes,
        sources=[
            PlannedSource(
                id=one.source,
                location=str(policy.source(one.source).path or policy.source(one.source).location),
                unavailable=one.unavailable,
                items=dict(one.items),
                bytes=dict(one.bytes),
                rules=[PlannedRule(rule, *words) for rule, words in sorted(one.rules.items())],
                narrowed=one.narrowed,
                narrowed_items=one.narrowed_items,
                marked=dict(sorted(one.marked.items())),
            )
            for one in found.survey.sources
        ],
        changes=list(found.changes),
        missing_sources=list(found.missing_sources),
        ready=is_set_up(policy),
    )
