"""Marked items are handed out only when somebody asks for their mark by name.

The marks of an item are those of its line and, where a later snapshot knows it too, those of its newest line: a rule
that came later counts for what was kept before. What is asked for stands in the statement of the access.

>>> refuse_unless(marks, ("privileged",), "mail/legal/a.eml")
"""

from __future__ import annotations

from collections.abc import Iterable

from archiver.errors import UsageError
from archiver.flows.reading import Reading, finished_snapshots, items_of
from archiver.model.items import ItemLine
from archiver.model.mark import Mark, merged
from archiver.model.statement_snapshot import SnapshotPredicate

__all__ = ["Marks", "options_for", "refuse_unless", "unasked"]


class Marks:
    """The marks of the items of a snapshot, by all that is known of them by now."""

    def __init__(self, reading: Reading, wanted: SnapshotPredicate) -> None:
        """Read the lines of later snapshots that speak of the same sources, as far as they have marks."""
        self._later: dict[str, tuple[Mark, ...]] = {}
        newest: dict[str, SnapshotPredicate] = {}
        for predicate in finished_snapshots(reading.archive):
            newest |= {source.id: predicate for source in predicate.sources}
        wanted_sources = {source.id for source in wanted.sources}
        later = {one.id: one for source, one in newest.items() if source in wanted_sources and one.id != wanted.id}
        for one in later.values():
            for line in items_of(reading.archive, one):
                if line.marks and newest.get(line.item.source) == one:
                    self._later[line.item.text()] = line.marks

    @property
    def are_told(self) -> bool:
        """Whether the marks of an item are those of its line, and no later line adds any."""
        return not self._later

    def of(self, line: ItemLine) -> tuple[Mark, ...]:
        """Return the marks of an item of the snapshot."""
        later = self._later.get(line.item.text(), ()) if self._later else ()
        return merged(line.marks, later) if later else line.marks


def unasked(marks: Iterable[Mark], include: Iterable[str]) -> list[str]:
    """Return the marks that nobody asked for."""
    wanted = set(include)
    return [one.mark for one in marks if one.mark not in wanted]


def options_for(marks: Iterable[str]) -> str:
    """Return what to write to get marked items."""
    return " ".join([*(f"--include-marked {mark}" for mark in sorted(marks)), "--reason TEXT"])


def refuse_unless(marks: Iterable[Mark], include: Iterable[str], name: str) -> None:
    """Refuse to hand one item out that has a mark which was not asked for; raises `UsageError("marked")`."""
    left = unasked(marks, include)
    if left:
        raise UsageError(
            "marked",
            f"{name}: expected an item without marks, found one marked {', '.join(left)}",
            hint=f"if it is meant, say {options_for(left)}; that is signed into the log",
        )
