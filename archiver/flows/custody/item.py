"""What the snapshots say of one item: its lines, in the order of the log.

Every list of items is read, as each may name it; only lines that spell its path are parsed.

>>> [seen.line.status for seen in lines_of(archive, "papers", "jdoe/memo.txt")]
['captured', 'unchanged', 'absent']
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from archiver.flows.custody.events import Event, event_of
from archiver.flows.restore.places import is_called
from archiver.judge.reader import Archive
from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.selected import SELECTED, told
from archiver.model.statement import Statement
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.proof import canonical

__all__ = ["Seen", "lines_of", "seen_events"]


@dataclass(frozen=True)
class Seen:
    """A line about the item: the snapshot that signs for it, its place in the log, the batch that has the line."""

    entry: int
    snapshot: Statement
    location: str
    batch: str
    line: ItemLine
    custodian: str | None


def lines_of(archive: Archive, source: str, path: str) -> Iterator[Seen]:
    """Yield the lines of all finished snapshots about an item."""
    if any("\ud800" <= letter <= "\udfff" for letter in path):
        return  # bytes of a command line that are no text: such a path is spelled with %FF, see `escape_path`
    named = {path, path.partition("!")[0].replace("%21", "!")}
    needles = [b'"path":' + canonical.encode(one) for one in sorted(named)]
    for entry, statement, _ in archive.statements("snapshot"):
        words = statement.predicate
        if not isinstance(words, SnapshotPredicate) or words.status == "aborted":
            continue
        where = next((one.location for one in words.sources if one.id == source), "")
        for batch in archive.items_batches(words.id):
            for rows in archive.batch_rows(batch, columns=["raw", "custodian"]):
                for raw, custodian in zip(rows.column("raw"), rows.column("custodian"), strict=True):
                    data = raw.as_py() or b""
                    if any(needle in data for needle in needles):
                        line = ItemLine.parse(data)
                        if line.item.source == source and is_called(line, path):
                            yield Seen(entry, statement, where, batch.id, line, custodian.as_py())


def seen_events(seen: Sequence[Seen]) -> Iterator[Event]:
    """Yield a link for every line."""
    before: ItemLine | None = None
    for one in seen:
        line = one.line
        kind, what = _told(one, before)
        yield event_of(
            one.entry,
            one.snapshot,
            kind,
            what,
            at=line.observed_at,
            verdict=line.status,
            sha256=line.sha256,
            objects=tuple(dict.fromkeys((*(part.batch for part in line.parts), one.batch))),
        )
        if line.status in CONTENT_STATUSES:
            before = line


def _told(one: Seen, before: ItemLine | None) -> tuple[str, str]:
    line = one.line
    why = told(line) if line.reason == SELECTED else ": ".join(word for word in (line.reason, line.detail) if word)
    if line.status == "absent":
        return "absent", f"not there any more at {one.location}"
    if line.status == "unchanged":
        how = {"stat": "same size, times and inode", "etag": "same tag at the store"}.get(
            line.basis or "", "read again"
        )
        return "seen", f"unchanged at {one.location} ({how}): {line.size} bytes"
    if line.status not in CONTENT_STATUSES:
        return "not-collected", f"{line.status} at {one.location}" + (f": {why}" if why else "")
    again = "" if before is None else ", other bytes than before" if before.sha256 != line.sha256 else ", same bytes"
    words = [f"{line.size} bytes from {one.location}{again}", *_facts(line)]
    if one.custodian:
        words.append(f"custodian {one.custodian}")
    if line.status != "captured":
        words.append(f"{line.status.replace('_', ' ')}{f': {why}' if why else ''}")
    return "collected", "; ".join(words)


def _facts(line: ItemLine) -> Iterator[str]:
    """Yield what the file system said."""
    file = line.file
    if file is None:
        return
    if isinstance(file["mtime_ns"], str):
        changed = datetime.fromtimestamp(int(file["mtime_ns"]) // 1_000_000_000, UTC)
        yield f"last changed {format_instant(changed)} by its file system"
    if isinstance(file["owner"], str):
        yield f"owner {file['owner']}"
    if isinstance(file["mode"], int):
        yield f"mode {file['mode'] & 0o7777:04o}"
