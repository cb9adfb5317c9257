"""`archiver trust`: the trust file's digest to be read out, and the trust file as it should now be handed out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.group import Group
from archiver.cli.options import common, with_policy
from archiver.cli.words import columns, indented, short
from archiver.errors import Exit, UsageError
from archiver.late import dataclass

if TYPE_CHECKING:
    from archiver.model.policy import Policy
    from archiver.model.statement import PolicyPredicate
    from archiver.model.trust import LogKey, LogTrust, Seen, StatementKey, TimestampAuthority, TrustFile

__all__ = ["command"]


@click.group("trust", cls=Group)
@common
def command() -> None:
    """Show a trust file, or write the one to hand out."""


@command.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@common
@click.pass_obj
def show(run: Run, file: Path) -> Answer:
    """Show what a trust file trusts, and its SHA-256 to compare on the telephone."""
    from archiver.cli.answers_reading import ShownTrust  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_trust  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    data, trust = read_trust(file)
    run.archive = trust.archive
    digest = digest_of(data)
    members = ShownTrust(sha256=digest, trust=trust.model_dump(mode="json"))
    return Answer(Exit.OK, members, "\n".join(_lines(trust, digest)), asked_for=True)


@command.command("export")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here; must not exist yet.")
@with_policy
@click.pass_obj
def export(run: Run, output: Path | None) -> Answer:
    """Write the trust file as it should now be handed out.

    It states the newest checkpoint, so that nobody can show the auditor an older archive, and the holds in force.
    """
    from archiver.cli.answers_writing import ExportedTrust  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import write_output  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.model.trust import digest_of, groups  # noqa: PLC0415

    trust = _as_of_now(open_policy(run))
    data = trust.encode()
    digest = digest_of(data)
    if output is not None:
        write_output(output, data)
        run.talk.say(f"wrote {output}")
    run.talk.say(f"SHA-256 {groups(digest)}")
    run.talk.say("hand it over by another way than the archive, and read the SHA-256 out on the telephone")
    members = ExportedTrust(
        file=None if output is None else str(output), sha256=digest, trust=trust.model_dump(mode="json")
    )
    return Answer(Exit.OK, members, data.decode() if output is None else "", asked_for=True)


@command.command("witness")
@click.argument("vkey")
@click.option(
    "--trust", "file", type=click.Path(path_type=Path), metavar="FILE", help="This trust file, not one's own."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="With --trust: write it here.")
@with_policy
@click.pass_obj
def witness(run: Run, vkey: str, file: Path | None, output: Path | None) -> Answer:
    """Add a witness by its vkey: to the operator's own trust file, or to another one, which an auditor holds.

    From then on `archiver verify` with that trust file demands that this witness has seen the log.
    """
    from archiver.cli.answers_witness import TrustedWitness  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_trust, write_output  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.session import own_trust, trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of, groups, with_witness  # noqa: PLC0415
    from archiver.writer.durable import replace_file  # noqa: PLC0415

    if (file is None) != (output is None):
        raise UsageError("usage", "expected --trust FILE and -o FILE together, found one of them")
    if file is not None and output is not None:
        key, changed = with_witness(read_trust(file)[1], vkey)
        write_output(output, changed.encode())
    else:
        policy = open_policy(run)
        output = trust_path(policy)
        key, changed = with_witness(own_trust(policy), vkey)
        replace_file(output, changed.encode(), mode=0o644)
    run.archive = changed.archive
    digest = digest_of(changed.encode())
    digits = groups(key.fingerprint).split(" ")
    rows = [("witness", key.name), ("SHA-256", " ".join(digits[:4])), ("", " ".join(digits[4:]))]
    text = [
        f"{output}: {key.name} must have seen the log from now on",
        *indented(columns(rows)),
        "compare the SHA-256 of the vkey with the witness's, by telephone",
    ]
    if file is None:
        text.append("hand the trust file out again: archiver trust export -o FILE")
    members = TrustedWitness(key.name, str(key), key.fingerprint, str(output), digest)
    return Answer(Exit.OK, members, "\n".join(text), asked_for=True)


def _as_of_now(policy: Policy) -> TrustFile:
    """Return the operator's own trust file with what the logs say now, as far as is known here.

    What a hold of some sources says is left to the log: `holds` demands the date of everything that a matter has.
    """
    from archiver.flows.destinations import catalog_path  # noqa: PLC0415
    from archiver.flows.session import own_trust  # noqa: PLC0415
    from archiver.flows.state import StateFolder  # noqa: PLC0415
    from archiver.flows.timestamps.authorities import trusted_timestamps  # noqa: PLC0415 - loaded when called
    from archiver.model.trust import TrustedHold  # noqa: PLC0415

    trust, state = own_trust(policy), StateFolder(policy.state)
    state.demand_run("run `archiver snapshot` first")
    known = [_known(catalog_path(policy, log.origin.rpartition("/")[2])) for log in trust.logs]
    logs = [log.model_copy(update={"seen": one.seen}) for log, one in zip(trust.logs, known, strict=True)]
    fullest = max(known, key=lambda one: one.seen.size if one.seen else 0)
    in_force, extended = fullest.policy, fullest.holds
    timestamps = trusted_timestamps(policy, trust.timestamps) if policy.timestamps.authorities else trust.timestamps
    holds = trust.holds
    if in_force is not None:
        holds = [
            TrustedHold(
                matter=one.id,
                until=max(one.retain_until, extended.get(one.id, "")),
                mode="COMPLIANCE",
                legal_hold=one.legal_hold,
            )
            for one in in_force.matters
        ]
    return trust.model_copy(update={"logs": logs, "holds": holds, "timestamps": timestamps})


@dataclass(frozen=True)
class _Known:
    """What is known here of one log."""

    seen: Seen | None = None
    policy: PolicyPredicate | None = None
    holds: dict[str, str] = field(default_factory=dict)


def _known(path: Path) -> _Known:
    from archiver.catalog.catalog import Catalog  # noqa: PLC0415 - loaded when called
    from archiver.model.trust import Seen  # noqa: PLC0415

    if not path.exists():
        return _Known()
    with closing(Catalog(path, read_only=True)) as catalog:
        size = catalog.log_size()
        seen = Seen(size=size, root=catalog.frontier().root().hex()) if size else None
        return _Known(seen, catalog.policy(), catalog.holds(of_all=True))


def _lines(trust: TrustFile, digest: str) -> list[str]:
    from archiver.model.trust import groups  # noqa: PLC0415 - loaded when called

    digits = groups(digest).split(" ")
    rows = [
        ("archive", trust.archive),
        *(row for log in trust.logs for row in (("log", log.origin), ("seen", _seen(log)))),
        *(("log key", f"{key.vkey}{_sizes(key)}") for one in trust.logs for key in one.keys),
        *(("second key", f"{_short(key.vkey)}{_sizes(key)}") for one in trust.logs for key in one.post_quantum or ()),
        *(("statement key", f"{key.keyid} ({', '.join(key.roles)}){_ends(key)}") for key in trust.statement_keys),
        *(
            ("hold", f"{hold.matter} until {hold.until}, {hold.mode}{' and legal hold' if hold.legal_hold else ''}")
            for hold in trust.holds
        ),
        ("timestamps", f"{trust.timestamps.required} demanded"),
        *(("authority", _authority(one)) for one in trust.timestamps.tsas),
        *(("witness", vkey) for vkey in trust.witnesses),
        ("SHA-256", " ".join(digits[:4])),
        ("", " ".join(digits[4:])),
    ]
    return [*columns(rows), "", "compare the SHA-256 with the operator's, by telephone, before you trust anything"]


def _seen(log: LogTrust) -> str:
    if log.seen is None:
        return "nothing; ask for a newer trust file"
    return f"{log.seen.size} entries, root {short(log.seen.root)}"


def _authority(one: TimestampAuthority) -> str:
    qualified = f", qualified by {one.qualified.source}" if one.qualified else ""
    return f"{one.id}, {len(one.roots)} root certificates{qualified}"


def _short(vkey: str) -> str:
    """Return name and hash of a post-quantum key: the key itself has 2,600 letters."""
    return f"{vkey.rpartition('+')[0]}, ML-DSA-65"


def _sizes(key: LogKey) -> str:
    if key.to_size is not None:
        return f" up to {key.to_size} entries"
    return f" from {key.from_size} entries on" if key.from_size else ""


def _ends(key: StatementKey) -> str:
    until = "" if key.valid_until is None else f" until {key.valid_until}"
    return until if key.revoked is None else f"{until}, revoked since {key.revoked.since}: {key.revoked.reason}"
