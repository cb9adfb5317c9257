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
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from archiver.catalog.recall import Known
from archiver.flows.snapshot.content_rules import content_rules
from archiver.model import instant
from archiver.model.item import Item, escape_path
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy import Source
from archiver.model.record_rule import RecordRule, record_rule
from archiver.model.selected import is_kept_whole, selected_by
from archiver.model.selection import Decision, Rules, rules_of
from archiver.sources.base import FileFacts, Found, ObjectFacts
from archiver.sources.location import Location

__all__ = ["Sight", "is_settled", "sights"]

SETTLED = timedelta(seconds=2)
"""A file whose times are younger than this when it is read may change again without a trace in its times."""


@dataclass(frozen=True)
class Sight:
    """One item as it was seen: what was found, what is to be done, and what was last known of it."""

    item: Item
    found: Found
    decision: str
    rule: str | None
    reason: str | None
    custodian: str | None
    known: ItemLine | None
    observed_at: datetime
    stands_still: bool = False
    """Size, times and inode are those of the last reading, so that other bytes would be a change without a trace."""
    narrows: bool = False
    """It was kept before, whole or under another rule, and now a rule selects from it."""
    has_inside: bool = False
    """Something was said before of what is inside it."""


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
    for found in location.walk(quick=True):
        item = Item(source.id, escape_path(found.path), version=found.version)
        known, has_inside = recall(item)
        choice = _choice(rules, found, known, rehash=rehash)
        now = clock()
        if not choice.taken and found.kind != "directory":
            decision = "excluded"
        elif found.facts is None or found.error is not None:
            decision = "failed"
        elif found.kind not in ("file", "object") or not found.content:
            decision = "recorded"
        else:
            decision = "unchanged" if _is_unchanged(found, known) else "read"
        still = decision == "unchanged"
        narrows = decision in ("unchanged", "read") and _is_narrowed(known, selects)
        if still and _is_under_another(known, selects):
            decision, still = "read", False
        decision = "read" if still and rehash else decision
        rule, reason = (choice.rule, choice.reason) if decision == "excluded" else (None, None)
        seen = found if quick or decision in ("unchanged", "read") else found.seen_closer()
        custodian = rules.custodian_of(found.path)
        yield Sight(item, seen, decision, rule, reason, custodian, known, now, still, narrows, has_inside)


def _choice(rules: Rules, found: Found, known: ItemLine | None, *, rehash: bool) -> Decision:
    """Say whether an item is taken, as far as that is known before it is read: what was kept once is kept on."""
    was_kept = known is not None and known.status in CONTENT_STATUSES
    has_content = found.kind in ("file", "object") and found.facts is not None
    choice = rules.decide(found.path, found.facts.mtime_ns if has_content and found.facts and not was_kept else None)
    if not choice.taken or known is None or known.status != "excluded" or rehash:
        return choice
    reason = content_rules(rules.source).get(known.detail or "")
    if reason is not None and _is_same(found, known):
        return Decision(taken=False, rule=known.detail, reason=reason)
    return choice


def is_settled(line: ItemLine) -> bool:
    """Say whether the file's times were old enough, when it was last looked at, to speak for its content."""
    if line.file is None:
        return False
    before = _settled_before_ns(line.observed_at)
    return int(str(line.file["mtime_ns"])) <= before and int(str(line.file["ctime_ns"])) <= before


@lru_cache(maxsize=256)  # a second has many items
def _settled_before_ns(observed_at: str) -> int:
    """Return how young times may be at most that are settled at an instant."""
    return int((instant.parse_instant(observed_at) - SETTLED).timestamp()) * 1_000_000_000


def _is_under_another(known: ItemLine | None, rule: RecordRule | None) -> bool:
    """Say whether a log was last read whole where a rule selects from it now, or under another rule than now."""
    if known is None:
        return False
    if rule is None:
        return selected_by(known) is not None
    if is_kept_whole(known, rule.member):
        return False
    return f"select:{selected_by(known)}" != rule.member


def _is_narrowed(known: ItemLine | None, rule: RecordRule | None) -> bool:
    if known is None or rule is None or not (known.status in CONTENT_STATUSES or selected_by(known)):
        return False
    return _is_under_another(known, rule)


def _is_unchanged(found: Found, known: ItemLine | None) -> bool:
    if known is None or known.status == "changed_during_read":
        return False
    if known.status not in CONTENT_STATUSES and selected_by(known) is None:
        return False
    return _is_same(found, known)


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
