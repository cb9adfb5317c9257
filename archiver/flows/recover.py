"""What a run does before its own work: finish what was begun, here or elsewhere.

0  the logs are taken in, and every destination that answers gets what it lacks
1  batches and statements that this state folder had finished go to the store and the log
2  a snapshot that this state folder finished in the log, but not in its books, is booked
3  an unfinished snapshot that cannot go on, since the policy has changed, is closed as `aborted`
4  unfinished snapshots of this host that no journal knows, since the state folder was lost, are closed as `aborted`
5  stored statements that the log has not are entered; objects that nobody stated are adopted or named in an incident;
   this is done in each destination, and then each gets what the others have; sealed objects of batches in the log that
   nobody stated get their statements
6  the lines of snapshots and the receipts that others made are taken into the catalog
"""

from __future__ import annotations

from archiver.flows import adopt, backlog, begin, deliver
from archiver.flows.adopt_sealed import adopt_sealed
from archiver.flows.hold import receipts
from archiver.flows.session import Session
from archiver.flows.vault import Vault
from archiver.model import instant, layout, policy_change
from archiver.model.statement import Subject
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.writer.journal_words import Run

__all__ = ["catch_up", "finish_deliveries", "recover", "take_in_own", "take_logs"]


def finish_deliveries(session: Session) -> int:
    """Step 1; everything else a run does stands on it. Return how many batches and statements were brought in."""
    waiting = {name for batch in session.journal.unlogged_batches() for name in batch.files}
    session.state.sweep(waiting | deliver.spooled_tables(session) | deliver.wanted_by_others(session))
    return deliver.deliver_rest(session)


def take_logs(session: Session) -> int:
    """Take in the logs and bring every destination what it lacks, whatever the policy says."""
    session.everywhere(lambda vault: vault.log.catch_up())
    return backlog.clear(session)


def catch_up(session: Session) -> policy_change.Change:
    """Take in the logs, bring every destination what it lacks, and compare the policy; what every flow begins with."""
    session.everywhere(lambda vault: vault.log.catch_up())
    change = begin.check_policy(session)
    closed = any(session.everywhere(lambda vault: vault.log.finish_tail()))
    if backlog.clear(session) or closed:
        change = begin.check_policy(session)  # it may have been a policy, or what the archive begins with
    return change


def recover(session: Session) -> int:
    """Do steps 2 to 6; return how many statements were made or entered."""
    done = 0
    session.everywhere(lambda vault: vault.catalog.forget_laid_by())
    run = session.journal.run()
    if run is not None and session.catalog.has_statement("snapshot", run.snapshot):
        take_in_own(session, run.snapshot)
        session.journal.clear()
        run = None
    if run is not None and run.policy_sha256 != session.policy.sha256:
        _abort(session, run)
        session.journal.clear()
        run, done = None, done + 1
    done += sum(session.everywhere(lambda vault: adopt.adopt(session.on(vault))))
    done += backlog.clear(session)
    done += adopt_sealed(session)
    done += _abort_lost(session, run)
    session.everywhere(lambda vault: _take_in_items(session, vault))
    session.everywhere(lambda vault: receipts.take_in(vault.catalog, vault.store))
    return done


def _take_in_items(session: Session, vault: Vault) -> None:
    if vault.catalog.snapshots_without_items():
        from archiver.flows.rebuild import take_in_items  # noqa: PLC0415 - nearly no run reads the archive for it

        take_in_items(vault.catalog, vault.store, session.trust, vault.origin)


def take_in_own(session: Session, snapshot: str) -> None:
    """Take the lines of the journal's snapshot into the catalogs.

    Those that say again what a catalog knows are left out, but not where lines of another host are still to come: then
    it must know that this snapshot said them.
    """

    def take_in(vault: Vault) -> None:
        waiting = vault.catalog.snapshots_without_items()
        if snapshot in waiting and not vault.catalog.take_laid_by(snapshot):
            journal, known_by = session.journal, vault.id if waiting == [snapshot] else None
            vault.catalog.absorb_rows(snapshot, journal.packed_rows_for(known_by), journal.rows_for(known_by))

    session.everywhere(take_in)


def _abort_lost(session: Session, run: Run | None) -> int:
    last = session.catalog.last_snapshot()
    lost = [
        snapshot
        for snapshot, host in session.catalog.unfinished_snapshots().items()
        if host == session.seal.by.host and (run is None or snapshot != run.snapshot)
    ]
    for snapshot in lost:
        _abort(
            session,
            Run(
                snapshot=snapshot,
                started=_started(snapshot),
                policy_sha256=session.policy.sha256,
                log_size_at_start=session.catalog.log_size(),
                previous=None if last is None else last.id,
                sources=[],
            ),
        )
    return len(lost)


def _abort(session: Session, run: Run) -> None:
    """Sign that a snapshot will not be finished; its batches stay, nobody counts on them."""
    batches: dict[str, int] = {}
    for row in session.catalog.batches(run.snapshot):
        batches[row.table] = batches.get(row.table, 0) + 1
    predicate = SnapshotPredicate(
        **session.seal.common(run.snapshot),
        previous=run.previous,
        started=run.started,
        finished=instant.format_instant(session.clock()),
        log_size_at_start=run.log_size_at_start,
        status="aborted",
        sources=[],
        batches=batches,
    )
    subject = Subject.of(layout.policy_key(run.policy_sha256), run.policy_sha256)
    key, envelope = session.seal.seal("snapshot", [subject], predicate)
    session.enter(key, session.keep(key, envelope))
    session.say(f"snapshot {run.snapshot} could not go on and was closed as aborted", "warning")


def _started(snapshot: str) -> str:
    """Return the instant in a snapshot id."""
    stamp = snapshot[: len("YYYYMMDDTHHMMSSZ")]
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}Z"
