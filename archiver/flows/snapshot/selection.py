"""Reading one log of which a rule keeps a selection: what is kept becomes an inner item, the rest is counted.

A selected log gives two lines: the log, `recorded` with its size, its SHA-256 and the account of what was kept and
passed over, and inside it `select:<rule>`, whose bytes are the kept records one after the other. A compressed log has
a line more, for its decoded stream; the file itself is not kept, or nothing would have been passed over.

    1  the log's first bytes are hashed, to find what was selected from them before, under this name or another of its
       family: the longest earlier reading that the log begins with counts
    2  every record is judged anew; those that earlier readings kept must come out as the same bytes, and are not stored
       again; a last record that had no terminator then is captured again from its first byte
    3  a log that changes meanwhile is read once more; a compressed one that cannot be decoded to its end is kept whole

>>> lines = selection.lines(sight, opened, encoding)  # None: keep it whole
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from archiver.catalog.catalog import Catalog
from archiver.events import Advanced, Listener
from archiver.flows.snapshot.item_lines import said
from archiver.flows.snapshot.losses import is_another_file, what_remains
from archiver.flows.snapshot.open_item import PrefixChangedError
from archiver.flows.snapshot.selected_rows import Before, Feeding, Measured, OtherRecordsError, beginnings
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Captured, Stream
from archiver.late import dataclass
from archiver.model.item import Item
from archiver.model.items import CHANGED_UNSEEN, ItemLine
from archiver.model.policy import Source
from archiver.model.record_rule import RecordRule, record_rule
from archiver.model.selected import SELECTED
from archiver.model.unjudged import detail_of
from archiver.sources.base import Facts as SystemFacts
from archiver.sources.base import Problem, ReadProblem
from archiver.sources.decode import Damage, decode
from archiver.sources.location import Reading, location, same_state
from archiver.sources.reading_logs import LogReader, first_lines
from archiver.sources.rotation import beginning_of, family
from archiver.sources.rows import rows_of
from archiver.sources.select_records import RecordSelector, Tallied
from archiver.writer.rows import Facts

__all__ = ["Selection"]

_RELATIVES = 256  # names of a log's family that are looked at
_HEAD = 65_536  # bytes that tell the dialect


@dataclass(frozen=True)
class _Past:
    """What is known of a log: its last line, whether it begins with the bytes of then, and what may be shared."""

    known: ItemLine | None = None
    is_beginning: bool = False
    before: Before | None = None


@dataclass(frozen=True)
class _Done:
    """One reading to the end: the file, the log in it, and what was kept; None where it was taken back."""

    file: Measured
    log: Measured
    tallied: Tallied
    captured: Captured | None
    damage: Damage | None
    steady: bool


class Selection:
    """Selects from the logs of one source."""

    def __init__(self, source: Source, stream: Stream, catalog: Catalog, logs: LogReader, listener: Listener) -> None:
        """Bind to a source whose rule selects, and to the stream of its logs."""
        self._rule = record_rule(source) or RecordRule()
        self._location = location(source)
        self._stream = stream
        self._catalog = catalog
        self._logs = logs
        self._recognise = logs.recogniser(source.dialect)
        self._listener = listener

    @classmethod
    def of(
        cls, source: Source, stream: Stream, catalog: Catalog, logs: LogReader, listener: Listener
    ) -> Selection | None:
        """Return what selects from the logs of a source, None where all of them are kept."""
        return None if record_rule(source) is None else cls(source, stream, catalog, logs, listener)

    def kept_whole(self, reason: str) -> str:
        """Return what the line of an item says that could not be selected from: a `container`, or a `damaged` log."""
        return detail_of(self._rule.member, [reason])

    def lines(self, sight: Sight, opened: Reading, encoding: str | None) -> list[ItemLine] | None:
        """Read a log and return its lines, the outermost first; None when it must be kept whole."""
        item = sight.item if encoding is None else sight.item.inside(encoding)
        for last in (False, True):
            try:
                state = opened.stat_now()
                past = self._past(sight, item, opened, encoding)
                job = _Job(sight, item, opened, encoding, state, last)
                try:
                    reading = self._read(job, past.before)
                except OtherRecordsError:  # another dialect, or another version of this program
                    reading = self._read(job, None)
            except PrefixChangedError:
                if last:
                    raise
                continue
            if reading.damage is not None:
                return None  # what had left in sealed batches are leftovers
            if reading.captured is not None:
                return [
                    *_log_lines(job, reading, self._rule),
                    _kept_line(job, reading, reading.captured, past, self._rule.member),
                ]
        raise ReadProblem(Problem("unreadable", f"{sight.item.path}: changed faster than it could be read"))

    # What was there before

    def _past(self, sight: Sight, item: Item, opened: Reading, encoding: str | None) -> _Past:
        """Return the log's own last line, and the longest earlier selection from a beginning of it."""
        known = sight.known if encoding is None else self._catalog.latest(item)
        found = [line for line in (known, *self._relatives(item)) if line is not None and line.size and line.sha256]
        if not found:
            return _Past(known)
        opened.rewind()
        blocks: Iterable[bytes] = opened.blocks()
        met = beginnings(blocks if encoding is None else decode(encoding, blocks), found)
        is_beginning = any(line is known for line, _ in met)
        for line, fragment in met:
            kept = self._catalog.latest(line.item.inside(self._rule.member))
            if kept is not None and kept.parts and fragment is not None:
                return _Past(known, is_beginning, Before(line, kept, fragment))
        return _Past(known, is_beginning)

    def _relatives(self, item: Item) -> Iterator[ItemLine]:
        """Yield the logs of its family that are not where they were, and from which the same rule selected."""
        name = family(item.path)
        for line in self._catalog.latest_below(item.source, beginning_of(item.path), _RELATIVES):
            members = line.item.members
            log = replace(line.item, members=members[:-1])
            if not members or members[-1] != self._rule.member or log == item or family(log.path) != name:
                continue
            file = self._catalog.latest(replace(log, members=()))
            found = self._catalog.latest(log)
            if found is not None and file is not None and not (log.path != item.path and self._location.stays(file)):
                yield found

    # Reading

    def _read(self, job: _Job, before: Before | None) -> _Done:
        """Read a log from its beginning, judge every record and feed what is kept."""
        job.opened.rewind()
        file, log, tallied = Measured(), Measured(), Tallied()
        bytes_of_file = file.through(job.opened.blocks())
        decoded = None if job.encoding is None else decode(job.encoding, bytes_of_file)
        blocks = log.through(bytes_of_file if decoded is None else decoded)
        first = next(blocks, b"")
        dialect = self._recognise(first_lines(first[:_HEAD]))
        selector = RecordSelector(self._rule, self._logs, path=job.item.path)
        with Feeding(self._stream, job.item.inside(self._rule.member), _facts(job.sight, dialect), before) as feeding:
            for rows in rows_of("model_logs", dialect, itertools.chain([first], blocks)):
                place = tallied.all.bytes
                verdicts = selector.verdicts(dialect, rows)
                tallied.add(rows, verdicts)
                for row, verdict in zip(rows, verdicts, strict=True):
                    if verdict.keep:
                        feeding.take(row, place)
                    place += len(row)
                feeding.flush()
                self._listener(Advanced(sum(map(len, rows))))
            for _ in bytes_of_file:  # what lies behind the place where decoding stopped
                pass
            damage = None if decoded is None else decoded.damage
            steady = same_state(job.state, job.opened.stat_now())
            captured = feeding.end(keep=damage is None, again=not steady and not job.last)
        return _Done(file, log, tallied, captured, damage, steady)


@dataclass(frozen=True)
class _Job:
    """A log to be read: its file, as it was when this reading began, and the item that its bytes are."""

    sight: Sight
    item: Item
    opened: Reading
    encoding: str | None
    state: SystemFacts
    last: bool


def _facts(sight: Sight, dialect: str) -> Facts:
    found = sight.found.facts
    return Facts(
        modified_ns=found.mtime_ns if found else None,
        custodian=sight.custodian,
        collected_at=sight.observed_at,
        dialect=dialect,
    )


# Lines


def _log_lines(job: _Job, reading: _Done, rule: RecordRule) -> list[ItemLine]:
    """Return the lines of a log and of the file around it, with the account of what was kept and passed over."""
    select = rule.member.removeprefix("select:")
    account = reading.tallied.account(select).encode()
    file = ItemLine(
        item=job.sight.item,
        kind=job.sight.found.kind,
        table=None,
        status="recorded",
        reason=SELECTED,
        detail=account if job.encoding is None else rule.member,
        observed_at=job.sight.observed_at,
        basis="read",
        size=reading.file.size,
        sha256=reading.file.digest.hexdigest(),
    )
    said_of_file = said(file, job.opened.stat_now())
    if job.encoding is None:
        return [said_of_file]
    log = replace(
        file,
        item=job.item,
        kind="inner",
        detail=account,
        size=reading.log.size,
        sha256=reading.log.digest.hexdigest(),
    )
    return [said_of_file, log]


def _kept_line(job: _Job, reading: _Done, captured: Captured, past: _Past, member: str) -> ItemLine:
    """Return the line of what was kept."""
    line = ItemLine(
        item=job.item.inside(member),
        kind="inner",
        table="model_logs",
        status="captured" if reading.steady else "changed_during_read",
        reason=None if reading.steady else "changed-during-read",
        observed_at=job.sight.observed_at,
        basis="read",
        size=captured.size,
        sha256=captured.sha256,
        parts=captured.parts,
    )
    if not reading.steady:
        return line
    reason, detail = _became(job, reading, past)
    before = past.before
    same = before is not None and before.kept.item == line.item and before.kept.parts == line.parts
    if same and reason != CHANGED_UNSEEN:
        return replace(line, status="unchanged")
    return replace(line, reason=reason, detail=detail)


def _became(job: _Job, reading: _Done, past: _Past) -> tuple[str | None, str | None]:
    """Return reason and detail for a log that was looked at before: what of it is still there, and what is not."""
    known, before, file = past.known, past.before, job.sight.known
    is_other = file is not None and file.sha256 != reading.file.digest.hexdigest()
    if file is not None and is_other and job.sight.stood_still(job.opened.stat_now()):
        same = "size, times and inode" if file.object is None else "version and ETag"
        return CHANGED_UNSEEN, f"other bytes than at {file.observed_at}, under the same {same}"
    if before is not None and before.log.item.path == job.item.path:  # or another version of the same object
        return "grown", f"{before.log.size} bytes were looked at at {before.log.observed_at}"
    now = job.opened.first
    has_lost = known is not None and file is not None and bool(known.size) and not past.is_beginning
    is_another = file is not None and is_another_file(file, now)
    if before is not None and (is_another or not has_lost):
        return "rotated", f"{before.log.size} bytes were looked at as {before.log.item.path}"
    if known is None or not has_lost:
        return None, None
    was = f"{known.size} bytes were looked at under this name at {known.observed_at}"
    if is_another:
        return "replaced", f"another file has this name now; {was}"
    return what_remains(known.size or 0, reading.log.size), was
