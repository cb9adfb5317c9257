"""Counting what became of every item of a run, for the signed snapshot statement and for people.

Counts are of items without members; `seen` is the sum of captured, unchanged, changed_during_read, failed, excluded and
recorded. `absent` items were not seen. Failures that the policy accepts are counted like all others; they only do not
make the run incomplete. What became of items that were archived before (`grown`, `rotated`, ...) is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from archiver.flows.snapshot.content_rules import content_rules
from archiver.late import dataclass
from archiver.model.item import unescape_path
from archiver.model.items import CHANGED_UNSEEN, CONTENT_STATUSES, ItemLine
from archiver.model.policy import Accept, Source
from archiver.model.selected import SELECTED, Selected, Sum, account_of
from archiver.model.selection import accepted, reason_of
from archiver.model.statement_snapshot import Counts, Excluded
from archiver.model.unjudged import SumOfUnjudged, UnjudgedItems
from archiver.writer.journal import Journal
from archiver.writer.journal_words import Count, Line

__all__ = ["LOSSES", "Tally", "tally"]

LOSSES = {"truncated": "cut short", "rewritten": "written anew", "replaced": "another file"}
"""Reasons of logs whose archived bytes are not in the file of that name any more, in words for people."""
_SEEN = ("captured", "unchanged", "changed_during_read", "failed", "excluded", "recorded")
_HALF = 2


@dataclass
class Tally:
    """Counts of one source. `trouble` and `known_trouble` count failed and changed items that count and that do not.

    `became` counts captured items by the reason of their line; `lost` names logs that were cut short, written anew or
    replaced, and `unseen` items whose bytes changed under the same times, five of each. `inside` counts what was found
    inside items and has bytes in the archive, `closed` what is there and could not be opened, by reason.
    """

    source: str
    counts: Counts
    rules: dict[str, tuple[int, int]]
    bytes: int
    new_bytes: int
    records: int
    damaged: int
    inside: int
    closed: dict[str, int]
    trouble: int
    known_trouble: int
    examples: tuple[str, ...]
    became: dict[str, int]
    lost: tuple[str, ...]
    unseen: tuple[str, ...]
    marked: dict[str, int]
    """Items with a mark, by it, inner items too."""
    emptiness: str
    """What to say where nothing was seen."""
    doubts: tuple[str, ...]
    """What is wrong with items that were captured all the same."""
    selected: tuple[Selected, ...]
    unjudged: tuple[UnjudgedItems, ...]
    exposed: int
    """Items that belong into quarantine and have rows of this run in the open."""
    open_before: int
    """Items that belong into quarantine and have rows in the open since an earlier run, when no rule said so."""

    def excluded_words(self, source: Source) -> list[Excluded]:
        """Return what each rule kept out, in the words of a statement."""
        inside = content_rules(source)
        return [
            Excluded(rule=rule, reason=inside.get(rule) or reason_of(source, rule), items=items, bytes=size)
            for rule, (items, size) in sorted(self.rules.items())
        ]

    def reasons(self, *, unavailable: bool) -> list[str]:
        """Say why this source is not simply fine."""
        found = []
        if self.trouble:
            more = self.trouble - len(self.examples)
            named = ", ".join(self.examples) + (f" and {more:,} more" if more else "")
            found.append(f"{self.source}: {self.trouble:,} items failed or changed while read: {named}")
        if unavailable:
            return found
        found += [f"{self.source}: {doubt}" for doubt in self.doubts]
        if self.counts.seen == 0:
            found.append(f"{self.source}: {self.emptiness}")
        elif self.counts.absent * _HALF > self.counts.absent + self.counts.seen:
            found.append(f"{self.source}: {self.counts.absent} items are gone since last time, more than half of all")
        return found


class _Counting:
    """Counts while lines go by."""

    def __init__(self, snapshot: str) -> None:
        self.snapshot = snapshot
        self.became: Counter[str] = Counter()
        self.lost: list[str] = []
        self.unseen: list[str] = []
        self.marked: Counter[str] = Counter()
        self.exposed = 0
        self.open_before = 0
        self.statuses: Counter[str] = Counter()
        self.rules: dict[str, tuple[int, int]] = {}
        self.bytes = 0
        self.new_bytes = 0
        self.records = 0
        self.damaged = 0
        self.inside = 0
        self.closed: Counter[str] = Counter()
        self.trouble = 0
        self.known = 0
        self.examples: list[str] = []
        self.doubts: list[str] = []
        self.selected = Sum()
        self.unjudged = SumOfUnjudged()

    def add_plain(self, count: Count) -> None:
        """Add lines that have nothing to be counted but this."""
        self.statuses[count.status] += count.items
        self.bytes += count.bytes
        self.new_bytes += count.new_bytes
        self.records += count.own_records

    def add(self, line: Line, accept: tuple[Accept, ...], now: datetime) -> None:
        words = orjson.loads(line.line)
        status, size = words["status"], words["size"] or 0
        self._marks(words)
        if words["basis"] == "read" and status in ("captured", "changed_during_read", "damaged"):
            self.records += sum(part["count"] for part in words["parts"] if self._is_new(part))
        if words["reason"] == SELECTED and (account := account_of(ItemLine.parse(line.line))) is not None:
            self.selected.add(account)
        if "members" in words["item"]:
            self.damaged += status == "damaged"
            is_selection = words["item"]["members"][-1].startswith("select:")
            self.inside += status in CONTENT_STATUSES and not is_selection
            if status == "failed":
                self.closed[words["reason"]] += 1
            if is_selection:
                self._fate(line.path, words, accept, now)
            return
        self.statuses[status] += 1
        self.new_bytes += line.new_bytes
        if status in CONTENT_STATUSES:
            self.bytes += size
            self.unjudged.add(words["detail"], size)
        if words.get("object", {}).get("store") == "pipe":
            self._pipe(line.path, words)
        if status == "excluded":
            items, total = self.rules.get(words["detail"], (0, 0))
            self.rules[words["detail"]] = (items + 1, total + size)
        self._fate(line.path, words, accept, now)

    def _fate(self, path: str, words: dict[str, Any], accept: tuple[Accept, ...], now: datetime) -> None:
        """Count what became of an item, or of what was selected from it, since it was looked at before."""
        if words["status"] == "captured" and words["reason"]:
            self._became(words["reason"], path)
        if words["status"] in ("failed", "changed_during_read"):
            self._trouble(path, accept, now)

    def _marks(self, words: dict[str, Any]) -> None:
        marks = words.get("marks", ())
        self.marked.update(mark["mark"] for mark in marks)
        if any(mark["handling"] == "quarantine" and "records" not in mark for mark in marks):
            in_the_open = [part for part in words["parts"] if "sealed" not in part]
            new = any(str(part["batch"]).startswith(self.snapshot) for part in in_the_open)
            self.exposed += new
            self.open_before += bool(in_the_open) and not new

    def _is_new(self, part: dict[str, object]) -> bool:
        """Say whether rows were made by this run for this item, not by an earlier one or for another."""
        return str(part["batch"]).startswith(self.snapshot) and "of" not in part

    def _pipe(self, name: str, words: dict[str, Any]) -> None:
        if words["object"]["ended"] is None:
            self.doubts.append(f"{name}: the run that read this pipe was killed; kept is what it had read")
        elif not words["size"]:
            self.doubts.append(f"{name}: its pipe brought nothing")

    def _became(self, reason: str, path: str) -> None:
        self.became[reason] += 1
        if reason in LOSSES:
            self.lost = [*self.lost, f"{path} ({LOSSES[reason]})"][:5]
        if reason == CHANGED_UNSEEN:
            self.unseen = [*self.unseen, path][:5]

    def _trouble(self, path: str, accept: tuple[Accept, ...], now: datetime) -> None:
        if accepted(accept, unescape_path(path), now) is not None:
            self.known += 1
            return
        self.trouble += 1
        self.examples = [*self.examples, path][:5]


def tally(
    journal: Journal, sources: Iterable[Source], accept: tuple[Accept, ...], now: datetime, snapshot: str
) -> list[Tally]:
    """Count the lines of a run, source by source; only those that are not plain are read."""
    named = {source.id: source for source in sources}
    counting = {name: _Counting(snapshot) for name in named}
    for line in journal.lines_to_read():
        if line.source in counting:
            counting[line.source].add(line, accept, now)
    for count in journal.plain_counts(snapshot):
        if count.source in counting:
            counting[count.source].add_plain(count)
    return [_tally(named[name], one) for name, one in counting.items()]


def _tally(source: Source, one: _Counting) -> Tally:
    numbers = {status: one.statuses[status] for status in (*_SEEN, "absent")}
    return Tally(
        source=source.id,
        counts=Counts(seen=sum(one.statuses[status] for status in _SEEN), **numbers),
        rules=one.rules,
        bytes=one.bytes,
        new_bytes=one.new_bytes,
        records=one.records,
        damaged=one.damaged,
        inside=one.inside,
        closed=dict(sorted(one.closed.items())),
        trouble=one.trouble,
        known_trouble=one.known,
        examples=tuple(one.examples),
        became=dict(one.became),
        lost=tuple(one.lost),
        unseen=tuple(one.unseen),
        marked=dict(sorted(one.marked.items())),
        emptiness=_emptiness(source),
        doubts=tuple(one.doubts),
        selected=tuple(one.selected.words()),
        unjudged=tuple(one.unjudged.words()),
        exposed=one.exposed,
        open_before=one.open_before,
    )


def _emptiness(source: Source) -> str:
    if source.received is not None:
        return f"nothing was piped into it: PROGRAM | archiver snapshot --stdin {source.id}"
    if source.query is not None:
        return "its query gave no item"
    advice = "that the share is mounted" if source.path is not None else "bucket and prefix"
    return f"its location is empty; check {advice}"
