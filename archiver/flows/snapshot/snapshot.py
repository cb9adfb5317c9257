"""The main job: one run over the sources of a policy, from the first look to the signed account of it.

    1  open the session, finish what a killed run had begun, bring the policy into force
    2  survey: count what would be read, and refuse what is beyond the limits before the first byte
    3  capture: every item of every source becomes a line; files become rows in batches, delivered as they fill
    4  say what was there last time and is not now
    5  the batches of `items`, then the snapshot statement; only then the journal is cleared

A run that is killed is run again: the same snapshot goes on, with the same batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from archiver.errors import Exit, UsageError
from archiver.events import Advanced, Listener, Said, Stage
from archiver.flows import begin, recover
from archiver.flows.backlog import LeftBehind, left_behind
from archiver.flows.sealing import open_recipients, raise_sealed_locks, recipients_of, warn_of_first_seal
from archiver.flows.session import Session, open_session
from archiver.flows.snapshot import received
from archiver.flows.snapshot.batch_words import Words
from archiver.flows.snapshot.beforehand import Beforehand
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.ends_earlier import dates, ends_earlier
from archiver.flows.snapshot.first_look import FirstLook, first_look, taken_up
from archiver.flows.snapshot.journal_lines import batches_named, rows_of_items
from archiver.flows.snapshot.marking import Marker, marking_of
from archiver.flows.snapshot.reasons import reasons_of
from archiver.flows.snapshot.relock import raise_locks
from archiver.flows.snapshot.sight import Sight, sights
from archiver.flows.snapshot.stream import Limits, Stream
from archiver.flows.snapshot.survey import Survey, check_limits, survey
from archiver.flows.snapshot.tally import Tally, tally
from archiver.flows.timestamps.authorities import authorities_of, name_in_trust
from archiver.flows.timestamps.stamping import Stamped, Stamper, not_enough
from archiver.flows.uploads import Uploads
from archiver.late import dataclass
from archiver.model import instant, layout, tables
from archiver.model.item import Item, items_item
from archiver.model.items import ItemLine
from archiver.model.mark import Marking
from archiver.model.policy import Policy, Source
from archiver.model.statement import SnapshotPredicate, SnapshotSource, Subject
from archiver.sources.base import SourceUnavailable
from archiver.sources.location import held_open, location
from archiver.sources.reading_logs import LogReader
from archiver.writer.engine import Engine, engine_of
from archiver.writer.groups import Indexer
from archiver.writer.index_columns import documents_index, items_index, model_logs_index
from archiver.writer.journal import JournaledBatch, Line, Run
from archiver.writer.leaves import Beside
from archiver.writer.rows import Facts

if TYPE_CHECKING:
    from archiver.flows.snapshot.capture import Capture
    from archiver.flows.snapshot.read_ahead import Readers
    from archiver.flows.snapshot.record_marks import RecordMarks
    from archiver.proof.wrapping import Recipient
    from archiver.sources.documents import Document
    from archiver.sources.location import Location

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
    marking = marking_of(policy)
    recipients = open_recipients(policy, random)
    authorities = authorities_of(policy)
    if name_in_trust(policy):
        listener(Said("the trust file names the timestamp authorities now: hand it out again", "warning"))
    with open_session(policy, clock=clock, random=random, environ=environ, listener=listener) as session:
        change = recover.catch_up(session)
        recovered = recover.finish_deliveries(session)
        wanted = received.collected(policy, only)
        look = first_look(session, marking, rehash=rehash)
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
            ExitStack() as readers,
            Beside((jobs or processors) - 1) as beside,
            Uploads(session, stamper.poll) as uploads,
        ):
            stamper.start()
            run = _Run(
                session,
                wanted,
                began,
                recovered,
                look=look,
                stamper=stamper,
                uploads=uploads,
                engine=engine,
                readers=(readers, (jobs or processors) - 1),
                beside=beside,
                marking=marking,
                recipients=recipients,
                rehash=rehash,
            )
            return run.run()


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
        marking: Marking,
        recipients: dict[str, Recipient],
        engine: Engine,
        readers: tuple[ExitStack, int],
        beside: Beside,
        rehash: bool,
    ) -> None:
        self._session = session
        self._wanted = wanted  # a snapshot that goes on keeps the sources that it was begun with
        self._began = began
        self._recovered = recovered
        self._look = look
        self._rehash = rehash
        self._stamper = stamper
        self._uploads = uploads
        self._marking = marking
        self._recipients = recipients
        self._marker = Marker(marking)
        self._open_outside: list[str] = []
        self._engine = engine
        self._end_of_readers, self._most_readers = readers
        self._readers: Readers | None = None
        self._beside = beside
        self._dialects = LogReader()
        self._unavailable: dict[str, str] = {}
        self._quiet: list[Line] = []
        self._raised = 0
        self._stamped: tuple[Stamped, ...] = ()
        unfinished = session.journal.run()
        self._goes_on = unfinished is not None
        if self._goes_on:
            session.journal.take_packs_apart()
        if unfinished is None:
            unfinished = self._fresh_run()
            session.journal.begin(unfinished)
            # Where no item is known, whichever destination comes to lead, nobody asks whether one has a line.
            session.journal.may_pack = all(vault.catalog.may_lay_by() for vault in session.vaults)
        self._run_words = unfinished
        self._wanted = [source for source in session.policy.sources if source.id in unfinished.sources]

    def run(self) -> Snapshot:
        """Capture, account, sign."""
        session = self._session
        with Contents(session.catalog, session.policy.sources, session.state.spool) as self._contents:
            for line in self._session.journal.lines() if self._goes_on else ():
                self._contents.add(line)
            for source in self._wanted:
                self._uploads.settle()  # of the source before; those of the last one travel while all are accounted for
                self._source(source)
        # What is sealed was delivered as it came (`Uploads.take`), so that all of it is known here.
        self._raised = raise_locks(self._session, self._named_elsewhere()) + raise_sealed_locks(session)
        snapshot, accept = self._run_words.snapshot, session.policy.accept
        with Beforehand(session, snapshot) as beforehand:
            beforehand.begin()
            tallies = tally(session.journal, self._wanted, accept, session.clock(), snapshot)
            self._items(beforehand)
            beforehand.wait()
            self._uploads.settle()
        finished = self._finish(tallies)
        recover.take_in_own(self._session, finished.id)
        archived = received.kept(self._session.journal.lines(), self._wanted)
        # A crash before this line leaves a finished snapshot in the journal; the next run only takes its lines in.
        self._session.journal.clear()
        received.let_go(archived)
        self._stamped = tuple(self._stamper.finish())
        return self._summary(finished, tallies)

    def _fresh_run(self) -> Run:
        session = self._session
        last = session.catalog.last_snapshot()
        return Run(
            snapshot=session.seal.fresh_id(),
            started=self._look.started,
            policy_sha256=session.policy.sha256,
            log_size_at_start=min(vault.catalog.log_size() for vault in session.vaults),
            previous=None if last is None else last.id,
            sources=[source.id for source in self._wanted],
        )

    # Capture

    def _source(self, source: Source) -> None:
        self._session.listener(Stage(f"capture {source.id}", None, "bytes"))
        self._marker = Marker(self._marking, self._record_marks(source))
        take = self._uploads.take
        with (
            self._stream("documents", source, documents_index(source.matters), take) as documents,
            self._stream("model_logs", source, model_logs_index(self._dialects.project), take) as logs,
        ):
            self._capture(source, {"documents": documents, "model_logs": logs})
        self._flush()
        self._open_outside += [f"{source.id}/{name}" for name in self._marker.open_outside]
        if source.id not in self._unavailable and location(source).lasting:
            self._absent(source)

    def _record_marks(self, source: Source) -> RecordMarks | None:
        rules = self._marking.of_records(source.id) if source.kind == "model_logs" else ()
        if not rules:
            return None
        from archiver.flows.snapshot.record_marks import RecordMarks  # noqa: PLC0415 - loads what reads dialects

        return RecordMarks(rules, self._dialects, source.dialect)

    def _capture(self, source: Source, streams: dict[str, Stream]) -> None:
        session = self._session
        left, settled = self._look.left(source), self._look.settled()
        try:
            with held_open(location(source)) as place:
                seen: Iterator[Sight]
                if left is None:
                    recall = session.catalog.recall(source.id)
                    looked = sights(source, place, recall.of, session.clock, rehash=self._rehash)
                    seen = (one for one in looked if one.last.row is None or not settled(one.last.row))
                else:
                    seen = taken_up(left, place)
                first = next(seen, None)
                if first is not None:  # what reads and takes apart is loaded where there is something to read
                    self._take(source, streams, place, itertools.chain([first], seen))
        except SourceUnavailable as problem:
            self._unavailable[source.id] = problem.message
            session.say(f"{source.id}: {problem.message}", "error")
        for stream in streams.values():
            stream.seal()

    def _take(self, source: Source, streams: dict[str, Stream], place: Location, seen: Iterator[Sight]) -> None:
        from archiver.flows.snapshot.capture import Capture  # noqa: PLC0415 - an unchanged source needs none of these
        from archiver.flows.snapshot.inside import unpack_limits, wanted_of  # noqa: PLC0415
        from archiver.flows.snapshot.read_ahead import Readers  # noqa: PLC0415
        from archiver.flows.snapshot.selection import Selection  # noqa: PLC0415

        session = self._session
        goes_on = self._goes_on or self._look.is_of_another_catalog  # in a fresh run, nothing seen here has a line
        capture = Capture(
            source,
            place,
            streams=streams,
            catalog=session.catalog,
            contents=self._contents,
            recognise=self._dialects.recogniser(source.dialect),
            account=self._account,
            accounted=session.journal.has_line if goes_on else lambda _item: False,
            known_by=session.lead.id,
            marker=self._marker,
            unpacking=(unpack_limits(session.policy.limits), session.state.spool),
            listener=session.listener,
            selection=Selection.of(source, streams["model_logs"], session.catalog, self._dialects, session.listener),
        )
        if self._readers is None:  # of all sources
            self._readers = self._end_of_readers.enter_context(Readers(self._most_readers))
        turns = self._readers.ahead(seen, place, wanted_of(source), takes=capture.takes_at_once)
        for sight, document in itertools.chain.from_iterable(map(capture.left, turns)):
            line = session.journal.line(sight.item.text()) if goes_on else None
            if line is None:
                self._one(sight, capture, document)
            else:
                _drain(capture.rest(sight, ItemLine.own(line.line)))
            _drain(capture.beside(sight))

    def _one(self, sight: Sight, capture: Capture, document: Document | None) -> None:
        if sight.decision == "read":
            _drain(capture.file(sight, document))
        elif sight.decision == "unchanged":
            capture.again(sight)
            if sight.last.has_inside:
                _drain(capture.reuse_inside(sight))
        else:
            capture.without_content(sight)

    def _absent(self, source: Source) -> None:
        """Say once of everything that was there last time that it is not there now."""
        session, now = self._session, instant.format_instant(self._session.clock())
        for texts in session.catalog.texts_present(source.id, but=self._look.settled()):
            for text in session.journal.without_lines(texts):
                known = session.catalog.latest(Item.parse(text))
                assert known is not None
                line = ItemLine(item=known.item, kind=known.kind, table=None, status="absent", observed_at=now)
                self._account(Line.of(line))
        self._flush()

    def _named_elsewhere(self) -> set[str]:
        """Return the batches of earlier snapshots that this run's items name as their content."""
        named = batches_named(self._session.journal)
        return {batch for batch in named if not batch.startswith(self._run_words.snapshot)}

    def _account(self, line: Line) -> None:
        self._quiet.append(line)
        if len(self._quiet) >= _LINES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._session.journal.enter(None, self._quiet)
        self._quiet = []

    # Account

    def _items(self, beforehand: Beforehand) -> None:
        """Write the lines of all items as batches of the table `items`."""
        session = self._session
        session.listener(Stage("account for every item", None, "items"))

        def deliver(batch: JournaledBatch) -> None:
            beforehand.wait()
            self._uploads.take_last(batch)

        with self._stream("items", None, items_index, deliver) as stream:
            stream.begin(items_item(self._run_words.snapshot), Facts(collected_at=self._run_words.started))
            for lines, facts in rows_of_items(session.journal, _LINES_AT_ONCE):
                stream.feed(lines, facts)
                session.listener(Advanced(len(lines)))
            stream.seal()

    def _finish(self, tallies: list[Tally]) -> SnapshotPredicate:
        session, run = self._session, self._run_words
        key = layout.statement_key("snapshot", run.snapshot)
        envelope = session.journal.kept(key)
        if envelope is None:
            predicate = self._predicate(tallies)
            policy_subject = Subject.of(layout.policy_key(run.policy_sha256), run.policy_sha256)
            envelope = session.keep(key, session.seal.seal("snapshot", [policy_subject], predicate)[1])
        session.enter(key, envelope)
        finished = session.catalog.snapshot(run.snapshot)
        if finished is None:
            raise RuntimeError("snapshot: its statement is not in the catalog after it was entered")
        return finished

    def _predicate(self, tallies: list[Tally]) -> SnapshotPredicate:
        session, run = self._session, self._run_words
        bad = any(one.reasons(unavailable=one.source in self._unavailable) for one in tallies) or self._unavailable
        numbers = {table: session.journal.count(table) for table in tables.TABLES}
        return SnapshotPredicate(
            **session.seal.common(run.snapshot),
            previous=run.previous,
            started=run.started,
            finished=instant.format_instant(session.clock()),
            log_size_at_start=run.log_size_at_start,
            status="incomplete" if bad else "complete",
            sources=[self._source_words(one) for one in tallies],
            batches={table: number for table, number in numbers.items() if number},
        )

    def _source_words(self, one: Tally) -> SnapshotSource:
        source = self._session.policy.source(one.source)
        place = location(source)
        perhaps: dict[str, tuple[Any, ...]] = {"selected": one.selected, "unjudged": one.unjudged}
        return SnapshotSource(
            id=source.id,
            location=place.spell(self._session.seal.by.host),
            device=None if source.id in self._unavailable else place.device(),
            counts=one.counts,
            excluded=one.excluded_words(source),
            bytes=one.bytes,
            new_bytes=one.new_bytes,
            **{name: list(some) for name, some in perhaps.items() if some},
        )

    def _summary(self, finished: SnapshotPredicate, tallies: list[Tally]) -> Snapshot:
        session = self._session
        behind = left_behind(session)
        reasons = reasons_of(
            session,
            tallies,
            unavailable=self._unavailable,
            open_outside=self._open_outside,
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

    def _stream(
        self, table: str, source: Source | None, index: Indexer, deliver: Callable[[JournaledBatch], None]
    ) -> Stream:
        session = self._session
        matters = source.matters if source else tuple(sorted({name for one in self._wanted for name in one.matters}))
        words = Words(
            archive_id=session.trust.archive_id,
            snapshot=self._run_words.snapshot,
            source=source.id if source else "",
            table=table,
            policy_sha256=self._run_words.policy_sha256,
            matters=matters,
        )
        limits = Limits(session.policy.limits.batch_raw_bytes, session.policy.limits.batch_records)
        return Stream(
            words,
            journal=session.journal,
            spool=session.state.spool,
            limits=limits,
            random=session.random,
            index=index,
            engine=self._engine,
            beside=self._beside,
            deliver=deliver,
            recipients=recipients_of(session.policy, matters, self._recipients, session.random) if source else None,
            withholds=self._marker.withholds if source and self._marker.has_rules else None,
            records=self._marker.records if table == "model_logs" else None,
        )


def _drain(entered: Iterable[ItemLine]) -> None:
    """Let all lines be entered."""
    for _line in entered:
        pass


def _check_names(policy: Policy, only: tuple[str, ...]) -> None:
    known = [source.id for source in policy.sources]
    for name in only:
        if name not in known:
            raise UsageError(
                "no-such-source",
                f"--source {name}: expected one of {', '.join(known)}",
                hint="see `sources` in the policy",
            )
