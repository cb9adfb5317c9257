"""Marking the items of a run by the rules of the policy (`archiver.model.mark`).

What is inside an item has the marks of that item, too: a letter to counsel does not stop being one in an archive. And
an item that has something inside it whose bytes are on a list is marked as that is, since it has these bytes in it;
such a mark goes to all that it is inside of, and not to what lies beside it.

>>> Marker(marking).on(line).marks[0].mark
'privileged'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from archiver.flows.snapshot.content_rules import forget_lists
from archiver.flows.snapshot.hash_lists import hash_list_at
from archiver.flows.snapshot.sight import Sight
from archiver.model.item import Item
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.mark import Mark, Marking, Rule, merged
from archiver.model.policy import Policy
from archiver.proof.digest import sha256_of_blocks

if TYPE_CHECKING:
    from archiver.flows.snapshot.record_marks import RecordMarks

__all__ = ["Listed", "Marker", "is_withheld", "marking_of", "marks_in_sight"]

Listed: TypeAlias = tuple[Item, tuple[Mark, ...]]
"""Something inside an item, and the marks that it has for its bytes."""

_LONGEST: Final = 300  # characters of a member's name in a reason; it is for people, and the member has a line


def marking_of(policy: Policy) -> Marking:
    """Read the policy's lists; raises `UsageError` before anything is done for one that is not there or not a list.

    Every run begins with it, so that a run reads each list once, and the next one anew.
    """
    forget_lists()
    return Marking(
        Rule(
            one.mark,
            one.reason,
            one.handling,
            one.paths,
            None if one.hashes is None else hash_list_at(one.hashes, "sensitive"),
            one.sources,
            one.where,
            one.moderation,
        )
        for one in policy.sensitive
    )


def marks_in_sight(marking: Marking, sight: Sight) -> tuple[Mark, ...]:
    """Return the marks of an item that was not read: by its name, and by what was last kept of it."""
    if not marking.has_rules:
        return ()
    known = sight.known
    digest = known.sha256 if known is not None and known.status in CONTENT_STATUSES else None
    return marking.of(sight.item.source, sight.item.relative_bytes(), digest)


class Marker:
    """Marks the lines of one source, an item before what is inside it."""

    def __init__(self, marking: Marking, records: RecordMarks | None = None) -> None:
        """Begin before the first line; `records` judges what is in logs, where a rule asks for that."""
        self._marking = marking
        self.records = records
        self._outer: tuple[str, tuple[Mark, ...]] = ("", ())
        self._inside: tuple[str, Sequence[Listed]] = ("", ())
        self.open_outside: list[str] = []
        """Items that belong into quarantine and are inside one that was stored in the open: their bytes are in that."""

    def see(self, sight: Sight, digest: str | None) -> None:
        """Begin with an item, before it is read; `digest` is the SHA-256 of its bytes as far as it is known."""
        self._outer = (sight.item.path, self._marking.of(sight.item.source, sight.item.relative_bytes(), digest))

    def see_inside(self, outermost: Item, listed: Sequence[Listed]) -> None:
        """Take in what is inside an item and on a list, before anything of it is stored."""
        self._inside = (outermost.text(), listed)

    def listed(self, item: Item, digest: str) -> list[Listed]:
        """Return the item with its marks where its bytes are on a list."""
        return self.found(item, self._marking.of(item.source, None, digest))

    def listed_log(self, item: Item, blocks: Iterable[bytes]) -> list[Listed]:
        """Return a log with its marks, where its bytes are on a list or a rule finds any of its records."""
        if self.records is None:
            return self.listed(item, sha256_of_blocks(blocks))
        digest, marks = self.records.inside(item, blocks)
        return self.found(item, merged(self._marking.of(item.source, None, digest), marks))

    @staticmethod
    def found(item: Item, marks: tuple[Mark, ...]) -> list[Listed]:
        """Return an item with its marks, where it has any."""
        return [(item, marks)] if marks else []

    def withholds(self, item: Item, digest: str | None = None) -> bool:
        """Say whether the bytes of an item go into quarantine: by its own marks, or by those of what it is in."""
        if not self._marking.has_rules:
            return False
        path, outer = self._outer
        own = self._marking.of(item.source, item.relative_bytes(), digest)
        return is_withheld(merged(own, outer if path == item.path else (), self._by_inside(item)))

    @property
    def has_rules(self) -> bool:
        """Say whether anything at all is to be marked."""
        return self._marking.has_rules

    @property
    def lists_hashes(self) -> bool:
        """Say whether there are lists of hashes."""
        return self._marking.lists_hashes

    @property
    def looks_inside(self) -> bool:
        """Say whether it matters what is inside an item."""
        return self._marking.lists_hashes or self.records is not None

    @property
    def wants_digest(self) -> bool:
        """Say whether bytes must be hashed before they are stored, since a list of hashes sends some to quarantine."""
        return self._marking.withholds_by_hash

    def on(self, line: ItemLine) -> ItemLine:
        """Return a line with its marks; what has no content has none."""
        if not line.marks and not self._marking.has_rules:
            return line
        if line.status not in CONTENT_STATUSES:
            return replace(line, marks=()) if line.marks else line
        marks = merged(
            self._marking.of(line.item.source, line.item.relative_bytes(), line.sha256), self._of_records(line)
        )
        if line.item.members:
            path, outer = self._outer
            outer = outer if path == line.item.path else ()
            around = merged(outer, self._by_inside(replace(line.item, members=())))
            if (
                is_withheld(marks)
                and not is_withheld(around)
                and not line.item.members[-1].startswith("select:")
                and line.status != "unchanged"
            ):
                self.open_outside.append("!".join([line.item.path, *line.item.members]))
            marks = merged(marks, outer, self._by_inside(line.item), self._kept(line, of_rows=False))
        else:
            path, seen = self._outer
            marks = merged(marks, seen if path == line.item.path else ())  # what sent its bytes away stays said
            # What it is marked for by what is inside it goes to nothing else inside it.
            self._outer = (line.item.path, marks)
            marks = merged(marks, self._by_inside(line.item), self._kept(line, of_rows=False))
        return line if line.marks == marks else replace(line, marks=marks)

    def _of_records(self, line: ItemLine) -> tuple[Mark, ...]:
        """Return the marks for records of an item: as they were read now, or when the item was read last."""
        if self.records is None:
            return ()
        return self.records.of(line.item) or self._kept(line, of_rows=True)

    def _kept(self, line: ItemLine, *, of_rows: bool) -> tuple[Mark, ...]:
        """Return the marks for records, of the item's own rows or of what is inside it, of when it was read last."""
        kept = line.marks if line.status == "unchanged" and self.records is not None else ()
        names = self.records.names if self.records is not None else frozenset()
        return tuple(mark for mark in kept if mark.by in names and (mark.records is not None) == of_rows)

    def _by_inside(self, item: Item) -> tuple[Mark, ...]:
        """Return the marks that an item has for what is inside it, the first such member in the reason of each."""
        outermost, listed = self._inside
        if not listed or replace(item, members=()).text() != outermost:
            return ()
        named: dict[str, Mark] = {}
        depth = len(item.members)
        for one, marks in listed:
            if len(one.members) > depth and one.members[:depth] == item.members:
                name = _spelled(one.members[depth:])
                for mark in marks:
                    named.setdefault(mark.mark, replace(mark, reason=f"{mark.reason}; inside it: {name}"))
        return merged(named.values())


def _spelled(members: Sequence[str]) -> str:
    name = "!".join(members)
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def is_withheld(marks: Iterable[Mark]) -> bool:
    """Say whether any of the marks sends bytes to quarantine."""
    return any(mark.handling == "quarantine" for mark in marks)
