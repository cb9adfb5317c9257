"""The chain of custody of one item, from its collection to now, out of the signed log alone.

    1  every snapshot's line about the item: collected, seen again, gone, failed
    2  the batches that hold its bytes, their receipts and locks
    3  whatever else the log says of it: holds, releases, accesses, verifications, keys, timestamps, incidents
    4  now: the bytes are read from the archive, put together and hashed, and the store is asked for their lock

Laws: what is printed was checked (signatures, log, digests of the objects that are quoted); a time is a claim of who
signed it, and the bracket of timestamps stands beside it where there is one; what an access was about is told by its
report, and where that does not say it plainly, it is counted in.

>>> chain = custody(reading, "papers", "jdoe/memo.txt", by=whoami(None), clock=clock)
>>> [event.kind for event in chain.events]
['archive', 'policy', 'collected', 'stored', 'stored', 'accessed', 'checked']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Final

from archiver.errors import ArchiverError, EvidenceError, Exit, UsageError
from archiver.flows.custody.events import Event, now_event
from archiver.flows.custody.item import Seen, lines_of, seen_events
from archiver.flows.custody.stated import Subject, stated_events
from archiver.flows.reading import Reading, require_log
from archiver.flows.restore.rows import COLUMNS, Rows
from archiver.judge.inventory import Role
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import format_instant
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.statement import By

__all__ = ["Chain", "Event", "custody"]

_MISSING: Final = {"withheld", "object-unreadable"}


@dataclass(frozen=True)
class Chain:
    """What the log says of an item, in the order of its entries, with what was found just now at the end.

    `size` and `sha256` are of its newest bytes, None when none were ever kept. `exit` is of the log and of what was
    checked now.
    """

    item: str
    source: str
    path: str
    members: tuple[str, ...]
    custodian: str | None
    matters: tuple[str, ...]
    size: int | None
    sha256: str | None
    log_size: int
    log_root: str
    origin: str
    events: tuple[Event, ...]
    exit: Exit


def custody(reading: Reading, source: str, path: str, *, by: By, clock: Callable[[], datetime]) -> Chain:
    """Return the chain of an item that any snapshot names; `path` is spelled as for `prove`.

    Raises `UsageError("no-such-item")` when the log never named it.
    """
    archive = reading.archive
    require_log(archive)
    seen = list(lines_of(archive, source, path))
    if not seen:
        raise UsageError(
            "no-such-item",
            f"{source}/{path}: expected an item of any snapshot, found none",
            hint="write SOURCE/PATH as `archiver list items` shows it",
        )
    kept = [one for one in seen if one.line.status in CONTENT_STATUSES]
    newest = kept[-1] if kept else None
    about = Subject.of(archive, seen)
    events = sorted(
        [*seen_events(seen), *stated_events(archive, about)],
        key=lambda event: -1 if event.entry is None else event.entry,
    )
    checked, status = _now(reading, newest, by, format_instant(clock()))
    last = seen[-1]
    return Chain(
        item=last.line.item.text(),
        source=source,
        path=last.line.item.path,
        members=last.line.item.members,
        custodian=next((one.custodian for one in reversed(seen) if one.custodian), None),
        matters=tuple(sorted(about.matters)),
        size=None if newest is None else newest.line.size,
        sha256=None if newest is None else newest.line.sha256,
        log_size=archive.log.size,
        log_root=archive.log.root.hex(),
        origin=archive.log.origin,
        events=(*(_bracketed(reading, one) for one in events), checked),
        exit=Exit.worst([reading.exit, status]),
    )


def _bracketed(reading: Reading, event: Event) -> Event:
    if event.entry is None:
        return event
    bracket = reading.archive.brackets.of(event.entry)
    return replace(event, not_before=bracket.not_before, not_after=bracket.not_after)


# 4


def _now(reading: Reading, newest: Seen | None, by: By, at: str) -> tuple[Event, Exit]:
    """Put the newest bytes together and hash them, and ask the store for their locks."""
    if newest is None:
        return now_event(by, at, "none of its bytes were ever kept", "ok"), Exit.OK
    line = newest.line
    try:
        size, digest = _content(reading, line)
        locks = [_lock(reading, batch) for batch in dict.fromkeys(part.batch for part in line.parts)]
    except ArchiverError as problem:
        missing = problem.code in _MISSING or not isinstance(problem, EvidenceError)
        status = Exit.INCOMPLETE if missing else Exit.INTEGRITY
        words = f"its bytes could not be confirmed: {problem.message}"
        return now_event(by, at, words, "partial" if missing else "failed"), status
    if (size, digest) != (line.size, line.sha256):
        words = f"expected {line.size} bytes with SHA-256 {line.sha256}, found {size} with {digest}"
        return now_event(by, at, words, "failed", digest), Exit.INTEGRITY
    words = f"read from the archive: {size} bytes, the SHA-256 is the one that was signed; {'; '.join(locks)}"
    return now_event(by, at, words, "ok", digest), Exit.OK


def _content(reading: Reading, line: ItemLine) -> tuple[int, str]:
    digest, size = sha256(), 0
    for part in line.parts:
        _, statement, _ = reading.archive.stated(part.batch)
        first, after = 0, part.first + part.count
        for rows in reading.archive.batch_rows(statement, columns=COLUMNS):
            start, end = max(part.first, first), min(after, first + rows.num_rows)
            if start < end:
                data = Rows(rows).piece(start - first, end - first, part.of or line.item, size)
                digest.update(data)
                size += len(data)
            first += rows.num_rows
            if first >= after:
                break
    return size, digest.hexdigest()


def _lock(reading: Reading, batch: str) -> str:
    """Say in words what the store answers about the lock of a batch's object, the version that was just read."""
    key = layout.batch_key(layout.parse_batch_id(batch).table, batch)
    versions = reading.archive.inventory.versions(key)
    version = next((one.version for one in versions if one.role is Role.CONTENT), None)
    lock = reading.store.stat(key, version).lock
    if lock.mode is None:
        return f"the lock of {batch} is not known in this copy"
    until = "without a date" if lock.retain_until is None else f"until {format_instant(lock.retain_until)}"
    hold = {True: "legal hold on", False: "no legal hold", None: "legal hold not known"}[lock.legal_hold]
    enforced = "enforced by the store" if reading.store.destination.enforces_locks else "recorded, not enforced"
    return f"{batch} is locked {lock.mode} {until}, {hold}, {enforced}"
