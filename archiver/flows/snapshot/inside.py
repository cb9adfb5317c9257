"""What is inside a container, member by member, each an item of its own (FORMAT.md, Members).

The container is on record before, whole. Its members are read once, in its own order, and become rows as they come:
memory does not depend on them. A member that is a container itself is written to a scratch file without a name, kept as
rows like any other, and then taken apart as well.

    - bytes that this member had before, or that another item has, are not stored again
    - a member that came out in part is `damaged`; one that gave nothing is `failed`; a folder or link is `recorded`
    - where a container cannot be followed further, or the limits of the policy are met, a `failed` line with an empty
      name stands for all that follows

A killed run goes on: members that are accounted for are passed, rows that were sealed are not sent twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from archiver.catalog.catalog import Catalog
from archiver.events import Advanced, Listener
from archiver.flows.snapshot.accounted import Accounted
from archiver.flows.snapshot.beginnings import shared_parts
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.item_lines import bytes_of, said
from archiver.flows.snapshot.marking import Marker
from archiver.flows.snapshot.open_item import PrefixChangedError
from archiver.flows.snapshot.scratch import Scratch, keep
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Stream
from archiver.late import dataclass
from archiver.model import mime
from archiver.model.item import Item, escape_path
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.policy import Limits, Source
from archiver.proof.digest import sha256_of_blocks
from archiver.sources import documents
from archiver.sources.base import Problem, ReadProblem
from archiver.sources.compressed import Damage, StoppedError
from archiver.sources.documents import Whole
from archiver.sources.location import Reading
from archiver.sources.rows import rows_of
from archiver.sources.unpack import exports, kinds
from archiver.sources.unpack.base import LONGEST_NAME, Budget, Bytes, Member, UnpackLimits, span
from archiver.sources.unpack.encodings import ENCODINGS
from archiver.sources.unpack.exports_checked import checked
from archiver.writer.rows import Facts

__all__ = ["Coming", "Inside", "Walk", "container_of", "unpack_limits", "wanted_of"]

_LOGS: Final = ("application/json", "application/x-ndjson", "text/plain", "text/csv")
"""Media types of members that are logs, in a source of logs."""
_ARCHIVES: Final = frozenset({"zip", "tar", "compressed", "7z"})
"""What is taken apart in a source of logs: a log may begin like a mail or a capture."""


def unpack_limits(limits: Limits) -> UnpackLimits:
    """Return how far the policy wants containers followed."""
    return UnpackLimits(limits.unpack_depth, limits.unpack_members, limits.unpack_bytes, limits.unpack_ratio)


@dataclass(frozen=True)
class Inside:
    """Takes the containers of one source apart. `enter` accounts for a line with its media type."""

    source: Source
    streams: Mapping[str, Stream]
    catalog: Catalog
    contents: Contents
    recognise: Callable[[bytes], str]
    enter: Callable[[Sight, ItemLine, str | None], ItemLine]
    accounted: Accounted
    limits: UnpackLimits
    scratch: Path
    marker: Marker
    listener: Listener

    @functools.cached_property
    def wanted(self) -> frozenset[str]:
        """What the policy wants taken apart, in its words."""
        return wanted_of(self.source)

    def is_log(self, media: str | None) -> bool:
        """Say whether a member of this media type is read as a log."""
        return self.source.kind == "model_logs" and media in _LOGS

    def kind_of(self, opened: Reading, head: bytes) -> str | None:
        """Return which container a file is, None for what is taken as it is. A compressed log is none."""
        return container_of(self.source, opened, head)

    def lacked_a_reader(self, item: Item) -> bool:
        """Say whether something in a file could not be taken apart by what was installed then."""
        return any(line.reason == "unsupported" for line in self.catalog.latest_inside(item.source, item.path))

    def lines(
        self, sight: Sight, opened: Reading, kind: str, outer: ItemLine, *, compares: bool = False
    ) -> Iterator[ItemLine]:
        """Take a file apart that is on record as `outer`, and enter a line for all that is inside.

        It `compares` what is accounted for with what is there where the file was read anew behind a kill.
        """
        budget = Budget(self.limits, opened.first.size)
        walk = Walk(self, sight, lambda: _is_as(outer, opened), budget, compares=compares)
        yield from walk.container(sight.item, kind, Whole(opened), 1)


def wanted_of(source: Source) -> frozenset[str]:
    """Return which containers of a source are taken apart, in the words of the policy."""
    wanted = frozenset(source.unpack)
    return wanted & _ARCHIVES if source.kind == "model_logs" else wanted


def container_of(source: Source, opened: Reading, head: bytes) -> str | None:
    """Return which container a file is, None for what is taken as it is. A compressed log is none."""
    wanted = wanted_of(source)
    if source.kind == "model_logs" and (kind := kinds.recognise(head, wanted)) in ENCODINGS:
        within = kinds.recognise(kinds.beginning(str(kind), head), wanted)
        return kind if within is not None and within not in ENCODINGS else None
    return documents.container_of(opened, head, wanted)


class Coming:
    """Bytes of a member on their way; after their end `damage` says why it came early."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        """Read as much as is looked at."""
        self._blocks = iter(blocks)
        self.damage: Damage | None = None
        self.head = b""
        self._first: list[bytes] = []
        while len(self.head) < kinds.HEAD and (piece := self._next()):
            self._first.append(piece)
            self.head = (self.head + piece)[: kinds.HEAD]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        self._first = []
        while piece := self._next():
            yield piece

    def _next(self) -> bytes:
        if self.damage is not None:
            return b""
        try:
            return next(self._blocks, b"")
        except StoppedError as stopped:
            self.damage = stopped.damage
            return b""


@dataclass(frozen=True)
class _Open:
    """A member that becomes rows of a table."""

    item: Item
    member: Member
    facts: Facts
    table: str


class Walk:
    """One file of the source, and everything inside it."""

    def __init__(
        self, place: Inside, sight: Sight, steady: Callable[[], bool], budget: Budget, *, compares: bool = False
    ) -> None:
        """Bind to the file; `steady` says whether it is still as it was archived."""
        self._place = place
        self._sight = sight
        self._steady = steady
        self._budget = budget
        self._compares = compares
        self._exports: dict[str, exports.Export] = {}

    def container(self, item: Item, kind: str, file: Bytes, depth: int) -> Iterator[ItemLine]:
        """Take a container apart that has this name, and yield a line for all that is inside."""
        counted = Budget(self._place.limits, file.size).counted  # what is read of it once more, to compare
        shelf = exports.shelf_of_zip(file, counted) if kind == "zip" else {}
        if (export := exports.read(shelf)) is not None:
            self._exports[item.text()] = export
            yield from self.members(item, kind, lambda: kinds.open_container(kind, file), depth)
            yield from self.members(item, "export", lambda: checked(export, shelf, self._place.scratch), depth)
        elif kind not in kinds.DESCRIBED:
            yield from self.members(item, kind, lambda: kinds.open_container(kind, file), depth)
        elif isinstance(file, Scratch):
            yield from self.members(item, kind, lambda: kinds.DESCRIBED[kind](file.descriptor), depth)
        else:
            with keep(span(file, 0, file.size), self._place.scratch) as whole:
                yield from self.container(item, kind, whole, depth)

    def members(self, item: Item, kind: str, opens: Callable[[], Iterator[Member]], depth: int) -> Iterator[ItemLine]:
        """Take apart what `opens` gives the members of, and yield a line for each and what is inside it."""
        ordinal = 0
        if depth > self._place.limits.depth:
            words = f"expected at most {self._place.limits.depth} containers in each other, found more"
            yield from self._without(item.inside(f"{kind}:0:"), Problem("too-deep", words))
            return
        try:
            for member in opens():
                ordinal = member.ordinal
                self._budget.member()
                name = escape_path(member.name[:LONGEST_NAME])
                yield from self._member(item.inside(kinds.spell(kind, ordinal, name)), member, kind, depth)
                ordinal += 1
        except StoppedError as stopped:
            damage = stopped.damage
            yield from self._without(item.inside(f"{kind}:{ordinal}:"), Problem(damage.reason, damage.detail))
        except ReadProblem as problem:
            if depth > 1:
                raise
            yield from self._without(item.inside(f"{kind}:{ordinal}:"), problem.problem)

    def _member(self, item: Item, member: Member, kind: str, depth: int) -> Iterator[ItemLine]:
        if member.kind not in ("inner", "message") or member.note is not None:
            yield from self._recorded(item, member)
            return
        if member.problem is not None:
            yield from self._without(item, member.problem, member)
            return
        coming = Coming(self._budget.counted(member.blocks()))
        is_mail = member.kind == "message" and kind in kinds.MAILS
        within = kinds.recognise(coming.head, self._place.wanted, message=is_mail)
        if within in kinds.STREAMED and kind in ENCODINGS:
            # The stream is whole in its container, and a tar or a capture is looked at by what is in it.
            yield from self.members(item, within, lambda: kinds.STREAMED[within](_raised(coming)), depth)
        elif within is None:
            yield from self._rows(item, member, coming, None)
        else:
            with keep(coming, self._place.scratch) as whole:
                yield from self._rows(item, member, coming, whole)
                if kinds.is_container(within, whole, self._place.wanted):
                    yield from self.container(item, within, whole, depth + 1)

    def _recorded(self, item: Item, member: Member) -> Iterator[ItemLine]:
        if not self._place.accounted(item.text()):
            line = replace(self._line(item, member), status="recorded", detail=member.note)
            yield self._place.enter(self._sight, line, None)

    def _without(self, item: Item, problem: Problem, member: Member | None = None) -> Iterator[ItemLine]:
        """Account for what gave no bytes."""
        if not self._place.accounted(item.text()):
            line = self._line(item, member)
            line = replace(line, status="failed", reason=problem.reason, detail=problem.detail, errno=problem.errno)
            yield self._place.enter(self._sight, line, None)

    def _line(self, item: Item, member: Member | None) -> ItemLine:
        return ItemLine(
            item=item,
            kind="inner" if member is None else member.kind,
            table=None,
            status="captured",
            observed_at=self._sight.observed_at,
            size=None if member is None or member.kind not in ("inner", "message") else member.size,
        )

    # Rows

    def _rows(self, item: Item, member: Member, coming: Coming, whole: Scratch | None) -> Iterator[ItemLine]:
        """Capture a member; `whole` has its bytes where they are needed again."""
        if self._place.accounted(item.text()):
            if not self._compares:
                return
            if whole is None:  # its bytes are needed twice
                with keep(coming, self._place.scratch) as kept:
                    yield from self._rows(item, member, coming, kept)
                return
            if self._place.accounted.of_bytes(item.text(), sha256_of_blocks(span(whole, 0, whole.size))):
                return
        media = mime.guess(member.name, coming.head)
        is_log = self._place.is_log(media)
        facts = Facts(
            mime=None if is_log else media,
            modified_ns=member.modified_ns,
            custodian=self._sight.custodian or self._exported_from(item),
            collected_at=self._sight.observed_at,
            dialect=self._place.recognise(coming.head) if is_log else None,
        )
        table = "model_logs" if is_log else "documents"
        yield self._place.enter(
            self._sight, self._captured(_Open(item, member, facts, table), coming, whole), facts.mime
        )

    def _exported_from(self, item: Item) -> str | None:
        """Return whose an item is as the export says that it came in."""
        for depth, member in enumerate(item.members) if self._exports else ():
            export = self._exports.get(replace(item, members=item.members[:depth]).text())
            if export is not None:
                return export.custodian_of(member.split(":", 2)[-1])
        return None

    def _captured(self, one: _Open, coming: Coming, whole: Scratch | None) -> ItemLine:
        stream, marker = self._place.streams[one.table], self._place.marker
        if whole is None and marker.wants_digest:  # its bytes decide where they go, so they are needed twice
            with keep(coming, self._place.scratch) as kept:
                return self._captured(one, coming, kept)
        digest = None if whole is None or not marker.wants_digest else sha256_of_blocks(span(whole, 0, whole.size))
        stream.begin(one.item, one.facts, withheld=marker.withholds(one.item, digest))
        if whole is not None:
            return self._twice(one, coming, whole)
        if not stream.revocable:  # a killed run sealed rows of it: they may turn out to be others
            with keep(coming, self._place.scratch) as kept:
                return self._twice(one, coming, kept)
        return self._fed(one, coming, coming)

    def _twice(self, one: _Open, coming: Coming, whole: Scratch) -> ItemLine:
        """Feed bytes that are kept; once more from the first row when those that were sealed are others now."""
        try:
            return self._fed(one, coming, span(whole, 0, whole.size))
        except PrefixChangedError:
            stream = self._place.streams[one.table]
            withheld = stream.withheld
            stream.revoke()
            stream.begin(one.item, one.facts, withheld=withheld)
            return self._fed(one, coming, span(whole, 0, whole.size))

    def _fed(self, one: _Open, coming: Coming, blocks: Iterable[bytes]) -> ItemLine:
        stream = self._place.streams[one.table]
        try:
            for rows in rows_of(one.table, one.facts.dialect, blocks):
                stream.feed(rows)
                self._place.listener(Advanced(sum(map(len, rows))))
        except ReadProblem:
            stream.revoke()
            raise
        size, digest, damage = stream.size, stream.digest(), coming.damage
        line = replace(self._line(one.item, one.member), table=one.table, basis="read", size=size, sha256=digest)
        line = self._judged(line, damage)
        if size == 0 and damage is not None:
            stream.revoke()
            return replace(line, status="failed", table=None, basis=None, size=one.member.size, sha256=None)
        if stream.revocable and (known := self._known(line, withheld=stream.withheld)) is not None:
            stream.revoke()
            return known
        return replace(line, parts=stream.end(one.facts._replace(size=size, sha256=digest)).parts)

    def _judged(self, line: ItemLine, damage: Damage | None) -> ItemLine:
        if damage is not None:
            return replace(line, status="damaged", reason=damage.reason, detail=damage.detail)
        if not self._steady():
            return replace(line, status="changed_during_read", reason="changed-during-read")
        return line

    def _known(self, line: ItemLine, *, withheld: bool) -> ItemLine | None:
        """Return the line of a member whose bytes are archived: under its own name, or another one."""
        own = self._place.catalog.archived(line.item)
        if own is not None and own.status in CONTENT_STATUSES and (own.table, own.sha256) == (line.table, line.sha256):
            status = "unchanged" if line.status == "captured" else line.status
            return replace(line, status=status, parts=own.parts)
        table, size, digest = str(line.table), line.size or 0, str(line.sha256)
        if not self._place.contents.has_size(table, size):
            return None
        twin = self._place.contents.find(table, size, digest, self._place.source)
        if twin is None or twin.item == line.item or any(part.sealed != withheld for part in twin.parts):
            return None
        line = replace(line, parts=shared_parts(twin, line.item))
        if line.status != "captured":
            return line
        return replace(line, reason="duplicate", detail=bytes_of(twin))


def _raised(coming: Coming) -> Iterator[bytes]:
    """Yield the bytes, and say again at their end why it came early."""
    yield from coming
    if coming.damage is not None:
        raise StoppedError(coming.damage.reason, coming.damage.detail)


def _is_as(outer: ItemLine, opened: Reading) -> bool:
    """Say whether the item is still the one that was archived, as far as its system tells."""
    now = said(outer, opened.stat_now())
    if outer.file is None or now.file is None:
        return now.object == outer.object
    return outer.size == opened.stat_now().size and all(
        outer.file[name] == now.file[name] for name in ("dev", "ino", "mtime_ns", "ctime_ns")
    )
