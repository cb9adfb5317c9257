"""What an archive holds, in lists: snapshots, batches, items, statements, and one statement in full.

Everything comes from signed statements and checked lines, through an archive that is open for reading. Where the trust
file knows no log there, every list is refused: an empty one would look as if nothing had ever been kept.

>>> [snapshot.status for snapshot in list_snapshots(reading)]
['complete']
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from archiver.errors import UsageError
from archiver.flows.reading import Reading, check_source, finished_snapshot, items_of, require_log
from archiver.late import dataclass
from archiver.model.glob import BadGlobError, compile_glob
from archiver.model.items import STATUSES, ItemLine
from archiver.model.statement import PREDICATES, Statement
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate
from archiver.proof import dsse

__all__ = [
    "Listed",
    "Shown",
    "list_batches",
    "list_items",
    "list_snapshots",
    "list_statements",
    "show",
]


@dataclass(frozen=True)
class Listed:
    """A statement in the log: its position, kind and id, when it says that it was made, by whom, and its subjects."""

    position: int
    kind: str
    id: str
    at: str
    by: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A statement in full, with its key. `counts` is of a snapshot's lines by status, `marked` by mark."""

    position: int
    statement: Statement
    keyid: str
    counts: dict[str, int]
    marked: dict[str, int]


def list_snapshots(reading: Reading) -> Iterator[SnapshotPredicate]:
    """Yield the snapshots in log order, aborted ones too; raises as `require_log` does."""
    require_log(reading.archive)
    for _, statement, _ in reading.archive.statements("snapshot"):
        if isinstance(statement.predicate, SnapshotPredicate):
            yield statement.predicate


def list_batches(reading: Reading, *, snapshot: str | None = None) -> Iterator[BatchPredicate]:
    """Return the batches in log order, of one snapshot where it is named; raises `UsageError` when there is no such."""
    require_log(reading.archive)
    found = (
        statement.predicate
        for _, statement, _ in reading.archive.statements("batch")
        if isinstance(statement.predicate, BatchPredicate) and snapshot in (None, statement.predicate.snapshot)
    )
    first = next(found, None)
    # A snapshot that is not finished yet has batches and no statement; an aborted one may have a statement and none.
    if first is None and snapshot is not None and all(one.id != snapshot for one in list_snapshots(reading)):
        raise UsageError(
            "no-such-snapshot",
            f"--snapshot {snapshot}: expected a snapshot in the log, found none",
            hint="see `archiver list snapshots`",
        )
    return found if first is None else chain([first], found)


def list_items(
    reading: Reading,
    *,
    snapshot: str | None = None,
    source: str | None = None,
    status: str | None = None,
    path_glob: str | None = None,
    mark: str | None = None,
) -> Iterator[ItemLine]:
    """Yield the lines of a snapshot, the newest finished one unless it is named, as far as they are wanted."""
    if status is not None and status not in STATUSES:
        raise UsageError(
            "no-such-status",
            f"--status {status}: expected one of {', '.join(STATUSES)}",
            hint="write one of these",
        )
    wanted = finished_snapshot(reading.archive, snapshot)
    check_source(wanted, source)
    try:
        matches = compile_glob(path_glob) if path_glob is not None else bool
    except BadGlobError as problem:
        raise UsageError("glob-refused", f"--path: {problem}", hint=f"write {problem.instead}") from problem
    return (
        line
        for line in items_of(reading.archive, wanted)
        if source in (None, line.item.source)
        and status in (None, line.status)
        and (mark is None or any(one.mark == mark for one in line.marks))
        and matches(line.item.relative_bytes())
    )


def list_statements(reading: Reading, *, kind: str | None = None) -> Iterator[Listed]:
    """Return the statements in log order, of one kind where it is named; raises `UsageError` for a kind unheard of."""
    if kind is not None and kind not in PREDICATES:
        raise UsageError(
            "no-such-kind", f"--kind {kind}: expected one of {', '.join(PREDICATES)}", hint="write one of these"
        )
    require_log(reading.archive)
    return _listed(reading, kind)


def _listed(reading: Reading, kind: str | None) -> Iterator[Listed]:
    for position, statement, _ in reading.archive.statements(kind):
        by = statement.predicate.by
        subjects = tuple(subject.name for subject in statement.subject)
        yield Listed(position, statement.kind, statement.id, statement.predicate.at, f"{by.user}@{by.host}", subjects)


def show(reading: Reading, identity: str) -> list[Shown]:
    """Return the statements that have an id; raises `UsageError` when there is none."""
    require_log(reading.archive)
    found = [
        Shown(position, statement, dsse.open_envelope(envelope).keyid, *_counts(reading, statement))
        for position, statement, envelope in reading.archive.statements()
        if statement.id == identity
    ]
    if not found:
        raise UsageError(
            "no-such-id",
            f"{identity}: expected the id of a statement in the log, found none",
            hint="see `archiver list snapshots`, `archiver list batches` and `archiver list statements`",
        )
    return found


def _counts(reading: Reading, statement: Statement) -> tuple[dict[str, int], dict[str, int]]:
    """Count the lines of a snapshot by status and by mark, those of inner items too."""
    predicate = statement.predicate
    counts: dict[str, int] = {}
    marked: dict[str, int] = {}
    if isinstance(predicate, SnapshotPredicate) and predicate.status != "aborted":
        for line in items_of(reading.archive, predicate):
            counts[line.status] = counts.get(line.status, 0) + 1
            for one in line.marks:
                marked[one.mark] = marked.get(one.mark, 0) + 1
    return dict(sorted(counts.items())), dict(sorted(marked.items()))
