"""A dry look at the sources: what a snapshot would read, reuse and pass over, and how much of it.

It costs a stat per item and reads nothing. What is too much is refused here, since a compliance lock cannot be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from archiver.catalog.catalog import Catalog
from archiver.errors import UsageError
from archiver.events import Listener, Stage
from archiver.flows.snapshot.glance import Glance
from archiver.flows.snapshot.marking import marks_in_sight
from archiver.flows.snapshot.sight import Sight, sights
from archiver.flows.snapshot.telling import Telling
from archiver.late import dataclass
from archiver.model.mark import Marking
from archiver.model.policy import Policy, Source
from archiver.sources.base import SourceUnavailable
from archiver.sources.location import GlancedFolder, location

if TYPE_CHECKING:
    from archiver.flows.snapshot.first_look import FirstLook

__all__ = ["SourceSurvey", "Survey", "check_limits", "survey"]

_EXAMPLES = 5


@dataclass
class SourceSurvey:
    """What was seen in one source; `bytes` by decision, `rules` items and bytes by the rule that keeps them out."""

    source: str
    items: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    rules: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    narrowed: list[str] = field(default_factory=list)
    narrowed_items: int = 0
    unavailable: str | None = None
    marked: Counter[str] = field(default_factory=Counter)
    """Items by mark: by their paths, and by the digest of what was last kept of them."""

    def count(self, sight: Sight, marking: Marking) -> None:
        """Count one item."""
        if marking.has_rules and sight.decision in ("read", "unchanged"):
            self.marked.update(mark.mark for mark in marks_in_sight(marking, sight))
        size = sight.found.size or 0
        self.items[sight.decision] += 1
        self.bytes[sight.decision] += size
        if sight.rule is not None:
            reason, items, total = self.rules.get(sight.rule, (sight.reason or "", 0, 0))
            self.rules[sight.rule] = (reason, items + 1, total + size)
        if sight.narrows or (sight.rule is not None and sight.was_kept):
            self.narrowed_items += 1
            self.narrowed = [*self.narrowed, sight.item.path][:_EXAMPLES]

    def count_taken(self, glance: Glance) -> None:
        """Count what was taken at a glance."""
        for decision, (items, size) in glance.taken.items():
            if items:
                self.items[decision] += items
                self.bytes[decision] += size


@dataclass(frozen=True)
class Survey:
    """What was seen in all sources."""

    sources: tuple[SourceSurvey, ...]

    @property
    def new_bytes(self) -> int:
        """Return how many bytes would be read and locked."""
        return sum(one.bytes["read"] for one in self.sources)


def survey(
    catalog: Catalog,
    sources: Iterable[Source],
    clock: Callable[[], datetime],
    listener: Listener,
    marking: Marking,
    *,
    look: FirstLook | None = None,
) -> Survey:
    """Look at every item of the sources; `look` sees all of them, too."""
    found = []
    for source in sources:
        listener(Stage(f"look at {source.id}", None, "items"))
        one, telling = SourceSurvey(source.id), Telling(listener)
        see = None if look is None else look.begin(source)
        recall, place = catalog.recall(source.id), location(source)
        glance = None
        if look is not None:
            glance = look.glance(source, recall, telling.many)
        elif not marking.has_rules:
            glance = Glance(source, recall, clock, telling.many, packing=None, keep=None)
        if glance is not None and source.path is not None:
            place = GlancedFolder(source.path, glance.files)
        try:
            for sight in sights(source, place, recall.of, clock, quick=True):
                one.count(sight, marking)
                if see is not None:
                    see(sight)
                telling.one()
            if glance is not None:
                glance.end()
                one.count_taken(glance)
            telling.rest()
        except SourceUnavailable as problem:
            one.unavailable = problem.message
            if look is not None:
                look.lose(source)
        found.append(one)
    if look is not None:
        look.end()
    return Survey(tuple(found))


def check_dialects(policy: Policy) -> None:
    """Refuse a dialect that nobody published, before anything is done for it."""
    named = {source.dialect for source in policy.sources if source.kind == "model_logs" and source.ended is None}
    if named <= {"auto"}:
        return
    from archiver.sources.reading_logs import LogReader  # noqa: PLC0415 - Arrow, for a policy that names one

    reader = LogReader()
    for dialect in sorted(named):
        reader.recogniser(dialect)


def check_limits(policy: Policy, seen: Survey, *, accept_narrowing: bool) -> None:
    """Refuse what is beyond the policy's limits, and rules that newly pass over what was kept before."""
    if seen.new_bytes > policy.limits.snapshot_bytes:
        raise UsageError(
            "limit-snapshot",
            f"snapshot: expected at most {policy.limits.snapshot_bytes} new bytes, found {seen.new_bytes}",
            hint="a lock cannot be undone: look at `archiver plan`, then raise limits.snapshot_bytes in the policy",
        )
    for one in seen.sources:
        if one.narrowed and not accept_narrowing:
            raise UsageError(
                "policy-narrowing",
                f"{one.source}: the rules now pass over {one.narrowed_items} items that were kept before: "
                + ", ".join(one.narrowed),
                hint="correct the rules, or say that this is meant with `archiver snapshot --accept-narrowing`",
            )
