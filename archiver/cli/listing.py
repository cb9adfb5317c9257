"""`archiver list`: snapshots, batches, items, statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import click

from archiver.cli.context import Answer, Run
from archiver.cli.marks import item_marks
from archiver.cli.options import Place, reader
from archiver.cli.words import beside, size
from archiver.errors import UsageError
from archiver.model.mark import MARKS

if TYPE_CHECKING:
    from archiver.cli.answers_reading import ListedBatch, ListedItem, ListedSnapshot, ListedStatement
    from archiver.flows.reading import Reading
    from archiver.model.items import ItemLine
    from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate

__all__ = ["command", "item_name"]

T = TypeVar("T")


@click.command("list")
@click.argument("what", type=click.Choice(["snapshots", "batches", "items", "statements"]), default="snapshots")
@click.option("--snapshot", metavar="ID", help="Batches or items of this snapshot; items else of the newest.")
@click.option("--source", metavar="ID", help="Items of this source.")
@click.option("--status", metavar="STATUS", help="Items with this status, such as failed or absent.")
@click.option("--path", "path_glob", metavar="GLOB", help="Items whose path matches, such as 'mail/**'.")
@click.option("--mark", type=click.Choice(MARKS), help="Items with this mark.")
@click.option("--kind", metavar="KIND", help="Statements of this kind, such as policy or incident.")
@reader
@click.pass_obj
def command(run: Run, /, what: str, place: Place, **filters: str | None) -> Answer:
    """List snapshots (the default), batches, items or statements, from the store itself."""
    from archiver.cli import answers_reading  # noqa: PLC0415 - loaded when called
    from archiver.cli.reading import opened  # noqa: PLC0415

    _refuse_misplaced(what, filters)
    with opened(run, place) as reading:
        listed = answers_reading.Listing(what=what, snapshots=None, batches=None, items=None, statements=None)
        match what:
            case "snapshots":
                listed = answers_reading.Listing(
                    what, _told(run, _snapshots(reading), _snapshot_line), None, None, None
                )
            case "batches":
                batches = _told(run, _batches(reading, filters["snapshot"]), _batch_line)
                listed = answers_reading.Listing(what, None, batches, None, None)
            case "items":
                listed = answers_reading.Listing(
                    what, None, None, _told(run, _items(reading, filters), _item_line), None
                )
            case _:
                statements = _told(run, _statements(reading, filters["kind"]), _statement_line)
                listed = answers_reading.Listing(what, None, None, None, statements)
        return Answer(reading.exit, listed)


_FILTERS = {
    "snapshots": (),
    "batches": ("snapshot",),
    "items": ("snapshot", "source", "status", "path_glob", "mark"),
    "statements": ("kind",),
}


def _refuse_misplaced(what: str, filters: dict[str, str | None]) -> None:
    for name, value in filters.items():
        if value is not None and name not in _FILTERS[what]:
            option = "path" if name == "path_glob" else name
            kinds = " or ".join(kind for kind, names in _FILTERS.items() if name in names)
            raise UsageError(
                "usage", f"--{option}: expected it with {kinds}, found it with {what}", hint="leave it out"
            )


def _told(run: Run, things: Iterable[T], line: Callable[[T], str]) -> list[T]:
    """Write a line for each thing as it comes, or return them all for `--json`."""
    if run.json:
        return list(things)
    for thing in things:
        run.write(line(thing))
    return []


def _snapshots(reading: Reading) -> Iterator[ListedSnapshot]:
    from archiver.cli.answers_reading import ListedSnapshot  # noqa: PLC0415 - loaded when called
    from archiver.flows.listing import list_snapshots  # noqa: PLC0415

    def listed(one: SnapshotPredicate) -> ListedSnapshot:
        return ListedSnapshot(
            id=one.id,
            started=one.started,
            finished=one.finished,
            status=one.status,
            seen=sum(source.counts.seen for source in one.sources),
            failed=sum(source.counts.failed + source.counts.changed_during_read for source in one.sources),
            absent=sum(source.counts.absent for source in one.sources),
            new_bytes=sum(source.new_bytes for source in one.sources),
            batches=dict(one.batches),
        )

    return map(listed, list_snapshots(reading))


def _snapshot_line(one: ListedSnapshot) -> str:
    words = f"{one.id}  {one.finished}  {one.status:<10}  {one.seen:>9,} items  {size(one.new_bytes):>10} new"
    trouble = [f"{number:,} {name}" for number, name in ((one.failed, "failed"), (one.absent, "gone")) if number]
    return f"{words}  {', '.join(trouble)}".rstrip()


def _batches(reading: Reading, snapshot: str | None) -> Iterator[ListedBatch]:
    from archiver.cli.answers_reading import ListedBatch  # noqa: PLC0415 - loaded when called
    from archiver.flows.listing import list_batches  # noqa: PLC0415

    def listed(one: BatchPredicate) -> ListedBatch:
        return ListedBatch(
            id=one.id,
            snapshot=one.snapshot,
            source=one.source,
            table=one.table,
            records=one.records,
            items=one.items,
            raw_bytes=one.raw_bytes,
            retain_until=one.hold.retain_until,
        )

    return map(listed, list_batches(reading, snapshot=snapshot))


def _batch_line(one: ListedBatch) -> str:
    source = one.source or "all sources"
    return f"{one.id:<43}  {one.records:>9,} records  {size(one.raw_bytes):>10}  until {one.retain_until}  {source}"


def _items(reading: Reading, filters: dict[str, str | None]) -> Iterator[ListedItem]:
    from archiver.cli.answers_reading import ListedItem  # noqa: PLC0415 - loaded when called
    from archiver.flows.listing import list_items  # noqa: PLC0415
    from archiver.model.selected import told  # noqa: PLC0415

    def listed(line: ItemLine) -> ListedItem:
        return ListedItem(
            item=item_name(line),
            source=line.item.source,
            path=line.item.path,
            members=list(line.item.members),
            kind=line.kind,
            status=line.status,
            reason=line.reason,
            detail=told(line),
            size=line.size,
            sha256=line.sha256,
            observed_at=line.observed_at,
            marks=item_marks(line.marks),
        )

    wanted = {name: filters[name] for name in ("snapshot", "source", "status", "path_glob", "mark")}
    return map(listed, list_items(reading, **wanted))


def item_name(line: ItemLine) -> str:
    """Return how `prove` and people name an item: source, path, version, and what is inside it."""
    version = [] if line.item.version is None else [f"@{line.item.version}"]
    return "!".join([f"{line.item.source}/{line.item.path}", *version, *line.item.members])


def _item_line(one: ListedItem) -> str:
    weight = "" if one.size is None or one.kind not in ("file", "inner", "message", "object") else size(one.size)
    kind = "" if one.kind in ("file", "inner", "object") else f"  ({one.kind})"
    why = beside(one.item, one.detail or one.reason or "")
    marked = "".join(f"  [{mark.mark}]" for mark in one.marks)
    return f"{one.status:<19}  {weight:>10}  {one.item}{kind}{marked}" + (f"  {why}" if why else "")


def _statements(reading: Reading, kind: str | None) -> Iterator[ListedStatement]:
    from archiver.cli.answers_reading import ListedStatement  # noqa: PLC0415 - loaded when called
    from archiver.flows.listing import list_statements  # noqa: PLC0415

    for one in list_statements(reading, kind=kind):
        yield ListedStatement(one.position, one.kind, one.id, one.at, one.by, list(one.subjects))


def _statement_line(one: ListedStatement) -> str:
    return f"{one.position:>8}  {one.at}  {one.kind:<12}  {one.id}  by {one.by}"
