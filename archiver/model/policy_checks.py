"""What one value cannot show: names that must be unique, matters that must exist, and words that must fit a statement.

`check` refuses; `warn` returns doubts for people, such as a hold that ends before the order's last day is over
everywhere. A matter's names are unique ignoring case, because file systems and people confuse them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, Protocol

from archiver.model import hold
from archiver.model.instant import format_instant
from archiver.model.policy_problems import closest
from archiver.model.policy_selectors import check_column, check_selectors
from archiver.model.policy_words import MatterWords, PolicyWords, SourceWords
from archiver.model.policy_yaml import Document, Location, Problem, dotted
from archiver.model.statement_timestamp import authority_name

__all__ = ["MAX_STATEMENT_TEXT", "check", "statement_text", "warn"]

# An envelope holds at most 65,535 bytes, so a payload in base64 about 48,900. Half of it is for the policy's own words,
# which stand in every policy and snapshot statement; the other half for counts, receipts and the changes of a revision.
MAX_STATEMENT_TEXT: Final = 24 * 1024

MAX_YEARS: Final = 100  # what S3 accepts as a retention; beyond it is a slip of the pen
LONG_BEYOND: Final = timedelta(days=31)  # of the last reading; a lock that is too long cannot be undone


class _Named(Protocol):
    @property
    def id(self) -> str: ...


def check(words: PolicyWords, document: Document) -> list[Problem]:
    """Return all problems between values."""
    return [
        *_unique("matters", words.matters, document),
        *_unique("sources", words.sources, document),
        *_unique("destinations", words.destinations, document),
        *_places_apart(words, document),
        *_matters_exist(words, document),
        *_kind_of_keys(words, document),
        *_ends(words, document),
        *_fits(words, document),
        *_authorities(words, document),
        *_sensitive(words, document),
        *check_selectors(words, document),
        *_quarantine(words, document),
    ]


def statement_text(words: PolicyWords) -> int:
    """Return how many bytes of canonical JSON the words of a policy take in the statements that repeat them."""
    return sum(
        _length([source.id, source.kind, source.location, source.matters])
        + sum(_length([rule.glob, rule.reason]) for rule in source.exclude)
        + sum(_length([custodian.name, custodian.paths]) for custodian in source.custodians)
        + sum(_length([one.list, one.reason]) for one in source.known_hashes)
        + sum(_length([column, "another value", "no-", column]) for column in source.where)
        for source in words.sources
    ) + sum(_length([matter.id, matter.instrument]) for matter in words.matters)


def warn(words: PolicyWords) -> Iterator[str]:
    """Yield doubts about a valid policy."""
    used = {matter for source in words.sources for matter in source.matters}
    for matter in words.matters:
        if matter.id not in used:
            yield f"matter {matter.id}: no source is kept for it"
        yield from _warn_of_end(matter)


def _warn_of_end(matter: MatterWords) -> Iterator[str]:
    day = hold.last_day(matter.hold.stated_as)
    if day is None:
        return
    until = matter.hold.retain_until
    found = hold.readings(day)
    # The working-day reading is left to the open-ended legal hold: a date that is too long could not be taken back.
    missed = [reading for reading in found if reading.by_date and until < reading.ends]
    if missed:
        places = ", ".join(f"{reading.name} {format_instant(reading.ends)}" for reading in missed)
        yield (
            f"matter {matter.id}: retain_until {format_instant(until)} is before the end of {day} in some readings of "
            f'"{matter.hold.stated_as}" ({places}); write "{format_instant(hold.end_of_day(day))}"'
        )
    if until > found[-1].ends + LONG_BEYOND:
        yield (
            f"matter {matter.id}: retain_until {format_instant(until)} is {(until - found[-1].ends).days} days after "
            f'the last reading of "{matter.hold.stated_as}"; a lock cannot be shortened'
        )


def _unique(group: str, named: Sequence[_Named], document: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, one in enumerate(named):
        earlier = first.setdefault(one.id.casefold(), number)
        if earlier != number:
            place: Location = (group, number, "id")
            line = document.mark((group, earlier, "id")).line
            text = f"{one.id} is the name in line {line} already (upper and lower case count as the same)"
            yield Problem(document.mark(place), dotted(place), text, "another name")


def _places_apart(words: PolicyWords, document: Document) -> Iterator[Problem]:
    """Refuse two destinations in one bucket: what happens to it happens to both, and receipts could not tell them."""
    first: dict[tuple[str | None, str], int] = {}
    for number, one in enumerate(words.destinations):
        if not one.location.startswith("s3://"):
            continue
        bucket = one.location.removeprefix("s3://").partition("/")[0]
        earlier = first.setdefault((one.endpoint, bucket), number)
        if earlier != number:
            place: Location = ("destinations", number, "location")
            line = document.mark(("destinations", earlier, "location")).line
            text = f"the bucket {bucket} is the destination in line {line} already"
            yield Problem(document.mark(place), dotted(place), text, "a bucket of its own, best with another provider")
    if all(one.ended for one in words.destinations if not one.seals):
        place = ("destinations",)
        text = "expected a destination that has not ended, found none"
        yield Problem(document.mark(place), dotted(place), text, "the one that the archive is written to now")


def _matters_exist(words: PolicyWords, document: Document) -> Iterator[Problem]:
    known = [matter.id for matter in words.matters]
    for number, source in enumerate(words.sources):
        for index, matter in enumerate(source.matters):
            place: Location = ("sources", number, "matters", index)
            if matter not in known:
                text = f"there is no matter {matter} in this policy"
                instead = closest(matter, known) or f"one of {', '.join(known)}"
                yield Problem(document.mark(place), dotted(place), text, instead)
            elif matter in source.matters[:index]:
                yield Problem(document.mark(place), dotted(place), f"{matter} stands here twice", "it once")


def _kind_of_keys(words: PolicyWords, document: Document) -> Iterator[Problem]:
    for number, source in enumerate(words.sources):
        if source.kind == "documents" and source.dialect is not None:
            place: Location = ("sources", number, "dialect")
            text = "documents have no dialect, only model_logs have"
            yield Problem(document.mark(place), dotted(place), text, "the source without it")


def _ends(words: PolicyWords, document: Document) -> Iterator[Problem]:
    for number, matter in enumerate(words.matters):
        place: Location = ("matters", number, "hold", "retain_until")
        until = matter.hold.retain_until
        if until.year > date.fromisoformat(matter.issued).year + MAX_YEARS:
            text = f"expected at most {MAX_YEARS} years from {matter.issued}, found {format_instant(until)}"
            yield Problem(
                document.mark(place), dotted(place), f"{text}; a lock cannot be shortened", "the year as ordered"
            )


def _fits(words: PolicyWords, document: Document) -> Iterator[Problem]:
    size = statement_text(words)
    if size > MAX_STATEMENT_TEXT:
        largest = max(range(len(words.sources)), key=lambda number: _rules(words.sources[number]))
        place: Location = ("sources", largest)
        text = f"expected at most {MAX_STATEMENT_TEXT} bytes of locations, excludes and custodians in all, found {size}"
        instead = "fewer and broader globs: every signed account repeats them and holds 65,535 bytes"
        yield Problem(document.mark(place), dotted(place), text, instead)


def _authorities(words: PolicyWords, document: Document) -> Iterator[Problem]:
    """Yield authorities that would share a name, and a demand that they cannot meet."""
    names = [authority_name(one.url) for one in words.timestamps.authorities]
    for number, name in enumerate(names):
        if name in names[:number]:
            place: Location = ("timestamps", "authorities", number, "url")
            text = f"expected authorities whose addresses differ, found {name} again"
            yield Problem(document.mark(place), dotted(place), text, "each of them once")
    if words.timestamps.required > len(names):
        place = ("timestamps", "required")
        text = f"expected at most the {len(names)} authorities that are named, found {words.timestamps.required}"
        yield Problem(document.mark(place), dotted(place), text, "more authorities, or a smaller number")


def _sensitive(words: PolicyWords, document: Document) -> Iterator[Problem]:
    """Yield rules that mark by nothing or by two things at once, columns and sources that are not there."""
    known = [source.id for source in words.sources]
    for number, rule in enumerate(words.sensitive):
        place: Location = ("sensitive", number)
        ways = {"paths": rule.paths, "hashes": rule.hashes, "where": rule.where, "moderation": rule.moderation}
        found = [name for name, value in ways.items() if value]
        if len(found) != 1:
            text = f"expected one of {', '.join(ways)}, found {' and '.join(found) or 'none'}"
            yield Problem(document.mark(place), dotted(place), text, "one of them; a second rule takes the other")
        for column in rule.where:
            yield from check_column(column, (*place, "where", column), document)
        logs = [one for one in words.sources if one.kind == "model_logs"]
        if (rule.where or rule.moderation) and not any(not rule.sources or one.id in rule.sources for one in logs):
            text = "records are found in sources of model_logs, and this rule has none"
            yield Problem(document.mark(place), dotted(place), text, "paths or hashes for documents")
        for index, source in enumerate(rule.sources):
            if source not in known:
                at: Location = (*place, "sources", index)
                instead = closest(source, known) or f"one of {', '.join(known)}"
                yield Problem(document.mark(at), dotted(at), f"there is no source {source} in this policy", instead)


def _quarantine(words: PolicyWords, document: Document) -> Iterator[Problem]:
    """Yield what a quarantine lacks: one place for the sealed bytes, and somebody for each matter who can open them."""
    sealing = [number for number, one in enumerate(words.destinations) if one.seals]
    for number in sealing[1:]:
        place: Location = ("destinations", number, "seals")
        text = f"the destination {words.destinations[sealing[0]].id} seals already"
        yield Problem(document.mark(place), dotted(place), text, "one place for what is kept in quarantine")
    matters = {matter.id: matter for matter in words.matters}
    for number, rule in enumerate(words.sensitive):
        at: Location = ("sensitive", number, "handling")
        if rule.handling != "quarantine":
            continue
        if not sealing or words.destinations[sealing[0]].ended:
            text = "a quarantine needs a destination that seals, found none"
            yield Problem(document.mark(at), dotted(at), text, "a destination of its own with seals: true")
        sources = [one for one in words.sources if not rule.sources or one.id in rule.sources]
        served = {name for source in sources for name in source.matters if name in matters}
        for name in sorted(served):
            if matters[name].recipient is None:
                text = f"a quarantine needs a recipient for the matter {name}, found none"
                yield Problem(
                    document.mark(at), dotted(at), text, f"recipient: keys/{name.lower()}.pub below that matter"
                )


def _rules(source: SourceWords) -> int:
    return sum(_length([rule.glob, rule.reason]) for rule in source.exclude) + sum(
        _length([custodian.name, custodian.paths]) for custodian in source.custodians
    )


_COUNTS: Final = 80  # member names, counts and punctuation around each of them in a statement


def _length(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode()) + _COUNTS
