"""Lines of the table `items`: what is said of an item, once it is known what became of it.

failed_line     it could not be looked at or read
inner_line      what a compressed log holds
shared_line     its bytes are archived under another name
what_became     the `reason` of a log that grew, was rotated, cut short or written anew
journal_line    any of them, as the journal keeps it
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from archiver.flows.snapshot.beginnings import Beginning, shared_parts
from archiver.flows.snapshot.losses import is_another_file, loss_of
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Captured
from archiver.model.item import Item
from archiver.model.items import CHANGED_UNSEEN, CONTENT_STATUSES, ItemLine, Json
from archiver.model.selected import selected_by
from archiver.model.selection import INCLUDE_RULE
from archiver.model.unjudged import is_unjudged
from archiver.sources.base import Facts, FileFacts, ObjectFacts, Problem
from archiver.sources.rotation import family
from archiver.writer.journal_words import Line

if TYPE_CHECKING:  # a source where nothing is new is never decoded
    from archiver.sources.decode import Damage

__all__ = [
    "basis_of",
    "bytes_of",
    "captured_line",
    "failed_inside",
    "failed_line",
    "inner_line",
    "inside_again",
    "journal_line",
    "passed_over_line",
    "read_line",
    "said",
    "same_family",
    "shared_inside",
    "shared_line",
    "unchanged_line",
    "what_became",
    "without_content_line",
]


def failed_line(sight: Sight, problem: Problem) -> ItemLine:
    """Return the line of an item that could not be looked at or read."""
    line = ItemLine(
        item=sight.item,
        kind=sight.found.kind,
        table=None,
        status="failed",
        reason=problem.reason,
        detail=problem.detail,
        errno=problem.errno,
        observed_at=sight.observed_at,
        size=sight.found.size,
    )
    return said(line, sight.found.seen_closer().facts)


def without_content_line(sight: Sight) -> ItemLine:
    """Return the line of what is not read: excluded, recorded, or failed before it could be opened."""
    if sight.decision == "failed" and sight.found.error is not None:
        return failed_line(sight, sight.found.error)
    line = ItemLine(
        item=sight.item,
        kind=sight.found.kind,
        table=None,
        status=sight.decision,
        reason=None if sight.rule is None else ("include" if sight.rule == INCLUDE_RULE else "exclude"),
        detail=sight.rule,
        observed_at=sight.observed_at,
        basis=basis_of(sight),
        size=sight.found.size,
        sha256=sight.known.sha256 if sight.known is not None and sight.known.detail == sight.rule else None,
    )
    return said(line, sight.found.facts)


def passed_over_line(sight: Sight, rule: str, sha256: str | None, facts: Facts) -> ItemLine:
    """Return the line of a document that a rule passes over for what is in it."""
    line = ItemLine(
        item=sight.item,
        kind=sight.found.kind,
        table=None,
        status="excluded",
        reason="exclude",
        detail=rule,
        basis="read",
        observed_at=sight.observed_at,
        size=facts.size,
        sha256=sha256,
    )
    return said(line, facts)


def captured_line(
    sight: Sight, table: str, captured: Captured, reason: str | None, detail: str | None, *, steady: bool
) -> ItemLine:
    """Return the line of an item that has rows of its own, before what its system says of it now is added."""
    return ItemLine(
        item=sight.item,
        kind=sight.found.kind,
        table=table,
        status="captured" if steady else "changed_during_read",
        reason=reason,
        detail=detail,
        observed_at=sight.observed_at,
        size=captured.size,
        sha256=captured.sha256,
        parts=captured.parts,
    )


def unchanged_line(sight: Sight, known: ItemLine) -> ItemLine:
    """Return the line of an item that is as it was when it was last read, by its times or its ETag.

    What its system says of it is said anew; what only a reading shows is as it was shown then.
    """
    facts, file, said_of = sight.found.facts, None, None
    if isinstance(facts, FileFacts):
        file = cast("Json", facts.to_json())
        # What changes any of these sets ctime, and that is as it was.
        file |= {name: known.file[name] for name in ("btime_ns", "holes", "xattrs")} if known.file else {}
    elif isinstance(facts, ObjectFacts):
        said_of = facts.words if known.object is None else {**facts.words, "read": known.object.get("read")}
    return ItemLine(
        item=sight.item,
        kind=known.kind,
        table=known.table,
        status="unchanged",
        observed_at=sight.observed_at,
        basis=basis_of(sight),
        size=known.size,
        sha256=known.sha256,
        parts=known.parts,
        file=file,
        marks=known.marks,
        object=said_of,
    )


def failed_inside(sight: Sight, item: Item, problem: Problem) -> ItemLine:
    """Return the line of what a compressed log holds when the log could not be read to its end."""
    return replace(failed_line(sight, problem), item=item, kind="inner", file=None, object=None, size=None)


def inner_line(sight: Sight, item: Item, captured: Captured, damage: Damage | None, *, steady: bool) -> ItemLine:
    """Return the line of what a compressed log holds."""
    status, reason, detail = "captured", None, None
    if damage is not None:
        status, reason, detail = "damaged", damage.reason, damage.detail
    elif not steady:
        status, reason = "changed_during_read", "changed-during-read"
    return ItemLine(
        item=item,
        kind="inner",
        table="model_logs",
        status=status,
        reason=reason,
        detail=detail,
        observed_at=sight.observed_at,
        basis="read",
        size=captured.size,
        sha256=captured.sha256,
        parts=captured.parts,
    )


def journal_line(sight: Sight, line: ItemLine, media: str | None) -> Line:
    """Return a line as the journal keeps it."""
    is_new = line.status in ("captured", "changed_during_read", "damaged") and line.basis == "read"
    return Line.of(line, mime=media, custodian=sight.custodian, new_bytes=(line.size or 0) if is_new else 0)


def shared_line(sight: Sight, twin: ItemLine, loss: tuple[str, str] | None = None) -> ItemLine:
    """Return the line of a file whose bytes are archived under another name, and the `loss` of what it had before.

    That its name goes from file to file is what rotation is, and no loss.
    """
    rotated = twin.table == "model_logs" and same_family(twin.item, sight.item)
    reason, detail = "rotated" if rotated else "duplicate", bytes_of(twin)
    if loss is not None and not (rotated and loss[0] == "replaced"):
        reason, detail = loss[0], f"{loss[1]}; now it has {detail}"
    return ItemLine(
        item=sight.item,
        kind=sight.found.kind,
        table=twin.table,
        status="captured",
        reason=reason,
        detail=detail,
        observed_at=sight.observed_at,
        size=twin.size,
        sha256=twin.sha256,
        parts=shared_parts(twin, sight.item),
    )


def bytes_of(twin: ItemLine) -> str:
    """Return the detail of a line whose rows are another item's."""
    return "the bytes of " + "!".join([f"{twin.item.source}/{twin.item.path}", *twin.item.members])


def shared_inside(sight: Sight, item: Item, twin: ItemLine) -> ItemLine:
    """Return the line of what a file holds that is archived under another name."""
    line = replace(
        shared_line(sight, twin), item=item, kind="inner", basis="read", object=None, parts=shared_parts(twin, item)
    )
    if twin.status == "damaged":
        return replace(line, status="damaged", reason=twin.reason, detail=twin.detail)
    return line


def what_became(sight: Sight, table: str, begun: Beginning | None, now: Facts) -> tuple[str | None, str | None]:
    """Return reason and detail for a log that was archived before: what of it is still there, and what is not.

    `now` is what its system said of it when its bytes were read.
    """
    known = sight.known
    if known is not None and sight.stood_still(now):
        same = "size, times and inode" if known.object is None else "version and ETag"
        return CHANGED_UNSEEN, f"other bytes than at {known.observed_at}, under the same {same}"
    if table != "model_logs":
        return None, None
    if begun is not None:
        if begun.known.item.path == sight.item.path:  # or another version of the same object
            return "grown", f"{begun.known.size} bytes were archived at {begun.known.observed_at}"
        where = f"{begun.known.size} bytes were archived as {begun.known.item.path}"
        loss = None if begun.has_own or known is None or is_another_file(known, now) else loss_of(known, now)
        return ("rotated", where) if loss is None else (loss[0], f"{loss[1]}; of those it has now, {where}")
    return loss_of(known, now) or (None, None)


def same_family(one: Item, other: Item) -> bool:
    """Say whether two names are of one rotated log."""
    return one.source == other.source and family(one.path) == family(other.path)


def said(line: ItemLine, facts: Facts | None) -> ItemLine:
    """Return the line with what the system that holds the item says of it."""
    return replace(line, file=_file(facts), object=_object(facts))


def read_line(sight: Sight, line: ItemLine, facts: Facts) -> ItemLine:
    """Return the line of an item that was read, with what the system that holds it said of it then."""
    return replace(line, observed_at=sight.observed_at, basis="read", file=_file(facts), object=_object(facts))


def _file(facts: Facts | None) -> Json | None:
    return cast("Json", facts.to_json()) if isinstance(facts, FileFacts) else None


def _object(facts: Facts | None) -> Json | None:
    return facts.words if isinstance(facts, ObjectFacts) else None


def inside_again(sight: Sight, known: ItemLine) -> ItemLine:
    """Return the line of what is inside a file that is unchanged; a selection is known as its log is.

    How its bytes came into the archive was said then, as the reason: of an item that is read again nobody says it, too.
    """
    line = replace(known, observed_at=sight.observed_at)
    if known.status == "damaged":
        return replace(line, basis=basis_of(sight))
    if known.status in CONTENT_STATUSES:
        detail = known.detail if is_unjudged(known.detail) else None
        return replace(line, status="unchanged", reason=None, detail=detail, basis=basis_of(sight))
    return replace(line, basis=basis_of(sight)) if selected_by(known) else line


def basis_of(sight: Sight) -> str:
    """Return how an item that was not read is known."""
    return "etag" if isinstance(sight.found.facts, ObjectFacts) else "stat"
