"""The statement of a snapshot: what a run looked at, source by source, and what became of it.

>>> state(session, run, tallies, unavailable={}).status
'complete'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archiver.flows.session import Session
from archiver.flows.snapshot.tally import Tally
from archiver.model import instant, layout, tables
from archiver.model.statement import Subject
from archiver.model.statement_snapshot import SnapshotPredicate, SnapshotSource
from archiver.sources.location import location
from archiver.writer.journal_words import Run

__all__ = ["state"]


def state(session: Session, run: Run, tallies: list[Tally], unavailable: Mapping[str, str]) -> SnapshotPredicate:
    """Sign the statement and enter it in the log, once; `unavailable` are the sources that could not be seen."""
    key = layout.statement_key("snapshot", run.snapshot)
    envelope = session.journal.kept(key)
    if envelope is None:
        predicate = _predicate(session, run, tallies, unavailable)
        policy_subject = Subject.of(layout.policy_key(run.policy_sha256), run.policy_sha256)
        envelope = session.keep(key, session.seal.seal("snapshot", [policy_subject], predicate)[1])
    session.enter(key, envelope)
    finished = session.catalog.snapshot(run.snapshot)
    if finished is None:
        raise RuntimeError("snapshot: its statement is not in the catalog after it was entered")
    return finished


def _predicate(session: Session, run: Run, tallies: list[Tally], unavailable: Mapping[str, str]) -> SnapshotPredicate:
    bad = any(one.reasons(unavailable=one.source in unavailable) for one in tallies) or unavailable
    numbers = {table: session.journal.count(table) for table in tables.TABLES}
    return SnapshotPredicate(
        **session.seal.common(run.snapshot),
        previous=run.previous,
        started=run.started,
        finished=instant.format_instant(session.clock()),
        log_size_at_start=run.log_size_at_start,
        status="incomplete" if bad else "complete",
        sources=[_source_words(session, one, is_there=one.source not in unavailable) for one in tallies],
        batches={table: number for table, number in numbers.items() if number},
    )


def _source_words(session: Session, one: Tally, *, is_there: bool) -> SnapshotSource:
    source = session.policy.source(one.source)
    place = location(source)
    perhaps: dict[str, tuple[Any, ...]] = {"selected": one.selected, "unjudged": one.unjudged}
    return SnapshotSource(
        id=source.id,
        location=place.spell(session.seal.by.host),
        device=place.device() if is_there else None,
        counts=one.counts,
        excluded=one.excluded_words(source),
        bytes=one.bytes,
        new_bytes=one.new_bytes,
        **{name: list(some) for name, some in perhaps.items() if some},
    )
