"""Marking the items of a run by the rules of the policy (`archiver.model.mark`).

What is inside an item has the marks of that item, too: a letter to counsel does not stop being one in an archive.

>>> Marker(marking).on(line).marks[0].mark
'privileged'
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from archiver.flows.snapshot.hash_lists import hash_list_at
from archiver.flows.snapshot.sight import Sight
from archiver.model.item import Item
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.mark import Mark, Marking, Rule, merged
from archiver.model.policy import Policy

__all__ = ["Marker", "is_withheld", "marking_of", "marks_in_sight"]


def marking_of(policy: Policy) -> Marking:
    """Read the policy's lists; raises `UsageError` before anything is done for one that is not there or not a list."""
    return Marking(
        Rule(
            one.mark,
            one.reason,
            one.handling,
            one.paths,
            None if one.hashes is None else hash_list_at(one.hashes, "sensitive"),
            one.sources,
        )
        for one in policy.sensitive
    )


def marks_in_sight(marking: Marking, sight: Sight) -> tuple[Mark, ...]:
    """Return the marks of an item that was not read: by its name, and by what was last kept of it."""
    known = sight.known
    digest = known.sha256 if known is not None and known.status in CONTENT_STATUSES else None
    return marking.of(sight.item.source, sight.item.relative_bytes(), digest)


class Marker:
    """Marks the lines of one source, an item before what is inside it."""

    def __init__(self, marking: Marking) -> None:
        """Begin before the first line."""
        self._marking = marking
        self._outer: tuple[str, tuple[Mark, ...]] = ("", ())
        self.open_outside: list[str] = []
        """Items that belong into quarantine and are inside one that was stored in the open: their bytes are in that."""

    def see(self, sight: Sight, digest: str | None) -> None:
        """Begin with an item, before it is read; `digest` is the SHA-256 of its bytes as far as it is known."""
        self._outer = (sight.item.path, self._marking.of(sight.item.source, sight.item.relative_bytes(), digest))

    def withholds(self, item: Item, digest: str | None = None) -> bool:
        """Say whether the bytes of an item go into quarantine: by its own marks, or by those of what it is in."""
        path, outer = self._outer
        own = self._marking.of(item.source, item.relative_bytes(), digest)
        return is_withheld(merged(own, outer if path == item.path else ()))

    @property
    def has_rules(self) -> bool:
        """Say whether anything at all is to be marked."""
        return self._marking.has_rules

    @property
    def wants_digest(self) -> bool:
        """Say whether bytes must be hashed before they are stored, since a list of hashes sends some to quarantine."""
        return self._marking.withholds_by_hash

    def on(self, line: ItemLine) -> ItemLine:
        """Return a line with its marks; what has no content has none."""
        if line.status not in CONTENT_STATUSES:
            return replace(line, marks=()) if line.marks else line
        marks = self._marking.of(line.item.source, line.item.relative_bytes(), line.sha256)
        if line.item.members:
            path, outer = self._outer
            outer = outer if path == line.item.path else ()
            if is_withheld(marks) and not is_withheld(outer) and line.status != "unchanged":
                self.open_outside.append("!".join([line.item.path, *line.item.members]))
            marks = merged(marks, outer)
        else:
            path, seen = self._outer
            marks = merged(marks, seen if path == line.item.path else ())  # what sent its bytes away stays said
            self._outer = (line.item.path, marks)
        return line if line.marks == marks else replace(line, marks=marks)


def is_withheld(marks: Iterable[Mark]) -> bool:
    """Say whether any of the marks sends bytes to quarantine."""
    return any(mark.handling == "quarantine" for mark in marks)
