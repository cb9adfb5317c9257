"""`archiver init`: keys, trust file and state of a new archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import with_policy
from archiver.cli.words import columns, count, indented, short
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers_writing import MadeKeys
    from archiver.flows.setup import Made
    from archiver.model.policy import Policy
    from archiver.model.statement import Continues

__all__ = ["backup_lines", "command", "made_keys"]


@click.command("init")
@click.option("--continues", metavar="LOCATION", help="The older archive that this one goes on from.")
@click.option("--trust", metavar="FILE", help="With --continues: the trust file of the older archive.")
@click.option("--endpoint-url", metavar="URL", help="With --continues s3://: where the store answers.")
@click.option("--region", metavar="NAME", help="With --continues s3://: the region.")
@click.option("--profile", metavar="NAME", help="With --continues s3://: the credentials' profile.")
@with_policy
@click.pass_obj
def command(run: Run, /, *, continues: str | None, **reading: str | None) -> Answer:
    """Make the keys and the trust file of a new archive, or the log of a new destination.

    Nothing is written to a destination. Keys are made only where there are none yet and no destination holds an
    archive; the last lines say what to back up and what to hand to the auditor. With --continues the log of the older
    archive is checked, and the first snapshot signs where the new one went on from it. Where the keys are there and the
    policy has a new destination, its log is added to the trust file, which is to be handed out again.
    """
    from archiver.cli.answers_writing import Continued, Initialised  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import named_destinations, open_policy  # noqa: PLC0415
    from archiver.flows.setup import set_up  # noqa: PLC0415
    from archiver.model.instant import format_instant  # noqa: PLC0415

    policy = open_policy(run)
    if (added := _added(run, policy, continues)) is not None:
        return added
    head = _head(run, continues, reading)
    made = set_up(policy, clock=run.clock, random=run.random, environ=run.environ, continues=head)
    places = named_destinations(run, policy)
    members = Initialised(
        made=made_keys(made),
        added=None,
        destination=places[0].destination,
        destinations=places,
        retain_until=format_instant(policy.retain_until()),
        back_up=[str(path) for path in _to_back_up(made, policy)],
        continues=None if head is None else Continued(head.origin, head.size, head.root),
    )
    if head is not None:
        size = count(head.size, "entry", "entries")
        run.talk.say(f"goes on from the log {head.origin}")
        run.talk.say(f"  which was checked and has {size}, root {short(head.root)}; the first snapshot signs this\n")
    run.talk.say("\n".join([*backup_lines(made, policy), "", "next: archiver plan, then archiver snapshot"]))
    return Answer(Exit.OK, members)


def _added(run: Run, policy: Policy, continues: str | None) -> Answer | None:
    """Add the logs of new destinations to the trust file of an archive that is set up; None when there are none."""
    from archiver.cli.answers_writing import AddedLogs, Initialised  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import named_destinations  # noqa: PLC0415
    from archiver.flows.setup import add_destinations, is_set_up  # noqa: PLC0415
    from archiver.model.instant import format_instant  # noqa: PLC0415

    if continues is not None or not is_set_up(policy):
        return None
    added = add_destinations(policy, clock=run.clock)
    if added is None:
        return None
    lines = [f"added to the trust file: the log {origin}" for origin in added.origins]
    lines += ["the next snapshot brings there what the other destinations have", ""]
    run.talk.say("\n".join([*lines, *_hand_out(added.trust_sha256), "", "next: archiver snapshot"]))
    places = named_destinations(run, policy)
    members = Initialised(
        made=None,
        added=AddedLogs(list(added.origins), str(added.trust_file), added.trust_sha256),
        destination=places[0].destination,
        destinations=places,
        retain_until=format_instant(policy.retain_until()),
        back_up=[str(added.trust_file), str(policy.path)],
        continues=None,
    )
    return Answer(Exit.OK, members)


def _head(run: Run, continues: str | None, reading: dict[str, str | None]) -> Continues | None:
    """Read the head of the older log, when there is one to go on from."""
    from archiver.flows.continues import head_of  # noqa: PLC0415 - loaded when called

    trust = reading.pop("trust")
    if continues is None:
        for name, value in {"trust": trust, **reading}.items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise UsageError("usage", f"{option}: expected it with --continues, found it alone")
        return None
    return head_of(
        continues,
        None if trust is None else Path(trust),
        endpoint=reading["endpoint_url"],
        region=reading["region"],
        profile=reading["profile"],
        clock=run.clock,
        listener=run.talk.hear,
    )


def made_keys(made: Made) -> MadeKeys:
    """Return what was made for `--json`."""
    from archiver.cli.answers_writing import MadeKeys  # noqa: PLC0415 - loaded when called

    return MadeKeys(
        statement_key=made.statement_key,
        log_key=made.log_key,
        trust_file=str(made.trust_file),
        trust_sha256=made.trust_sha256,
        archive_id=made.archive_id,
        origin=made.origin,
        demo_keys=made.demo,
    )


def backup_lines(made: Made, policy: Policy) -> list[str]:
    """Say what was made, what to back up, and what to do with the trust file."""
    second = policy.keys.post_quantum
    return [
        f"made the keys of the archive {policy.archive}, log {' and '.join(made.origins)}",
        "",
        "back these up now, in a safe place that is not the archive:",
        *indented(
            columns(
                [
                    (made.statement_key, "signs every statement; secret"),
                    (made.log_key, "signs the log; secret"),
                    *([(str(second), "signs the log's head once more; secret")] if second is not None else []),
                    (str(made.trust_file), "public keys, for the auditor"),
                    (str(policy.path), "the policy"),
                ]
            )
        ),
        "without the two keys this archive can be verified, but never continued",
        "",
        *_hand_out(made.trust_sha256),
    ]


def _hand_out(trust_sha256: str) -> list[str]:
    from archiver.model.trust import groups  # noqa: PLC0415 - loaded when called

    digits = groups(trust_sha256).split(" ")
    return [
        "hand the trust file to the auditor now, by another way than the archive, and read out its SHA-256:",
        f"  {' '.join(digits[:4])}",
        f"  {' '.join(digits[4:])}",
        "the auditor compares it with what `archiver trust show FILE` prints",
    ]


def _to_back_up(made: Made, policy: Policy) -> list[object]:
    second = policy.keys.post_quantum
    keys = [made.statement_key, made.log_key, *([second] if second is not None else [])]
    return [*keys, made.trust_file, policy.path]
