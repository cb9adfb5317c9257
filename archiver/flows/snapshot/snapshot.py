"""The main job: one run over the sources of a policy, from the first look to the signed account of it.

    1  open the session, finish what a killed run had begun, bring the policy into force
    2  survey: count what would be read, and refuse what is beyond the limits before the first byte is stored
    3  capture: every item of every source becomes a line; files become rows in batches, delivered as they fill
    4  say what was there last time and is not now
    5  the batches of `items`, then the snapshot statement; only then the journal is cleared

A run that is killed is run again: the same snapshot goes on, with the same batches.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from archiver.errors import Exit, UsageError
from archiver.events import Advanced, Listener, Said, Stage
from archiver.flows import begin, recover
from archiver.flows.backlog import LeftBehind, left_behind
from archiver.flows.sealing import open_recipients, raise_sealed_locks, warn_of_first_seal
from archiver.flows.session import Session, open_session
from archiver.flows.snapshot import received
from archiver.flows.snapshot.beforehand import Beforehand
from archiver.flows.snapshot.collecting import Collecting
from archiver.flows.snapshot.early import Early
from archiver.flows.snapshot.ends_earlier import dates, ends_earlier
from archiver.flows.snapshot.first_look import FirstLook, first_look
from archiver.flows.snapshot.journal_lines import batches_named, rows_of_items
from archiver.flows.snapshot.marking import marking_of
from archiver.flows.snapshot.reasons import reasons_of
from archiver.flows.snapshot.relock import raise_locks
from archiver.flows.snapshot.stating import state
from archiver.flows.snapshot.streams import Streams
from archiver.flows.snapshot.survey import Survey, check_dialects, check_limits, survey
from archiver.flows.snapshot.tally import Tally, tally
from archiver.flows.timestamps.authorities import authorities_of, name_in_trust
from archiver.flows.timestamps.stamping import Stamped, Stamper, not_enough
from archiver.flows.uploads import Uploads
from archiver.late import dataclass
from archiver.model.item import items_item
from archiver.model.policy import Policy, Source
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.writer.engine import engine_of
from archiver.writer.index_columns import items_index
from archiver.writer.journal_words import Run
from archiver.writer.leaves import Beside
from archiver.writer.rows import Facts

__all__ = ["Snapshot", "snapshot"]

_LINES_AT_ONCE = 4096


@dataclass(frozen=True)
class Snapshot:
    """What a run did, for people and for `--json`."""

    id: str
    status: str
    exit: Exit
    tallies: tuple[Tally, ...]
    batches: dict[str, int]
    stored_bytes: int
    """Bytes of all rows that this run stored; what a log had before, and what other items share, is not among them."""
    changes: tuple[str, ...]
    reasons: tuple[str, ...]
    recovered: int
    log_size: int
    root: str
    strangers: tuple[str, ...]
    locks_raised: int
    ends_earlier: tuple[tuple[str, str], ...]
    """Batches, by key, whose locks end before the hold in force, and when: no item of this run needs them."""
    behind: tuple[LeftBehind, ...]
    """The destinations that the run went on without."""
    timestamps: tuple[Stamped, ...]
    """How each authority stands with each log."""


def snapshot(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
    only: tuple[str, ...] = (),
    accept_narrowing: bool = False,
    rehash: bool = False,
    jobs: int | None = None,
    processors: int = 1,
    confirm: Callable[[Survey], None] = lambda _survey: None,
) -> Snapshot:
    """Make one snapshot; `only` names sources to take, all when empty; `confirm` raises when a person declines.

    `rehash` reads every file, also those whose size and times have not changed. Of `processors` all but
    one are for processes that read small documents, and with more than one of `jobs` so many derive the index columns
    of logs, whose records one process hashes where there are two; `jobs` counts for all, where it is given.
    """
    _check_names(policy, only)
    check_dialects(policy)
    marking = marking_of(policy)
    recipients = open_recipients(policy, random)
    authorities = authorities_of(policy)
    if name_in_trust(policy):
        listener(Said("the trust file names the timestamp authorities now: hand it out again", "warning"))
    with (
        open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session,
        Early((jobs or processors) - 1) as early,
    ):
        change = recover.catch_up(session)
        recovered = recover.finish_deliveries(session)
        wanted = received.collected(policy, only)
        look = first_look(session, marking, rehash=rehash, early=early)
        seen = survey(session.catalog, wanted, clock, listener, marking, look=look)
        check_limits(policy, seen, accept_narrowing=accept_narrowing)
        confirm(seen)
        warn_of_first_seal(session, recipients)
        began = begin.bring_into_force(session, change)
        recovered += recover.recover(session)
        look.begun()
        with (
            Stamper(session, authorities) as stamper,
            engine_of(jobs or 1) as engine,
            Beside((jobs or processors) - 1) as beside,
            Uploads(session, stamper.poll) as uploads,
        ):
            stamper.start()
            run = _Run(session, wanted, began, recovered, look=look, stamper=stamper, uploads=uploads)
            with Beforehand(session, run.words.snapshot) as beforehand:
                streams = Streams(
                    session,
                    run.words,
                    engine=engine,
                    beside=beside,
                    recipients=recipients,
                    packed=beforehand.take,
                )
                collecting = Collecting(
                    session,
                    look,
                    streams,
                    uploads=uploads,
                    marking=marking,
                    early=early,
                    goes_on=run.goes_on,
                    rehash=rehash,
                )
                return run.run(collecting, streams, beforehand)


class _Run:
    """One run over the sources."""

    def __init__(
        self,
        session: Session,
        wanted: list[Source],
        began: begin.Began,
        recovered: int,
        *,
        look: FirstLook,
        stamper: Stamper,
        uploads: Uploads,
    ) -> None:
        self._session = session
        self._began = began
        self._recovered = recovered
        self._stamper = stamper
        self._uploads = uploads
        self._raised = 0
        self._stamped: tuple[Stamped, ...] = ()
        journal = session.journal
        unfinished = journal.run()
        self.goes_on = unfinished is not None
        if unfinished is None:
            unfinished = _fresh(session, look.started, wanted)
            journal.begin(unfinished)
            # Where no item is known, whichever destination comes to lead, nobody asks whether one has a line.
            journal.may_pack = all(vault.catalog.may_lay_by() for vault in session.vaults)
        else:
            journal.take_packs_apart()
            journal.forget_absent()  # it may be there now, as a log is that was rotated; what is not is said again
        self.words = unfinished
        # A snapshot that goes on keeps the sources that it was begun with.
        self._wanted = [source for source in session.policy.sources if source.id in unfinished.sources]

    def run(self, collecting: Collecting, streams: Streams, beforehand: Beforehand) -> Snapshot:
        """Capture, account, sign."""
        session, snapshot = self._session, self.words.snapshot
        with collecting:
            for source in self._wanted:
                self._uploads.settle()  # of the source before; those of the last one travel while all are accounted for
                collecting.collect(source)
        # What is sealed was delivered as it came (`Uploads.take`), so that all of it is known here.
        self._raised = raise_locks(session, self._named_elsewhere()) + raise_sealed_locks(session)
        beforehand.begin()
        tallies = tally(session.journal, self._wanted, session.policy.accept, session.clock(), snapshot)
        self._items(streams)
        self._uploads.settle()
        beforehand.wait()
        finished = state(session, self.words, tallies, collecting.unavailable)
        recover.take_in_own(session, finished.id)
        archived = received.kept(session.journal.lines(), self._wanted)
        # A crash before this line leaves a finished snapshot in the journal; the next run only takes its lines in.
        session.journal.clear()
        received.let_go(archived)
        self._stamped = tuple(self._stamper.finish())
        return self._summary(finished, tallies, collecting)

    def _named_elsewhere(self) -> set[str]:
        """Return the batches of earlier snapshots that this run's items name as their content."""
        named = batches_named(self._session.journal)
        return {batch for batch in named if not batch.startswith(self.words.snapshot)}

    def _items(self, streams: Streams) -> None:
        """Write the lines of all items as batches of the table `items`."""
        session = self._session
        session.listener(Stage("account for every item", None, "items"))
        with streams.open("items", None, items_index, self._uploads.take_last) as stream:
            stream.begin(items_item(self.words.snapshot), Facts(collected_at=self.words.started))
            for lines, facts in rows_of_items(session.journal, _LINES_AT_ONCE):
                stream.feed(lines, facts)
                session.listener(Advanced(len(lines)))
            stream.seal()

    def _summary(self, finished: SnapshotPredicate, tallies: list[Tally], collecting: Collecting) -> Snapshot:
        session = self._session
        behind = left_behind(session)
        reasons = reasons_of(
            session,
            tallies,
            unavailable=collecting.unavailable,
            open_outside=collecting.open_outside,
            missing=self._began.missing_sources,
        )
        reasons += [f"destination {one.id} is left behind: {one.problem}" for one in behind]
        reasons += not_enough(self._stamped, session.policy.timestamps.required)
        size = session.catalog.log_size()
        return Snapshot(
            id=finished.id,
            status=finished.status,
            exit=Exit.worst([Exit.INCOMPLETE] * bool(reasons) + [one.exit for one in behind]),
            tallies=tuple(tallies),
            batches=finished.batches,
            stored_bytes=sum(row.raw_bytes for row in session.catalog.batches(finished.id) if row.source),
            changes=self._began.changes,
            reasons=tuple(reasons),
            recovered=self._recovered,
            log_size=size,
            root=session.catalog.frontier().root().hex(),
            strangers=tuple(sorted({version.key for version in session.strangers})),
            locks_raised=self._raised,
            behind=behind,
            timestamps=self._stamped,
            ends_earlier=tuple(
                (row.object_key, row.retain_until)
                for row in ends_earlier(session.catalog, dates(session.catalog, session.policy))
            ),
        )


def _fresh(session: Session, started: str, wanted: list[Source]) -> Run:
    last = session.catalog.last_snapshot()
    return Run(
        snapshot=session.seal.fresh_id(),
        started=started,
        policy_sha256=session.policy.sha256,
        log_size_at_start=min(vault.catalog.log_size() for vault in session.vaults),
        previous=None if last is None else last.id,
        sources=[source.id for source in wanted],
    )


def _check_names(policy: Policy, only: tuple[str, ...]) -> None:
    known = [source.id for source in policy.sources]
    for name in only:
        if name not in known:
            raise UsageError(
                "no-such-source",
                f"--source {name}: expected one of {', '.join(known)}",
                hint="see `sources` in the policy",
            )
