"""Check 8: nothing is missing between the numbers, and nothing lies there that nobody stated.

1  batches are numbered without gaps within snapshot and table, and as many as the snapshot says
2  every snapshot is finished, and its counts are those of its lines
3  every version under the prefix is content, a repetition or a lost race; all others and delete markers are named
4  between snapshots there was no silence beyond what was expected
"""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta
from typing import Final

from archiver.errors import WorldError
from archiver.judge.case import Case
from archiver.judge.checks.lines import Files
from archiver.judge.inventory import Listed, Role
from archiver.judge.tail import named_by_tail
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.instant import format_instant, parse_instant
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.selected import Selected, Sum, account_of
from archiver.model.statement import IncidentPredicate
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate, SnapshotSource
from archiver.model.unjudged import SumOfUnjudged, UnjudgedItems

__all__ = ["Counting", "check_completeness"]

_HINTS: Final = {
    "incomplete": "`archiver list items --status failed --snapshot ID` names what it could not keep",
    "aborted": "the run could not go on; the next snapshot begins anew, and its items are the ones that count",
}
_HOUR: Final = timedelta(hours=1)
_COUNTED: Final = ("captured", "unchanged", "changed_during_read", "failed", "excluded", "recorded")


class Counting:
    """Counts the lines of every snapshot, to be held against what its statement says."""

    def __init__(self) -> None:
        """Begin with no lines."""
        self.statuses: dict[tuple[str, str], Counter[str]] = {}
        self.rules: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
        self.bytes: Counter[tuple[str, str]] = Counter()
        self.new_bytes: Counter[tuple[str, str]] = Counter()
        self.selected: dict[tuple[str, str], Sum] = {}
        self.kept: dict[tuple[str, str], Counter[str]] = {}
        self.unjudged: dict[tuple[str, str], SumOfUnjudged] = {}

    def line(self, position: int, batch: BatchPredicate, line: ItemLine) -> None:
        """Count one line; a check of items calls this. Items inside others are not counted, selections are summed."""
        del position
        key = (batch.snapshot, line.item.source)
        account = account_of(line)
        if account is not None:
            self.selected.setdefault(key, Sum()).add(account)
        if line.item.members:
            select = line.item.members[-1]
            if select.startswith("select:") and line.status in CONTENT_STATUSES:
                self.kept.setdefault(key, Counter())[select.removeprefix("select:")] += line.size or 0
            return
        self.statuses.setdefault(key, Counter())[line.status] += 1
        if line.status in CONTENT_STATUSES:
            self.bytes[key] += line.size or 0
            self.unjudged.setdefault(key, SumOfUnjudged()).add(line.detail, line.size or 0)
            if line.status != "unchanged":
                self.new_bytes[key] += line.size or 0
        if line.status == "excluded":
            items, size = self.rules.setdefault(key, {}).get(line.detail or "", (0, 0))
            self.rules[key][line.detail or ""] = (items + 1, size + (line.size or 0))

    def sources(self) -> dict[str, list[str]]:
        """Return the sources that the lines of each snapshot are of, in order."""
        found: dict[str, list[str]] = {}
        for snapshot, source in sorted(self.statuses):
            found.setdefault(snapshot, []).append(source)
        return found

    def files(self, position: int, batch: BatchPredicate, files: Files) -> None:
        """Count many usual lines of files that are captured or unchanged."""
        del position
        for (source, status, _), (number, size) in files.items():
            key = (batch.snapshot, source)
            self.statuses.setdefault(key, Counter())[status] += number
            self.bytes[key] += size
            if status != "unchanged":
                self.new_bytes[key] += size


def check_completeness(case: Case, counting: Counting | None) -> None:
    """Make the whole check; without `counting` the counts of lines are left out."""
    numbers = _numbers(case)
    damaged = case.archive.table_of_statements.damaged_batches()
    case.unread.update(identity[: len("YYYYMMDDTHHMMSSZ-xxxxxx")] for identity in damaged)
    snapshots = [
        statement.predicate
        for _, statement, _ in case.archive.statements("snapshot")
        if isinstance(statement.predicate, SnapshotPredicate)
    ]
    case.subjects["completeness"] += len(snapshots)
    _check_numbers(case, numbers, {snapshot.id: snapshot for snapshot in snapshots})
    sources = {} if counting is None else counting.sources()
    for snapshot in snapshots:
        if snapshot.status != "complete":
            case.say(
                "snapshot-incomplete",
                snapshot.id,
                "a complete snapshot",
                f"one that says of itself that it is {snapshot.status}",
                hint=_HINTS[snapshot.status],
            )
        listed = not any(key.startswith(_lists(snapshot.id)) for key in case.disposed)
        if counting is not None and snapshot.status != "aborted" and listed:
            _check_counts(case, snapshot, counting, sources.get(snapshot.id, []))
    _check_nothing(case, snapshots)
    _check_strangers(case)
    _check_silence(case, snapshots)


# 1


def _numbers(case: Case) -> dict[tuple[str, str], set[int]]:
    found: dict[tuple[str, str], set[int]] = {}
    for _, identity in case.archive.table_of_statements.ids("batch"):
        batch = layout.parse_batch_id(identity)
        found.setdefault((batch.snapshot, batch.table), set()).add(batch.number)
    return found


def _check_numbers(
    case: Case, numbers: dict[tuple[str, str], set[int]], snapshots: dict[str, SnapshotPredicate]
) -> None:
    stated = {(one.id, table): count for one in snapshots.values() for table, count in one.batches.items()}
    for snapshot, table in sorted(numbers.keys() | stated.keys()):
        found = numbers.get((snapshot, table), set())
        finished = snapshots.get(snapshot)
        below = max(found, default=-1) + 1
        if len(found) != below:
            missing = next(number for number in range(below) if number not in found)
            actual = f"{below - len(found)} of the numbers below {below} missing"
            subject = layout.batch_id(snapshot, table, missing)
            _say(case, snapshot, "batch-gap", subject, f"batches of {table} without gaps", actual)
        if finished is not None and stated.get((snapshot, table), 0) != below:
            expected = f"{stated.get((snapshot, table), 0)} batches of {table}"
            _say(case, snapshot, "snapshot-counts", snapshot, expected, f"{below}")
    for snapshot in sorted({snapshot for snapshot, _ in numbers} - snapshots.keys()):
        case.say(
            "snapshot-unfinished",
            snapshot,
            "a signed account of the snapshot",
            "batches only",
            hint="the run was stopped; the same `archiver snapshot` goes on with it",
        )


def _say(case: Case, snapshot: str, code: str, subject: str, *found: str) -> None:
    """Say what does not add up; where something of the snapshot could not be read it may have added up."""
    unread = snapshot in case.unread or case.archive.log.is_unread
    severity = Severity.UNKNOWN if unread else None
    expected, actual = found
    case.say(code, subject, expected, actual, severity=severity)


# 2


def _lists(snapshot: str) -> str:
    """Return how the keys of a snapshot's lists of items begin; counts cannot be compared with lists that are gone."""
    return layout.batch_key("items", f"{snapshot}-items-").removesuffix(".parquet")


def _check_counts(case: Case, snapshot: SnapshotPredicate, counting: Counting, counted: list[str]) -> None:
    stated = {source.id for source in snapshot.sources}
    for source in counted:
        if source not in stated:
            expected = f"sources {', '.join(sorted(stated))}"
            _say(case, snapshot.id, "snapshot-counts", snapshot.id, expected, f"lines of {source}")
    for source_words in snapshot.sources:
        _check_source(case, snapshot.id, source_words, counting)


def _check_source(case: Case, snapshot: str, words: SnapshotSource, counting: Counting) -> None:
    key = (snapshot, words.id)
    found = counting.statuses.get(key, Counter())
    stated = words.counts.model_dump()
    actual = {name: found[name] for name in (*_COUNTED, "absent")}
    actual["seen"] = sum(found[name] for name in _COUNTED)
    differing = [name for name in stated if stated[name] != actual[name]]
    subject = f"{snapshot}, source {words.id}"
    if differing:
        expected = ", ".join(f"{name} {stated[name]}" for name in differing)
        counted = ", ".join(f"{name} {actual[name]}" for name in differing)
        _say(case, snapshot, "snapshot-counts", subject, expected, counted)
    sizes = (counting.bytes[key], counting.new_bytes[key])
    if (words.bytes, words.new_bytes) != sizes:
        expected = f"{words.bytes} bytes, {words.new_bytes} of them new"
        summed = f"{sizes[0]} bytes, {sizes[1]} of them new, in its lines"
        _say(case, snapshot, "snapshot-counts", subject, expected, summed)
    rules = {one.rule: (one.items, one.bytes) for one in words.excluded}
    lines = counting.rules.get(key, {})
    if rules != lines or len(rules) != len(words.excluded):  # one account for each rule
        _say(case, snapshot, "snapshot-counts", subject, f"excluded by rule: {_rules(rules)}", _rules(lines))
    unjudged = counting.unjudged[key].words() if key in counting.unjudged else []
    if words.unjudged != unjudged:
        expected = f"kept though no rule could judge it: {_unjudged(words.unjudged)}"
        _say(case, snapshot, "snapshot-counts", subject, expected, f"{_unjudged(unjudged)}, in its lines")
    _check_selections(case, snapshot, words, counting)


def _check_selections(case: Case, snapshot: str, words: SnapshotSource, counting: Counting) -> None:
    """Hold what the statement says of selections against the accounts of the logs, and those against what was kept."""
    key, subject = (snapshot, words.id), f"{snapshot}, source {words.id}"
    summed = counting.selected[key].words() if key in counting.selected else []
    if words.selected != summed:
        found = f"{_selections(summed)}, in its lines"
        _say(case, snapshot, "snapshot-counts", subject, f"selected: {_selections(words.selected)}", found)
    kept, accounted = counting.kept.get(key, Counter()), Counter({one.select: one.kept.bytes for one in summed})
    if +kept != +accounted:
        stated = f"selections of {_kept(accounted)}, as their logs say"
        _say(case, snapshot, "snapshot-counts", subject, stated, f"{_kept(kept)} in its lines")


def _rules(rules: dict[str, tuple[int, int]]) -> str:
    words = (f"{rule}: {items} items, {size} bytes" for rule, (items, size) in sorted(rules.items()))
    return "; ".join(words) or "nothing"


def _unjudged(found: list[UnjudgedItems]) -> str:
    return ", ".join(f"{one.items} items, {one.reason} ({one.rule})" for one in found) or "nothing"


def _kept(sizes: Counter[str]) -> str:
    return ", ".join(f"{size} bytes by {select}" for select, size in sorted(sizes.items())) or "0 bytes"


def _selections(selected: list[Selected]) -> str:
    words = (
        f"{one.select}: {one.kept.records} of {one.records} records of {one.items} logs, "
        f"{one.kept.bytes} of {one.bytes} bytes; passed over "
        + (", ".join(f"{by.records} by {by.rule} ({by.reason})" for by in one.passed_over) or "none")
        for one in selected
    )
    return "; ".join(words) or "nothing"


def _check_nothing(case: Case, snapshots: list[SnapshotPredicate]) -> None:
    """Never be content with an archive that has nothing in it."""
    seen = any(log.seen is not None for log in case.archive.trusted.logs) or case.options.seen is not None
    severity = Severity.FAILED if seen and not case.archive.is_unread() else Severity.UNKNOWN
    place = case.archive.store.destination.location
    if case.archive.table_of_statements.archive is None:
        case.say("nothing-checked", place, "a signed statement of what this archive is", "none", severity=severity)
    if not snapshots:
        case.say("nothing-checked", place, "a snapshot", "none", severity=severity)


# 3


def _check_strangers(case: Case) -> None:
    explained = _explained(case)
    unfinished = named_by_tail(case.archive.log.tail, case.archive.inventory, case.archive.content)
    damaged = {f"{batch}.parquet" for batch in case.archive.table_of_statements.damaged_batches()}
    for listed in case.archive.inventory.strangers():
        if listed.marker:
            _say_marker(case, listed)
        elif listed.key in unfinished and _digest(case, listed) in unfinished[listed.key]:
            continue  # `log-tail-unfinished` speaks for it
        elif listed.key.rpartition("/")[2] not in damaged and not _was_said(case, listed.key):
            _say_stranger(case, listed, explained)
    for listed in case.archive.inventory.doubles():
        code = "log-entry-stranger" if listed.key.startswith("log/") else "object-version"
        what = "the bytes of an older version" if listed.role is Role.SAME else "an entry that lost a race"
        case.say(code, listed.key, "one version", f"{_version(listed)} with {what}", severity=Severity.NOTE)


def _was_said(case: Case, key: str) -> bool:
    """Say whether another check has failed this key because no version of it is the stated one."""
    return case.archive.inventory.is_needed(key) and not case.archive.inventory.is_content(key)


def _say_marker(case: Case, listed: Listed) -> None:
    case.say(
        "delete-marker",
        listed.key,
        "no delete marker",
        f"one of {listed.modified} by {listed.owner or 'nobody known'}, {_version(listed)}",
        hint="the versions under it are still there and were checked; ask who deleted it, and why",
    )


def _say_stranger(case: Case, listed: Listed, explained: dict[tuple[str, str | None], set[str]]) -> None:
    known = case.archive.inventory.is_content(listed.key)
    severity = None
    digests = explained.get((listed.key, listed.version), set())
    if digests and _digest(case, listed) in digests:
        severity = Severity.NOTE
    case.say(
        "stranger-version" if known else "stranger-key",
        listed.key,
        "only versions that the log commits to" if known else "only keys that the log commits to",
        f"{_version(listed)} of {listed.size} bytes, written {listed.modified}"
        + (f" by {listed.owner}" if listed.owner else ""),
        hint="it was not read as evidence; ask who put it there"
        if severity is None
        else "an incident statement names it",
        severity=severity,
    )


def _explained(case: Case) -> dict[tuple[str, str | None], set[str]]:
    found: dict[tuple[str, str | None], set[str]] = {}
    for _, statement, _ in case.archive.statements("incident"):
        if isinstance(statement.predicate, IncidentPredicate):
            for words in statement.predicate.objects:
                found.setdefault((words.key, words.version), set()).add(words.sha256)
    return found


def _digest(case: Case, listed: Listed) -> str:
    try:
        return case.archive.content.digest(listed)
    except WorldError:
        return ""  # then it stays a stranger


def _version(listed: Listed) -> str:
    return "a file" if listed.version is None else f"version {listed.version}"


# 4


def _check_silence(case: Case, snapshots: list[SnapshotPredicate]) -> None:
    hours = case.archive.trusted.max_silence_hours
    policies = case.archive.table_of_statements.policies
    if hours is None and policies:
        hours = policies[-1][1].expected_every_hours or None
    if hours is None or not snapshots:
        return
    moments = [(one.id, parse_instant(one.started), parse_instant(one.finished)) for one in snapshots]
    for (before, _, ended), (after, started, _) in itertools.pairwise(moments):
        if (started - ended) / _HOUR > hours:
            case.say(
                "silence",
                f"{before} to {after}",
                f"a snapshot every {hours} hours",
                f"none from {format_instant(ended)} to {format_instant(started)}",
            )
    last, _, ended = moments[-1]
    if (case.now - ended) / _HOUR > hours:
        actual = f"none from {format_instant(ended)} to {format_instant(case.now)}"
        case.say("silence", f"since {last}", f"a snapshot every {hours} hours", actual)
