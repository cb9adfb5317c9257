"""`archiver verify`: the whole archive against the trust file, from the store alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import REASON, Place, reader
from archiver.errors import ArchiverError, Exit, UsageError

if TYPE_CHECKING:
    from archiver.cli.answers import Verified
    from archiver.judge.case import Derive
    from archiver.judge.log import Seen
    from archiver.judge.reader import Archive
    from archiver.judge.verify import Report
    from archiver.model.policy import Policy
    from archiver.stores.base import Store

__all__ = ["command", "trust_bytes"]


@click.command("verify")
@click.option(
    "--only", multiple=True, metavar="N", help="Only this check, by number or name, or `index`; may be given again."
)
@click.option(
    "--sample", type=click.FloatRange(0, 100, min_open=True), metavar="P", help="Read only P percent of the batches."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Which batches a sample takes.")
@click.option(
    "--seen",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A checkpoint, or a report of -o, that was seen before: the log may only have grown.",
)
@click.option(
    "--require-witnesses",
    "witnesses",
    type=click.IntRange(0),
    metavar="N",
    help="How many witnesses of the trust file must have seen the log; else all of them.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON here.")
@REASON
@click.option("--no-record", is_flag=True, help="Do not state this verification in the log.")
@reader
@click.pass_obj
def command(
    run: Run,
    /,
    *,
    only: tuple[str, ...],
    sample: float | None,
    seed: int,
    seen: Path | None,
    witnesses: int | None,
    output: Path | None,
    reason: str | None,
    no_record: bool,
    place: Place,
) -> Answer:
    """Check the whole archive: log, signatures, objects, locks, records, completeness.

    Nothing that is found in the archive is trusted, only the trust file. Everything that is wrong is reported, and what
    could not be checked. Checks: 1 trust, 2 log, 3 timestamps, 4 statements, 5 objects, 6 locks, 7 records,
    8 completeness. With --only index the index columns are derived anew from the records and compared, too; that is
    slow, and nothing rests on it. By the policy, what came of it is signed into the log.
    """
    from archiver.cli.files import read_seen, refuse_existing, write_output  # noqa: PLC0415 - loaded when called
    from archiver.cli.reading import policy_of  # noqa: PLC0415
    from archiver.judge.case import Options  # noqa: PLC0415
    from archiver.judge.report import to_json, to_text  # noqa: PLC0415
    from archiver.judge.verify import verify  # noqa: PLC0415

    _check_names(only)
    if place.archive is not None and place.trust is None:
        raise UsageError(
            "trust-missing",
            "verify --archive: expected --trust FILE, found none",
            hint="name the trust.json that the operator handed to you outside the archive",
        )
    if output is not None:
        refuse_existing(output)
    policy = policy_of(run, place)
    store, trust = _store(run, policy, place), trust_bytes(policy, place)
    if policy is None:
        _introduce(run, store, trust)
    _check_number(witnesses, trust)
    before = read_seen(seen, trust) if seen is not None else _seen_here(policy)
    stated = _Statement(run, policy, reason, no_record=no_record)
    report = verify(
        store,
        trust,
        options=Options(frozenset(only), sample, seed, before, witnesses),
        clock=run.clock,
        derive=_deriver(only),
        trust_is_own=place.trust is None,
        listener=run.talk.hear,
        then=stated.make,
    )
    run.archive = report.archive or run.archive
    if output is not None:
        write_output(output, f"{json.dumps(to_json(report), indent=2)}\n".encode())
        run.talk.say(f"wrote {output}")
    run.talk.say()
    text = f"{to_text(report)}\nstated      {stated.words}\n"
    members = _members(report, output, stated.keys)
    if stated.problem is not None:
        status = Exit.worst([report.exit, stated.problem.exit_status])
        return Answer(status, members, text, error=stated.problem)
    return Answer(report.exit, members, text)


class _Statement:
    """The statement in the log about a verification; where it cannot be made, the report is still given."""

    def __init__(self, run: Run, policy: Policy | None, why: str | None, *, no_record: bool) -> None:
        """Look whether it could be signed, before anything is read."""
        from archiver.flows.access import check_reason  # noqa: PLC0415 - loaded when called
        from archiver.flows.session import check_keys  # noqa: PLC0415

        check_reason(policy, "verify", why)
        self._run, self._policy, self._why = run, None if no_record else policy, why
        self.keys: list[str] = []
        self.problem: ArchiverError | None = None
        self.words = "in no log, as --no-record asked" if no_record else "in no log: read without the operator's keys"
        if self._policy is not None:
            check_keys(self._policy, run.environ)

    def make(self, archive: Archive, report: Report) -> None:
        from archiver.cli.reading import operator_of  # noqa: PLC0415 - loaded when called
        from archiver.flows.verify_access import state  # noqa: PLC0415

        if self._policy is None:
            return
        if not archive.log.size:
            self.words = "in no log: there is none"
            return
        try:
            key = state(operator_of(self._run, self._policy), archive, report, self._why)
        except ArchiverError as problem:
            self.problem = problem
            self.words = "in no log: it could not be entered"
        else:
            self.keys, self.words = [key], key


def _deriver(only: tuple[str, ...]) -> Derive | None:
    """Load the engine that derives the index only where it is asked for."""
    if "index" not in only:
        return None
    from archiver.flows.derive import IndexDeriver  # noqa: PLC0415 - loaded when called

    return IndexDeriver()


def _check_names(only: tuple[str, ...]) -> None:
    from archiver.model.finding import CHECKS  # noqa: PLC0415 - loaded when called

    known = {str(number) for number in CHECKS} | set(CHECKS.values()) | {"index"}
    for name in only:
        if name not in known:
            words = ", ".join(f"{number} {check}" for number, check in CHECKS.items())
            raise UsageError(
                "usage", f"--only {name}: expected one of {words}, index", hint="give --only once for each"
            )


def _check_number(witnesses: int | None, trust: bytes) -> None:
    """Refuse to demand more witnesses than the trust file names: that could never be met."""
    from archiver.errors import EvidenceError  # noqa: PLC0415 - loaded when called
    from archiver.model.trust import parse_trust  # noqa: PLC0415

    if witnesses is None:
        return
    try:
        named = len(parse_trust(trust).witnesses)
    except EvidenceError:
        return  # the report says what is wrong with the trust file
    if witnesses > named:
        raise UsageError(
            "usage",
            f"--require-witnesses {witnesses}: expected at most the {named} that the trust file names",
            hint="add a witness to the trust file: archiver trust witness VKEY",
        )


def _store(run: Run, policy: Policy | None, place: Place) -> Store:
    from archiver.cli.reading import open_place  # noqa: PLC0415 - loaded when called
    from archiver.flows.session import destination_store  # noqa: PLC0415

    if policy is not None:
        return destination_store(policy, run.clock)
    return open_place(run, place)


def trust_bytes(policy: Policy | None, place: Place) -> bytes:
    """Return the trust file's bytes: what is wrong with it belongs into the report."""
    from archiver.cli.files import read_input  # noqa: PLC0415 - loaded when called
    from archiver.flows.session import own_trust, trust_path  # noqa: PLC0415
    from archiver.model.trust import MAX_TRUST_FILE  # noqa: PLC0415

    if place.trust is not None:
        return read_input(Path(place.trust), "a trust file", limit=MAX_TRUST_FILE)
    assert policy is not None
    own_trust(policy)
    return read_input(trust_path(policy), "the trust file", limit=MAX_TRUST_FILE)


def _seen_here(policy: Policy | None) -> Seen | None:
    """Return the head of the log that this machine knows: an operator notices at once when the end is cut off."""
    from archiver.catalog.catalog import Catalog  # noqa: PLC0415 - loaded when called
    from archiver.errors import WorldError  # noqa: PLC0415
    from archiver.flows.state import StateFolder  # noqa: PLC0415
    from archiver.judge.log import Seen  # noqa: PLC0415

    if policy is None or not StateFolder(policy.state).exists:
        return None
    try:
        catalog = Catalog(StateFolder(policy.state).catalog, read_only=True)
    except WorldError:
        return None  # a lost index is no matter of the archive; `status` says so
    try:
        size, root = catalog.log_size(), catalog.frontier().root()
    finally:
        catalog.close()
    return Seen(size, root) if size else None


def _introduce(run: Run, store: Store, trust: bytes) -> None:
    from archiver.cli.opening import introduce  # noqa: PLC0415 - loaded when called
    from archiver.errors import EvidenceError  # noqa: PLC0415
    from archiver.model.instant import parse_instant  # noqa: PLC0415
    from archiver.model.trust import parse_trust  # noqa: PLC0415

    try:
        trusted = parse_trust(trust)
    except EvidenceError:
        introduce(run, places=[("", store.destination)])  # the report says what is wrong with the trust file
        return
    run.archive = trusted.archive
    holds = [(hold.matter, parse_instant(hold.until)) for hold in trusted.holds]
    introduce(run, places=[("", store.destination)], holds=holds)


def _members(report: Report, output: Path | None, stated: list[str]) -> Verified:
    from archiver.cli import answers  # noqa: PLC0415 - loaded when called
    from archiver.judge.report import to_json  # noqa: PLC0415

    words = to_json(report)
    return answers.Verified(
        file=None if output is None else str(output),
        stated=stated,
        verdict=report.verdict.value,
        location=report.location,
        verified_at=report.verified_at,
        archive_id=report.archive_id,
        trust_sha256=report.trust_sha256,
        trust_is_own=report.trust_is_own,
        origin=report.origin,
        log_size=report.log_size,
        log_root=report.log_root,
        earliest_lock=report.earliest_lock,
        locks_enforced=report.locks_enforced,
        demo_keys=report.demo_keys,
        listed=report.listed,
        findings=[answers.Finding(**{**asdict(one), "severity": one.severity.value}) for one in report.findings],
        checks=[answers.Check(**asdict(one)) for one in report.checks],
        left_out=list(report.left_out),
        snapshots=[answers.VerifiedSnapshot(**asdict(one)) for one in report.snapshots],
        batches=[answers.VerifiedBatch(**asdict(one)) for one in report.batches],
        timestamps=[answers.VerifiedTimestamp(**asdict(one)) for one in report.timestamps],
        counts=dict(report.counts),
        does_not_prove=[str(line) for line in _lines(words["does_not_prove"])],
        witnesses=[answers.VerifiedWitness(**asdict(one)) for one in report.witnesses],
        witnesses_demanded=report.witnesses_demanded,
    )


def _lines(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
