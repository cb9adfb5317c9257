"""The commands by which a hold ends: a request, approvers and their approvals, the release itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.hold_words import FILE, INSTRUMENT, YES, agree, ask, date, failures, named
from archiver.cli.options import common, with_policy
from archiver.cli.timestamp import say_at_end, taken
from archiver.cli.words import columns, count, indented, short, size
from archiver.errors import Exit, UsageError

if TYPE_CHECKING:
    from archiver.flows.hold.release import Released, Releasing

__all__ = ["COMMANDS"]


DESTINATION = click.option(
    "--destination", metavar="ID", help="The destination whose log the request names; else the first."
)


@click.command("request")
@click.argument("matter")
@DESTINATION
@INSTRUMENT
@click.option("-o", "--output", required=True, type=FILE, metavar="FILE", help="Write here; must not exist yet.")
@with_policy
@click.pass_obj
def request_command(run: Run, matter: str, destination: str | None, instrument: Path, output: Path) -> Answer:
    """Write down what a matter would let go of, for two approvers to sign."""
    from archiver.cli.answers_holding import MadeRequest  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import refuse_existing, write_output  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.hold.release import make_request  # noqa: PLC0415
    from archiver.flows.instrument import read_instrument  # noqa: PLC0415
    from archiver.model.statement_holds import encode_request  # noqa: PLC0415
    from archiver.proof.digest import sha256_hex  # noqa: PLC0415

    refuse_existing(output)
    order, policy = read_instrument(instrument), open_policy(run)
    made = make_request(policy, matter, order, of=destination, clock=run.clock, listener=run.talk.hear)
    data = encode_request(made)
    write_output(output, data)
    text = [
        f"{output}: a request to release {matter}",
        *indented(columns(_requested(made.model_dump(), sha256_hex(data)))),
        "two approvers sign it: archiver hold approve FILE --key THEIR_KEY -o APPROVAL",
    ]
    return Answer(Exit.OK, MadeRequest(str(output), sha256_hex(data), made.model_dump(mode="json")), "\n".join(text))


def _requested(words: dict[str, object], digest: str) -> list[tuple[str, str]]:
    return [
        ("archive", f"{words['archive']}, {words['origin']}"),
        ("matter", str(words["matter"])),
        ("instrument", str(words["instrument"])),
        ("up to", f"{words['log_size']} log entries, root {short(str(words['log_root']))}"),
        (
            "lets go of",
            f"{words['objects']} objects, {words['batches']} of them batches, {size(int(str(words['bytes'])))}",
        ),
        ("asked at", str(words["at"])),
        ("SHA-256", digest),
    ]


_PASSPHRASE = click.option(
    "--passphrase", metavar="PLACE", help="Where the key's passphrase is: env:NAME or file:PATH."
)


@click.command("approver")
@click.argument("file", type=FILE)
@_PASSPHRASE
@common
@click.pass_obj
def approver_command(run: Run, file: Path, passphrase: str | None) -> Answer:
    """Make an approver's key in a new file, and print its public key; done on the approver's own machine."""
    from archiver.cli.answers_holding import MadeApprover  # noqa: PLC0415 - loaded when called
    from archiver.proof import keys  # noqa: PLC0415
    from archiver.signing.file import create_p256, passphrase_from  # noqa: PLC0415

    signer = create_p256(file, passphrase_from(passphrase, run.environ))
    pem = keys.to_pem(signer.public)
    run.talk.say(f"made {file}; keep it to yourself, with a copy in a safe")
    run.talk.say("give the public key to the operator (archiver hold admit) and, by another way, to the auditor")
    return Answer(Exit.OK, MadeApprover(str(file), signer.keyid, pem), pem, asked_for=True)


@click.command("admit")
@click.argument("file", type=FILE)
@with_policy
@click.pass_obj
def admit_command(run: Run, file: Path) -> Answer:
    """Add an approver's public key to the operator's own trust file; hand the new one out afterwards."""
    from archiver.cli.answers_holding import AdmittedApprover  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_input  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.hold.approve import admit  # noqa: PLC0415
    from archiver.flows.session import trust_path  # noqa: PLC0415
    from archiver.model.trust import digest_of  # noqa: PLC0415

    data = read_input(file, "a public key in PEM", limit=65_536)
    policy = open_policy(run)
    pem = data.decode("ascii", "replace")
    done = admit(policy, pem, clock=run.clock, random=run.random, environ=run.environ, listener=run.talk.hear)
    say_at_end(run, done.timestamps)
    path = trust_path(policy)
    text = [
        f"{done.keyid} may approve releases",
        *([f"  statement {done.statement}"] if done.statement else []),
        "hand the trust file out again: archiver trust export -o FILE",
    ]
    return Answer(
        done.timestamps.exit,
        AdmittedApprover(
            done.keyid,
            str(path),
            digest_of(done.trust.encode()),
            done.statement,
            taken(done.timestamps.stamps).timestamps,
        ),
        "\n".join(text),
    )


@click.command("approve")
@click.argument("file", type=FILE)
@click.option("--key", required=True, type=FILE, metavar="FILE", help="The approver's own key.")
@click.option("--name", metavar="NAME", help="Who approves, as it shall stand in the statement.")
@click.option("-o", "--output", required=True, type=FILE, metavar="FILE", help="Write here; must not exist yet.")
@_PASSPHRASE
@YES
@common
@click.pass_obj
def approve_command(
    run: Run, file: Path, *, key: Path, name: str | None, output: Path, passphrase: str | None, yes: bool
) -> Answer:
    """Sign for a release request; needs neither the archive nor its policy."""
    from archiver.cli.answers_holding import MadeApproval  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import read_input, refuse_existing, write_output  # noqa: PLC0415
    from archiver.flows.hold.approve import approve, read_request  # noqa: PLC0415
    from archiver.flows.session import whoami  # noqa: PLC0415
    from archiver.model.statement_holds import MAX_REQUEST  # noqa: PLC0415
    from archiver.proof.digest import sha256_hex  # noqa: PLC0415
    from archiver.signing.file import open_signer, passphrase_from  # noqa: PLC0415

    refuse_existing(output)
    data = read_input(file, "a release request", limit=MAX_REQUEST)
    words = read_request(data)
    run.archive = words.archive
    signer = open_signer(key, passphrase_from(passphrase, run.environ))
    run.talk.say(
        "\n".join(
            [
                "you approve that this is released",
                *indented(columns(_requested(words.model_dump(), sha256_hex(data)))),
                "",
            ]
        )
    )
    ask(run, words.matter, yes=yes, question=f"type the matter's name ({words.matter}) to sign:", what="hold approve")
    by = whoami(None).model_copy(update={"principal": name})
    write_output(output, approve(data, signer, by=by, clock=run.clock, random=run.random)[1])
    text = f"{output}: signed with {signer.keyid}\nhand it to the operator: archiver hold release"
    return Answer(Exit.OK, MadeApproval(str(output), signer.keyid, sha256_hex(data), words.matter), text)


# release


@click.command("release")
@click.argument("matter")
@click.option("--instrument", type=FILE, metavar="FILE", help="The order or consent itself; it is archived.")
@click.option("--request", "request_file", type=FILE, metavar="FILE", help="The request that was approved.")
@click.option("--approvals", "first", type=FILE, metavar="A B", nargs=2, help="Two approvals by different approvers.")
@click.option("--dry-run", is_flag=True, help="Only list what would become deletable, with -o.")
@click.option(
    "-o", "--output", type=FILE, metavar="FILE", help="With --dry-run: key, version and date, one JSON line each."
)
@DESTINATION
@YES
@with_policy
@click.pass_obj
def release_command(
    run: Run,
    matter: str,
    *,
    destination: str | None,
    instrument: Path | None,
    request_file: Path | None,
    first: tuple[Path, Path] | None,
    dry_run: bool,
    output: Path | None,
    yes: bool,
) -> Answer:
    """Take the legal holds off what no other matter holds, on two approvals of one request.

    Nothing is deleted and every date stays. What was released is deleted by whoever owns the store, when its date has
    passed.
    """
    if dry_run:
        if output is None:
            raise UsageError("usage", "--dry-run: expected -o FILE, found none", hint="name a new file for the list")
        return _would_release(run, matter, output, destination)
    if destination is not None:
        raise UsageError(
            "usage", "--destination: expected it with --dry-run, found it alone", hint="the request names its log"
        )
    if instrument is None or request_file is None or first is None:
        raise UsageError(
            "usage",
            "hold release: expected --instrument, --request and --approvals, found not all of them",
            hint="begin with `archiver hold request`, or see what it would do with --dry-run -o FILE",
        )
    return _release(run, matter, instrument, request_file, first, yes=yes)


def _would_release(run: Run, matter: str, output: Path, destination: str | None) -> Answer:
    from archiver.cli.answers_holding import ReleasedHold  # noqa: PLC0415 - loaded when called
    from archiver.cli.files import refuse_existing  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.hold.release import would_release  # noqa: PLC0415

    refuse_existing(output)
    policy = open_policy(run)
    found, kept = would_release(policy, matter, of=destination, clock=run.clock, listener=run.talk.hear, to=output)
    text = [
        f"{output}: {count(found.objects, 'version')}, {size(found.bytes)}, that nobody would hold any more",
        f"  dates from {date(found.earliest)} to {date(found.latest)} stay; nothing was changed",
        f"  {count(kept, 'object')} would stay held",
    ]
    members = ReleasedHold(matter, None, str(output), found.objects, found.bytes, 0, kept, [], None, [], None)
    return Answer(Exit.OK, members, "\n".join(text))


def _release(
    run: Run, matter: str, instrument: Path, request_file: Path, approvals: tuple[Path, Path], *, yes: bool
) -> Answer:
    from archiver.cli.answers_holding import ReleasedHold  # noqa: PLC0415 - loaded when called
    from archiver.cli.answers_shared import Position  # noqa: PLC0415
    from archiver.cli.files import read_input  # noqa: PLC0415
    from archiver.cli.opening import open_policy  # noqa: PLC0415
    from archiver.flows.hold.release import release  # noqa: PLC0415
    from archiver.flows.instrument import read_instrument  # noqa: PLC0415

    order = read_instrument(instrument)
    request = read_input(request_file, "a release request", limit=65_535)
    envelopes = [read_input(path, "an approval", limit=65_535) for path in approvals]
    policy = open_policy(run)

    def confirm(plan: Releasing) -> None:
        words = (
            f"{plan.on:,} legal holds on {count(plan.found.objects, 'version')}, {size(plan.found.bytes)}, would go off"
        )
        run.talk.say(f"{words}; {count(plan.kept, 'object')} stay held, all dates stay\n")
        agree(
            run, policy, yes=yes, words="what is released may be deleted when its date has passed", what="hold release"
        )

    done = release(
        policy,
        matter,
        order,
        request,
        envelopes,
        clock=run.clock,
        random=run.random,
        environ=run.environ,
        listener=run.talk.hear,
        confirm=confirm,
    )
    say_at_end(run, done.timestamps)
    members = ReleasedHold(
        matter=matter,
        statement=done.statement,
        list_file=None,
        objects=done.plan.found.objects,
        bytes=done.plan.found.bytes,
        released=done.released,
        kept=done.plan.kept,
        failures=failures(done.failures),
        receipts=done.receipts,
        timestamps=taken(done.timestamps.stamps).timestamps,
        log=Position(done.log_size, done.root),
        sealed=done.sealed,
    )
    return Answer(done.exit, members, "\n".join(_released(matter, done)))


def _released(matter: str, done: Released) -> list[str]:
    found = done.plan.found
    lines = [
        f"{matter} is released: {count(done.released, 'legal hold')} went off on {count(found.objects, 'version')}",
        f"  nothing was deleted; dates from {date(found.earliest)} to {date(found.latest)} stay",
        f"  {count(done.plan.kept, 'object')} stay held",
        *([f"  {count(done.sealed, 'legal hold')} went off what is sealed"] if done.sealed else []),
        f"  statement {done.statement}",
        f"  log: {count(done.log_size, 'entry', 'entries')}, root {short(done.root)}",
        *named(done.failures),
    ]
    if done.failures:
        lines += ["", "run the same command again when the reason is gone; it goes on with these"]
    else:
        lines += ["next: take the matter and its sources out of the policy"]
    return lines


COMMANDS = (request_command, approver_command, admit_command, approve_command, release_command)
"""What `archiver hold` has of these."""
