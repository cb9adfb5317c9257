"""`archiver doctor`: everything that could break the promise, with a remedy each; and policies for the store."""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.options import with_policy
from archiver.cli.words import columns, count, indented
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.flows.doctor.doctor import Doctored
    from archiver.flows.doctor.items import Item

__all__ = ["command"]

ROLES = ("writer", "auditor", "extender", "witness")
_WIDTH = 96
_WORDS = {
    "ok": "nothing breaks the promise",
    "partial": "not everything could be looked at",
    "failed": "needs a person",
}


@click.group("doctor", cls=Group, invoke_without_command=True)
@click.option(
    "--probe", is_flag=True, help="Store sentinels under a short lock, really attack them, and sign the result."
)
@with_policy
@click.pass_context
def command(context: click.Context, *, probe: bool) -> Answer | None:
    """Look at everything that could break the promise: this machine, the store, its locks.

    Nothing is written without --probe. A probe leaves a dozen objects of a few bytes below ext/probe/.
    """
    if context.invoked_subcommand is not None:
        return None
    from archiver.cli.opening import open_policy  # noqa: PLC0415 - loaded when called
    from archiver.flows.doctor.doctor import doctor  # noqa: PLC0415

    run: Run = context.find_root().obj
    policy = open_policy(run)
    found = doctor(
        policy, clock=run.clock, random=run.random, environ=run.environ, probed=probe, listener=run.talk.hear
    )
    return Answer(found.exit, _members(found, probed=probe), "\n".join(_lines(found)))


@command.command("policy")
@click.argument("roles", nargs=-1, required=True, type=click.Choice(ROLES), metavar="|".join(ROLES) + "...")
@click.option("--principal", multiple=True, metavar="ARN", help="Who has the role; one for each role, in their order.")
@click.option("--destination", metavar="ID", help="Only the bucket of this destination; else every bucket's policy.")
@with_policy
@click.pass_obj
def policy_command(run: Run, roles: tuple[str, ...], principal: tuple[str, ...], destination: str | None) -> Answer:
    """Print a least-privilege bucket policy for this archive's buckets and prefixes.

    A bucket has one policy: name all roles at once. Put it there with the credentials of the bucket's owner.
    """
    from archiver.cli.answers_doctor import PrintedBucket, PrintedPolicy  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import open_policy, where  # noqa: PLC0415
    from archiver.flows.doctor.printed import print_policies  # noqa: PLC0415

    if principal and len(principal) != len(roles):
        raise UsageError("usage", f"--principal: expected {count(len(roles), 'ARN')}, found {len(principal)}")
    policy = open_policy(run)
    named = [(role, principal[number] if principal else None) for number, role in enumerate(roles)]
    printed = print_policies(policy, named, clock=run.clock, only=destination)
    if not principal:
        run.talk.say("put the account or owner in place of the capitals, or name them with --principal", "warning")
    lines = [json.dumps(one.document, indent=2) for one in printed]
    if len(printed) > 1:
        run.talk.say("several buckets; print the policy of one alone with --destination ID", "warning")
        heads = [f"# {one.destination}: {where(one.place)}" for one in printed]
        lines = [line for pair in zip(heads, lines, strict=True) for line in pair]
    buckets = [PrintedBucket(one.destination, one.place.bucket, one.document) for one in printed]
    return Answer(Exit.OK, PrintedPolicy(list(roles), buckets), "\n".join(lines), asked_for=True)


def _lines(found: Doctored) -> list[str]:
    counts = ", ".join(f"{number} {state}" for state, number in found.counts.items())
    verdict = _WORDS[found.verdict.value] + (f" (exit {int(found.exit)})" if found.exit else "")
    lines = [f"doctor: {verdict}; {counts}"]
    for state in ("failed", "unknown", "note"):
        for item in found.items:
            if item.state == state:
                lines += ["", *_spelled(item)]
    fine = [item for item in found.items if item.state == "ok"]
    settings = ", ".join(item.code for item in fine if not item.code.startswith("probe-"))
    tried = [(item.code, item.found) for item in fine if item.code.startswith("probe-")]
    lines += ["", "looked at, and as it should be:", *indented(wrap(settings, _WIDTH, break_on_hyphens=False))]
    if tried:
        lines += ["", "tried, and as it should be:", *indented(columns(tried))]
    if found.signed is not None:
        lines += ["", f"signed: {found.signed.statement}"]
    return lines


def _spelled(item: Item) -> list[str]:
    rows = [("expected", item.expected), ("found", item.found)]
    if item.remedy:
        rows.append(("remedy", item.remedy))
    return [f"{item.state}: {item.code}, {item.subject}", *indented(columns(rows))]


def _members(found: Doctored, *, probed: bool) -> object:
    from archiver.cli import answers_doctor as answers  # noqa: PLC0415 - loaded when called
    from archiver.flows.doctor.probe import capability_words  # noqa: PLC0415

    able, signed = found.capabilities, found.signed
    words = None if able is None else capability_words(able)
    return answers.Doctored(
        probed=probed,
        verdict=found.verdict.value,
        counts=found.counts,
        items=[
            answers.DoctorItem(
                code=item.code,
                state=item.state.value,
                subject=item.subject,
                expected=item.expected,
                found=item.found,
                remedy=item.remedy,
            )
            for item in found.items
        ],
        capabilities=None if words is None else answers.StoreCapabilities(**words),  # type: ignore[arg-type] # by name
        report=None if signed is None else signed.report,
        statement=None if signed is None else signed.statement,
    )
