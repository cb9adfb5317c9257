"""What a run sees in a source, and what it means to do with it: the part that `plan` and `snapshot` share.

Every name of a source is seen once, in a fixed order, and gets one decision:

    excluded   a rule keeps it out, or no include matches it
    recorded   a directory, link, FIFO, socket, device or delete marker: on record, never opened
    failed     it could not even be looked at
    unchanged  same size, times and inode as when it was last read, and those times were settled then; of an object
               store, the same version and ETag
    read       everything else

Nothing is read here; a decision costs a stat, or its share of a listing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from archiver.catalog.recall import Known
from archiver.flows.snapshot.content_rules import content_rules
from archiver.model import instant
from archiver.model.item import Item, escape_path
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy import Source
from archiver.model.record_rule import RecordRule, record_rule
from archiver.model.selected import is_kept_whole, selected_by
from archiver.model.selection import Decision, Rules, rules_of
from archiver.model.stamp import SETTLED, is_settled, spell_stamp
from archiver.sources.base import Facts, FileFacts, Found, ObjectFacts
from archiver.sources.facts import unchanged_since
from archiver.sources.location import Location

__all__ = ["Seconds", "Sight", "may_be_a_head", "sights"]

_SECOND: Final = timedelta(seconds=1)


class Sight(NamedTuple):
    """One item as it was seen: what was found, what is to be done, and what was last known of it."""

    item: Item
    found: Found
    decision: str
    rule: str | None
    reason: str | None
    custodian: str | None
    last: Known
    observed_at: str
    stands_still: bool = False
    """Size, times and inode are those of the last reading, so that other bytes would be a change without a trace.

    That is said of the look; it may be written to before it is read (`stood_still`).
    """
    narrows: bool = False
    """It was kept before, whole or under another rule, and now a rule selects from it."""

    @property
    def known(self) -> ItemLine | None:
        """What was last said of it, None when it is new."""
        return self.last.line

    def stood_still(self, read: Facts) -> bool:
        """Say whether it stands still, and was no other when it was read than when it was looked at."""
        seen = self.found.facts
        if isinstance(seen, FileFacts) and isinstance(read, FileFacts):
            return self.stands_still and unchanged_since(seen, read)
        if isinstance(seen, ObjectFacts) and isinstance(read, ObjectFacts):
            return self.stands_still and seen.words.get("etag") == read.words.get("etag")
        return False

    @property
    def was_kept(self) -> bool:
        """Say whether its bytes were in the archive when it was last looked at."""
        return self.last.status in CONTENT_STATUSES


class Seconds:
    """A clock that tells instants as lines have them, each spelled once: a second has many items."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Begin with no second."""
        self._clock = clock
        self._begins = self._ends = clock()
        self._at = ""

    def __call__(self) -> str:
        """Return the second that it is."""
        now = self._clock()
        if not self._begins <= now < self._ends:
            self._begins = now.replace(microsecond=0)
            self._ends = self._begins + _SECOND
            self._at = instant.format_instant(self._begins)
        return self._at


def sights(
    source: Source,
    location: Location,
    recall: Callable[[Item], Known],
    clock: Callable[[], datetime],
    *,
    rehash: bool = False,
    quick: bool = False,
) -> Iterator[Sight]:
    """Look at every name of a source; with `rehash` all files are to be read, whatever their times say.

    A `quick` look asks for no attributes and no times of birth: enough to decide, not enough to account for a file.
    Otherwise they are left out where they are known, since nothing has changed, and where the file is to be opened.
    Raises `SourceUnavailable` when the location is not there.
    """
    selects, rules = record_rule(source), rules_of(source)
    seconds = Seconds(clock)
    for found in location.walk(quick=True):
        item = Item(source.id, escape_path(found.path), version=found.version)
        known = recall(item)
        choice = _choice(rules, found, known, rehash=rehash)
        at = seconds()
        still = narrows = False
        if not choice.taken and found.kind != "directory":
            decision = "excluded"
        elif found.facts is None or found.error is not None:
            decision = "failed"
        elif found.kind not in ("file", "object") or not found.content:
            decision = "recorded"
        else:
            still = _is_unchanged(found, known)
            is_under_another = _is_under_another(known, selects)
            narrows = is_under_another and selects is not None
            still = still and not is_under_another
            decision = "unchanged" if still and not rehash else "read"
        rule, reason = (choice.rule, choice.reason) if decision == "excluded" else (None, None)
        seen = found if quick or decision in ("unchanged", "read") else found.seen_closer()
        yield Sight(item, seen, decision, rule, reason, rules.custodian_of(found.path), known, at, still, narrows)


def _choice(rules: Rules, found: Found, known: Known, *, rehash: bool) -> Decision:
    """Say whether an item is taken, as far as that is known before it is read: what was kept once is kept on."""
    was_kept = known.status in CONTENT_STATUSES
    has_content = found.kind in ("file", "object") and found.facts is not None
    choice = rules.decide(found.path, found.facts.mtime_ns if has_content and found.facts and not was_kept else None)
    if not choice.taken or known.status != "excluded" or known.line is None or rehash:
        return choice
    reason = content_rules(rules.source).get(known.line.detail or "")
    if reason is not None and _is_same(found, known.line):
        return Decision(taken=False, rule=known.line.detail, reason=reason)
    return choice


def _is_under_another(known: Known, rule: RecordRule | None) -> bool:
    """Say whether a log was last read whole where a rule selects from it now, or under another rule than now."""
    is_selected = known.status == "recorded" and known.line is not None and selected_by(known.line) is not None
    if rule is None:
        return is_selected
    if known.line is None or not (is_selected or known.status in CONTENT_STATUSES):
        return False
    return not is_kept_whole(known.line, rule.member) and f"select:{selected_by(known.line)}" != rule.member


def _is_unchanged(found: Found, known: Known) -> bool:
    """Say whether an item is as it was when it was read, by its stamp, or member by member where there is none."""
    facts = found.facts
    if known.stamp is not None and isinstance(facts, FileFacts):
        return known.stamp == spell_stamp(facts.size, facts.mtime_ns, facts.ctime_ns, facts.ino)
    line = known.line
    if line is None or line.status == "changed_during_read":
        return False
    if line.status not in CONTENT_STATUSES and selected_by(line) is None:
        return False
    return _is_same(found, line)


def _is_same(found: Found, known: ItemLine) -> bool:
    """Say whether an item is, as far as its system tells, as it was when it was last looked at."""
    if isinstance(found.facts, ObjectFacts):
        return _is_same_object(found.facts, known)
    if known.file is None or not isinstance(found.facts, FileFacts):
        return False
    file, now = known.file, found.facts
    return (
        known.size == found.size
        and file["mtime_ns"] == str(now.mtime_ns)
        and file["ctime_ns"] == str(now.ctime_ns)
        and file["ino"] == str(now.ino)
        and is_settled(known)
    )


def _is_same_object(facts: ObjectFacts, known: ItemLine) -> bool:
    """Say whether an object has the ETag that it had when it was read, and that ETag speaks for its bytes.

    A version never changes. What has none may have been written again in the second in which it was read.
    """
    now, then = facts.words, known.object
    if then is None or not now.get("etag") or now["etag"] != then.get("etag") or known.size != facts.size:
        return False
    if known.item.version is not None:
        return True
    written = str(then.get("modified"))
    return now.get("modified") == written and (
        instant.parse_instant(written) <= instant.parse_instant(known.observed_at) - SETTLED
    )


def may_be_a_head(path: bytes) -> bool:
    """Say whether a file has the name of the HEAD of a repository; hardly any has."""
    return path.endswith(b"HEAD")
