"""Items along their parts, in whatever way the parts lie."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pyarrow as pa
import pytest
from world import CHAT, CHAT_ROWS, EMPTY, FIRST, MEMO, World

from archiver.judge import batch_claims
from archiver.model.item import Item
from archiver.model.items import Part
from archiver.model.leaf import DOCUMENT_ROW

BIG = Item("papers", "big.bin")
DATA = bytes(range(256)) * (2 * DOCUMENT_ROW // 256) + b"tail"


def snapshot(world: World, lines, **batches: int) -> None:
    """Account for some lines in a first snapshot."""
    world.items(FIRST, lines)
    world.snapshot(FIRST, None, lines, {**batches, "items": 1})


def begun() -> World:
    world = World(tell=False)
    world.put("README.txt", b"read me\n")
    world.begin()
    return world


def bad(world: World) -> list[str]:
    return [f"{finding.code} {finding.subject}" for finding in world.verify().findings if finding.severity != "note"]


def spread_over_two_batches() -> tuple[World, str, str]:
    world = begun()
    rows = [(BIG, place * DOCUMENT_ROW, DATA[place * DOCUMENT_ROW :][:DOCUMENT_ROW]) for place in range(3)]
    first = world.documents(FIRST, 0, [(EMPTY, 0, b""), *rows[:2]])
    second = world.documents(FIRST, 1, [rows[2], (MEMO, 0, b"memo")])
    return world, first, second


def test_an_item_may_lie_in_several_batches():
    world, first, second = spread_over_two_batches()
    line = world.kept(BIG, "documents", DATA, Part(first, 1, 2), Part(second, 0, 1))
    snapshot(world, [line], documents=2)
    assert bad(world) == []


def test_an_item_of_several_batches_that_has_other_bytes_is_found():
    world, first, second = spread_over_two_batches()
    line = world.kept(BIG, "documents", DATA[:-1] + b"k", Part(first, 1, 2), Part(second, 0, 1))
    snapshot(world, [line], documents=2)
    (found,) = bad(world)
    assert found.startswith("item-sha256 ")


def test_parts_in_another_order_than_the_log_are_followed_too():
    world = begun()
    second = world.documents(FIRST, 0, [(BIG, 4, b"tail")])
    first = world.documents(FIRST, 1, [(BIG, 0, b"head")])
    line = world.kept(BIG, "documents", b"headtail", Part(first, 0, 1), Part(second, 0, 1))
    snapshot(world, [line], documents=2)
    assert bad(world) == []
    assert world.verify().counts["items"] == 1


def test_parts_of_one_batch_in_backward_order_are_followed_too():
    world = begun()
    batch = world.documents(FIRST, 0, [(BIG, 4, b"tail"), (BIG, 0, b"head")])
    good = world.kept(BIG, "documents", b"headtail", Part(batch, 1, 1), Part(batch, 0, 1))
    snapshot(world, [good], documents=1)
    assert bad(world) == []


def test_more_items_than_may_wait_are_followed_one_by_one(monkeypatch):
    monkeypatch.setattr(batch_claims, "MOST_OPEN", 0)
    world, first, second = spread_over_two_batches()
    line = world.kept(BIG, "documents", DATA, Part(first, 1, 2), Part(second, 0, 1))
    wrong = replace(world.kept(MEMO, "documents", b"memo", Part(second, 1, 1)), sha256="00" * 32)
    snapshot(world, [line, wrong], documents=2)
    assert [one.split()[0] for one in bad(world)] == ["item-sha256"]


def test_rows_of_an_earlier_read_may_stay_behind():
    world = begun()
    batch = world.documents(FIRST, 0, [(MEMO, 0, b"mem"), (MEMO, 0, b"memo")])
    snapshot(world, [world.kept(MEMO, "documents", b"memo", Part(batch, 1, 1))], documents=1)
    assert bad(world) == []


def test_a_log_that_has_grown_goes_on_from_its_old_records():
    world = begun()
    grown = [*CHAT_ROWS[:2], b"no end, until now\n"]
    old = world.model_logs(FIRST, 0, [(CHAT, 0, CHAT_ROWS[0]), (CHAT, 8, CHAT_ROWS[1]), (CHAT, 16, CHAT_ROWS[2])])
    new = world.model_logs(FIRST, 1, [(CHAT, 16, grown[2])])
    line = world.kept(CHAT, "model_logs", b"".join(grown), Part(old, 0, 2), Part(new, 0, 1))
    snapshot(world, [line], model_logs=2)
    assert bad(world) == []


def test_shared_content_carries_the_item_that_its_part_names():
    world = begun()
    copy = Item("papers", "copy.txt")
    batch = world.documents(FIRST, 0, [(MEMO, 0, b"memo")])
    own = world.kept(MEMO, "documents", b"memo", Part(batch, 0, 1))
    shared = world.kept(copy, "documents", b"memo", Part(batch, 0, 1, MEMO))
    snapshot(world, [own, replace(shared, status="unchanged", basis="stat")], documents=1)
    assert bad(world) == []
    assert world.verify().counts["items"] == 2


def test_withheld_bytes_keep_the_root_and_leave_the_item_unknown():
    def withhold(table: pa.Table, batch: str) -> pa.Table:
        if "documents" not in batch:
            return table
        digest = {"length": 4, "sha256": hashlib.sha256(b"memo").digest()}
        for name, values in (("raw", [None, b"x"]), ("withheld", [digest, None])):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
        return table

    world = World(tell=False, table=withhold)
    world.put("README.txt", b"read me\n")
    world.begin()
    batch = world.documents(FIRST, 0, [(MEMO, 0, b"memo"), (EMPTY, 0, b"x")])
    lines = [
        world.kept(MEMO, "documents", b"memo", Part(batch, 0, 1)),
        world.kept(EMPTY, "documents", b"x", Part(batch, 1, 1)),
    ]
    snapshot(world, lines, documents=1)
    report = world.verify()
    found = [(finding.code, str(finding.severity)) for finding in report.findings if finding.severity != "note"]
    assert (found, int(report.exit)) == ([("item-sha256", "unknown")], 3)


@pytest.mark.parametrize("count", [1, 100, 20_000])
def test_many_rows_are_read_a_few_at_a_time(count):
    world = begun()
    rows = [b'{"n":%d}\n' % number for number in range(count)]
    offsets = [sum(map(len, rows[:1])) * 0]
    for row in rows[:-1]:
        offsets.append(offsets[-1] + len(row))
    batch = world.model_logs(FIRST, 0, [(CHAT, offset, row) for offset, row in zip(offsets, rows, strict=True)])
    snapshot(world, [world.kept(CHAT, "model_logs", b"".join(rows), Part(batch, 0, count))], model_logs=1)
    assert bad(world) == []
    assert world.verify().counts["records"] == count + 1


def test_a_table_of_a_later_version_is_unknown_and_its_root_is_checked():
    world = begun()
    world.bends["batch"] = lambda words: {**words, "table_version": 2} if words["table"] == "documents" else words
    world.bends["metadata"] = lambda words, batch: (
        {**words, "archiver.table_version": "2"} if "documents" in batch else words
    )
    batch = world.documents(FIRST, 0, [(MEMO, 0, b"memo")])
    snapshot(world, [world.kept(MEMO, "documents", b"memo", Part(batch, 0, 1))], documents=1)
    report = world.verify()
    found = [(finding.code, str(finding.severity)) for finding in report.findings if finding.severity != "note"]
    assert found == [("record-schema", "unknown")]
