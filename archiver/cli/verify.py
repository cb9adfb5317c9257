"""`archiver verify`: the whole archive against the trust file, from the store alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import REASON, Place, reader
from archiver.cli.sealed import Opening, opener, sealed_place
from archiver.errors import ArchiverError, Exit, UsageError
from archiver.late import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from archiver.cli.answers_verify import Verified
    from archiver.flows.store_words import StoreWords
    from archiver.judge.case import Derive, Rederive
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
@click.option(
    "--trusted-list",
    "lists",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A national list of trust services (ETSI TS 119 612, XML): which timestamps are qualified.",
)
@click.option("--destination", metavar="ID", help="Only this destination of the policy; else each of them.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Check batches, and parts of large ones, in N processes side by side. By default one for each core, and for "
    "each 32 MiB that there are.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON here.")
@opener
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
    lists: tuple[Path, ...],
    destination: str | None,
    jobs: int | None,
    output: Path | None,
    reason: str | None,
    no_record: bool,
    opening: Opening,
    place: Place,
) -> Answer:
    """Check the whole archive: log, signatures, objects, locks, records, completeness.

    Nothing that is found in the archive is trusted, only the trust file. Everything that is wrong is reported, and what
    could not be checked. Checks: 1 trust, 2 log, 3 timestamps, 4 statements, 5 objects, 6 locks, 7 records,
    8 completeness. With --only index the index columns are derived anew from the records and compared, too; that is
    slow, and nothing rests on it. By the policy, each destination is checked, and what came of it is signed into its
    log.
    """
    from archiver.cli.files import read_seen, read_trusted_list, refuse_existing, write_output  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import policy_of  # noqa: PLC0415
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
    trust, stores = trust_bytes(policy, place), _stores(run, policy, place, destination)
    brought = tuple(read_trusted_list(path) for path in lists)
    if policy is None:
        _introduce(run, stores[0][1], trust)
    _check_number(witnesses, trust)
    sealed, (derive, rederive) = sealed_place(run, place, policy, opening), _derivers(only)
    if len(stores) > 1 and (output is not None or seen is not None):
        raise UsageError(
            "usage",
            f"-o, --seen: expected one destination, found {', '.join(name for name, _ in stores)}",
            hint="name one with --destination",
        )

    def one(name: str, store: Store) -> _Verified:
        before = read_seen(seen, trust) if seen is not None else _seen_here(policy, name)
        stated = _Statement(run, policy, reason, no_record=no_record)
        report = verify(
            store,
            trust,
            options=Options(frozenset(only), sample, seed, before, witnesses, brought, sealed),
            clock=run.clock,
            derive=derive,
            rederive=rederive,
            trust_is_own=place.trust is None,
            listener=run.talk.hear,
            jobs=jobs,
            opener=_opener(policy, place, name),
            then=stated.make,
        )
        return _Verified(name, report, stated)

    done, problems = _each(stores, one)
    report = done[0].report
    run.archive = report.archive or run.archive
    if output is not None:
        write_output(output, f"{json.dumps(to_json(report), indent=2)}\n".encode())
        run.talk.say(f"wrote {output}")
    run.talk.say()
    texts = [f"{to_text(each.report)}\nstated      {each.stated.words}\n" for each in done]
    if len(stores) > 1:
        texts = [f"destination {each.name}\n\n{text}" for each, text in zip(done, texts, strict=True)]
        texts += [f"destination {name}: not verified: {problem.message}\n" for name, problem in problems]
    errors = [problem for _, problem in problems]
    errors += [each.stated.problem for each in done if each.stated.problem is not None]
    status = Exit.worst([*(each.report.exit for each in done), *(error.exit_status for error in errors)])

    def members() -> Verified:
        from archiver.cli.verify_members import members_of, not_verified, verified  # noqa: PLC0415 - for --json alone

        several = [verified(each.name, each.report, each.stated.keys) for each in done]
        several += [not_verified(name, problem) for name, problem in problems]
        return members_of(report, output, done[0].stated.keys, several if len(stores) > 1 else [])

    return Answer(
        status,
        members,
        "\n".join(texts),
        error=errors[0] if errors else None,
    )


@dataclass(frozen=True)
class _Verified:
    name: str
    report: Report
    stated: _Statement


def _each(
    stores: list[tuple[str, Store]], one: Callable[[str, Store], _Verified]
) -> tuple[list[_Verified], list[tuple[str, ArchiverError]]]:
    """Verify each destination, the worst report first; of several, one that does not answer stops none."""
    from archiver.errors import WorldError  # noqa: PLC0415 - loaded when called

    done, problems = list[_Verified](), list[tuple[str, ArchiverError]]()
    for name, store in stores:
        try:
            done.append(one(name, store))
        except WorldError as problem:
            problems.append((name, problem))
    if not done:
        raise problems[0][1]
    worst = Exit.worst([each.report.exit for each in done])
    return sorted(done, key=lambda each: each.report.exit is not worst), problems


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


def _derivers(only: tuple[str, ...]) -> tuple[Derive | None, Rederive | None]:
    """Load what derives index and derived tables only where it is asked for."""
    if "index" not in only:
        return None, None
    from archiver.flows.derivation.events import rederive  # noqa: PLC0415 - loaded when called
    from archiver.flows.derive import IndexDeriver  # noqa: PLC0415

    return IndexDeriver(), rederive


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


def _stores(run: Run, policy: Policy | None, place: Place, only: str | None) -> list[tuple[str, Store]]:
    """Return what is verified: the place of `--archive`, or the policy's destinations by their names."""
    from archiver.cli.reading import open_place  # noqa: PLC0415 - loaded when called
    from archiver.flows.session import destination_store  # noqa: PLC0415

    if policy is None:
        if only is not None:
            raise UsageError("usage", "--destination: expected a policy, found --archive", hint="leave one of them out")
        return [("", open_place(run, place))]
    wanted = [one for one in policy.destinations if (only is None and one.ended is None) or one.id == only]
    if not wanted:
        names = ", ".join(one.id for one in policy.destinations)
        raise UsageError("usage", f"--destination {only}: expected one of {names}", hint="see the policy")
    return [(one.id, destination_store(policy, run.clock, one)) for one in wanted]


def _opener(policy: Policy | None, place: Place, name: str) -> StoreWords:
    """Return what opens the same store in another process."""
    from archiver.flows.store_words import StoreWords  # noqa: PLC0415 - loaded when called

    if policy is None:
        assert place.archive is not None
        return StoreWords(place.archive, Path.cwd(), place.endpoint, place.region, place.profile)
    return StoreWords.of(policy, next(one for one in policy.destinations if one.id == name))


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


def _seen_here(policy: Policy | None, name: str) -> Seen | None:
    """Return the head of the log that this machine knows: an operator notices at once when the end is cut off."""
    from archiver.catalog.catalog import Catalog  # noqa: PLC0415 - loaded when called
    from archiver.errors import WorldError  # noqa: PLC0415
    from archiver.flows.destinations import catalog_path  # noqa: PLC0415
    from archiver.judge.log import Seen  # noqa: PLC0415

    path = None if policy is None else catalog_path(policy, name)
    if path is None or not path.exists():
        return None
    try:
        catalog = Catalog(path, read_only=True)
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
